// Components that are written as text: built, asked, refused.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { golemAot, must, run, scratch } from '../harness.mjs';

/** Writes text as a component; where it is. */
export async function component(folder, wat) {
    const path = join(folder, 'made.wasm');
    writeFileSync(path, await parse(wat));
    return path;
}

/** Builds a component and asks it line after line: { 'call(1)': 'answer' }, in order. */
export function answers(name, wat, expected, options = []) {
    test(name, async (t) => {
        const folder = scratch(t), program = join(folder, 'program');
        must(golemAot, ['build', await component(folder, wat), '-o', program, ...options]);
        const lines = expected.map(([call]) => `${call}\n`).join('');
        const { stdout, stderr } = run(program, ['--ephemeral', 'invoke', '--stdin'], { input: lines });
        const got = stdout.split('\n').slice(0, expected.length);
        expected.forEach(([call, answer], i) => {
            if (answer instanceof RegExp) assert.match(got[i] ?? '', answer, `${call}: ${stderr}`);
            else assert.equal(got[i], answer, `${call}: ${stderr}`);
        });
    });
}

/** A component that build refuses. */
export function refused(name, wat, message) {
    test(name, async (t) => {
        const folder = scratch(t);
        const { status, stderr } = run(golemAot, ['build', await component(folder, wat), '-o', join(folder, 'program')]);
        assert.equal(status, 1);
        assert.match(stderr, message);
    });
}
