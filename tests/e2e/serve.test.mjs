// EXE serve: a component's wasi:http/incoming-handler behind HTTP/1.1, with clients that behave and clients that do not.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { executable, run } from '../harness.mjs';

const program = executable('handler');

/** A server that ends with the test. */
const serve = (t, ...settings) => serveProgram(t, program, ...settings);
const serveProgram = (t, file, ...settings) => serveBy(t, file, '--env', 'A=B', 'serve', '--listen', '127.0.0.1:0', ...settings);

/** The same, with `ulimit` before. */
const serveWithin = (t, limits, ...settings) => serveBy(t, 'sh', '-c', `ulimit ${limits}; exec "$0" "$@"`, program, 'serve', '--listen', '127.0.0.1:0', ...settings);

async function serveBy(t, ...command) {
    const child = spawn(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
    const server = { child, errors: '', output: '', ended: once(child, 'exit') };
    child.stderr.on('data', (data) => { server.errors += data; });
    t.after(() => child.kill('SIGKILL'));
    const said = new Promise((tell) => child.stdout.on('data', (data) => {
        server.output += data;
        const found = server.output.match(/^listening on http:\/\/127\.0\.0\.1:(\d+)\n/);
        if (found) tell(found[1]);
    }));
    const ended = server.ended.then(([code]) => { throw new Error(`serve ended with ${code}: ${server.errors}`); });
    ended.catch(() => {});
    server.port = Number(await Promise.race([said, ended]));
    server.processes = () => readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && stat(pid)[1] === String(child.pid)).map(Number);
    return server;
}

/** [state, parent's pid] of a process; nothing if there is none. */
function stat(pid) {
    try {
        return readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/.*\) /, '').split(' ');
    } catch {
        return [];
    }
}

/** Waits until the server has said something like that. */
async function says(server, what, where = 'errors') {
    for (let i = 0; i < 100 && !what.test(server[where]); i++) await sleep(50);
    assert.match(server[where], what);
}

/** One request by node's client: {status, headers, body, trailers}; rejects if the response is incomplete. */
function fetch(server, path, { method = 'GET', headers = {}, body, agent } = {}) {
    return new Promise((resolve, reject) => {
        const request = http.request({ port: server.port, path, method, headers, agent: agent ?? false }, (response) => {
            const pieces = [];
            response.on('data', (piece) => pieces.push(piece));
            response.on('error', reject);
            response.on('end', () => resolve({
                status: response.statusCode, headers: response.headers, body: Buffer.concat(pieces), trailers: response.trailers,
            }));
        });
        request.on('error', reject);
        request.end(body);
    });
}

const text = async (...args) => String((await fetch(...args)).body);

/** Sends bytes, and gives all that comes back until the server closes the connection. */
function exchange(server, bytes, { end = false, timeout = 5000 } = {}) {
    return new Promise((resolve, reject) => {
        let answer = '';
        const socket = net.connect(server.port, '127.0.0.1', () => (end ? socket.end(bytes) : socket.write(bytes)));
        socket.setEncoding('latin1').setTimeout(timeout, () => socket.destroy(new Error(`no end after: ${answer}`)));
        socket.on('data', (data) => { answer += data; });
        socket.on('error', reject).on('close', () => resolve(answer));
    });
}

const statuses = (answer) => [...answer.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
const get = (path, more = '') => `GET ${path} HTTP/1.1\r\nHost: h\r\n${more}\r\n`;
const last = 'Connection: close\r\n';

test('a handler answers, sees the request, and keeps nothing of the one before', async (t) => {
    const server = await serve(t);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    const answer = await fetch(server, '/hello', { agent });
    assert.equal(answer.status, 200);
    assert.equal(String(answer.body), 'hello\n');
    assert.equal(answer.headers['content-type'], 'text/plain');
    assert.match(answer.headers.date, /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);
    for (let i = 0; i < 20; i++) assert.equal(await text(server, '/count', { agent }), '1');
    const seen = await text(server, '/request?x=%20y', { method: 'PATCH', agent, headers: { 'X-Mine': 'a b', Connection: 'x-hop', 'x-hop': '1', te: 'trailers' } });
    assert.equal(seen, `PATCH\nhttp\nlocalhost:${server.port}\n/request?x=%20y\nx-mine: a b\ncontent-length: 0\n`);
    assert.match(await exchange(server, `BREW http://pot.example/request HTTP/1.1\r\nHost: h\r\n${last}\r\n`), /BREW\nhttp\npot\.example\n\/request\n/);
    assert.equal((await fetch(server, '/nowhere', { agent })).status, 404);
    assert.equal(server.errors, '');
});

test('bodies go through as they come, in both directions, with their trailers', async (t) => {
    const server = await serve(t);
    const body = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => (i * 31) % 251));
    for (const headers of [{}, { 'Content-Length': body.length }]) {
        const answer = await fetch(server, '/echo', { method: 'POST', body, headers });
        assert.ok(answer.body.equals(body));
    }
    assert.equal((await fetch(server, '/big?20000000')).body.length, 20_000_000);
    const sized = await fetch(server, '/sized?100000');
    assert.equal(sized.headers['content-length'], '100000');
    assert.equal(sized.body.length, 100_000);
    assert.deepEqual((await fetch(server, '/trailers')).trailers, { 'x-sum': '42' });
    const echoed = await exchange(server, `POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n${last}\r\n3;x=y\r\nabc\r\n0\r\nX-End: here\r\n\r\n`);
    assert.match(echoed, /\r\n3\r\nabc\r\n0\r\nx-end: here\r\n\r\n$/);
    /* piece by piece: each comes back before the next is sent */
    const socket = net.connect(server.port, '127.0.0.1').setEncoding('latin1');
    let answer = '';
    socket.on('data', (data) => { answer += data; });
    socket.write('POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n');
    for (const piece of ['one', 'two', 'three']) {
        socket.write(`${piece.length.toString(16)}\r\n${piece}\r\n`);
        while (!answer.includes(piece)) await once(socket, 'data');
    }
    socket.end('0\r\n\r\n');
    await once(socket, 'close');
    assert.match(answer, /three\r\n0\r\n\r\n$/);
});

test('a head leaves when the handler waits, and lines when they are written', async (t) => {
    const server = await serve(t);
    const times = [];
    await new Promise((resolve) => http.get({ port: server.port, path: '/trickle?150', agent: false }, (response) => {
        times.push(Date.now());
        response.on('data', () => times.push(Date.now()));
        response.on('end', resolve);
    }));
    assert.equal(times.length, 6);
    for (let i = 1; i < times.length; i++) assert.ok(times[i] - times[i - 1] > 80, `pauses ${times}`);
    const start = Date.now();
    assert.equal(await text(server, '/late?600'), 'early\n');
    assert.ok(Date.now() - start < 400, 'the response does not wait for what the handler does after it');
});

test('HEAD, 204 and 304 have no body; HTTP/1.0 and connection: close end the connection', async (t) => {
    const server = await serve(t);
    const answers = await exchange(server, `HEAD /sized?7 HTTP/1.1\r\nHost: h\r\n\r\nHEAD /big?7 HTTP/1.1\r\nHost: h\r\n\r\n${get('/status?204')}${get('/status?304')}${get('/hello', last)}`);
    assert.deepEqual(statuses(answers), [200, 200, 204, 304, 200]);
    const [sized, big, none, unchanged, end] = answers.split(/(?=HTTP\/1\.1 )/);
    assert.match(sized, /content-length: 7\r\n\r\n$/i);
    for (const part of [big, none, unchanged]) assert.match(part, /\r\n\r\n$/);
    for (const part of [none]) assert.doesNotMatch(part, /content-length|transfer-encoding/i);
    assert.match(end, /connection: close\r\n/i);
    const old = await exchange(server, 'GET /big?5 HTTP/1.0\r\n\r\n');
    assert.match(old, /connection: close\r\n\r\nbbbbb$/i);
    const kept = await exchange(server, 'GET /sized?5 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /sized?5 HTTP/1.0\r\n\r\n');
    assert.match(kept, /connection: keep-alive\r\n\r\nbbbbbHTTP[^]*connection: close\r\n\r\nbbbbb$/i);
});

test('pipelined requests are answered in order, also those behind a body, and by clients that have ended their side', async (t) => {
    const server = await serve(t);
    const requests = get('/delay?100') + 'POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc' + get('/hello');
    const answers = await exchange(server, requests, { end: true });
    assert.deepEqual(statuses(answers), [200, 200, 200]);
    assert.match(answers, /waited[^]*abc[^]*hello/);
});

test('what goes wrong in a handler is a 500, or a response that the client sees to be incomplete; the next request is served', async (t) => {
    const server = await serve(t);
    for (const path of ['/trap', '/none', '/error', '/exit?3']) assert.equal((await fetch(server, path)).status, 500, path);
    for (const path of ['/trap-late', '/incomplete', '/short?100000']) {
        await assert.rejects(fetch(server, path), path);
        assert.equal(await text(server, '/count'), '1');
    }
    for (const said of ['trap: unreachable', 'has set no response', 'HTTP-request-denied', 'exit with status 1']) await says(server, new RegExp(said));
    assert.equal(await text(server, '/log'), 'logged\n');
    await says(server, /a line on stderr/);
    await says(server, /a line on stdout/, 'output');
});

test('a handler that computes for ever is stopped: 504, or the connection is cut', async (t) => {
    const server = await serve(t, '--request-timeout', '0.4');
    const before = server.processes();
    assert.equal((await fetch(server, '/loop')).status, 504);
    await assert.rejects(fetch(server, '/loop-late'));
    assert.equal(await text(server, '/hello'), 'hello\n');
    assert.equal(await text(server, '/trickle?150'), [0, 1, 2, 3, 4].map((i) => `line ${i}\n`).join(''), 'who says something is not late');
    assert.ok(!server.processes().includes(before[0]), 'the process is gone');
});

test('a process that dies is a 500 or a cut connection, and is replaced', async (t) => {
    const server = await serve(t, '--max-concurrency', '1');
    const waiting = fetch(server, '/delay?5000');
    await sleep(200);
    const [victim] = server.processes();
    process.kill(victim, 'SIGKILL');
    assert.equal((await waiting).status, 500);
    assert.equal(await text(server, '/hello'), 'hello\n');
    await says(server, /ended by signal 9/);
    /* without a length, the end of the connection would end the body: it is reset */
    for (const start of [() => fetch(server, '/trickle?400'), () => exchange(server, 'GET /trickle?400 HTTP/1.0\r\n\r\n')]) {
        const streaming = start();
        streaming.catch(() => {});
        await sleep(600);
        process.kill(server.processes()[0], 'SIGKILL');
        await assert.rejects(streaming, /ECONNRESET|aborted/);
    }
    assert.equal(await text(server, '/hello'), 'hello\n');
});

test('a process that has died is given no request, also when its end was not seen yet', async (t) => {
    const server = await serve(t);
    const socket = net.connect(server.port, '127.0.0.1').setEncoding('latin1');
    const answered = once(socket, 'data');
    await once(socket, 'connect');
    await sleep(100);
    const [victim] = server.processes();
    server.child.kill('SIGSTOP'); /* it is to find the request first, and then the end */
    socket.write(get('/hello'));
    await sleep(50);
    process.kill(victim, 'SIGKILL');
    while (stat(victim)[0] !== 'Z') await sleep(10);
    server.child.kill('SIGCONT');
    assert.deepEqual(statuses((await answered)[0]), [200]);
    socket.destroy();
});

test('limits have their status', async (t) => {
    const server = await serve(t, '--max-body', '1000', '--max-header', '2000', '--max-target', '200', '--header-timeout', '0.5', '--body-timeout', '0.5', '--idle-timeout', '1');
    const long = 'x'.repeat(3000), post = (more) => `POST /echo HTTP/1.1\r\nHost: h\r\n${more}`;
    const table = [
        [414, get('/' + 'x'.repeat(201))],
        [431, get('/', `A: ${long}\r\n`)],
        [413, post('Content-Length: 1001\r\n\r\n')],
        [413, post('Content-Length: 99999999999999999999\r\n\r\n')],
        [413, post('Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n')],
        [408, 'GET / HTTP/1.1\r\nHost:'],
        [408, 'GET / HTTP/1.1\r\n'],
    ];
    for (const [status, bytes] of table) {
        const answer = await exchange(server, bytes);
        assert.deepEqual(statuses(answer), [status], bytes.slice(0, 60));
        assert.match(answer, /connection: close/i);
    }
    const late = await exchange(server, 'POST /ignored HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab');
    assert.deepEqual(statuses(late), [404], 'answered before the body was there');
    /* /echo has answered when the body is found to be too large, or late: all that can be done is to cut it off */
    for (const rest of ['3e8\r\n' + 'x'.repeat(1000) + '\r\n1\r\nx\r\n0\r\n\r\n', '1\r\nx\r\n']) {
        const cut = await exchange(server, post('Transfer-Encoding: chunked\r\n\r\n') + rest);
        assert.doesNotMatch(cut, /\r\n0\r\n\r\n$/);
    }
    assert.equal(await exchange(server, ''), '', 'an idle connection is closed without a word');
    assert.equal(await text(server, '/echo', { method: 'POST', body: 'y'.repeat(1000) }), 'y'.repeat(1000));
});

test('a client is told to send its body, unless that is too large', async (t) => {
    const server = await serve(t);
    const socket = net.connect(server.port, '127.0.0.1').setEncoding('latin1');
    socket.write(`POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n${last}\r\n`);
    let answer = '';
    socket.on('data', (data) => { answer += data; });
    while (!answer.includes('100 Continue\r\n\r\n')) await once(socket, 'data');
    socket.write('abc');
    await once(socket, 'close');
    assert.match(answer, /200 OK[^]*abc/);
});

test('malformed and ambiguous requests are refused, and nothing behind them is taken for a request', async (t) => {
    const server = await serve(t);
    const smuggled = get('/count');
    const head = 'POST /echo HTTP/1.1\r\nHost: h\r\n';
    const table = [
        [400, `${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
        [400, `${head}Content-Length: 5\r\nContent-Length: 0\r\n\r\n`],
        [400, `${head}Content-Length: 0, 5\r\n\r\n`],
        [400, `${head}Content-Length : 5\r\n\r\n`],
        [400, `${head}Transfer-Encoding : chunked\r\n\r\n`],
        [501, `${head}Transfer-Encoding: xchunked\r\n\r\n`],
        [501, `${head}Transfer-Encoding: chunked, identity\r\n\r\n`],
        [400, `${head}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n`],
        [400, `${head}X: y\r\n Content-Length: 5\r\n\r\n`],
        [400, `${head}X: y\nContent-Length: 5\r\n\r\n`],
        [400, `${head}X: y\rContent-Length: 5\r\n\r\n`],
        [400, 'POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n'],
        [400, 'GET / HTTP/1.1\r\n\r\n'],
        [400, 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
        [505, 'GET / HTTP/3.0\r\nHost: a\r\n\r\n'],
        [501, 'CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n'],
        [400, 'GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n'],
        [400, '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'],
        [400, 'GET / HTTP/1.1\nHost: a\n\n'],
        [400, '\0\0\0\0\r\n\r\n'],
    ];
    for (const [status, bytes] of table)
        assert.deepEqual(statuses(await exchange(server, Buffer.from(bytes + smuggled, 'latin1'))), [status], JSON.stringify(bytes));
    /* in a body: the response has begun, or not */
    for (const chunk of ['5 \r\nhello\r\n', '0x5\r\nhello\r\n', '5\r\nhelloX\r\n', '5\nhello\r\n', 'g\r\n', '-1\r\n']) {
        const answer = await exchange(server, `${head}Transfer-Encoding: chunked\r\n\r\n${chunk}0\r\n\r\n${smuggled}`);
        assert.doesNotMatch(answer, /\r\n0\r\n\r\n|200 OK[^]*HTTP/, chunk);
        assert.ok(statuses(answer).length === 1, chunk);
    }
    assert.equal(await text(server, '/count'), '1');
});

test('a handler whose client is gone learns it, or is stopped', async (t) => {
    const server = await serve(t);
    const socket = net.connect(server.port, '127.0.0.1');
    socket.write(get('/flood'));
    await once(socket, 'data');
    socket.destroy();
    await says(server, /nobody reads/);
    /* the body of a request ends too early: the handler's read fails, and nothing of it is taken for whole */
    const half = net.connect(server.port, '127.0.0.1');
    half.write('POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc');
    await once(half, 'data');
    half.destroy();
    await says(server, /the body is incomplete/);
    /* one that neither reads nor writes is stopped */
    const computing = net.connect(server.port, '127.0.0.1');
    computing.write(get('/loop'));
    await sleep(300);
    const busy = server.processes();
    computing.resetAndDestroy();
    for (let i = 0; i < 50 && busy.every((pid) => server.processes().includes(pid)); i++) await sleep(100);
    assert.ok(!busy.every((pid) => server.processes().includes(pid)));
    assert.equal(await text(server, '/hello'), 'hello\n');
});

test('a slow reader holds its handler, and nobody else; memory stays', async (t) => {
    const server = await serve(t, '--max-concurrency', '4');
    const slow = net.connect(server.port, '127.0.0.1');
    slow.write(get('/big?200000000'));
    await once(slow, 'readable');
    await sleep(500);
    const memory = Number(readFileSync(`/proc/${server.child.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]);
    assert.ok(memory < 20_000, `the server has ${memory} KiB`);
    for (let i = 0; i < 10; i++) assert.equal(await text(server, '/hello'), 'hello\n');
    slow.destroy();
});

test('clients that let their handlers wait do so only as long as nobody else wants one', async (t) => {
    const server = await serve(t, '--max-concurrency', '2');
    const sender = net.connect(server.port, '127.0.0.1'), reader = net.connect(server.port, '127.0.0.1');
    let ended = 0;
    for (const client of [sender, reader]) client.on('error', () => {}).on('close', () => { ended++; });
    sender.resume().write('POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n');
    const drip = setInterval(() => sender.writable && sender.write('x'), 500);
    t.after(() => { clearInterval(drip); sender.destroy(); reader.destroy(); });
    reader.write(get('/big?200000000'));
    await once(reader, 'readable');
    await sleep(6500);
    assert.equal(ended, 0);
    assert.equal(await text(server, '/hello'), 'hello\n');
    reader.resume();
    for (let i = 0; i < 50 && ended < 2; i++) await sleep(20);
    assert.equal(ended, 2);
});

test('connections that are kept hold no buffers', async (t) => {
    const server = await serve(t, '--max-concurrency', '4');
    const agent = new http.Agent({ keepAlive: true, maxFreeSockets: 300 });
    t.after(() => agent.destroy());
    await Promise.all(Array.from({ length: 300 }, () => fetch(server, '/sized?200000', { agent })));
    const memory = Number(readFileSync(`/proc/${server.child.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]);
    assert.ok(memory < 15_000, `the server has ${memory} KiB`);
});

test('five hundred connections at once are all answered; more than there may be are told so', async (t) => {
    const server = await serve(t, '--max-connections', '500', '--max-concurrency', '8');
    const sockets = await Promise.all(Array.from({ length: 500 }, () => new Promise((resolve, reject) => {
        const socket = net.connect(server.port, '127.0.0.1', () => resolve(socket)).setEncoding('latin1');
        socket.on('error', reject);
    })));
    t.after(() => sockets.forEach((socket) => socket.destroy()));
    assert.deepEqual(statuses(await exchange(server, '')), [503]);
    const answers = await Promise.all(sockets.map((socket, i) => new Promise((resolve) => {
        let answer = '';
        socket.on('data', (data) => {
            answer += data;
            if (answer.endsWith('0\r\n\r\n')) resolve(answer);
        });
        socket.write(get(i % 10 ? '/count' : '/delay?50'));
    })));
    for (const answer of answers) assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[^]*(1|waited\n)\r\n0\r\n\r\n$/);
    assert.ok(server.processes().length <= 8);
});

test('idle connections keep nobody from being served, however few files may be open', async (t) => {
    for (const limits of ['-S -n 64', '-n 260']) {
        const server = await serveWithin(t, limits, '--max-concurrency', '4');
        const sockets = await Promise.all(Array.from({ length: 300 }, () => new Promise((resolve) => {
            const socket = net.connect(server.port, '127.0.0.1', () => resolve(socket));
            socket.on('error', () => {});
        })));
        t.after(() => sockets.forEach((socket) => socket.destroy()));
        await sleep(300);
        const killed = server.processes();
        for (const pid of killed) process.kill(pid, 'SIGKILL');
        while (server.processes().some((pid) => killed.includes(pid))) await sleep(10);
        sockets[0].setEncoding('latin1').write(get('/hello'));
        let answer = '';
        sockets[0].on('data', (data) => { answer += data; });
        for (let i = 0; i < 200 && !answer.endsWith('0\r\n\r\n'); i++) await sleep(50);
        assert.match(answer, /hello/, `${limits}: ${server.errors}`);
        assert.equal(/fewer connections/.test(server.errors), limits === '-n 260');
    }
});

test('handlers that wait run side by side, up to the limit', async (t) => {
    const server = await serve(t, '--max-concurrency', '32');
    const start = Date.now();
    await Promise.all(Array.from({ length: 32 }, () => text(server, '/delay?500')));
    assert.ok(Date.now() - start < 2500, `took ${Date.now() - start} ms`);
});

test('SIGTERM: what is under way is finished, nothing new is taken, and the end is 0', async (t) => {
    const server = await serve(t);
    const agent = new http.Agent({ keepAlive: true });
    t.after(() => agent.destroy());
    await fetch(server, '/hello', { agent });
    const waiting = fetch(server, '/delay?700');
    await sleep(200);
    server.child.kill('SIGTERM');
    await sleep(100);
    await assert.rejects(fetch(server, '/hello'), /ECONNREFUSED/);
    const answer = await waiting;
    assert.equal(String(answer.body), 'waited\n');
    assert.equal(answer.headers.connection, 'close');
    assert.deepEqual(await server.ended, [0, null]);
    assert.deepEqual(server.processes(), []);
});

test('SIGTERM: what does not end in time is cut', async (t) => {
    const server = await serve(t, '--grace', '0.3');
    const waiting = fetch(server, '/loop');
    waiting.catch(() => {});
    await sleep(200);
    server.child.kill('SIGTERM');
    assert.deepEqual(await server.ended, [0, null]);
    await assert.rejects(waiting);
});

test('processes end with their server, however it ends', async (t) => {
    const server = await serve(t);
    const waiting = fetch(server, '/loop');
    waiting.catch(() => {});
    await sleep(200);
    const processes = server.processes();
    assert.ok(processes.length > 0);
    server.child.kill('SIGKILL');
    await server.ended;
    await sleep(200);
    for (const pid of processes) assert.ok([undefined, 'Z'].includes(stat(pid)[0]), `process ${pid} goes on`);
    await assert.rejects(waiting);
});

test('a handler that asks the host while it starts is instantiated for each request', async (t) => {
    const server = await serveProgram(t, executable('fresh'), '--max-concurrency', '2');
    const answers = new Set();
    for (let i = 0; i < 5; i++) {
        const answer = await text(server, '/');
        assert.match(answer, /^\d+ 1\n$/);
        answers.add(answer);
    }
    assert.equal(answers.size, 5, 'each has its own start');
    assert.deepEqual(await Promise.all(Array.from({ length: 20 }, async () => (await fetch(server, '/')).status)), Array(20).fill(200));
});

test('a handler asks other servers, also one that is a handler itself', async (t) => {
    const server = await serveProgram(t, executable('proxy'), '--max-concurrency', '8'), origin = await serve(t);
    const near = `127.0.0.1:${server.port}`, far = `127.0.0.1:${origin.port}`;
    assert.equal(await text(server, `/${far}/hello`), 'hello\n');
    assert.equal((await fetch(server, `/${far}/status?404`)).status, 404);
    assert.equal((await fetch(server, `/${far}/big?1000000`)).body.length, 1_000_000);
    assert.equal(await text(server, `/${near}/${near}/${far}/hello`), 'hello\n', 'through itself, twice');
    const refused = await fetch(server, '/127.0.0.1:9/');
    assert.deepEqual([refused.status, String(refused.body)], [502, 'connection-refused']);
    const cut = await fetch(server, `/${far}/trap-late`);
    assert.equal(cut.status, 502);
    const answers = await Promise.all(Array.from({ length: 30 }, () => text(server, `/${far}/delay?50`)));
    assert.deepEqual(answers, Array(30).fill('waited\n'));
});

test('serve is refused where it has no meaning', async (t) => {
    const other = run(executable('hello'), ['serve']);
    assert.equal(other.status, 1);
    assert.match(other.stderr, /does not export wasi:http\/incoming-handler/);
    const server = await serve(t);
    const table = [
        [2, ['serve', '--max-body']], [2, ['serve', '--max-body', 'x']], [2, ['serve', '--max-body', '0']], [2, ['serve', '--nothing', '1']],
        [2, ['serve', 'word']], [2, ['serve', '--grace', '-1']], [2, ['--worker', 'w', 'serve']],
        [1, ['serve', '--listen', 'nowhere']], [1, ['serve', '--listen', '127.0.0.1:70000']], [1, ['serve', '--listen', `127.0.0.1:${server.port}`]],
    ];
    for (const [status, args] of table) assert.equal(run(program, args, { timeout: 10_000 }).status, status, args.join(' '));
    assert.match(run(program, ['serve', '--help']).stdout, /--max-concurrency/);
});
