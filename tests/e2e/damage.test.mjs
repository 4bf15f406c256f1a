// Damaged data directories. A checkpoint that is missing, torn, foreign or of another build costs time and nothing else; an oplog
// that is damaged in the middle is refused by the number of the entry; a full disk loses nothing that was acknowledged.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { chance, executable, must, run, runAndKill, scratch, Worker } from '../harness.mjs';

const API = 'demo:workflow/api@1.0.0', COUNTER = 'demo:counter/api@1.0.0';
const workflow = executable('workflow'), counter = executable('counter');

/** The worker's slot files, those that exist. */
function slots(worker) {
    const folders = readdirSync(join(worker.data, 'workers'));
    assert.equal(folders.length, 1, 'one worker');
    return [0, 1].map((i) => join(worker.data, 'workers', folders[0], `ckpt-${i}`)).filter(existsSync);
}

/** A worker with a history, two checkpoints in it and something behind them; what it must answer. */
function prepare(data, program = workflow, steps = 300) {
    const worker = new Worker(program, data);
    worker.invoke('run 1', `${API}.{run}`, String(steps), '3');
    must(program, worker.args('checkpoint'));
    worker.invoke('run 2', `${API}.{run}`, '200', '3');
    must(program, worker.args('checkpoint'));
    const total = worker.invoke('run 3', `${API}.{run}`, '100', '3');
    return { worker, total, digest: must(program, worker.args('--key', 'digest', 'invoke', `${API}.{memory-digest}`)) };
}

/** The worker in `data` still is what was prepared. */
function checkWhole({ total, digest }, data, what, program = workflow) {
    const worker = new Worker(program, data);
    assert.equal(worker.invoke('check total', `${API}.{total}`), total, what);
    assert.equal(worker.invoke('check digest', `${API}.{memory-digest}`), digest, what);
    worker.verify();
}

/** Copies a file or a folder; slots are sparse, and gigabytes long. */
const copy = (from, to) => must('cp', ['-a', '--sparse=always', from, to]);

/** A fresh copy of a data directory. */
function copyOf(t, data) {
    const folder = join(scratch(t), 'data');
    copy(data, folder);
    return folder;
}

function readAt(path, offset, size) {
    const file = openSync(path, 'r'), bytes = Buffer.alloc(size);
    readSync(file, bytes, 0, size, offset);
    closeSync(file);
    return bytes;
}

function flip(path, offset, bit = 0) {
    const byte = readAt(path, offset, 1), file = openSync(path, 'r+');
    byte[0] ^= 1 << bit;
    writeSync(file, byte, 0, 1, offset);
    closeSync(file);
}

/** Where things lie in a slot (wasm2c-rt/checkpoint/ckpt_slot.c): offsets of the table, its runs and sums, and of all stored pages. */
function layout(path) {
    const header = readAt(path, 0, 4096), at = (offset) => Number(header.readBigUInt64LE(offset));
    const table = at(72), runs = table + at(120) * 8, sums = runs + at(80) * 16;
    const pages = [];
    const bytes = readAt(path, runs, sums - runs);
    for (let run = 0; run < bytes.length; run += 16)
        for (let i = 0n; i < bytes.readBigUInt64LE(run + 8); i++) pages.push(4096 + Number(bytes.readBigUInt64LE(run) + i) * 4096);
    assert.equal(pages.length, at(88), 'the header counts the pages');
    return { table, runs, sums, pages, size: statSync(path).size };
}

test('checkpoint slots that are missing, empty, cut or turned to noise cost only time', (t) => {
    const made = prepare(join(scratch(t), 'data'));
    assert.equal(slots(made.worker).length, 2);
    const random = chance(7);
    const harms = {
        missing: (path) => rmSync(path),
        empty: (path) => truncateSync(path, 0),
        'one byte': (path) => truncateSync(path, 1),
        'cut in the header': (path) => truncateSync(path, 100),
        'cut at a page': (path) => truncateSync(path, 4096),
        'cut in the pages': (path) => truncateSync(path, layout(path).pages.at(-3) + 100),
        'cut at the last byte': (path) => truncateSync(path, statSync(path).size - 1),
        noise: (path) => writeFileSync(path, Buffer.from(Array.from({ length: 20_000 }, () => random() * 256))),
        'as long, but zero': (path) => {
            const { size } = statSync(path);
            truncateSync(path, 0);
            truncateSync(path, size);
        },
        'pages gone, header and table whole': (path) => {
            const file = openSync(path, 'r+');
            for (const page of layout(path).pages) writeSync(file, Buffer.alloc(4096), 0, 4096, page);
            closeSync(file);
        },
        'cut in the table': (path) => truncateSync(path, layout(path).table + 4),
        'a directory': (path) => (rmSync(path), mkdirSync(path)),
    };
    for (const [what, harm] of Object.entries(harms))
        for (const which of [[0], [1], [0, 1]]) {
            const data = copyOf(t, made.worker.data);
            const files = slots(new Worker(workflow, data));
            for (const i of which) harm(files[i]);
            checkWhole(made, data, `slot ${which}: ${what}`);
        }
});

test('a bit that is flipped anywhere in both slots changes no result', (t) => {
    const made = prepare(join(scratch(t), 'data'));
    const random = chance(8), pick = (list) => list[Math.floor(random() * list.length)];
    const page = ({ pages }) => pick(pages) + Math.floor(random() * 4096);
    const places = [...Array.from({ length: 17 }, (_, i) => [`header field at ${i * 8}`, () => i * 8 + Math.floor(random() * 8)]),
        ['behind the header', () => 136 + Math.floor(random() * 3900)], ['memory sizes', ({ table }) => table + Math.floor(random() * 8)],
        ['runs', ({ runs, sums }) => runs + Math.floor(random() * (sums - runs))], ['sums', ({ sums, size }) => sums + Math.floor(random() * (size - sums))],
        ['first page', ({ pages }) => pages[0] + 9], ['last page', ({ pages }) => pages.at(-1) + 4095], ...Array.from({ length: 12 }, (_, i) => [`page, ${i}`, page])];
    for (const [what, place] of places) {
        const data = copyOf(t, made.worker.data);
        for (const path of slots(new Worker(workflow, data))) flip(path, place(layout(path)), Math.floor(random() * 8));
        checkWhole(made, data, what);
    }
});

test('a checkpoint in the middle of an invocation is used when it is whole, and does no harm when it is not', async (t) => {
    const folder = scratch(t), worker = new Worker(workflow, join(folder, 'data')), other = executable('workflow', '-O1');
    const call = ['long', `${API}.{run-slow}`, '1500', '3', '150'];
    for (let milliseconds = 200; ; milliseconds += 100) {
        const ended = await runAndKill(workflow, worker.invokeArgs(...call), milliseconds, { folder });
        assert.equal(ended.signal, 'SIGKILL', 'it ended before it had a checkpoint');
        if (worker.run('info').stdout.includes('in the middle of an invocation')) break;
    }
    const harms = {
        nothing: () => {},
        'stack and header pages': (path) => layout(path).pages.slice(0, 4).forEach((page) => flip(path, page + 2048)),
        'every page': (path) => layout(path).pages.forEach((page) => flip(path, page + 1)),
        missing: (path) => rmSync(path),
    };
    for (const [what, harm] of Object.entries(harms))
        for (const program of what === 'nothing' ? [workflow, other] : [workflow]) {
            const damaged = new Worker(program, copyOf(t, worker.data));
            slots(damaged).forEach(harm);
            const result = damaged.invoke(...call);
            assert.equal(damaged.invoke('total', `${API}.{total}`), result, what);
            damaged.verify();
            assert.equal(damaged.oplog().filter(({ entry }) => entry.type === 'ImportedFunctionInvoked').length, 1500, what);
        }
});

test('a checkpoint of another worker is not taken', (t) => {
    const folder = scratch(t);
    const one = prepare(join(folder, 'one')), two = prepare(join(folder, 'two'), workflow, 250);
    assert.notEqual(one.total, two.total);
    const from = slots(one.worker), to = slots(two.worker);
    for (const [i, path] of from.entries()) {
        copy(path, join(folder, 'kept'));
        copy(to[i], path);
        copy(join(folder, 'kept'), to[i]);
    }
    checkWhole(one, one.worker.data, 'the first');
    checkWhole(two, two.worker.data, 'the second');
});

test('a checkpoint that is older than the oplog is no danger, and one that is newer tells that entries are missing', (t) => {
    const folder = scratch(t), data = join(folder, 'data'), old = join(folder, 'old'), oldest = join(folder, 'oldest');
    const worker = new Worker(workflow, data);
    worker.invoke('1', `${API}.{run}`, '100', '2');
    must(workflow, worker.args('checkpoint'));
    copy(data, old);
    copy(data, oldest);
    const total = worker.invoke('2', `${API}.{run}`, '100', '2');
    const digest = worker.invoke('digest', `${API}.{memory-digest}`);
    must(workflow, worker.args('checkpoint'));
    must(workflow, worker.args('checkpoint'));
    // The old database with the new slots: what was behind its end is lost, and that is said. Without them, the worker is what the oplog says.
    const oldWorker = new Worker(workflow, old);
    for (const path of slots(worker)) copy(path, path.replace(data, old));
    for (const verb of [['invoke', `${API}.{total}`], ['verify']]) {
        const { status, stderr } = oldWorker.run(...verb);
        assert.equal(status, 1, stderr);
        assert.match(stderr, new RegExp(`"w", entry ${worker.oplog().length}: missing: a checkpoint was taken there`));
    }
    for (const path of slots(oldWorker)) rmSync(path);
    const oldTotal = oldWorker.invoke('total', `${API}.{total}`);
    assert.equal(oldTotal, worker.invoke('1', `${API}.{run}`, '100', '2'));
    assert.notEqual(oldTotal, total);
    oldWorker.verify();
    // A history that took another turn behind the copy, and is as long: the slots are of its entries' numbers, but not of its entries.
    const turned = new Worker(workflow, join(folder, 'turned'));
    copy(oldest, turned.data);
    const turnedTotal = turned.invoke('2', `${API}.{run}`, '100', '2');
    const turnedDigest = turned.invoke('digest', `${API}.{memory-digest}`);
    assert.equal(turned.oplog().length, worker.oplog().length);
    for (const path of slots(worker)) copy(path, path.replace(data, turned.data));
    checkWhole({ total: turnedTotal, digest: turnedDigest }, turned.data, 'slots of another turn');
    // The new database with old slots.
    for (const path of slots(worker)) {
        rmSync(path);
        if (existsSync(path.replace(data, oldest))) copy(path.replace(data, oldest), path);
    }
    checkWhole({ total, digest }, data, 'old slots');
});

test('another build of the same component goes on with the worker, without its checkpoints', (t) => {
    const data = join(scratch(t), 'data');
    const other = executable('workflow', '-O1');
    assert.ok(!readFileSync(other).equals(readFileSync(workflow)), 'the builds differ');
    const made = prepare(data);
    checkWhole(made, data, 'by the other build', other);
    const worker = new Worker(other, data);
    const total = worker.invoke('run 4', `${API}.{run}`, '100', '4');
    must(other, worker.args('checkpoint'));
    assert.equal(new Worker(workflow, data).invoke('total 4', `${API}.{total}`), total, 'and back');
    worker.verify();
});

/** Runs SQL on a worker's database. */
function sql(data, text) {
    const done = spawnSync('sqlite3', [join(data, 'golem.db')], { input: text, encoding: 'utf8', maxBuffer: 1 << 28 });
    assert.equal(done.status, 0, done.stderr);
    return done.stdout.trim();
}

/** [{first, count, bytes}] of all oplog rows, and how to write one back. */
const rows = (data) => sql(data, 'SELECT first_idx, count, hex(data) FROM oplog ORDER BY first_idx;').split('\n').map((line) => {
    const [first, count, hex] = line.split('|');
    return { first: Number(first), count: Number(count), bytes: Buffer.from(hex, 'hex') };
});
const putRow = (data, { first, bytes }) => sql(data, `UPDATE oplog SET data = x'${bytes.toString('hex')}' WHERE first_idx = ${first};`);

function countingWorker(data) {
    const worker = new Worker(counter, data);
    for (let i = 1; i <= 8; i++) worker.invoke(`k${i}`, `${COUNTER}.{inc-global-by}`, String(i));
    return worker;
}

/** The worker is refused by every verb that needs its history, with an entry from `from` to `to` named. */
function checkRefused(data, from, to, what) {
    const worker = new Worker(counter, data);
    for (const verb of [['invoke', `${COUNTER}.{get-global-value}`], ['verify'], ['--key', 'k1', 'invoke', `${COUNTER}.{inc-global-by}`, '1']]) {
        const { status, signal, stdout, stderr } = worker.run(...verb);
        assert.equal(signal ?? status, 1, `${what}, ${verb}: ${stdout}${stderr}`);
        const named = /entry (\d+)/.exec(stderr);
        assert.ok(named, `${what}: no entry is named in: ${stderr}`);
        assert.ok(Number(named[1]) >= from && Number(named[1]) <= to, `${what}: entry ${named[1]} is not in ${from} to ${to}`);
        assert.match(stderr, /"w"/);
    }
}

test('an oplog row that is damaged in the middle is refused by entry, whatever byte it is', (t) => {
    const data = join(scratch(t), 'data');
    countingWorker(data);
    const all = rows(data);
    assert.ok(all.length >= 8);
    for (const which of [0, 1, Math.floor(all.length / 2), all.length - 2]) {
        const row = all[which];
        for (const at of [0, 4, 8, 15, 16, Math.floor(row.bytes.length / 2), row.bytes.length - 1]) {
            const damaged = copyOf(t, data), bytes = Buffer.from(row.bytes);
            bytes[at] ^= 0x10;
            putRow(damaged, { ...row, bytes });
            checkRefused(damaged, row.first, row.first + row.count, `row ${which}, byte ${at}`);
        }
    }
});

test('commits that a damaged WAL loses are missed, whatever bit it is', async (t) => {
    const data = join(scratch(t), 'data');
    const worker = new Worker(counter, data);
    const session = worker.session(t);
    for (let i = 1; i <= 4; i++) await session.call(`${COUNTER}.{inc-global-by}(${i})`);
    await session.kill();
    const { size } = statSync(join(data, 'golem.db-wal')), random = chance(9);
    const check = (damaged, what) => {
        for (const verb of [['oplog'], ['invoke', `${COUNTER}.{get-global-value}`]]) {
            const { status, stdout, stderr } = new Worker(counter, damaged).run(...verb);
            assert.equal(status, 1, `${what}: ${stdout}${stderr}`);
            assert.match(stderr, /"w", entry \d+: missing: the last commit wrote it, but the oplog ends with entry \d+/, what);
        }
    };
    for (const at of [0, 9, 17, 31, 32, 40, 55, ...Array.from({ length: 20 }, () => Math.floor(random() * size)), size - 1]) {
        const damaged = copyOf(t, data);
        flip(join(damaged, 'golem.db-wal'), at, Math.floor(random() * 8));
        check(damaged, `byte ${at} of ${size}`);
    }
    const without = copyOf(t, data);
    rmSync(join(without, 'golem.db-wal'));
    check(without, 'no WAL');
    assert.equal(worker.invoke('value', `${COUNTER}.{get-global-value}`), '10', 'the undamaged one');
});

test('a witness that is old, torn or gone does no harm', (t) => {
    const data = join(scratch(t), 'data');
    const worker = countingWorker(data);
    const witness = join(data, 'workers', readdirSync(join(data, 'workers'))[0], 'witness');
    const bytes = readFileSync(witness);
    worker.invoke('more', `${COUNTER}.{inc-global-by}`, '1');
    for (const harm of [() => writeFileSync(witness, bytes), () => writeFileSync(witness, bytes.subarray(0, 9)),
        () => writeFileSync(witness, Buffer.alloc(bytes.length)), () => flip(witness, 17), () => rmSync(witness)]) {
        harm();
        assert.equal(worker.run('invoke', `${COUNTER}.{get-global-value}`).stdout, '37\n');
    }
});

test('rows that are missing, swapped, cut short or of another worker are refused by entry', (t) => {
    const folder = scratch(t), data = join(folder, 'data');
    countingWorker(data);
    const all = rows(data), middle = all[4], next = all[5];
    const harms = {
        missing: (damaged) => sql(damaged, `DELETE FROM oplog WHERE first_idx = ${middle.first};`),
        'first one missing': (damaged) => sql(damaged, `DELETE FROM oplog WHERE first_idx = 1;`),
        swapped: (damaged) => {
            putRow(damaged, { first: middle.first, bytes: next.bytes });
            putRow(damaged, { first: next.first, bytes: middle.bytes });
        },
        'cut short': (damaged) => putRow(damaged, { first: middle.first, bytes: middle.bytes.subarray(0, middle.bytes.length - 3) }),
        empty: (damaged) => putRow(damaged, { first: middle.first, bytes: Buffer.alloc(0) }),
        zeroed: (damaged) => putRow(damaged, { first: middle.first, bytes: Buffer.alloc(middle.bytes.length) }),
        longer: (damaged) => putRow(damaged, { first: middle.first, bytes: Buffer.concat([middle.bytes, middle.bytes]) }),
        'of another history': (damaged) => {
            const foreign = countingWorker(join(damaged, '..', 'foreign')), row = rows(foreign.data)[4];
            putRow(damaged, { first: middle.first, bytes: row.bytes });
        },
    };
    for (const [what, harm] of Object.entries(harms)) {
        const damaged = copyOf(t, data);
        harm(damaged);
        const first = what.startsWith('first') ? 1 : middle.first;
        checkRefused(damaged, first, next.first + next.count, what);
    }
});

test('damage before a checkpoint is found by verify even when the checkpoint is good', (t) => {
    const data = join(scratch(t), 'data');
    const worker = countingWorker(data);
    must(counter, worker.args('checkpoint'));
    const row = rows(data)[2], bytes = Buffer.from(row.bytes);
    bytes[bytes.length - 1] ^= 1;
    putRow(data, { ...row, bytes });
    const { status, stderr } = worker.run('verify');
    assert.equal(status, 1, stderr);
    assert.match(stderr, new RegExp(`entry (${Array.from({ length: row.count + 1 }, (_, i) => row.first + i).join('|')})\\b`));
});

test('a torn tail is cut at the last whole entry, and the worker goes on from there', (t) => {
    const data = join(scratch(t), 'data');
    countingWorker(data);
    const last = rows(data).at(-1);
    for (const left of [0, 1, 15, 16, Math.floor(last.bytes.length / 2), last.bytes.length - 1])
        for (const filled of [false, true]) {
            const damaged = copyOf(t, data), what = `${left} bytes${filled ? ' and zeroes' : ''}`;
            const bytes = filled ? Buffer.concat([last.bytes.subarray(0, left), Buffer.alloc(last.bytes.length - left)]) : last.bytes.subarray(0, left);
            putRow(damaged, { ...last, bytes });
            const worker = new Worker(counter, damaged);
            worker.invoke('k8', `${COUNTER}.{inc-global-by}`, '8');
            assert.equal(worker.invoke('value', `${COUNTER}.{get-global-value}`), '36', what);
            worker.verify();
            assert.equal(worker.oplog().filter(({ entry }) => entry.type === 'ExportedFunctionCompleted').length, 9, what);
        }
});

test('a database that is cut, or noise, or something else, is refused with its name', (t) => {
    const data = join(scratch(t), 'data');
    countingWorker(data);
    const whole = readFileSync(join(data, 'golem.db'));
    const random = chance(9);
    const noise = (size) => Buffer.from(Array.from({ length: size }, () => random() * 256));
    const harms = {
        'cut to half': whole.subarray(0, whole.length / 2),
        'cut to a page': whole.subarray(0, 4096),
        'cut within a page': whole.subarray(0, 1000),
        'cut to the header': whole.subarray(0, 100),
        'three bytes': whole.subarray(0, 3),
        noise: noise(whole.length),
        'noise behind the header': Buffer.concat([whole.subarray(0, 100), noise(whole.length - 100)]),
        'noise behind the first page': Buffer.concat([whole.subarray(0, 4096), noise(whole.length - 4096)]),
        text: Buffer.from('this is not a database at all\n'.repeat(200)),
    };
    for (const [what, bytes] of Object.entries(harms)) {
        const damaged = copyOf(t, data);
        for (const file of readdirSync(damaged)) if (/^golem\.db-/.test(file)) rmSync(join(damaged, file));
        writeFileSync(join(damaged, 'golem.db'), bytes);
        const worker = new Worker(counter, damaged);
        for (const verb of [['invoke', `${COUNTER}.{get-global-value}`], ['oplog'], ['verify'], ['info']]) {
            const { status, signal, stdout, stderr } = worker.run(...verb);
            assert.equal(signal ?? status, 1, `${what}, ${verb[0]}: ${stdout}${stderr}`);
            assert.match(stderr, /golem\.db|data|"w"/, what);
        }
        assert.ok(readFileSync(join(damaged, 'golem.db')).equals(bytes), `${what}: the file was changed`);
    }
});

// SQLite has no checksums: a bit that hides the last rows of a table makes them as if never written, which nothing here can tell from
// a history that ended there. So the answer may be one that the worker has given before; but never another.
test('a sea of bit flips in the database gives a value that was there, or a message, and never a crash', (t) => {
    const data = join(scratch(t), 'data');
    countingWorker(data);
    const whole = readFileSync(join(data, 'golem.db')), random = chance(10);
    const damaged = copyOf(t, data), worker = new Worker(counter, damaged);
    const sums = Array.from({ length: 9 }, (_, i) => i * (i + 1) / 2);
    let refused = 0;
    for (let i = 0; i < 60; i++) {
        const bytes = Buffer.from(whole);
        for (let flips = 0; flips < 3; flips++) bytes[Math.floor(random() * bytes.length)] ^= 1 << Math.floor(random() * 8);
        for (const file of readdirSync(damaged)) if (/^golem\.db-/.test(file)) rmSync(join(damaged, file));
        writeFileSync(join(damaged, 'golem.db'), bytes);
        const { status, signal, stdout, stderr } = worker.run('--key', `flip ${i}`, 'invoke', `${COUNTER}.{get-global-value}`);
        assert.ok(status === 0 || status === 1, `round ${i}: ${signal ?? status}: ${stderr}`);
        if (status === 0) assert.ok(sums.includes(Number(stdout)), `round ${i}: ${stdout}`);
        else {
            assert.match(stderr, /./);
            refused++;
        }
    }
    t.diagnostic(`${refused} of 60 refused`);
});

test('a data directory that cannot be used is named', (t) => {
    const folder = scratch(t);
    writeFileSync(join(folder, 'file'), 'x');
    for (const data of [join(folder, 'file'), join(folder, 'file/below'), '/proc/golem', '/dev/null']) {
        const { status, signal, stderr } = new Worker(counter, data).run('invoke', `${COUNTER}.{get-global-value}`);
        assert.equal(signal ?? status, 1, stderr);
        assert.ok(stderr.includes(data), stderr);
    }
});

/** Invokes until something is refused for want of room. Every result that was given, by key; what was said in the end. */
function fill(worker, invoke) {
    const given = new Map();
    for (let i = 0; i < 400; i++) {
        const { status, signal, stdout, stderr } = invoke(`step ${i}`);
        if (status !== 0) return { given, status: signal ?? status, stderr, key: `step ${i}` };
        given.set(`step ${i}`, stdout);
    }
    assert.fail('the disk never was full');
}

/** There is room again: nothing that was given has changed, and the rest can be done. */
function checkContinues(worker, { given, key }) {
    for (const [before, result] of given) assert.equal(`${worker.invoke(before, `${API}.{run}`, '400', '2')}\n`, result, before);
    const total = worker.invoke(key, `${API}.{run}`, '400', '2');
    assert.equal(worker.invoke('total', `${API}.{total}`), total);
    assert.equal(worker.oplog().filter(({ entry }) => entry.type === 'ExportedFunctionCompleted').length, given.size + 2, 'each ran once');
    worker.verify();
}

test('a full disk loses nothing acknowledged, and the worker goes on when there is room', (t) => {
    const disk = join(scratch(t), 'disk');
    mkdirSync(disk);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', disk], { encoding: 'utf8' });
    if (mounted.status !== 0) return t.skip(`cannot mount a small file system here: ${mounted.error ?? mounted.stderr.trim()}`);
    try {
        const worker = new Worker(workflow, join(disk, 'data'));
        const full = fill(worker, (key) => worker.run('--key', key, 'invoke', `${API}.{run}`, '400', '2'));
        assert.equal(full.status, 1, full.stderr);
        assert.match(full.stderr, /full|space|room/i);
        assert.equal(worker.run('--key', full.key, 'invoke', `${API}.{run}`, '400', '2').status, 1, 'it is still full');
        must('mount', ['-o', 'remount,size=200m', disk]);
        checkContinues(worker, full);
    } finally {
        must('umount', [disk]);
    }
});

test('files that may not grow lose nothing acknowledged, and the worker goes on when they may', (t) => {
    const worker = new Worker(workflow, join(scratch(t), 'data'));
    worker.invoke('make', `${API}.{total}`);
    const limited = (key) => run('bash', ['-c', 'trap "" XFSZ; ulimit -f 1200; exec "$0" "$@"', workflow, ...worker.args('--key', key, 'invoke', `${API}.{run}`, '400', '2')]);
    if (run('bash', ['-c', 'ulimit -f 1200']).status !== 0) return t.skip('file sizes cannot be limited here');
    const full = fill(worker, limited);
    assert.equal(full.status, 1, full.stderr);
    assert.match(full.stderr, /./);
    for (const [key, result] of full.given) assert.equal(`${worker.invoke(key, `${API}.{run}`, '400', '2')}\n`, result, key);
    const total = worker.invoke(full.key, `${API}.{run}`, '400', '2');
    assert.equal(worker.invoke('total', `${API}.{total}`), total);
    worker.verify();
});
