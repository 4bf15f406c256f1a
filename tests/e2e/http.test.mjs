// wasi:http/outgoing-handler: what is sent, what comes back, and what is told when something goes wrong; in a worker, that an exchange which
// was finished is never had again.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { executable, must, scratch, Session, Worker } from '../harness.mjs';
import { network } from '../net/net.mjs';
import { digest, pattern } from '../net/origin_routes.mjs';
import { wave } from '../wave.mjs';

const API = 'demo:http/api@1.0.0';
const http = executable('http');
const net = await network({ after });

const text = (value) => `"${String(value).replace(/[\\"\p{Cc}]/gu, (char) => `\\u{${char.codePointAt(0).toString(16)}}`)}"`;
const pairs = (list) => `[${list.map((pair) => `(${pair.map(text)})`)}]`;
const request = ({ method = 'GET', url, headers = [], trailers = [], body, connect = 0, firstByte = 0, betweenBytes = 0 }) =>
    `{method: ${text(method)}, url: ${text(url)}, headers: ${pairs(headers)}, trailers: ${pairs(trailers)}, body: ${
        body === undefined ? 'none' : `some([${[...body]}])`}, connect-timeout: ${connect}, first-byte-timeout: ${firstByte}, between-bytes-timeout: ${betweenBytes}}`;

/** {status, headers, trailers, body} of fetch's answer, or {error}. */
function answerOf(answer) {
    const { label, payload } = wave(answer);
    if (label === 'err') return { error: payload };
    const response = Object.fromEntries(payload.record);
    const list = (fields) => fields.map(({ tuple }) => tuple);
    return { status: Number(response.status), headers: list(response.headers), trailers: list(response.trailers), body: response.body };
}

const { SSL_CERT_FILE, SSL_CERT_DIR, CURL_CA_BUNDLE, ...without } = process.env;

/** Calls outside of any worker: nothing is recorded. */
function caller(t, env = {}) {
    const session = new Session(http, ['--ephemeral'], { env: { ...without, ...env } });
    t.after(() => session.kill());
    const call = (name, ...values) => session.call(`${API}.{${name}}(${values.join(', ')})`);
    return { session, call, fetch: async (wanted) => answerOf(await call('fetch', request(wanted))) };
}
const at = (path) => `http://${net.origin}${path}`;

test('a request is sent as the guest made it, with nothing added but where its body ends', async (t) => {
    const { fetch } = caller(t, { http_proxy: 'http://localhost:9', ALL_PROXY: 'http://localhost:9' });
    const headersOf = async (wanted) => {
        const { headers, method, url, size, trailers } = JSON.parse((await fetch({ url: at('/echo/a/../b?c=%20d'), ...wanted })).body);
        assert.equal(url, new URL(at('/echo')).pathname + '/a/../b?c=%20d');
        return { headers: headers.slice(2), method, size, trailers };
    };
    assert.deepEqual(await headersOf({}), { headers: [], method: 'GET', size: 0, trailers: [] });
    assert.deepEqual(await headersOf({ method: 'DELETE' }), { headers: [], method: 'DELETE', size: 0, trailers: [] });
    assert.deepEqual(await headersOf({ method: 'PROPFIND', headers: [['X-Second', '2'], ['x-first', ''], ['x-second', ' 3']] }),
        { headers: ['X-Second', '2', 'x-first', '', 'x-second', '3'], method: 'PROPFIND', size: 0, trailers: [] });
    assert.deepEqual(await headersOf({ method: 'POST' }), { headers: ['Content-Length', '0'], method: 'POST', size: 0, trailers: [] });
    assert.deepEqual(await headersOf({ method: 'PUT', body: [1, 2, 3], headers: [['content-length', '3'], ['Expect', '100-continue']] }),
        { headers: ['Expect', '100-continue', 'Content-Length', '3'], method: 'PUT', size: 3, trailers: [] });
});

test('a body of unknown size goes in chunks, with trailers', async (t) => {
    const { fetch } = caller(t);
    const { body } = await fetch({ method: 'POST', url: at('/echo'), body: Buffer.alloc(100000, 7), trailers: [['x-end', '1'], ['x-more', '2']] });
    const seen = JSON.parse(body);
    assert.deepEqual(seen.headers.slice(2), ['Transfer-Encoding', 'chunked']);
    assert.deepEqual([seen.size, seen.digest], [100000, digest(Buffer.alloc(100000, 7))]);
    assert.deepEqual(seen.trailers, ['x-end', '1', 'x-more', '2']);
});

test('GET and HEAD with an empty body are sent without one', async (t) => {
    const { fetch } = caller(t);
    const { body } = await fetch({ url: at('/echo'), body: [] });
    assert.deepEqual(JSON.parse(body).headers.slice(2), []);
    assert.deepEqual((await fetch({ method: 'HEAD', url: at('/bytes/10'), body: [] })).body, '');
});

test('a response comes as it is: not decompressed, not redirected, names in lower case, informational ones left out', async (t) => {
    const { fetch } = caller(t);
    const cookies = await fetch({ url: at('/cookies') });
    assert.deepEqual(cookies.headers.filter(([name]) => name === 'set-cookie'), [['set-cookie', 'a=1'], ['set-cookie', 'b=2']]);
    for (const name of ['connection', 'keep-alive', 'transfer-encoding']) assert.ok(!cookies.headers.some(([other]) => other === name), name);
    const moved = await fetch({ url: at('/redirect') });
    assert.equal(moved.status, 302);
    assert.ok(moved.headers.some(([name, value]) => name === 'location' && value === '/hello'));
    const { status, body, trailers } = await fetch({ url: at('/early') });
    assert.deepEqual([status, body, trailers], [200, 'after hints', []]);
    assert.deepEqual((await fetch({ url: at('/trailers') })).trailers, [['x-digest', '1234'], ['x-other', 'other']]);
    const { call } = caller(t);
    assert.equal(Number(wave(await call('read-some', text(at('/gzip')), 20, 0)).payload), 20);
    assert.equal((await fetch({ url: at('/status/204') })).status, 204);
});

test('a body flows both ways at the same time', async (t) => {
    const { call } = caller(t);
    const size = 5_000_000;
    const { tuple } = wave(await call('mirror', text(at('/mirror')), size)).payload;
    assert.deepEqual(tuple.map(Number), [size, digest(pattern(size))]);
});

test('connections are used again', async (t) => {
    const { fetch } = caller(t);
    await fetch({ url: at('/hello') });
    const before = await net.connections();
    for (let i = 0; i < 20; i++) assert.equal((await fetch({ url: at('/hello') })).body, 'hello');
    assert.ok((await net.connections()) <= before + 1);
});

test('what a server may have done is not asked of it a second time', async (t) => {
    const { fetch } = caller(t);
    for (const wanted of [{ method: 'POST' }, { method: 'POST', body: [1] }, { method: 'PATCH', body: [1], headers: [['content-length', '1']] }, { method: 'DELETE' }]) {
        assert.equal((await fetch({ url: at('/hello') })).body, 'hello', 'a connection that is used again');
        await net.forget();
        assert.equal((await fetch({ url: at('/no-answer'), ...wanted })).error, 'connection-terminated');
        assert.equal((await net.seen()).length, 1, wanted.method);
    }
});

test('each thing that can go wrong has its error', async (t) => {
    const { fetch } = caller(t);
    const errors = {
        'http://no-such-host.invalid/': 'DNS-error',
        [`http://${net.nobody}/`]: 'connection-refused',
        [at('/no-answer')]: 'connection-terminated',
        [at('/reset')]: 'connection-terminated',
        [at('/cut-headers')]: 'connection-terminated',
        [at('/no-http')]: 'HTTP-protocol-error',
        [at('/bad-status')]: 'HTTP-protocol-error',
        [at('/nul-header')]: 'HTTP-protocol-error',
        [at('/bad-header')]: 'HTTP-protocol-error',
        [at('/endless-header')]: 'HTTP-response-header-section-size',
        [at('/endless-hints')]: 'HTTP-response-header-section-size',
        [at('/headers/2000')]: 'HTTP-response-header-section-size',
        [at('/cut-body')]: 'body: HTTP-response-incomplete',
        [at('/short-body')]: 'body: HTTP-response-incomplete',
        [at('/cut-chunk')]: 'body: HTTP-response-incomplete',
        [at('/no-last-chunk')]: 'body: HTTP-response-incomplete',
        [`https://${net.origin}/`]: 'TLS-protocol-error',
    };
    for (const [url, error] of Object.entries(errors)) assert.equal((await fetch({ url })).error, error, url);
    for (const host of ['a%0d%0ab', 'a%00b', 'a%2fb', '*']) assert.equal((await fetch({ url: `http://${host}/` })).error, 'HTTP-request-URI-invalid', host);
    assert.equal((await fetch({ method: 'CONNECT', url: at('/') })).error, 'HTTP-request-method-invalid');
    for (const [length, body] of [['5', undefined], ['18446744073709551615', [1]]])
        assert.equal((await fetch({ method: 'POST', url: at('/echo'), headers: [['content-length', length]], body })).error, 'HTTP-request-body-size');
    assert.equal((await fetch({ url: at('/hello') })).body, 'hello', 'the host goes on');
});

test('timeouts are the guest\'s', async (t) => {
    const { fetch } = caller(t);
    const began = Date.now();
    assert.equal((await fetch({ url: at('/silent'), firstByte: 100 })).error, 'connection-read-timeout');
    assert.equal((await fetch({ url: at('/stalled-headers'), firstByte: 100 })).error, 'connection-read-timeout');
    assert.equal((await fetch({ url: at('/stalled-body'), betweenBytes: 100 })).error, 'body: connection-read-timeout');
    assert.ok(Date.now() - began < 20_000);
    assert.equal((await fetch({ url: at('/late/300'), betweenBytes: 50 })).body, 'late');
    assert.equal((await fetch({ url: at('/slow/60'), firstByte: 20_000, betweenBytes: 20_000 })).body, 'drop '.repeat(10));
    const hole = await net.proxy(net.originTls, { blackHole: true });
    assert.equal((await fetch({ url: `https://${hole}/hello`, connect: 200 })).error, 'connection-timeout');
});

test('an endless body takes no memory but a buffer\'s, and is cut off when the guest lets it go', async (t) => {
    const { call, session } = caller(t);
    const memory = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${session.child.pid}/status`, 'utf8'))[1]);
    await call('read-some', text(at('/endless')), 1000, 0);
    const before = memory();
    assert.equal(Number(wave(await call('read-some', text(at('/endless')), 30_000_000, 300)).payload), 30_000_000);
    assert.ok(memory() - before < 8000, `${memory() - before} KiB more`);
    assert.equal(await call('cancel', text(at('/silent'))), 'true');
});

test('what would forge a request is refused where it is said', async (t) => {
    const { call } = caller(t);
    const refused = async (...parts) => wave(await call('refused', ...parts.map(text)));
    assert.deepEqual(await refused('PROPFIND', 'gopher+x', 'example.org:80', '/a?b=c'), []);
    assert.deepEqual(await refused('GET', 'http', '[::1]:8080', '*'), []);
    for (const method of ['', 'GET /', 'GE\nT', 'GÉT', 'GET\r\nx: y']) assert.deepEqual(await refused(method, 'http', 'a', '/'), ['method'], method);
    for (const scheme of ['', '1http', 'ht tp', 'http:']) assert.deepEqual(await refused('GET', scheme, 'a', '/'), ['scheme'], scheme);
    for (const authority of ['', ':80', 'a:', 'a:b', 'a:65536', 'user@a', 'a/b', 'a b', 'a\r\nb', 'a?b', 'a#b', '[::1', '[x]', '[]', 'a\\b', 'é.org'])
        assert.deepEqual(await refused('GET', 'http', authority, '/'), ['authority'], authority);
    for (const path of ['a', '/a b', '/a#b', '/a\r\nx: y', '/a\tb', '/é', '/\u007f', '**'])
        assert.deepEqual(await refused('GET', 'http', 'a', path), ['path'], path);
    const header = async (name, value) => wave(await call('header', text(name), text(value)));
    for (const name of ['', 'a b', 'a:', 'a\r\nb', 'é', ':path', 'a\0'])
        assert.equal(await header(name, 'x'), 'invalid-syntax', name);
    for (const value of ['a\r\nb: c', 'a\nb', 'a\rb', 'a\0b', '\u0001', '\u007f']) assert.equal(await header('x-a', value), 'invalid-syntax', text(value));
    for (const name of ['Connection', 'keep-alive', 'Host', 'Transfer-Encoding', 'upgrade', 'proxy-authorization', 'HTTP2-Settings'])
        assert.equal(await header(name, 'x'), 'forbidden', name);
    for (const value of ['', '+1', '-1', '1 ', '0x1', '1,1', '99999999999999999999']) assert.equal(await header('content-length', value), 'invalid-syntax');
    for (const value of ['', 'a b', '\té']) assert.equal(await header('x-a', value), '');
});

test('a body that is not as long as its content-length says is not sent to its end', async (t) => {
    const { call } = caller(t);
    const told = async (...sizes) => wave(await call('body-size', text(at('/echo')), ...sizes));
    assert.equal(await told(10, 10), 'fine fine answered');
    assert.equal(await told(10, 9), 'fine HTTP-request-body-size HTTP-protocol-error');
    assert.equal(await told(10, 11), 'HTTP-request-body-size HTTP-request-body-size HTTP-protocol-error');
});

test('a response is given once', async (t) => {
    const { call } = caller(t);
    assert.equal(wave(await call('twice', text(at('/late/30')))), 'pending, response, then error');
    assert.equal(wave(await call('twice', text(`http://${net.nobody}/`))).split(',')[0], 'error');
});

test('TLS: the system\'s authorities, or those of the environment; HTTP/2 where the server chooses it', async (t) => {
    const url = `https://${net.originTls}/echo`;
    assert.equal((await caller(t).fetch({ url })).error, 'TLS-certificate-error');
    for (const env of [{ SSL_CERT_FILE: net.ca }, { CURL_CA_BUNDLE: net.ca }, { SSL_CERT_FILE: net.ca, CURL_CA_BUNDLE: '/nowhere' }]) {
        const { fetch, call } = caller(t, env);
        const { body } = await fetch({ method: 'POST', url, body: [1, 2, 3], headers: [['X-Name', 'x']] });
        const seen = JSON.parse(body);
        assert.deepEqual([seen.version, seen.size], ['2.0', 3]);
        assert.ok(seen.headers.includes('x-name'));
        const { tuple } = wave(await call('mirror', text(`https://${net.originTls}/mirror`), 1_000_000)).payload;
        assert.deepEqual(tuple.map(Number), [1_000_000, digest(pattern(1_000_000))]);
    }
    assert.equal((await caller(t, { SSL_CERT_FILE: '/nowhere' }).fetch({ url })).error, 'configuration-error');
});

test('an executable that imports HTTP loads libcurl when it sends the first request', async (t) => {
    const { call, session } = caller(t);
    const loaded = () => readFileSync(`/proc/${session.child.pid}/maps`, 'utf8').includes('libcurl');
    await call('header', '"x"', '"y"');
    assert.equal(loaded(), false);
    await call('cancel', text(at('/hello')));
    assert.equal(loaded(), true);
});

// --- recorded ---

const workerOf = (t) => new Worker(http, join(scratch(t), 'data'));
const fetchAll = (worker, key, url, count) => worker.invoke(key, `${API}.{fetch-all}`, text(url), String(count));
const kinds = (worker) => worker.oplog().map(({ entry }) => entry.functionName ?? entry.type);

test('an exchange is a batch with Golem\'s entries', async (t) => {
    const worker = workerOf(t);
    assert.equal(answerOf(worker.invoke('k', `${API}.{fetch}`, request({ url: at('/hello') }))).body, 'hello');
    assert.deepEqual(kinds(worker), ['Create', `${API}.{fetch}`, 'BeginRemoteWrite', 'golem io::poll::poll',
        'http::types::future_incoming_response::get', 'http::types::incoming_body_stream::blocking_read',
        'http::types::incoming_body_stream::blocking_read', 'EndRemoteWrite', 'golem io::poll::poll',
        'golem http::types::future_trailers::get', 'ExportedFunctionCompleted']);
    await net.forget();
    worker.verify();
    assert.deepEqual(await net.seen(), []);
});

test('a finished exchange is not had again, by whatever comes after it', async (t) => {
    const worker = workerOf(t);
    await net.forget();
    const answers = fetchAll(worker, 'a', at('/bytes/'), 5);
    assert.equal((await net.seen()).length, 5);
    must(http, worker.args('checkpoint'));
    await net.forget();
    assert.equal(fetchAll(worker, 'a', at('/bytes/'), 5), answers);
    worker.verify();
    assert.deepEqual(await net.seen(), []);
    assert.deepEqual(wave(fetchAll(worker, 'b', at('/bytes/'), 2)), wave(answers).slice(0, 2));
    worker.verify();
});

// --- killed in the middle: what has happened then is what the server below has let happen ---

/**
 * A server that answers "<number of the request> <what it was sent>" and stops in the middle, until `hold` is false: at `head` before anything is
 * answered, at /body behind "part ". seen: "METHOD path text" of each request; reached: resolves when it stops.
 */
async function holding(t) {
    const state = { hold: true, head: '/head', seen: [], tell: null };
    const stop = async (response) => {
        state.tell?.();
        while (state.hold && !response.destroyed) await new Promise((wake) => setTimeout(wake, 5));
    };
    const server = createServer(async (request, response) => {
        const pieces = [];
        for await (const piece of request) pieces.push(piece);
        const text = Buffer.concat(pieces).toString();
        state.seen.push(`${request.method} ${request.url} ${text}`);
        const number = state.seen.length;
        if (request.url === state.head) await stop(response);
        response.writeHead(200).write('part ');
        if (request.url === '/body') await stop(response);
        response.end(`${number} ${text}`);
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    t.after(() => { state.hold = false; server.closeAllConnections(); server.close(); });
    state.url = `http://localhost:${server.address().port}`;
    state.reached = () => new Promise((tell) => { state.tell = tell; });
    return state;
}

/** Runs the call until the server holds it, kills it, lets the server go on, and runs it again; the answer. */
async function killedWhile(worker, server, key, fn, ...values) {
    const child = spawn(worker.program, worker.invokeArgs(key, fn, ...values), { stdio: 'ignore' });
    const ended = once(child, 'exit');
    await Promise.race([server.reached(), ended]);
    await new Promise((wake) => setTimeout(wake, 150)); // what was received is recorded by now, and on disk
    child.kill('SIGKILL');
    await ended;
    server.hold = false;
    const again = spawn(worker.program, worker.invokeArgs(key, fn, ...values), { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    again.stdout.setEncoding('utf8').on('data', (text) => (said += text));
    assert.deepEqual(await once(again, 'close'), [0, null], said);
    const seen = server.seen.length;
    worker.verify();
    assert.equal(server.seen.length, seen, 'verify sends nothing');
    return said.trimEnd();
}

const fetchOf = (worker, server, key, wanted) => killedWhile(worker, server, key, `${API}.{fetch}`, request(wanted));

test('killed before the response: the request is sent again, body and all', async (t) => {
    const worker = workerOf(t), server = await holding(t);
    const body = Buffer.from('x'.repeat(10000));
    const answer = answerOf(await fetchOf(worker, server, 'k', { method: 'POST', url: `${server.url}/head`, body }));
    assert.equal(answer.body, `part 2 ${body}`);
    assert.deepEqual(server.seen, [`POST /head ${body}`, `POST /head ${body}`]);
});

test('killed in the middle of the response: the guest forgets what it had read, and the exchange is had again', async (t) => {
    const worker = workerOf(t), server = await holding(t);
    assert.equal(answerOf(await fetchOf(worker, server, 'k', { url: `${server.url}/body` })).body, 'part 2 ');
    assert.ok(kinds(worker).includes('Jump'));
});

test('killed in a later exchange: those that were finished are not had again', async (t) => {
    const worker = workerOf(t), server = await holding(t);
    server.head = '/n2';
    assert.deepEqual(wave(await killedWhile(worker, server, 'k', `${API}.{fetch-all}`, text(`${server.url}/n`), '4')),
        ['part 1 ', 'part 2 ', 'part 4 ', 'part 5 ']);
    assert.deepEqual(server.seen, ['GET /n0 ', 'GET /n1 ', 'GET /n2 ', 'GET /n2 ', 'GET /n3 ']);
});

test('killed with an exchange open that gave nothing yet, behind another: it is sent when the worker is live again', async (t) => {
    const worker = workerOf(t), server = await holding(t);
    const answer = wave(await killedWhile(worker, server, 'k', `${API}.{beside}`, text(`${server.url}/head`), '"late"', text(`${server.url}/other`), 'false'));
    assert.equal(answer.replace(/\d/, 'N'), 'part N late, part 2 ');
    assert.deepEqual([...server.seen].sort(), ['GET /other ', 'POST /head late', 'POST /head late']);
});

test('killed with an exchange open of which something was seen, behind another: it is lost, and says so', async (t) => {
    const worker = workerOf(t), server = await holding(t);
    const answer = wave(await killedWhile(worker, server, 'k', `${API}.{beside}`, text(`${server.url}/body`), '"seen"', text(`${server.url}/head`), 'true'));
    assert.match(answer, /^error connection-terminated, part \d $/);
    assert.equal(server.seen.filter((line) => line.startsWith('POST')).length, 1, 'nothing is sent twice that cannot be');
});
