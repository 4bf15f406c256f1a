// A guest that gives wrong texts, makes far too many handles, drops them in odd orders and asks for lengths that cannot be: it is told so, or
// trapped where WASI has it so; the host is unharmed, and nobody outside sees more than one request.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { chance, executable, scratch, Session, Worker } from '../harness.mjs';
import { network } from '../net/net.mjs';

const API = 'demo:wire/api@1.0.0.';
const wire = executable('wire');
const net = await network({ after });
const port = net.origin.split(':')[1];

const text = (value) => JSON.stringify(value);
const bytes = (value) => `[${[...Buffer.from(value)].join(', ')}]`;
const sayLine = (place, value) => `${API}{say}(${text(place)}, ${bytes(value)}, ${text(net.origin)})`;

function ephemeral(t) {
    const session = new Session(wire, ['--ephemeral']);
    t.after(() => session.kill());
    return session;
}

/** It still serves, after what was done to it. */
const serves = async (session) => assert.equal(await session.call(sayLine('value', 'fine')), '"accepted, status 200"');

const invalid = '"refused invalid-syntax"', forbidden = '"refused forbidden"', refused = '"refused"', accepted = '"accepted, status 200"';
const names = [
    ['', invalid], ['a b', invalid], ['a\r\nb: c', invalid], ['a\nb', invalid], ['a:b', invalid], [':path', invalid], ['a\0', invalid], ['\u00e4', invalid],
    ['a\t', invalid], [' a', invalid], ['(x)', invalid], ['a"b', invalid], ['a\x7f', invalid], ['host', forbidden], ['Host', forbidden],
    ['connection', forbidden], ['Transfer-Encoding', forbidden], ['keep-alive', forbidden], ['proxy-connection', forbidden], ['upgrade', forbidden],
    ['X-Ok', accepted],
];
const values = [
    ['', accepted], ['a\r\nx: y', invalid], ['a\nb', invalid], ['a\rb', invalid], ['\r', invalid], ['\n', invalid], ['a\0b', invalid], ['x\x7f', invalid], ['a\x01', invalid],
    ['a\r\n\r\nGET / HTTP/1.1', invalid], [' around\t', accepted], [Buffer.from([0xe9]), accepted],
];
const places = {
    name: names, 'set-name': names, 'list-name': names, 'trailer-name': names,
    value: values, 'set-value': values, 'list-value': values, 'trailer-value': values,
    method: [
        ['', refused], ['GE T', refused], ['GET / HTTP/1.1\r\nHost: x\r\n\r\nGET', refused], ['G\0', refused], ['G\n', refused], ['\u00e4', refused], ['G:', refused],
        ['CONNECT', '"accepted, error HTTP-request-method-invalid"'], ['M'.repeat(100000), refused],
    ],
    path: [
        ['no-slash', refused], ['/ a', refused], ['/a\r\nx: y', refused], ['/a\nx: y', refused], ['/echo HTTP/1.1\r\n\r\nGET /hello', refused], ['/\0', refused], ['/\u00e9', refused],
        ['/\x7f', refused], ['http://other/', refused], ['/echo?a b', refused], ['/echo#f', refused], ['/'.padEnd(200000, 'p'), refused],
        ['/echo?q=%0d%0a', '"accepted, status 404"'], ['//echo', '"accepted, status 404"'],
    ],
    authority: [
        ['', refused], ['evil host', refused], [`${net.origin}\r\nx: y`, refused], [`${net.origin}\n`, refused], [`user:pass@${net.origin}`, refused], ['localhost:99999', refused],
        ['localhost:-1', refused], ['localhost:80x', refused], [`${net.origin}/path`, refused], [`${net.origin}?x`, refused], [`${net.origin}#x`, refused],
        [`${net.origin}\\@x`, refused], ['[::1', refused], ['\0', refused], ['\u00e9.test', refused], ['a'.repeat(100000), refused], [`LOCALHOST:${port}`, accepted],
    ],
    scheme: [['', refused], ['ht tp', refused], ['http\r\n', refused], ['http:', refused], ['\u00e9', refused], ['file', '"accepted, error HTTP-protocol-error"'],
        ['gopher', '"accepted, error HTTP-protocol-error"']],
};

async function sayAll(session) {
    for (const [place, table] of Object.entries(places))
        for (const [value, expected] of table) {
            await net.forget();
            assert.equal(await session.call(sayLine(place, value)), expected, `${place} ${text(String(value)).slice(0, 60)}`);
            const seen = await net.seen();
            assert.ok(seen.length <= (/status/.test(expected) ? 1 : 0), `${place} ${text(String(value)).slice(0, 60)}: ${text(seen)}`);
        }
    await serves(session);
}

test('no text that a guest gives to a request makes it another, or two', async (t) => {
    await sayAll(ephemeral(t));
});

test('the same in a worker, and its replay finds the same', async (t) => {
    const worker = new Worker(wire, join(scratch(t), 'data')), session = worker.session(t);
    await sayAll(session);
    await session.end();
    worker.verify();
});

test('too large a text is a trap, and the next worker serves', async (t) => {
    assert.match(await ephemeral(t).ask(sayLine('value', 'v'.repeat(200_000))), /^trap: too many bytes of HTTP fields \(limit is \d+\)$/);
    await serves(ephemeral(t));
});

const kinds = ['fields', 'request', 'body', 'options', 'pollable', 'descriptor', 'tcp', 'udp'];

test('thousands of handles of each kind, dropped forth, back and across', async (t) => {
    const session = ephemeral(t);
    for (const kind of kinds)
        for (const [count, order] of [[3000, 'forth'], [3000, 'back'], [3001, 'mixed']])
            assert.equal(await session.call(`${API}{hoard}(${text(kind)}, ${count}, ${text(order)})`), `"made ${count}"`, kind);
    await serves(session);
});

test('a hundred thousand that are never dropped: as many as there may be, and no harm', async (t) => {
    for (const kind of kinds) {
        const session = ephemeral(t), answer = await session.call(`${API}{hoard}(${text(kind)}, 100000, "never")`);
        const made = Number(/^"made (\d+)"$/.exec(answer)[1]);
        if (['descriptor', 'tcp', 'udp'].includes(kind)) assert.ok(made > 1000 && made < 100_000, `${kind}: ${made}`);
        else assert.equal(made, 100_000, kind);
        if (kind !== 'tcp' && kind !== 'udp') await serves(session);
        assert.equal((await session.end()).status, 0);
    }
});

test('a worker\'s handles by the thousand are there again after a crash', async (t) => {
    const data = join(scratch(t), 'data');
    const worker = new Worker(wire, data), session = worker.session(t);
    for (const kind of kinds.filter((kind) => !['tcp', 'udp'].includes(kind)))
        assert.equal(await session.call(`${API}{hoard}(${text(kind)}, 2000, "never")`), '"made 2000"', kind);
    await session.kill();
    const next = worker.session(t);
    await serves(next);
    await next.end();
    worker.verify();
});

/** Whether dropping these parts in this order drops a parent before its child (WASI has that as a trap). */
function drops(parts) {
    const children = [['b', 'o'], ['i', 's'], ['s', 'p']];
    const isThere = (part, at) => !parts.slice(0, at).includes(part);
    return children.some(([parent, child]) => parts.includes(parent) && isThere(child, parts.indexOf(parent)));
}

test('parts of an exchange dropped in any order', async (t) => {
    const random = chance(11);
    let session = ephemeral(t), trapped = 0;
    const orders = ['!fob', '!bof', '!ofb', '!b', '!o', '!f', '', 'psirofb', 'bofrisp'];
    while (orders.length < 80) {
        const parts = [...'psirofb'].sort(() => random() - 0.5);
        orders.push(parts.slice(0, 1 + Math.floor(random() * 7)).join(''));
    }
    for (const order of orders) {
        const answer = await session.ask(`${API}{drop}(${text(order)}, ${text(net.origin)})`);
        if (!drops([...order.replace('!', '')])) {
            assert.equal(answer, '"dropped"', order);
            continue;
        }
        assert.match(answer, /^trap: .* is dropped before what was made of it$/, order);
        trapped++;
        await session.end();
        session = ephemeral(t);
    }
    assert.ok(trapped > 10 && trapped < orders.length - 10);
    await serves(session);
});

test('lengths of 2^32 and more', async (t) => {
    const huge = async (session, which) => session.ask(`${API}{huge}(${text(which)}, ${text(net.origin)})`);
    const session = ephemeral(t);
    for (const which of ['read', 'skip', 'splice']) assert.match(await huge(session, which), new RegExp(`^"(${which} ok; ){3}"$`));
    await serves(session);
    assert.match(await huge(ephemeral(t), 'zeroes'), /^trap: write of 4294967296 bytes, but check-write permitted \d+$/);
    assert.match(await huge(ephemeral(t), 'random'), /^trap: 4294967296 random bytes in one call/);
});
