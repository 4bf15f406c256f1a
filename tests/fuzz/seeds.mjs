// First inputs for the targets of libFuzzer: what the project's own texts say, in the smallest form.
//
//   node tests/fuzz/seeds.mjs DIRECTORY        writes DIRECTORY/<corpus>/<name>
//
// The stored corpus is these (under their names) and what long runs made of them (see README.md).
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { makeCase } from './differential.mjs';

const CORE = {
    plain: `(module (memory (export "m") 1 4) (global $g (export "g") (mut i32) (i32.const 7))
        (table (export "t") 2 funcref) (elem (i32.const 0) $f $f) (data (i32.const 8) "abc")
        (func $f (export "f") (param i32 i64 f32 f64) (result i32) (local i32)
          (local.set 4 (i32.add (local.get 0) (i32.wrap_i64 (local.get 1))))
          (block $b (loop $l (br_if $b (i32.eqz (local.get 4))) (local.set 4 (i32.sub (local.get 4) (i32.const 1))) (br $l)))
          (if (result i32) (local.get 0) (then (i32.load8_u offset=3 (local.get 4))) (else (call_indirect (param) (result i32) (i32.const 1)))))
        (func (export "sw") (param i32) (result i32)
          (block (block (block (br_table 0 1 2 (local.get 0))) (return (i32.const 1))) (return (i32.const 2))) (i32.const 3)))`,
    imports: `(module (import "a" "f" (func $f (param i32) (result i64))) (import "a" "m" (memory 1)) (import "b" "t" (table 1 funcref))
        (import "b" "g" (global i32)) (start $s) (func $s (drop (call $f (i32.const 1)))) (elem (global.get 0) func $s $f)
        (data (global.get 0) "xyz") (data $p "passive") (func (export "i") (memory.init $p (i32.const 0) (i32.const 0) (i32.const 3)) (data.drop $p)
          (memory.fill (i32.const 0) (i32.const 0) (i32.const 4)) (memory.copy (i32.const 0) (i32.const 8) (i32.const 4))))`,
    simd: `(module (memory 1) (func (export "f") (param v128) (result v128)
        (v128.store (i32.const 0) (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 (local.get 0) (v128.load (i32.const 0))))
        (i32x4.add (local.get 0) (v128.const i32x4 1 2 3 4))))`,
    exceptions: `(module (tag $t (param i32)) (func $thrower (throw $t (i32.const 1)))
        (func (export "f") (result i32) (block $h (result i32) (try_table (catch $t $h) (call $thrower)) (i32.const 0))))`,
    tail: `(module (type $t (func (param i32) (result i32))) (table 1 funcref) (elem declare func $f)
        (func $f (export "f") (param i32) (result i32) (return_call $f (local.get 0)))
        (func (export "g") (param i32) (result i32) (return_call_indirect (type $t) (local.get 0) (i32.const 0)))
        (func (export "r") (table.set (i32.const 0) (ref.func $f)) (drop (table.grow (ref.null func) (i32.const 1))) (drop (table.size))))`,
    memories: `(module (memory $a (export "a") 1) (memory $b (export "b") 1) (data (memory $b) (i32.const 1) "b")
        (func (export "f") (result i32) (memory.copy $a $b (i32.const 0) (i32.const 0) (i32.const 1)) (i32.load $b (i32.const 0))))`,
};

const MEMORY = `(core module $libc (memory (export "memory") 1) (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64)))
  (core instance $libc (instantiate $libc))`;
const OPTIONS = '(memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))';

const COMPONENTS = {
    empty: '(component)',
    core: `(component (core module $m (func (export "f") (param i32) (result i32) (local.get 0))) (core instance $i (instantiate $m))
        (func (export "f") (param "a" u32) (result u32) (canon lift (core func $i "f"))))`,
    types: `(component
        (type $r (record (field "a" u8) (field "b" string))) (export $re "r" (type $r))
        (type $v (variant (case "x") (case "y" u64) (case "z" $re))) (export $ve "v" (type $v))
        (type $e (enum "one" "two")) (export $ee "e" (type $e)) (type $fl (flags "p" "q")) (export $fe "fl" (type $fl))
        ${MEMORY} (core module $m (func (export "f") (param i32 i32) (result i32) (i32.const 16)) (func (export "p") (param i32)))
        (core instance $i (instantiate $m))
        (func (export "f") (param "l" (list (tuple s8 f32 (option char)))) (result (result $ve (error $ee)))
          (canon lift (core func $i "f") ${OPTIONS} (post-return (core func $i "p")) string-encoding=utf16)))`,
    nested: `(component
        (component $A ${MEMORY} (core module $m (func (export "f") (param i32 i32) (result i32) (i32.const 16))) (core instance $i (instantiate $m))
          (func (export "f") (param "s" string) (result string) (canon lift (core func $i "f") ${OPTIONS} string-encoding=latin1+utf16)))
        (component $B (import "f" (func $f (param "s" string) (result string))) ${MEMORY}
          (core func $l (canon lower (func $f) ${OPTIONS}))
          (core module $m (import "" "f" (func $f (param i32 i32 i32))) (func (export "f") (param i32 i32) (result i32)
            (call $f (local.get 0) (local.get 1) (i32.const 32)) (i32.const 32)))
          (core instance $i (instantiate $m (with "" (instance (export "f" (func $l))))))
          (func (export "f") (param "s" string) (result string) (canon lift (core func $i "f") ${OPTIONS})))
        (instance $a (instantiate $A)) (instance $b (instantiate $B (with "f" (func $a "f")))) (export "f" (func $b "f")) (export "i" (instance $a)))`,
    resource: `(component
        (core module $d (func (export "d") (param i32))) (core instance $d (instantiate $d))
        (type $r' (resource (rep i32) (dtor (core func $d "d")))) (export $r "r" (type $r'))
        (core func $new (canon resource.new $r')) (core func $rep (canon resource.rep $r')) (core func $drop (canon resource.drop $r'))
        (core module $m (import "" "n" (func $n (param i32) (result i32))) (import "" "r" (func $r (param i32) (result i32))) (import "" "d" (func $d (param i32)))
          (func (export "c") (param i32) (result i32) (call $n (local.get 0))) (func (export "v") (param i32) (result i32) (local.get 0)))
        (core instance $m (instantiate $m (with "" (instance (export "n" (func $new)) (export "r" (func $rep)) (export "d" (func $drop))))))
        (func (export "[constructor]r") (param "v" u32) (result (own $r)) (canon lift (core func $m "c")))
        (func (export "[method]r.v") (param "self" (borrow $r)) (result u32) (canon lift (core func $m "v"))))`,
    imports: `(component
        (import "wasi:clocks/monotonic-clock@0.2.0" (instance $c (export "now" (func (result u64))) (export "r" (type (sub resource)))))
        (type $t (component (import "a" (instance (export "x" (func)))) (export "b" (component)) (export "c" (core module (import "a" "b" (func)) (export "d" (memory 1))))))
        (core func $now (canon lower (func $c "now")))
        (core module $m (import "c" "now" (func $n (result i64))) (export "n" (func $n)))
        (core instance $m (instantiate $m (with "c" (instance (export "now" (func $now)))))) (alias core export $m "n" (core func $n))
        (func $f (result u64) (canon lift (core func $n))) (instance $e (export "f" (func $f))) (export "a:b/c@1.0.0" (instance $e)))`,
    outer: `(component $top (core module $m (func (export "f"))) (type $t (tuple u8 u16))
        (component $in (alias outer $top $m (core module $mm)) (alias outer $top $t (type $tt)) (core instance $i (instantiate $mm)))
        (instance $a (instantiate $in)) (instance $b (instantiate $in)))`,
    ascribed: `(component
        (component $A (component $e) (type $u u8) (type $r' (resource (rep i32)))
          (export "r" (type $r')) (export "f" (component $e)) (export "n" (type $u)))
        (instance $a (instantiate $A))
        (export "i" (instance $a) (instance (export "r" (type (sub resource))) (export "f" (component))))
        (export "c" (component $A) (component (export "f" (component)))))`,
    async: `(component (core func (canon waitable-set.new)) (type $s (stream u8)) (core func (canon stream.new $s)) (core func (canon task.return)))`,
    table: `(component
        (core module $shim (table (export "t") 2 funcref) (type $f (func (param i32) (result i32)))
          (func (export "a") (param i32) (result i32) (call_indirect (type $f) (local.get 0) (i32.const 0))))
        (core instance $shim (instantiate $shim))
        (core module $main (import "s" "a" (func $a (param i32) (result i32))) (func (export "g") (param i32) (result i32) (call $a (local.get 0))) (memory (export "memory") 1))
        (core instance $main (instantiate $main (with "s" (instance $shim))))
        (core module $fix (import "" "t" (table 2 funcref)) (import "" "g" (func $g (param i32) (result i32))) (elem (i32.const 0) $g $g))
        (core instance $fix (instantiate $fix (with "" (instance (export "t" (table $shim "t")) (export "g" (func $main "g"))))))
        (func (export "g") (param "c" char) (result bool) (canon lift (core func $main "g"))))`,
};

const WAVE = ['true', '-128', '255', '1.5e-3', 'nan', '-inf', "'x'", "'\\u{10ffff}'", '"a\\n\\u{e9}"', '"""\n  x\n  """', '[1, 2,]', '["", "b"]', 'some(none)',
    'ok', 'err("x")', '{c0, c31}', '{}', 'c299', '{some: 1, none: "x"}', '{:}', '(1, "a", [true])', 'f(1, "a", some(2)) // end', '%some(1)', 'plain-name'];

const NAMES = ['f', 'counter.inc-by', 'counter.new', 'counter.drop', 'counter(1, "x").inc-by', 'a:b/c@1.0.0.{g}', 'a:b/c@1.0.0.{[constructor]r}',
    'a:b/c@1.0.0.{r("}.{(").m}', 'a:b/c@1.0.0.{r.s}', 'a:b/c@1.0.0.{[drop]r}', 'd.{only.drop}', 'a:b/c@1.0.0.{r(1).drop}'];

/** An entry of the oplog, its check left zero (hostimpl/durable/oplog.c). */
function oplogEntry(kind, body) {
    const entry = Buffer.alloc(16 + body.length);
    entry.writeUInt32LE(body.length, 4);
    entry.writeUInt32LE(1_700_000, 9);
    entry[15] = kind;
    body.copy(entry, 16);
    return entry;
}

const HOST = 'Host: a.b:80\r\n';
const HTTP = [
    `GET / HTTP/1.1\r\n${HOST}\r\nHEAD /a?b HTTP/1.1\r\n${HOST}Connection: close, x\r\nX: y\r\n\r\n`,
    `\r\nGET http://c.d:8/e?f HTTP/1.0\r\nConnection: keep-alive\r\n\r\nOPTIONS * HTTP/1.1\r\n${HOST}\r\n`,
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhelloGET https://g HTTP/1.1\r\n${HOST}\r\n`,
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n5;x="y"\r\nhello\r\n0a\r\n0123456789\r\n0\r\nT: u\r\n\r\nGET / HTTP/1.1\r\n${HOST}\r\n`,
    `GET / HTTP/1.1\r\n${HOST}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
    `GET / HTTP/1.1\r\n${HOST} folded\r\n\r\n`, `GET / HTTP/1.1\nHost: a\n\n`, `CONNECT a:1 HTTP/1.1\r\n${HOST}\r\n`, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n`, `PUT / HTTP/1.1\r\n${HOST}Content-Length: 9223372036854775807\r\n\r\n`,
];

// The list of a worker's files (hostimpl/durable/files_slot.c) behind its version; numbers below 64 are one byte each.
const named = (name) => [name.length, ...Buffer.from(name)];
const TIMES = [1, 0, 1, 0];
const FILES = {
    empty: [3, 1, 0, 0, 1, 0, 63, 0, 2, ...TIMES, 6],
    tree: [3, 5, 13, 0, 1, 0, 63, 0, 1, ...named('d'), 63, 0, 3, ...named('a'), 63, 0, 0, ...TIMES, 3, 1, 1, 0, 2, ...TIMES,
        4, ...named('l'), 0, 0, 0, ...TIMES, ...named('../x'), 3, ...named('b'), 63, 0, 0, ...TIMES, 10, 2, 1, 0, 2, ...TIMES, 6],
    open: [3, 2, 3, 2, 5, 0, 1, 7, 2, 2, 1, 0, 63, 1, 3, ...named('a'), 63, 2, 1, ...TIMES, 3, 1, 1, 0, 5, ...named('b'), 2, 2, ...TIMES, 6],
    nameless: [3, 2, 3, 1, 5, 2, 1, 1, 0, 63, 0, 2, ...TIMES, 3, 0, 63, 1, 0, ...TIMES, 3, 1, 1, 0, 6],
};

function target(directory, name) {
    const folder = join(directory, name);
    mkdirSync(folder, { recursive: true });
    return (file, bytes) => writeFileSync(join(folder, file), bytes);
}

const directory = process.argv[2];
if (!directory) {
    process.stderr.write('usage: node tests/fuzz/seeds.mjs DIRECTORY\n');
    process.exit(2);
}
const put = Object.fromEntries(['component', 'core', 'name', 'wave', 'decode', 'oplog', 'wit', 'http', 'files'].map((name) => [name, target(directory, name)]));
for (const [name, text] of Object.entries(CORE)) put.core(name, await parse(text));
for (const [name, text] of Object.entries(COMPONENTS)) put.component(name, await parse(text));
for (const [seed, groups] of [[3, 1], [7, 1], [12, 1], [15, 2]]) put.component(`values${seed}`, await parse(makeCase(seed, groups).text));
NAMES.forEach((name, i) => put.name(`n${i}`, Buffer.from(name)));
for (let type = 0; type < 48; type++) put.wave(`t${type}`, Buffer.concat([Buffer.from([type]), Buffer.from(WAVE[type % WAVE.length])]));
for (let type = 0; type < 48; type++) put.decode(`t${type}`, Buffer.from([type, ...Array.from({ length: 24 }, (_, i) => i % 3)]));
for (let kind = 1; kind <= 33; kind++)
    put.oplog(`k${kind}`, Buffer.concat([Buffer.alloc(1), oplogEntry(kind, Buffer.from([1, 97, 1, 98, ...Array(40).fill(0)])), oplogEntry(7, Buffer.alloc(0))]));
for (const [name, bytes] of Object.entries(FILES)) put.files(name, Buffer.from(bytes));
HTTP.forEach((text, i) => put.http(`r${i}`, Buffer.concat([Buffer.from([i]), Buffer.from(text)])));
const wits = join(dirname(fileURLToPath(import.meta.url)), '../guests');
for (const name of ['echo', 'cart', 'counter', 'hello']) put.wit(name, readFileSync(join(wits, `${name}.wit`)));
