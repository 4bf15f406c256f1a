// wasi:http/outgoing-handler against real servers on loopback: nginx, plain and TLS, and servers and proxies that misbehave (tests/net).

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { executable, scratch, Session, Worker } from '../harness.mjs';
import { network } from '../net/net.mjs';
import { digest, pattern } from '../net/origin_routes.mjs';
import { wave } from '../wave.mjs';

const API = 'demo:wire/api@1.0.0.';
const wire = executable('wire');
const net = await network({ after });
const small = 'some text\n', large = pattern(3_000_000);
const nginx = await net.nginx({ files: { small, large } });
const { CURL_CA_BUNDLE, SSL_CERT_FILE, SSL_CERT_DIR, ...distrusting } = process.env;
const trusting = { ...distrusting, SSL_CERT_FILE: net.ca };

const text = (value) => JSON.stringify(value);
const bytes = (value) => `[${[...Buffer.from(value)].join(', ')}]`;
const fields = (pairs) => `[${pairs.map(([name, value]) => `(${text(name)}, ${bytes(value)})`).join(', ')}]`;

/** A call of `fetch` as a line of a session. */
function line(authority, path, { method = 'GET', scheme = 'http', headers = [], body, connectMs = 0, firstByteMs = 0, betweenBytesMs = 0, limit = 0 } = {}) {
    return `${API}{fetch}({method: ${text(method)}, scheme: ${text(scheme)}, authority: ${text(authority)}, path: ${text(path)}, `
        + `headers: ${fields(headers)}, body: ${body === undefined ? 'none' : `some(${body})`}, connect-ms: ${connectMs}, `
        + `first-byte-ms: ${firstByteMs}, between-bytes-ms: ${betweenBytesMs}, limit: ${limit}})`;
}

/** {error, status, headers, size, digest, start, trailers} */
function read(answer) {
    const members = Object.fromEntries(wave(answer).record);
    for (const name of ['status', 'size', 'digest']) members[name] = Number(members[name]);
    return members;
}

const fetch = async (session, ...request) => read(await session.call(line(...request)));

function sessionOf(t, env = trusting) {
    const session = new Session(wire, ['--ephemeral'], { env });
    t.after(() => session.kill());
    return session;
}

test('a thousand requests go over one connection', async (t) => {
    const session = sessionOf(t), before = (await nginx.seen()).length;
    assert.equal(await session.call(`${API}{repeat}(${text(nginx.plain)}, "/small", 1000)`), `ok(${1000 * small.length})`);
    const seen = (await nginx.seen(before + 1000)).slice(before);
    assert.equal(seen.length, 1000);
    assert.equal(new Set(seen.map(({ connection }) => connection)).size, 1);
});

test('bodies come and go whole, whatever their size', async (t) => {
    const session = sessionOf(t);
    for (const size of [0, 1, 4095, 4096, 65537, 3_000_000]) {
        const got = await fetch(session, net.origin, `/bytes/${size}`);
        assert.deepEqual([got.error, got.status, got.size, got.digest], ['', 200, size, digest(pattern(size))]);
        const echo = await fetch(session, net.origin, '/echo', { method: 'POST', body: size });
        const said = JSON.parse(echo.start);
        assert.deepEqual([said.method, said.size, said.digest], ['POST', size, digest(pattern(size))]);
        const mirror = await fetch(session, net.origin, '/mirror', { method: 'PUT', body: size });
        assert.deepEqual([mirror.error, mirror.size, mirror.digest], ['', size, digest(pattern(size))]);
    }
    const nginxLarge = await fetch(session, nginx.plain, '/large');
    assert.deepEqual([nginxLarge.size, nginxLarge.digest], [large.length, digest(large)]);
});

test('methods, paths, headers and status arrive as they were given', async (t) => {
    const session = sessionOf(t);
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND']) {
        const { start } = await fetch(session, net.origin, '/echo', { method });
        assert.equal(JSON.parse(start).method, method);
    }
    const path = '/echo/../a%20b/./?q=a+b&c=%00&d=/../#', quoted = path.slice(0, -1);
    const { start } = await fetch(session, net.origin, quoted, { headers: [['x-a', 'one'], ['x-a', 'two'], ['X-Odd', 'caf\u00e9'], ['user-agent', 'me/1']] });
    const said = JSON.parse(start);
    assert.equal(said.url, quoted);
    const pairs = said.headers.map((_, i) => [said.headers[i].toLowerCase(), said.headers[i + 1]]).filter((_, i) => i % 2 === 0);
    assert.deepEqual(pairs.filter(([name]) => name === 'x-a').map(([, value]) => value), ['one', 'two']);
    assert.deepEqual(pairs.filter(([name]) => name === 'user-agent'), [['user-agent', 'me/1']]);
    assert.deepEqual(pairs.filter(([name]) => name === 'host'), [['host', net.origin]]);
    for (const status of [200, 201, 204, 301, 304, 404, 418, 500, 599]) {
        const got = await fetch(session, net.origin, `/status/${status}`);
        assert.deepEqual([got.error, got.status, got.size], ['', status, 0]);
    }
    assert.match((await fetch(session, net.origin, '/redirect')).headers, /^location: \/hello$/m, 'a redirect is the guest\'s business');
    assert.match((await fetch(session, net.origin, '/cookies')).headers, /set-cookie: a=1\nset-cookie: b=2/);
    assert.match((await fetch(session, net.origin, '/early')).start, /^after hints$/);
    assert.equal((await fetch(session, net.origin, '/gzip')).status, 200);
    assert.match((await fetch(session, net.origin, '/gzip')).headers, /^content-encoding: gzip$/m, 'and so is a coding');
    assert.match((await fetch(session, net.origin, '/trailers')).trailers, /x-digest: 1234/);
});

test('TLS: who is not known, not the host, or not any more, is not talked to', async (t) => {
    const session = sessionOf(t), distrustful = sessionOf(t, distrusting);
    const ask = (who, at) => fetch(who, at, '/small', { scheme: 'https' });
    for (const at of [nginx.tls, nginx.http2]) {
        assert.equal((await ask(session, at)).start, small);
        assert.equal((await ask(distrustful, at)).error, 'TLS-certificate-error');
    }
    for (const at of [nginx.wrongHost, nginx.expired, nginx.selfSigned]) assert.equal((await ask(session, at)).error, 'TLS-certificate-error');
    assert.match((await ask(session, nginx.plain)).error, /^(TLS-protocol-error|connection-terminated)$/, 'no TLS there');
    assert.notEqual((await fetch(session, nginx.tls, '/small')).status, 200, 'nothing but TLS there');
    assert.equal((await ask(session, nginx.tls)).start, small, 'and it goes on');
    const { start } = await fetch(session, net.originTls, '/echo', { scheme: 'https' });
    assert.equal(JSON.parse(start).version, '2.0', 'HTTP/2 where it is offered');
    const { size, digest: sum } = await fetch(session, net.originTls, '/mirror', { scheme: 'https', method: 'POST', body: 500_000 });
    assert.deepEqual([size, sum], [500_000, digest(pattern(500_000))]);
});

// What a server does wrong, and what the guest is told: an error, and how much of an answer came before it.
const ends = 'HTTP-response-incomplete|connection-terminated', wrong = 'HTTP-protocol-error|HTTP-response-incomplete|connection-terminated';
const broken = [
    ['cut-body', 200, ends], ['short-body', 200, ends], ['cut-chunk', 200, ends], ['bad-chunk', 200, wrong], ['no-last-chunk', 200, ends],
    ['two-lengths', null, `${wrong}|`], ['bad-length', 0, wrong], ['huge-length', null, `${wrong}|HTTP-response-body-size|internal-error|`],
    ['cut-headers', 0, ends], ['no-answer', 0, ends], ['reset', 0, ends], ['no-http', 0, wrong], ['bad-status', 0, wrong],
    ['status-line', 0, 'HTTP-response-header-section-size|HTTP-protocol-error|internal-error'], ['bad-header', 0, wrong], ['nul-header', 0, wrong],
    ['bad-gzip', 200, ''], ['endless-header', 0, 'HTTP-response-header-section-size|HTTP-response-header-size|internal-error'],
    ['endless-hints', 0, 'HTTP-response-header-section-size|HTTP-protocol-error|internal-error'],
    ['headers/10000', 0, 'HTTP-response-header-section-size|internal-error'], ['endless', 200, 'limit'], ['chunks/100', 200, ''],
    ['silent', 0, 'HTTP-response-timeout|connection-read-timeout'], ['stalled-headers', 0, 'HTTP-response-timeout|connection-read-timeout'],
    ['stalled-body', 200, 'connection-read-timeout|HTTP-response-timeout'], ['slow/20', 200, ''], ['late/100', 200, ''],
];

async function meetAll(session) {
    for (const [path, status, errors] of broken) {
        const begun = performance.now();
        const got = await fetch(session, net.origin, `/${path}`, { firstByteMs: 1000, betweenBytesMs: 500, limit: 1_000_000 });
        assert.match(got.error, new RegExp(`^(${errors})$`), `${path}: ${JSON.stringify(got).slice(0, 200)}`);
        if (status !== null) assert.equal(got.status, status, path);
        assert.ok(performance.now() - begun < 10_000, `${path}: it hangs`);
        assert.equal((await fetch(session, net.origin, '/hello')).start, 'hello', `after ${path} it goes on`);
    }
}

test('servers that do not keep to HTTP, end in the middle, or never', async (t) => {
    await meetAll(sessionOf(t));
});

test('the same in a worker, and its replay gives the guest the same', async (t) => {
    const worker = new Worker(wire, join(scratch(t), 'data'), 'w', trusting);
    const session = worker.session(t);
    await meetAll(session);
    await session.end();
    worker.verify();
});

test('nobody there, a name that nobody has, a network that swallows everything', async (t) => {
    const session = sessionOf(t), hole = await net.proxy(net.origin, { blackHole: true });
    assert.equal((await fetch(session, net.nobody, '/')).error, 'connection-refused');
    for (const name of ['no.such.name.invalid', 'xn--.invalid', `${'a'.repeat(64)}.invalid`])
        assert.match((await fetch(session, name, '/')).error, /^(DNS-error|DNS-timeout|destination-not-found)$/, name);
    assert.match((await fetch(session, hole, '/', { firstByteMs: 300 })).error, /^(HTTP-response-timeout|connection-read-timeout)$/);
    const begun = performance.now();
    assert.match((await fetch(session, hole, '/', { scheme: 'https', connectMs: 300 })).error, /timeout/);
    assert.ok(performance.now() - begun < 3000, 'a handshake that is never answered ends with the time for connecting');
});

test('latency and little bandwidth only take time', async (t) => {
    const session = sessionOf(t);
    const far = await net.proxy(net.origin, { latencyMs: 40 }), thin = await net.proxy(net.origin, { bytesPerSecond: 400_000 });
    const begun = performance.now();
    assert.equal((await fetch(session, far, '/hello')).start, 'hello');
    assert.ok(performance.now() - begun >= 80);
    const { error, digest: sum } = await fetch(session, thin, '/bytes/200000');
    assert.deepEqual([error, sum], ['', digest(pattern(200_000))]);
    const mirror = await fetch(session, far, '/mirror', { method: 'POST', body: 300_000 });
    assert.deepEqual([mirror.error, mirror.digest], ['', digest(pattern(300_000))]);
});

test('connections cut at any byte are errors, and never half an answer', async (t) => {
    const session = sessionOf(t);
    for (const [upstream, scheme] of [[net.origin, 'http'], [nginx.tls, 'https'], [nginx.http2, 'https']]) {
        const path = scheme === 'http' ? '/bytes/300000' : '/large', size = scheme === 'http' ? 300_000 : large.length;
        for (const cutAfterBytes of [0, 1, 17, 200, 1500, 5000, 100_000, 250_000]) {
            const { error } = await fetch(session, await net.proxy(upstream, { cutAfterBytes }), path, { scheme });
            assert.notEqual(error, '', `${upstream} cut after ${cutAfterBytes}`);
        }
        const shaky = await net.proxy(upstream, { cutBelowBytes: size * 2, seed: 5 });
        let good = 0;
        for (let i = 0; i < 12; i++) {
            const got = await fetch(session, shaky, path, { scheme });
            if (got.error) continue;
            good++;
            assert.deepEqual([got.size, got.digest], [size, digest(pattern(size))], 'what ends without an error is whole');
        }
        assert.ok(good > 0 && good < 12, `${good} of 12`);
    }
});
