// The differential fuzzer: random types, components that echo, digest and make their values, random values through `golem-aot
// build` and `invoke --stdin`, compared with what the canonical ABI demands (types.mjs, image.mjs) and with another
// implementation, wasmtime, if the Python at $WASMTIME_PYTHON (default python3) has it.
//
//   node tests/fuzz/differential.mjs [--seed N] [--values N] [--seconds N] [--groups N] [--rounds N] [--keep DIR]
//                                    [--oracle none|wasmtime] [--hostile N]
//
// --hostile: that many values for each `make` are damaged in the guest's memory. What is due then, a value or a trap, only the oracle
// can tell; which trap it is, is not compared.
//
// One component for each seed, N, N + 1, ...; seeds go through all chains of string encodings. A value is one tuple of arguments
// and the answer to it. Ends with 1 at a difference, after printing seed, type, value and both answers, made smaller where
// smaller values differ as well.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { chance, golemAot, run } from '../harness.mjs';
import { wave } from '../wave.mjs';
import { componentText, functionsOf } from './component.mjs';
import { digest, ENCODINGS, Image } from './image.mjs';
import { casesOf, dice, flatten, fromTree, partsOf, randomType, randomValue, same, typeText, waveText } from './types.mjs';

const oracleProgram = join(dirname(fileURLToPath(import.meta.url)), 'oracle_wasmtime.py');
const python = process.env.WASMTIME_PYTHON ?? 'python3';

/** Every encoding alone, every pair, and a few chains of three. */
export const CHAINS = [...ENCODINGS.map((a) => [a]), ...ENCODINGS.flatMap((a) => ENCODINGS.map((b) => [a, b])),
    ...ENCODINGS.map((a, i) => [a, ENCODINGS[(i + 1) % 3], ENCODINGS[(i + 2) % 3]])];

// --- what is tested ---

function randomGroup(die, named) {
    const before = named.length;
    const types = Array.from({ length: die.odds(5) ? die.from(9, 20) : die.one([1, 1, 1, 2, 3, 5]) }, () => null);
    for (let i = 0; i < types.length; i++) types[i] = randomType(die, types.length > 6 ? die.below(2) : die.below(4), named);
    if (types.flatMap(flatten).length <= 80) return types;
    named.length = before;
    return randomGroup(die, named);
}

/** Everything about the component of a seed. */
export function makeCase(seed, groupCount = 6) {
    const random = chance(seed * 7919 + 1);
    for (let i = 0; i < 20; i++) random(); // the first numbers of near seeds are alike
    const die = dice(random), named = [], encodings = CHAINS[seed % CHAINS.length];
    const groups = Array.from({ length: groupCount }, () => randomGroup(die, named));
    return { seed, die, encodings, functions: functionsOf(groups), text: componentText(groups, named, encodings) };
}

/** A call of a function, with the answer that is due. values: one for each parameter of the group. */
function makeCall(die, encodings, f, values) {
    const whole = f.value.kind === 'tuple' && f.value.items.length > 1 && values.length > 1 ? values : values[0];
    if (f.role === 'make') {
        const image = Image.of(die, encodings[0], f.value, whole);
        return { f, values, args: [image.words(), image.relocations.map(BigInt), BigInt(image.root)], expected: whole };
    }
    const tuple = { kind: 'tuple', items: f.params };
    return { f, values, args: values, expected: f.role === 'echo' ? whole : digest(tuple, values, encodings[0]) };
}

/** A `make` whose image is damaged: bits, addresses, lengths. */
function makeHostile(die, encodings, f, values) {
    const whole = values.length > 1 ? values : values[0], image = Image.of(die, encodings[0], f.value, whole);
    for (let n = die.from(1, 3); n > 0; n--) {
        if (image.relocations.length > 0 && die.odds(2)) {
            const at = die.one(image.relocations) + 4 * die.below(2);
            const change = die.one([1, 1, 2, 4, -1, -2, 8, 0x80000000, 0x7fffffff, 0x10000, 0x20000000, die.below(2 ** 32)]);
            image.bytes.writeUInt32LE((image.bytes.readUInt32LE(at) + change) >>> 0, at);
        } else if (image.size > 0) image.bytes[die.below(image.size)] = die.one([0, 1, 2, 0x80, 0xd8, 0xff, die.below(256)]);
    }
    return { f, values, hostile: true, args: [image.words(), image.relocations.map(BigInt), BigInt(image.root)] };
}

const parameters = (functions, f) => functions.find((g) => g.role === 'echo' && g.value === f.value).params;

function randomCalls(given, rounds) {
    return Array.from({ length: rounds }, () => given.functions.map((f) =>
        makeCall(given.die, given.encodings, f, parameters(given.functions, f).map((type) => randomValue(given.die, type))))).flat();
}

function hostileCalls(given, rounds) {
    return Array.from({ length: rounds }, () => given.functions.filter((f) => f.role === 'make').map((f) =>
        makeHostile(given.die, given.encodings, f, parameters(given.functions, f).map((type) => randomValue(given.die, type))))).flat();
}

const callText = (call, die) => `api.{${call.f.name}}(${call.args.map((value, i) => waveText(call.f.params[i], value, die)).join(', ')})`;

// --- those who answer ---

function read(f, line) {
    if (/^(trap|error):/.test(line)) return { text: line };
    try {
        return { text: line, value: fromTree(f.result, wave(line, { keepNone: true })) };
    } catch (error) {
        return { text: `${line.slice(0, 2000)} (${error.message.slice(0, 200)})` };
    }
}

/** golem-aot's answers, [{ text, value }]. */
function askExecutable(program, calls, die) {
    const input = calls.map((call) => `${callText(call, die)}\n`).join('');
    const { status, signal, stdout, stderr } = run(program, ['--ephemeral', 'invoke', '--stdin'], { input });
    const lines = stdout.split('\n');
    return calls.map((call, i) => (i < lines.length - 1 ? read(call.f, lines[i]) : { text: `no answer (${signal ?? status}): ${stderr.slice(0, 500)}` }));
}

function toJson(type, value) {
    const parts = partsOf(type), cases = casesOf(type);
    if (parts) return value.map((item, i) => toJson(parts[i], item));
    if (cases) return { index: value.index, ...(cases[value.index] ? { payload: toJson(cases[value.index], value.payload) } : {}) };
    if (type.kind === 'list') return value.map((item) => toJson(type.element, item));
    if (['bool', 'char', 'string', 'flags'].includes(type.kind)) return value;
    return Object.is(value, -0) ? '-0' : String(value);
}

function fromJson(type, json) {
    const parts = partsOf(type), cases = casesOf(type);
    if (parts) return json.map((item, i) => fromJson(parts[i], item));
    if (cases) return { index: json.index, payload: cases[json.index] ? fromJson(cases[json.index], json.payload) : undefined };
    if (type.kind === 'list') return json.map((item) => fromJson(type.element, item));
    if (['bool', 'char', 'string', 'flags'].includes(type.kind)) return json;
    return /^f/.test(type.kind) ? Number(json.replace('inf', 'Infinity').replace('nan', 'NaN')) : BigInt(json);
}

function askWasmtime(component, calls, ...mode) {
    const input = calls.map((call) => `${JSON.stringify([call.f.name, call.args.map((value, i) => toJson(call.f.params[i], value))])}\n`).join('');
    const { status, stdout, stderr } = run(python, [oracleProgram, component, ...mode], { input });
    const lines = stdout.split('\n');
    return calls.map((call, i) => {
        if (i >= lines.length - 1) return { text: `no answer (${status}): ${stderr.slice(-500)}` };
        const json = JSON.parse(lines[i]);
        return json?.error ? { text: json.error } : { text: lines[i], value: fromJson(call.f.result, json) };
    });
}

/** null if there is none, with the reason in the report. */
export function findOracle(wanted = 'wasmtime') {
    if (wanted === 'none') return { oracle: null, reason: 'not asked' };
    const done = spawnSync(python, ['-c', 'import importlib.metadata as m, wasmtime.component; print(m.version("wasmtime"))'], { encoding: 'utf8' });
    if (done.status !== 0) return { oracle: null, reason: `${python} has no wasmtime with components (pip install wasmtime)` };
    return { oracle: askWasmtime, reason: `wasmtime ${done.stdout.trim()}` };
}

// --- differences ---

const differs = (answer, call) => !('value' in answer) || !same(answer.value, call.expected);

function* smallerLists(value, shrinkItem) {
    for (const size of new Set([0, value.length >> 1, value.length - 1])) if (size < value.length) yield value.slice(0, size);
    if (value.length > 1) yield value.slice(1);
    for (let i = 0; i < Math.min(value.length, 20); i++)
        for (const item of shrinkItem(value[i], i)) yield value.with?.(i, item) ?? [...value.slice(0, i), item, ...value.slice(i + 1)];
}

function* smaller(type, value) {
    const parts = partsOf(type), cases = casesOf(type);
    if (parts) {
        for (let i = 0; i < parts.length; i++)
            for (const part of smaller(parts[i], value[i])) yield [...value.slice(0, i), part, ...value.slice(i + 1)];
    } else if (cases) {
        if (value.index > 0 && cases[0] === null) yield { index: 0, payload: undefined };
        if (cases[value.index]) for (const payload of smaller(cases[value.index], value.payload)) yield { index: value.index, payload };
    } else if (type.kind === 'list') yield* smallerLists(value, (item) => smaller(type.element, item));
    else if (type.kind === 'string') for (const chars of smallerLists(Array.from(value), () => [])) yield chars.join('');
    else if (typeof value === 'bigint' && value !== 0n) yield* [0n, 1n];
    else if (typeof value === 'number' && value !== 0) yield 0;
    else if (value === true) yield false;
}

/** A call with smaller arguments that still differs. */
function minimise(given, program, call) {
    const types = parameters(given.functions, call.f);
    for (let tries = 0; tries < 300;) {
        let better = null;
        for (const values of smaller({ kind: 'tuple', items: types }, call.values)) {
            if (++tries > 300) break;
            const candidate = makeCall(given.die, given.encodings, call.f, values);
            if (differs(askExecutable(program, [candidate])[0], candidate)) {
                better = candidate;
                break;
            }
        }
        if (!better) break;
        call = better;
    }
    return call;
}

const show = (type, value) => waveText(type, value).slice(0, 3000);

function describe(given, who, call, answer) {
    return [`DIFFERENCE: ${who}, seed ${given.seed}, string encodings ${given.encodings.join(' <- ')}, ${call.f.name}`,
        `  types     ${parameters(given.functions, call.f).map(typeText).join(', ')}`,
        `  values    ${call.values.map((value, i) => show(parameters(given.functions, call.f)[i], value)).join(', ')}`,
        `  call      ${callText(call).slice(0, 3000)}`,
        `  expected  ${show(call.f.result, call.expected)}`,
        `  answered  ${answer.text.slice(0, 3000)}`].join('\n');
}

function firstDifference(given, program, calls, answers, oracleAnswers) {
    const i = calls.findIndex((call, n) => differs(answers[n], call));
    if (i >= 0) {
        const alone = differs(askExecutable(program, [calls[i]])[0], calls[i]);
        const call = alone ? minimise(given, program, calls[i]) : calls[i];
        const answer = alone ? askExecutable(program, [call])[0] : answers[i];
        const oracle = oracleAnswers ? `\n  oracle    ${oracleAnswers[i].text.slice(0, 3000)} (before it was made smaller)` : '';
        return describe(given, alone ? 'golem-aot' : 'golem-aot, not when asked alone', call, answer) + oracle;
    }
    const k = oracleAnswers?.findIndex((answer, n) => differs(answer, calls[n])) ?? -1;
    return k >= 0 ? describe(given, 'the oracle (and golem-aot agrees with what was expected)', calls[k], oracleAnswers[k]) : null;
}

/** Damaged values, each to an instance of its own: both trap, or both give the same value. { traps, difference } */
function askHostile(given, program, component, calls, oracle) {
    if (calls.length === 0) return { traps: 0, difference: null };
    const due = oracle(component, calls, 'fresh'), traps = due.filter((answer) => !('value' in answer)).length;
    for (const [i, call] of calls.entries()) {
        const [answer] = askExecutable(program, [call]), trapped = /^trap: /.test(answer.text);
        if ('value' in due[i] ? 'value' in answer && same(answer.value, due[i].value) : trapped) continue;
        const difference = [`DIFFERENCE: damaged value, seed ${given.seed}, string encodings ${given.encodings.join(' <- ')}, ${call.f.name}`,
            `  types     ${parameters(given.functions, call.f).map(typeText).join(', ')}`, `  call      ${callText(call).slice(0, 3000)}`,
            `  answered  ${answer.text.slice(0, 3000)}`, `  oracle    ${due[i].text.slice(0, 3000)}`].join('\n');
        return { traps, difference };
    }
    return { traps, difference: null };
}

// --- a run ---

/** Tests the component of a seed: { values, difference (text or null) }. */
export async function runSeed(seed, { folder, groups, rounds = 40, oracle = null, keep = null, hostile = 0 }) {
    const given = makeCase(seed, groups), component = join(folder, 'made.wasm'), program = join(folder, 'program');
    writeFileSync(component, await parse(given.text));
    if (keep) {
        mkdirSync(keep, { recursive: true });
        copyFileSync(component, join(keep, `seed-${seed}.wasm`));
        writeFileSync(join(keep, `seed-${seed}.wat`), given.text);
    }
    const built = run(golemAot, ['build', component, '-o', program, '-O0']);
    if (built.status !== 0) return { values: 0, traps: 0, difference: `DIFFERENCE: seed ${seed} is not built (${built.status}): ${built.stderr}` };
    const calls = randomCalls(given, rounds), answers = askExecutable(program, calls, given.die);
    const difference = firstDifference(given, program, calls, answers, oracle?.(component, calls));
    const damaged = hostile && oracle && !difference ? hostileCalls(given, hostile) : [];
    const harm = askHostile(given, program, component, damaged, oracle);
    return { values: calls.length + damaged.length, traps: harm.traps, difference: difference ?? harm.difference };
}

/** Tests seed after seed until there are enough values or the time is over. */
export async function campaign({ seed = 1, values = 10_000, seconds = Infinity, groups = 6, rounds, oracle = null, keep = null, hostile, tell = () => {} }) {
    const folder = mkdtempSync(join(tmpdir(), 'golem-aot-differential-'));
    const until = Date.now() + seconds * 1000, total = { values: 0, traps: 0, components: 0, differences: [] };
    try {
        for (; total.values < values && Date.now() < until; seed++) {
            const done = await runSeed(seed, { folder, groups, rounds, oracle, keep, hostile });
            total.values += done.values;
            total.traps += done.traps;
            total.components++;
            if (done.difference) total.differences.push(done.difference);
            tell(total, seed, done);
        }
    } finally {
        rmSync(folder, { recursive: true, force: true });
    }
    return total;
}

function readOptions(words) {
    const options = {};
    for (let i = 0; i < words.length; i += 2) {
        const name = /^--(seed|values|seconds|groups|rounds|hostile|keep|oracle)$/.exec(words[i])?.[1];
        if (!name || words[i + 1] === undefined) throw new Error(`cannot make sense of ${words[i]}`);
        options[name] = /^(keep|oracle)$/.test(name) ? words[i + 1] : Number(words[i + 1]);
    }
    return options;
}

async function main() {
    const options = readOptions(process.argv.slice(2)), { oracle, reason } = findOracle(options.oracle);
    console.log(`oracle: ${oracle ? '' : 'skipped, '}${reason}`);
    const total = await campaign({ ...options, oracle, tell: (so, seed, done) => {
        if (done.difference) console.log(done.difference);
        if (so.components % 10 === 0) console.log(`${so.values} values, ${so.components} components, seed ${seed}`);
    } });
    console.log(`${total.values} values in ${total.components} components, ${total.traps} due to trap: ${total.differences.length} differences`);
    process.exitCode = total.differences.length > 0 ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
