// Power loss at the n-th sync, for every n: bytes that were not synced are dropped, torn, or replaced by noise (powerloss.c). After
// it, the worker must come back with everything it acknowledged.
//
// CRASH_SYNCS: how many points for each mode (default 12, spread evenly; `make crash` takes every one).

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { build, executable, must, run, scratch, shape, Worker } from '../harness.mjs';

const limit = Number(process.env.CRASH_SYNCS ?? 12);
const library = join(build, 'tests/powerloss.so');
const WORKFLOW = 'demo:workflow/api@1.0.0.';
const calls = [
    ['a', `${WORKFLOW}{run}`, '3000', '4'],
    ['b', `${WORKFLOW}{run-slow}`, '400', '8', '20'],
    ['c', `${WORKFLOW}{total}`],
    ['d', `${WORKFLOW}{run-verbose}`, '20'],
    ['e', `${WORKFLOW}{memory-digest}`],
];

/** Runs the calls until the power fails; what was acknowledged until then, by key. */
function runUntilDark(worker, power) {
    const acknowledged = new Map();
    let before = 0;
    for (const [key, fn, ...values] of calls) {
        const count = join(worker.data, '..', 'count');
        const at = power.at === 0 ? 0 : power.at - before;
        const env = { ...process.env, LD_PRELOAD: library, POWERLOSS_DIR: worker.data, POWERLOSS_AT: String(at),
            POWERLOSS_MODE: power.mode, POWERLOSS_SEED: String(power.at), POWERLOSS_COUNT: count };
        const done = run(worker.program, worker.args('--key', key, 'invoke', fn, ...values), { env });
        if (done.stdout.endsWith('\n')) acknowledged.set(key, done.stdout.slice(0, -1));
        if (done.signal === 'SIGKILL') return { acknowledged, dark: true };
        assert.equal(done.status, 0, done.stderr);
        before += Number(readFileSync(count, 'utf8').split(' ')[0]);
    }
    return { acknowledged, dark: false, syncs: before };
}

for (const mode of ['drop', 'torn', 'garble', 'keep'])
    test(`power loss at a sync, unsynced bytes: ${mode}`, (t) => {
        const program = executable('workflow', '--dynamic'); // which can be preloaded
        const folder = scratch(t);
        const fresh = (name) => {
            mkdirSync(join(folder, name, 'data'), { recursive: true });
            return new Worker(program, join(folder, name, 'data'));
        };
        const quiet = fresh('quiet');
        const { syncs } = runUntilDark(quiet, { at: 0, mode });
        assert.ok(syncs > calls.length, `only ${syncs} syncs: results were not durable before they were given`);
        const expected = shape(quiet.oplog());

        const step = Math.max(1, syncs / limit);
        let points = 0;
        for (let at = 1; at <= syncs; at += step, points++) {
            const worker = fresh(`${mode}-${points}`);
            const { acknowledged } = runUntilDark(worker, { at: Math.floor(at), mode });
            const results = new Map(calls.map(([key, fn, ...values]) => [key, worker.invoke(key, fn, ...values)]));
            for (const [key, result] of acknowledged)
                assert.equal(results.get(key), result, `sync ${Math.floor(at)}: the acknowledged result of ${key} changed`);
            assert.equal(results.get('c'), results.get('b'));
            assert.deepEqual(shape(worker.oplog()), expected, `sync ${Math.floor(at)}: another oplog`);
            must(program, worker.args('verify'));
        }
        t.diagnostic(`${mode}: ${points} of ${syncs} syncs`);
    });
