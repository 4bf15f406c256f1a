// Timers of a recorded worker: deadlines stay where they were when the process is killed, suspended, or started late.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { golemAot, must, runAndKill, Worker } from '../harness.mjs';

const SUSPENDED = 4;

/**
 * timers(a, b, c): three of so many milliseconds. A poll of all that are left, until none is; its answer has a digit for
 * each that was ready, in order of time. one(ms): a single one, blocked on. now: the monotonic clock.
 */
const component = await parse(`(component
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))
    (export "[method]pollable.ready" (func (param "self" (borrow $pollable)) (result bool)))
    (export "poll" (func (param "in" (list (borrow $pollable))) (result (list u32))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $p))
    (export "now" (func (result u64)))
    (export "subscribe-instant" (func (param "when" u64) (result (own $p))))
    (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
  (core module $memory
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))
  (core instance $m (instantiate $memory))
  (alias core export $m "memory" (core memory $mem))
  (alias core export $m "realloc" (core func $realloc))
  (core func $poll (canon lower (func $poll "poll") (memory $mem) (realloc $realloc)))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $ready (canon lower (func $poll "[method]pollable.ready")))
  (core func $now (canon lower (func $clock "now")))
  (core func $instant (canon lower (func $clock "subscribe-instant")))
  (core func $duration (canon lower (func $clock "subscribe-duration")))
  (core func $drop (canon resource.drop $pollable))
  (core module $main
    (import "h" "memory" (memory 1))
    (import "h" "poll" (func $poll (param i32 i32 i32)))
    (import "h" "block" (func $block (param i32)))
    (import "h" "ready" (func $ready (param i32) (result i32)))
    (import "h" "now" (func $now (result i64)))
    (import "h" "instant" (func $instant (param i64) (result i32)))
    (import "h" "duration" (func $duration (param i64) (result i32)))
    (import "h" "drop" (func $drop (param i32)))
    (func $ns (param $ms i32) (result i64) (i64.mul (i64.extend_i32_u (local.get $ms)) (i64.const 1000000)))
    ;; Handles at 0 and their digits at 16, $left of both: the one at $i goes, and the last takes its place.
    (func $remove (param $i i32) (param $left i32)
      (call $drop (i32.load (i32.shl (local.get $i) (i32.const 2))))
      (i32.store (i32.shl (local.get $i) (i32.const 2)) (i32.load (i32.shl (i32.sub (local.get $left) (i32.const 1)) (i32.const 2))))
      (i32.store offset=16 (i32.shl (local.get $i) (i32.const 2))
        (i32.load offset=16 (i32.shl (i32.sub (local.get $left) (i32.const 1)) (i32.const 2)))))
    (func (export "timers") (param $a i32) (param $b i32) (param $c i32) (result i32) (local $left i32) (local $order i32) (local $i i32)
      (i32.store offset=0 (i32.const 0) (call $duration (call $ns (local.get $a))))
      (i32.store offset=4 (i32.const 0) (call $duration (call $ns (local.get $b))))
      (i32.store offset=8 (i32.const 0) (call $instant (i64.add (call $now) (call $ns (local.get $c)))))
      (i32.store offset=16 (i32.const 0) (i32.const 1))
      (i32.store offset=20 (i32.const 0) (i32.const 2))
      (i32.store offset=24 (i32.const 0) (i32.const 3))
      (local.set $left (i32.const 3))
      (loop $again
        (call $poll (i32.const 0) (local.get $left) (i32.const 32))
        (local.set $i (i32.load (i32.load (i32.const 32))))
        (if (i32.eqz (call $ready (i32.load (i32.shl (local.get $i) (i32.const 2))))) (then (unreachable)))
        (local.set $order (i32.add (i32.mul (local.get $order) (i32.const 10))
          (i32.load offset=16 (i32.shl (local.get $i) (i32.const 2)))))
        (call $remove (local.get $i) (local.get $left))
        (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
      (local.get $order))
    (func (export "one") (param $ms i32) (local $p i32)
      (local.set $p (call $duration (call $ns (local.get $ms))))
      (call $block (local.get $p))
      (call $drop (local.get $p)))
    (func (export "now") (result i64) (call $now)))
  (core instance $i (instantiate $main (with "h" (instance
    (export "memory" (memory $mem)) (export "poll" (func $poll)) (export "block" (func $block)) (export "ready" (func $ready))
    (export "now" (func $now)) (export "instant" (func $instant)) (export "duration" (func $duration)) (export "drop" (func $drop))))))
  (func (export "timers") (param "a" u32) (param "b" u32) (param "c" u32) (result u32) (canon lift (core func $i "timers")))
  (func (export "one") (param "ms" u32) (canon lift (core func $i "one")))
  (func (export "now") (result u64) (canon lift (core func $i "now"))))`);

let folder, program, count = 0;
before(() => {
    folder = mkdtempSync(join(tmpdir(), 'golem-aot-test-'));
    program = join(folder, 'timers');
    writeFileSync(`${program}.wasm`, component);
    must(golemAot, ['build', `${program}.wasm`, '-o', program]);
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** A worker that has been started before: what follows is measured without its creation. */
function warm() {
    const worker = new Worker(program, join(folder, `data${count++}`));
    worker.invoke('warm', 'now');
    return worker;
}

const took = (begin, least, most, what) => {
    const milliseconds = Date.now() - begin;
    assert.ok(milliseconds >= least && milliseconds < most, `${what}: ${milliseconds} ms, not ${least} to ${most}`);
};

test('several timers go off in their order, each at its time', () => {
    const worker = warm(), begin = Date.now();
    assert.equal(worker.invoke('k', 'timers', '900', '300', '600'), '231');
    took(begin, 890, 2500, 'all of them');
    worker.verify();
});

test('several timers keep their deadlines over two kills', async () => {
    const worker = warm(), begin = Date.now(), args = worker.invokeArgs('k', 'timers', '3000', '400', '1700');
    for (const milliseconds of [1000, 1200]) assert.equal((await runAndKill(program, args, milliseconds, { folder })).signal, 'SIGKILL');
    assert.equal(worker.invoke('k', 'timers', '3000', '400', '1700'), '231');
    took(begin, 2990, 4900, 'the last one');
    worker.verify();
});

test('timers that have all gone off while nobody ran are ready at once, the first of the list first', async () => {
    const worker = warm(), args = worker.invokeArgs('k', 'timers', '1300', '1200', '1100');
    assert.equal((await runAndKill(program, args, 500, { folder })).signal, 'SIGKILL');
    await pause(1000);
    const begin = Date.now();
    assert.match(worker.invoke('k', 'timers', '1300', '1200', '1100'), /^132$/);
    took(begin, 0, 700, 'what was over');
    worker.verify();
});

test('a long sleep suspends the worker until its deadline, and not longer', async () => {
    const worker = warm(), begin = Date.now();
    const sleep = () => worker.run('--key', 'k', 'invoke', 'one', '10800');
    const first = sleep();
    assert.equal(first.status, SUSPENDED, first.stderr);
    assert.match(first.stderr, /sleeps for 10\d{3} ms/);
    took(begin, 0, 700, 'being suspended');
    await pause(1500); // less than ten seconds are left: the process stays and waits
    const second = sleep();
    assert.equal(second.status, 0, second.stderr);
    took(begin, 10790, 12800, 'the sleep');
    assert.equal(sleep().status, 0, 'its key has its result');
    worker.verify();
});
