// wasi:sockets: a guest that does steps (tests/guests/sockets.c) against node's sockets on the loopback interface, and against itself.

import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { executable, run, scratch, Session, Worker } from '../harness.mjs';

const API = 'demo:sockets/api@1.0.0', program = executable('sockets');
const wrap = (program_, shell) => (shell ? ['sh', ['-c', `${shell}; exec "$0" "$@"`, program_]] : [program_, []]);

/** Steps of one guest: `await guest('tcp4 0')` is its answer. */
class Guest {
    constructor(session) {
        this.session = session;
    }
    async step(line) {
        return JSON.parse(await this.session.call(`${API}.{step}(${JSON.stringify(line)})`));
    }
    /** All of these answer as said. */
    async expect(...pairs) {
        for (const [line, answer] of pairs) {
            const said = await this.step(line);
            if (answer instanceof RegExp) assert.match(said, answer, line);
            else assert.equal(said, answer, line);
        }
    }
    async ok(...lines) {
        await this.expect(...lines.map((line) => [line, 'ok']));
    }
    async port(socket) {
        return Number((await this.step(`local ${socket}`)).split(' ')[1]);
    }
}

/** A guest whose oplog nobody keeps; shell: run before it. */
function guestOf(t, shell) {
    const [command, args] = wrap(program, shell);
    const session = new Session(command, [...args, '--ephemeral']);
    t.after(() => session.kill());
    return new Guest(session);
}

/** A server of node's that does `serve(socket)` with each connection. */
async function serverOf(t, serve, host = '127.0.0.1', options = {}) {
    const server = createServer({ allowHalfOpen: true, ...options }, (socket) => {
        socket.on('error', () => {});
        serve(socket);
    }).listen(0, host);
    await once(server, 'listening');
    t.after(() => server.close());
    return server.address().port;
}

const bytes = (count, from = 0) => Buffer.from({ length: count }, (_, i) => (from + i) % 251);
const LOOPBACKS = [['4', '127.0.0.1', '127.0.0.1']];
if (Object.values(networkInterfaces()).flat().some(({ address }) => address === '::1')) LOOPBACKS.push(['6', '0:0:0:0:0:0:0:1', '::1']);

for (const [version, address, host] of LOOPBACKS) {
    test(`a client echoes over TCP, ends its side and reads the other's end (IPv${version})`, async (t) => {
        const guest = guestOf(t), port = await serverOf(t, (socket) => socket.pipe(socket), host);
        await guest.ok(`tcp${version} 0`, `connect 0 ${address} ${port}`, 'write 0 hello');
        await guest.expect(['read 0 100', '"hello"'], ['try-read 0 100', '""'], ['wait 0 in 20', 'timeout'], ['wait 0 out 1000', 'ready'],
            ['remote 0', `${address} ${port}`], ['family 0', `ipv${version}`], ['shutdown 0 send', 'ok'], ['read 0 100', 'closed'],
            ['try-read 0 100', 'closed'], ['try-read 0 0', 'closed'], ['put 0 more', 'closed'], ['flush 0', 'closed'], ['shutdown 0 both', 'ok']);
        await guest.ok('drop 0');
    });

    test(`a listener accepts, and tells the addresses of both ends (IPv${version})`, async (t) => {
        const guest = guestOf(t);
        await guest.ok(`tcp${version} 0`, `bind 0 ${address} 0`, 'listen 0');
        const port = await guest.port(0);
        await guest.expect(['try-accept 0 1', 'would-block'], ['wait 0 socket 20', 'timeout'], ['listening 0', 'true']);
        const client = connect(port, host);
        await once(client, 'connect');
        await guest.ok('accept 0 1');
        await guest.expect(['remote 1', `${address} ${client.localPort}`], ['local 1', `${address} ${port}`], ['listening 1', 'false']);
        client.end('from node');
        await guest.expect(['read 1 100', '"from node"'], ['read 1 100', 'closed'], ['write 1 answer', 'ok']);
        await guest.ok('drop 1');
        assert.equal((await client.toArray()).join(''), 'answer');
    });

    test(`datagrams go both ways, with and without an association (IPv${version})`, async (t) => {
        const guest = guestOf(t), peer = createSocket(`udp${version}`);
        t.after(() => peer.close());
        peer.bind(0, host);
        await once(peer, 'listening');
        const there = `${address} ${peer.address().port}`;
        await guest.ok(`udp${version} 0`, `bind 0 ${address} 0`, 'stream 0');
        const port = await guest.port(0);
        peer.once('message', (data, from) => peer.send(`${data} back`, from.port, from.address));
        await guest.expect(['check-send 0', '16'], [`send 0 one ${there}`, '1'], ['receive 0 9', `[one back from ${there}]`],
            ['try-receive 0 9', '[]'], ['remote 0', 'invalid-state'], ['send 0 nowhere', 'invalid-argument']);
        await guest.ok('drop-input 0', 'drop-output 0', `stream 0 ${there}`);
        const stranger = createSocket(`udp${version}`);
        t.after(() => stranger.close());
        await new Promise((done) => stranger.send('not for you', port, host, done));
        peer.once('message', (data, from) => peer.send(`${data} back`, from.port, from.address));
        await guest.expect(['remote 0', there], ['send 0 two', '1'], ['receive 0 9', `[two back from ${there}]`], [`send 0 same ${there}`, '1'],
            [`send 0 other ${address} 9`, 'invalid-argument'], ['local 0', `${address} ${port}`]);
        await guest.ok('drop-input 0', 'drop-output 0', 'stream 0');
        await guest.expect(['remote 0', 'invalid-state'], ['local 0', `${address} ${port}`]);
    });
}

test('a TCP socket obeys its states', async (t) => {
    const guest = guestOf(t), port = await serverOf(t, () => {});
    const state = 'invalid-state', idle = 'not-in-progress', here = '127.0.0.1';
    await guest.ok('tcp4 0');
    await guest.expect(['finish-bind 0', idle], ['finish-connect 0', idle], ['finish-listen 0', idle], ['start-listen 0', state],
        ['try-accept 0 9', state], ['shutdown 0 both', state], ['local 0', state], ['remote 0', state], ['listening 0', 'false'],
        [`start-bind 0 ${here} 0`, 'ok'], ['local 0', state], [`start-bind 0 ${here} 0`, 'concurrency-conflict'], ['start-listen 0', 'concurrency-conflict'],
        [`start-connect 0 ${here} ${port}`, 'concurrency-conflict'], ['finish-bind 0', 'ok'], ['finish-bind 0', idle],
        [`start-bind 0 ${here} 0`, state], ['local 0', /^127\.0\.0\.1 \d+$/], ['try-accept 0 9', state], ['shutdown 0 both', state],
        ['start-listen 0', 'ok'], ['listening 0', 'false'], ['try-accept 0 9', state], ['finish-listen 0', 'ok'], ['finish-listen 0', idle],
        ['listening 0', 'true'], ['start-listen 0', state], [`start-bind 0 ${here} 0`, state], [`start-connect 0 ${here} ${port}`, state],
        ['shutdown 0 both', state], ['remote 0', state], ['set 0 backlog 3', 'ok'], ['set 0 backlog 0', 'invalid-argument']);
    await guest.ok('tcp4 1', `start-connect 1 ${here} ${port}`);
    await guest.expect([`start-bind 1 ${here} 0`, 'concurrency-conflict'], [`start-connect 1 ${here} ${port}`, 'concurrency-conflict'],
        ['wait 1 socket 5000', 'ready'], ['finish-connect 1', 'ok'], ['finish-connect 1', idle], [`start-bind 1 ${here} 0`, state],
        [`start-connect 1 ${here} ${port}`, state], ['start-listen 1', state], ['try-accept 1 9', state], ['set 1 backlog 3', state]);
    await guest.ok('udp4 2');
    await guest.expect(['finish-bind 2', idle], ['stream 2', state], ['local 2', state], ['remote 2', state], [`start-bind 2 ${here} 0`, 'ok'],
        ['stream 2', 'concurrency-conflict'], ['finish-bind 2', 'ok'], [`start-bind 2 ${here} 0`, state], ['wait 2 socket 0', 'ready']);
});

test('addresses that cannot be meant are refused before the system sees them', async (t) => {
    const guest = guestOf(t), invalid = 'invalid-argument', mapped = '0:0:0:0:0:ffff:7f00:1', compatible = '0:0:0:0:0:0:7f00:1';
    await guest.ok('tcp4 4', 'tcp6 6', 'udp4 14', 'udp6 16', 'bind 14 0.0.0.0 0', 'bind 16 0:0:0:0:0:0:0:0 0');
    for (const address of ['0:0:0:0:0:0:0:1 0', '224.254.0.0 0', '239.255.255.255 0', '255.255.255.255 0'])
        await guest.expect([`start-bind 4 ${address}`, invalid]);
    for (const address of ['127.0.0.1 0', 'ff02:0:0:0:0:0:0:1 0', `${mapped} 0`, `${compatible} 0`])
        await guest.expect([`start-bind 6 ${address}`, invalid]);
    for (const address of ['0.0.0.0 80', '127.0.0.1 0', '224.0.0.1 80', '255.255.255.255 80', '0:0:0:0:0:0:0:1 80'])
        await guest.expect([`start-connect 4 ${address}`, invalid]);
    for (const address of ['0:0:0:0:0:0:0:0 80', '0:0:0:0:0:0:0:1 0', 'ff02:0:0:0:0:0:0:1 80', `${mapped} 80`, '127.0.0.1 80'])
        await guest.expect([`start-connect 6 ${address}`, invalid]);
    for (const address of ['0.0.0.0 80', '127.0.0.1 0', '0:0:0:0:0:0:0:1 80'])
        await guest.expect([`stream 14 ${address}`, invalid]);
    for (const address of ['0:0:0:0:0:0:0:0 80', `${mapped} 80`, '127.0.0.1 80'])
        await guest.expect([`stream 16 ${address}`, invalid]);
    await guest.expect(['start-bind 4 192.0.2.1 0', 'address-not-bindable'], ['start-bind 4 127.0.0.1 0', 'ok']);
});

test('options are clamped, read back, and passed on to accepted sockets', async (t) => {
    const guest = guestOf(t), s = (seconds) => `${seconds}000000000`;
    await guest.ok('tcp4 0', 'udp6 5');
    for (const option of ['idle', 'interval', 'count', 'hops', 'receive-buffer', 'send-buffer'])
        await guest.expect([`set 0 ${option} 0`, 'invalid-argument'], [`get 0 ${option}`, /^[1-9]\d*$/]);
    await guest.ok('set 0 idle 1', 'set 0 interval 18446744073709551615', 'set 0 count 4294967295', 'set 0 send-buffer 18446744073709551615');
    await guest.expect(['get 0 idle', s(1)], ['get 0 interval', s(32767)], ['get 0 count', '127'], ['get 0 keep-alive', '0']);
    await guest.ok('set 0 keep-alive 1', `set 0 idle ${s(42)}`, `set 0 interval ${s(43)}`, 'set 0 count 44', 'set 0 hops 45',
        'set 0 receive-buffer 65536', 'set 0 send-buffer 65536', 'bind 0 127.0.0.1 0', 'listen 0');
    const port = await guest.port(0);
    await guest.ok('tcp4 1', `connect 1 127.0.0.1 ${port}`, 'accept 0 2');
    for (const socket of [0, 2])
        await guest.expect([`get ${socket} keep-alive`, '1'], [`get ${socket} idle`, s(42)], [`get ${socket} interval`, s(43)],
            [`get ${socket} count`, '44'], [`get ${socket} hops`, '45'], [`get ${socket} receive-buffer`, '65536'], [`get ${socket} send-buffer`, '65536']);
    await guest.expect(['set 5 hops 0', 'invalid-argument'], ['set 5 hops 7', 'ok'], ['get 5 hops', '7'], ['set 5 receive-buffer 0', 'invalid-argument'],
        ['set 5 receive-buffer 16384', 'ok'], ['get 5 receive-buffer', '16384']);
});

test('a connection that nobody takes is refused, and the socket is of no more use', async (t) => {
    const guest = guestOf(t), port = await new Promise((tell) => {
        const server = createServer().listen(0, '127.0.0.1', () => {
            const { port: free } = server.address();
            server.close(() => tell(free));
        });
    });
    await guest.ok('tcp4 0');
    await guest.expect([`connect 0 127.0.0.1 ${port}`, 'connection-refused'], ['finish-connect 0', 'not-in-progress'],
        [`start-connect 0 127.0.0.1 ${port}`, 'invalid-state'], ['local 0', 'invalid-state'], ['get 0 hops', 'invalid-state'],
        ['set 0 hops 3', 'invalid-state'], ['wait 0 socket 1000', 'ready'], ['forget 0', 'ok']);
    await guest.ok('udp4 1', 'bind 1 127.0.0.1 0', `stream 1 127.0.0.1 ${port}`);
    await guest.expect(['send 1 hello', '1'], ['receive 1 1', 'connection-refused']);
});

test('an address in use is refused, one whose last connection has just ended is not', async (t) => {
    const guest = guestOf(t);
    await guest.ok('tcp4 0', 'bind 0 127.0.0.1 0', 'listen 0', 'tcp4 1', 'udp4 8', 'bind 8 127.0.0.1 0', 'udp4 9');
    const port = await guest.port(0);
    await guest.expect([`bind 1 127.0.0.1 ${port}`, 'address-in-use'], [`bind 9 127.0.0.1 ${await guest.port(8)}`, 'address-in-use']);
    await guest.ok(`connect 1 127.0.0.1 ${port}`, 'accept 0 2', 'write 2 bye', 'drop 2', 'forget 0');
    await guest.expect(['read 1 9', '"bye"'], ['read 1 9', 'closed']);
    await guest.ok('tcp4 3', `bind 3 127.0.0.1 ${port}`, 'listen 3');
});

test('a reset is told once as a failure, then the stream is closed', async (t) => {
    let peer;
    const guest = guestOf(t), port = await serverOf(t, (socket) => (peer = socket));
    await guest.ok('tcp4 0', `connect 0 127.0.0.1 ${port}`, 'write 0 x');
    while (peer === undefined) await pause(5);
    await once(peer, 'readable');
    peer.resetAndDestroy();
    await guest.expect(['wait 0 in 5000', 'ready'], ['read 0 9', 'failed: connection-reset'], ['read 0 9', 'closed'], ['put 0 y', 'closed'], ['check-write 0', 'closed']);
    await guest.ok('drop 0');
});

test('a slow reader is waited for, and gets every byte', async (t) => {
    const SIZE = 4_000_000;
    let received = 0, wrong = 0;
    const guest = guestOf(t), port = await serverOf(t, (socket) => {
        socket.on('data', (piece) => {
            for (let i = 0; i < piece.length; i++) wrong += piece[i] !== (received + i) % 251;
            received += piece.length;
        });
        socket.pause();
        setTimeout(() => socket.resume(), 300);
    }, '127.0.0.1', { pauseOnConnect: true });
    await guest.ok('tcp4 0', 'set 0 send-buffer 20000', `connect 0 127.0.0.1 ${port}`);
    await guest.expect([`blast 0 ${SIZE}`, 'ok, with waiting']);
    await guest.ok('blocking-flush 0', 'shutdown 0 send', 'drop 0');
    while (received < SIZE) await pause(10);
    assert.equal(wrong, 0);
});

test('what was written is sent although the guest shuts down, drops the socket, does nothing more, or its process ends', async (t) => {
    for (const ending of [['shutdown 0 send'], ['drop 0'], [], null]) {
        let received = 0, socket, ended = false;
        const guest = guestOf(t), port = await serverOf(t, (it) => {
            socket = it.on('data', (piece) => (received += piece.length)).on('end', () => (ended = true)).pause();
        }, '127.0.0.1', { pauseOnConnect: true });
        await guest.ok('tcp4 0', 'set 0 send-buffer 4096', `connect 0 127.0.0.1 ${port}`);
        const taken = Number(await guest.step('fill 0 50000000'));
        await guest.expect(['check-write 0', '0'], ['wait 0 out 20', 'timeout']);
        await guest.ok(...(ending ?? []));
        setTimeout(() => socket.resume(), 100);
        if (ending === null) assert.equal((await guest.session.end()).status, 0);
        while (received < taken) await pause(10);
        if (ending === null || ending.length > 0) while (!ended) await pause(10);
        assert.equal(received, taken);
    }
});

test('no more may be written than is permitted, or sent', async (t) => {
    const port = await serverOf(t, () => {});
    const tcp = guestOf(t);
    await tcp.ok('tcp4 0', `connect 0 127.0.0.1 ${port}`);
    await assert.rejects(tcp.step('overwrite 0'), /trap: write of 65537 bytes, but check-write permitted 65536/);
    for (const [line, message] of [['flood 0 17', /trap: send of 17 datagrams, but check-send permitted 16/], ['flood 0 100000', /trap: send of 100000/]]) {
        const udp = guestOf(t);
        await udp.ok('udp4 0', 'bind 0 127.0.0.1 0', `stream 0 127.0.0.1 ${port}`);
        await udp.expect(['check-send 0', '16']);
        await assert.rejects(udp.step(line), message);
    }
    const spent = guestOf(t);
    await spent.ok('udp4 0', 'bind 0 127.0.0.1 0');
    await spent.ok(`stream 0 127.0.0.1 ${await spent.port(0)}`);
    await spent.expect(['flood 0 0', '0'], ['check-send 0', '16'], ['flood 0 2', '2']);
    await assert.rejects(spent.step('flood 0 1'), /check-send permitted 0/);
});

test('a datagram that is too large is an error, several go in one call, and only the last pair of streams works', async (t) => {
    const guest = guestOf(t);
    await guest.ok('udp4 0', 'bind 0 127.0.0.1 0', 'udp4 1', 'bind 1 127.0.0.1 0');
    await guest.ok(`stream 0 127.0.0.1 ${await guest.port(1)}`, 'stream 1');
    const from = `127.0.0.1 ${await guest.port(0)}`;
    await guest.expect(['check-send 0', '16'], ['flood 0 1 70000', 'datagram-too-large'], ['check-send 0', '16'], ['flood 0 3', '3'],
        ['receive 1 2', `[ from ${from},  from ${from}]`], ['try-receive 1 0', '[]'], ['try-receive 1 18446744073709551615', `[ from ${from}]`]);
    await guest.ok('stream 1'); // the guest forgets the handles of the pair before
    await guest.expect(['send 0 x', '1'], ['receive 1 9', `[x from ${from}]`]);
});

test('what came from others before an association is not received after it', async (t) => {
    const guest = guestOf(t);
    await guest.ok('udp4 0', 'bind 0 127.0.0.1 0', 'udp4 1', 'bind 1 127.0.0.1 0', 'udp4 2', 'bind 2 127.0.0.1 0');
    const to = `127.0.0.1 ${await guest.port(0)}`, from = `127.0.0.1 ${await guest.port(2)}`;
    await guest.ok(`stream 1 ${to}`, `stream 2 ${to}`);
    await guest.expect(['send 1 A', '1'], ['send 2 B', '1'], ['send 1 A', '1'], [`stream 0 ${from}`, 'ok'], ['receive 0 9', `[B from ${from}]`]);
});

test('many connections are accepted, in the order they came', async (t) => {
    const guest = guestOf(t), clients = [];
    await guest.ok('tcp4 0', 'set 0 backlog 1000', 'bind 0 127.0.0.1 0', 'listen 0');
    const port = await guest.port(0);
    for (let i = 1; i < 60; i++) {
        clients.push(connect(port, '127.0.0.1'));
        await once(clients.at(-1), 'connect');
        clients.at(-1).write(`${i}`);
    }
    for (let i = 1; i < 60; i++) await guest.expect([`accept 0 ${i}`, 'ok'], [`read ${i} 9`, `"${i}"`]);
    await guest.expect(['try-accept 0 60', 'would-block']);
    for (const client of clients) client.destroy();
    for (let i = 1; i < 60; i++) await guest.expect([`read ${i} 9`, 'closed'], [`drop ${i}`, 'ok']);
});

test('two guests talk to each other', async (t) => {
    const server = guestOf(t), client = guestOf(t), SIZE = 3_000_000;
    const [version, address] = LOOPBACKS.at(-1);
    await server.ok(`tcp${version} 0`, `bind 0 ${address} 0`, 'listen 0');
    await client.ok(`tcp${version} 0`, `bind 0 ${address} 0`, `connect 0 ${address} ${await server.port(0)}`);
    await server.ok('accept 0 1');
    const [drained] = await Promise.all([server.step('drain 1'), client.step(`blast 0 ${SIZE}`).then(() => client.ok('drop 0'))]);
    assert.equal(drained, `${SIZE} bytes, closed`);
});

test('a guest talks to itself: what it writes goes on while it reads elsewhere', async (t) => {
    const guest = guestOf(t);
    await guest.ok('tcp4 0', 'set 0 receive-buffer 4096', 'bind 0 127.0.0.1 0', 'listen 0', 'tcp4 1', 'set 1 send-buffer 4096');
    await guest.ok(`connect 1 127.0.0.1 ${await guest.port(0)}`, 'accept 0 2');
    const taken = await guest.step('fill 1 50000000');
    await guest.ok('shutdown 1 send');
    await guest.expect(['drain 2', `${taken} bytes, closed`], ['drop 1', 'ok'], ['drop 2', 'ok'], ['drop 0', 'ok']);
});

test('shutting down the receiving side closes the input with what had come', async (t) => {
    const guest = guestOf(t), port = await serverOf(t, (socket) => socket.write('unread'));
    await guest.ok('tcp4 0', `connect 0 127.0.0.1 ${port}`);
    await guest.expect(['wait 0 in 5000', 'ready'], ['shutdown 0 receive', 'ok'], ['read 0 9', 'closed'], ['try-read 0 0', 'closed'], ['wait 0 in 0', 'ready'], ['put 0 x', 'ok']);
});

test('names: localhost, texts of addresses, names that are none, and a timer beside a lookup', async (t) => {
    const guest = guestOf(t);
    const invalid = 'at once: invalid-argument';
    await guest.expect(['resolve localhost', /127\.0\.0\.1|0:0:0:0:0:0:0:1/], ['resolve 127.0.0.1', '[127.0.0.1]'], ['resolve 192.0.2.0', '[192.0.2.0]'],
        ['resolve ::1', '[0:0:0:0:0:0:0:1]'], ['resolve [::]', '[0:0:0:0:0:0:0:0]'], ['resolve DEAD:BEEF::0', '[dead:beef:0:0:0:0:0:0]'],
        ['resolve ::ffff:1.2.3.4', '[1.2.3.4]'], ['resolve ', invalid], ['resolve a.b<&>', invalid], ['resolve 127.0.0.1:80', invalid],
        ['resolve [::]:80', invalid], ['resolve [127.0.0.1]', invalid], ['resolve http://example.com/', invalid], [`resolve ${'x'.repeat(5000)}`, invalid],
        ['resolve no-such-name.invalid', /^(name-unresolvable|temporary-resolver-failure)$/], ['race 127.0.0.1 5000', 'the lookup'],
        ['race localhost 5000', 'the lookup']);
});

test('a stream is dropped before its socket', async (t) => {
    const guest = guestOf(t), port = await serverOf(t, () => {});
    await guest.ok('tcp4 0', `connect 0 127.0.0.1 ${port}`);
    await assert.rejects(guest.step('forget 0'), /trap: a wasi:sockets\/tcp.tcp-socket is dropped before what was made of it/);
});

test('a guest that takes all sockets is told so, and leaves the host its own files', async (t) => {
    const guest = guestOf(t, 'ulimit -n 300');
    await guest.expect(['crowd tcp 100000', 'new-socket-limit'], ['resolve localhost', 'at once: new-socket-limit'], ['disperse', /^2\d\d$/],
        ['crowd udp 100', 'all'], ['disperse', '100']);
    await guest.ok('tcp4 0', 'bind 0 127.0.0.1 0', 'listen 0');
    const port = await guest.port(0);
    const client = connect(port, '127.0.0.1').on('error', () => {});
    t.after(() => client.destroy());
    await once(client, 'connect');
    await guest.expect(['crowd tcp 100000', 'new-socket-limit'], ['try-accept 0 1', 'new-socket-limit'], ['disperse', /^2/], ['try-accept 0 1', 'ok']);
    const many = guestOf(t, 'ulimit -n $(ulimit -H -n)');
    const limit = Number(run('sh', ['-c', 'ulimit -H -n']).stdout);
    if (limit > 10000) await many.expect(['crowd udp 100000', 'new-socket-limit'], ['disperse', '8192']);
    const worker = new Worker(program, join(scratch(t), 'data'));
    const [command, args] = wrap(program, 'ulimit -n 64');
    const kept = new Guest(new Session(command, [...args, ...worker.args()]));
    t.after(() => kept.session.kill());
    await kept.expect(['crowd tcp 100000', 'new-socket-limit'], ['tcp4 1', 'new-socket-limit'], ['disperse', /^\d\d$/], ['tcp4 1', 'ok']);
    assert.equal((await kept.session.end()).status, 0);
    worker.verify();
});

// --- recorded workers ---

const workerOf = (t) => new Worker(program, join(scratch(t), 'data'));
const guestIn = (t, worker) => new Guest(worker.session(t));
const names = (worker) => worker.oplog().map(({ entry }) => entry.functionName).filter((name) => name?.startsWith('sockets::'));

test('a worker that is killed keeps what it read; its connection is an error once, and then closed', async (t) => {
    let connections = 0;
    const port = await serverOf(t, (socket) => (connections++, socket.pipe(socket)));
    const worker = workerOf(t), guest = guestIn(t, worker);
    await guest.ok('tcp4 0', `connect 0 127.0.0.1 ${port}`, 'write 0 first');
    await guest.expect(['read 0 3', '"fir"']);
    await guest.session.kill();
    const next = guestIn(t, worker);
    await next.expect(['wait 0 in 0', 'ready'], ['read 0 9', 'failed: connection-aborted'], ['read 0 9', 'closed'], ['wait 0 out 0', 'ready'],
        ['put 0 x', 'failed: connection-aborted'], ['put 0 x', 'closed'], ['get 0 hops', 'connection-aborted'],
        ['remote 0', `127.0.0.1 ${port}`], ['shutdown 0 both', 'ok'], ['drop 0', 'ok']);
    await next.ok('tcp4 0', `connect 0 127.0.0.1 ${port}`, 'write 0 second', 'drop 0');
    assert.equal((await next.session.end()).status, 0);
    assert.equal(connections, 2);
    worker.verify();
    assert.deepEqual(names(worker).slice(0, 2), ['sockets::tcp_create_socket::create_tcp_socket', 'sockets::tcp::start_connect']);
    const types = new Map(worker.oplog().map(({ entry }) => [entry.functionName, entry.wrappedFunctionType]));
    assert.equal(JSON.stringify(types.get('sockets::tcp::blocking_read')), '"ReadRemote"');
    assert.equal(JSON.stringify(types.get('sockets::tcp::blocking_write_and_flush')), '"WriteLocal"', 'what others saw is not forgotten');
});

test('an invocation that is killed while it reads goes on with what it had read, and the error', async (t) => {
    let peer;
    const port = await serverOf(t, (socket) => {
        peer = socket;
        socket.once('data', () => socket.write('answer'));
    });
    const worker = workerOf(t), lines = ['tcp4 0', `connect 0 127.0.0.1 ${port}`, 'write 0 question', 'read 0 100', 'put 0 again', 'read 0 100', 'read 0 100'];
    const killed = worker.session(t);
    void killed.ask(`${API}.{steps}(${JSON.stringify(lines)})`).catch(() => {});
    while (peer === undefined || peer.bytesRead < 'questionagain'.length) await pause(5);
    await pause(300); // the read begins to wait, and what it waits behind is committed
    await killed.kill();
    const again = worker.session(t);
    assert.equal(await again.call(`${API}.{step}("listening 0")`), '"false"');
    assert.equal((await again.end()).status, 0);
    const completed = worker.oplog().filter(({ entry }) => entry.type === 'ExportedFunctionCompleted');
    assert.deepEqual(JSON.parse(completed[0].entry.response), ['ok', 'ok', 'ok', '"answer"', 'ok', 'failed: connection-aborted', 'closed']);
    assert.equal(peer.bytesRead, 'questionagain'.length, 'nothing was written twice');
    worker.verify();
});

test('what the peer has seen of a worker is in its oplog', async (t) => {
    for (let round = 0; round < 6; round++) {
        let seen = '';
        const port = await serverOf(t, (socket) => socket.on('data', (data) => (seen += data)));
        const worker = workerOf(t), session = worker.session(t);
        const lines = ['tcp4 0', `connect 0 127.0.0.1 ${port}`, ...Array.from({ length: 200 }, (_, i) => `write 0 ${i % 10}`)];
        void session.ask(`${API}.{steps}(${JSON.stringify(lines)})`).catch(() => {});
        while (seen.length < 10 + 10 * round) await pause(1);
        await session.kill();
        const before = seen;
        const again = worker.session(t);
        await again.call(`${API}.{step}("family 0")`);
        await again.end();
        assert.equal(seen, before, 'nothing is sent again');
        const completed = worker.oplog().find(({ entry }) => entry.type === 'ExportedFunctionCompleted');
        const ok = JSON.parse(completed.entry.response).slice(2).filter((said) => said === 'ok').length;
        assert.ok(ok === seen.length || ok === seen.length - 1, `${seen.length} seen, ${ok} known to the worker`);
        worker.verify();
    }
});

test('a listener and a datagram socket are made again at their next use', async (t) => {
    const worker = workerOf(t), guest = guestIn(t, worker);
    await guest.ok('tcp4 0', 'set 0 idle 7000000000', 'bind 0 127.0.0.1 0', 'listen 0', 'udp4 1', 'bind 1 127.0.0.1 0', 'tcp4 2', 'bind 2 127.0.0.1 0', 'tcp6 3', 'set 3 hops 9');
    const port = await guest.port(0), datagrams = await guest.port(1), bound = await guest.port(2);
    await guest.ok(`stream 1 127.0.0.1 ${datagrams}`);
    const first = connect(port, '127.0.0.1').on('error', () => {});
    await guest.ok('accept 0 5');
    await guest.session.kill();
    first.destroy();
    const next = guestIn(t, worker);
    await next.expect(['listening 0', 'true'], ['try-accept 0 6', 'would-block'], ['get 0 idle', '7000000000'], ['get 3 hops', '9']);
    const second = connect(port, '127.0.0.1').on('error', () => {});
    await next.expect(['accept 0 6', 'ok'], ['read 5 9', 'failed: connection-aborted'], ['send 1 self', '1'],
        ['receive 1 9', `[self from 127.0.0.1 ${datagrams}]`], ['listen 2', 'ok'], ['local 2', `127.0.0.1 ${bound}`]);
    second.destroy();
    await next.expect(['read 6 9', 'closed']);
    assert.equal((await next.session.end()).status, 0);
    worker.verify();
    const taken = createServer().listen(port, '127.0.0.1');
    await once(taken, 'listening');
    const last = guestIn(t, worker);
    await last.expect(['wait 0 socket 0', 'ready'], ['try-accept 0 7', 'address-in-use']);
    taken.close();
    await once(taken, 'close');
    await last.expect(['try-accept 0 7', 'would-block']);
});

test('the addresses of a name are stored with the call', async (t) => {
    const worker = workerOf(t), guest = guestIn(t, worker);
    const found = await guest.step('resolve localhost');
    await guest.expect(['resolve 1.2.3.4', '[1.2.3.4]'], ['resolve a<b', 'at once: invalid-argument'], ['resolve no-such-name.invalid', /^at once: (name|temporary)/]);
    assert.match(found, /127\.0\.0\.1|:1/);
    await guest.session.end();
    assert.deepEqual(names(worker), Array(4).fill('sockets::ip_name_lookup::resolve_addresses'));
    worker.verify();
});

test('a worker that holds a connection takes no checkpoint, until it is gone', async (t) => {
    const port = await serverOf(t, (socket) => socket.pipe(socket));
    const worker = workerOf(t), guest = guestIn(t, worker);
    await guest.ok('tcp4 0', 'udp4 1', 'bind 1 127.0.0.1 0', 'tcp4 2', 'bind 2 127.0.0.1 0', 'listen 2', `connect 0 127.0.0.1 ${port}`);
    await guest.session.kill();
    assert.equal(worker.run('checkpoint').status, 0, 'after a restart there is none any more');
    const next = guestIn(t, worker);
    await next.expect(['read 0 9', 'failed: connection-aborted'], ['drop 0', 'ok'], ['try-accept 2 3', 'would-block']);
    assert.equal((await next.session.end()).status, 0);
    worker.verify();
});

test('a worker that sleeps for long is suspended, unless it would lose a connection by that', async (t) => {
    const port = await serverOf(t, () => {});
    for (const [name, line, suspended] of [['bound', 'bind 0 127.0.0.1 0', true], ['connected', `connect 0 127.0.0.1 ${port}`, false]]) {
        const worker = new Worker(program, join(scratch(t), 'data'), name), session = worker.session(t);
        await new Guest(session).ok('tcp4 0', line);
        const asleep = session.ask(`${API}.{step}("nap 60000")`).catch((error) => error.message);
        const first = await Promise.race([asleep, pause(suspended ? 20000 : 500, 'still asleep', { ref: !suspended })]);
        assert.match(first, suspended ? /sleeps for \d+ ms/ : /still asleep/);
    }
});
