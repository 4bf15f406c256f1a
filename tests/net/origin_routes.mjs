// What the origin does for each path: a table of handlers (request, response, {argument, body}). `argument` is what follows the
// route's name in the path, "/bytes/1000"; `body` is what the request carried, read to its end unless the route is in `unread`.

import { gzipSync } from 'node:zlib';

export const digest = (bytes) => {
    let sum = 0;
    for (const byte of bytes) sum = (Math.imul(sum, 31) + byte) >>> 0;
    return sum;
};

/** Bytes that a guest can check without having them: byte i is i modulo 251. */
export function pattern(size) {
    const bytes = Buffer.alloc(size);
    for (let i = 0; i < size; i++) bytes[i] = i % 251;
    return bytes;
}

const text = (response, body, headers = {}) => response.writeHead(200, { 'content-type': 'text/plain', ...headers }).end(body);

/** Writes as fast as the client reads, for ever or so often; a pause of milliseconds between. */
function repeat(response, chunk, { times = Infinity, pauseMs = 0 } = {}) {
    let written = 0;
    const next = () => {
        while (written < times && !response.destroyed) {
            written++;
            if (pauseMs) {
                response.write(chunk);
                return setTimeout(next, pauseMs);
            }
            if (!response.write(chunk)) return response.once('drain', next);
        }
        if (!response.destroyed) response.end();
    };
    next();
}

/** An answer byte by byte as given, whatever HTTP says about it; then the connection ends, or is reset, or stays. */
const raw = (bytes, then = 'end') => (request) => {
    const { socket } = request;
    if (then === 'stay') socket.write(bytes);
    else if (then === 'reset') socket.write(bytes, () => socket.resetAndDestroy());
    else socket.end(bytes);
};
const head = (...lines) => `${['HTTP/1.1 200 OK', ...lines].join('\r\n')}\r\n\r\n`;

export const routes = {
    hello: (_, response) => text(response, 'hello'),
    bytes: (_, response, { argument }) => text(response, pattern(Number(argument)), { 'content-length': argument }),
    chunks: (_, response, { argument }) => repeat(response.writeHead(200), pattern(1000), { times: Number(argument) }),
    /* What arrived, as JSON. */
    echo: (request, response, { body }) => text(response, JSON.stringify({
        method: request.method, url: request.url, version: request.httpVersion, headers: request.rawHeaders, trailers: request.rawTrailers,
        size: body.length, digest: digest(body),
    })),
    /* The body back, as it arrives. */
    mirror: (request, response) => request.pipe(response.writeHead(200)),
    status: (_, response, { argument }) => response.writeHead(Number(argument)).end(),
    trailers: (_, response) => {
        response.writeHead(200, { trailer: 'x-digest, x-other' }).write('body');
        response.addTrailers({ 'x-digest': '1234', 'x-other': 'other' });
        response.end();
    },
    gzip: (_, response) => text(response, gzipSync('unpacked text '.repeat(100)), { 'content-encoding': 'gzip' }),
    early: (_, response) => {
        response.writeContinue();
        response.writeEarlyHints({ link: '</style.css>; rel=preload' });
        setTimeout(() => text(response, 'after hints'), 20);
    },
    /* N headers of 100 bytes; a guest's limits, or curl's, are met somewhere. */
    headers: (_, response, { argument }) => {
        const headers = Object.fromEntries(Array.from({ length: Number(argument) }, (_, i) => [`x-many-${i}`, 'v'.repeat(100)]));
        text(response, 'many headers', headers);
    },
    cookies: (_, response) => text(response, '', { 'set-cookie': ['a=1', 'b=2'] }),
    latin: raw(Buffer.from(head('x-latin: caf\xe9', 'content-length: 0'), 'latin1')),
    redirect: (_, response) => response.writeHead(302, { location: '/hello' }).end(),

    /* Slow, silent, without end. */
    slow: (_, response, { argument }) => repeat(response.writeHead(200), 'drop ', { times: 10, pauseMs: Number(argument) }),
    late: (_, response, { argument }) => setTimeout(() => text(response, 'late'), Number(argument)),
    silent: () => {},
    'stalled-body': raw(`${head('content-length: 100')}ten bytes.`, 'stay'),
    'stalled-headers': raw('HTTP/1.1 200 OK\r\nx-first: 1\r\n', 'stay'),
    endless: (_, response) => repeat(response.writeHead(200), Buffer.alloc(65536, 'e')),
    'endless-header': (request) => {
        const { socket } = request;
        socket.write('HTTP/1.1 200 OK\r\nx-endless: ');
        const more = () => { while (!socket.destroyed && socket.write('h'.repeat(65536))); socket.once('drain', more); };
        more();
    },
    'endless-hints': (request) => {
        const { socket } = request;
        const more = () => { while (!socket.destroyed && socket.write('HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n')); socket.once('drain', more); };
        more();
    },

    /* Broken. */
    'cut-body': raw(`${head('content-length: 1000')}only this`, 'reset'),
    'short-body': raw(`${head('content-length: 1000')}only this`),
    'cut-chunk': raw(`${head('transfer-encoding: chunked')}a\r\n0123`),
    'bad-chunk': raw(`${head('transfer-encoding: chunked')}zz\r\n0123456789\r\n0\r\n\r\n`),
    'no-last-chunk': raw(`${head('transfer-encoding: chunked')}4\r\n0123\r\n`),
    'two-lengths': raw(`${head('content-length: 4', 'content-length: 5')}12345`),
    'bad-length': raw(`${head('content-length: -4')}12345`),
    'huge-length': raw(`${head('content-length: 99999999999999999999999')}12345`),
    'cut-headers': raw('HTTP/1.1 200 OK\r\ncontent-le', 'reset'),
    'no-answer': (request) => request.socket.end(),
    reset: (request) => request.socket.resetAndDestroy(),
    'no-http': raw('220 mail.example.test ESMTP\r\n'),
    'bad-status': raw('HTTP/1.1 nine hundred\r\n\r\n'),
    'status-line': raw(`HTTP/1.1 200 ${'r'.repeat(200000)}\r\ncontent-length: 0\r\n\r\n`),
    'bad-header': raw(head('no colon here', 'content-length: 0')),
    'nul-header': raw(head('x-nul: a\0b', 'content-length: 0')),
    'bad-gzip': (_, response) => text(response, 'not gzip at all', { 'content-encoding': 'gzip' }),
};

/** Routes that look at a request's body themselves, or never. */
export const unread = new Set(['mirror', 'silent', 'no-answer', 'reset', 'endless', 'endless-header', 'endless-hints', 'stalled-body', 'stalled-headers']);
