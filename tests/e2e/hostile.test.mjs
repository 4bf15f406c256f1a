// Guests that ask the host for too much, or for nonsense: io, clocks, random, logging and standard streams. (HTTP and sockets have tests of their own.)

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { golemAot, must, run, Worker } from '../harness.mjs';

const component = await parse(`(component
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))
    (export "poll" (func (param "in" (list (borrow $pollable))) (result (list u32))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:io/error@0.2.0" (instance $errors (export "error" (type (sub resource)))))
  (alias export $errors "error" (type $error))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (alias outer 1 $pollable (type $p)) (alias outer 1 $error (type $e))
    (export "output-stream" (type $out (sub resource)))
    (type $failure (variant (case "last-operation-failed" (own $e)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $failure)))
    (export "[method]output-stream.blocking-write-and-flush"
      (func (param "self" (borrow $out)) (param "contents" (list u8)) (result (result (error $stream-error)))))
    (export "[method]output-stream.write"
      (func (param "self" (borrow $out)) (param "contents" (list u8)) (result (result (error $stream-error)))))
    (export "[method]output-stream.subscribe" (func (param "self" (borrow $out)) (result (own $p))))))
  (alias export $streams "output-stream" (type $output-stream))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $output-stream (type $out)) (export "get-stdout" (func (result (own $out))))))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $p)) (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
  (import "wasi:random/random@0.2.0" (instance $random (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
  (import "wasi:logging/logging" (instance $logging
    (type $l (enum "trace" "debug" "info" "warn" "error" "critical")) (export "level" (type $level (eq $l)))
    (export "log" (func (param "level" $level) (param "context" string) (param "message" string)))))
  (core module $memory
    (memory (export "memory") 64)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0x200000)))
  (core instance $m (instantiate $memory))
  (alias core export $m "memory" (core memory $mem))
  (alias core export $m "realloc" (core func $realloc))
  (core func $poll8 (canon lower (func $poll "poll") (memory $mem) (realloc $realloc)))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $sleep (canon lower (func $clock "subscribe-duration")))
  (core func $get (canon lower (func $stdout "get-stdout")))
  (core func $print (canon lower (func $streams "[method]output-stream.blocking-write-and-flush") (memory $mem)))
  (core func $write (canon lower (func $streams "[method]output-stream.write") (memory $mem)))
  (core func $subscribe (canon lower (func $streams "[method]output-stream.subscribe")))
  (core func $bytes (canon lower (func $random "get-random-bytes") (memory $mem) (realloc $realloc)))
  (core func $log (canon lower (func $logging "log") (memory $mem) string-encoding=utf8))
  (core func $log16 (canon lower (func $logging "log") (memory $mem) string-encoding=utf16))
  (core func $drop-stream (canon resource.drop $output-stream))
  (core func $drop-pollable (canon resource.drop $pollable))
  (core module $main
    (import "h" "memory" (memory 1))
    (import "h" "poll" (func $poll (param i32 i32 i32)))
    (import "h" "block" (func $block (param i32)))
    (import "h" "sleep" (func $sleep (param i64) (result i32)))
    (import "h" "get" (func $get (result i32)))
    (import "h" "print" (func $print (param i32 i32 i32 i32)))
    (import "h" "write" (func $write (param i32 i32 i32 i32)))
    (import "h" "subscribe" (func $subscribe (param i32) (result i32)))
    (import "h" "bytes" (func $bytes (param i64 i32)))
    (import "h" "log" (func $log (param i32 i32 i32 i32 i32)))
    (import "h" "log16" (func $log16 (param i32 i32 i32 i32 i32)))
    (import "h" "drop-stream" (func $drop-stream (param i32)))
    (import "h" "drop-pollable" (func $drop-pollable (param i32)))
    (data (i32.const 64) "ok\\00\\ff\\c0\\80\\ed\\a0\\80\\f4\\90\\80\\80\\e2\\82")
    (data (i32.const 96) "\\00\\d8A\\00")
    (func (export "pollables") (param $n i32) (result i32) (local $last i32)
      (loop $again
        (local.set $last (call $sleep (i64.const 0)))
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (local.get $last))
    (func (export "streams") (param $n i32) (result i32) (local $i i32) (local $last i32)
      (loop $again
        (local.set $last (call $get))
        (call $drop-pollable (call $subscribe (local.get $last)))
        (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
      (loop $again
        (call $drop-stream (local.get $last))
        (br_if $again (local.tee $last (i32.sub (local.get $last) (i32.const 1)))))
      (call $get))
    (func (export "same") (param $n i32) (result i32) (local $i i32) (local $p i32)
      (local.set $p (call $sleep (i64.const 0)))
      (loop $again
        (i32.store (i32.add (i32.const 1024) (i32.shl (local.get $i) (i32.const 2))) (local.get $p))
        (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
      (call $poll (i32.const 1024) (local.get $n) (i32.const 8))
      (call $drop-pollable (local.get $p))
      (i32.load (i32.const 12)))
    (func (export "claim") (param $at i32) (param $n i32)
      (i32.store (i32.const 1024) (call $sleep (i64.const 0)))
      (call $poll (local.get $at) (local.get $n) (i32.const 8)))
    (func (export "print") (param $at i32) (param $n i32) (call $print (call $get) (local.get $at) (local.get $n) (i32.const 8)))
    (func (export "write") (param $at i32) (param $n i32) (call $write (call $get) (local.get $at) (local.get $n) (i32.const 8)))
    (func (export "return") (param $at i32) (call $print (call $get) (i32.const 64) (i32.const 2) (local.get $at)))
    (func (export "random") (param $n i64) (call $bytes (local.get $n) (i32.const 8)))
    (func (export "log") (param $at i32) (param $n i32)
      (call $log (i32.const 2) (i32.const 64) (i32.const 2) (local.get $at) (local.get $n)))
    (func (export "log16") (param $at i32) (param $n i32)
      (call $log16 (i32.const 2) (i32.const 64) (i32.const 0) (local.get $at) (local.get $n)))
    (func (export "level") (param $level i32)
      (call $log (local.get $level) (i32.const 64) (i32.const 2) (i32.const 64) (i32.const 2)))
    (func (export "child") (local $s i32)
      (local.set $s (call $get)) (drop (call $subscribe (local.get $s))) (call $drop-stream (local.get $s)))
    (func (export "confused") (call $block (call $get))))
  (core instance $i (instantiate $main (with "h" (instance
    (export "memory" (memory $mem)) (export "poll" (func $poll8)) (export "block" (func $block)) (export "sleep" (func $sleep))
    (export "get" (func $get)) (export "print" (func $print)) (export "write" (func $write))
    (export "subscribe" (func $subscribe)) (export "bytes" (func $bytes)) (export "log" (func $log)) (export "log16" (func $log16))
    (export "drop-stream" (func $drop-stream)) (export "drop-pollable" (func $drop-pollable))))))
  ${['pollables', 'streams', 'same'].map((f) => `(func (export "${f}") (param "n" u32) (result u32) (canon lift (core func $i "${f}")))`).join('\n')}
  ${['claim', 'print', 'write', 'log', 'log16'].map((f) => `(func (export "${f}") (param "at" u32) (param "n" u32) (canon lift (core func $i "${f}")))`).join('\n')}
  ${['return', 'level'].map((f) => `(func (export "${f}") (param "at" u32) (canon lift (core func $i "${f}")))`).join('\n')}
  (func (export "random") (param "n" u64) (canon lift (core func $i "random")))
  ${['child', 'confused'].map((f) => `(func (export "${f}") (canon lift (core func $i "${f}")))`).join('\n')})`);

let folder, program;
before(() => {
    folder = mkdtempSync(join(tmpdir(), 'golem-aot-test-'));
    program = join(folder, 'hostile');
    writeFileSync(`${program}.wasm`, component);
    must(golemAot, ['build', `${program}.wasm`, '-o', program]);
});
after(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;
/** The same call of a worker that is recorded and of one that is not; then the recorded one is opened again, and verified. */
function ask(call, expected) {
    const name = `w${count++}`, worker = new Worker(program, join(folder, 'data'), name);
    for (const args of [['--ephemeral'], worker.args()]) {
        const { status, signal, stdout, stderr } = run(program, [...args, 'invoke', '--stdin'], { input: `${call}\n` });
        assert.equal(signal, null, `${call}: ${stderr}`);
        assert.equal(status, 0, `${call}: ${stderr}`);
        if (expected instanceof RegExp) assert.match(stdout.trimEnd(), expected, call);
        else assert.equal(stdout.trimEnd(), expected, call);
    }
    worker.verify();
}

test('as many handles as there may be are no harm, and one more is a trap', () => {
    ask('pollables(100000)', '100000');
    ask('streams(100000)', /^\d+$/);
    ask('pollables(2000000)', /^trap: too many host resources \(limit is 1000000\)$/);
});

test('a poll of one pollable a hundred thousand times names it as often', () => ask('same(100000)', '100000'));

const traps = {
    'a poll of nothing': 'claim(1024, 0)',
    'a list that ends outside of the memory': 'claim(4194300, 2)',
    'a list of 2^31 pollables': `claim(1024, ${2 ** 31})`,
    'a list of 2^32 - 1 pollables': `claim(1024, ${2 ** 32 - 1})`,
    'a list that is not aligned': 'claim(1025, 1)',
    'handles that are none': 'claim(2048, 1)',
    'a write of 2^31 bytes': `print(0, ${2 ** 31})`,
    'a write from outside of the memory': `print(${2 ** 32 - 1}, 2)`,
    'a write that was not permitted': 'write(64, 1)',
    'a result outside of the memory': `return(${2 ** 32 - 4})`,
    'a result that is not aligned': 'return(9)',
    'random bytes without end': `random(${2n ** 64n - 1n})`,
    'more random bytes than are given': `random(${2 ** 24 + 1})`,
    'random bytes that the guest has no room for': `random(${2 ** 22})`,
    'a text that is not UTF-8: a byte': 'log(67, 1)',
    'a text that is not UTF-8: overlong': 'log(68, 2)',
    'a text that is not UTF-8: a surrogate': 'log(70, 3)',
    'a text that is not UTF-8: beyond the last character': 'log(73, 4)',
    'a text that is not UTF-8: cut': 'log(77, 2)',
    'a text of 2^31 bytes': `log(64, ${2 ** 31})`,
    'a text that is not UTF-16: a lone surrogate': 'log16(96, 2)',
    'a text that is not aligned': 'log16(65, 1)',
    'a level that is none': 'level(6)',
    'a stream that is dropped before its pollable': 'child()',
    'a stream taken for a pollable': 'confused()',
};
for (const [what, call] of Object.entries(traps)) test(`${what} is a trap`, () => ask(call, /^trap: ./));

test('what is odd but allowed is done', () => {
    ask('print(0, 4194304)', /^$/);
    ask('log(64, 3)', '');
    ask('random(0)', '');
    ask('level(5)', '');
});
