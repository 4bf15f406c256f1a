// Hostile components: cut short, with flipped bits, and noise. golem-aot ends with 0 or 1, soon, and says where it went wrong.
//
// FLIPS: how many flips (default 300; the campaign takes 10000). PREFIXES=all: every prefix of the larger component too.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { chance, golemAot, guest, run, scratch } from '../harness.mjs';

const flips = Number(process.env.FLIPS ?? 300);
const everyPrefix = process.env.PREFIXES === 'all';
const LIMIT_MS = 10_000;

/** A small component with one of most things in it. */
const small = Buffer.from(await parse(`(component
  (import "host:x/y@1.0.0" (instance $host
    (export "r" (type $r (sub resource)))
    (export "f" (func (param "a" (list u8)) (result (result string (error u32)))))))
  (type $rec (record (field "a" u8) (field "b" (option string))))
  (type $col (enum "red" "green"))
  (type $var (variant (case "x" f32) (case "y")))
  (type $fl (flags "p" "q"))
  (core module $libc
    (memory (export "memory") 1)
    (global $at (mut i32) (i32.const 8))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.set $at (i32.add (global.get $at) (local.get 3))) (i32.sub (global.get $at) (local.get 3))))
  (core instance $mem (instantiate $libc))
  (core func $f (canon lower (func $host "f") (memory (core memory $mem "memory")) (realloc (core func $mem "realloc"))))
  (core module $main
    (type $t (func (param i32 i32 i32)))
    (import "host" "f" (func $f (type $t)))
    (table 2 funcref)
    (elem (i32.const 0) $f $f)
    (func (export "twice") (param i32) (result i32)
      (block $out (loop $again (br_if $out (i32.eqz (local.get 0))) (local.set 0 (i32.shr_u (local.get 0) (i32.const 1))) (br $again)))
      (if (result i32) (local.get 0) (then (i32.const 1)) (else (i32.const 0)))))
  (core instance $m (instantiate $main (with "host" (instance (export "f" (func $f))))))
  (func $twice (param "v" u32) (result u32) (canon lift (core func $m "twice")))
  (export "twice" (func $twice))
  (component $inner (import "g" (func $g (param "v" u32) (result u32))) (export "h" (func $g)))
  (instance $nested (instantiate $inner (with "g" (func $twice))))
  (export "demo:small/api@1.0.0" (instance $nested))
  (export "rec" (type $rec)) (export "col" (type $col)) (export "var" (type $var)) (export "fl" (type $fl)))`));
const large = readFileSync(guest('counter'));

/** Runs golem-aot over many inputs, two at a time; check(name, {status, signal, stderr, milliseconds}) for each. */
async function each(folder, verb, inputs, check) {
    const queue = inputs[Symbol.iterator]();
    const work = async (lane) => {
        const path = join(folder, `${lane}.wasm`);
        for (let item = queue.next(); !item.done; item = queue.next()) {
            const [name, bytes] = item.value;
            writeFileSync(path, bytes);
            const start = performance.now();
            const ended = await new Promise((tell, fail) => {
                const child = spawn(golemAot, [...verb.split(' '), path, ...(verb === 'build' ? ['-o', `${path}.out`] : [])],
                    { stdio: ['ignore', 'ignore', 'pipe'], timeout: LIMIT_MS, killSignal: 'SIGKILL' });
                let stderr = '';
                child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
                child.on('error', fail).on('close', (status, signal) => tell({ status, signal, stderr }));
            });
            try {
                check(name, { ...ended, milliseconds: performance.now() - start });
            } catch (error) {
                if (process.env.KEEP_BAD) writeFileSync(join(process.env.KEEP_BAD, `${verb}-${name.replaceAll(' ', '-')}.wasm`), bytes);
                throw error;
            }
        }
    };
    await Promise.all([work(0), work(1)]);
}

function checkEnds(name, { status, signal, stderr, milliseconds }) {
    assert.ok(status === 0 || status === 1, `${name}: ended with ${signal ?? status} after ${milliseconds.toFixed()} ms: ${stderr}`);
    assert.ok(milliseconds < LIMIT_MS, `${name}: ${milliseconds} ms`);
    if (status === 1) assert.match(stderr, /\.wasm:(0x[0-9a-f]+|\d+): ./, `${name}: no offset in: ${stderr}`);
}

function checkRefused(name, ended) {
    checkEnds(name, ended);
    assert.equal(ended.status, 1, `${name} was accepted`);
}

function* prefixes(bytes, step) {
    for (let size = 0; size < bytes.length; size += step) yield [`the first ${size} bytes`, bytes.subarray(0, size)];
}

function* flipped(bytes, count, seed) {
    const random = chance(seed);
    for (let i = 0; i < count; i++) {
        const copy = Buffer.from(bytes), bits = [];
        for (let left = 1 + Math.floor(random() * 3); left > 0; left--) {
            const at = Math.floor(random() * copy.length), bit = Math.floor(random() * 8);
            copy[at] ^= 1 << bit;
            bits.push(`${at}.${bit}`);
        }
        yield [`flip ${i} of seed ${seed}, bits ${bits.join(' ')}`, copy];
    }
}

test('the components themselves are valid', (t) => {
    const path = join(scratch(t), 'small.wasm');
    writeFileSync(path, small);
    for (const file of [path, guest('counter')]) {
        const { status, stderr } = run(golemAot, ['validate', file]);
        assert.equal(status, 0, stderr);
    }
});

/** The ends of a component's sections: what is cut there may be a component of its own. */
function sectionEnds(bytes) {
    const ends = new Set([8]);
    for (let at = 8; at < bytes.length; ends.add(at)) {
        let size = 0, shift = 0;
        for (at++; ; shift += 7) {
            size += (bytes[at] & 127) * 2 ** shift;
            if (bytes[at++] < 128) break;
        }
        at += size;
    }
    return ends;
}

test('every prefix of a small component is refused with an offset, unless it ends with a section', async (t) => {
    const ends = sectionEnds(small);
    await each(scratch(t), 'validate', prefixes(small, 1), (name, ended) => {
        if (ends.has(Number(/\d+/.exec(name)[0]))) checkEnds(name, ended);
        else checkRefused(name, ended);
    });
});

test('prefixes of a real component are refused with an offset', async (t) => {
    await each(scratch(t), 'validate', prefixes(large, everyPrefix ? 1 : Math.ceil(large.length / 150)), checkEnds);
});

test('flipped bits end with 0 or 1', async (t) => {
    await each(scratch(t), 'validate', flipped(small, Math.ceil(flips / 2), 1), checkEnds);
    await each(scratch(t), 'validate', flipped(large, Math.ceil(flips / 2), 2), checkEnds);
});

test('bytes put in, taken out, and sizes blown up end with 0 or 1', async (t) => {
    const random = chance(3);
    function* changed() {
        for (let i = 0; i < Math.ceil(flips / 3); i++) {
            const at = Math.floor(random() * small.length), size = 1 + Math.floor(random() * 8);
            const head = small.subarray(0, at);
            yield [`${size} bytes taken out at ${at}`, Buffer.concat([head, small.subarray(at + size)])];
            yield [`five bytes of ff put in at ${at}`, Buffer.concat([head, Buffer.alloc(5, 0xff), small.subarray(at)])];
            yield [`ffffffff0f over ${at}`, Buffer.concat([head, Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f]), small.subarray(at + 5)])];
        }
    }
    await each(scratch(t), 'validate', changed(), checkEnds);
});

test('noise, nothing, a core module and other files are refused', async (t) => {
    const random = chance(4);
    const preamble = Buffer.from('0061736d0d000100', 'hex');
    const noise = (size) => Buffer.from(Array.from({ length: size }, () => random() * 256));
    const inputs = [['nothing', Buffer.alloc(0)], ['a core module', Buffer.from('0061736d01000000', 'hex')], ['text', Buffer.from('(component)')],
        ['another version', Buffer.from('0061736d0e000100', 'hex')], ['a program', readFileSync(process.execPath).subarray(0, 100_000)],
        ...Array.from({ length: 20 }, (_, i) => [`noise ${i}`, noise(10 + i * 50)]),
        ...Array.from({ length: 20 }, (_, i) => [`noise ${i} behind a preamble`, Buffer.concat([preamble, noise(1 + i * 50)])])];
    await each(scratch(t), 'validate', inputs, checkRefused);
});

test('nesting without end is refused before the stack is', async (t) => {
    const leb = (number) => {
        const bytes = [];
        for (; number > 127; number = Math.floor(number / 128)) bytes.push(number % 128 | 128);
        return Buffer.from([...bytes, number]);
    };
    /** A component that holds itself, `depth` times. */
    let nested = Buffer.from('0061736d0d000100', 'hex');
    for (let i = 0; i < 3000; i++) nested = Buffer.concat([Buffer.from('0061736d0d00010004', 'hex'), leb(nested.length), nested]);
    /** list<list<list<...>>>, each by the index of the one before: legal, so it may be accepted. */
    const types = Buffer.concat([leb(2000), Buffer.from([0x70, 0x7d]), ...Array.from({ length: 1999 }, (_, i) => Buffer.concat([Buffer.from([0x70]), leb(i)]))]);
    const lists = Buffer.concat([Buffer.from('0061736d0d000100', 'hex'), Buffer.from([7]), leb(types.length), types]);
    /** Component types within component types. */
    let inner = Buffer.from([0x41, 0]);
    for (let i = 0; i < 3000; i++) inner = Buffer.concat([Buffer.from([0x41, 1, 1]), inner]);
    const section = Buffer.concat([leb(1), inner]);
    const componentTypes = Buffer.concat([Buffer.from('0061736d0d000100', 'hex'), Buffer.from([7]), leb(section.length), section]);
    await each(scratch(t), 'validate', [['components', nested], ['lists', lists], ['component types', componentTypes]], checkEnds);
});

test('build and inspect refuse the same, and leave no executable behind', async (t) => {
    const folder = scratch(t);
    const sample = [...flipped(small, 15, 5), ...prefixes(small, 40)];
    for (const verb of ['inspect', 'build'])
        await each(folder, verb, sample, (name, ended) => {
            assert.ok(ended.status === 0 || ended.status === 1, `${verb}, ${name}: ended with ${ended.signal ?? ended.status}: ${ended.stderr}`);
            if (ended.status === 1) assert.match(ended.stderr, /./);
        });
    rmSync(join(folder, '0.wasm.out'), { force: true });
    const path = join(folder, 'cut.wasm');
    writeFileSync(path, large.subarray(0, large.length - 10));
    assert.equal(run(golemAot, ['build', path, '-o', join(folder, 'out')]).status, 1);
    assert.ok(!existsSync(join(folder, 'out')));
});
