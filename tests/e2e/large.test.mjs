// Values near the limit on what one call may hold (256 MiB): given, given again for their key, and replayed from wherever that begins.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { golemAot, must, run, scratch, Worker } from '../harness.mjs';

const MIB = 1024 * 1024;

/** give(n): a text of n bytes. take(text, rounds): as many host calls, then the text's size and the text; count: calls of take. */
const text = await parse(`(component
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock (export "now" (func (result u64)))))
  (core module $main
    (import "clock" "now" (func $now (result i64)))
    (memory (export "memory") 1)
    (global $end (mut i32) (i32.const 64))
    (global $count (mut i32) (i32.const 0))
    (func $alloc (param $size i32) (result i32) (local $at i32)
      (local.set $at (global.get $end))
      (global.set $end (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 15)) (i32.const -16)))
      (drop (memory.grow (i32.shr_u (local.get $size) (i32.const 16))))
      (drop (memory.grow (i32.const 1)))
      (local.get $at))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (call $alloc (local.get 3)))
    (func $return (param $at i32) (param $size i32) (result i32)
      (i32.store (i32.const 16) (local.get $at)) (i32.store (i32.const 20) (local.get $size)) (i32.const 16))
    (func (export "give") (param $size i32) (result i32) (local $at i32)
      (local.set $at (call $alloc (local.get $size)))
      (memory.fill (local.get $at) (i32.const 97) (local.get $size))
      (call $return (local.get $at) (local.get $size)))
    (func (export "take") (param $at i32) (param $size i32) (param $rounds i32) (result i32) (local $spin i32)
      (loop $again
        (drop (call $now))
        (local.set $spin (i32.const 200000))
        (loop $turn (br_if $turn (local.tee $spin (i32.sub (local.get $spin) (i32.const 1)))))
        (br_if $again (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
      (global.set $count (i32.add (global.get $count) (i32.const 1)))
      (call $return (local.get $at) (local.get $size)))
    (func (export "count") (result i32) (global.get $count)))
  (core func $now (canon lower (func $clock "now")))
  (core instance $i (instantiate $main (with "clock" (instance (export "now" (func $now))))))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "realloc" (core func $realloc))
  (func (export "give") (param "n" u32) (result string) (canon lift (core func $i "give") (memory $memory)))
  (func (export "take") (param "text" string) (param "rounds" u32) (result string)
    (canon lift (core func $i "take") (memory $memory) (realloc $realloc)))
  (func (export "count") (result u32) (canon lift (core func $i "count"))))`);

function made(t) {
    const folder = scratch(t), program = join(folder, 'large');
    writeFileSync(`${program}.wasm`, text);
    must(golemAot, ['build', `${program}.wasm`, '-o', program]);
    return { folder, program, worker: new Worker(program, join(folder, 'data')) };
}

test('a large result is given again for its key, and one beyond the limit is a trap', (t) => {
    const { worker } = made(t), size = 130 * MIB;
    assert.match(new Worker(worker.program, worker.data, 'other').run('invoke', 'give', String(256 * MIB)).stderr, /^trap: /);
    for (let i = 0; i < 2; i++) assert.equal(worker.run('--key', 'k', 'invoke', 'give', String(size)).stdout.length, size + 3);
});

test('a call with a large argument and a large result goes on from a checkpoint in the middle of it', async (t) => {
    const { worker } = made(t), size = 87 * MIB;
    const session = worker.session(t);
    session.child.stdin.write(`take("${'b'.repeat(size)}", 10000)\n`);
    for (const end = Date.now() + 60_000; !worker.run('info').stdout.includes('in the middle of an invocation'); await pause(100))
        assert.ok(Date.now() < end, 'no checkpoint');
    await session.kill();
    const next = run(worker.program, worker.args('invoke', 'count'), { timeout: 120_000 });
    assert.deepEqual([next.status, next.stdout], [0, '1\n'], next.stderr);
});
