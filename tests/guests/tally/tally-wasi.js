// For componentize-qjs: WASI's own interfaces. A u64 is a number there, exact to 53 bits.
import clock from 'wasi:clocks/monotonic-clock@0.2.0';
import random from 'wasi:random/random@0.2.0';
import stdout from 'wasi:cli/stdout@0.2.0';
import { tally } from './tally.js';

/** There is no TextEncoder. */
const utf8 = (text) => Uint8Array.from(unescape(encodeURIComponent(text)), (byte) => byte.charCodeAt(0));

export const api = tally({
    random: () => Number(random.getRandomU64()) % 2 ** 32,
    time: () => Number(clock.now()) % 2 ** 32,
    print: (line) => stdout.getStdout().blockingWriteAndFlush(utf8(`${line}\n`)),
});
