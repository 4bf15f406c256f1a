// The measurements. Prints a table and machine-readable lines
//
//   bench: <name> <value> <unit> [<ratio to its baseline>]
//
// whose names stay stable. Everything is measured in one run together with its own baseline; machines are noisy, so medians are given.
//
//   node bench/bench.mjs [--once] [GROUP...]     --once: one small iteration of each, so that none of it can rot

import { execFile, spawn } from 'node:child_process';
import events from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { golemAot, guest, must, Session, top, Worker } from '../tests/harness.mjs';
import { makeCertificates } from '../tests/net/certificates.mjs';
import { startNginx } from '../tests/net/nginx.mjs';

const words = process.argv.slice(2);
const once = words.includes('--once');
const wanted = words.filter((word) => !word.startsWith('--'));
const repeats = once ? 1 : 7;
const scratch = mkdtempSync(join(tmpdir(), 'golem-aot-bench-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

const results = [];
function report(name, value, unit, ratio) {
    const digits = (number) => (number === 0 ? '0' : number >= 1000 ? number.toFixed(0) : number.toPrecision(3));
    results.push({ name, value: digits(value), unit, ratio: ratio === undefined ? '' : ratio.toFixed(2) });
    console.log(`bench: ${name} ${digits(value)} ${unit}${ratio === undefined ? '' : ` ${ratio.toFixed(2)}`}`);
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
const geometricMean = (numbers) => Math.exp(numbers.reduce((sum, number) => sum + Math.log(number), 0) / numbers.length);

/** Milliseconds that something takes, several times. */
function times(count, action) {
    return Array.from({ length: count }, () => {
        const start = performance.now();
        action();
        return performance.now() - start;
    });
}

/** An executable of a component of the benchmarks or the tests. */
function executable(component, name) {
    const path = join(scratch, name);
    must(golemAot, ['build', component, '-o', path]);
    return path;
}

/** A session that measures. */
class TimedSession extends Session {
    /** One call: its answer, and how many milliseconds it took. */
    async timed(line) {
        const cpu = this.cpuMilliseconds(), start = performance.now();
        const answer = await this.call(line);
        return { answer, milliseconds: performance.now() - start, cpuMilliseconds: this.cpuMilliseconds() - cpu };
    }
    /** Processor time of its process so far: what else runs on the machine does not count. */
    cpuMilliseconds() {
        return Number(readFileSync(`/proc/${this.child.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
    }
    async time(line) {
        return (await this.timed(line)).milliseconds;
    }
}

const groups = {
    /** CPU kernels: the same source as wasm, with and without SIMD, against cc -O2; processor time of each. */
    async kernels() {
        const folder = join(top, 'tests/guests/kernels');
        const names = ['fib', 'gemm', 'jacobi', 'json', 'lz', 'qsort', 'sha256', 'vm'];
        const sources = names.map((name) => join(folder, `${name}.c`));
        const native = join(scratch, 'native');
        must(process.env.CC ?? 'cc', ['-O2', '-o', native, join(folder, 'native.c'), ...sources, '-lm']);
        const sizes = new Map(must(native, []).split('\n').map((line) => line.split(' ')));
        const variants = {};
        for (const [variant, flags] of [['wasm', []], ['simd', ['-msimd128']]]) {
            const component = join(scratch, `kernels-${variant}.wasm`);
            must(process.execPath, [join(top, 'tests/guests/build.mjs'), join(folder, 'kernels.wit'), join(folder, 'exports.c'), ...sources,
                component, `-I${join(top, 'tests/guests')}`, ...flags]);
            variants[variant] = executable(component, `kernels-${variant}`);
        }
        const ratios = { wasm: [], simd: [] };
        for (const name of names) {
            const size = once ? 2 : sizes.get(name);
            const milliseconds = { native: [], wasm: [], simd: [] };
            const sessions = Object.fromEntries(Object.entries(variants).map(([variant, program]) => [variant, new TimedSession(program, ['--ephemeral'])]));
            const digests = new Set();
            for (let i = 0; i < repeats; i++) { // in turn, so that a slow moment hits all
                const [digest, microseconds] = must(native, [name, String(size)]).split(' ');
                milliseconds.native.push(Number(microseconds) / 1000);
                digests.add(digest);
                for (const variant of ['wasm', 'simd']) {
                    const timed = await sessions[variant].timed(`demo:kernels/api@1.0.0.{${name}}(${size})`);
                    milliseconds[variant].push(timed.cpuMilliseconds);
                    digests.add(timed.answer);
                }
            }
            if (digests.size !== 1) throw new Error(`${name}: digests differ`);
            const baseline = median(milliseconds.native);
            report(`kernel-${name}-native`, baseline, 'ms');
            for (const variant of ['wasm', 'simd']) {
                const ratio = median(milliseconds[variant]) / baseline;
                ratios[variant].push(ratio);
                report(`kernel-${name}-${variant}`, median(milliseconds[variant]), 'ms', ratio);
                await sessions[variant].end();
            }
        }
        for (const variant of ['wasm', 'simd']) report(`kernels-${variant}-geomean`, geometricMean(ratios[variant]), 'x');
    },

    /** Calls out of the guest, and into it. */
    async calls() {
        const program = executable(await callsComponent(), 'calls');
        const data = join(scratch, 'calls-data');
        const api = 'bench:calls/api@1.0.0.';
        const many = once ? 1000 : 2_000_000;
        for (const [mode, args] of [['ephemeral', ['--ephemeral']], ['durable', ['--data', data, '--worker', 'w']]]) {
            const session = new TimedSession(program, args);
            await session.call(`${api}{loop-unrecorded}(1)`);
            const cost = { empty: [], unrecorded: [], recorded: [], 'recorded-list': [] };
            for (let i = 0; i < repeats; i++)
                for (const kind of Object.keys(cost)) cost[kind].push(await session.time(`${api}{loop-${kind}}(${many})`));
            const nanoseconds = (kind) => Math.max(0, (median(cost[kind]) - median(cost.empty)) / many * 1e6);
            report(`host-call-unrecorded-${mode}`, nanoseconds('unrecorded'), 'ns');
            report(`host-call-recorded-${mode}`, nanoseconds('recorded'), 'ns', nanoseconds('recorded') / nanoseconds('unrecorded'));
            report(`host-call-recorded-list-${mode}`, nanoseconds('recorded-list'), 'ns', nanoseconds('recorded-list') / nanoseconds('unrecorded'));
            const round = once ? 10 : 500;
            const text = 'x'.repeat(1024);
            for (const [name, line] of [['add', `${api}{add}(1, 2)`], ['string-1k', `${api}{echo-string}("${text}")`]]) {
                const each = [];
                for (let i = 0; i < round; i++) each.push(await session.time(line));
                report(`invoke-${name}-${mode}`, median(each) * 1000, 'us');
            }
            await session.end();
        }
        // Replay: all of it again, from the first entry.
        const worker = new Worker(program, data);
        const entries = Number(JSON.parse(must(program, worker.args('oplog', '--json', '--last', '1'))).oplogIndex);
        const verify = times(once ? 1 : 3, () => worker.verify());
        report('replay', entries / (median(verify) / 1000), 'entries/s');
    },

    /** Calls from component to component, against calls from module to module that copy as many bytes within one memory. */
    async components() {
        const component = join(scratch, 'components.wasm');
        writeFileSync(component, await parse(readFileSync(join(top, 'bench/components.wat'), 'utf8')));
        const session = new TimedSession(executable(component, 'components'), ['--ephemeral']);
        for (const [name, f, many] of [['u32', 'number', 20_000_000], ['string-1k', 'string', 1_000_000], ['records-1000', 'records', 2000]]) {
            const n = once ? 10 : many;
            const cost = { own: [], other: [] };
            await session.call(`${f}(10)`);
            for (let i = 0; i < repeats; i++) {
                cost.own.push(await session.time(`own-${f}(${n})`));
                cost.other.push(await session.time(`${f}(${n})`));
            }
            report(`component-call-${name}`, median(cost.other) / n * 1e6, 'ns', median(cost.other) / median(cost.own));
        }
        await session.end();
    },

    /** From nothing to the first result; from a checkpoint to the first result. */
    async start() {
        const program = executable(await callsComponent(), 'start');
        const api = 'bench:calls/api@1.0.0.';
        const round = once ? 2 : 41;
        const trivial = median(times(round, () => must('/bin/true', [])));
        report('start-native-true', trivial, 'ms');
        const first = median(times(round, () => must(program, ['--ephemeral', 'invoke', `${api}{add}`, '1', '2'])));
        report('start-to-first-result-ephemeral', first, 'ms', first / trivial);
        let number = 0;
        const durable = median(times(round, () => must(program, ['--data', join(scratch, 'start-data'), '--worker', `w${number++}`, 'invoke', `${api}{add}`, '1', '2'])));
        report('start-to-first-result-durable', durable, 'ms', durable / trivial);
        for (const mib of once ? [1] : [1, 64, 512]) {
            const worker = new Worker(program, join(scratch, `restore-${mib}`));
            worker.invoke('fill', `${api}{fill}`, String(mib));
            must(program, worker.args('checkpoint'));
            const restores = [];
            const whole = times(once ? 2 : 15, () => restores.push(JSON.parse(must(program, worker.args('info', '--restore', '--format', 'json'))).restoreNanoseconds));
            report(`restore-${mib}-mib`, median(restores) / 1e6, 'ms');
            report(`restore-${mib}-mib-whole-process`, median(whole), 'ms', median(whole) / trivial);
        }
    },

    /** A trivial command, start to end, against the same source as a native program: as an executable, and from the cache. */
    async command() {
        const starter = join(scratch, 'starter'), native = join(scratch, 'hello-native'), cc = process.env.CC ?? 'cc';
        must(cc, ['-O2', '-o', starter, join(top, 'bench/start.c')]);
        must(cc, ['-O2', '-o', native, join(top, 'tests/guests/hello.c')]);
        const commands = {
            'native-hello': [native],
            'command-executable': [executable(guest('hello'), 'hello'), 'run'],
            'command-golem-aot-run': [golemAot, 'run', guest('hello')],
        };
        if (!once) await pause(3000); // what is noted has not changed for a while
        for (let i = 0; i < 2; i++) must(golemAot, ['run', guest('hello')]);
        const args = Object.values(commands).flatMap((command) => ['--', ...command]).slice(1);
        const microseconds = must(starter, [once ? '2' : '1001', ...args]).split('\n').map(Number);
        Object.keys(commands).forEach((name, i) => report(`start-${name}`, microseconds[i], 'us', i ? microseconds[i] / microseconds[0] : undefined));
    },

    /** Files: the same calls by a guest in a directory it is given, and by a native program. */
    async files() {
        const native = join(scratch, 'files-native'), component = join(scratch, 'files.wasm'), folder = join(scratch, 'files');
        mkdirSync(folder);
        must(process.env.CC ?? 'cc', ['-O2', '-o', native, join(top, 'bench/files.c')]);
        must(process.execPath, [join(top, 'tests/guests/build.mjs'), join(top, 'bench/files.wit'), join(top, 'bench/files.c'), component, '-O2']);
        const commands = { native: [native], guest: [executable(component, 'files-guest'), '--dir', `${folder}::/`, 'run'] };
        const all = { native: {}, guest: {} };
        for (let i = 0; i < repeats; i++)
            for (const [who, [program, ...args]] of Object.entries(commands))
                for (const line of must(program, [...args, once ? '1' : '50'], { cwd: folder }).split('\n')) {
                    const [name, nanoseconds] = line.split(' ');
                    (all[who][name] ??= []).push(Number(nanoseconds));
                }
        for (const name of Object.keys(all.native)) {
            const [own, other] = [median(all.native[name]), median(all.guest[name])];
            report(`file-${name}-native`, own / 1000, 'us');
            report(`file-${name}`, other / 1000, 'us', other / own);
        }
    },

    /** Requests one after the other over one connection to nginx, against a loop of libcurl's own. */
    async http() {
        const folder = join(scratch, 'nginx');
        mkdirSync(folder);
        const nginx = await startNginx(folder, makeCertificates(folder), { files: { hello: 'hello' } });
        const url = `http://${nginx.plain}/hello`, count = once ? 10 : 1000;
        const loop = join(scratch, 'http_loop');
        must(process.env.CC ?? 'cc', ['-O2', '-o', loop, join(top, 'bench/http_loop.c'), '-lcurl']);
        const program = executable(guest('http'), 'http');
        const sessions = { ephemeral: new TimedSession(program, ['--ephemeral']), durable: new TimedSession(program, ['--data', join(scratch, 'http-data')]) };
        const milliseconds = { native: [], ephemeral: [], durable: [] };
        for (const session of Object.values(sessions)) await session.call(`demo:http/api@1.0.0.{fetch-all}("${url}", 1)`);
        for (let i = 0; i < (once ? 1 : 3); i++) {
            milliseconds.native.push(Number(must(loop, [url, String(count)])));
            for (const [mode, session] of Object.entries(sessions))
                milliseconds[mode].push(await session.time(`demo:http/api@1.0.0.{fetch-all}("${url}", ${count})`));
        }
        for (const [mode, each] of Object.entries(milliseconds))
            report(`http-request-${mode}`, median(each) / count * 1000, 'us', mode === 'native' ? undefined : median(each) / median(milliseconds.native));
        for (const session of Object.values(sessions)) await session.end();
        await nginx.stop();
    },

    /** A handler that answers 1,000 bytes, against nginx with a file of them: wrk, one connection and 32. */
    async handler() {
        const size = 1000, counts = once ? [8] : [1, 32];
        const servers = { nginx: await startFileServer('b'.repeat(size)), handler: await startHandler(executable(guest('handler'), 'handler'), `/sized?${size}`) };
        for (const connections of counts) {
            const seen = Object.fromEntries(Object.keys(servers).map((name) => [name, []]));
            for (let i = 0; i < (once ? 1 : 3); i++)
                for (const [name, server] of Object.entries(servers)) seen[name].push(await wrk(server.url, connections));
            for (const [name, each] of Object.entries(seen)) {
                const of = (what, from = each) => median(from.map((one) => one[what])), ratio = (what) => (name === 'nginx' ? undefined : of(what) / of(what, seen.nginx));
                report(`handler-${connections}-requests-${name}`, of('requests'), '/s', ratio('requests'));
                report(`handler-${connections}-median-${name}`, of('median'), 'us', ratio('median'));
            }
        }
        for (const server of Object.values(servers)) await server.stop();
    },

    /** What a build costs, cold and from the cache. */
    async build() {
        const component = guest('cart');
        const kilobytes = statSync(component).size / 1024;
        const output = join(scratch, 'built');
        const cold = [], warm = [];
        for (let i = 0; i < (once ? 1 : 3); i++) {
            const env = { ...process.env, XDG_CACHE_HOME: join(scratch, `cache-${i}`), GOLEM_AOT_WASM2C: wasm2c() };
            cold.push(...times(1, () => must(golemAot, ['build', component, '-o', output], { env })));
            warm.push(...times(1, () => must(golemAot, ['build', component, '-o', output], { env })));
        }
        report('build-component-size', kilobytes, 'KiB');
        report('build-cold', median(cold) / 1000, 's');
        report('build-warm', median(warm) / 1000, 's', median(warm) / median(cold));
        if (!once) buildLarge();
    },

    /** A component of 12 MB, most of it SpiderMonkey. With --once: only if `make test-js` made the executable. */
    async javascript() {
        const env = { ...process.env, XDG_CACHE_HOME: join(scratch, 'cache-javascript'), GOLEM_AOT_WASM2C: wasm2c() };
        let program = join(top, process.env.BUILD ?? 'build', 'exe/tally-js');
        if (once && !existsSync(program)) return;
        if (!once) {
            program = join(scratch, 'javascript');
            const cold = buildTimed(guest('tally-js'), program, env);
            report('javascript-build-cold', cold.milliseconds / 1000, 's');
            const sources = join(scratch, 'tally'), changed = join(scratch, 'changed.wasm'), script = join(sources, 'tally.js');
            cpSync(join(top, 'tests/guests/tally'), sources, { recursive: true });
            writeFileSync(script, readFileSync(script, 'utf8').replace('`${title}: ', '`The ${title}: '));
            const componentize = times(1, () => must(process.execPath, [join(top, 'tests/guests/tally/build.mjs'), 'js', changed, sources]));
            report('javascript-componentize', componentize[0] / 1000, 's');
            const rebuilt = buildTimed(changed, program, env);
            report('javascript-build-changed-script', rebuilt.milliseconds / 1000, 's', rebuilt.milliseconds / cold.milliseconds);
            report('javascript-executable-size', statSync(program).size / 1048576, 'MiB');
        }
        const api = 'demo:tally/api@1.0.0.';
        const round = once ? 2 : 21;
        const trivial = median(times(round, () => must('/bin/true', [])));
        const first = median(times(round, () => must(program, ['--ephemeral', 'invoke', `${api}{turn}`, '[1, 2, 3]'])));
        report('javascript-start-to-first-result-ephemeral', first, 'ms', first / trivial);
        let number = 0;
        const durable = median(times(round, () => must(program, ['--data', join(scratch, 'javascript-data'), '--worker', `w${number++}`, 'invoke', `${api}{turn}`, '[1, 2, 3]'])));
        report('javascript-start-to-first-result-durable', durable, 'ms', durable / trivial);
        for (const [mode, args] of [['ephemeral', ['--ephemeral']], ['durable', ['--data', join(scratch, 'javascript-data'), '--worker', 'calls']]]) {
            const session = new TimedSession(program, args);
            await session.call(`${api}{turn}([1, 2, 3])`);
            report(`javascript-memory-${mode}`, residentKilobytes(session) / 1024, 'MiB');
            const each = [];
            for (let i = 0; i < (once ? 10 : 500); i++) each.push(await session.time(`${api}{turn}([1, 2, 3])`));
            report(`javascript-invoke-${mode}`, median(each) * 1000, 'us');
            const steps = once ? 10 : 2000;
            const work = await session.time(`${api}{work}(${steps}, 0)`);
            report(`javascript-random-and-clock-${mode}`, work / steps * 1000, 'us');
            await session.end();
        }
    },
};

/** A server in a process of its own, whose url is there when it answers. */
async function startServer(program, args, url, tell = () => url) {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    process.on('exit', () => child.kill('SIGKILL'));
    const server = { url: await tell(child), async stop() { child.kill('SIGTERM'); await events.once(child, 'exit'); } };
    for (let i = 0; i < 100; i++) {
        if (await fetch(server.url).then((response) => response.ok, () => false)) return server;
        await pause(50);
    }
    throw new Error(`${program} does not serve ${server.url}`);
}

async function startFileServer(text) {
    const folder = join(scratch, 'nginx'), probe = createServer();
    await events.once(probe.listen(0, '127.0.0.1'), 'listening');
    const { port } = probe.address();
    probe.close();
    mkdirSync(join(folder, 'logs'), { recursive: true });
    writeFileSync(join(folder, 'file'), text);
    writeFileSync(join(folder, 'nginx.conf'), `daemon off; user root; worker_processes auto; error_log ${folder}/errors; pid ${folder}/pid; events { worker_connections 1024; }
http { access_log off; keepalive_requests 1000000000; sendfile on; tcp_nopush on; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi; server { listen 127.0.0.1:${port}; root ${folder}; } }\n`);
    return startServer('/usr/sbin/nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], `http://127.0.0.1:${port}/file`);
}

async function startHandler(program, path) {
    return startServer(program, ['serve', '--listen', '127.0.0.1:0'], undefined,
        async (child) => String((await events.once(child.stdout, 'data'))[0]).match(/http:\S+/)[0] + path);
}

/** Requests a second, and the median of their microseconds. */
async function wrk(url, connections) {
    const { stdout } = await promisify(execFile)('wrk', ['-t1', `-c${connections}`, `-d${once ? 1 : 3}s`, '--latency', url]);
    const [, value, unit] = stdout.match(/50% +([0-9.]+)(us|ms|s)/);
    if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(stdout);
    return { requests: Number(stdout.match(/Requests\/sec: +([0-9.]+)/)[1]), median: Number(value) * { us: 1, ms: 1e3, s: 1e6 }[unit] };
}

/** A build from the command line, whatever it takes: milliseconds, and what it says of itself. */
function buildTimed(component, output, env, ...options) {
    const start = performance.now();
    const json = JSON.parse(must(golemAot, ['build', component, '-o', output, '--format', 'json', ...options], { env, timeout: 3_600_000 }));
    return { milliseconds: performance.now() - start, json };
}

/** 1.6 MB of component, QuickJS: its phases; from the cache of objects after a change of its data; its C. */
function buildLarge() {
    const component = guest('tally-qjs'), changed = join(scratch, 'large.wasm'), output = join(scratch, 'large');
    const env = { ...process.env, XDG_CACHE_HOME: join(scratch, 'cache-large'), GOLEM_AOT_WASM2C: wasm2c() };
    report('build-large-component-size', statSync(component).size / 1024, 'KiB');
    const cold = buildTimed(component, output, env);
    report('build-large-cold', cold.milliseconds / 1000, 's');
    for (const [phase, milliseconds] of Object.entries(cold.json.milliseconds)) report(`build-large-cold-${phase}`, milliseconds, 'ms');
    const warm = buildTimed(component, output, env);
    report('build-large-warm', warm.milliseconds / 1000, 's', warm.milliseconds / cold.milliseconds);
    const bytes = readFileSync(component);
    bytes[bytes.lastIndexOf('items.reduce')] ^= 32; // in the script, which is data
    writeFileSync(changed, bytes);
    const again = buildTimed(changed, output, env);
    report('build-large-changed-data', again.milliseconds / 1000, 's', again.milliseconds / cold.milliseconds);
    const c = join(scratch, 'large-c');
    buildTimed(component, output, env, '--keep-c', c);
    report('build-large-c', readdirSync(c).filter((name) => /\.[ch]$/.test(name)).reduce((sum, name) => sum + statSync(join(c, name)).size, 0) / 1048576, 'MiB');
}

function residentKilobytes(session) {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${session.child.pid}/status`, 'utf8'))[1]);
}

/** wasm2c as golem-aot finds it: a benchmark with an empty cache still uses the one that is installed. */
function wasm2c() {
    if (process.env.GOLEM_AOT_WASM2C) return process.env.GOLEM_AOT_WASM2C;
    const cache = process.env.XDG_CACHE_HOME ?? join(process.env.HOME, '.cache');
    const own = join(cache, 'golem-aot/wasm2c/bin/wasm2c');
    return existsSync(own) ? own : 'wasm2c';
}

let calls;
async function callsComponent() {
    if (!calls) {
        calls = join(scratch, 'calls.wasm');
        must(process.execPath, [join(top, 'tests/guests/build.mjs'), join(top, 'bench/calls.wit'), join(top, 'bench/calls.c'), calls, `-I${join(top, 'tests/guests')}`]);
    }
    return calls;
}

for (const [name, group] of Object.entries(groups)) if (wanted.length === 0 || wanted.includes(name)) await group();

console.log('');
const width = Math.max(...results.map(({ name }) => name.length));
for (const { name, value, unit, ratio } of results) console.log(`${name.padEnd(width)}  ${value.padStart(10)} ${unit.padEnd(10)} ${ratio && `${ratio} x baseline`}`);
