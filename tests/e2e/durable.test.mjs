// Durable workers: keys, state from process to process, one owner at a time, the oplog and the verbs that read it, promises, sleeps.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { test } from 'node:test';
import { executable, must, run, runAndKill, scratch, Worker } from '../harness.mjs';
import { wave } from '../wave.mjs';

const CART = 'demo:cart/api@1.0.0', COUNTER = 'demo:counter/api@1.0.0', WORKFLOW = 'demo:workflow/api@1.0.0';
const cart = executable('cart'), counter = executable('counter'), workflow = executable('workflow'), starting = executable('starting');
const SUSPENDED = 4;

const item = (id, price, quantity) => `{product-id: "${id}", name: "Ware ${id}", price: ${price}, quantity: ${quantity}}`;
const workerOf = (t, program, name = 'w') => new Worker(program, join(scratch(t), 'data'), name);

/** Runs a program beside others; how it ended. */
function start(program, args) {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const said = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr']) child[stream].setEncoding('utf8').on('data', (text) => (said[stream] += text));
    return new Promise((tell) => child.on('close', (status, signal) => tell({ status, signal, ...said })));
}

test('state goes from process to process', (t) => {
    const worker = workerOf(t, cart);
    worker.invoke('1', `${CART}.{initialize-cart}`, '"anna"');
    worker.invoke('2', `${CART}.{add-item}`, item('p1', 1.5, 2));
    worker.invoke('3', `${CART}.{add-item}`, item('p2', 0.25, 4));
    worker.invoke('4', `${CART}.{update-item-quantity}`, '"p1"', '10');
    assert.deepEqual(wave(worker.invoke('5', `${CART}.{get-cart-contents}`)), wave(`[${item('p1', 1.5, 10)}, ${item('p2', 0.25, 4)}]`));
    worker.invoke('6', `${CART}.{remove-item}`, '"p1"');
    assert.match(worker.invoke('7', `${CART}.{checkout}`), /^success\(\{order-id: "order-1-[0-9a-f]{16}-\d+\.\d{9}", total: 1(\.0)?, item-count: 1\}\)$/);
    assert.equal(worker.invoke('8', `${CART}.{get-cart-contents}`), '[]');
    assert.equal(worker.invoke('9', `${CART}.{checkout}`), 'error("the cart is empty")');
});

test('a key gives its first result for ever, whatever is asked for under it', (t) => {
    const worker = workerOf(t, cart);
    worker.invoke('1', `${CART}.{initialize-cart}`, '"anna"');
    worker.invoke('2', `${CART}.{add-item}`, item('p1', 1.5, 2));
    const first = worker.invoke('order', `${CART}.{checkout}`);
    assert.match(first, /^success/);
    const count = worker.oplog().length;
    assert.equal(worker.invoke('order', `${CART}.{checkout}`), first);
    assert.equal(worker.oplog().length, count, 'nothing ran');
    worker.invoke('3', `${CART}.{add-item}`, item('p1', 1.5, 2));
    const second = worker.invoke('another order', `${CART}.{checkout}`);
    assert.match(second, /"order-2-/);
    assert.equal(worker.invoke('order', `${CART}.{checkout}`), first);
});

test('without a key every call is a new one', (t) => {
    const worker = workerOf(t, counter);
    for (let i = 0; i < 3; i++) assert.equal(worker.run('invoke', `${COUNTER}.{inc-global-by}`, '5').status, 0);
    assert.equal(worker.invoke('value', `${COUNTER}.{get-global-value}`), '15');
    const keys = worker.oplog().flatMap(({ entry }) => entry.idempotencyKey ?? []);
    assert.equal(new Set(keys).size, 4, 'each has a key of its own');
});

test('a process without memory for the guest ends, and one that has it goes on', (t) => {
    const worker = workerOf(t, workflow);
    const args = worker.invokeArgs('large', `${WORKFLOW}.{run}`, '5', '512');
    const poor = run('/bin/sh', ['-c', 'ulimit -d 100000; exec "$0" "$@"', workflow, ...args]);
    assert.equal(poor.status, 1, poor.stderr);
    assert.match(poor.stderr, /out of memory for the guest/);
    assert.match(must(workflow, args), /^\d+$/);
    worker.verify();
});

test('a result that was given survives SIGKILL of the process that gave it', async (t) => {
    const worker = workerOf(t, workflow);
    const session = worker.session(t);
    const answers = [];
    for (let i = 0; i < 10; i++) answers.push(await session.call(`${WORKFLOW}.{run}(${i * 10}, 1)`));
    await session.kill();
    assert.equal(worker.invoke('total', `${WORKFLOW}.{total}`), answers.at(-1));
    const completed = worker.oplog().filter(({ entry }) => entry.type === 'ExportedFunctionCompleted');
    assert.equal(completed.length, 11);
    worker.verify();
});

test('an invocation that was killed is finished by whoever opens the worker next', async (t) => {
    const folder = scratch(t), worker = new Worker(workflow, join(folder, 'data'));
    const args = worker.invokeArgs('long', `${WORKFLOW}.{run-slow}`, '3000', '4', '100');
    const killed = await runAndKill(workflow, args, 200, { folder });
    assert.equal(killed.signal, 'SIGKILL', 'the invocation is long enough to be hit');
    const result = worker.invoke('long', `${WORKFLOW}.{run-slow}`, '3000', '4', '100');
    assert.equal(worker.invoke('total', `${WORKFLOW}.{total}`), result);
    assert.equal(worker.oplog().filter(({ entry }) => entry.type === 'ExportedFunctionInvoked' && entry.idempotencyKey === 'long').length, 1);
    worker.verify();
});

test('a second process on a worker is told who has it, and the lock dies with its owner', async (t) => {
    const worker = workerOf(t, counter);
    const session = worker.session(t);
    await session.call(`${COUNTER}.{inc-global-by}(1)`);
    const second = worker.run('invoke', `${COUNTER}.{inc-global-by}`, '1');
    assert.equal(second.status, 1, second.stderr);
    assert.match(second.stderr, /"w"/);
    assert.match(second.stderr, /another process/);
    assert.match(second.stderr, new RegExp(`\\b${session.child.pid}\\b`), 'the owner is named');
    assert.equal(await session.call(`${COUNTER}.{get-global-value}()`), '1', 'the owner is not disturbed');
    await session.kill();
    assert.equal(worker.invoke('value', `${COUNTER}.{get-global-value}`), '1');
});

test('reading a worker\'s oplog does not need its lock', async (t) => {
    const worker = workerOf(t, counter);
    const session = worker.session(t);
    await session.call(`${COUNTER}.{inc-global-by}(1)`);
    assert.equal(worker.oplog()[0].entry.type, 'Create');
    assert.equal(worker.run('info').status, 0);
});

test('two workers in one data directory work at once', async (t) => {
    const data = join(scratch(t), 'data');
    const names = ['anna', 'bert', 'ümläut/../☂', 'x'.repeat(200)];
    const workers = names.map((name) => new Worker(workflow, data, name));
    const sessions = workers.map((worker) => worker.session(t));
    for (let i = 0; i < 10; i++) await Promise.all(sessions.map((session, which) => session.call(`${WORKFLOW}.{run}(${20 + which}, 1)`)));
    assert.deepEqual(await Promise.all(sessions.map((session) => session.call(`${WORKFLOW}.{self-name}()`))), names.map((name) => `"${name}"`));
    const totals = await Promise.all(sessions.map((session) => session.call(`${WORKFLOW}.{total}()`)));
    assert.equal(new Set(totals).size, names.length);
    for (const session of sessions) assert.equal((await session.end()).status, 0);
    for (const [i, worker] of workers.entries()) {
        assert.equal(worker.invoke('total', `${WORKFLOW}.{total}`), totals[i]);
        worker.verify();
    }
});

test('processes of different workers that start at once do not get in each other\'s way', async (t) => {
    const data = join(scratch(t), 'data');
    const ended = await Promise.all(Array.from({ length: 8 }, (_, i) =>
        start(counter, ['--data', data, '--worker', `w${i}`, 'invoke', `${COUNTER}.{inc-global-by}`, String(i)])));
    for (const { status, signal, stderr } of ended) assert.equal(signal ?? status, 0, stderr);
    for (let i = 0; i < 8; i++) assert.equal(new Worker(counter, data, `w${i}`).invoke('v', `${COUNTER}.{get-global-value}`), String(i));
});

test('another component\'s worker is refused by name', (t) => {
    const worker = workerOf(t, cart, 'shop');
    worker.invoke('1', `${CART}.{initialize-cart}`, '"anna"');
    const other = new Worker(counter, worker.data, 'shop');
    for (const verb of [['invoke', `${COUNTER}.{get-global-value}`], ['checkpoint'], ['verify']]) {
        const { status, stdout, stderr } = other.run(...verb);
        assert.equal(status, 1, `${verb}: ${stderr}`);
        assert.match(stderr, /shop/);
        assert.match(stderr, /component/);
        assert.equal(stdout, '');
    }
    assert.equal(worker.invoke('2', `${CART}.{get-cart-contents}`), '[]', 'it was left alone');
});

test('two components share a data directory with workers of different names', (t) => {
    const data = join(scratch(t), 'data');
    new Worker(cart, data, 'a').invoke('1', `${CART}.{initialize-cart}`, '"anna"');
    new Worker(counter, data, 'b').invoke('1', `${COUNTER}.{inc-global-by}`, '3');
    assert.equal(new Worker(counter, data, 'b').invoke('2', `${COUNTER}.{get-global-value}`), '3');
    new Worker(cart, data, 'a').verify();
});

test('the oplog holds what happened, in Golem\'s order and under Golem\'s names', (t) => {
    const worker = workerOf(t, cart);
    worker.invoke('init', `${CART}.{initialize-cart}`, '"anna"');
    worker.invoke('add', `${CART}.{add-item}`, item('p1', 1.5, 2));
    worker.invoke('order', `${CART}.{checkout}`);
    const oplog = worker.oplog();
    assert.equal(oplog[0].oplogIndex, 1);
    assert.equal(oplog[0].entry.type, 'Create');
    const from = oplog.findIndex(({ entry }) => entry.idempotencyKey === 'order');
    assert.deepEqual(oplog.slice(from).map(({ entry }) => [entry.type, entry.functionName].filter(Boolean)), [
        ['ExportedFunctionInvoked', `${CART}.{checkout}`],
        ['ImportedFunctionInvoked', 'golem random::get_random_u64'],
        ['ImportedFunctionInvoked', 'wall_clock::now'],
        ['ExportedFunctionCompleted'],
    ]);
    for (const type of ['ExportedFunctionInvoked', 'ExportedFunctionCompleted'])
        assert.equal(oplog.filter(({ entry }) => entry.type === type).length, 3);
    assert.ok(worker.oplog({ hints: true }).some(({ entry }) => entry.type === 'Log' && entry.message.startsWith('cart of anna')), 'what it printed is a Log');
});

test('oplog --json has an index, a type and a time for each entry, without gaps, and values as text', (t) => {
    const worker = workerOf(t, cart);
    worker.invoke('init', `${CART}.{initialize-cart}`, '"anna"');
    const result = worker.invoke('order', `${CART}.{checkout}`);
    const oplog = worker.oplog({ hints: true });
    for (const [i, { oplogIndex, entry }] of oplog.entries()) {
        assert.equal(oplogIndex, i + 1);
        assert.equal(typeof entry.type, 'string');
        assert.ok(Math.abs(Date.parse(entry.timestamp) - Date.now()) < 600_000, entry.timestamp);
    }
    const created = oplog[0].entry;
    assert.equal(created.workerName ?? created.workerId?.workerName, 'w');
    assert.match(JSON.stringify(oplog.find(({ entry }) => entry.idempotencyKey === 'init')), /anna/);
    assert.ok(JSON.stringify(oplog.at(-1).entry.response).includes('the cart has no owner') || result.startsWith('error'), 'the result is there');
    for (const { entry } of oplog)
        if (entry.type === 'ImportedFunctionInvoked') assert.match(JSON.stringify(entry.wrappedFunctionType), /(Read|Write)(Local|Remote)/);
});

test('oplog as text has a line for each entry', (t) => {
    const worker = workerOf(t, counter);
    worker.invoke('k', `${COUNTER}.{inc-global-by}`, '1');
    const lines = must(counter, worker.args('oplog')).split('\n');
    assert.equal(lines.length, worker.oplog({ hints: true }).length);
    assert.match(lines[0], /^\s*1\b.*Create/);
    assert.match(lines.at(-1), /ExportedFunctionCompleted/);
});

test('a worker that is not there is an error for the verbs that read', (t) => {
    const worker = workerOf(t, counter);
    for (const verb of ['oplog', 'verify', 'checkpoint', 'info']) {
        const { status, stderr } = worker.run(verb);
        assert.equal(status, 1, `${verb}: ${stderr}`);
        assert.match(stderr, /./);
    }
    worker.invoke('k', `${COUNTER}.{inc-global-by}`, '1');
    const other = new Worker(counter, worker.data, 'nobody').run('oplog');
    assert.equal(other.status, 1);
    assert.match(other.stderr, /nobody/);
});

test('info tells what there is of a worker', (t) => {
    const worker = workerOf(t, counter, 'anna');
    worker.invoke('k', `${COUNTER}.{inc-global-by}`, '1');
    must(counter, worker.args('checkpoint'));
    const text = must(counter, worker.args('info'));
    assert.match(text, /anna/);
    assert.match(text, /checkpoint/i);
    const info = JSON.parse(must(counter, worker.args('info', '--format', 'json')));
    assert.equal(typeof info, 'object');
});

test('after a checkpoint the worker is mapped from it, and verify still replays everything', (t) => {
    const worker = workerOf(t, workflow);
    const total = worker.invoke('run', `${WORKFLOW}.{run}`, '500', '8');
    const digest = worker.invoke('digest', `${WORKFLOW}.{memory-digest}`);
    must(workflow, worker.args('checkpoint'));
    const slots = readdirSync(worker.data, { recursive: true }).filter((path) => /ckpt-[01]$/.test(path));
    assert.ok(slots.length > 0, 'there is a slot file');
    assert.equal(worker.invoke('total', `${WORKFLOW}.{total}`), total);
    assert.equal(worker.invoke('digest again', `${WORKFLOW}.{memory-digest}`), digest);
    for (let i = 0; i < 4; i++) {
        worker.invoke(`more-${i}`, `${WORKFLOW}.{run}`, '50', '8');
        must(workflow, worker.args('checkpoint'));
    }
    worker.verify();
});

test('--ephemeral records nothing, and each process begins anew', (t) => {
    const folder = scratch(t);
    for (let i = 0; i < 2; i++) {
        const { status, stdout } = run(counter, ['--ephemeral', 'invoke', '--stdin'],
            { input: `${COUNTER}.{inc-global-by}(2)\n${COUNTER}.{get-global-value}()\n`, cwd: folder });
        assert.equal(status, 0);
        assert.equal(stdout, '\n2\n');
    }
    assert.deepEqual(readdirSync(folder), []);
});

test('what the guest prints does not get between the answers', (t) => {
    const worker = workerOf(t, cart);
    const input = [`initialize-cart}("anna")`, `add-item}(${item('p', 1, 2)})`, 'checkout}()', 'get-cart-contents}()'].map((call) => `${CART}.{${call}\n`).join('');
    for (const args of [worker.args(), ['--ephemeral']]) {
        const { status, stdout } = run(cart, [...args, 'invoke', '--stdin'], { input });
        assert.equal(status, 0);
        assert.match(stdout, /^\n\nsuccess\(.*\)\n\[\]\n$/);
    }
});

test('arguments and environment reach the guest, with Golem\'s own at the end', (t) => {
    const worker = workerOf(t, starting, 'anna');
    const options = ['--env', 'A=1', '--env', 'EMPTY=', '--env', 'B=x=y', '--env', 'GOLEM_WORKER_NAME=forged', '--arg', 'one', '--arg', '--two', '--arg', ''];
    const variables = wave(must(starting, worker.args(...options, 'invoke', 'variables'))).map(({ tuple }) => tuple);
    assert.deepEqual(variables.slice(0, 3), [['A', '1'], ['EMPTY', ''], ['B', 'x=y']]);
    assert.deepEqual(variables.slice(3).map(([name]) => name), ['GOLEM_WORKER_NAME', 'GOLEM_COMPONENT_ID', 'GOLEM_COMPONENT_VERSION']);
    const golem = Object.fromEntries(variables);
    assert.equal(golem.GOLEM_WORKER_NAME, 'anna');
    assert.match(golem.GOLEM_COMPONENT_ID, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.equal(golem.GOLEM_COMPONENT_VERSION, '0');
    assert.deepEqual(wave(must(starting, worker.args(...options, 'invoke', 'arguments'))), ['one', '--two', '']);
});

test('the environment of a worker is the one it was created with', (t) => {
    const worker = workerOf(t, starting);
    must(starting, worker.args('--env', 'STARTING=first', '--arg', 'a', 'invoke', 'started-in'));
    assert.equal(worker.invoke('in', 'started-in'), 'some("first")');
    assert.deepEqual(wave(worker.invoke('args', 'arguments')), ['a']);
    worker.verify();
});

test('the process\'s own environment is not the guest\'s', (t) => {
    const worker = new Worker(starting, join(scratch(t), 'data'), 'w', { ...process.env, STARTING: 'leaked' });
    assert.equal(worker.invoke('in', 'started-in'), 'none');
});

test('what an instance was told while it started is the same after every restart', async (t) => {
    const worker = workerOf(t, starting);
    const session = worker.session(t);
    const number = await session.call('started-with()');
    assert.equal(await session.call('started-with()'), number);
    await session.kill();
    assert.equal(worker.invoke('again', 'started-with'), number);
    must(starting, worker.args('checkpoint'));
    assert.equal(worker.invoke('and again', 'started-with'), number);
    worker.verify();
    assert.notEqual(must(starting, ['--ephemeral', 'invoke', 'started-with']), must(starting, ['--ephemeral', 'invoke', 'started-with']));
});

test('derived keys and oplog indexes are the same when they are replayed', (t) => {
    const worker = workerOf(t, workflow);
    const keys = [1, 2, 3].map((i) => worker.invoke(`key-${i}`, `${WORKFLOW}.{new-key}`));
    assert.equal(new Set(keys).size, 3);
    const indexes = [1, 2].map((i) => Number(worker.invoke(`index-${i}`, `${WORKFLOW}.{oplog-index}`)));
    assert.ok(indexes[1] > indexes[0]);
    assert.equal(worker.oplog().find(({ oplogIndex }) => oplogIndex === indexes[0]).entry.type, 'NoOp');
    worker.verify();
});

test('a promise suspends its worker until another one completes it', (t) => {
    const folder = scratch(t), data = join(folder, 'data');
    const waiting = new Worker(workflow, data, 'waiting'), other = new Worker(workflow, data, 'other');
    const wait = () => waiting.run('--key', 'wait', 'invoke', `${WORKFLOW}.{run-with-promise}`, '40');
    const first = wait();
    assert.equal(first.status, SUSPENDED, `${first.stdout}${first.stderr}`);
    assert.equal(wait().status, SUSPENDED, 'nothing has happened meanwhile');
    const promise = waiting.oplog().find(({ entry }) => entry.type === 'NoOp').oplogIndex;
    assert.ok(waiting.oplog({ hints: true }).some(({ entry }) => entry.type === 'Suspend'));
    const fulfil = (key, bytes) => other.invoke(key, `${WORKFLOW}.{fulfil-promise-of}`, '"waiting"', String(promise), bytes);
    assert.equal(fulfil('first', '[1, 2, 3]'), 'true');
    assert.equal(fulfil('second', '[4]'), 'false', 'a promise is completed once');
    const done = wait();
    assert.equal(done.status, 0, done.stderr);
    const result = done.stdout.trimEnd().split('\n').at(-1);
    assert.equal(waiting.invoke('total', `${WORKFLOW}.{total}`), result);
    waiting.verify();
    other.verify();
});

test('a promise that is complete before it is awaited suspends nobody', (t) => {
    const worker = workerOf(t, workflow);
    const promise = worker.invoke('make', `${WORKFLOW}.{make-promise}`);
    assert.equal(worker.invoke('poll', `${WORKFLOW}.{poll-promise}`, promise), 'none');
    assert.equal(worker.invoke('fulfil', `${WORKFLOW}.{fulfil-promise}`, promise, '[0, 255]'), 'true');
    assert.equal(worker.invoke('fulfil again', `${WORKFLOW}.{fulfil-promise}`, promise, '[]'), 'false');
    assert.deepEqual(wave(worker.invoke('poll again', `${WORKFLOW}.{poll-promise}`, promise)), wave('some([0, 255])'));
    assert.deepEqual(wave(worker.invoke('wait', `${WORKFLOW}.{wait-promise}`, promise)), [0n, 255n]);
    worker.verify();
});

test('a sleep keeps its deadline over a kill', async (t) => {
    const folder = scratch(t), worker = new Worker(workflow, join(folder, 'data'));
    worker.invoke('warm', `${WORKFLOW}.{total}`);
    const begin = Date.now();
    const killed = await runAndKill(workflow, worker.invokeArgs('sleep', `${WORKFLOW}.{sleep}`, '2500'), 1000, { folder });
    assert.equal(killed.signal, 'SIGKILL');
    await pause(500);
    worker.invoke('sleep', `${WORKFLOW}.{sleep}`, '2500');
    const milliseconds = Date.now() - begin;
    assert.ok(milliseconds >= 2450, `it slept only ${milliseconds} ms`);
    assert.ok(milliseconds < 3900, `it slept ${milliseconds} ms: the deadline began anew`);
    worker.verify();
});

test('a sleep whose deadline passed while nobody ran is over at once', async (t) => {
    const folder = scratch(t), worker = new Worker(workflow, join(folder, 'data'));
    worker.invoke('warm', `${WORKFLOW}.{total}`);
    assert.equal((await runAndKill(workflow, worker.invokeArgs('sleep', `${WORKFLOW}.{sleep}`, '1200'), 600, { folder })).signal, 'SIGKILL');
    await pause(1000);
    const begin = Date.now();
    worker.invoke('sleep', `${WORKFLOW}.{sleep}`, '1200');
    assert.ok(Date.now() - begin < 900, `${Date.now() - begin} ms`);
});

test('a promise can be completed from the command line', (t) => {
    const worker = workerOf(t, workflow, 'waiting');
    const wait = () => worker.run('--key', 'wait', 'invoke', `${WORKFLOW}.{run-with-promise}`, '10');
    assert.equal(wait().status, SUSPENDED);
    const promise = String(worker.oplog().find(({ entry }) => entry.type === 'NoOp').oplogIndex);
    assert.equal(worker.run('complete', '1', 'x').status, 1, 'there is no such promise');
    assert.equal(must(workflow, worker.args('complete', promise, 'AB')), 'true');
    assert.equal(must(workflow, worker.args('complete', promise, 'C')), 'false');
    assert.equal(wait().status, 0);
    assert.deepEqual(wave(worker.invoke('again', `${WORKFLOW}.{wait-promise}`, promise)), [65n, 66n]);
    worker.verify();
});

test('a worker that is told to stop goes on later from where it was', async (t) => {
    const worker = workerOf(t, workflow);
    const child = spawn(workflow, worker.invokeArgs('long', `${WORKFLOW}.{run-slow}`, '2000', '4', '150'), { stdio: 'ignore' });
    const ended = new Promise((tell) => child.on('close', (status, signal) => tell({ status, signal })));
    await pause(300);
    child.kill('SIGTERM');
    assert.deepEqual(await ended, { status: 128 + 15, signal: null });
    const before = worker.oplog().length;
    assert.ok(before > 10 && before < 2000, `${before} entries`);
    const result = worker.invoke('long', `${WORKFLOW}.{run-slow}`, '2000', '4', '150');
    assert.equal(worker.invoke('total', `${WORKFLOW}.{total}`), result);
    worker.verify();
});

test('a session that is told to stop answers what it has begun', async (t) => {
    const worker = workerOf(t, counter);
    const session = worker.session(t);
    assert.equal(await session.call(`${COUNTER}.{inc-global-by}(7)`), '');
    session.child.kill('SIGTERM');
    const { signal } = await session.end();
    assert.notEqual(signal, 'SIGKILL');
    assert.equal(worker.invoke('value', `${COUNTER}.{get-global-value}`), '7');
});

test('processes that want the same new worker at once have it one after the other, or are told', async (t) => {
    const data = join(scratch(t), 'data');
    const ended = await Promise.all(Array.from({ length: 10 }, () => start(counter, ['--data', data, '--worker', 'w', 'invoke', `${COUNTER}.{inc-global-by}`, '1'])));
    for (const { status, signal, stderr } of ended) {
        assert.ok(status === 0 || status === 1, `${signal ?? status}: ${stderr}`);
        if (status === 1) assert.match(stderr, /another process/);
    }
    const done = ended.filter(({ status }) => status === 0).length;
    assert.ok(done >= 1);
    assert.equal(new Worker(counter, data).invoke('value', `${COUNTER}.{get-global-value}`), String(done));
});

test('a worker that is killed while it comes into being is there or not, but never half', async (t) => {
    const folder = scratch(t);
    for (let i = 0; i < 24; i++) {
        const worker = new Worker(counter, join(folder, `data-${i}`));
        await runAndKill(counter, worker.invokeArgs('k', `${COUNTER}.{inc-global-by}`, '3'), i * 0.7, { folder });
        worker.invoke('k', `${COUNTER}.{inc-global-by}`, '3');
        assert.equal(worker.invoke('value', `${COUNTER}.{get-global-value}`), '3', `killed after ${i * 0.7} ms`);
    }
});

test('standard streams that are closed do not let anything be written into the worker\'s files', (t) => {
    const worker = workerOf(t, cart);
    worker.invoke('init', `${CART}.{initialize-cart}`, '"anna"');
    must(cart, worker.args('checkpoint'));
    for (const [i, closed] of ['<&-', '>&-', '2>&-', '<&- >&-', '>&- 2>&-', '<&- 2>&-', '<&- >&- 2>&-'].entries()) {
        for (const args of [worker.invokeArgs(`add-${i}`, `${CART}.{add-item}`, item(`p${i}`, 1, 1)), worker.args('checkpoint'), worker.args('fly')])
            run('bash', ['-c', `"$0" "$@" ${closed}`, cart, ...args]);
        assert.match(must(cart, worker.args('info')), /checkpoint +\d+ at entry/, closed);
    }
    assert.equal(wave(worker.invoke('get', `${CART}.{get-cart-contents}`)).length, 7);
    worker.verify();
});

test('a result that nobody can read is an error, and is there when it is asked for again', (t) => {
    const worker = workerOf(t, counter);
    const { stdout, stderr } = run('bash', ['-c', '"$0" "$@" > /dev/full; echo $?', counter, ...worker.invokeArgs('k', `${COUNTER}.{inc-global-by}`, '5')]);
    assert.equal(stdout, '1\n');
    assert.match(stderr, /standard output/);
    worker.invoke('k', `${COUNTER}.{inc-global-by}`, '5');
    assert.equal(worker.invoke('value', `${COUNTER}.{get-global-value}`), '5');
});

test('oplog --last gives the end, with its values', (t) => {
    const worker = workerOf(t, counter);
    worker.invoke('a', `${COUNTER}.{inc-global-by}`, '5');
    worker.invoke('b', `${COUNTER}.{get-global-value}`);
    const [line, ...more] = must(counter, worker.args('oplog', '--json', '--last', '1')).split('\n').map((text) => JSON.parse(text));
    assert.deepEqual(more, []);
    assert.equal(line.entry.type, 'ExportedFunctionCompleted');
    assert.equal(line.entry.response, '5');
});

test('a guest goes back in its oplog, and what came then is forgotten', async (t) => {
    const worker = workerOf(t, workflow);
    let calls = 0;
    const jumps = () => worker.oplog().filter(({ entry }) => entry.type === 'Jump');
    worker.invoke('run', `${WORKFLOW}.{run}`, '10', '1');
    while (jumps().length === 0) {
        assert.equal(worker.invoke(`throw ${++calls}`, `${WORKFLOW}.{throw}`, '8'), '0');
        assert.ok(calls < 100, 'some throw is not 0');
    }
    for (const { oplogIndex, entry } of jumps()) {
        assert.equal(entry.end, oplogIndex);
        assert.equal(worker.oplog().find(({ oplogIndex }) => oplogIndex === entry.start - 1).entry.type, 'NoOp', 'the entry gone back to');
    }
    const total = worker.invoke('total', `${WORKFLOW}.{total}`);
    must(workflow, worker.args('checkpoint'));
    assert.equal(worker.invoke('throw again', `${WORKFLOW}.{throw}`, '8'), '0', 'from a checkpoint');
    const later = worker.invoke('later', `${WORKFLOW}.{total}`);
    assert.notEqual(later, total);
    worker.verify();
    const session = worker.session(t);
    for (let i = 0; i < 3; i++) assert.equal(await session.call(`${WORKFLOW}.{throw}(8)`), '0');
});

test('an atomic operation that is cut off happens again as a whole', async (t) => {
    const folder = scratch(t), worker = new Worker(workflow, join(folder, 'data'));
    const call = ['k', `${WORKFLOW}.{run-atomically}`, '20000'];
    let cuts = 0;
    for (let milliseconds = 10; cuts < 3 && milliseconds < 400; milliseconds *= 1.3)
        cuts += (await runAndKill(workflow, worker.invokeArgs(...call), milliseconds, { folder })).signal === 'SIGKILL' ? 1 : 0;
    const result = worker.invoke(...call);
    assert.equal(worker.invoke('total', `${WORKFLOW}.{total}`), result);
    const entries = worker.oplog().map(({ entry }) => entry.type);
    assert.equal(entries.filter((type) => type === 'EndAtomicRegion').length, 1);
    assert.ok(cuts === 3 && entries.filter((type) => type === 'BeginAtomicRegion').length === 1);
    worker.verify();
});

test('the same input twice in two workers gives the same shape of history', (t) => {
    const data = join(scratch(t), 'data');
    const history = (name) => {
        const worker = new Worker(workflow, data, name);
        worker.invoke('run', `${WORKFLOW}.{run}`, '100', '1');
        return worker.oplog().map(({ oplogIndex, entry }) => `${oplogIndex} ${entry.type} ${entry.functionName ?? ''}`);
    };
    const one = history('one');
    assert.ok(one.length > 100);
    assert.deepEqual(history('two'), one);
});

test('what nothing is kept of cannot be looked at', (t) => {
    const folder = scratch(t);
    for (const verb of [['oplog'], ['verify'], ['checkpoint'], ['info'], ['info', '--restore'], ['complete', '3', 'x']]) {
        const { status, signal, stderr } = run(counter, ['--ephemeral', ...verb], { cwd: folder });
        assert.equal(signal ?? status, 2, `${verb}: ${stderr}`);
        assert.match(stderr, new RegExp(`with --ephemeral nothing is kept for ${verb[0]} to look at`));
    }
});

test('wrong usage ends with 2 and says what is right', (t) => {
    const folder = scratch(t);
    for (const args of [[], ['fly'], ['--fly', 'invoke', 'f'], ['invoke'], ['--env', 'NOVALUE', 'invoke', 'f'], ['--data'], ['--worker', '', 'info']]) {
        const { status, signal, stdout, stderr } = run(counter, args, { cwd: folder });
        assert.equal(signal ?? status, 2, `${args}: ${stdout}${stderr}`);
        assert.match(stderr, /./);
    }
    assert.match(run(counter, ['--help']).stdout, /invoke/);
});
