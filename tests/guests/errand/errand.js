// README.md of this folder, in JavaScript (StarlingMonkey): fetch, and the imports of WASI for what JavaScript has no name for.
import { getArguments, getEnvironment } from 'wasi:cli/environment@0.2.12';
import { now } from 'wasi:clocks/monotonic-clock@0.2.12';
import { getDirectories } from 'wasi:filesystem/preopens@0.2.12';

const CREATE = { create: true }, READ = { read: true }, WRITE = { write: true };
const root = () => getDirectories().find(([, name]) => name === '/')[0];
const bytesOf = (text) => new TextEncoder().encode(text);
const textOf = (bytes) => new TextDecoder().decode(bytes);

function append(path, text) {
    const folder = root(), file = folder.openAt({}, path, CREATE, WRITE);
    file.write(bytesOf(text), file.stat().size);
}

function read(path) {
    const folder = root(), file = folder.openAt({}, path, {}, READ);
    return file.read(65536n, 0n)[0];
}

function list(path) {
    const folder = root(), stream = folder.openAt({}, path, { directory: true }, READ).readDirectory();
    const names = [];
    for (let entry; (entry = stream.readDirectoryEntry()) !== undefined;) names.push(entry.name);
    return names.sort();
}

function exists(path) {
    try {
        root().statAt({}, path);
        return true;
    } catch {
        return false;
    }
}

function digest(bytes) {
    let sum = 0;
    for (const byte of bytes) sum = (Math.imul(sum, 31) + byte) >>> 0;
    return sum;
}

const say = (...words) => console.log(words.join(' '));

function doClocks() {
    const before = now(), wall = Date.now(), after = now();
    say('clock', after >= before && wall > 1704067200000 ? 'steady' : 'odd');
}

function doFiles() {
    const folder = root();
    folder.createDirectoryAt('errand');
    append('errand/a.txt', 'one');
    append('errand/b.txt', 'b');
    append('errand/a.txt', 'two');
    folder.renameAt('errand/b.txt', folder, 'errand/c.txt');
    say('files', ...list('errand'));
    say('contents', textOf(read('errand/a.txt')));
    say('size', folder.statAt({}, 'errand/a.txt').size === 6n && !exists('errand/b.txt') ? '6' : 'odd');
}

async function doRound(authority, round) {
    await new Promise((tell) => setTimeout(tell, 5));
    const body = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
    try {
        const response = await fetch(`http://${authority}/echo`, { method: 'POST', headers: { 'x-request-id': String(round) }, body });
        const { size, digest: sum } = await response.json();
        append('errand/log', `${size} ${sum}\n`);
        say('round', round, size, sum);
    } catch (error) {
        say('round', round, 'error', error);
    }
}

async function doOtherRequests(authority) {
    const large = new Uint8Array(await (await fetch(`http://${authority}/bytes/1000000`)).arrayBuffer());
    say('large', large.length, digest(large));
    say('missing', (await fetch(`http://${authority}/nothing`)).status);
    say(await fetch('http://localhost:9/').then(() => 'refused odd', () => 'refused'));
}

export const run = {
    async run() {
        const [, authority, rounds] = getArguments();
        say('greeting', Object.fromEntries(getEnvironment()).GREETING ?? '');
        doClocks();
        doFiles();
        for (let i = 0; i < Number(rounds); i++) await doRound(authority, i);
        await doOtherRequests(authority);
        const log = Number(rounds) ? read('errand/log') : new Uint8Array();
        say('log', log.length, digest(log));
    },
};
