// Builds a guest: C sources and the WIT of their world become a component.
//
//   node tests/guests/build.mjs NAME.wit SOURCE.c... OUT.wasm [--command] [-O2] [any other flag for clang]
//
// The world is the last one of NAME.wit. A guest that uses libc's files, clocks or stdio calls wasi_snapshot_preview1;
// the adapter that turns this into WASI 0.2 comes from the component tools, and is left out when nothing needs it.
// --command, or a source with a main(), makes a program (wasi:cli/run); else it is a library of exported functions.
// $CLANG names another clang. `-MMD -MF FILE -MT OUT.wasm` leave make a list of what was read.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pack } from './pack.mjs';

function fail(message) {
    process.stderr.write(`guest: ${message}\n`);
    process.exit(1);
}

function readText(file) {
    try {
        return readFileSync(file, 'utf8');
    } catch (error) {
        return fail(error.message);
    }
}

function readArguments(words) {
    const job = { wit: null, sources: [], out: null, command: false, flags: [] };
    const takesValue = new Set(['-I', '-D', '-include', '-MF', '-MT', '-MQ', '-Xlinker', '-Xclang']);
    for (let i = 0; i < words.length; i++) {
        const word = words[i];
        if (word === '--command') job.command = true;
        else if (takesValue.has(word)) job.flags.push(word, words[++i]);
        else if (word.startsWith('-')) job.flags.push(word);
        else if (word.endsWith('.wit') && job.wit === null) job.wit = word;
        else if (word.endsWith('.c')) job.sources.push(word);
        else if (word.endsWith('.wasm') && job.out === null) job.out = word;
        else fail(`cannot make sense of the argument ${word}`);
    }
    if (job.wit === null || job.sources.length === 0 || job.out === null)
        fail('usage: node build.mjs NAME.wit SOURCE.c... OUT.wasm [--command] [flags for clang]');
    job.command ||= job.sources.some((file) => /^int main\(/m.test(readText(file)));
    return job;
}

function compile(job, coreFile) {
    const clang = process.env.CLANG || 'clang-19';
    const optimise = job.flags.some((flag) => /^-O/.test(flag)) ? [] : ['-O2'];
    const result = spawnSync(
        clang,
        [
            '--target=wasm32-wasi',
            `-mexec-model=${job.command ? 'command' : 'reactor'}`,
            '-std=gnu17',
            '-Wall',
            '-Wextra',
            '-Werror',
            ...optimise,
            '-s',
            '-Wl,--stack-first', // a C stack that overflows traps, and damages no data
            ...job.flags,
            ...job.sources,
            '-o',
            coreFile,
        ],
        { stdio: 'inherit' },
    );
    if (result.error) fail(`${clang}: ${result.error.message}`);
    if (result.status !== 0) process.exit(1);
}

function packed(job, core) {
    const witSource = readText(job.wit);
    const worlds = [...witSource.matchAll(/^world\s+([a-z0-9-]+)/gm)];
    if (worlds.length === 0) fail(`${job.wit} has no world`);
    return pack(core, witSource, worlds.at(-1)[1], { kind: job.command ? 'command' : 'reactor' });
}

const job = readArguments(process.argv.slice(2));
const scratch = mkdtempSync(join(tmpdir(), 'guest-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
const coreFile = join(scratch, 'core.wasm');
compile(job, coreFile);
let component;
try {
    component = await packed(job, readFileSync(coreFile));
} catch (error) {
    fail(`${job.wit}: ${error.payload ?? error.message ?? error}`);
}
mkdirSync(dirname(job.out), { recursive: true });
const unfinished = `${job.out}.${process.pid}`;
writeFileSync(unfinished, component);
renameSync(unfinished, job.out);
