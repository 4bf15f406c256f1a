// The glue of one component, written out, with a bit of everything: what changes in it is to be looked at. `make bless` accepts it.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { golemAot, must, scratch } from '../harness.mjs';

const folder = dirname(fileURLToPath(import.meta.url));

/** Hashes of modules and data become numbers, in order: they change with every change of the pre-pass. */
function numbered(text) {
    const names = new Map();
    return text.replace(/(?<![0-9a-z])((?:w2c_|wasm2c_)?)([md])[0-9a-f]{16}/g, (_, before, letter, at, whole) => {
        const hash = whole.slice(at + before.length, at + before.length + 17);
        if (!names.has(hash)) names.set(hash, `${letter}${[...names.keys()].filter((name) => name[0] === letter).length}`);
        return `${before}${names.get(hash)}`;
    }).replace(/SHA-256 [0-9a-f]{64}/, 'SHA-256 ...').replace(/(component_hash = )"[0-9a-f]{64}"/, '$1"..."')
        .replace(/(\.wit =)[^]*?(\n    \.root_size)/, '$1 "...",$2');
}

test('the glue reads as it did', async (t) => {
    const work = scratch(t), made = join(work, 'golden.wasm'), golden = join(folder, 'glue.c.txt');
    writeFileSync(made, await parse(readFileSync(join(folder, 'glue.wat'), 'utf8')));
    must(golemAot, ['build', made, '-o', join(work, 'program'), '--keep-c', join(work, 'c')]);
    const glue = numbered(readFileSync(join(work, 'c', 'glue.c'), 'utf8'));
    if (process.env.BLESS) return writeFileSync(golden, glue);
    const was = readFileSync(golden, 'utf8').split('\n'), is = glue.split('\n');
    const line = is.findIndex((text, i) => text !== was[i]);
    assert.ok(glue === was.join('\n'), `glue.c:${line + 1}: was: ${was[line]}\n is: ${is[line]}`);
});
