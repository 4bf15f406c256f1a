// SIGKILL at random instants of a worker that talks to servers over TCP and UDP. What it was told before a kill stays; a connection that
// the kill has cut is an error, never garbage; and no line that a server has seen is sent to it again.
//
// CRASH_KILLS, CRASH_SEED: as in kill.test.mjs.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { chance, executable, scratch, Worker } from '../harness.mjs';

const kills = Number(process.env.CRASH_KILLS ?? 40);
const random = chance(Number(process.env.CRASH_SEED ?? 1));
const STEPS = 'demo:sockets/api@1.0.0.{steps}', ROUNDS = 20, program = executable('sockets');

/** A TCP server that echoes, and a UDP one; all lines that the former has seen. */
async function servers(t) {
    const seen = [], tcp = createServer((socket) => {
        socket.on('error', () => {}).on('data', (data) => {
            seen.push(`${data}`);
            socket.write(data);
        });
    }).listen(0, '127.0.0.1');
    const udp = createSocket('udp4').on('message', (data, from) => udp.send(data, from.port, from.address));
    udp.bind(0, '127.0.0.1');
    await Promise.all([once(tcp, 'listening'), once(udp, 'listening')]);
    t.after(() => (tcp.close(), udp.close()));
    return { seen, tcp: `127.0.0.1 ${tcp.address().port}`, udp: `127.0.0.1 ${udp.address().port}` };
}

/** Runs a program, beside the servers of this process, and kills it after so many milliseconds unless it ends before. */
async function runBeside(args, milliseconds) {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] }), said = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr']) child[name].on('data', (data) => (said[name] += data));
    const timer = setTimeout(() => child.kill('SIGKILL'), milliseconds);
    const [status, signal] = await once(child, 'close');
    clearTimeout(timer);
    return { status, signal, ...said };
}

/** The steps, and for each a pattern of what it may answer. */
function script(round, tcp, udp) {
    const ok = /^ok$/, cut = 'failed: connection-aborted|closed';
    const steps = [['tcp4 0', ok], ['bind 0 127.0.0.1 0', ok], ['listen 0', ok], ['udp4 9', ok], ['bind 9 127.0.0.1 0', ok], [`stream 9 ${udp}`, ok]];
    for (let i = 0; i < ROUNDS; i++) {
        const line = `round${round}-line${i}`;
        steps.push(['tcp4 1', ok], [`connect 1 ${tcp}`, /^(ok|connection-aborted)$/]);
        steps.push([`say 1 ${line}`, new RegExp(`^("${line}"|${cut}|invalid-state)$`)]);
        steps.push(['send 9 x', /^1$/], ['wait 9 in 5', /^(ready|timeout)$/], ['try-receive 9 3', new RegExp(`^\\[((, )?x from ${udp})*\\]$`)]);
        steps.push(['try-accept 0 2', /^would-block$/], ['drop 1', ok]);
    }
    return steps;
}

test(`a worker that is killed ${kills} times while it uses sockets`, async (t) => {
    const folder = scratch(t), { seen, tcp, udp } = await servers(t);
    let hits = 0;
    for (let round = 0; hits < kills; round++) {
        const worker = new Worker(program, join(folder, `data${round}`)), steps = script(round, tcp, udp);
        const args = worker.invokeArgs('talk', STEPS, JSON.stringify(steps.map(([line]) => line)));
        let ended, shots = 0;
        do {
            ended = await runBeside(args, shots++ < 6 ? 5 + random() * 60 : 60000);
            hits += ended.signal === 'SIGKILL';
        } while (ended.signal === 'SIGKILL');
        assert.equal(ended.status, 0, ended.stderr);
        const answers = JSON.parse(ended.stdout);
        steps.forEach(([line, expected], i) => assert.match(answers[i], expected, line));
        assert.equal(worker.invoke('talk', STEPS, '[]'), ended.stdout.trimEnd(), 'the same key, the same result');
        worker.verify();
    }
    assert.equal(new Set(seen).size, seen.length, 'no line was sent twice');
});
