// golem-aot's command line and its builds: exit codes and messages, the cache, tools that are missing or fail, interruption.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
    chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { golemAot, guest, must, run, scratch, top } from '../harness.mjs';

const wasm2c = must(join(top, 'tools/wasm2c.sh'), ['--print']);
const component = guest('counter');
const compilers = ['gcc', 'clang-19'].filter((cc) => run('sh', ['-c', `command -v ${cc}`]).status === 0);
const verbs = ['build', 'validate', 'inspect', 'run'];

/** An environment with a cache of its own. */
function world(folder, more = {}) {
    return { ...process.env, XDG_CACHE_HOME: join(folder, 'cache'), GOLEM_AOT_WASM2C: wasm2c, ...more };
}

function build(folder, args = [], { env = {}, input = component, program = golemAot } = {}) {
    const output = join(folder, 'out');
    const done = run(program, ['build', input, '-o', output, '--format', 'json', ...args], { env: world(folder, env) });
    return { ...done, output, json: done.status === 0 ? JSON.parse(done.stdout) : null };
}

/** golem-aot in a prefix that has all else but no wasm2c. */
function installedWithoutWasm2c(folder) {
    const prefix = join(folder, 'prefix'), from = dirname(dirname(golemAot));
    mkdirSync(join(prefix, 'bin'), { recursive: true });
    copyFileSync(golemAot, join(prefix, 'bin/golem-aot'));
    for (const part of ['lib', 'include'])
        symlinkSync(join(from, part), join(prefix, part));
    return join(prefix, 'bin/golem-aot');
}

function buildWell(...args) {
    const done = build(...args);
    assert.equal(done.status, 0, done.stderr);
    return done;
}

function refused(done, pattern) {
    assert.equal(done.status, 1, `${done.signal} ${done.stderr}`);
    assert.match(done.stderr, pattern);
    assert.ok(!existsSync(done.output), 'an executable was left');
}

/** Nothing of a build that is over may be left but the cache's entries. */
function assertClean(folder) {
    const temporary = join(folder, 'cache/golem-aot/tmp');
    assert.deepEqual(existsSync(temporary) ? readdirSync(temporary) : [], []);
    assert.deepEqual(readdirSync(folder).filter((name) => name.startsWith('.golem-aot')), []);
}

function script(folder, name, text) {
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
    return path;
}

const entries = (folder, kind) => readdirSync(join(folder, 'cache/golem-aot', kind)).filter((name) => name.length === 64)
    .map((name) => join(folder, 'cache/golem-aot', kind, name));

// --- the command line ---

test('help and version go to standard output and end with 0', () => {
    const general = run(golemAot, ['--help']);
    assert.equal(general.status, 0);
    for (const verb of verbs) {
        assert.match(general.stdout, new RegExp(`^  ${verb} `, 'm'));
        const help = run(golemAot, [verb, '--help']);
        assert.equal(help.status, 0);
        assert.ok(help.stdout.startsWith(`usage: golem-aot ${verb} `), help.stdout);
        assert.equal(help.stderr, '');
    }
    assert.match(run(golemAot, ['--version']).stdout, /^golem-aot \d+\.\d+\.\d+\n$/);
});

test('wrong usage ends with 2 and one line that says what is wrong', () => {
    const cases = [
        [[], 'golem-aot: a verb is missing; golem-aot --help lists them'],
        [['compile'], 'golem-aot: unknown verb compile; golem-aot --help lists the verbs'],
        [['--foo'], 'golem-aot: unknown option --foo; golem-aot --help lists the verbs'],
        [['build', '--foo', 'x'], 'golem-aot build: unknown option --foo'],
        [['build', component], 'golem-aot build: option -o EXE is missing'],
        [['build', component, '-o'], 'golem-aot build: option -o needs a value: EXE'],
        [['build', component, '-o', 'x', '-O4'], 'golem-aot build: option -O: "4" is not 0..3'],
        [['build', component, '-o', 'x', '--jobs', 'many'], 'golem-aot build: option --jobs: "many" is not N'],
        [['build', component, component, '-o', 'x'], `golem-aot build: an argument too many: ${component}`],
        [['validate'], 'golem-aot validate: an argument is missing: golem-aot validate X.wasm'],
        [['validate', '--format', 'xml', component], 'golem-aot validate: option --format: "xml" is not text|json'],
        [['run', '--dir', 'here', component], 'golem-aot run: option --dir: "here" is not HOST::GUEST'],
        [['run', '--env', 'HERE', component], 'golem-aot run: option --env: "HERE" is not K=V'],
    ];
    for (const [args, message] of cases) {
        const { status, stdout, stderr } = run(golemAot, args);
        assert.deepEqual({ status, stdout, stderr }, { status: 2, stdout: '', stderr: `${message}\n` });
    }
});

test('validate says where a component is broken, as text and as JSON', (t) => {
    const path = join(scratch(t), 'cut.wasm');
    writeFileSync(path, readFileSync(component).subarray(0, 2000));
    const text = run(golemAot, ['validate', path]);
    assert.equal(text.status, 1);
    const [, offset, message] = /^.*cut\.wasm:0x([0-9a-f]+): (.*)\n$/s.exec(text.stderr);
    const json = run(golemAot, ['validate', '--format=json', path]);
    assert.equal(json.status, 1);
    assert.deepEqual(JSON.parse(json.stdout), { error: { code: 'INVALID', file: path, offset: parseInt(offset, 16), message } });
    assert.deepEqual(JSON.parse(run(golemAot, ['validate', '--format', 'json', component]).stdout), { valid: true });
    assert.equal(run(golemAot, ['validate', component]).stdout, '');
});

test('a file that cannot be read is named once', () => {
    const { status, stderr } = run(golemAot, ['validate', '/nowhere/x.wasm']);
    assert.equal(status, 1);
    assert.equal(stderr, '/nowhere/x.wasm: cannot open the file: No such file or directory\n');
});

// --- builds, and the cache ---

test('a build gives an executable that runs and knows its WIT', (t) => {
    const folder = scratch(t);
    const { output, stderr, json } = buildWell(folder, ['--quiet']);
    assert.equal(stderr, '');
    assert.equal(json.bytes, statSync(output).size);
    assert.ok(statSync(output).mode & 0o100);
    assert.equal(must(golemAot, ['inspect', output]), must(golemAot, ['inspect', component]));
    assert.equal(run(output, ['--ephemeral', 'invoke', '--stdin'], { input: '' }).status, 0);
    assertClean(folder);
});

test('the same component again comes from the cache, and is the same', (t) => {
    const folder = scratch(t);
    const first = buildWell(folder);
    const bytes = readFileSync(first.output);
    assert.equal(first.json.cached, false);
    const start = performance.now();
    const second = buildWell(folder);
    assert.ok(performance.now() - start < 1000);
    assert.equal(second.json.cached, true);
    assert.ok(bytes.equals(readFileSync(second.output)));
    assert.equal(buildWell(folder, ['-O0']).json.cached, false);
    assert.equal(buildWell(folder, ['--cc', 'gcc']).json.cached, false);
    assertClean(folder);
});

test('the same inputs give the same bytes', (t) => {
    const one = buildWell(scratch(t)), two = buildWell(scratch(t), ['--jobs', '1']);
    assert.ok(readFileSync(one.output).equals(readFileSync(two.output)));
});

test('a changed string compiles the glue at most', (t) => {
    const folder = scratch(t);
    const input = join(folder, 'failing.wasm'), bytes = readFileSync(guest('failing'));
    writeFileSync(input, bytes);
    const first = buildWell(folder, [], { input });
    const at = bytes.indexOf('Success\0'); // one of the C library's messages
    assert.ok(at > 0);
    bytes[at] = 's'.charCodeAt(0);
    writeFileSync(input, bytes);
    const second = buildWell(folder, [], { input });
    assert.equal(second.json.cached, false);
    assert.ok(second.json.objects - second.json.objects_cached <= 2, JSON.stringify(second.json)); // the glue and the data
    assert.equal(second.json.objects, first.json.objects);
});

test('a changed function compiles the file it is in, not the module', (t) => {
    const folder = scratch(t);
    const input = join(folder, 'tally.wasm'), bytes = readFileSync(guest('tally-rust'));
    writeFileSync(input, bytes);
    const first = buildWell(folder, [], { input });
    const factor = Buffer.from([0x41, 0xb1, 0xf3, 0xdd, 0xf1, 0x79]); // i32.const 0x9e3779b1
    let found = 0;
    for (let at; (at = bytes.indexOf(factor)) >= 0; found++) bytes[at + 1] ^= 2;
    assert.ok(found > 0);
    writeFileSync(input, bytes);
    const second = buildWell(folder, [], { input });
    assert.equal(second.json.objects, first.json.objects);
    const compiled = second.json.objects - second.json.objects_cached; // that file, the glue and the data
    assert.ok(compiled >= 2 && compiled <= 3 && second.json.objects > 6, JSON.stringify(second.json));
    assert.equal(must(second.output, ['--ephemeral', 'invoke', 'demo:tally/api@1.0.0.{turn}', '[1, 2]']), '[4, 2]');
});

test('damaged cache entries are built again', (t) => {
    const folder = scratch(t);
    const bytes = readFileSync(buildWell(folder).output);
    const damages = [(b) => b.subarray(0, b.length - 1), (b) => Buffer.concat([b.subarray(0, 100), Buffer.from('x'), b.subarray(101)]),
        () => Buffer.alloc(0)];
    for (const kinds of [['executables'], ['executables', 'objects']])
        for (const damage of damages) {
            for (const kind of kinds) for (const path of entries(folder, kind)) writeFileSync(path, damage(readFileSync(path)));
            const again = buildWell(folder);
            assert.equal(again.json.cached, false);
            assert.equal(again.json.objects_cached > 0, kinds.length === 1, JSON.stringify(again.json));
            assert.ok(bytes.equals(readFileSync(again.output)));
            assert.equal(buildWell(folder).json.cached, true);
        }
});

test('builds at the same time do not disturb each other', async (t) => {
    const folder = scratch(t);
    const outputs = [0, 1, 2, 3].map((i) => join(folder, `out-${i}`));
    const ends = await Promise.all(outputs.map((output) => new Promise((tell) => {
        const child = spawn(golemAot, ['build', component, '-o', output, '--quiet'], { env: world(folder), stdio: ['ignore', 'ignore', 'pipe'] });
        let stderr = '';
        child.stderr.on('data', (text) => (stderr += text));
        child.on('close', (status) => tell({ status, stderr }));
    })));
    for (const end of ends) assert.deepEqual(end, { status: 0, stderr: '' });
    const bytes = readFileSync(outputs[0]);
    for (const output of outputs) assert.ok(bytes.equals(readFileSync(output)));
    assert.equal(buildWell(folder).json.cached, true);
    assertClean(folder);
});

test('without a cache directory a build works all the same', (t) => {
    const folder = scratch(t);
    const { json } = buildWell(folder, [], { env: { XDG_CACHE_HOME: '/proc/nowhere', TMPDIR: folder } });
    assert.equal(json.cached, false);
    assertClean(folder);
});

test('the cache may lie in a folder of any name', (t) => {
    const folder = scratch(t);
    for (const cc of compilers)
        assert.equal(buildWell(folder, ['--cc', cc], { env: { XDG_CACHE_HOME: join(folder, 'a, b,,\'c" $x') } }).json.cached, false);
});

test('--keep-c leaves C that names what it is about', (t) => {
    const folder = scratch(t), kept = join(folder, 'a/b');
    buildWell(folder); // all objects are in the cache: the C is there nevertheless
    buildWell(folder, ['--keep-c', kept]);
    assert.match(readFileSync(join(kept, 'glue.c'), 'utf8'), /counter/);
    const modules = readdirSync(kept).filter((name) => /^m[0-9a-f]{16}\.h$/.test(name));
    assert.ok(modules.length >= 1);
    for (const header of modules) assert.ok(readdirSync(kept).some((name) => name.endsWith('.c') && name.startsWith(header.slice(0, 17))));
});

test('inspect prints WIT, also as JSON', () => {
    const text = must(golemAot, ['inspect', component]);
    assert.match(text, /^package /);
    assert.match(text, /resource counter/);
    assert.equal(JSON.parse(must(golemAot, ['inspect', '--format', 'json', component])).wit.trimEnd(), text);
});

// --- what can be missing or fail ---

test('a missing C compiler is named', (t) => {
    refused(build(scratch(t), ['--cc', 'no-such-cc']), /counter\.wasm: the C compiler "no-such-cc" is not there; install gcc or clang/);
    refused(build(scratch(t), [], { env: { CC: 'no-such-cc -O7' } }), /the C compiler "no-such-cc" is not there/);
});

test('a missing wasm2c is named, with what to do', (t) => {
    refused(build(scratch(t), [], { env: { GOLEM_AOT_WASM2C: '/nowhere/wasm2c' } }), /GOLEM_AOT_WASM2C=\/nowhere\/wasm2c is no program/);
    const folder = scratch(t);
    const env = { GOLEM_AOT_WASM2C: '', PATH: '/nowhere', CC: '/usr/bin/cc', HOME: '/nowhere' };
    refused(build(folder, [], { env, program: installedWithoutWasm2c(folder) }), /wasm2c is missing: install wabt 1\.0\.42 or newer/);
});

test('with an empty cache, wasm2c is found all the same', (t) => {
    buildWell(scratch(t), [], { env: { GOLEM_AOT_WASM2C: '' } });
});

test('a wasm2c that is too old, or none at all, is refused', (t) => {
    const folder = scratch(t);
    const old = script(folder, 'old-wasm2c', 'echo 1.0.32');
    refused(build(folder, [], { env: { GOLEM_AOT_WASM2C: old } }), /old-wasm2c is version 1\.0\.32, and at least 1\.0\.36 is needed/);
    refused(build(folder, [], { env: { GOLEM_AOT_WASM2C: '/bin/true' } }), /\/bin\/true does not tell a version/);
    assertClean(folder);
});

test('what a failing wasm2c or compiler says is shown', (t) => {
    const folder = scratch(t);
    const failing = script(folder, 'wasm2c', '[ "$1" = --version ] && echo 1.0.42 && exit; echo "it is broken" >&2; exit 7');
    refused(build(folder, [], { env: { GOLEM_AOT_WASM2C: failing } }), /wasm2c ended with 7:\nit is broken/);
    const crashing = script(folder, 'cc', 'echo "internal compiler error" >&2; kill -SEGV $$');
    refused(build(folder, ['--cc', crashing]), /was killed by signal 11 \(Segmentation fault\):\ninternal compiler error/);
    assertClean(folder);
});

test('an output that cannot be written is refused at once', (t) => {
    const folder = scratch(t);
    const inputs = [[folder, /it is a directory/], [component, /it is the component itself/], ['/nowhere/at/all', /cannot write \/nowhere\/at\/all: No such file/], ['/proc/out', /cannot write/]];
    for (const [output, pattern] of inputs) {
        const start = performance.now();
        const { status, stderr } = run(golemAot, ['build', component, '-o', output], { env: world(folder) });
        assert.equal(status, 1);
        assert.match(stderr, pattern);
        assert.ok(performance.now() - start < 1000);
    }
    assertClean(folder);
});

test('an interrupted build leaves nothing and dies of the signal', async (t) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
        const folder = scratch(t);
        const started = join(folder, 'started');
        const slow = script(folder, 'slow-cc', `touch ${started}; sleep 60`);
        const child = spawn(golemAot, ['build', component, '-o', join(folder, 'out'), '--cc', slow], { env: world(folder), stdio: 'ignore' });
        const ended = new Promise((tell) => child.on('exit', (status, by) => tell(by)));
        while (!existsSync(started)) await new Promise((wake) => setTimeout(wake, 5));
        child.kill(signal);
        assert.equal(await ended, signal);
        assert.ok(!existsSync(join(folder, 'out')));
        assertClean(folder);
    }
});

test('a killed build is swept up by the next', async (t) => {
    const folder = scratch(t);
    const started = join(folder, 'started');
    const slow = script(folder, 'slow-cc', `touch ${started}; exec sleep 3`);
    const child = spawn(golemAot, ['build', component, '-o', join(folder, 'out'), '--cc', slow], { env: world(folder), stdio: 'ignore' });
    const ended = new Promise((tell) => child.on('exit', tell));
    while (!existsSync(started)) await new Promise((wake) => setTimeout(wake, 5));
    child.kill('SIGKILL');
    await ended;
    assert.equal(readdirSync(join(folder, 'cache/golem-aot/tmp')).length, 1);
    buildWell(folder);
    assert.deepEqual(readdirSync(join(folder, 'cache/golem-aot/tmp')), []);
});

test('start-up code that takes much memory gets none of the machine\'s while it is built, and all it asks for when it runs', async (t) => {
    const folder = scratch(t), input = join(folder, 'start.wasm');
    const { parse } = await import('@bytecodealliance/jco-transpile/wasm-tools');
    for (const [pages, image] of [[1600, true], [20000, false]]) { // 100 MiB, 1.2 GiB
        writeFileSync(input, await parse(`(component (core module $m (memory 1)
          (func (drop (memory.grow (i32.const ${pages})))) (start 0)
          (func (export "f") (result i32) (memory.size)))
          (core instance $i (instantiate $m)) (func (export "f") (result u32) (canon lift (core func $i "f"))))`));
        const { output, json } = buildWell(folder, [], { input });
        assert.equal(json.start_image, image);
        assert.equal(must(output, ['--ephemeral', 'invoke', 'f']), String(pages + 1));
    }
});

test('an import that nothing serves is refused by name, and traps with --allow-missing', async (t) => {
    const folder = scratch(t);
    const { parse } = await import('@bytecodealliance/jco-transpile/wasm-tools');
    const input = join(folder, 'missing.wasm');
    writeFileSync(input, Buffer.from(await parse(`(component
        (import "acme:nowhere/api@1.0.0" (instance $i (export "gone" (func))))
        (core func $gone (canon lower (func $i "gone")))
        (core module $m (import "a" "gone" (func $gone)) (func (export "f") (call $gone)))
        (core instance $c (instantiate $m (with "a" (instance (export "gone" (func $gone))))))
        (func (export "f") (canon lift (core func $c "f"))))`)));
    const done = build(folder, [], { input });
    refused(done, /acme:nowhere\/api@1\.0\.0/);
    const { output } = buildWell(folder, ['--allow-missing'], { input });
    const { stdout } = run(output, ['--ephemeral', 'invoke', '--stdin'], { input: 'f()\n' });
    assert.match(stdout, /^trap: .*acme:nowhere\/api@1\.0\.0/);
});

test('both C compilers, every level, static and dynamic', (t) => {
    const folder = scratch(t);
    for (const cc of compilers)
        for (const level of ['-O0', '-O1', '-O3', '--dynamic']) {
            const { output } = buildWell(folder, ['--cc', cc, level]);
            assert.equal(run(output, ['--ephemeral', 'invoke', '--stdin'], { input: '' }).status, 0);
        }
});
