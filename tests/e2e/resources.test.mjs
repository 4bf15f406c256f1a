// An exported resource from the outside: handles as text, methods, ownership, drops, and handles that outlive the process.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { executable, run, runAndKill, scratch, Session, Worker } from '../harness.mjs';

const API = 'demo:counter/api@1.0.0';
const program = executable('counter');

/** A session of its own for a test. */
function fresh(t) {
    const session = new Session(program, ['--ephemeral']);
    t.after(() => session.kill());
    return {
        session,
        ask: (fn, ...values) => session.ask(`${API}.{${fn}}(${values.join(', ')})`),
        call: (fn, ...values) => session.call(`${API}.{${fn}}(${values.join(', ')})`),
    };
}

/** A durable worker, one process a call. */
function durable(t) {
    const worker = new Worker(program, join(scratch(t), 'data'));
    const invoke = (fn, ...values) => {
        const { status, signal, stdout, stderr } = worker.run('invoke', `${API}.{${fn}}`, ...values.map(String));
        return { status: signal ?? status, answer: stdout.trimEnd(), stderr };
    };
    const call = (fn, ...values) => {
        const { status, answer, stderr } = invoke(fn, ...values);
        assert.equal(status, 0, `${fn}: ${stderr}`);
        return answer;
    };
    return { worker, invoke, call };
}

test('a constructor gives a handle that methods take', async (t) => {
    const { call } = fresh(t);
    const a = await call('[constructor]counter', '"a"'), b = await call('[constructor]counter', '"b"');
    assert.notEqual(a, b);
    await call('[method]counter.inc-by', a, 5);
    await call('[method]counter.inc-by', b, '18446744073709551615');
    assert.equal(await call('[method]counter.get-value', a), '5');
    assert.equal(await call('[method]counter.get-value', b), '18446744073709551615');
    assert.equal(await call('[method]counter.get-name', a), '"a"');
    assert.equal(await call('live-count'), '2');
});

test('the handle text names the worker and the resource', async (t) => {
    const { call } = durable(t);
    assert.match(call('[constructor]counter', '"a"'), /^"?urn:worker:[0-9a-f-]{36}\/w\/\d+"?$/);
});

test('functions of a resource have a short name as well', async (t) => {
    const { call } = fresh(t);
    const a = await call('counter.new', '"a"'), b = await call('counter.new', '"b"');
    await call('counter.inc-by', b, 7);
    assert.equal(await call('counter.get-value', b), '7');
    const larger = await call('counter.larger', a, b);
    assert.equal(await call('counter.get-name', larger), '"b"');
    await call('counter.drop', larger);
    assert.equal(await call('live-count'), '0');
});

test('a drop runs the destructor, and the handle is of no use afterwards', async (t) => {
    const { ask, call } = fresh(t);
    const a = await call('[constructor]counter', '"a"'), b = await call('[constructor]counter', '"b"');
    await call('[drop]counter', a);
    assert.equal(await call('live-count'), '1');
    for (const use of [() => ask('[method]counter.get-value', a), () => ask('[drop]counter', a), () => ask('[method]counter.same-value', b, a)])
        assert.match(await use(), /^error: ./);
    assert.equal(await call('[method]counter.get-value', b), '0', 'the others are as before');
});

test('a handle that is given away is of no use to the giver', async (t) => {
    const { ask, call } = fresh(t);
    const a = await call('[constructor]counter', '"a"'), b = await call('[constructor]counter', '"b"');
    await call('[method]counter.inc-by', a, 1);
    const larger = await call('[static]counter.larger', a, b);
    assert.equal(await call('[method]counter.get-name', larger), '"a"');
    assert.equal(await call('live-count'), '1');
    assert.match(await ask('[method]counter.get-name', b), /^error: ./);
    if (larger !== a) assert.match(await ask('[method]counter.get-name', a), /^error: ./);
});

test('one handle cannot be given away twice in a call', async (t) => {
    const { ask, call } = fresh(t);
    const a = await call('[constructor]counter', '"a"');
    assert.match(await ask('[static]counter.larger', a, a), /^error: ./);
    assert.equal(await call('[method]counter.get-name', a), '"a"', 'a call that was refused takes nothing');
    assert.equal(await call('live-count'), '1');
});

test('a borrow leaves the handle with its owner, twice in a call too', async (t) => {
    const { call } = fresh(t);
    const a = await call('[constructor]counter', '"a"'), b = await call('[constructor]counter', '"b"');
    assert.equal(await call('[method]counter.same-value', a, b), 'true');
    await call('[method]counter.inc-by', a, 1);
    assert.equal(await call('[method]counter.same-value', a, b), 'false');
    assert.equal(await call('[method]counter.same-value', a, a), 'true');
    assert.equal(await call('live-count'), '2');
});

test('text that is no handle of this worker is refused', async (t) => {
    const { ask, call } = fresh(t);
    const handle = await call('[constructor]counter', '"a"');
    const number = /(\d+)("?)$/;
    const others = ['0', '"a"', '""', '{}', 'handle', handle.replace(number, '99999$2'), handle.replace(number, '99999999999999999999999$2'),
        handle.replace(number, '-1$2'), handle.replace(number, '$1x$2'), handle.replace(number, '$2'), handle.replace(/[0-9a-f]{8}-/, '00000000-'),
        handle.replace(/\/([^/]*)\/(\d+)/, '/another-$1/$2'), `${handle}${handle}`, handle.replace('urn:worker', 'urn:walker')];
    for (const other of others) assert.match(await ask('[method]counter.get-value', other), /^error: ./, other);
    assert.equal(await call('[method]counter.get-value', handle), '0');
});

test('an indexed resource is made at its first use and found again by its arguments', async (t) => {
    const { call } = fresh(t);
    await call('counter("x").inc-by', 3);
    await call('counter("y").inc-by', 10);
    await call('counter("x").inc-by', 4);
    assert.equal(await call('counter("x").get-value'), '7');
    assert.equal(await call('counter("y").get-value'), '10');
    assert.equal(await call('counter("x").get-name'), '"x"');
    assert.equal(await call('live-count'), '2');
    await call('counter("x").drop');
    assert.equal(await call('live-count'), '1');
    assert.equal(await call('counter("x").get-value'), '0', 'after a drop a new one is made');
});

test('unfit arguments of an index are refused and make nothing', async (t) => {
    const { ask, call } = fresh(t);
    for (const fn of ['counter(1).get-value', 'counter().get-value', 'counter("a", "b").get-value', 'counter("a.get-value', 'counter("a").fly', 'clock("a").get-value'])
        assert.match(await ask(fn), /^error: ./, fn);
    assert.equal(await call('live-count'), '0');
});

test('a name with brackets, quotes and blanks is an index like any other', async (t) => {
    const { call } = fresh(t);
    for (const name of ['a)b', '}', '{', '"', '\\', 'ü ☂', ').{drop}(', '']) {
        const text = JSON.stringify(name);
        await call(`counter(${text}).inc-by`, 1);
        assert.equal(JSON.parse(await call(`counter(${text}).get-name`)), name);
    }
    assert.equal(await call('live-count'), '8');
});

test('handles are as good in the next process', (t) => {
    const { worker, invoke, call } = durable(t);
    const a = call('[constructor]counter', '"a"');
    call('[method]counter.inc-by', a, 41);
    call('counter("indexed").inc-by', 2);
    const b = call('[constructor]counter', '"b"');
    call('[method]counter.inc-by', a, 1);
    assert.equal(call('[method]counter.get-value', a), '42');
    assert.equal(call('[method]counter.get-name', b), '"b"');
    assert.equal(call('counter("indexed").get-value'), '2');
    call('[drop]counter', b);
    const { status, stderr } = invoke('[method]counter.get-name', b);
    assert.equal(status, 1, stderr);
    assert.equal(call('live-count'), '2');
    worker.verify();
});

test('handles survive a checkpoint, and a history without one', (t) => {
    const { worker, call } = durable(t);
    const a = call('[constructor]counter', '"a"');
    call('[method]counter.inc-by', a, 5);
    assert.equal(worker.run('checkpoint').status, 0);
    call('counter("x").inc-by', 6);
    assert.equal(call('[method]counter.get-value', a), '5');
    assert.equal(call('counter("x").get-value'), '6');
    worker.verify();
});

test('handles survive SIGKILL', async (t) => {
    const { worker, call } = durable(t);
    const session = worker.session(t);
    const a = await session.call(`${API}.{[constructor]counter}("a")`);
    for (let i = 1; i <= 20; i++) await session.call(`${API}.{[method]counter.inc-by}(${a}, ${i})`);
    await session.call(`${API}.{counter("x").inc-by}(9)`);
    await session.kill();
    assert.equal(call('[method]counter.get-value', a), '210');
    assert.equal(call('counter("x").get-value'), '9');
    assert.equal(call('live-count'), '2');
    worker.verify();
});

test('a drop that was acknowledged stays done, however soon the kill', async (t) => {
    const { worker, call } = durable(t);
    const handles = Array.from({ length: 4 }, (_, i) => call('[constructor]counter', `"c${i}"`));
    for (const [i, handle] of handles.entries())
        await runAndKill(program, worker.args('--key', `drop-${i}`, 'invoke', `${API}.{[drop]counter}`, handle), 2 + i * 3, { folder: worker.data });
    for (const [i, handle] of handles.entries()) worker.invoke(`drop-${i}`, `${API}.{[drop]counter}`, handle);
    assert.equal(call('live-count'), '0');
    worker.verify();
});

test('the oplog tells of resources that come, go and are named', (t) => {
    const { worker, call } = durable(t);
    const a = call('[constructor]counter', '"a"');
    call('[drop]counter', a);
    call('counter("x").inc-by', 1);
    const types = worker.oplog({ hints: true }).map(({ entry }) => entry.type);
    assert.equal(types.filter((type) => type === 'CreateResource').length, 2);
    assert.equal(types.filter((type) => type === 'DropResource').length, 1);
    assert.equal(types.filter((type) => type === 'DescribeResource').length, 1);
    const indexed = worker.oplog().find(({ entry }) => entry.functionName?.includes('("x")'));
    assert.equal(indexed.entry.request, '(1)', 'the resource itself is no argument');
});

test('one worker\'s handle is none of another\'s', (t) => {
    const folder = scratch(t);
    const [one, two] = ['one', 'two'].map((name) => new Worker(program, join(folder, 'data'), name));
    const handle = one.invoke('make', `${API}.{[constructor]counter}`, '"a"');
    two.invoke('make', `${API}.{[constructor]counter}`, '"b"');
    const { status, stderr } = two.run('invoke', `${API}.{[method]counter.get-value}`, handle);
    assert.equal(status, 1, stderr);
    assert.match(stderr, /one|handle|resource/);
});

test('a global beside the resources wraps around and is kept', (t) => {
    const { call } = durable(t);
    call('inc-global-by', 3);
    call('inc-global-by', '18446744073709551615');
    assert.equal(call('get-global-value'), '2');
    assert.equal(run(program, ['--ephemeral', 'invoke', `${API}.{get-global-value}`]).stdout, '0\n');
});
