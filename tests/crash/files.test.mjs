// Crashes of a worker that works on files and sleeps, with checkpoints between and in the middle: SIGKILL at random instants and before
// each call that leaves something on the disk; power loss at each sync, names of files included (powerloss.c). Every recovery is
// compared with a run that nothing happened to: answers, the oplog's shape, the tree of files, and `verify`, which compares the
// files of the newest checkpoint with those that a replay of everything makes.
//
// CRASH_KILLS, CRASH_SYNCS: how many of each (defaults 40, and 4 for each kind; `make crash` takes 500 and all), CRASH_SEED.

import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { build, chance, executable, must, run, runAndKill, scratch, shape, Worker } from '../harness.mjs';

const kills = Number(process.env.CRASH_KILLS ?? 40);
const points = Number(process.env.CRASH_SYNCS ?? 4);
const seed = Number(process.env.CRASH_SEED ?? 1);
const library = join(build, 'tests/powerloss.so');
const STEPS = 'demo:files/api@1.0.0.{steps}';

// Steps of one invocation and, after each, so many recorded calls: long ones have checkpoints in their middle.
const script = [
    { key: 'begin', calls: 10, steps: ['mkdir /d', 'write /d/log first', 'hold a /d/log', 'write /keep kept', 'twin /keep /d/twin', 'link /l d/log',
        'fill /big 300000', 'touch /keep 1000000000'] },
    { checkpoint: true },
    { key: 'open', calls: 12000, steps: ['hold b /gone', 'add b nameless', 'remove /gone', 'show b', 'move /d/log /d/moved', 'add a  written',
        'sleep 10', 'fill /big 200000', 'show a', 'resize /big 5000'] },
    { checkpoint: true },
    { key: 'more', calls: 10, steps: ['show a', 'add b -again', 'show b', 'append /d/twin -twin', 'read /keep', 'remove /d/twin', 'list /', 'list /d'] },
    { checkpoint: true },
    { key: 'large', calls: 12000, steps: ['fill /d/other 400000', 'drop b', 'sleep 5', 'move /d /e', 'add a !', 'read /e/moved', 'remove /l', 'write /new text'] },
    { checkpoint: true },
    { key: 'end', calls: 10, steps: ['list /', 'list /e', 'read /e/moved', 'read /keep', 'read /new', 'show a', 'stat /keep'] },
];

const argsOf = (worker, call) => call.checkpoint ? worker.args('checkpoint')
    : worker.invokeArgs(call.key, STEPS, `[${call.steps.map((step) => JSON.stringify(step)).join(', ')}]`, String(call.calls));

/** All files below a directory: names, kinds, contents. */
function tree(folder, name = '') {
    const path = join(folder, name), stat = lstatSync(path);
    if (stat.isSymbolicLink()) return [`${name} -> ${readlinkSync(path)}`];
    if (!stat.isDirectory()) return [`${name} ${stat.nlink} ${readFileSync(path, 'latin1')}`];
    return [`${name}/`, ...readdirSync(path).sort().flatMap((entry) => tree(folder, join(name, entry)))];
}

const liveTree = (worker) => tree(join(worker.data, 'workers', readdirSync(join(worker.data, 'workers'))[0], 'files', 'root'));

/** Everything that must be the same after any crash. */
function assertSame(worker, answers, expected, what) {
    assert.deepEqual(answers, expected.answers, `${what}: other answers`);
    assert.deepEqual(liveTree(worker), expected.tree, `${what}: other files`);
    assert.deepEqual(shape(worker.oplog()), expected.shape, `${what}: another oplog`);
    worker.verify();
}

/** Runs all calls in peace. A slot whose header is valid has valid files: no crash may leave it otherwise, though that would only cost time. */
function settle(worker) {
    return script.map((call) => {
        const { status, stdout, stderr } = run(worker.program, argsOf(worker, call));
        assert.equal(status, 0, stderr);
        assert.ok(!/files-\d: /.test(stderr), stderr);
        return stdout.trimEnd();
    }).filter((_, i) => !script[i].checkpoint);
}

/** What a run without crashes comes to. */
function calm(program, folder) {
    const worker = new Worker(program, join(folder, 'calm'));
    const milliseconds = script.map((call) => {
        const begun = performance.now();
        must(program, argsOf(worker, call));
        return performance.now() - begun;
    });
    const answers = settle(worker), wanted = JSON.parse(answers[4]);
    assert.deepEqual(wanted.slice(0, 6), ['big e/ keep new ', 'moved other ', ' written!', 'kept-twin', 'text', ' written!']);
    const expected = { answers, tree: liveTree(worker), shape: shape(worker.oplog()) };
    worker.verify();
    return { expected, milliseconds };
}

// The answer to "stat" has a time that is chosen when it is first asked; all others are the same in every run.
const withoutTimes = (answers) => answers.map((answer) => answer.replace(/modified \d+\.\d+/, ''));

test('killed at random instants, a worker on files goes on as if nothing had been', async (t) => {
    const program = executable('files'), folder = scratch(t), random = chance(seed);
    const { expected, milliseconds } = calm(program, folder);
    expected.answers = withoutTimes(expected.answers);
    let hits = 0, rounds = 0;
    for (; hits < kills; rounds++) {
        const worker = new Worker(program, join(folder, `round-${rounds}`));
        for (const [i, call] of script.entries()) {
            for (let shot = 0; shot < 4 && hits < kills; shot++) {
                const ended = await runAndKill(program, argsOf(worker, call), random() * (milliseconds[i] * 1.1 + 2), { folder });
                if (ended.signal !== 'SIGKILL') {
                    assert.equal(ended.status, 0, ended.stderr);
                    break;
                }
                hits++;
            }
            must(program, argsOf(worker, call)); // the next call comes after this one, whatever was killed
        }
        assertSame(worker, withoutTimes(settle(worker)), expected, `round ${rounds}`);
    }
    t.diagnostic(`${hits} kills in ${rounds} rounds`);
});

/** Runs the calls until the process is killed by the library. */
function runUntilDark(worker, settings) {
    const counted = [0, 0], which = settings.POWERLOSS_CALL ? 1 : 0;
    const at = Number(settings.POWERLOSS_CALL ?? settings.POWERLOSS_AT);
    for (const call of script) {
        const count = join(worker.data, '..', 'count');
        const left = String(at === 0 ? 0 : at - counted[which]);
        const env = { ...process.env, LD_PRELOAD: library, POWERLOSS_DIR: worker.data, POWERLOSS_COUNT: count, POWERLOSS_NAMES: '/files-',
            POWERLOSS_EXCEPT: '/files/', POWERLOSS_SEED: String(at), ...settings, [which ? 'POWERLOSS_CALL' : 'POWERLOSS_AT']: left };
        const done = run(worker.program, argsOf(worker, call), { env });
        if (done.signal === 'SIGKILL') return counted;
        assert.equal(done.status, 0, done.stderr);
        readFileSync(count, 'utf8').split(' ').forEach((number, i) => (counted[i] += Number(number)));
    }
    return counted;
}

function everyPoint(t, settingsAt, which) {
    const program = executable('files', '--dynamic'), folder = scratch(t);
    const { expected } = calm(program, folder);
    expected.answers = withoutTimes(expected.answers);
    const fresh = (name) => {
        mkdirSync(join(folder, name, 'data'), { recursive: true });
        return new Worker(program, join(folder, name, 'data'));
    };
    const total = runUntilDark(fresh('quiet'), settingsAt(0))[which];
    assert.ok(total > 30, `only ${total} points`);
    let tried = 0;
    for (let at = 1; at <= total; at += Math.max(1, total / points), tried++) {
        const worker = fresh(`at-${tried}`);
        runUntilDark(worker, settingsAt(Math.floor(at)));
        assertSame(worker, withoutTimes(settle(worker)), expected, `point ${Math.floor(at)} of ${total}`);
    }
    t.diagnostic(`${tried} of ${total} points`);
}

test('killed before each call that leaves something on the disk', (t) => everyPoint(t, (at) => ({ POWERLOSS_CALL: String(at) }), 1));

for (const mode of ['drop', 'torn', 'garble', 'keep'])
    test(`power loss at a sync; bytes and names that were not synced: ${mode}`, (t) =>
        everyPoint(t, (at) => ({ POWERLOSS_AT: String(at), POWERLOSS_MODE: mode }), 0));
