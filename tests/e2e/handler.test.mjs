// golem:http/incoming-handler.{handle}: a handler of HTTP requests called as a function of a durable worker.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chance, executable, must, run, runAndKill, scratch, Worker } from '../harness.mjs';

const program = executable('handler');
const HANDLE = 'golem:http/incoming-handler.{handle}';
const bytes = (text) => `[${[...Buffer.from(text)].join(', ')}]`;
/** The content of a response's body; undefined if there is none. */
function text(response) {
    const found = response.match(/content: \[([0-9, ]*)\]/);
    return found ? Buffer.from(found[1].split(', ').filter(Boolean).map(Number)).toString() : undefined;
}

function request(path, { method = 'GET', scheme = 'HTTP', authority = 'h', headers = '[]', body, trailers } = {}) {
    const content = body === undefined ? '' : `, body-and-trailers: some({content: ${bytes(body)}${trailers ? `, trailers: some(${trailers})` : ''}})`;
    return `{method: ${method}, scheme: ${scheme}, authority: "${authority}", path-and-query: "${path}", headers: ${headers}${content}}`;
}

test('requests and responses are values', (t) => {
    const worker = new Worker(program, scratch(t));
    const call = (...args) => must(program, worker.args('invoke', HANDLE, request(...args)));
    assert.equal(call('/status?204'), `{status: 204, headers: [("x-status", ${bytes('given')})]}`);
    const described = call('/request?q', { method: 'custom("BREW")', scheme: 'custom("pot")', authority: 'a:1', headers: `[("X-A", ${bytes('b')}), ("Host", ${bytes('c')})]` });
    assert.equal(text(described), 'BREW\n?\na:1\n/request?q\nx-a: b\n', 'host is no field of a guest');
    assert.equal(text(call('/request', { method: 'PUT', scheme: 'HTTPS' })), 'PUT\nhttps\nh\n/request\n');
    assert.equal(call('/echo', { method: 'POST' }), '{status: 200, headers: []}');
    assert.equal(call('/echo', { method: 'POST', body: 'body', trailers: `[("X-T", ${bytes('t')})]` }),
        `{status: 200, headers: [], body-and-trailers: some({content: ${bytes('body')}, trailers: some([("x-t", [116])])})}`);
    assert.equal(text(call('/big?300000')).length, 300_000);
    assert.equal(text(call('/trickle?10')), [0, 1, 2, 3, 4].map((i) => `line ${i}\n`).join(''));
    assert.equal(text(call('/late?50')), 'early\n');
    assert.equal(text(call('/ignore', { method: 'POST', body: 'unread' })), 'hello\n');
    assert.equal(text(call('/count')), '10', 'the instance is one and the same');
    worker.verify();
});

test('what cannot be a request is refused, and leaves no trace', (t) => {
    const worker = new Worker(program, scratch(t));
    worker.run('invoke', HANDLE, request('/count'));
    const before = worker.oplog().length;
    const table = {
        method: request('/', { method: 'custom("A B")' }),
        scheme: request('/', { scheme: 'custom("1:")' }),
        authority: request('/', { authority: 'a b' }),
        'path-and-query': request('/a b'),
        headers: request('/', { headers: `[("a b", [])]` }),
        trailers: request('/', { body: 'x', trailers: `[("a", [10])]` }),
    };
    for (const [what, value] of Object.entries(table)) {
        const refused = run(program, worker.args('invoke', HANDLE, value));
        assert.equal(refused.status, 1, what);
        assert.match(refused.stderr, new RegExp(`the request's ${what} cannot`));
    }
    for (const [fn, value] of [[HANDLE, '1'], [HANDLE, ''], ['golem:http/incoming-handler.{other}', request('/')], ['golem:http/incoming-handler@1.0.0.{handle}', request('/')]])
        assert.equal(run(program, worker.args('invoke', fn, value)).status, 1, fn);
    assert.equal(worker.oplog().length, before);
    assert.equal(run(executable('hello'), ['--data', worker.data, '--worker', 'other', 'invoke', HANDLE, request('/')]).status, 1);
});

test('a handler that gives no response has failed, and so has its worker', (t) => {
    const folder = scratch(t);
    for (const [path, why] of [['/none', 'has set no response'], ['/error', 'the error HTTP-request-denied'], ['/incomplete', 'is incomplete'], ['/short?9', 'is incomplete'], ['/trap-late', 'unreachable']]) {
        const worker = new Worker(program, folder, path.slice(1).replace('?', ''));
        const failed = run(program, worker.args('invoke', HANDLE, request(path)));
        assert.equal(failed.status, 3, path);
        assert.match(failed.stderr, new RegExp(`^trap: .*${why}`), path);
        assert.match(run(program, worker.args('invoke', HANDLE, request('/count'))).stderr, /Previous invocation failed/);
        worker.verify();
    }
});

test('a key gives the first response for ever', (t) => {
    const worker = new Worker(program, scratch(t));
    for (let i = 0; i < 3; i++) assert.equal(text((worker.invoke('one', HANDLE, request('/count')))), '1');
    assert.equal(text((worker.invoke('two', HANDLE, request('/count')))), '2');
});

test('killed at any instant, a handler goes on where it was', async (t) => {
    const folder = scratch(t), random = chance(7);
    const expected = [0, 1, 2, 3, 4].map((i) => `line ${i}\n`).join('');
    for (let round = 0; round < 8; round++) {
        const worker = new Worker(program, folder, `w${round}`);
        worker.invoke('before', HANDLE, request('/count'));
        const args = worker.invokeArgs('key', HANDLE, request('/trickle?60', { body: 'x'.repeat(20_000) }));
        for (let kill = 0; kill < 3; kill++) await runAndKill(program, args, random() * 400, { folder });
        assert.equal(text((must(program, args))), expected);
        assert.equal(text((worker.invoke('after', HANDLE, request('/count')))), '3', 'once, however often it was killed');
        worker.verify();
    }
});

test('a checkpoint in the middle of a handler has its request and what it has answered so far', async (t) => {
    const folder = scratch(t);
    const worker = new Worker(program, folder);
    const args = worker.invokeArgs('key', HANDLE, request('/grind?600', { body: 'x'.repeat(20_000) }));
    await runAndKill(program, args, 1500, { folder });
    assert.match(worker.run('info').stdout, /checkpoint +.*in the middle of an invocation/);
    assert.equal(text((must(program, args))), `${'.'.repeat(600)}${'x'.repeat(20_000)}`);
    worker.verify();
});
