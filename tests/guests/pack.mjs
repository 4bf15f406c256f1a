// A core module and the WIT of its world become a component.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { componentEmbed, componentNew } from '@bytecodealliance/jco-transpile/wasm-tools';

/**
 * kind: 'reactor' or 'command', which decides the adapter behind imports of wasi_snapshot_preview1 (left out if there
 * are none); stringEncoding: 'utf8' unless given.
 */
export async function pack(binary, witSource, world, { kind = 'reactor', stringEncoding = 'utf8' } = {}) {
    const tools = dirname(new URL(import.meta.resolve('@bytecodealliance/jco')).pathname);
    const adapter = readFileSync(join(tools, '..', 'lib', `wasi_snapshot_preview1.${kind}.wasm`));
    const embedded = await componentEmbed({ binary, witSource, world, stringEncoding });
    return componentNew(embedded, [['wasi_snapshot_preview1', adapter]]);
}
