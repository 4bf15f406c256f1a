// A handler of HTTP requests in JavaScript (12 MB of engine, part of `make test-js`): served, and called as a function.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { executable, must, scratch, Worker } from '../harness.mjs';

const skip = (process.env.TOOLCHAINS ?? '').split(' ').includes('js') ? false : 'TOOLCHAINS has no js';

test('a handler in JavaScript is served, each request by a fresh instance', { skip }, async (t) => {
    const child = spawn(executable('handler-js'), ['serve', '--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    const [said] = await once(child.stdout, 'data');
    const url = String(said).match(/http:\S+/)[0];
    const hello = await fetch(`${url}/hello`);
    assert.deepEqual([hello.status, hello.headers.get('x-method'), await hello.text()], [200, 'get', 'hello\n']);
    for (let i = 0; i < 5; i++) assert.equal(await (await fetch(`${url}/count`)).text(), '1');
    const body = 'body '.repeat(40_000);
    assert.equal(await (await fetch(`${url}/echo`, { method: 'POST', body })).text(), body);
    assert.equal((await fetch(`${url}/nowhere`)).status, 404);
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
});

test('a handler in JavaScript is a function of a durable worker', { skip }, (t) => {
    const worker = new Worker(executable('handler-js'), scratch(t));
    const request = '{method: GET, scheme: HTTP, authority: "h", path-and-query: "/count", headers: []}';
    for (const count of ['1', '2', '3'])
        assert.equal(must(worker.program, worker.args('invoke', 'golem:http/incoming-handler.{handle}', request)),
            `{status: 200, headers: [], body-and-trailers: some({content: [${count.charCodeAt(0)}]})}`);
    worker.verify();
});
