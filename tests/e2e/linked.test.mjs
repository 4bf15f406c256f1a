// An executable has the host interfaces that its component imports, and of shared libraries those that these need.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { build, executable, golemAot, guest, must } from '../harness.mjs';

/** The objects of host interfaces that the runtime library offers, by their sources: "wasi-cli-exit" is interface exit of wit/wasi-cli.wit. */
const offered = new Set(readdirSync(join(build, 'gen/host')).map((file) => file.replace(/\.c$/, '')));

/** The sources of all that is in an executable, without ".c". */
const sources = (program) => must('readelf', ['--syms', '--wide', program]).split('\n').filter((line) => / FILE +LOCAL /.test(line))
    .map((line) => line.trim().split(/\s+/).at(-1).replace(/\.c$/, ''));

/** The host interfaces among them. */
const taken = (program) => sources(program).filter((name) => offered.has(name)).sort();

/** The interfaces that a component imports, "wasi:cli/exit@0.2.12" as "wasi-cli-exit". */
function imported(component) {
    const text = must(golemAot, ['inspect', component]);
    return [...text.matchAll(/^ {2}import ([^;@]*)/gm)].map(([, name]) => name.replaceAll(/[:/]/g, '-'));
}

const libraries = (program) => [...must('readelf', ['-d', program]).matchAll(/NEEDED.*\[(.*)\]/g)].map(([, name]) => name).sort();

test('the runtime library has an object for each interface', () => {
    const members = must('ar', ['t', join(build, 'lib/golem-aot/libgolemrt.a')]).split('\n');
    assert.ok(offered.size >= 27);
    for (const name of offered) assert.ok(members.includes(`${name}.o`), name);
});

test('a component without imports gets no host interface', () => {
    assert.deepEqual(imported(guest('counter')), []);
    assert.deepEqual(taken(executable('counter')), []);
});

test('a command gets what it imports, what that is made of, and nothing else', () => {
    const imports = imported(guest('hello')), has = taken(executable('hello'));
    assert.ok(has.includes('wasi-cli-exit') && has.includes('wasi-filesystem-types'));
    assert.deepEqual(sources(executable('hello')).filter((name) => /http|curl|socket|serve|loop/.test(name)), []);
    assert.deepEqual(has.filter((name) => !imports.includes(name)), ['recorded-values'], 'times of files, as the oplog has them');
});

test('an executable is complete: it loads no library', () => {
    for (const name of ['counter', 'hello']) {
        assert.deepEqual(libraries(executable(name)), []);
        assert.doesNotMatch(must('readelf', ['--program-headers', executable(name)]), /INTERP/);
    }
});

test('what loads the machine\'s libraries when it needs them has the machine\'s libc, and no more', () => {
    for (const [name, ...options] of [['http'], ['sockets'], ['hello', '--dynamic']])
        assert.deepEqual(libraries(executable(name, ...options)), ['libc.so.6', 'libm.so.6']);
    assert.equal(must(executable('hello', '--dynamic'), ['run']), 'Hello, world!');
});
