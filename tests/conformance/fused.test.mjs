// Calls from component to component: fused adapters, which copy from one memory to the other. Each pair of components is made of
// a caller that passes core values on as they are, and a callee that shows what it got; so every rule of the canonical ABI can
// be tried with any bits. (CanonicalABI.md, "Lifting and Lowering"; the same rules by descriptor are in tests/unit/test_cabi_*.c.)

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { golemAot, must, scratch } from '../harness.mjs';
import { answers, component } from './made.mjs';

const VALUE = { i32: 'u32', i64: 'u64', f32: 'f32', f64: 'f64' };
const core = (params, results) => `${params.map((type) => `(param ${type})`).join(' ')} ${results.map((type) => `(result ${type})`).join(' ')}`;
const flat = (params, results) => `${params.map((type, i) => `(param "p${i}" ${VALUE[type]})`).join(' ')} ${results.map((type) => `(result ${VALUE[type]})`).join(' ')}`;
const gets = (params) => params.map((_, i) => `(local.get ${i})`).join(' ');

/** Aligned room from 1024 on, filled with 0xEE; what was there is copied. */
const BUMP = `
      (local.set $at (i32.and (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
      (global.set $next (i32.add (local.get $at) (local.get $size)))
      (memory.fill (local.get $at) (i32.const 0xee) (local.get $size))
      (memory.copy (local.get $at) (local.get $old) (select (local.get $old-size) (local.get $size) (i32.lt_u (local.get $old-size) (local.get $size))))
      (local.get $at)`;

/** A module with a memory, a realloc that writes down how it is called, and functions to look at them. */
const memory = (name, { realloc = BUMP, imports = '', more = '' } = {}) => `
    (core module $${name}
      ${imports}
      (memory (export "memory") 2) (global $next (mut i32) (i32.const 1024)) (global $log (mut i32) (i32.const 0))
      (func $word (param i32)
        (i32.store offset=32768 (global.get $log) (local.get 0))
        (global.set $log (i32.add (global.get $log) (i32.const 4))))
      (func $realloc (export "realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32) (local $at i32)
        (call $word (local.get $old-size)) (call $word (local.get $align)) (call $word (local.get $size))
        ${realloc})
      (func (export "log") (result i32)
        (i32.store (i32.const 0) (i32.const 32768)) (i32.store (i32.const 4) (i32.shr_u (global.get $log) (i32.const 2)))
        (global.set $log (i32.const 0))
        (i32.const 0))
      (func (export "bytes") (param i32 i32) (result i32)
        (i32.store (i32.const 0) (local.get 0)) (i32.store (i32.const 4) (local.get 1)) (i32.const 0))
      (func (export "peek") (param i32) (result i64) (i64.load (local.get 0)))
      (func (export "poke") (param i32 i64) (i64.store (local.get 0) (local.get 1)))
      ${more})`;

const looks = `
    (func (export "log") (result (list u32)) (canon lift (core func $m "log") (memory $memory)))
    (func (export "bytes") (param "at" u32) (param "n" u32) (result (list u8)) (canon lift (core func $m "bytes") (memory $memory)))
    (func (export "peek") (param "at" u32) (result u64) (canon lift (core func $m "peek")))
    (func (export "poke") (param "at" u32) (param "value" u64) (canon lift (core func $m "poke")))`;

/**
 * f, of the component type func, between two components. types: named types that it uses, [name, definition]. lowered, lifted: its
 * core types, [params, results]. body: of the core function that is lifted. call(...) passes its arguments to the lowered
 * function; caller-... and callee-... look at the two memories.
 */
function pair({ func, types = [], lowered, lifted = lowered, body, from = 'utf8', into = 'utf8', callee = {}, caller = {}, post = '' }) {
    return `
(component
  (component $Callee
    ${memory('M', { ...callee, more: `(func (export "f") ${core(...lifted)} ${body}) ${callee.more ?? ''}` })}
    (core instance $m (instantiate $M))
    (alias core export $m "memory" (core memory $memory)) (alias core export $m "realloc" (core func $realloc))
    ${types.map(([name, text]) => `(type $${name}' ${text}) (export $${name} "${name}" (type $${name}'))`).join('\n    ')}
    (func (export "f") ${func} (canon lift (core func $m "f") string-encoding=${into} (memory $memory) (realloc $realloc) ${post}))${looks})
  (component $Caller
    ${types.map(([name, text]) => `(type $${name}' ${text}) (import "${name}" (type $${name} (eq $${name}')))`).join('\n    ')}
    (import "f" (func $f ${func}))
    ${memory('M', caller)}
    (core instance $m (instantiate $M))
    (alias core export $m "memory" (core memory $memory)) (alias core export $m "realloc" (core func $realloc))
    (core func $f (canon lower (func $f) string-encoding=${from} (memory $memory) (realloc $realloc)))
    (core module $Call (import "" "f" (func $f ${core(...lowered)})) (func (export "call") ${core(...lowered)} (call $f ${gets(lowered[0])})))
    (core instance $call (instantiate $Call (with "" (instance (export "f" (func $f))))))
    (func (export "call") ${flat(...lowered)} (canon lift (core func $call "call")))${looks})
  (instance $callee (instantiate $Callee))
  (instance $caller (instantiate $Caller (with "f" (func $callee "f")) ${types.map(([name]) => `(with "${name}" (type $callee "${name}"))`).join(' ')}))
  (export "call" (func $caller "call"))
  ${['callee', 'caller'].flatMap((who) => ['log', 'bytes', 'peek', 'poke'].map((f) => `(export "${who}-${f}" (func $${who} "${f}"))`)).join('\n  ')})`;
}

/** Calls that write bytes into the caller's memory at 64. */
function poke(bytes, at = 64, who = 'caller') {
    const padded = [...bytes, ...Array(8).fill(0)];
    return Array.from({ length: Math.ceil(bytes.length / 8) }, (_, i) => {
        const value = padded.slice(8 * i, 8 * i + 8).reduce((sum, byte, k) => sum | BigInt(byte) << BigInt(8 * k), 0n);
        return [`${who}-poke(${at + 8 * i}, ${value})`, ''];
    });
}
const words = (...numbers) => numbers.flatMap((number) => [number & 255, number >>> 8 & 255, number >>> 16 & 255, number >>> 24]);

// --- numbers, and what is coded as numbers ---

for (const [type, ...cases] of [
    ['bool', [0, 0], [1, 1], [256, 1], [0x80000000, 1]],
    ['s8', [0x17f, 0x7f], [0x80, 0xffffff80]],
    ['u8', [0x180, 0x80]],
    ['s16', [0x17fff, 0x7fff], [0x8000, 0xffff8000]],
    ['u16', [0x18000, 0x8000]],
    ['s32', [0x80000000, 0x80000000]],
    ['u32', [0xffffffff, 0xffffffff]],
    ['char', [0xd7ff, 0xd7ff], [0xe000, 0xe000], [0x10ffff, 0x10ffff], [0xd800, null], [0xdfff, null], [0x110000, null], [0xffffffff, null]],
    ['(enum "a" "b" "c")', [2, 2], [3, null], [0xffffffff, null]],
    ['(flags "a" "b" "c")', [0xffff, 7]],
    [`(flags ${Array.from({ length: 32 }, (_, i) => `"f${i}"`).join(' ')})`, [0xffffffff, 0xffffffff]],
]) {
    const named = type.startsWith('(') ? [['t', type]] : [];
    const name = named.length > 0 ? '$t' : type;
    const due = ([value, answer]) => [`call(${value})`, answer === null ? /^trap: invalid/ : String(answer)];
    for (const one of cases) // a trap is the last that an instance does
        answers(`${type}: ${one[0]} as a parameter`, pair({ func: `(param "x" ${name}) (result u32)`, types: named, lowered: [['i32'], ['i32']], body: '(local.get 0)' }), [due(one)]);
    answers(`${type} as a result`, pair({ func: `(param "x" u32) (result ${name})`, types: named, lowered: [['i32'], ['i32']], body: '(local.get 0)' }),
        cases.filter(([, answer]) => answer !== null).map(due).concat(cases.filter(([, answer]) => answer === null).slice(0, 1).map(due)));
}

const JOINED = [['v', '(variant (case "a" u32) (case "b" f32) (case "c" u64) (case "d" f64) (case "e") (case "f" s8))']];
answers('slots that cases share: the low bits count, and what a case does not use is 0', pair({
    func: '(param "x" $v) (result u64)', types: JOINED, lowered: [['i32', 'i64'], ['i64']], body: '(local.get 1)' }),
[['call(0, 0xaaaaaaaabbbbbbbb)', String(0xbbbbbbbb)], ['call(1, 0xaaaaaaaa3f800000)', String(0x3f800000)],
    ['call(2, 0xaaaaaaaabbbbbbbb)', String(0xaaaaaaaabbbbbbbbn)], ['call(3, 0xaaaaaaaabbbbbbbb)', String(0xaaaaaaaabbbbbbbbn)],
    ['call(4, 0xaaaaaaaabbbbbbbb)', '0'], ['call(5, 0xaaaaaaaabbbbbb81)', String(0xffffff81)],
    ['call(6, 0)', /^trap: invalid variant discriminant/]]
    .map(([call, answer]) => [call.replace(/0x[0-9a-f]+/, (number) => String(BigInt(number))), answer]));

const NESTED = [['o', '(option (result (option f32) (error string)))']];
answers('cases within cases', pair({ func: '(param "x" $o) (result u32)', types: NESTED, lowered: [['i32', 'i32', 'i32', 'i32'], ['i32']],
    body: `(i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1)) (i32.store (i32.const 24) (local.get 2))
      (i32.store (i32.const 28) (local.get 3)) (i32.const 16)` }),
[...poke(Buffer.from('text')),
    ['call(0, 9, 9, 9)', '16'], ['callee-peek(16)', '0'], ['callee-peek(24)', '0'],
    ['call(1, 0, 0, 9)', '16'], ['callee-peek(16)', '1'], ['callee-peek(24)', '0'],
    ['call(1, 0, 1, 1065353216)', '16'], ['callee-peek(16)', '1'], ['callee-peek(24)', String(1n | 1065353216n << 32n)],
    ['call(1, 1, 64, 4)', '16'], ['callee-peek(16)', String(1n | 1n << 32n)], ['callee-peek(24)', String(1024n | 4n << 32n)],
    ['callee-bytes(1024, 4)', '[116, 101, 120, 116]'],
    ['call(1, 2, 0, 0)', /^trap: invalid variant discriminant/]]);

// --- strings ---

const UTF8 = (text) => [...Buffer.from(text)];
const UTF16 = (text) => [...Buffer.from(text, 'utf16le')];
const LATIN1 = (text) => [...Buffer.from(text, 'latin1')];
const TAG = 0x80000000;
const STRING = { func: '(param "s" string) (result u32)', lowered: [['i32', 'i32'], ['i32']], body: '(i32.store (i32.const 16) (local.get 1)) (local.get 0)' };

// source encoding, bytes, units; destination encoding, bytes, units; realloc's old size, alignment and new size at each call
for (const [from, bytes, units, into, made, count, ...calls] of [
    ['utf8', UTF8('hé€𝄞'), 10, 'utf8', UTF8('hé€𝄞'), 10, [0, 1, 10]],
    ['utf8', [], 0, 'utf8', [], 0, [0, 1, 0]],
    ['utf8', UTF8('hé'), 3, 'utf16', UTF16('hé'), 2, [0, 2, 6], [6, 2, 4]],
    ['utf8', UTF8('abc'), 3, 'utf16', UTF16('abc'), 3, [0, 2, 6]],
    ['utf8', UTF8('hé'), 3, 'latin1+utf16', LATIN1('hé'), 2, [0, 2, 3], [3, 2, 2]],
    ['utf8', UTF8('é€'), 5, 'latin1+utf16', UTF16('é€'), 2 + TAG, [0, 2, 5], [5, 2, 10], [10, 2, 4]],
    ['utf16', UTF16('abc'), 3, 'utf8', UTF8('abc'), 3, [0, 1, 3]],
    ['utf16', UTF16('hé€𝄞'), 5, 'utf8', UTF8('hé€𝄞'), 10, [0, 1, 5], [5, 1, 15], [15, 1, 10]],
    ['utf16', UTF16('hé€𝄞'), 5, 'utf16', UTF16('hé€𝄞'), 5, [0, 2, 10]],
    ['utf16', UTF16('hé'), 2, 'latin1+utf16', LATIN1('hé'), 2, [0, 2, 2]],
    ['utf16', UTF16('é€'), 2, 'latin1+utf16', UTF16('é€'), 2 + TAG, [0, 2, 2], [2, 2, 4]],
    ['latin1+utf16', LATIN1('abc'), 3, 'utf8', UTF8('abc'), 3, [0, 1, 3]],
    ['latin1+utf16', LATIN1('hé'), 2, 'utf8', UTF8('hé'), 3, [0, 1, 2], [2, 1, 4], [4, 1, 3]],
    ['latin1+utf16', UTF16('h€'), 2 + TAG, 'utf8', UTF8('h€'), 4, [0, 1, 2], [2, 1, 6], [6, 1, 4]],
    ['latin1+utf16', LATIN1('hé'), 2, 'utf16', UTF16('hé'), 2, [0, 2, 4]],
    ['latin1+utf16', UTF16('h€'), 2 + TAG, 'utf16', UTF16('h€'), 2, [0, 2, 4]],
    ['latin1+utf16', LATIN1('hé'), 2, 'latin1+utf16', LATIN1('hé'), 2, [0, 2, 2]],
    ['latin1+utf16', UTF16('h€'), 2 + TAG, 'latin1+utf16', UTF16('h€'), 2 + TAG, [0, 2, 4]],
    ['latin1+utf16', UTF16('hé'), 2 + TAG, 'latin1+utf16', LATIN1('hé'), 2, [0, 2, 4], [4, 1, 2]],
]) {
    const at = calls.slice(0, -1).reduce((next, [, align, size]) => Math.ceil(next / align) * align + size, 1024);
    const last = Math.ceil(at / calls.at(-1)[1]) * calls.at(-1)[1];
    answers(`${from} to ${into}: ${units} units become ${count}`, pair({ ...STRING, from, into }), [
        ...poke(bytes),
        [`call(64, ${units})`, String(last)],
        ['callee-bytes(16, 4)', `[${words(count).join(', ')}]`],
        [`callee-bytes(${last}, ${made.length})`, `[${made.join(', ')}]`],
        ['callee-log()', `[${calls.flat().join(', ')}]`]]);
}

for (const [what, from, bytes, addr, units, message] of [
    ['invalid UTF-8', 'utf8', [0x61, 0xff], 64, 2, /invalid utf-8/],
    ['a lone surrogate', 'utf16', [0x61, 0, 0, 0xd8], 64, 2, /invalid utf-16/],
    ['an odd address of UTF-16', 'utf16', [], 65, 1, /unaligned pointer/],
    ['an odd address of Latin-1', 'latin1+utf16', [], 65, 1, /unaligned pointer/],
    ['an end beyond memory', 'utf8', [], 131071, 2, /out of bounds/],
    ['an end that wraps around', 'utf8', [], 0xffffffff, 2, /out of bounds/],
    ['no bytes at an address beyond memory', 'utf8', [], 131073, 0, /out of bounds/],
    ['too many bytes', 'utf8', [], 0, 0x10000000, /too long/],
    ['too many bytes of UTF-16', 'utf16', [], 0, 0x08000000, /too long/],
]) answers(`a string with ${what} traps`, pair({ ...STRING, from }), [...poke(bytes), [`call(${addr}, ${units})`, new RegExp(`^trap: .*${message.source}`)]]);

for (const [what, realloc, message] of [
    ['beyond memory', '(i32.const 131072)', /out of bounds/],
    ['that is not aligned', '(i32.const 1025)', /unaligned pointer/],
]) answers(`a realloc that returns an address ${what} traps`, pair({ ...STRING, into: 'utf16', callee: { realloc } }), [...poke(UTF8('abc')), ['call(64, 3)', message]]);

// --- lists, and values in memory ---

const LIST = { lowered: [['i32', 'i32'], ['i32']], body: '(local.get 0)' };

answers('a list of numbers is copied as a whole', pair({ ...LIST, func: '(param "x" (list u16)) (result u32)' }),
    [...poke([1, 0, 2, 0, 3, 0, 4, 0, 5, 0]), ['call(64, 5)', '1024'], ['callee-bytes(1024, 10)', '[1, 0, 2, 0, 3, 0, 4, 0, 5, 0]'], ['callee-log()', '[0, 2, 10]'],
        ['call(64, 0)', '1034'], ['callee-log()', '[0, 2, 0]'], ['call(65, 0)', /^trap: unaligned pointer/]]);
answers('a list that ends beyond memory traps', pair({ ...LIST, func: '(param "x" (list u16)) (result u32)' }), [['call(131070, 2)', /^trap: list pointer\/length out of bounds/]]);
answers('a list that wraps around traps', pair({ ...LIST, func: '(param "x" (list (list u8))) (result u32)' }), [['call(4294967288, 2)', /^trap: list pointer\/length out of bounds/]]);
answers('a list of too many bytes traps', pair({ ...LIST, func: '(param "x" (list u64)) (result u32)' }), [['call(0, 33554432)', /^trap: list of 268435456 bytes is too long/]]);
answers('a list of too many items that are copied one by one traps', pair({ ...LIST, func: '(param "x" (list string)) (result u32)' }), [['call(0, 1073741823)', /^trap: list of 8589934584 bytes is too long/]]);

answers('bytes between fields are not copied', pair({ ...LIST, func: '(param "x" (list $r)) (result u32)', types: [['r', '(record (field "a" u8) (field "b" u32))']] }),
    [...poke([1, 2, 3, 4, 5, 6, 7, 8]), ['call(64, 1)', '1024'], ['callee-bytes(1024, 8)', '[1, 238, 238, 238, 5, 6, 7, 8]']]);

answers('every kind of item is normalised, and bytes of other cases are left alone', pair({
    ...LIST, func: '(param "x" (list $r)) (result u32)', types: [
        ['e', '(enum "x" "y")'], ['fl', '(flags "k" "l" "m")'], ['v', '(variant (case "u" u8) (case "w" u32) (case "n"))'],
        ['r', '(record (field "b" bool) (field "e" $e) (field "f" $fl) (field "v" $v) (field "o" (option u16)) (field "c" char))']] }),
[...poke([2, 1, 255, 9, 0, 9, 9, 9, 7, 8, 9, 10, 1, 9, 11, 12, 0x61, 0, 0, 0]),
    ['call(64, 1)', '1024'],
    ['callee-bytes(1024, 20)', '[1, 1, 7, 238, 0, 238, 238, 238, 7, 238, 238, 238, 1, 238, 11, 12, 97, 0, 0, 0]'],
    ...poke([0, 0, 0, 0, 2, 9, 9, 9, 7, 8, 9, 10, 0, 9, 11, 12, 0x62, 0, 0, 0]),
    ['call(64, 1)', '1044'],
    ['callee-bytes(1044, 20)', '[0, 0, 0, 238, 2, 238, 238, 238, 238, 238, 238, 238, 0, 238, 238, 238, 98, 0, 0, 0]']]);

for (const [what, type, bytes, message] of [
    ['a case number', '(variant (case "a") (case "b" u32))', [2], /invalid variant discriminant 2/],
    ['an enum', '(enum "a" "b")', [2], /invalid variant discriminant 2/],
    ['an option', '(option u8)', [2], /invalid variant discriminant 2/],
    ['a result', '(result)', [2], /invalid variant discriminant 2/],
    ['a character', 'char', [0, 0xd8, 0, 0], /invalid `char`/],
]) answers(`${what} in memory that is none traps`, pair({ ...LIST, func: '(param "x" (list (tuple $t string))) (result u32)', types: type === 'char' ? [['t', '(tuple char)']] : [['t', type]] }),
    [...poke([...bytes, ...Array(20).fill(0)]), ['call(64, 1)', message]]);

answers('lists of lists of strings, in two encodings', pair({ ...LIST, func: '(param "x" (list (list string))) (result u32)', into: 'utf16' }),
    [...poke([...words(80, 2, 0, 0), ...words(96, 2, 98, 1)]), ...poke(UTF8('abc'), 96),
        ['call(64, 2)', '1024'], ['callee-bytes(1024, 8)', `[${words(1040, 2).join(', ')}]`],
        ['callee-bytes(1040, 16)', `[${words(1056, 2, 1060, 1).join(', ')}]`], ['callee-bytes(1056, 6)', '[97, 0, 98, 0, 99, 0]'],
        ['callee-log()', '[0, 4, 16, 0, 4, 16, 0, 2, 4, 0, 2, 2, 0, 4, 0]']]);

// --- parameters and results in memory ---

const MANY = Array.from({ length: 17 }, (_, i) => `(param "p${i}" ${i % 2 ? 'u32' : 'u8'})`).join(' ');
answers('more than 16 parameters are a tuple in memory', pair({ func: `${MANY} (result u32)`, lowered: [['i32'], ['i32']], body: '(local.get 0)' }),
    [...poke(words(...Array.from({ length: 17 }, (_, i) => 0x01010101 * (i + 1)))), ['call(64)', '1024'], ['callee-log()', '[0, 4, 68]'],
        ['callee-bytes(1024, 12)', '[1, 238, 238, 238, 2, 2, 2, 2, 3, 238, 238, 238]'], ['call(66)', /^trap: unaligned pointer/]]);
answers('parameters in memory that end beyond it trap', pair({ func: `${MANY} (result u32)`, lowered: [['i32'], ['i32']], body: '(local.get 0)' }),
    [['call(131012)', /^trap: value pointer\/length out of bounds/]]);

const RESULT = { func: '(param "at" u32) (result (tuple u8 u32 string))', lowered: [['i32', 'i32'], []], lifted: [['i32'], ['i32']], body: '(local.get 0)' };
answers('a result in memory goes where the caller wants it', pair({ ...RESULT, from: 'utf16' }),
    [...poke([9, 9, 9, 9, 1, 2, 3, 4, ...words(80, 2)], 64, 'callee'), ...poke(UTF8('ab'), 80, 'callee'), ['caller-poke(128, 0)', ''],
        ['call(64, 128)', ''], ['caller-bytes(128, 16)', `[9, 0, 0, 0, 1, 2, 3, 4, ${words(1024, 2).join(', ')}]`], ['caller-bytes(1024, 4)', '[97, 0, 98, 0]']]);
for (const [what, at, to] of [['the callee returns that is not aligned', 66, 128], ['the callee returns beyond memory', 131060, 128],
    ['the caller gives that is not aligned', 64, 130], ['the caller gives beyond memory', 64, 131060]])
    answers(`an address for results that ${what} traps`, pair(RESULT), [[`call(${at}, ${to})`, /^trap: (unaligned pointer|value pointer\/length)/]]);

// --- the protocol of a call ---

answers('post-return gets the flat result, once, after it was read', pair({
    ...RESULT, post: '(post-return (core func $m "after"))',
    callee: { more: '(func (export "after") (param i32) (memory.fill (local.get 0) (i32.const 0) (i32.const 16)) (call $word (local.get 0)))' } }),
[...poke([9, 0, 0, 0, 1, 2, 3, 4, ...words(80, 0)], 64, 'callee'),
    ['call(64, 128)', ''], ['caller-bytes(128, 8)', '[9, 0, 0, 0, 1, 2, 3, 4]'], ['callee-log()', '[64]'], ['callee-bytes(64, 4)', '[0, 0, 0, 0]']]);

/** Three components in a row; `where` of the middle one calls the last one. */
const leaving = (where) => `
(component
  (component $Last (core module $M (func (export "g"))) (core instance $m (instantiate $M)) (func (export "g") (canon lift (core func $m "g"))))
  (component $Middle
    (import "g" (func $g))
    (core func $g (canon lower (func $g)))
    (core module $M
      (import "" "g" (func $g)) (memory (export "memory") 1)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) ${where === 'realloc' ? '(call $g)' : ''} (i32.const 8))
      (func (export "f") (param i32 i32) ${where === 'f' ? '(call $g)' : ''})
      (func (export "after") ${where === 'post-return' ? '(call $g)' : ''}))
    (core instance $m (instantiate $M (with "" (instance (export "g" (func $g))))))
    (func (export "f") (param "s" string) (canon lift (core func $m "f") (memory (core memory $m "memory")) (realloc (core func $m "realloc"))
      (post-return (core func $m "after")))))
  (component $First
    (import "f" (func $f (param "s" string)))
    (core module $Memory (memory (export "memory") 1)) (core instance $memory (instantiate $Memory))
    (core func $f (canon lower (func $f) (memory (core memory $memory "memory"))))
    (core module $M (import "" "f" (func $f (param i32 i32))) (func (export "call") (call $f (i32.const 0) (i32.const 1))))
    (core instance $m (instantiate $M (with "" (instance (export "f" (func $f))))))
    (func (export "call") (canon lift (core func $m "call"))))
  (instance $last (instantiate $Last))
  (instance $middle (instantiate $Middle (with "g" (func $last "g"))))
  (instance $first (instantiate $First (with "f" (func $middle "f"))))
  (export "call" (func $first "call")) (export "g" (func $last "g")))`;
answers('a called function may call on', leaving('f'), [['call()', ''], ['call()', '']]);
for (const where of ['realloc', 'post-return'])
    answers(`${where} may not leave its instance`, leaving(where), [['call()', /^trap: cannot leave component instance/]]);

// --- handles ---

/** A component with a resource r, one that is given handles, and one that makes and passes them. */
const handles = ({ func, lowered, lifted = lowered, lift = '', given, passed }) => `
(component
  (component $Owner
    (core module $Drops (global $sum (mut i32) (i32.const 0))
      (func (export "dtor") (param i32) (global.set $sum (i32.add (global.get $sum) (local.get 0))))
      (func (export "sum") (result i32) (global.get $sum)))
    (core instance $drops (instantiate $Drops))
    (type $r' (resource (rep i32) (dtor (core func $drops "dtor"))))
    (core func $new (canon resource.new $r'))
    (core module $M (import "" "new" (func $new (param i32) (result i32)))
      (func (export "make") (param i32) (result i32) (call $new (local.get 0)))
      (func (export "rep") (param i32) (result i32) (local.get 0)))
    (core instance $m (instantiate $M (with "" (instance (export "new" (func $new))))))
    (export $r "r" (type $r'))
    (func (export "make") (param "n" u32) (result (own $r)) (canon lift (core func $m "make")))
    (func (export "rep") (param "x" (borrow $r)) (result u32) (canon lift (core func $m "rep")))
    (func (export "sum") (result u32) (canon lift (core func $drops "sum"))))
  (component $Given
    (import "r" (type $r (sub resource)))
    (import "rep" (func $rep (param "x" (borrow $r)) (result u32)))
    (core func $rep (canon lower (func $rep))) (core func $drop (canon resource.drop $r))
    (core module $M
      (import "" "rep" (func $rep (param i32) (result i32))) (import "" "drop" (func $drop (param i32)))
      (memory (export "memory") 1) (global $next (mut i32) (i32.const 1024))
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (global.get $next) (global.set $next (i32.add (global.get $next) (local.get 3))))
      (func (export "f") ${core(...lifted)} ${given}))
    (core instance $m (instantiate $M (with "" (instance (export "rep" (func $rep)) (export "drop" (func $drop))))))
    (func (export "f") ${func} (canon lift (core func $m "f") ${lift})))
  (component $Passes
    (import "r" (type $r (sub resource)))
    (import "make" (func $make (param "n" u32) (result (own $r))))
    (import "f" (func $f ${func}))
    (core module $Memory (memory (export "memory") 1)) (core instance $memory (instantiate $Memory))
    (core func $make (canon lower (func $make))) (core func $drop (canon resource.drop $r))
    (core func $f (canon lower (func $f) (memory (core memory $memory "memory"))))
    (core module $M
      (import "" "memory" (memory 1))
      (import "" "make" (func $make (param i32) (result i32))) (import "" "drop" (func $drop (param i32))) (import "" "f" (func $f ${core(...lowered)}))
      (func (export "call") (param i32) (result i32) ${passed}))
    (core instance $m (instantiate $M (with "" (instance
      (export "memory" (memory $memory "memory")) (export "make" (func $make)) (export "drop" (func $drop)) (export "f" (func $f))))))
    (func (export "call") (param "n" u32) (result u32) (canon lift (core func $m "call"))))
  (instance $owner (instantiate $Owner))
  (instance $given (instantiate $Given (with "r" (type $owner "r")) (with "rep" (func $owner "rep"))))
  (instance $passes (instantiate $Passes (with "r" (type $owner "r")) (with "make" (func $owner "make")) (with "f" (func $given "f"))))
  (export "call" (func $passes "call")) (export "sum" (func $owner "sum")))`;
const BORROW = { func: '(param "x" (borrow $r)) (result u32)', lowered: [['i32'], ['i32']] };
const OWN = { func: '(param "x" (own $r)) (result u32)', lowered: [['i32'], ['i32']] };
const KEEP = '(local $h i32) (local.set $h (call $make (local.get 0)))';

answers('a borrowed handle comes back, and its owner may drop it then', handles({ ...BORROW,
    given: '(call $rep (local.get 0)) (call $drop (local.get 0))', passed: `${KEEP} (call $f (local.get $h)) (call $drop (local.get $h))` }),
[['call(7)', '7'], ['sum()', '7'], ['call(8)', '8'], ['sum()', '15']]);
answers('a borrowed handle that is kept traps when its call returns', handles({ ...BORROW, given: '(local.get 0)', passed: `${KEEP} (call $f (local.get $h))` }),
    [['call(7)', /^trap: borrow handles still remain/]]);
answers('an owned handle moves: its index is free', handles({ ...OWN, given: '(call $rep (local.get 0)) (call $drop (local.get 0))',
    passed: `${KEEP} (drop (call $f (local.get $h))) (call $make (i32.const 1))` }), [['call(7)', '1'], ['sum()', '7'], ['call(7)', '2']]);
answers('an owned handle that was moved is unknown', handles({ ...OWN, given: '(i32.const 0)', passed: `${KEEP} (drop (call $f (local.get $h))) (call $f (local.get $h))` }),
    [['call(7)', /^trap: unknown handle index 1/]]);
answers('a handle that the same call lends cannot be moved', handles({ func: '(param "x" (borrow $r)) (param "y" (own $r)) (result u32)', lowered: [['i32', 'i32'], ['i32']],
    given: '(i32.const 0)', passed: `${KEEP} (call $f (local.get $h) (local.get $h))` }), [['call(7)', /^trap: cannot remove owned resource while borrowed/]]);
answers('lists of handles, more than are kept on the stack', handles({ func: '(param "x" (list (borrow $r))) (result u32)', lowered: [['i32', 'i32'], ['i32']],
    lift: '(memory (core memory $m "memory")) (realloc (core func $m "realloc"))',
    given: `(local $sum i32) (loop $again
        (local.set $sum (i32.add (local.get $sum) (call $rep (i32.load (local.get 0))))) (call $drop (i32.load (local.get 0)))
        (local.set 0 (i32.add (local.get 0) (i32.const 4))) (br_if $again (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
        (local.get $sum)`,
    passed: `(local $i i32)
        (loop $again (i32.store (i32.mul (local.get $i) (i32.const 4)) (call $make (local.get $i)))
          (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get 0))))
        (call $f (i32.const 0) (local.get 0))
        (loop $again (call $drop (i32.load (i32.mul (local.tee $i (i32.sub (local.get $i) (i32.const 1))) (i32.const 4)))) (br_if $again (local.get $i)))` }),
[['call(100)', '4950'], ['sum()', '4950'], ['call(5)', '10'], ['sum()', '4960']]);

// --- the generated C ---

async function glueOf(t, wat) {
    const folder = scratch(t);
    must(golemAot, ['build', await component(folder, wat), '-o', join(folder, 'program'), '--keep-c', join(folder, 'c')]);
    return readFileSync(join(folder, 'c', 'glue.c'), 'utf8');
}

test('lists of one type are one function', async (t) => {
    const glue = await glueOf(t, pair({ func: '(param "x" (list string)) (param "y" (list (list string)))', lowered: [['i32', 'i32', 'i32', 'i32'], []], body: '' }));
    assert.equal(glue.match(/^static uint32_t list_\d+\(/gm).length, 2);
});

// 501 characters are more statements than an adapter may have.
const HUGE = { func: '(param "x" $t) (param "s" string) (result u32)', types: [['t', `(tuple ${'char '.repeat(501)})`]], lowered: [['i32'], ['i32']], body: '(local.get 0)' };
test('types that would take too much code go by descriptor', async (t) => {
    const glue = await glueOf(t, pair(HUGE));
    assert.match(glue, /rt_call_component\(&lower_0_adapter, flat\)/);
    assert.doesNotMatch(await glueOf(t, pair({ ...HUGE, types: [['t', `(tuple ${'char '.repeat(100)})`]] })), /rt_call_component/);
});
answers('what goes by descriptor is the same', pair(HUGE), [['caller-poke(2068, 4294969616)', ''], ['call(64)', '1024'], ['callee-log()', '[0, 4, 2012, 0, 1, 1]'], ['caller-poke(64, 55296)', ''],
    ['call(64)', /^trap: invalid `char`/]]);
