// Files: a worker's private ones, made again by replay with the times they had; and directories that a command is given.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { chance, executable, golemAot, must, run, runAndKill, scratch, shape, Worker } from '../harness.mjs';

const API = 'demo:files/api@1.0.0';
const files = executable('files'), disk = executable('disk');

const text = (value) => JSON.stringify(value);
const workerOf = (t, name = 'w') => new Worker(files, join(scratch(t), 'data'), name);
const step = (worker, key, line) => JSON.parse(worker.invoke(key, `${API}.{step}`, text(line)));

test('a worker finds its files again in every process', (t) => {
    const worker = workerOf(t);
    assert.equal(step(worker, '1', 'list /'), '');
    assert.equal(step(worker, '2', 'mkdir /d'), 'done');
    assert.equal(step(worker, '3', 'write /d/log one'), 'done');
    assert.equal(step(worker, '4', 'append /d/log two'), 'done');
    assert.equal(step(worker, '5', 'read /d/log'), 'onetwo');
    assert.equal(step(worker, '6', 'move /d/log /b'), 'done');
    assert.equal(step(worker, '7', 'link /a b'), 'done');
    assert.equal(step(worker, '8', 'read /a'), 'onetwo');
    assert.equal(step(worker, '9', 'list /'), 'a@ b d/ ');
    assert.equal(step(worker, '10', 'remove /d'), 'done');
    assert.equal(step(worker, '11', 'list /'), 'a@ b ');
    worker.verify();
});

test('a file keeps the times it was seen with', (t) => {
    const worker = workerOf(t);
    step(worker, '1', 'write /f text');
    const seen = step(worker, '2', 'stat /f');
    assert.match(seen, /^size 4 modified \d{10}\.\d{9}$/);
    for (const key of ['3', '4']) assert.equal(step(worker, key, 'stat /f'), seen);
    step(worker, '5', 'append /f more');
    assert.notEqual(step(worker, '6', 'stat /f'), seen);
    worker.verify();
});

test('workers do not see each other\'s files', (t) => {
    const data = join(scratch(t), 'data');
    const [a, b] = ['a', 'b'].map((name) => new Worker(files, data, name));
    assert.equal(step(a, '1', 'write /f a'), 'done');
    assert.equal(step(b, '1', 'list /'), '');
    assert.equal(step(a, '2', 'read /f'), 'a');
});

// Every way out of its directory that a worker's libc lets through.
test('a worker does not leave its directory', (t) => {
    const worker = workerOf(t);
    const ways = ['read /../../../../../../etc/hostname', 'list /..', 'list ../..', 'write ../x text', 'mkdir /../x', 'read /proc/self/environ',
        'move /f ../f', 'link /l /etc', 'link /l /', 'list /d/../..'];
    step(worker, 'f', 'write /f text');
    step(worker, 'd', 'mkdir /d');
    for (const way of ways) assert.match(step(worker, way, way), /^error: /, way);
    assert.equal(step(worker, 'l1', 'link /up ..'), 'done');
    assert.match(step(worker, 'l2', 'list /up'), /^error: /);
    assert.match(step(worker, 'l3', 'read /up/up/etc/hostname'), /^error: /);
    assert.equal(step(worker, 'end', 'list /'), 'd/ f up@ ');
    worker.verify();
});

// --- initial files ---

/** A worker with a read-only /etc/fixed and a read-write /var/own. */
function furnished(t) {
    const folder = scratch(t), worker = new Worker(files, join(folder, 'data'), 'w');
    writeFileSync(join(folder, 'fixed'), 'as given');
    writeFileSync(join(folder, 'own'), 'to begin with');
    const given = ['--file', `${join(folder, 'fixed')}::/etc/fixed`, '--file', `${join(folder, 'own')}::/var/own:read-write`];
    worker.args = (...rest) => ['--data', worker.data, '--worker', worker.name, ...given, ...rest];
    return { folder, worker };
}

/** All that would change a read-only file, or take it away from where it is. */
const forbidden = ['write /etc/fixed x', 'append /etc/fixed x', 'resize /etc/fixed 3', 'resize /etc/fixed 0', 'remove /etc/fixed', 'move /etc/fixed /other',
    'move /free /etc/fixed', 'touch /etc/fixed 5', 'hold a /etc/fixed', 'fill /etc/fixed 5', 'move /etc /elsewhere', 'move /link /etc/fixed',
    'write /link x', 'resize /link 0', 'write /twin x', 'append /twin x', 'resize /twin 1', 'remove /twin', 'move /twin /third', 'touch /twin 5'];

test('a worker is created with files, which a read-only one stays whatever is tried', (t) => {
    const { folder, worker } = furnished(t);
    assert.equal(step(worker, 'a', 'read /etc/fixed'), 'as given');
    assert.equal(step(worker, 'b', 'read /var/own'), 'to begin with');
    for (const line of ['write /free text', 'link /link etc/fixed', 'twin /etc/fixed /twin']) assert.equal(step(worker, line, line), 'done', line);
    const tried = JSON.parse(worker.invoke('tried', `${API}.{steps}`, `[${forbidden.map(text).join(', ')}]`, '0'));
    tried.forEach((answer, i) => assert.equal(answer, 'error: Operation not permitted', forbidden[i]));
    assert.match(step(worker, 'c', 'remove /etc'), /^error: /);
    assert.equal(step(worker, 'd', 'append /var/own  and more'), 'done');
    rmSync(join(folder, 'fixed'));
    rmSync(join(folder, 'own'));
    must(files, worker.args('checkpoint'));
    for (const key of ['e', 'f']) assert.equal(step(worker, key, 'read /twin'), 'as given');
    const again = JSON.parse(worker.invoke('again', `${API}.{steps}`, `[${forbidden.map(text).join(', ')}]`, '0'));
    again.forEach((answer, i) => assert.equal(answer, 'error: Operation not permitted', `after a restore: ${forbidden[i]}`));
    assert.equal(step(worker, 'g', 'read /var/own'), 'to begin with and more');
    worker.verify();
});

test('initial files are there for every replay, or it is said which is not', (t) => {
    const { folder, worker } = furnished(t);
    step(worker, 'a', 'append /var/own  more');
    rmSync(join(folder, 'own'));
    assert.equal(step(worker, 'b', 'read /var/own'), 'to begin with more');
    const kept = join(worker.data, 'workers', readdirSync(join(worker.data, 'workers'))[0], 'initial', '1');
    writeFileSync(kept, 'to begin wath');
    const { status, stderr } = worker.run('verify'); // an invocation may begin with a checkpoint, which needs none of them
    assert.equal(status, 1);
    assert.match(stderr, /its initial file \/var\/own is damaged/);
    rmSync(kept);
    assert.match(worker.run('verify').stderr, /its initial file \/var\/own is missing/);
});

test('an ephemeral worker has initial files too', (t) => {
    const folder = scratch(t);
    writeFileSync(join(folder, 'given'), 'here');
    const step = (line) => must(files, ['--ephemeral', '--file', `${folder}/given::/a/b/given`, 'invoke', `${API}.{step}`, text(line)]);
    assert.equal(JSON.parse(step('read /a/b/given')), 'here');
    assert.match(JSON.parse(step('write /a/b/given x')), /^error: /);
});

test('initial files that cannot be had are refused before anything is kept', (t) => {
    const folder = scratch(t);
    writeFileSync(join(folder, 'f'), 'text');
    for (const [given, why] of [[['nowhere::/f'], 'No such file'], [['f::f'], 'absolute'], [['f::/../f'], 'absolute'], [['f::/a//b'], 'absolute'],
        [['f::/a/'], 'absolute'], [['f::'], 'absolute'], [['f::/./a'], 'absolute'], [['::/f'], 'HOST::GUEST'], [['f'], 'HOST::GUEST'],
        [['f::/a', 'f::/a'], 'in each other'], [['f::/a', 'f::/a/b'], 'in each other'], [['f::/a/b:read-write', 'f::/a'], 'in each other'],
        [['.::/a'], 'Is a directory'], [[`f::/${'n'.repeat(256)}`], 'absolute']]) {
        const worker = new Worker(files, join(folder, 'data'));
        const { status, stderr } = run(files, [...worker.args(), ...given.flatMap((value) => ['--file', value]), 'invoke', `${API}.{step}`, text('list /')],
            { cwd: folder });
        assert.ok(status === 1 || status === 2, `${given}: ${status}`);
        assert.ok(stderr.includes(why), `${given}: ${stderr}`);
    }
});

// --- kills ---

const campaign = ['mkdir /d', 'write /d/a one', 'stat /d/a', 'append /d/a two', 'link /l d/a', 'read /l', 'move /d/a /d/b', 'write /d/a new',
    'stat /d/b', 'list /d', 'remove /l', 'append /d/b three', 'read /d/b', 'list /'];
const wanted = ['done', 'done', null, 'done', 'done', 'onetwo', 'done', 'done', null, 'a b ', 'done', 'done', 'onetwothree', 'd/ '];

test('a worker killed in the middle of its work on files goes on as if nothing had been', async (t) => {
    const kills = 25, random = chance(7);
    const value = `[${campaign.map(text).join(', ')}]`, calls = '2000';
    const calm = workerOf(t, 'calm');
    const begun = process.hrtime.bigint();
    must(files, calm.invokeArgs('key', `${API}.{steps}`, value, calls));
    const milliseconds = Number(process.hrtime.bigint() - begun) / 1e6;
    const worker = workerOf(t, 'calm');
    for (let i = 0; i < kills; i++)
        await runAndKill(files, worker.invokeArgs('key', `${API}.{steps}`, value, calls), random() * milliseconds, { folder: scratch(t) });
    const answers = JSON.parse(worker.invoke('key', `${API}.{steps}`, value, calls));
    answers.forEach((answer, i) => wanted[i] === null ? assert.match(answer, /^size /) : assert.equal(answer, wanted[i], campaign[i]));
    assert.deepEqual(shape(worker.oplog()), shape(calm.oplog()));
    assert.equal(step(worker, 'after', 'read /d/b'), 'onetwothree');
    worker.verify();
});

/** The ways to run a command with a directory under a name. */
const ways = {
    'golem-aot run': (mounts, args) => run(golemAot, ['run', ...mounts.flatMap((mount) => ['--dir', mount]), disk, ...args]),
    'EXE run': (mounts, args) => run(disk, [...mounts.flatMap((mount) => ['--dir', mount]), 'run', ...args]),
};

for (const [way, start] of Object.entries(ways)) {
    const answers = (mounts, steps) => {
        const { status, stdout, stderr } = start(mounts, steps);
        assert.equal(status, 0, stderr);
        return stdout.split('\n').slice(0, -1);
    };

    test(`${way}: a command works on the directories it is given`, (t) => {
        const [first, second] = [scratch(t), scratch(t)];
        writeFileSync(join(first, 'in'), 'given');
        assert.deepEqual(answers([`${first}::/`, `${second}::/other`], ['read /in', 'write /other/out made', 'mkdir /d', 'list /', 'move /in /d/in']),
            ['given', 'done', 'done', 'd/ in ', 'done']);
        assert.equal(readFileSync(join(second, 'out'), 'utf8'), 'made');
        assert.equal(readFileSync(join(first, 'd', 'in'), 'utf8'), 'given');
    });

    test(`${way}: and on no others`, (t) => {
        const outside = mkdtempSync(join(tmpdir(), 'golem-aot-test-')), inside = join(outside, 'inside');
        t.after(() => rmSync(outside, { recursive: true }));
        mkdirSync(inside);
        writeFileSync(join(outside, 'secret'), 'secret');
        symlinkSync('../secret', join(inside, 'link'));
        symlinkSync(outside, join(inside, 'absolute'));
        for (const line of ['read /../secret', 'read /link', 'read /absolute/secret', 'list /absolute', 'write /link x', 'remove /../secret', 'move /link /../link'])
            assert.match(answers([`${inside}::/`], [line])[0], /^error: /, line);
        assert.match(answers([], ['list /'])[0], /^error: /);
        assert.deepEqual(readdirSync(outside).sort(), ['inside', 'secret']);
        assert.equal(readFileSync(join(outside, 'secret'), 'utf8'), 'secret');
    });
}
