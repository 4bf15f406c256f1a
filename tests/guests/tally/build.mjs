// Builds the guest of this folder with one of several toolchains:
//
//   node tests/guests/tally/build.mjs js|qjs|as|rust OUT.wasm [FOLDER]     FOLDER: of the sources, instead of this one
//
//   js    componentize-js: SpiderMonkey. Without `http` and `fetch-event`: no fetch(), and no imports of wasi:http. What remains
//         is console, crypto, timers, Date and the like.
//   qjs   componentize-qjs --sync: QuickJS, linked with its bindings out of eight core modules
//   as    AssemblyScript: no runtime to speak of, strings in UTF-16
//   rust  rustc with the standard library for wasm32-wasi, as Debian packs them; $RUSTC names another
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pack } from '../pack.mjs';
import { findRust } from '../rust.mjs';

function fail(message) {
    process.stderr.write(`guest: ${message}\n`);
    process.exit(1);
}

const [toolchain, out, from] = process.argv.slice(2);
const folder = resolve(from ?? dirname(fileURLToPath(import.meta.url)));
const wit = join(folder, 'tally.wit');
const scratch = mkdtempSync(join(tmpdir(), 'guest-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

function compile(program, args) {
    const done = spawnSync(program, args, { encoding: 'utf8' });
    if (done.error) fail(`${program}: ${done.error.message}`);
    if (done.status !== 0) fail(`${program} ended with ${done.signal ?? done.status}:\n${done.stdout}${done.stderr}`);
    return done.stdout;
}

/** Exports cannot have the names that components want in AssemblyScript: api_add is demo:tally/api@1.0.0#add. */
async function renameExports(core) {
    const { default: binaryen } = await import('binaryen');
    const module = binaryen.readBinary(core);
    for (let i = module.getNumExports() - 1; i >= 0; i--) {
        const { name, value } = binaryen.getExportInfo(module.getExportByIndex(i));
        if (!name.startsWith('api_')) continue;
        module.removeExport(name);
        module.addFunctionExport(value, name.replace('api_', 'demo:tally/api@1.0.0#'));
    }
    return module.emitBinary();
}

const toolchains = {
    async js() {
        const { componentize } = await import('@bytecodealliance/componentize-js');
        const { component } = await componentize({
            sourcePath: join(folder, 'tally-web.js'),
            witWorld: readFileSync(wit, 'utf8'),
            worldName: 'tally',
            disableFeatures: ['http', 'fetch-event'],
        });
        return component;
    },
    async qjs() {
        const { componentize } = await import('componentize-qjs');
        const jsPath = join(folder, 'tally-wasi.js');
        const { component } = await componentize({
            witPath: wit,
            world: 'tally-direct',
            jsPath,
            jsSource: readFileSync(jsPath, 'utf8'),
            moduleRoot: folder,
            sync: true,
        });
        return component;
    },
    async as() {
        const core = join(scratch, 'core.wasm');
        const asc = join(dirname(fileURLToPath(import.meta.resolve('assemblyscript/asc'))), '..', 'bin', 'asc.js');
        compile(process.execPath, [asc, join(folder, 'tally.ts'), '-O', '--runtime', 'stub', '--use', 'abort=', '-o', core]);
        const binary = await renameExports(readFileSync(core));
        return pack(binary, readFileSync(wit, 'utf8'), 'tally-direct', { stringEncoding: 'utf16' });
    },
    async rust() {
        const { rustc, target } = findRust() ?? fail('there is no rustc with a standard library for wasm32-wasi');
        const core = join(scratch, 'core.wasm');
        // Debian's linker for wasm is newer than its rustc, and warns of what that puts into its archives.
        compile(rustc, [...`--edition 2021 -O -C strip=symbols -C panic=abort --crate-type cdylib --target ${target}`.split(' '),
            ...['-C', `linker=${process.env.WASM_LD || 'wasm-ld-19'}`, '-C', 'link-arg=--no-fatal-warnings'], '-o', core, join(folder, 'tally.rs')]);
        return pack(readFileSync(core), readFileSync(wit, 'utf8'), 'tally');
    },
};

if (!Object.hasOwn(toolchains, toolchain) || !out) fail(`usage: node build.mjs ${Object.keys(toolchains).join('|')} OUT.wasm [FOLDER]`);
let component;
try {
    component = await toolchains[toolchain]();
} catch (error) {
    fail(`${toolchain}: ${error.payload ?? error.stack ?? error}`);
}
mkdirSync(dirname(resolve(out)), { recursive: true });
const unfinished = `${out}.${process.pid}`;
writeFileSync(unfinished, component);
renameSync(unfinished, out);
