// Where a Rust compiler with a standard library for WASI is.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The first one, and what its target is called (it was renamed in 1.78): { rustc, target }; undefined if there is none. */
export function findRust() {
    for (const rustc of [process.env.RUSTC, '/usr/bin/rustc', 'rustc'].filter(Boolean)) {
        const { status, stdout } = spawnSync(rustc, ['--print', 'sysroot'], { encoding: 'utf8' });
        for (const target of status === 0 ? ['wasm32-wasi', 'wasm32-wasip1'] : [])
            if (existsSync(join(stdout.trim(), 'lib/rustlib', target, 'lib'))) return { rustc, target };
    }
    return undefined;
}
