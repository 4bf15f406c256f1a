// A command (wasi:cli/run): stdio, arguments, environment and exit code are its own, through `golem-aot run` and through the executable.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
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

test('what has no wasi:cli/run cannot be run, and says so', () => {
    for (const [file, args] of [[executable('counter'), ['run']], [golemAot, ['run', guest('counter')]], [golemAot, ['run', executable('counter')]]]) {
        const { status, stderr } = run(file, args);
        assert.equal(status, 1, stderr);
        assert.match(stderr, /run/);
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
