// A small part of the differential fuzzer (tests/fuzz/differential.mjs): fixed seeds, one for each chain of string encodings.
//
// DIFFERENTIAL_VALUES, DIFFERENTIAL_SEED: more of it, or another part.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { campaign, CHAINS, findOracle, makeCase } from '../fuzz/differential.mjs';
import { dice, randomType, randomValue, same, waveText, fromTree } from '../fuzz/types.mjs';
import { chance } from '../harness.mjs';
import { wave } from '../wave.mjs';

const seed = Number(process.env.DIFFERENTIAL_SEED ?? CHAINS.length);
const values = Number(process.env.DIFFERENTIAL_VALUES ?? 0);

test('values of random types come through every chain of string encodings as they were sent', async (t) => {
    const { oracle, reason } = findOracle();
    t.diagnostic(`oracle: ${oracle ? '' : 'skipped, '}${reason}`);
    const total = { values: 0, differences: [] };
    const parts = values ? [{ seed, values }] : CHAINS.map((_, i) => ({ seed: seed + i, values: 1 }));
    for (const part of parts) {
        const done = await campaign({ ...part, groups: 2, rounds: 20, oracle });
        total.values += done.values;
        total.differences.push(...done.differences);
    }
    t.diagnostic(`${total.values} values`);
    assert.deepEqual(total.differences, []);
    assert.ok(total.values >= values && total.values > 0);
});

test('a seed stands for the same component and the same values each time', () => {
    const [a, b] = [makeCase(5), makeCase(5)];
    assert.equal(a.text, b.text);
    const type = a.functions[0].value;
    assert.ok(same(randomValue(a.die, type), randomValue(b.die, type)));
    assert.notEqual(makeCase(6).text, a.text);
});

test('the fuzzer reads back what it writes, and sees what is different', () => {
    const die = dice(chance(7));
    for (let i = 0; i < 300; i++) {
        const type = randomType(die, 3, []), value = randomValue(die, type);
        assert.ok(same(fromTree(type, wave(waveText(type, value, die), { keepNone: true })), value), waveText(type, value));
    }
    for (const [a, b] of [[0, -0], [NaN, 0], [1n, 2n], ['a', 'b'], [[1n], [1n, 2n]], [{ index: 0 }, { index: 1 }], [[{ index: 1, payload: 1n }], [{ index: 1, payload: 2n }]]])
        assert.ok(!same(a, b) && same(a, a) && same(b, b));
});
