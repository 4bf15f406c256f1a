// A command (wasi:cli/run): stdio, arguments, environment and exit code are its own, through `golem-aot run` and through the executable.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { executable, golemAot, guest, run, scratch } from '../harness.mjs';

const program = executable('hello');

/** The ways to run it: [what is started, its arguments for these options and these arguments of the guest]. */
const ways = {
    'golem-aot run X.wasm': (options, args) => [golemAot, ['run', ...options, guest('hello'), ...args]],
    'golem-aot run EXE': (options, args) => [golemAot, ['run', ...options, program, ...args]],
    'EXE run': (options, args) => [program, [...options, 'run', ...args]],
};

for (const [way, command] of Object.entries(ways)) {
    const start = (options, args, more) => run(...command(options, args), more);

    test(`${way}: output, arguments and environment`, () => {
        assert.deepEqual(start([], []), { status: 0, signal: null, stdout: 'Hello, world!\n', stderr: '' });
        const { status, stdout, stderr } = start(['--env', 'NAME=Ümläut = x'], ['a', '', 'b c', '--dir', '-x']);
        assert.equal(status, 0, stderr);
        assert.equal(stdout, 'Hello, Ümläut = x!\nargument 1: a\nargument 2: \nargument 3: b c\nargument 4: --dir\nargument 5: -x\n');
    });

    test(`${way}: the exit code and the error stream are the guest's`, () => {
        const { status, stdout, stderr } = start([], ['--fail']);
        assert.notEqual(status, 0);
        assert.equal(status, 1, 'wasi:cli/run gives only ok and error');
        assert.equal(stdout, 'Hello, world!\n');
        assert.equal(stderr, 'failing, as asked\n');
    });

    test(`${way}: standard input goes through whole, binary and long`, () => {
        const input = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i * 31 % 256));
        const { status, stdout } = start([], ['--cat'], { input, encoding: 'buffer' });
        assert.equal(status, 0);
        assert.ok(stdout.equals(Buffer.concat([Buffer.from('Hello, world!\n'), input])));
        assert.equal(start([], ['--cat'], { input: '' }).stdout, 'Hello, world!\n');
    });

    test(`${way}: a reader that leaves early ends it, without a crash`, () => {
        const [file, args] = command([], ['--cat']);
        const { stdout } = run('bash', ['-c', 'yes | "$0" "$@" | head -n 1; echo "${PIPESTATUS[1]}"', file, ...args], { timeout: 20_000 });
        const [first, status] = stdout.split('\n');
        assert.equal(first, 'Hello, world!');
        assert.ok([0, 1, 128 + 13].includes(Number(status)), `ended with ${status}`);
    });

    test(`${way}: the caller's own environment stays outside`, () => {
        assert.equal(start([], [], { env: { ...process.env, NAME: 'leaked' } }).stdout, 'Hello, world!\n');
    });

    test(`${way}: it leaves no file behind`, (t) => {
        const folder = scratch(t);
        assert.equal(start([], [], { cwd: folder }).status, 0);
        assert.deepEqual(readdirSync(folder), []);
    });
}

test('what a guest is given is UTF-8, or it is refused before anything is made', (t) => {
    const folder = scratch(t), bad = "$(printf 'a\\377')";
    const inShell = (text) => run('sh', ['-c', `exec "$0" ${text}`, program], { cwd: folder });
    for (const text of [`run "${bad}"`, `run x "${bad}"`, `--env "A=${bad}" run`, `--env "${bad}=A" --worker w run`, `--arg "${bad}" invoke f`, `--dir "/::${bad}" run`]) {
        const { status, signal, stderr } = inShell(text);
        assert.equal(signal ?? status, 2, `${text}: ${stderr}`);
        assert.match(stderr, /is not UTF-8/);
    }
    assert.deepEqual(readdirSync(folder), []);
    const { status, stdout } = inShell('run "$(printf "\\303\\274")"');
    assert.deepEqual([status, stdout], [0, 'Hello, world!\nargument 1: ü\n']);
});

test('what a slow reader does not take yet waits, all of it', () => {
    const { stdout, stderr } = run('bash', ['-c', '{ "$0" run --flood; echo $? >&2; } | { sleep 0.3; wc -c; }', program]);
    assert.deepEqual([stdout.trim(), stderr], [String(14 + 100_000_000), '0\n']);
});

test('a reader that has gone away is the guest\'s to notice', () => {
    const { stdout, stderr } = run('bash', ['-c', '{ "$0" run --flood; echo $? >&2; } | head -c 5', program]);
    assert.equal(stdout, 'Hello');
    assert.match(stderr, /^flood: .*\n1\n$/);
});

test('a guest waits for its standard input and for time at once', async (t) => {
    const child = spawn(program, ['run', '--watch'], { stdio: ['pipe', 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    let said = '';
    const says = async (text) => {
        for (const end = Date.now() + 20_000; !said.includes(text); await pause(10)) assert.ok(Date.now() < end, `no "${text}" in: ${said}`);
        said = said.slice(said.indexOf(text) + text.length);
    };
    child.stdout.setEncoding('utf8').on('data', (text) => (said += text));
    await says('nothing\n');
    child.stdin.write('one');
    await says('got one\n');
    await says('nothing\n');
    child.stdin.write('two');
    await says('got two\n');
    child.stdin.end();
    const [status] = await once(child, 'close');
    assert.equal(status, 0);
});

test('a recorded run has no standard input, and prints once', (t) => {
    const recorded = ['--data', `${scratch(t)}/data`, '--key', 'k', 'run'];
    assert.equal(run(program, [...recorded, '--cat'], { input: 'text' }).status, 3);
    const other = [...recorded.slice(0, 2), '--worker', 'x', ...recorded.slice(2)];
    assert.deepEqual(run(program, other), { status: 0, signal: null, stdout: 'Hello, world!\n', stderr: '' });
    assert.deepEqual(run(program, other), { status: 0, signal: null, stdout: '', stderr: '' });
});

test('closed standard streams are no crash', () => {
    const { stdout } = run('bash', ['-c', '"$0" run --cat <&- >&- 2>&-; echo $?', program]);
    assert.ok([0, 1].includes(Number(stdout)), stdout);
});

test('a full output device is the guest\'s to notice, and no crash', () => {
    const { stdout, stderr } = run('bash', ['-c', '"$0" run > /dev/full; echo $?', program]);
    assert.ok(['0\n', '1\n'].includes(stdout), `${stdout}${stderr}`);
});

test('a recorded run is refused the directories of the host', (t) => {
    const folder = scratch(t);
    const { status, stderr } = run(program, ['--data', `${folder}/data`, '--dir', `${folder}::/`, 'run']);
    assert.equal(status, 2, stderr);
    assert.match(stderr, /--dir/);
    assert.ok(!existsSync(`${folder}/data`), 'nothing is made');
});

test('a fault of our own ends with 70', () => {
    const { stdout } = run('bash', ['-c', '"$0" --ephemeral invoke --stdin < <(sleep 5) & sleep 1; kill -ABRT $!; wait $!; echo $?', executable('counter')]);
    assert.equal(stdout, '70\n');
});

test('what has no wasi:cli/run cannot be run, and says so', (t) => {
    for (const [file, args] of [[executable('counter'), ['run']], [golemAot, ['run', guest('counter')]], [golemAot, ['run', executable('counter')]]]) {
        const { status, stdout, stderr } = run(file, args);
        assert.deepEqual([status, stdout], [1, '']);
        assert.match(stderr, /does not export wasi:cli\/run\n$/);
    }
    const cache = scratch(t); // before anything is compiled
    assert.equal(run(golemAot, ['run', guest('counter')], { env: { ...process.env, XDG_CACHE_HOME: cache } }).status, 1);
    assert.deepEqual(readdirSync(join(cache, 'golem-aot/objects')), []);
});

test('what is neither a component nor an executable of golem-aot\'s is not run', (t) => {
    const folder = scratch(t), text = join(folder, 'text'), core = join(folder, 'core.wasm'), cut = join(folder, 'cut');
    writeFileSync(text, '#!/bin/sh\necho no\n', { mode: 0o755 });
    writeFileSync(core, Buffer.from('\0asm\x01\0\0\0', 'latin1'));
    writeFileSync(cut, readFileSync(program).subarray(0, 100_000), { mode: 0o755 });
    for (const [file, message] of [[text, /neither/], [cut, /neither/], ['/bin/true', /neither/], [folder, /neither/], [core, /a core module/],
        [join(folder, 'nothing'), /cannot open the file: No such file/]]) {
        const { status, stdout, stderr } = run(golemAot, ['run', file]);
        assert.deepEqual([status, stdout], [1, ''], file);
        assert.match(stderr, message);
        assert.ok(stderr.startsWith(`${file}:`) && stderr.indexOf('\n') === stderr.length - 1, stderr);
    }
});

test('the exit code is what run returns or the guest exits with, and 3 for a trap', async (t) => {
    const folder = scratch(t), input = join(folder, 'x.wasm');
    const { parse } = await import('@bytecodealliance/jco-transpile/wasm-tools');
    for (const [body, code, message] of [['i32.const 0', 0, /^$/], ['i32.const 1', 1, /^$/], ['(call $exit (i32.const 42)) i32.const 0', 42, /^$/],
        ['(call $exit (i32.const 0)) unreachable', 0, /^$/], ['(call $exit (i32.const 255)) unreachable', 255, /^$/], ['unreachable', 3, /^trap: unreachable/]]) {
        writeFileSync(input, await parse(`(component
          (import "wasi:cli/exit@0.2.3" (instance $exit (export "exit-with-code" (func (param "status-code" u8)))))
          (core func $exit (canon lower (func $exit "exit-with-code")))
          (core module $m (import "host" "exit" (func $exit (param i32))) (func (export "run") (result i32) ${body}))
          (core instance $i (instantiate $m (with "host" (instance (export "exit" (func $exit))))))
          (func $run (result (result)) (canon lift (core func $i "run")))
          (instance $run (export "run" (func $run)))
          (export "wasi:cli/run@0.2.3" (instance $run)))`));
        const { status, signal, stdout, stderr } = run(golemAot, ['run', input]);
        assert.deepEqual([status ?? signal, stdout], [code, ''], body);
        assert.match(stderr, message);
    }
});

// --- golem-aot run's cache ---

const settle = () => new Promise((tell) => setTimeout(tell, 3100));

/** A copy of the command that says something else: the same size, the same time. */
function changed(path) {
    const { atime, mtime } = statSync(path), bytes = readFileSync(path), at = bytes.indexOf('Hello, %s');
    bytes.write(bytes[at] === 72 ? 'Salve' : 'Hello', at);
    writeFileSync(path, bytes);
    utimesSync(path, atime, mtime);
}

test('golem-aot run: what has not changed is not read again, and any change is seen', async (t) => {
    const folder = scratch(t), path = join(folder, 'x.wasm'), env = { ...process.env, XDG_CACHE_HOME: join(folder, 'cache') };
    const kept = (kind) => readdirSync(join(folder, 'cache/golem-aot', kind));
    const builds = () => statSync(join(folder, 'cache/golem-aot/tmp')).mtimeMs; // each works in a folder there
    const say = (text) => assert.deepEqual(run(golemAot, ['run', path], { env }), { status: 0, signal: null, stdout: `${text}, world!\n`, stderr: '' });
    copyFileSync(guest('hello'), path);
    utimesSync(path, new Date(), new Date()); // which also is a change
    say('Hello');
    await settle();
    say('Hello');
    assert.equal(kept('known').length, 1);
    const before = builds();
    say('Hello');
    assert.equal(builds(), before, 'the short way');
    changed(path);
    say('Salve');
    await settle();
    say('Salve');
    assert.equal(kept('known').length, 1);
    const after = builds();
    say('Salve');
    assert.equal(builds(), after);
    for (const name of kept('executables')) rmSync(join(folder, 'cache/golem-aot/executables', name));
    say('Salve');
    for (const damage of ['', 'x', '\n\n', '0 0 0 0.0 0.0 /bin/echo\n', 'a b c\n']) {
        for (const name of kept('known')) writeFileSync(join(folder, 'cache/golem-aot/known', name), damage);
        say('Salve');
    }
    assert.deepEqual(kept('tmp'), []);
});

test('golem-aot run: the same component under two names is two commands, each of its own name', (t) => {
    const folder = scratch(t), env = { ...process.env, XDG_CACHE_HOME: join(folder, 'cache') };
    for (const name of ['one.wasm', 'two.wasm']) {
        symlinkSync(guest('hello'), join(folder, name));
        assert.equal(run(golemAot, ['run', join(folder, name)], { env }).stdout, 'Hello, world!\n');
    }
    const executables = readdirSync(join(folder, 'cache/golem-aot/executables')).filter((name) => name.length === 64);
    const names = executables.map((name) => run(join(folder, 'cache/golem-aot/executables', name), ['--help']).stdout.match(/executable: (\w+)/)[1]);
    assert.deepEqual(names.sort(), ['one', 'two']);
});

test('golem-aot run: many at once with an empty cache', async (t) => {
    const folder = scratch(t), env = { ...process.env, XDG_CACHE_HOME: join(folder, 'cache') };
    const ends = await Promise.all(Array.from({ length: 4 }, (_, i) => new Promise((tell) => {
        const child = spawn(golemAot, ['run', guest('hello'), `${i}`], { env, stdio: ['ignore', 'pipe', 'pipe'] });
        let stdout = '', stderr = '';
        child.stdout.on('data', (text) => (stdout += text));
        child.stderr.on('data', (text) => (stderr += text));
        child.on('close', (status) => tell({ status, stdout, stderr }));
    })));
    ends.forEach((end, i) => assert.deepEqual(end, { status: 0, stdout: `Hello, world!\nargument 1: ${i}\n`, stderr: '' }));
    assert.deepEqual(readdirSync(join(folder, 'cache/golem-aot/tmp')), []);
});

test('golem-aot run: without a cache directory it works all the same', (t) => {
    const folder = scratch(t), env = { ...process.env, XDG_CACHE_HOME: '/proc/nowhere', TMPDIR: folder };
    assert.deepEqual(run(golemAot, ['run', guest('hello')], { env }), { status: 0, signal: null, stdout: 'Hello, world!\n', stderr: '' });
    assert.deepEqual(readdirSync(folder), [], 'nothing is left');
});

test('golem-aot run: directories are the guest\'s, under the names given', (t) => {
    const folder = scratch(t);
    for (const name of ['a', 'b']) mkdirSync(join(folder, name));
    for (const file of [guest('disk'), executable('disk')]) {
        writeFileSync(join(folder, 'a/in'), 'text');
        const done = run(golemAot, ['run', '--dir', `${folder}/a::/x`, '--dir', `${folder}/b::/y z`, file, 'read /x/in', 'write /x/out more', 'list /x']);
        assert.deepEqual(done, { status: 0, signal: null, stdout: 'text\ndone\nin out \n', stderr: '' });
        assert.equal(readFileSync(join(folder, 'a/out'), 'utf8'), 'more');
        rmSync(join(folder, 'a/out'));
        const { status, stdout, stderr } = run(golemAot, ['run', '--dir', `${folder}/nowhere::/d`, file]);
        assert.deepEqual([status, stdout], [1, '']);
        assert.match(stderr, /nowhere: No such file or directory/);
    }
});

test('inspect gives the world as WIT, of a component and of its executable alike', () => {
    const text = run(golemAot, ['inspect', guest('counter')]);
    assert.equal(text.status, 0, text.stderr);
    assert.match(text.stdout, /export demo:counter\/api@1\.0\.0/);
    assert.match(text.stdout, /inc-by: func\(value: u64\)/);
    const imports = run(golemAot, ['inspect', guest('workflow')]).stdout;
    assert.match(imports, /import golem:api\/host@1\.1\.5/);
    assert.equal(run(golemAot, ['inspect', executable('counter')]).stdout, text.stdout);
});
