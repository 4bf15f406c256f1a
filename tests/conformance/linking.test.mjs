// Components made of several modules and components, as no toolchain of the guests makes them: who is linked with whom, what each
// instance has of its own, and what is refused. Each is written as text, built and called.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { golemAot, must, run, scratch, Worker } from '../harness.mjs';
import { answers, component, refused } from './made.mjs';

// --- core modules ---

answers('modules that import the same name get each its own provider', `
(component
  (core module $one (func (export "f") (result i32) (i32.const 1)))
  (core module $two (func (export "f") (result i32) (i32.const 2)))
  (core module $a (import "" "f" (func $f (result i32))) (func (export "g") (result i32) (i32.add (call $f) (i32.const 10))))
  (core module $b (import "" "f" (func $f (result i32))) (func (export "g") (result i32) (i32.add (call $f) (i32.const 20))))
  (core instance $one (instantiate $one))
  (core instance $two (instantiate $two))
  (core instance $a (instantiate $a (with "" (instance $one))))
  (core instance $b (instantiate $b (with "" (instance $two))))
  (func (export "a") (result u32) (canon lift (core func $a "g")))
  (func (export "b") (result u32) (canon lift (core func $b "g"))))`,
[['a()', '11'], ['b()', '22']]);

answers('one module, several times, with other functions, memories, tables and globals each time', `
(component
  (core module $given
    (memory (export "memory") 1) (table (export "table") 1 funcref) (global (export "global") (mut i32) (i32.const 5))
    (func $f (export "f") (result i64 f32) (i64.const 7) (f32.const 0.5))
    (elem (i32.const 0) $seven)
    (func $seven (result i32) (i32.const 7)))
  (core module $other
    (memory (export "memory") 2) (table (export "table") 1 funcref) (global (export "global") (mut i32) (i32.const 6))
    (func $f (export "f") (result i64 f32) (i64.const 8) (f32.const 0.25))
    (elem (i32.const 0) $eight)
    (func $eight (result i32) (i32.const 8)))
  (core module $m
    (type $t (func (result i32)))
    (import "x" "memory" (memory 1)) (import "x" "table" (table 1 funcref)) (import "x" "global" (global $g (mut i32)))
    (import "x" "f" (func $f (result i64 f32)))
    (func (export "pages") (result i32) (memory.size))
    (func (export "indirect") (result i32) (call_indirect (type $t) (i32.const 0)))
    (func (export "global") (result i32) (global.set $g (i32.add (global.get $g) (i32.const 100))) (global.get $g))
    (func (export "f") (result f32) (local $x f32) (call $f) (local.set $x) (f32.convert_i64_s) (f32.add (local.get $x))))
  (core instance $given (instantiate $given))
  (core instance $other (instantiate $other))
  (core instance $a (instantiate $m (with "x" (instance $given))))
  (core instance $b (instantiate $m (with "x" (instance $other))))
  (core instance $c (instantiate $m (with "x" (instance
    (export "memory" (memory $given "memory")) (export "table" (table $other "table"))
    (export "global" (global $given "global")) (export "f" (func $other "f"))))))
  ${['a', 'b', 'c'].flatMap((i) => ['pages', 'indirect', 'global'].map((f) =>
      `(func (export "${f}-${i}") (result u32) (canon lift (core func $${i} "${f}")))`)).join('\n  ')}
  ${['a', 'b', 'c'].map((i) => `(func (export "f-${i}") (result f32) (canon lift (core func $${i} "f")))`).join('\n  ')})`,
[['pages-a()', '1'], ['pages-b()', '2'], ['pages-c()', '1'], ['indirect-a()', '7'], ['indirect-b()', '8'], ['indirect-c()', '8'],
    ['global-a()', '105'], ['global-b()', '106'], ['global-c()', '205'], ['global-a()', '305'],
    ['f-a()', '7.5'], ['f-b()', '8.25'], ['f-c()', '8.25']]);

answers('data lies in memory before a start function runs, and start functions run in order', `
(component
  (core module $log
    (memory (export "memory") 1) (global $n (mut i32) (i32.const 0))
    (func (export "note") (param i32) (i32.store8 (global.get $n) (local.get 0)) (global.set $n (i32.add (global.get $n) (i32.const 1))))
    (func (export "at") (param i32) (result i32) (i32.load8_u (local.get 0))))
  (core module $starts
    (import "log" "note" (func $note (param i32)))
    (memory 1)
    (data (i32.const 0) "${'0123456789abcdef'.repeat(64)}")
    (func $start (call $note (i32.load8_u (i32.const 17))))
    (start $start)
    (func (export "at") (param i32) (result i32) (i32.load8_u (local.get 0))))
  (core module $last (import "log" "note" (func $note (param i32))) (func $start (call $note (i32.const 9))) (start $start))
  (core instance $log (instantiate $log))
  (core instance $a (instantiate $starts (with "log" (instance $log))))
  (core instance $b (instantiate $last (with "log" (instance $log))))
  (func (export "log-at") (param "i" u32) (result u32) (canon lift (core func $log "at")))
  (func (export "data-at") (param "i" u32) (result u32) (canon lift (core func $a "at"))))`,
[['log-at(0)', '49'], ['log-at(1)', '9'], ['log-at(2)', '0'], ['data-at(1023)', '102'], ['data-at(1024)', '0']]);

test('data outside of its memory traps while instantiating', async (t) => {
    const folder = scratch(t), program = join(folder, 'program');
    must(golemAot, ['build', await component(folder, `
(component
  (core module $m (memory 1) (data (i32.const 65535) "${'x'.repeat(600)}") (func (export "f")))
  (core instance $m (instantiate $m))
  (func (export "f") (canon lift (core func $m "f"))))`), '-o', program]);
    const { status, stdout } = run(program, ['--ephemeral', 'invoke', '--stdin']);
    assert.equal(status, 3);
    assert.match(stdout, /^trap: out of bounds memory access/);
});

// --- components ---

const CALCULATOR = `
  (component $Calculator
    (core module $m
      (global $n (mut i32) (i32.const 0))
      (func (export "count") (result i32) (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n))
      (func (export "mul") (param f64 f32) (result f64) (f64.mul (local.get 0) (f64.promote_f32 (local.get 1))))
      (func (export "not") (param i32) (result i32) (i32.eqz (local.get 0)))
      (func (export "odd") (param i32) (result i32) (i32.const 258)))
    (core instance $i (instantiate $m))
    (func (export "count") (result u32) (canon lift (core func $i "count")))
    (func (export "mul") (param "a" f64) (param "b" f32) (result f64) (canon lift (core func $i "mul")))
    (func (export "not") (param "a" bool) (result bool) (canon lift (core func $i "not")))
    (func (export "odd") (param "a" u32) (result u8) (canon lift (core func $i "odd"))))`;
const USER = `
  (component $User
    (import "calculator" (instance $c
      (export "count" (func (result u32)))
      (export "mul" (func (param "a" f64) (param "b" f32) (result f64)))
      (export "not" (func (param "a" bool) (result bool)))
      (export "odd" (func (param "a" u32) (result u8)))))
    ${['count', 'mul', 'not', 'odd'].map((f) => `(core func $${f} (canon lower (func $c "${f}")))`).join('\n    ')}
    (core module $m
      (import "c" "count" (func $count (result i32)))
      (import "c" "mul" (func $mul (param f64 f32) (result f64)))
      (import "c" "not" (func $not (param i32) (result i32)))
      (import "c" "odd" (func $odd (param i32) (result i32)))
      (export "count" (func $count)) (export "mul" (func $mul)) (export "odd" (func $odd))
      (func (export "not77") (result i32) (call $not (i32.const 77))))
    (core instance $i (instantiate $m (with "c" (instance
      (export "count" (func $count)) (export "mul" (func $mul)) (export "not" (func $not)) (export "odd" (func $odd))))))
    (func (export "count") (result u32) (canon lift (core func $i "count")))
    (func (export "mul") (param "a" f64) (param "b" f32) (result f64) (canon lift (core func $i "mul")))
    (func (export "not77") (result bool) (canon lift (core func $i "not77")))
    (func (export "odd") (param "a" u32) (result u32) (canon lift (core func $i "odd"))))`;

answers('components call each other; two instances of each are strangers to one another', `
(component ${CALCULATOR} ${USER}
  (instance $c1 (instantiate $Calculator))
  (instance $c2 (instantiate $Calculator))
  (instance $u1 (instantiate $User (with "calculator" (instance $c1))))
  (instance $u2 (instantiate $User (with "calculator" (instance $c2))))
  (instance $u3 (instantiate $User (with "calculator" (instance $c2))))
  ${[1, 2, 3].map((i) => `(export "count${i}" (func $u${i} "count"))`).join(' ')}
  (export "mul" (func $u1 "mul")) (export "not77" (func $u1 "not77")) (export "odd" (func $u1 "odd")))`,
[['count1()', '1'], ['count1()', '2'], ['count2()', '1'], ['count3()', '2'], ['count2()', '3'], ['count1()', '3'],
    ['mul(2.5, -4)', '-10'], ['not77()', 'false'], ['odd(1)', '2']]);

const ALLOCATOR = `
      (memory (export "memory") 1) (global $next (mut i32) (i32.const 1024))
      (func $realloc (export "realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
        (global.set $next (i32.add (local.get $at) (local.get $size)))
        (memory.copy (local.get $at) (local.get $old) (select (local.get $old_size) (local.get $size)
          (i32.lt_u (local.get $old_size) (local.get $size))))
        (local.get $at))`;

answers('strings change their encoding from memory to memory', `
(component
  (component $Echo
    (core module $m ${ALLOCATOR}
      (func (export "echo") (param i32 i32) (result i32)
        (i32.store (i32.const 0) (local.get 0)) (i32.store (i32.const 4) (local.get 1)) (i32.const 0)))
    (core instance $i (instantiate $m))
    (func (export "echo") (param "s" string) (result string)
      (canon lift (core func $i "echo") (memory (core memory $i "memory")) (realloc (core func $i "realloc")) string-encoding=utf16)))
  (component $Relay
    (import "echo" (func $echo (param "s" string) (result string)))
    (core module $libc ${ALLOCATOR})
    (core instance $libc (instantiate $libc))
    (core func $echo (canon lower (func $echo) (memory (core memory $libc "memory")) (realloc (core func $libc "realloc")) string-encoding=latin1+utf16))
    (core module $m
      (import "libc" "memory" (memory 1))
      (import "" "echo" (func $echo (param i32 i32 i32)))
      (func (export "echo") (param i32 i32) (result i32) (call $echo (local.get 0) (local.get 1) (i32.const 16)) (i32.const 16)))
    (core instance $i (instantiate $m (with "libc" (instance $libc)) (with "" (instance (export "echo" (func $echo))))))
    (func (export "echo") (param "s" string) (result string)
      (canon lift (core func $i "echo") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc")) string-encoding=latin1+utf16)))
  (instance $echo (instantiate $Echo))
  (instance $relay (instantiate $Relay (with "echo" (func $echo "echo"))))
  (export "echo" (func $relay "echo")))`,
['', 'plain', 'h\u00e9llo', '\u65e5\u672c\u8a9e', '\u{1f600} and a tail'].map((s) => [`echo(${JSON.stringify(s)})`, JSON.stringify(s)]));

answers('a resource belongs to the instance that defines it, and its destructor runs there', `
(component
  (component $Owner
    (core module $m
      (global $dropped (mut i32) (i32.const 0))
      (func (export "dtor") (param i32) (global.set $dropped (i32.add (global.get $dropped) (local.get 0))))
      (func (export "dropped") (result i32) (global.get $dropped)))
    (core instance $m (instantiate $m))
    (type $r' (resource (rep i32) (dtor (core func $m "dtor"))))
    (core func $new (canon resource.new $r'))
    (core module $n
      (import "" "new" (func $new (param i32) (result i32)))
      (func (export "make") (param i32) (result i32) (call $new (local.get 0)))
      (func (export "value") (param i32) (result i32) (local.get 0)))
    (core instance $n (instantiate $n (with "" (instance (export "new" (func $new))))))
    (export $r "r" (type $r'))
    (func (export "make") (param "n" u32) (result (own $r)) (canon lift (core func $n "make")))
    (func (export "value") (param "r" (borrow $r)) (result u32) (canon lift (core func $n "value")))
    (func (export "dropped") (result u32) (canon lift (core func $m "dropped"))))
  (component $User
    (import "owner" (instance $o
      (export "r" (type $r (sub resource)))
      (export "make" (func (param "n" u32) (result (own $r))))
      (export "value" (func (param "r" (borrow $r)) (result u32)))))
    (alias export $o "r" (type $r))
    (core func $make (canon lower (func $o "make")))
    (core func $value (canon lower (func $o "value")))
    (core func $drop (canon resource.drop $r))
    (core module $m
      (import "" "make" (func $make (param i32) (result i32)))
      (import "" "value" (func $value (param i32) (result i32)))
      (import "" "drop" (func $drop (param i32)))
      (func (export "use") (param i32) (result i32) (local $h i32)
        (local.set $h (call $make (local.get 0)))
        (call $value (local.get $h))
        (call $drop (local.get $h)))
      (func (export "twice") (local $h i32)
        (local.set $h (call $make (i32.const 1)))
        (call $drop (local.get $h))
        (call $drop (local.get $h))))
    (core instance $m (instantiate $m (with "" (instance
      (export "make" (func $make)) (export "value" (func $value)) (export "drop" (func $drop))))))
    (func (export "use") (param "n" u32) (result u32) (canon lift (core func $m "use")))
    (func (export "twice") (canon lift (core func $m "twice"))))
  (instance $o1 (instantiate $Owner))
  (instance $o2 (instantiate $Owner))
  (instance $u1 (instantiate $User (with "owner" (instance $o1))))
  (instance $u2 (instantiate $User (with "owner" (instance $o2))))
  (export "use1" (func $u1 "use")) (export "use2" (func $u2 "use")) (export "twice" (func $u1 "twice"))
  (export "dropped1" (func $o1 "dropped")) (export "dropped2" (func $o2 "dropped")))`,
[['use1(40)', '40'], ['use1(2)', '2'], ['use2(7)', '7'], ['dropped1()', '42'], ['dropped2()', '7'], ['twice()', /^trap: .*unknown handle/],
    ['dropped1()', /^trap: /]]);

answers('an instance cannot be entered from one that it contains or that contains it', `
(component
  (core module $m (func (export "f") (result i32) (i32.const 1)))
  (core instance $m (instantiate $m))
  (func $f (result u32) (canon lift (core func $m "f")))
  (component $Child
    (import "f" (func $f (result u32)))
    (core func $f (canon lower (func $f)))
    (core module $m (import "" "f" (func $f (result i32))) (export "g" (func $f)))
    (core instance $m (instantiate $m (with "" (instance (export "f" (func $f))))))
    (func (export "g") (result u32) (canon lift (core func $m "g"))))
  (instance $child (instantiate $Child (with "f" (func $f))))
  (export "f" (func $f))
  (export "g" (func $child "g")))`,
[['f()', '1'], ['g()', 'trap: cannot enter component instance']]);

answers('an exception that leaves a component is a trap, also where the caller would catch it', `
(component
  (component $Thrower
    (core module $m (tag $t) (func (export "throw") (throw $t)))
    (core instance $m (instantiate $m))
    (func (export "throw") (canon lift (core func $m "throw"))))
  (component $Catcher
    (import "throw" (func $throw))
    (core func $throw (canon lower (func $throw)))
    (core module $m
      (import "" "throw" (func $throw))
      (tag $own)
      (func (export "own") (result i32) (block $all (try_table (catch_all $all) (throw $own)) (return (i32.const 0))) (i32.const 1))
      (func (export "other") (result i32) (block $all (try_table (catch_all $all) (call $throw)) (return (i32.const 0))) (i32.const 1)))
    (core instance $m (instantiate $m (with "" (instance (export "throw" (func $throw))))))
    (func (export "own") (result u32) (canon lift (core func $m "own")))
    (func (export "other") (result u32) (canon lift (core func $m "other"))))
  (instance $t (instantiate $Thrower))
  (instance $c (instantiate $Catcher (with "throw" (func $t "throw"))))
  (export "own" (func $c "own")) (export "other" (func $c "other")))`,
[['own()', '1'], ['other()', /^trap: .*exception/]]);

// --- shims: functions that call through a table, which a later module fills ---

/**
 * main() calls the shim's function 0, which calls through slot 0 of its table, which the fixup fills with a function that returns
 * 7. extra: core instances behind.
 */
const shim = ({ slots = '$f', imports = '(import "" "f" (func $f (param i32) (result i32)))', fixup = '', shim = '', main = '', extra = '', between = '' } = {}) => `
(component
  (core module $Shim
    (type $t (func (param i32) (result i32))) (table (export "table") 4 4 funcref)
    (func (export "0") (param i32) (result i32) (local.get 0) (i32.const 0) (call_indirect (type $t)))
    (func (export "1") (param i32) (result i32) (local.get 0) (i32.const 1) (call_indirect (type $t)))
    ${shim})
  (core module $Main
    (import "shim" "0" (func $0 (param i32) (result i32))) (import "shim" "1" (func $1 (param i32) (result i32)))
    ${main}
    (func (export "seven") (param i32) (result i32) (i32.add (local.get 0) (i32.const 7)))
    (func (export "eight") (param i32) (result i32) (i32.add (local.get 0) (i32.const 8)))
    (func (export "nothing"))
    (func (export "call") (param i32) (result i32) (call $0 (local.get 0)))
    (func (export "other") (param i32) (result i32) (call $1 (local.get 0))))
  (core module $Fixup (import "" "table" (table 4 4 funcref)) ${imports} ${fixup} (elem (i32.const 0) func ${slots}))
  (core instance $shim (instantiate $Shim))
  (core instance $main (instantiate $Main (with "shim" (instance $shim))))
  ${between}
  (core instance $fixup (instantiate $Fixup (with "" (instance (export "table" (table $shim "table"))
    (export "f" (func $main "seven")) (export "g" (func $main "nothing"))))))
  ${extra}
  (func (export "call") (param "x" u32) (result u32) (canon lift (core func $main "call")))
  (func (export "other") (param "x" u32) (result u32) (canon lift (core func $main "other"))))`;

async function asksTheShim(t, wat) {
    const folder = scratch(t);
    must(golemAot, ['build', await component(folder, wat), '-o', join(folder, 'program'), '--keep-c', join(folder, 'c')]);
    const glue = readFileSync(join(folder, 'c', 'glue.c'), 'utf8'); // the main module is given the shim, core instance 0, or itself
    return /core instance 1:.*\n.*\n.*i0 \*\)&ROOT->core_0/.test(glue);
}

test('a call through a table that is known is a direct call', async (t) => {
    assert.equal(await asksTheShim(t, shim()), false);
});
for (const [what, options] of [
    ['a function of the fixup', { slots: '$own', fixup: '(func $own (param i32) (result i32) (i32.const 1))' }],
    ['a fixup that changes tables', { fixup: '(func (export "set") (table.set (i32.const 0) (ref.null func)))' }],
    ['a fixup that exports the table', { fixup: '(export "table" (table 0))' }],
    ['a shim that changes its table', { shim: '(func (export "set") (table.set (i32.const 0) (ref.null func)))' }],
    ['a second module with the table', { extra: '(core module $X (import "" "table" (table 4 4 funcref))) (core instance (instantiate $X (with "" (instance (export "table" (table $shim "table"))))))' }],
    ['a start function before the fixup', { main: '(func $start) (start $start)' }],
    ['a function of another type', { slots: '$g', imports: '(import "" "g" (func $g))' }],
]) test(`with ${what} it stays a call through the table`, async (t) => assert.equal(await asksTheShim(t, shim(options)), true));

answers('calls through a shim', shim(), [['call(1)', '8'], ['other(1)', /^trap: uninitialized element/]]);
answers('calls through a shim to a function of the fixup', shim({ slots: '$own $f', fixup: '(func $own (param i32) (result i32) (i32.const 1))' }), [['call(1)', '1'], ['other(1)', '8']]);
answers('the last segment that fills a slot counts', shim({ slots: '$f) (elem (i32.const 0) func $own) (elem (i32.const 1) func $f', fixup: '(func $own (param i32) (result i32) (i32.const 1))' }),
    [['call(1)', '1'], ['other(1)', '8']]);
answers('a slot of another type traps', shim({ slots: '$g', imports: '(import "" "g" (func $g))' }), [['call(1)', /^trap: indirect call type mismatch/]]);
answers('a slot that another module changes later', shim({ extra: `
    (core module $X (import "" "table" (table 4 4 funcref)) (import "" "eight" (func $f (param i32) (result i32))) (elem (i32.const 0) func $f))
    (core instance (instantiate $X (with "" (instance (export "table" (table $shim "table")) (export "eight" (func $main "eight"))))))` }), [['call(1)', '9']]);

test('a start function that calls before the table is filled traps', async (t) => {
    const folder = scratch(t), program = join(folder, 'program');
    must(golemAot, ['build', await component(folder, shim({ main: '(func $start (drop (call $0 (i32.const 0)))) (start $start)' })), '-o', program]);
    const { status, stdout } = run(program, ['--ephemeral', 'invoke', '--stdin']);
    assert.equal(status, 3);
    assert.match(stdout, /^trap: uninitialized element/);
});

answers('two functions of two shims that lead to each other', `
(component
  (core module $Shim (type $t (func (result i32))) (table (export "table") 1 1 funcref)
    (func (export "0") (result i32) (i32.const 0) (call_indirect (type $t))))
  (core module $Fixup (import "" "table" (table 1 1 funcref)) (import "" "f" (func $f (result i32))) (elem (i32.const 0) func $f))
  (core instance $a (instantiate $Shim)) (core instance $b (instantiate $Shim))
  (core instance (instantiate $Fixup (with "" (instance (export "table" (table $a "table")) (export "f" (func $b "0"))))))
  (core instance (instantiate $Fixup (with "" (instance (export "table" (table $b "table")) (export "f" (func $a "0"))))))
  (func (export "f") (result u32) (canon lift (core func $a "0"))))`, [['f()', /^trap: call stack exhausted/]]);

// --- tags: each instance has its own ---

const THROWER = `(core module $Thrower (import "tag" "t" (tag $t (param i32))) (func (export "throw") (throw $t (i32.const 5))))`;
const catching = (f) => `(func (export "${f}") (result i32)
      (block $all (block $h (result i32) (try_table (catch $t $h) (catch_all $all) (call $${f})) (return (i32.const 1))) (return))
      (i32.const 2))`;
const CATCHER = `(core module $Catcher
    (import "tag" "t" (tag $t (param i32))) (import "a" "throw" (func $a)) (import "b" "throw" (func $b))
    ${catching('a')}
    ${catching('b')})`;

answers('two instances of a module with an exported tag have two tags, for those who import them too', `
(component
  (core module $Tag (tag (export "t") (param i32)))
  ${THROWER}
  ${CATCHER}
  (core instance $one (instantiate $Tag))
  (core instance $two (instantiate $Tag))
  (core instance $a (instantiate $Thrower (with "tag" (instance $one))))
  (core instance $b (instantiate $Thrower (with "tag" (instance $two))))
  (core instance $c (instantiate $Catcher (with "tag" (instance $one)) (with "a" (instance $a)) (with "b" (instance $b))))
  (core instance $d (instantiate $Catcher (with "tag" (instance $two)) (with "a" (instance $a)) (with "b" (instance $b))))
  (func (export "one-a") (result u32) (canon lift (core func $c "a")))
  (func (export "one-b") (result u32) (canon lift (core func $c "b")))
  (func (export "two-a") (result u32) (canon lift (core func $d "a")))
  (func (export "two-b") (result u32) (canon lift (core func $d "b"))))`,
[['one-a()', '5'], ['one-b()', '2'], ['two-a()', '2'], ['two-b()', '5']]);

answers('an imported tag that is exported again is the same tag', `
(component
  (core module $Tag (tag (export "t") (param i32)))
  (core module $Relay (import "x" "y" (tag $t (param i32))) (export "unused" (func $f)) (func $f) (export "t" (tag $t)))
  ${THROWER}
  ${CATCHER}
  (core instance $tag (instantiate $Tag))
  (core instance $relay (instantiate $Relay (with "x" (instance (export "y" (tag $tag "t"))))))
  (core instance $again (instantiate $Relay (with "x" (instance (export "y" (tag $relay "t"))))))
  (core instance $other (instantiate $Tag))
  (core instance $a (instantiate $Thrower (with "tag" (instance $tag))))
  (core instance $b (instantiate $Thrower (with "tag" (instance $other))))
  (core instance $c (instantiate $Catcher (with "tag" (instance $again)) (with "a" (instance $a)) (with "b" (instance $b))))
  (func (export "a") (result u32) (canon lift (core func $c "a")))
  (func (export "b") (result u32) (canon lift (core func $c "b"))))`,
[['a()', '5'], ['b()', '2']]);

/** A module with a tag of its own that nobody sees: run() catches what the one it is linked with throws. */
const secretive = (name, text) => `(core module $${name}
    (import "other" "throw" (func $other)) (memory 1) (data (i32.const 0) "${text.repeat(64)}")
    (tag $t)
    (func (export "throw") (throw $t))
    (func (export "own") (result i32) (block $h (block $all (try_table (catch $t $h) (catch_all $all) (throw $t))) (return (i32.const 2))) (i32.const 1))
    (func (export "run") (result i32)
      (block $h (block $all (try_table (catch $t $h) (catch_all $all) (call $other))) (return (i32.const 2))) (i32.const 1)))`;

answers('two instances of a module with a tag that is not exported have two tags', `
(component
  (core module $Nothing (func (export "throw")))
  ${secretive('M', 'same')}
  (core instance $nothing (instantiate $Nothing))
  (core instance $one (instantiate $M (with "other" (instance $nothing))))
  (core instance $two (instantiate $M (with "other" (instance $one))))
  (func (export "own") (result u32) (canon lift (core func $two "own")))
  (func (export "run") (result u32) (canon lift (core func $two "run"))))`,
[['own()', '1'], ['run()', '2']]);

answers('modules that differ in their data only have two tags', `
(component
  (core module $Nothing (func (export "throw")))
  ${secretive('M', 'one text')}
  ${secretive('N', 'another.')}
  (core instance $nothing (instantiate $Nothing))
  (core instance $one (instantiate $M (with "other" (instance $nothing))))
  (core instance $two (instantiate $N (with "other" (instance $one))))
  (func (export "own") (result u32) (canon lift (core func $two "own")))
  (func (export "run") (result u32) (canon lift (core func $two "run"))))`,
[['own()', '1'], ['run()', '2']]);

// --- the host ---

const CLOCKS = (versions) => `
(component
  ${versions.map((v, i) => `(import "wasi:clocks/monotonic-clock@${v}" (instance $clock${i}
    (export "resolution" (func (result u64)))))
  (core func $r${i} (canon lower (func $clock${i} "resolution")))`).join('\n  ')}
  (core module $m ${versions.map((_, i) => `(import "" "${i}" (func $r${i} (result i64)))`).join(' ')}
    (func (export "f") (result i32) ${versions.map((_, i) => `(i64.eqz (call $r${i}))`).join(' ')} ${'(i32.or)'.repeat(versions.length - 1)}))
  (core instance $m (instantiate $m (with "" (instance ${versions.map((_, i) => `(export "${i}" (func $r${i}))`).join(' ')}))))
  (func (export "none-is-zero") (result bool) (canon lift (core func $m "f"))))`;

answers('several versions of an interface are imported side by side', CLOCKS(['0.2.0', '0.2.3', '0.2.6', '0.2.99']),
    [['none-is-zero()', 'false']]);

refused('a version of another track is refused, and the message says what is offered', CLOCKS(['0.2.0', '0.1.0']),
    /import "wasi:clocks\/monotonic-clock@0\.1\.0" function "resolution": nothing serves this interface \(offered: wasi:clocks\/monotonic-clock@0\.2\.\d+\)/);

const UNKNOWN = `
(component
  (import "some:where/else@1.0.0" (instance $i (export "f" (func (result u32)))))
  (core func $f (canon lower (func $i "f")))
  (core module $m (import "" "f" (func $f (result i32))) (export "f" (func $f)) (func (export "g") (result i32) (i32.const 3)))
  (core instance $m (instantiate $m (with "" (instance (export "f" (func $f))))))
  (func (export "f") (result u32) (canon lift (core func $m "f")))
  (func (export "g") (result u32) (canon lift (core func $m "g"))))`;

refused('an interface that nothing serves is refused by name', UNKNOWN,
    /import "some:where\/else@1\.0\.0" function "f": nothing serves this interface \(offered: .*wasi:io/);
answers('with --allow-missing it traps when it is called', UNKNOWN,
    [['g()', '3'], ['f()', /^trap: .*some:where\/else@1\.0\.0.*f/]], ['--allow-missing']);

answers('an interface of types alone needs nobody to serve it', `
(component
  (import "some:where/types" (instance $i (export "r" (type (sub resource))) (type $u u32) (export "t" (type (eq $u)))))
  (core module $m (func (export "f") (result i32) (i32.const 3)))
  (core instance $m (instantiate $m))
  (func (export "f") (result u32) (canon lift (core func $m "f"))))`,
[['f()', '3']]);

refused('an imported module is refused', '(component (import "m" (core module)))', /import "m": a core module cannot be imported/);
refused('an imported component is refused', '(component (import "c" (component)))', /import "c": a component cannot be imported/);
refused('asynchronous built-ins are refused by name', '(component (core func (canon waitable-set.new)))',
    /the asynchronous built-in `waitable-set\.new` is not supported/);
refused('streams are refused by name', '(component (import "f" (func (param "s" (stream u8)))))', /import "f": the type `stream` is not supported/);

test('the same component gives the same C, wherever it lies', async (t) => {
    const one = scratch(t), two = scratch(t);
    const wat = `(component ${CALCULATOR} ${USER} (instance $c (instantiate $Calculator))
        (instance $u (instantiate $User (with "calculator" (instance $c)))) (export "f" (func $u "count")))`;
    const glue = [];
    for (const folder of [one, two]) {
        must(golemAot, ['build', await component(folder, wat), '-o', join(folder, 'program'), '--keep-c', join(folder, 'c')]);
        glue.push(readFileSync(join(folder, 'c', 'glue.c'), 'utf8'));
    }
    assert.equal(glue[0], glue[1]);
    assert.doesNotMatch(glue[0], /\/tmp|20\d\d-/);
});

/* One interface, two codes: which is the first of the two must not be taken from what the cache has of the other component. */
for (const [first, second] of [[31, 32], [32, 31]])
    answers(`two modules that differ in their code alone, ${first} first`, `(component
        (core module $a (global (export "base") i32 (i32.const ${first})))
        (core module $b (global (export "base") i32 (i32.const ${second})))
        (core module $m
            (import "cfg" "base" (global $base i32))
            (func (export "get") (result i32) (global.get $base)))
        (core instance $ia (instantiate $a))
        (core instance $ib (instantiate $b))
        (core instance $ma (instantiate $m (with "cfg" (instance $ia))))
        (core instance $mb (instantiate $m (with "cfg" (instance $ib))))
        (func (export "first") (result u32) (canon lift (core func $ma "get")))
        (func (export "second") (result u32) (canon lift (core func $mb "get"))))`,
    [['first()', `${first}`], ['second()', `${second}`]]);

// --- imports exported again ---

const AGAIN = `
(component
  (import "wasi:random/random@0.2.0" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))
    (export "get-random-u64" (func (result u64)))))
  (import "wasi:clocks/wall-clock@0.2.0" (instance $clock
    (type $datetime (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $d (eq $datetime)))
    (export "now" (func (result $d)))))
  (import "wasi:logging/logging" (instance $logging
    (type $level (enum "trace" "debug" "info" "warn" "error" "critical"))
    (export "level" (type $l (eq $level)))
    (export "log" (func (param "level" $l) (param "context" string) (param "message" string)))))
  (export "random" (instance $random))
  (export "clock" (instance $clock))
  (export "logging" (instance $logging)))`;

test('functions of the host that are exported again are recorded like any other', async (t) => {
    const folder = scratch(t), program = join(folder, 'program');
    must(golemAot, ['build', await component(folder, AGAIN), '-o', program]);
    const worker = new Worker(program, join(folder, 'data'));
    const bytes = worker.invoke('bytes', 'random.{get-random-bytes}', '100000');
    assert.equal(bytes.split(',').length, 100000);
    assert.match(worker.invoke('now', 'clock.{now}'), /^\{seconds: \d+, nanoseconds: \d+\}$/);
    assert.equal(worker.invoke('log', 'logging.{log}', 'warn', '"here"', '"and there"'), '');
    assert.equal(worker.invoke('bytes', 'random.{get-random-bytes}', '100000'), bytes);
    assert.notEqual(worker.invoke('again', 'random.{get-random-u64}'), worker.invoke('more', 'random.{get-random-u64}'));
    assert.ok(worker.oplog().some(({ entry }) => entry.functionName === 'wall_clock::now'));
    worker.verify();
});

refused('a function with resources of the host cannot be exported again', `
(component
  (import "wasi:io/poll@0.2.0" (instance $poll (export "pollable" (type $pollable (sub resource)))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $p)) (export "pollable" (type $q (eq $p)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $q))))))
  (export "clock" (instance $clock)))`,
/export "clock" function "subscribe-duration" is the imported function "wasi:clocks\/monotonic-clock@0\.2\.0" "subscribe-duration" itself/);
