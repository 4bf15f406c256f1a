// One guest (tests/guests/tally) by several toolchains: the same answers, the same durability.
//
// TOOLCHAINS: which ones, instead of those that compile in seconds ("as rust qjs"; `make test-js` runs "js").

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { executable, runAndKill, scratch, Session, shape, Worker } from '../harness.mjs';
import { wave } from '../wave.mjs';

const toolchains = (process.env.TOOLCHAINS ?? 'as rust qjs').split(' ');
const API = 'demo:tally/api@1.0.0.';
const text = JSON.stringify; // as WAVE would have these
const item = (name, amount) => `{name: ${text(name)}, amount: ${amount}}`;
/** A record of numbers. */
const numbersOf = (answer) => Object.fromEntries(wave(answer).record.map(([name, value]) => [name, Number(value)]));

/** What `work` computes beside what it draws from the host. */
function digestAfter(rounds) {
    let digest = 1;
    for (let i = 0; i < rounds; i++) {
        digest ^= digest << 13;
        digest ^= digest >>> 17;
        digest ^= digest << 5;
    }
    return digest;
}

for (const toolchain of toolchains) {
    const program = executable(`tally-${toolchain}`);

    test(`${toolchain}: records, strings, lists, state`, async (t) => {
        const session = new Session(program, ['--ephemeral']);
        t.after(() => session.kill());
        const answers = async (line, expected) => assert.deepEqual(wave(await session.call(API + line)), wave(expected));
        const items = ['apple', '', 'Grüße, "Welt" \\', '𝄞 😀 日本', 'x'.repeat(5000)].map((name, i) => ({ name, amount: (i + 1) * (i % 2 ? -1000 : 7) }));
        let sum = 0;
        for (const { name, amount } of items) await answers(`{add}(${item(name, amount)})`, String(sum += amount));
        await answers('{items}()', `[${items.map(({ name, amount }) => item(name, amount))}]`);
        await answers('{describe}("Einkäufe 🛒")', text(`Einkäufe 🛒: ${items.map(({ name, amount }) => `${name}=${amount}`).join(', ')}`));
        for (const numbers of [[], [0], [1, -2, 2147483647, -2147483648], Array.from({ length: 5000 }, (_, i) => i * 7)])
            await answers(`{turn}([${numbers}])`, `[${numbers.map((number) => (number * 2) | 0).reverse()}]`);
        assert.equal((await session.end()).status, 0);
    });

    test(`${toolchain}: random numbers, the clock, printing`, async (t) => {
        const mixtures = new Set();
        for (let i = 0; i < 2; i++) {
            const session = new Session(program, ['--ephemeral']);
            t.after(() => session.kill());
            const progress = numbersOf(await session.call(`${API}{work}(5, 100)`));
            assert.deepEqual({ ...progress, mixed: 0 }, { steps: 5, digest: digestAfter(500), mixed: 0 });
            mixtures.add(progress.mixed);
            await session.call(`${API}{say}("a line with ümläuts")`);
            const { status, stderr } = await session.end();
            assert.equal(status, 0);
            assert.match(stderr, /^a line with ümläuts$/m);
        }
        assert.equal(mixtures.size, 2, 'no two workers draw the same');
    });

    test(`${toolchain}: state goes from process to process, with a checkpoint and without`, (t) => {
        const worker = new Worker(program, scratch(t));
        worker.invoke('1', `${API}{add}`, '{name: "one", amount: 1}');
        worker.invoke('2', `${API}{add}`, '{name: "two", amount: 2}');
        const progress = worker.invoke('3', `${API}{work}`, '10', '10');
        assert.equal(worker.run('checkpoint').status, 0);
        assert.equal(worker.invoke('4', `${API}{add}`, '{name: "three", amount: 3}'), '6');
        assert.equal(worker.invoke('5', `${API}{describe}`, '"all"'), '"all: one=1, two=2, three=3"');
        assert.equal(worker.invoke('3', `${API}{work}`, '10', '10'), progress, 'the key\'s first result');
        worker.verify();
    });

    test(`${toolchain}: killed in the middle of an invocation, and continued`, async (t) => {
        const folder = scratch(t), steps = 300, rounds = { as: 100_000, rust: 100_000 }[toolchain] ?? 2000;
        const calls = [['add', '{name: "before", amount: 1}'], ['work', String(steps), String(rounds)], ['describe', '"after"']];
        const ask = (worker) => calls.map(([fn, ...values]) => worker.invoke(fn, `${API}{${fn}}`, ...values));
        const quiet = new Worker(program, `${folder}/quiet`);
        const start = performance.now();
        const expected = ask(quiet);
        const milliseconds = performance.now() - start;

        const worker = new Worker(program, `${folder}/killed`);
        worker.invoke('add', `${API}{add}`, calls[0][1]);
        let hits = 0;
        for (let shot = 1; shot <= 6; shot++) {
            const { signal } = await runAndKill(program, worker.invokeArgs('work', `${API}{work}`, ...calls[1].slice(1)), milliseconds * shot / 12, { folder });
            if (signal !== 'SIGKILL') break;
            hits++;
        }
        assert.ok(hits > 0, 'the invocation is long enough to be hit');
        const answers = ask(worker);
        const [done, undisturbed] = [answers[1], expected[1]].map(numbersOf);
        assert.deepEqual({ ...done, mixed: 0 }, { steps, digest: digestAfter(steps * rounds), mixed: 0 });
        assert.deepEqual({ ...undisturbed, mixed: 0 }, { ...done, mixed: 0 });
        assert.deepEqual([answers[0], answers[2]], [expected[0], expected[2]]);
        assert.deepEqual(shape(worker.oplog()), shape(quiet.oplog()));
        worker.verify();
    });
}
