// Core WebAssembly as it comes out of the pre-pass, wasm2c and the C compiler: each test a small component, written as text.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { golemAot, must, run, scratch } from '../harness.mjs';

/** A component of one module without imports; its exports f, g, ... take and give u32s as `types` says. */
async function component(module, types) {
    const lifts = Object.entries(types).map(([name, params]) =>
        `(func (export "${name}") ${Array.from({ length: params }, (_, i) => `(param "p${i}" u32)`).join(' ')} (result u32)
            (canon lift (core func $i "${name}")))`);
    return Buffer.from(await parse(`(component (core module $m ${module}) (core instance $i (instantiate $m)) ${lifts.join('\n')})`));
}

/** Builds it and asks it; the answers, and how it ended. */
async function ask(t, bytes, lines, options = []) {
    const folder = scratch(t), input = join(folder, 'x.wasm'), output = join(folder, 'x');
    writeFileSync(input, bytes);
    must(golemAot, ['build', input, '-o', output, '--quiet', ...options]);
    const done = run(output, ['--ephemeral', 'invoke', '--stdin'], { input: lines.map((line) => `${line}\n`).join('') });
    return { answers: done.stdout.split('\n').slice(0, -1), status: done.status, stderr: done.stderr };
}

async function answers(t, module, types, calls, options) {
    const result = await ask(t, await component(module, types), Object.keys(calls), options);
    assert.deepEqual(result.answers, Object.values(calls), result.stderr);
}

test('tail calls do not use up the stack: itself, each other, through a table', async (t) => {
    const module = `(memory 1)
        (type $two (func (param i32 i32) (result i32)))
        (table funcref (elem $odd $even $count))
        (func $count (export "count") (param i32 i32) (result i32)
            (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
            (return_call $count (i32.sub (local.get 0) (i32.const 1)) (i32.add (local.get 1) (i32.const 1))))
        (func $even (param i32 i32) (result i32)
            (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
            (return_call $odd (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))
        (func $odd (param i32 i32) (result i32) (local i64 f64)
            (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
            (return_call $even (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))
        (func (export "even") (param i32) (result i32) (return_call $even (local.get 0) (i32.const 0)))
        (func $dispatch (export "dispatch") (param i32 i32) (result i32)
            (return_call_indirect (type $two) (local.get 0) (i32.const 7) (local.get 1)))`;
    for (const level of ['-O1', '-O2'])
        await answers(t, module, { count: 2, even: 1, dispatch: 2 }, {
            'count(10000000, 5)': '10000005', 'even(10000001)': '0', 'even(10000000)': '1',
            'dispatch(1000000, 2)': '1000007', 'dispatch(9, 0)': '1', 'dispatch(9, 1)': '0',
        }, [level]);
});

test('an endless recursion that is no tail call traps', async (t) => {
    const { answers: [answer] } = await ask(t, await component(
        '(func $f (export "f") (param i32) (result i32) (call $f (i32.add (local.get 0) (i32.const 1))))', { f: 1 }), ['f(1)']);
    assert.match(answer, /^trap: .*stack/);
});

test('data is there before the start function runs, in order, and passive data when it is asked for', async (t) => {
    await answers(t, `(memory 1)
        (global $sum (mut i32) (i32.const 0))
        (func $start
            (global.set $sum (i32.load8_u (i32.const 10)))
            (i32.store8 (i32.const 10) (i32.const 99)))
        (start $start)
        (func (export "sum") (result i32) (global.get $sum))
        (func (export "byte") (param i32) (result i32) (i32.load8_u (local.get 0)))
        (func (export "init") (param i32) (result i32) (memory.init $p (i32.const 100) (i32.const 1) (local.get 0)) (i32.load8_u (i32.const 100)))
        (func (export "active") (param i32) (result i32) (memory.init $a (i32.const 200) (i32.const 0) (local.get 0)) (i32.const 5))
        (data $a (i32.const 10) "\\01\\02")
        (data (i32.const 10) "\\07")
        (data $p "\\03\\04\\05")`, { sum: 0, byte: 1, init: 1, active: 1 }, {
        'sum()': '7', 'byte(10)': '99', 'byte(11)': '2', 'init(2)': '4', 'byte(101)': '5', 'active(0)': '5',
        'active(1)': 'trap: out of bounds memory access',
    });
});

test('data that does not fit is a trap while instantiating, and the segments before it are no reason to live', async (t) => {
    const bytes = await component(`(memory 1) (data (i32.const 0) "ok") (data (i32.const 65535) "xy")
        (func (export "f") (result i32) (i32.const 1))`, { f: 0 });
    const { answers: [answer], status } = await ask(t, bytes, []);
    assert.equal(answer, 'trap: out of bounds memory access');
    assert.equal(status, 3);
});

test('ten thousand data segments', async (t) => {
    const segments = Array.from({ length: 10000 }, (_, i) => `(data (i32.const ${i * 4}) "\\${(i % 256).toString(16).padStart(2, '0')}")`);
    await answers(t, `(memory 1) ${segments.join('')} (func (export "byte") (param i32) (result i32) (i32.load8_u (local.get 0)))`,
        { byte: 1 }, { 'byte(0)': '0', 'byte(4)': '1', 'byte(39996)': String(9999 % 256), 'byte(39997)': '0' });
});

test('SIMD', async (t) => {
    await answers(t, `(memory 1) (data (i32.const 16) "\\01\\02\\03\\04\\05\\06\\07\\08\\09\\0a\\0b\\0c\\0d\\0e\\0f\\10")
        (func (export "sum") (param i32) (result i32) (local v128)
            (local.set 1 (i8x16.add (v128.load (i32.const 16)) (i8x16.splat (local.get 0))))
            (i32.add (i8x16.extract_lane_u 0 (local.get 1)) (i8x16.extract_lane_u 15 (local.get 1))))`, { sum: 1 }, { 'sum(1)': '19' });
});

test('exceptions are caught, with their values, and across calls', async (t) => {
    await answers(t, `(tag $e (param i32))
        (func $thrower (param i32) (if (i32.gt_u (local.get 0) (i32.const 5)) (then (throw $e (local.get 0)))))
        (func (export "f") (param i32) (result i32)
            try (result i32)
                local.get 0
                call $thrower
                i32.const 1000
            catch $e
                i32.const 1
                i32.add
            end)`,
    { f: 1 }, { 'f(3)': '1000', 'f(6)': '7', 'f(5)': '1000' });
});

test('exceptions of the new kind', async (t) => {
    await answers(t, `(tag $e (param i32))
        (func $thrower (param i32) (if (i32.gt_u (local.get 0) (i32.const 5)) (then (throw $e (local.get 0)))))
        (func (export "f") (param i32) (result i32)
            (block $h (result i32)
                (try_table (result i32) (catch $e $h) (call $thrower (local.get 0)) (i32.const 1000))
                (return))
            (i32.add (i32.const 1)))
        (func (export "g") (param i32) (result i32) (local exnref)
            (block $again (result i32 exnref)
                (try_table (catch_ref $e $again) (call $thrower (local.get 0)))
                (return (i32.const 1)))
            (local.set 1) (drop)
            (block $h (result i32) (try_table (catch $e $h) (throw_ref (local.get 1))) (unreachable))
            (i32.add (i32.const 2)))`,
    { f: 1, g: 1 }, { 'f(3)': '1000', 'f(6)': '7', 'g(3)': '1', 'g(6)': '8' });
});

test('several memories', async (t) => {
    await answers(t, `(memory $a 1) (memory $b 1) (data (memory $b) (i32.const 0) "\\2a")
        (func (export "f") (param i32) (result i32)
            (i32.store $a (i32.const 0) (local.get 0))
            (memory.copy $b $a (i32.const 4) (i32.const 0) (i32.const 4))
            (i32.add (i32.load $b (i32.const 4)) (i32.load8_u $b (i32.const 0))))`, { f: 1 }, { 'f(100)': '142' });
});

test('tables that change', async (t) => {
    await answers(t, `(type $t (func (result i32))) (table $x 2 10 funcref)
        (func $one (result i32) (i32.const 1)) (func $two (result i32) (i32.const 2))
        (elem declare func $one $two)
        (func (export "set") (param i32 i32) (result i32)
            (table.set $x (local.get 0) (select (result funcref) (ref.func $one) (ref.func $two) (local.get 1))) (i32.const 0))
        (func (export "grow") (param i32) (result i32) (table.grow $x (ref.func $two) (local.get 0)))
        (func (export "call") (param i32) (result i32) (call_indirect $x (type $t) (local.get 0)))`, { set: 2, grow: 1, call: 1 }, {
        'set(0, 1)': '0', 'set(1, 0)': '0', 'call(0)': '1', 'call(1)': '2', 'grow(3)': '2', 'call(4)': '2', 'grow(6)': '4294967295',
    });
});

test('an arithmetic that is the same everywhere', async (t) => {
    await answers(t, `
        (func (export "nan") (param i32) (result i32) (i32.reinterpret_f32 (f32.add (f32.reinterpret_i32 (local.get 0)) (f32.const 1))))
        (func (export "div") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
        (func (export "trunc") (param i32) (result i32) (i32.trunc_f32_s (f32.reinterpret_i32 (local.get 0))))
        (func (export "nearest") (param i32) (result i32) (i32.trunc_f32_s (f32.nearest (f32.div (f32.convert_i32_u (local.get 0)) (f32.const 2)))))`,
    { nan: 1, div: 2, trunc: 1, nearest: 1 }, {
        'nan(2143289345)': '2143289345', 'nearest(5)': '2', 'nearest(7)': '4', 'div(4294967290, 3)': '4294967294',
        'div(2147483648, 4294967295)': 'trap: integer overflow',
    });
});

test('what cannot be translated is refused in words', async (t) => {
    const folder = scratch(t);
    const cases = [
        ['(memory i64 1)', /a core module uses 64-bit memories, which is not supported yet/],
        ['(memory 1 1 shared)', /a core module uses threads/],
        ['(type (struct (field i32)))', /a core module uses garbage collection/],
    ];
    for (const [module, pattern] of cases) {
        const input = join(folder, 'x.wasm');
        writeFileSync(input, Buffer.from(await parse(`(component (core module $m ${module}) (core instance (instantiate $m)))`)));
        assert.equal(run(golemAot, ['validate', input]).status, 0);
        const { status, stderr } = run(golemAot, ['build', input, '-o', join(folder, 'x')]);
        assert.equal(status, 1);
        assert.match(stderr, pattern);
    }
});
