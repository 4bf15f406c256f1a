// One command (tests/guests/errand) in several languages: environment, clocks, files and HTTP, as a plain command and as a worker that is
// killed in the middle of it.
//
// ERRANDS: which languages, instead of those that compile in seconds ("c rust"; `make test-js` runs "js go", Go where there is one).

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { build, chance, executable, golemAot, guest, run, runAndKill, scratch, Worker } from '../harness.mjs';
import { network } from '../net/net.mjs';
import { digest, pattern } from '../net/origin_routes.mjs';

const few = 3, many = 12; // rounds
const bytes = digest(pattern(1000));
const log = (rounds) => `1000 ${bytes}\n`.repeat(rounds);
const wanted = (rounds) => ['greeting hello', 'clock steady', 'files a.txt c.txt', 'contents onetwo', 'size 6',
    ...Array.from({ length: rounds }, (_, i) => `round ${i} 1000 ${bytes}`), `large 1000000 ${digest(pattern(1000000))}`, 'missing 404', 'refused',
    `log ${log(rounds).length} ${digest(Buffer.from(log(rounds)))}`];

const net = await network({ after });

/** The arguments of a worker that does the errand. */
const recorded = (worker, rounds) => worker.args('--env', 'GREETING=hello', '--key', 'k', 'run', net.origin, String(rounds));

/** How often the origin saw each round. */
async function roundsSeen(rounds) {
    const counts = Array(rounds).fill(0);
    for (const { id } of await net.seen()) if (id !== undefined) counts[id]++;
    return counts;
}

const workerOf = (t, name) => new Worker(executable(name), join(scratch(t), 'data'));

/** The lines that the worker has printed. */
const said = (worker) => worker.oplog({ hints: true }).filter(({ entry }) => entry.type === 'Log').map(({ entry }) => entry.message).join('')
    .split('\n').filter(Boolean);

for (const language of (process.env.ERRANDS ?? 'c rust').split(' ')) {
    const name = `errand-${language}`;
    if (language === 'go' && !existsSync(join(build, 'guests', `${name}.wasm`))) {
        test('go', { skip: 'there was no Go when the guests were built' }, () => {});
        continue;
    }

    test(`${language}: a plain command does its errand`, async (t) => {
        const folder = scratch(t);
        await net.forget();
        executable(name); // what golem-aot run compiles is then in the cache, however long it takes
        const { status, stdout, stderr } = run(golemAot, ['run', '--dir', `${folder}::/`, '--env', 'GREETING=hello', guest(name), net.origin, String(few)]);
        assert.deepEqual(stdout.split('\n'), [...wanted(few), ''], stderr);
        assert.equal(status, 0);
        assert.equal(readFileSync(join(folder, 'errand/log'), 'utf8'), log(few));
        assert.deepEqual(await roundsSeen(few), Array(few).fill(1));
    });

    test(`${language}: a worker does it recorded, and replays it without the world`, async (t) => {
        await net.forget();
        const worker = workerOf(t, name);
        const { status, stdout, stderr } = run(worker.program, recorded(worker, few));
        assert.deepEqual(stdout.split('\n'), [...wanted(few), ''], stderr);
        assert.equal(status, 0);
        const before = (await net.seen()).length;
        worker.verify();
        assert.equal(run(worker.program, recorded(worker, few)).status, 0, 'the key\'s first result');
        assert.equal((await net.seen()).length, before, 'nothing is asked again');
    });

    test(`${language}: killed at random instants, it is done once`, async (t) => {
        const quiet = workerOf(t, name), random = chance(3);
        const start = performance.now();
        assert.equal(run(quiet.program, recorded(quiet, many)).status, 0);
        const milliseconds = performance.now() - start;

        for (let kills = 0; kills < 8;) {
            await net.forget();
            const worker = workerOf(t, name), folder = scratch(t);
            let hits = 0;
            for (let ended = {}; ended.status === undefined || ended.signal === 'SIGKILL';) {
                // The later a shot, the more of it is done; with the seventh it has its peace.
                ended = await runAndKill(worker.program, recorded(worker, many), hits < 6 ? random() * milliseconds : 1e5, { folder });
                if (ended.signal === 'SIGKILL') hits++;
                else assert.equal(ended.status, 0, ended.stderr);
            }
            assert.deepEqual(said(worker), wanted(many), 'every line once');
            for (const [round, count] of (await roundsSeen(many)).entries()) assert.ok(count >= 1 && count <= 1 + hits, `round ${round}: ${count} times`);
            worker.verify();
            kills += hits;
        }
    });
}
