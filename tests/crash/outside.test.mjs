// SIGKILL before every system call that others, or a later process, can see something of (killat.c), in an invocation that uses files,
// sleeps and HTTP (tests/guests/errand). Afterwards everything is as if nothing had been, and the server outside has seen each
// acknowledged request once: one whose exchange had ended in the oplog is not repeated, an unfinished one is repeated once for each kill.
//
// CRASH_CALLS: how many of those points (default 16, spread evenly; `make crash` takes every one, and kills the recovery too).

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { build, chance, executable, run, scratch, Worker } from '../harness.mjs';
import { network } from '../net/net.mjs';
import { digest, pattern } from '../net/origin_routes.mjs';

const limit = Number(process.env.CRASH_CALLS ?? 16);
const random = chance(Number(process.env.CRASH_SEED ?? 1));
const killat = join(build, 'tests/killat');
const rounds = 3;
const line = `1000 ${digest(pattern(1000))}`, log = `${line}\n`.repeat(rounds);
const wanted = ['greeting hello', 'clock steady', 'files a.txt c.txt', 'contents onetwo', 'size 6',
    ...Array.from({ length: rounds }, (_, i) => `round ${i} ${line}`), `large 1000000 ${digest(pattern(1000000))}`, 'missing 404', 'refused',
    `log ${log.length} ${digest(Buffer.from(log))}`];

const said = (worker) => worker.oplog({ hints: true }).filter(({ entry }) => entry.type === 'Log').map(({ entry }) => entry.message).join('')
    .split('\n').filter(Boolean);

/** For each exchange that the worker's oplog has begun: whether it has its end. Attempts that a Jump hides do not count. */
function exchanges(worker) {
    if (worker.run('oplog').status !== 0) return []; // killed before there was one
    const oplog = worker.oplog();
    const hidden = (index) => oplog.some(({ entry }) => entry.type === 'Jump' && index >= entry.jump.start && index <= entry.jump.end);
    const ended = new Set(oplog.filter(({ entry }) => entry.type === 'EndRemoteWrite').map(({ entry }) => entry.beginIndex));
    return oplog.filter(({ entry, oplogIndex }) => entry.type === 'BeginRemoteWrite' && !hidden(oplogIndex))
        .map(({ oplogIndex }) => ended.has(oplogIndex));
}

/** A worker of the errand, and how often the server has seen each of its requests. */
class Errand {
    constructor(t, net) {
        this.worker = new Worker(executable('errand-c'), join(scratch(t), 'data'));
        this.net = net;
        this.words = this.worker.args('--env', 'GREETING=hello', '--arg', 'errand', '--arg', net.origin, '--arg', String(rounds), '--key', 'k',
            'invoke', 'wasi:cli/run@0.2.12.{run}');
    }
    /** Runs it, killed before the n-th such call; 0: how many there are. */
    run(n) {
        return run(killat, [String(n), this.worker.program, ...this.words]);
    }
    finish() {
        return run(this.worker.program, this.words);
    }
    /** What was sent before a kill may still be on its way. */
    async seenAfterKill() {
        await sleep(30);
        return this.seen();
    }
    /** Counts in the order of the exchanges: the rounds, then the other requests that reach the server. */
    async seen() {
        const urls = (await this.net.seen()).map(({ url, id }) => id ?? url);
        return [...Array.from({ length: rounds }, (_, i) => String(i)), '/bytes/1000000', '/nothing'].map((name) => urls.filter((url) => url === name).length);
    }
}

/** False if there were fewer calls than in the run that was counted. */
async function crashAt(t, net, n, again) {
    const errand = new Errand(t, net), { worker } = errand;
    await net.forget();
    const ended = errand.run(n);
    if (ended.status === 0) return false;
    assert.equal(ended.status, 137, ended.stderr);
    let before = await errand.seenAfterKill(), finished = exchanges(worker);
    const check = async (where) => {
        const after = await errand.seenAfterKill();
        for (const [i, count] of after.entries())
            if (finished[i]) assert.equal(count, before[i], `${where}: exchange ${i} had ended, and was repeated`);
            else assert.ok(count <= before[i] + 1, `${where}: exchange ${i} seen ${count} times, ${before[i]} before`);
        return after;
    };
    if (again) {
        assert.ok([0, 137].includes(errand.run(again).status));
        before = await check('after the second kill');
        finished = exchanges(worker);
    }
    const { status, stdout, stderr } = errand.finish();
    assert.equal(status, 0, stderr);
    assert.equal(stdout, 'ok\n');
    const last = await check('in the end');
    assert.ok(last.every((count) => count >= 1), `${last}`);
    assert.deepEqual(said(worker), wanted, 'every line once');
    worker.verify();
    assert.equal(errand.finish().stdout, 'ok\n', 'the key\'s result');
    assert.deepEqual(await errand.seen(), last, 'and nothing is asked again');
    return true;
}

test('killed before any call that others can see, an errand with files, sleeps and HTTP is done once', async (t) => {
    const net = await network(t);
    const quiet = new Errand(t, net);
    const counted = Number(/^killat: (\d+) calls$/m.exec(quiet.run(0).stderr)[1]);
    assert.deepEqual(await quiet.seen(), [1, 1, 1, 1, 1]);
    const points = Math.min(limit, counted);
    let kills = 0;
    for (let i = 0; i < points; i++) {
        const n = 1 + Math.floor(i * counted / points);
        const again = limit >= counted ? 1 + Math.floor(random() * counted) : 0;
        try {
            if (await crashAt(t, net, n, again)) kills++;
        } catch (error) {
            throw new Error(`killed at ${n}${again ? ` and ${again}` : ''} of ${counted}: ${error.message}`, { cause: error });
        }
    }
    assert.ok(kills >= points * 0.8, `${kills} of ${points} hit`);
    t.diagnostic(`${kills} kills at ${counted} calls`);
});
