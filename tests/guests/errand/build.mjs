// Builds the command of this folder (README.md) in one of several languages:
//
//   node tests/guests/errand/build.mjs c|rust|js|go OUT.wasm
//
//   c     clang with wasi-libc
//   rust  rustc with the standard library for wasm32-wasi, as Debian packs them
//   js    componentize-js: SpiderMonkey, with fetch
//   go    the Go toolchain, wherever it comes from
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pack, withPackages } from '../pack.mjs';
import { findRust } from '../rust.mjs';

function fail(message) {
    process.stderr.write(`guest: ${message}\n`);
    process.exit(1);
}

const [language, out] = process.argv.slice(2);
const folder = dirname(fileURLToPath(import.meta.url));
const wit = readFileSync(join(folder, 'errand.wit'), 'utf8');
const scratch = mkdtempSync(join(tmpdir(), 'guest-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
const core = join(scratch, 'core.wasm');

function compile(program, args, env = {}) {
    const done = spawnSync(program, args, { encoding: 'utf8', cwd: folder, env: { ...process.env, ...env } });
    if (done.error) fail(`${program}: ${done.error.message}`);
    if (done.status !== 0) fail(`${program} ended with ${done.signal ?? done.status}:\n${done.stdout}${done.stderr}`);
}

const command = () => pack(readFileSync(core), wit, 'errand', { kind: 'command' });

/** A LEB128 number: its value, and where it ends. */
function readNumber(bytes, at) {
    let value = 0, shift = 0, byte;
    do value |= ((byte = bytes[at++]) & 0x7f) << shift, shift += 7; while (byte & 0x80);
    return { value, end: at };
}

/** The address of these bytes among a module's data. */
function addressOf(module, bytes) {
    for (let at = 8; at < module.length;) {
        const id = module[at], { value: size, end: start } = readNumber(module, at + 1);
        at = start + size;
        if (id !== 11) continue;
        for (let { end } = readNumber(module, start); end < at;) { // kind 0, i32.const, its value, end, size, bytes
            const offset = readNumber(module, end + 2), length = readNumber(module, offset.end + 1);
            end = length.end + length.value;
            const found = module.subarray(length.end, end).indexOf(bytes);
            if (found >= 0) return offset.value + found;
        }
    }
    throw new Error('not among the data');
}

/**
 * Go's own allocator cannot be called by the host: not before main, when the adapter already asks for memory, and hardly later. So
 * the module gets two others over `hostArena` of errand.go: one for the adapter, which keeps what it asks for, and one for lists that
 * the host returns, which goes round (Go copies them at once).
 */
async function addAllocators(binary) {
    const PIECE = 1 << 18;
    const { default: binaryen } = await import('binaryen');
    const arena = addressOf(binary, 'the arena of the host');
    const module = binaryen.readBinary(binary), { i32, local, global } = module;
    const allocator = (name, start) => {
        const end = start + PIECE, [ALIGN, SIZE, AT] = [2, 3, 4], word = binaryen.i32, next = `${name} next`;
        const get = (index) => local.get(index, word), number = (value) => i32.const(value);
        module.addGlobal(next, word, true, number(start));
        module.addFunction(name, binaryen.createType([word, word, word, word]), word, [word], module.block(null, [
            module.if(i32.gt_u(get(SIZE), number(PIECE)), module.unreachable()),
            local.set(AT, i32.and(i32.sub(i32.add(global.get(next, word), get(ALIGN)), number(1)), i32.sub(number(0), get(ALIGN)))),
            module.if(i32.gt_u(i32.add(get(AT), get(SIZE)), number(end)), local.set(AT, number(start))),
            global.set(next, i32.add(get(AT), get(SIZE))),
            get(AT),
        ], word));
        module.addFunctionExport(name, name);
    };
    const aligned = (arena + 15) & ~15;
    allocator('cabi_realloc_adapter', aligned);
    allocator('cabi_realloc', aligned + PIECE);
    return module.emitBinary();
}

const languages = {
    async c() {
        compile(process.env.CLANG ?? 'clang-19', [...'--target=wasm32-wasi -std=gnu17 -Wall -Wextra -Werror -O2 -s -Wl,--stack-first -o'.split(' '),
            core, 'errand.c']);
        return command();
    },
    async rust() {
        const { rustc, target } = findRust() ?? fail('there is no rustc with a standard library for wasm32-wasi');
        // Debian's linker for wasm is newer than its rustc, and warns of what that puts into its archives.
        compile(rustc, [...`--edition 2021 -O -C strip=symbols -C panic=abort --target ${target}`.split(' '), '-C',
            `linker=${process.env.WASM_LD ?? 'wasm-ld-19'}`, '-C', 'link-arg=--no-fatal-warnings', '-o', core, 'errand.rs']);
        return command();
    },
    async js() {
        const { componentize } = await import('@bytecodealliance/componentize-js');
        const { component } = await componentize({ sourcePath: join(folder, 'errand.js'), witWorld: withPackages(wit), worldName: 'errand-direct' });
        return component;
    },
    async go() {
        compile('go', ['build', '-ldflags=-s -w', '-o', core, 'errand.go'], { GOOS: 'wasip1', GOARCH: 'wasm', GOFLAGS: '-trimpath', GO111MODULE: 'off' });
        writeFileSync(core, await addAllocators(readFileSync(core)));
        return command();
    },
};

if (!Object.hasOwn(languages, language) || !out) fail(`usage: node build.mjs ${Object.keys(languages).join('|')} OUT.wasm`);
let component;
try {
    component = await languages[language]();
} catch (error) {
    fail(`${language}: ${error.payload ?? error.stack ?? error}`);
}
mkdirSync(dirname(resolve(out)), { recursive: true });
const unfinished = `${out}.${process.pid}`;
writeFileSync(unfinished, component);
renameSync(unfinished, out);
