// SIGKILL at random instants. A script of invocations, each with a key of its own, is run by a worker that is killed again and again;
// it is compared with one that was never killed: acknowledged results, final state, the shape of the oplog, and `verify`, which
// replays everything and compares every call, result and the memory's digest.
//
// CRASH_KILLS: how many kills for each script (default 40; `make crash` uses 500). CRASH_SEED: for the chance.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { chance, executable, golemAot, must, runAndKill, scratch, shape, top, Worker } from '../harness.mjs';

const kills = Number(process.env.CRASH_KILLS ?? 40);
const seed = Number(process.env.CRASH_SEED ?? 1);

const CART = 'demo:cart/api@1.0.0.';
const item = (id, price, quantity) => `{product-id: "${id}", name: "Ware ${id}", price: ${price}, quantity: ${quantity}}`;

/** A day in the life of a cart. */
function cartScript(round) {
    const calls = [['initialize-cart', '"anna"']];
    for (let i = 0; i < 6; i++) calls.push(['add-item', item(`p${i}`, i + 0.5, i + 1)]);
    calls.push(['update-item-quantity', '"p3"', '7'], ['remove-item', '"p1"'], ['get-cart-contents'], ['checkout'], ['get-cart-contents']);
    return calls.map(([fn, ...values], i) => ({ key: `cart-${round}-${i}`, fn: `${CART}{${fn}}`, values }));
}

const WORKFLOW = 'demo:workflow/api@1.0.0.';

/** Long invocations over tens of MiB: what a checkpoint in the middle of one is for. */
function workflowScript(round) {
    return [
        { key: `run-${round}`, fn: `${WORKFLOW}{run}`, values: ['20000', '24'] },
        { key: `slow-${round}`, fn: `${WORKFLOW}{run-slow}`, values: ['2000', '32', '20'] },
        { key: `talk-${round}`, fn: `${WORKFLOW}{run-verbose}`, values: ['200'] },
        { key: `total-${round}`, fn: `${WORKFLOW}{total}`, values: [] },
        { key: `digest-${round}`, fn: `${WORKFLOW}{memory-digest}`, values: [] },
    ];
}

/** Runs the calls in order without any kill; milliseconds each took, and the results. */
function runQuietly(worker, calls) {
    return calls.map(({ key, fn, values }) => {
        const start = performance.now();
        const result = worker.invoke(key, fn, ...values);
        return { result, milliseconds: performance.now() - start };
    });
}

/** Runs the calls in order, each killed at random instants before it may end by itself. Returns kills that hit, and results. */
async function runUnderFire(worker, calls, quiet, random, folder, budget) {
    const results = [];
    let hits = 0;
    for (const [i, { key, fn, values }] of calls.entries()) {
        // Up to five shots a call, then it may end in peace: every call is hit in many rounds, none for ever.
        for (let shot = 0; shot < 5 && hits < budget; shot++) {
            const ended = await runAndKill(worker.program, worker.invokeArgs(key, fn, ...values),
                random() * (quiet[i].milliseconds * 1.1 + 2), { folder });
            if (ended.signal === 'SIGKILL') hits++;
            else assert.equal(ended.status, 0, ended.stderr);
            if (ended.stdout.endsWith('\n')) results[i] ??= ended.stdout.slice(0, -1); // acknowledged: it must never change
            if (ended.signal !== 'SIGKILL') break;
        }
        const settled = worker.invoke(key, fn, ...values);
        if (results[i] !== undefined) assert.equal(settled, results[i], `call ${i}: an acknowledged result changed`);
        results[i] = settled;
    }
    return { results, hits };
}

async function campaign(t, name, script, check, program = executable(name)) {
    const folder = scratch(t);
    const reference = new Worker(program, `${folder}/reference`);
    const quiet = runQuietly(reference, script(0));
    const expected = shape(reference.oplog());
    check(quiet.map(({ result }) => result));

    const random = chance(seed);
    let hits = 0, rounds = 0;
    while (hits < kills) {
        const worker = new Worker(program, `${folder}/round-${rounds}`);
        const calls = script(0);
        const fire = await runUnderFire(worker, calls, quiet, random, folder, kills - hits);
        hits += fire.hits;
        rounds++;
        check(fire.results);
        assert.deepEqual(shape(worker.oplog()), expected, `round ${rounds}: another oplog`);
        worker.verify();
        for (const [i, { key, fn, values }] of calls.entries())
            assert.equal(worker.invoke(key, fn, ...values), fire.results[i], 'a key answers with its first result');
        assert.deepEqual(shape(worker.oplog()), expected, 'asking again for a key adds nothing');
    }
    t.diagnostic(`${name}: ${hits} kills in ${rounds} rounds`);
}

test('a cart that is killed at random instants loses, repeats and changes nothing', async (t) => {
    await campaign(t, 'cart', cartScript, (results) => {
        assert.equal((results[9].match(/product-id/g) ?? []).length, 5, results[9]);
        assert.match(results[9], /"p3"[^}]*quantity: 7/);
        assert.match(results[10], /^success\(/);
        assert.equal(results[11], '[]');
    });
});

test('a workflow killed in the middle of long invocations ends with what it would have ended with', async (t) => {
    await campaign(t, 'workflow', workflowScript, (results) => {
        assert.equal(results[2], results[3], 'total is what the last run returned');
        assert.notEqual(results[4], '0');
    });
});

test('components that call each other are killed in the middle of calls', async (t) => {
    const folder = scratch(t), made = join(folder, 'composed.wasm'), program = join(folder, 'composed');
    writeFileSync(made, await parse(readFileSync(join(top, 'tests/crash/composed.wat'), 'utf8')));
    must(golemAot, ['build', made, '-o', program]);
    const script = () => [['run', '30000'], ['total'], ['run', '100000'], ['total']].map(([fn, ...values], i) => ({ key: `composed-${i}`, fn, values }));
    await campaign(t, 'composed', script, (results) => {
        assert.equal(results[0], results[1]);
        assert.equal(results[2], results[3]);
    }, program);
});
