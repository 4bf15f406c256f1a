// A core module and the WIT of its world become a component.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { componentEmbed, componentNew } from '@bytecodealliance/jco-transpile/wasm-tools';

const jco = join(dirname(new URL(import.meta.resolve('@bytecodealliance/jco')).pathname), '..', 'lib');

/** WIT with the packages wasi:*@0.2.12 added that it names and does not define. */
export function withPackages(witSource) {
    let wit = witSource;
    const added = new Set([...wit.matchAll(/^package (wasi:[a-z-]+@[0-9.]+)/gm)].map(([, name]) => name));
    for (;;) {
        const missing = [...wit.matchAll(/\bwasi:([a-z-]+)\/[a-z0-9-]+@(0\.2\.12)/g)].find(([, name, version]) => !added.has(`wasi:${name}@${version}`));
        if (!missing) return wit;
        const [, name, version] = missing;
        const file = join(jco, 'wit', 'builtin', version, `wasi-${name}`, 'package.wit');
        if (!existsSync(file)) throw new Error(`there is no WIT of wasi:${name}@${version}`);
        wit += readFileSync(file, 'utf8').replace(/^package ([^;]+);/m, '\npackage $1 {') + '}\n';
        added.add(`wasi:${name}@${version}`);
    }
}

/**
 * kind: 'reactor' or 'command', which decides the adapter behind imports of wasi_snapshot_preview1 (left out if there
 * are none); stringEncoding: 'utf8' unless given.
 */
export async function pack(binary, witSource, world, { kind = 'reactor', stringEncoding = 'utf8' } = {}) {
    const adapter = readFileSync(join(jco, `wasi_snapshot_preview1.${kind}.wasm`));
    const embedded = await componentEmbed({ binary, witSource: withPackages(witSource), world, stringEncoding });
    return componentNew(embedded, [['wasi_snapshot_preview1', adapter]]);
}
