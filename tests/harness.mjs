// What end-to-end and crash tests share: where things are, how programs are built, run, and killed.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const top = resolve(dirname(fileURLToPath(import.meta.url)), '..');
export const build = resolve(top, process.env.BUILD ?? 'build');
export const golemAot = join(build, 'bin/golem-aot');

/** The component of a guest in tests/guests, built before by `make guests`. */
export function guest(name) {
    const path = join(build, 'guests', `${name}.wasm`);
    if (!existsSync(path)) throw new Error(`${path} is missing: run make guests`);
    return path;
}

/** The executable of a guest, built with these options; built when it is older than what it is made of. */
export function executable(name, ...options) {
    const source = guest(name);
    const path = join(build, 'exe', name + options.join(''));
    const inputs = [source, golemAot, join(build, 'lib/golem-aot/libgolemrt.a')];
    const newest = Math.max(...inputs.map((input) => statSync(input).mtimeMs));
    if (!existsSync(path) || statSync(path).mtimeMs < newest) {
        mkdirSync(dirname(path), { recursive: true });
        const done = run(golemAot, ['build', source, '-o', path, ...options], { timeout: 1_400_000 }); // a JavaScript engine takes long
        if (done.status !== 0) throw new Error(`build of ${name} ended with ${done.status}: ${done.stderr}`);
    }
    return path;
}

/** Runs a program to its end. */
export function run(program, args, options = {}) {
    const done = spawnSync(program, args, { encoding: 'utf8', timeout: 120_000, maxBuffer: 1 << 28, ...options });
    if (done.error && done.error.code !== 'EPIPE') throw done.error; // it need not read all its input
    return { status: done.status, signal: done.signal, stdout: done.stdout, stderr: done.stderr };
}

/** Runs a program and fails loudly unless it ends with 0; its standard output without the last line end. */
export function must(program, args, options = {}) {
    const done = run(program, args, options);
    if (done.status !== 0)
        throw new Error(`${program} ${args.join(' ')} ended with ${done.signal ?? done.status}: ${done.stdout}${done.stderr}`);
    return done.stdout.replace(/\n$/, '');
}

/** A folder that goes away with the test. */
export function scratch(test) {
    const folder = mkdtempSync(join(tmpdir(), 'golem-aot-test-'));
    test.after(() => rmSync(folder, { recursive: true, force: true }));
    return folder;
}

/** A small generator of chance: the same seed gives the same numbers. */
export function chance(seed) {
    let state = BigInt(seed) * 0x9e3779b97f4a7c15n & 0xffffffffffffffffn | 1n;
    return () => {
        state ^= state << 13n & 0xffffffffffffffffn;
        state ^= state >> 7n;
        state ^= state << 17n & 0xffffffffffffffffn;
        return Number(state >> 11n) / 2 ** 53;
    };
}

const still = new Int32Array(new SharedArrayBuffer(4));

/**
 * Starts a program and kills it with SIGKILL after so many milliseconds (fractions count) unless it ends before.
 * Its output goes through a file, so that what it said before the kill is there.
 */
export function runAndKill(program, args, milliseconds, { folder, env } = {}) {
    const outputPath = join(folder, 'output'), errorPath = join(folder, 'errors');
    const output = openSync(outputPath, 'w'), errors = openSync(errorPath, 'w');
    const child = spawn(program, args, { stdio: ['ignore', output, errors], env });
    const ended = new Promise((tell) => child.on('exit', (status, signal) => tell({ status, signal })));
    Atomics.wait(still, 0, 0, milliseconds);
    child.kill('SIGKILL');
    return ended.then(({ status, signal }) => {
        closeSync(output);
        closeSync(errors);
        return { status, signal, stdout: readFileSync(outputPath, 'utf8'), stderr: readFileSync(errorPath, 'utf8') };
    });
}

/** A running `invoke --stdin`: a call a line, and one answer line for each. */
export class Session {
    constructor(program, args, options = {}) {
        this.child = spawn(program, [...args, 'invoke', '--stdin'], { stdio: ['pipe', 'pipe', 'pipe'], ...options });
        this.child.stdin.on('error', () => {}); // it may have ended; what it said before is still to be read
        this.lines = createInterface({ input: this.child.stdout, crlfDelay: Infinity })[Symbol.asyncIterator]();
        this.stderr = '';
        this.child.stderr?.setEncoding('utf8').on('data', (text) => (this.stderr += text));
        this.closed = new Promise((tell) => this.child.on('close', (status, signal) => tell({ status, signal })));
    }
    /** The answer line, whatever it is. */
    async ask(line) {
        this.child.stdin.write(`${line}\n`);
        const { value, done } = await this.lines.next();
        if (!done) return value;
        const { status, signal } = await this.closed;
        throw new Error(`${line.slice(0, 200)}: ended with ${signal ?? status} instead of an answer: ${this.stderr}`);
    }
    /** The result. */
    async call(line) {
        const answer = await this.ask(line);
        if (/^(trap|error):/.test(answer)) throw new Error(`${line.slice(0, 200)}: ${answer}`);
        return answer;
    }
    /** Nothing more is asked; how it ended. */
    async end() {
        this.child.stdin.end();
        return { ...(await this.closed), stderr: this.stderr };
    }
    async kill() {
        this.child.kill('SIGKILL');
        await this.closed;
    }
}

/** A worker of an executable in a data directory. */
export class Worker {
    constructor(program, data, name = 'w', env = process.env) {
        Object.assign(this, { program, data, name, env });
    }
    args(...rest) {
        return ['--data', this.data, '--worker', this.name, ...rest];
    }
    invokeArgs(key, fn, ...values) {
        return this.args('--key', key, 'invoke', fn, ...values);
    }
    /** Runs a verb to its end, however it ends. */
    run(...rest) {
        return run(this.program, this.args(...rest), { env: this.env });
    }
    /** A session that ends with the test, at the latest. */
    session(test) {
        const session = new Session(this.program, this.args(), { env: this.env });
        test.after(() => session.kill());
        return session;
    }
    invoke(key, fn, ...values) {
        return must(this.program, this.invokeArgs(key, fn, ...values), { env: this.env });
    }
    verify() {
        return must(this.program, this.args('verify'), { env: this.env });
    }
    /** [{oplogIndex, entry: {type, ...}}], hints left out unless asked for. */
    oplog({ hints = false } = {}) {
        const hint = new Set(['Suspend', 'Error', 'Interrupted', 'Exited', 'PendingWorkerInvocation', 'GrowMemory', 'CreateResource',
            'DropResource', 'DescribeResource', 'Log', 'Restart']);
        return must(this.program, this.args('oplog', '--json'), { env: this.env }).split('\n').filter(Boolean)
            .map((line) => JSON.parse(line)).filter(({ entry }) => hints || !hint.has(entry.type));
    }
}

/** What must be equal between a run that was killed and one that was not: kinds and names, not the recorded values. */
export function shape(oplog) {
    return oplog.map(({ oplogIndex, entry }) => `${oplogIndex} ${entry.type} ${entry.functionName ?? ''} ${entry.idempotencyKey ?? ''}`);
}
