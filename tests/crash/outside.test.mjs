// An invocation that uses files, sleeps and HTTP (tests/guests/errand), and ends by SIGKILL before every system call that others, or a
// later process, can see something of (killat.c), or by power loss at every sync (powerloss.c). Afterwards everything is as if nothing
// had been, and the server outside has seen each acknowledged request once: an exchange is acknowledged when it has ended in the
// oplog, or when something behind it was seen outside. An unfinished one is repeated once for each crash.
//
// CRASH_CALLS: how many calls to be killed before (default 16, spread evenly; `make crash` takes every one, and kills the recovery too).
// CRASH_SYNCS: how many syncs to lose power at (default 12).

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { build, chance, executable, run, scratch, Worker } from '../harness.mjs';
import { network } from '../net/net.mjs';
import { digest, pattern } from '../net/origin_routes.mjs';

const limit = Number(process.env.CRASH_CALLS ?? 16), syncLimit = Number(process.env.CRASH_SYNCS ?? 12);
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
    /** Runs it, killed before the n-th such call; 0: how many there are is said on standard error. */
    killed(n) {
        return run(killat, [String(n), this.worker.program, ...this.words]);
    }
    /** Runs it until the power fails at the n-th sync; 0: never. `syncs`: how many there were. */
    darkened(n, mode = 'drop') {
        const { data } = this.worker, count = `${data}.count`;
        mkdirSync(data, { recursive: true });
        const env = { ...process.env, LD_PRELOAD: join(build, 'tests/powerloss.so'), POWERLOSS_DIR: data, POWERLOSS_AT: String(n), POWERLOSS_MODE: mode,
            POWERLOSS_SEED: String(n), POWERLOSS_COUNT: count };
        const ended = run(this.worker.program, this.words, { env });
        return n ? ended : { ...ended, syncs: Number(readFileSync(count, 'utf8').split(' ')[0]) };
    }
    finish() {
        return run(this.worker.program, this.words);
    }
    /** What was sent before a crash may still be on its way. */
    async seenAfterCrash() {
        await sleep(30);
        return this.seen();
    }
    /** Counts in the order of the exchanges: the rounds, then the other requests that reach the server. */
    async seen() {
        const urls = (await this.net.seen()).map(({ url, id }) => id ?? url);
        return [...Array.from({ length: rounds }, (_, i) => String(i)), '/bytes/1000000', '/nothing'].map((name) => urls.filter((url) => url === name).length);
    }
}

/**
 * The errand, crashed by each function in turn, and then finished. False if the first one did not hit, since there were fewer calls
 * than in the run that was counted.
 */
async function recovers(t, net, crashes) {
    const errand = new Errand(t, net), { worker } = errand;
    await net.forget();
    let before = Array(rounds + 2).fill(0), finished = [];
    const look = async (where) => {
        const after = await errand.seenAfterCrash();
        for (const [i, count] of after.entries()) {
            const acknowledged = finished[i] || before[i + 1] > 0;
            if (acknowledged) assert.equal(count, before[i], `${where}: exchange ${i} was acknowledged, and is repeated`);
            else assert.ok(count <= before[i] + 1, `${where}: exchange ${i} seen ${count} times, ${before[i]} before`);
        }
        [before, finished] = [after, exchanges(worker)];
    };
    for (const [i, crash] of crashes.entries()) {
        const { status, signal, stderr } = crash(errand);
        if (status === 0 && i === 0) return false;
        assert.ok(status === 0 || status === 137 || signal === 'SIGKILL', stderr);
        await look(`crash ${i}`);
    }
    const { status, stdout, stderr } = errand.finish();
    assert.equal(status, 0, stderr);
    assert.equal(stdout, 'ok\n');
    await look('in the end');
    assert.ok(before.every((count) => count >= 1), `${before}`);
    assert.deepEqual(said(worker), wanted, 'every line once');
    assert.equal(worker.run('checkpoint').status, 0);
    assert.match(worker.verify(), /memory digest [0-9a-f]+ in both/);
    assert.equal(errand.finish().stdout, 'ok\n', 'the key\'s result');
    assert.deepEqual(await errand.seen(), before, 'and nothing is asked again');
    return true;
}

/** Says of a failure where it was. */
async function named(where, action) {
    try {
        return await action();
    } catch (error) {
        throw new Error(`${where}: ${error.message}`, { cause: error });
    }
}

test('killed before any call that others can see, an errand with files, sleeps and HTTP is done once', async (t) => {
    const net = await network(t), quiet = new Errand(t, net);
    const counted = Number(/^killat: (\d+) calls$/m.exec(quiet.killed(0).stderr)[1]);
    assert.deepEqual(await quiet.seen(), Array(rounds + 2).fill(1));
    const points = Math.min(limit, counted);
    let kills = 0;
    for (let i = 0; i < points; i++) {
        const shots = [1 + Math.floor(i * counted / points)];
        if (limit >= counted) shots.push(1 + Math.floor(random() * counted));
        if (await named(`killed at ${shots} of ${counted}`, () => recovers(t, net, shots.map((n) => (errand) => errand.killed(n))))) kills++;
    }
    assert.ok(kills >= points * 0.8, `${kills} of ${points} hit`);
    t.diagnostic(`${kills} kills at ${counted} calls`);
});

test('without power from any sync on, whatever of the unsynced bytes is there, it is done once too', async (t) => {
    const net = await network(t), { syncs } = new Errand(t, net).darkened(0), points = Math.min(syncLimit, syncs * 4);
    assert.ok(syncs > 2 * rounds, `only ${syncs} syncs`);
    const modes = ['drop', 'torn', 'garble', 'keep'];
    let hits = 0;
    for (let i = 0; i < points; i++) {
        const mode = modes[i % 4], n = 1 + Math.floor(i * syncs / points);
        if (await named(`${mode} at sync ${n} of ${syncs}`, () => recovers(t, net, [(errand) => errand.darkened(n, mode)]))) hits++;
    }
    assert.ok(hits >= points * 0.8, `${hits} of ${points} hit`);
    t.diagnostic(`${hits} times at ${syncs} syncs`);
});
