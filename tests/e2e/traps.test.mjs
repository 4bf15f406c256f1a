// Guests that go wrong: what they said, the exit code, what is left of the worker and of its oplog.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { executable, run, scratch, Session, Worker } from '../harness.mjs';

const API = 'demo:failing/api@1.0.0';
const program = executable('failing');
const TRAPPED = 3;

/** Function, arguments, the reason. */
const traps = [
    ['trap-unreachable', [], /unreachable/],
    ['trap-abort', [], /unreachable/],
    ['trap-assert', [], /unreachable/],
    ['read-at', [4294967295], /out of bounds memory access/],
    ['read-at', [1073741824], /out of bounds memory access/],
    ['write-at', [4294967280, 1], /out of bounds memory access/],
    ['stack-overflow', [4294967295], /call stack exhausted/],
    ['stack-overflow-in-memory', [4294967295], /out of bounds memory access/],
    ['divide', [1, 0], /integer divide by zero/],
    ['divide', [-2147483648, -1], /integer overflow/],
    ['divide64', ['-9223372036854775808', -1], /integer overflow/],
    ['divide64', [5, 0], /integer divide by zero/],
    ['float-to-int', ['1e10'], /integer overflow/],
    ['float-to-int', ['nan'], /invalid conversion to integer/],
    ['call-bad-pointer', [1000000], /undefined element|out of bounds table access/],
    ['call-bad-pointer', [0], /uninitialized element|indirect call type mismatch|null/],
    ['call-wrong-type', [], /indirect call type mismatch/],
    ['bad-string-pointer', [], /out of bounds/],
    ['bad-utf8', [], /utf-8/i],
    ['bad-char', [], /char/],
    ['bad-list-length', [], /out of bounds|too long/],
    ['bad-variant', [], /discriminant/],
    ['bad-post-return', [], /unreachable/],
];

for (const [fn, values, reason] of traps)
    test(`${fn}(${values.join(', ')}) traps with its reason, and the oplog is intact`, async (t) => {
        const worker = new Worker(program, join(scratch(t), 'data'));
        assert.equal(worker.invoke('before', `${API}.{fine}`, '1'), '2');
        const { status, signal, stdout, stderr } = worker.run('--key', 'bad', 'invoke', `${API}.{${fn}}`, ...values.map(String));
        assert.equal(signal ?? status, TRAPPED, `${stdout}${stderr}`);
        const said = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('trap: '));
        assert.equal(said.length, 1, `${stdout}${stderr}`);
        assert.match(said[0], reason);

        const entries = worker.oplog({ hints: true });
        assert.equal(entries[0].entry.type, 'Create');
        const completed = entries.filter(({ entry }) => entry.type === 'ExportedFunctionCompleted');
        assert.equal(completed.length, 1, 'a call that trapped is not complete');
        assert.ok(entries.some(({ entry }) => entry.type === 'Error' && reason.test(JSON.stringify(entry))), 'the error is recorded with its reason');
        worker.verify();
        assert.equal(worker.invoke('before', `${API}.{fine}`, '1'), '2', 'a result from before is still there');
    });

test('on stdin a trap is the answer of its call and of every later one', async (t) => {
    for (const [fn, values, reason] of traps) {
        const session = new Session(program, ['--ephemeral']);
        t.after(() => session.kill());
        assert.equal(await session.call(`${API}.{fine}(1)`), '2');
        const answer = await session.ask(`${API}.{${fn}}(${values.join(', ')})`);
        assert.match(answer, /^trap: /, `${fn}: ${answer}`);
        assert.match(answer, reason);
        for (const later of ['fine-calls', 'trap-unreachable']) assert.match(await session.ask(`${API}.{${later}}()`), /^trap: ./, `${later} after ${fn}`);
        const { signal } = await session.end();
        assert.equal(signal, null);
    }
});

test('what cannot be called is an error and no trap, and poisons nothing', async (t) => {
    const session = new Session(program, ['--ephemeral']);
    t.after(() => session.kill());
    assert.match(await session.ask(`${API}.{fine}("x")`), /^error: /);
    assert.match(await session.ask(`${API}.{no-such}()`), /^error: /);
    assert.equal(await session.call(`${API}.{fine}(1)`), '2');
});

test('work near the limits is no trap', async (t) => {
    const session = new Session(program, ['--ephemeral']);
    t.after(() => session.kill());
    assert.match(await session.ask(`${API}.{stack-overflow}(20000)`), /^\d+$/);
    const pages = Number(await session.call(`${API}.{memory-pages}()`));
    assert.match(await session.ask(`${API}.{read-at}(${pages * 65536 - 1})`), /^\d+$/, 'the last byte can be read');
    assert.equal(await session.call(`${API}.{divide}(-2147483648, 1)`), '-2147483648');
    assert.equal(await session.call(`${API}.{divide}(7, -2)`), '-3');
    assert.equal(await session.call(`${API}.{float-to-int}(-2147483648.9)`), '-2147483648');
    assert.match(await session.ask(`${API}.{read-at}(${pages * 65536})`), /^trap: out of bounds memory access/);
});

test('a guest that takes all memory that the system gives ends its process, and that is said', () => {
    // A limit of its own: 4 GiB of touched pages would be unkind to the machine that runs this.
    const limited = run('bash', ['-c', 'ulimit -d 400000; exec "$0" --ephemeral invoke --stdin', program],
        { input: `${API}.{fine}(1)\n${API}.{exhaust-memory}()\n${API}.{fine}(1)\n` });
    assert.deepEqual(limited, { status: 1, signal: null, stdout: '2\n', stderr: 'golem-aot: out of memory for the guest\n' });
});

test('exit ends a worker for ever, and later calls are told so', (t) => {
    const worker = new Worker(program, join(scratch(t), 'data'));
    assert.equal(worker.invoke('before', `${API}.{fine}`, '1'), '2');
    const exit = worker.run('--key', 'exit', 'invoke', `${API}.{exit-with}`, '3');
    assert.equal(exit.signal, null);
    assert.notEqual(exit.status, 0, exit.stdout);
    assert.match(exit.stderr, /exit/i);
    for (const fn of ['fine-calls', 'fine']) {
        const later = worker.run('invoke', `${API}.{${fn}}`, ...(fn === 'fine' ? ['1'] : []));
        assert.equal(later.status, 1, later.stderr);
        assert.match(later.stderr, /[Pp]revious invocation exited/);
        assert.equal(later.stdout, '');
    }
    assert.ok(worker.oplog({ hints: true }).some(({ entry }) => entry.type === 'Exited'));
    assert.equal(worker.invoke('before', `${API}.{fine}`, '1'), '2', 'a result from before is still there');
    worker.verify();
});

test('exit on stdin ends what can be answered', async (t) => {
    const session = new Session(program, ['--ephemeral']);
    t.after(() => session.kill());
    assert.equal(await session.call(`${API}.{fine}(1)`), '2');
    assert.match(await session.ask(`${API}.{exit-with}(3)`), /^(trap|error): .*exit/i);
    assert.match(await session.ask(`${API}.{fine}(1)`), /^(trap|error): .*exit/i);
});

test('a trap does not undo what earlier invocations did', (t) => {
    const worker = new Worker(program, join(scratch(t), 'data'));
    for (let i = 0; i < 5; i++) worker.invoke(`fine-${i}`, `${API}.{fine}`, String(i));
    for (let i = 0; i < 5; i++) assert.equal(worker.run('--key', 'bad', 'invoke', `${API}.{trap-unreachable}`).status, TRAPPED);
    for (let i = 0; i < 5; i++) assert.equal(worker.invoke(`fine-${i}`, `${API}.{fine}`, String(i)), String(i + 1));
    worker.verify();
});

test('after a trap the worker has failed, in the next process too', (t) => {
    const worker = new Worker(program, join(scratch(t), 'data'));
    worker.invoke('before', `${API}.{fine}`, '1');
    assert.equal(worker.run('invoke', `${API}.{stack-overflow}`, '4294967295').status, TRAPPED);
    const { status, stdout, stderr } = worker.run('invoke', `${API}.{fine}`, '1');
    assert.notEqual(status, 0, `a stack overflow is not retried, and the invocation before is not to be skipped: ${stdout}`);
    assert.match(stderr, /[Pp]revious invocation failed|trap: /);
});

test('a component that traps while it is instantiated says so, with nothing asked of it', () => {
    const broken = executable('broken');
    for (const input of ['', 'never()\n']) {
        const { status, signal, stdout } = run(broken, ['--ephemeral', 'invoke', '--stdin'], { input });
        assert.equal(signal ?? status, TRAPPED);
        assert.match(stdout, /^trap: .*unreachable/);
    }
    const { status, stdout, stderr } = run(broken, ['--ephemeral', 'invoke', 'never']);
    assert.equal(status, TRAPPED);
    assert.match(`${stdout}${stderr}`, /trap: .*unreachable/);
});

test('a durable worker that traps while it is instantiated leaves a readable oplog', (t) => {
    const worker = new Worker(executable('starting'), join(scratch(t), 'data'));
    const failing = () => worker.run('--env', 'STARTING=trap', 'invoke', 'started-with');
    const first = failing();
    assert.equal(first.status, TRAPPED, first.stderr);
    assert.match(`${first.stdout}${first.stderr}`, /trap: .*unreachable/);
    assert.equal(failing().status, TRAPPED, 'the next process finds the same');
    const entries = worker.run('oplog', '--json');
    assert.equal(entries.signal, null);
    if (entries.status === 0 && entries.stdout !== '') assert.equal(JSON.parse(entries.stdout.split('\n')[0]).entry.type, 'Create');
});
