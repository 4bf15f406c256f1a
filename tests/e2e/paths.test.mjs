// Paths that lead out of a guest's directory, or try to, on every function that takes a path: open-at, stat-at, metadata-hash-at, set-times-at, link-at,
// symlink-at, rename-at, unlink-file-at, remove-directory-at, create-directory-at, readlink-at (tests/guests/paths.c). test_io_path.c has races.

import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { executable, run, scratch } from '../harness.mjs';

const paths = executable('paths');

/** A directory "root" to give to a guest, with everything that may tempt around it and in it. */
function trap(t) {
    const outer = scratch(t), root = join(outer, 'root');
    mkdirSync(join(outer, 'secretdir'));
    for (const folder of ['', 'dir', 'dir/sub', 'empty']) mkdirSync(join(root, folder));
    writeFileSync(join(outer, 'secret'), 'SECRET');
    writeFileSync(join(outer, 'secretdir/inside'), 'SECRET');
    for (const file of ['file', 'spare', 'dir/file']) writeFileSync(join(root, file), 'own');
    const links = { up: '..', upup: '../..', 'dir/up': '..', 'dir/upup': '../..', out: '../secret', outdir: '../secretdir', outmissing: '../missing', abs: '/etc/passwd',
        absdir: outer, absroot: '/', absself: root, proc: '/proc/self/root', fd: '/proc/self/fd/3', cwd: '/proc/self/cwd', self: 'self', loop1: 'loop2', loop2: 'loop1',
        back: '../root/file', maze: 'dir/up/dir/up/../secret', hop: 'dir/upup/secret', dot: '.', slash: 'outdir/', 'dir/sub/deep': '../../../secret' };
    for (const [name, target] of Object.entries(links)) symlinkSync(target, join(root, name));
    return { outer, root };
}

// Nothing may be had or done through any of these.
const tricks = ['..', '../', '../secret', '../secretdir/inside', '../root/file', './..', './../secret', './/..//secret', 'dir/../../secret', 'dir/sub/../../../secret',
    'dir/./sub/.././../../secret', 'missing/../../secret', 'file/../../secret', '/', '//', '/etc/passwd', '//etc/passwd', '/proc/self/root', '/../secret', '/dev/null',
    'up/secret', 'up/root/file', 'dot/up/secret', 'dot/dot/../secret', 'outdir/inside', 'outdir/../secret', 'outdir/new', 'absdir/secret', 'absroot/etc/passwd', 'absself/file',
    'proc/etc/passwd', 'proc/self/environ', 'fd/secret', 'cwd/secret', 'dir/upup/secret', 'dir/up/up/secret', 'dir/up/../secret', 'upup/x', 'loop1/x', 'self/x', 'slash/inside',
    '', '%00', 'file%00', 'file%00/../../secret', 'dir%00/file', '../secret%00', '.%00.', `${'n'.repeat(256)}`, `${'d/'.repeat(2100)}x`, `${'./'.repeat(2100)}file`,
    `${'../'.repeat(50)}etc/passwd`, 'file/', 'file/.', 'file/..', 'dir/sub/deep/x', 'up/up/up/up/up/up/etc/passwd', '..%2fsecret', '%2e%2e/secret', '%2e%2e%2fsecret'];

// Links whose name is in the directory and may be changed there, but which lead nowhere that may be seen.
const traps = ['up', 'upup', 'up/', 'out', 'out/', 'outdir', 'outdir/', 'outmissing', 'abs', 'abs/', 'absdir', 'absroot', 'absself', 'proc', 'fd', 'cwd', 'self', 'loop1', 'back', 'maze', 'hop',
    'dir/up/up', 'dir/upup', 'dir/sub/deep', 'slash'];
const follows = new Set(['open', 'open-directory', 'open-create', 'open-truncate', 'stat', 'set-times', 'symlink-through']);
const taken = ['symlink', 'link-to', 'open-nofollow']; // behind these, the link itself is renamed and removed

// Preview 1's numbers: what a guest may learn is no more than that it cannot.
const refusals = new Set([2, 20, 28, 31, 32, 37, 44, 54, 55, 63, 76]); // access exist inval isdir loop nametoolong noent notdir notempty perm notcapable

const stampOf = (path) => [lstatSync(path).mtimeMs, lstatSync(path).nlink];
const stamps = (outer) => Object.fromEntries(['secret', 'secretdir/inside'].map((file) => [file, stampOf(join(outer, file))]));

function assertOutsideUntouched(outer, before) {
    assert.deepEqual(readdirSync(outer).sort(), ['root', 'secret', 'secretdir']);
    assert.deepEqual(readdirSync(join(outer, 'secretdir')), ['inside']);
    for (const file of ['secret', 'secretdir/inside']) {
        assert.equal(readFileSync(join(outer, file), 'utf8'), 'SECRET', file);
        assert.deepEqual(stampOf(join(outer, file)), before[file], file);
    }
}

/** [function, errno, what was read] of a path tried on all functions, in a directory of its own. */
function attempt(t, path) {
    const { outer, root } = trap(t), before = stamps(outer);
    const { status, stdout, stderr } = run(paths, ['--dir', `${root}::/`, 'run', path]);
    assert.equal(status, 0, `${path}: ${stderr}`);
    assert.ok(!stdout.includes('SECRET') && !stdout.includes('root:'), `${path}: ${stdout}`);
    assertOutsideUntouched(outer, before);
    return stdout.split('\n').filter(Boolean).map((line) => line.split(' '));
}

test('no path that leads out does anything, whichever function takes it', (t) => {
    assert.ok(tricks.length >= 40);
    for (const path of tricks)
        for (const [name, error] of attempt(t, path))
            assert.ok(refusals.has(Number(error)), `${name} ${JSON.stringify(path.slice(0, 60))}: errno ${error}`);
});

test('a link that leads out is a name like any other, and nothing more', (t) => {
    for (const path of traps)
        for (const [name, error] of attempt(t, path))
            if (follows.has(name) || (taken.includes(name) && !path.endsWith('/')))
                assert.ok(refusals.has(Number(error)), `${name} ${path}: errno ${error}`);
});

test('odd paths that stay inside work as they do everywhere', (t) => {
    for (const path of ['file', './file', './/file', 'dir/../file', 'dir/sub/../../file', 'dot/file', 'dot/dot/dot/file', 'dir/up/file', 'dir//file', `${'./'.repeat(2000)}file`]) {
        const [[name, error, content]] = attempt(t, path);
        assert.deepEqual([name, error, content], ['open', '0', 'own'], path.slice(0, 60));
    }
});

test('a path that is no UTF-8 ends the guest and nothing else', (t) => {
    const { outer, root } = trap(t);
    for (const path of ['%ff', 'file%c0%80', '%ed%a0%80', '%f5/..', 'dir/%80/../../secret']) {
        const { status, stdout } = run(paths, ['--dir', `${root}::/`, 'run', path]);
        assert.ok(status === 3 || !/ 0 /.test(stdout), `${path}: ${status} ${stdout}`);
        assert.ok(!stdout.includes('SECRET'));
    }
    assert.deepEqual(readdirSync(outer).sort(), ['root', 'secret', 'secretdir']);
});
