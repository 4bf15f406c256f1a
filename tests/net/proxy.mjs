// A TCP proxy between a client and a server, which makes the network worse.

import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Passes on what comes in, late and slowly, until the limit of bytes is reached. */
async function pump(from, to, { latencyMs = 0, bytesPerSecond = Infinity }, budget) {
    for await (const chunk of from) {
        const due = performance.now() + latencyMs + chunk.length / bytesPerSecond * 1000;
        const wait = due - performance.now();
        if (wait > 0) await sleep(wait);
        if (to.destroyed) return;
        if (!budget.spend(to, chunk)) return;
    }
    to.end();
}

/** How many bytes of answers may pass before both sides are cut off. */
function budgetOf(bytes, cut) {
    let left = bytes;
    return {
        spend(to, chunk) {
            if (chunk.length <= left) {
                left -= chunk.length;
                to.write(chunk);
                return true;
            }
            to.write(chunk.subarray(0, left), cut);
            left = 0;
            return false;
        },
    };
}

/**
 * A proxy in front of a port. options: latencyMs for each direction; bytesPerSecond; cutAfterBytes: of answers, then the connection is
 * reset; cutChance(): called for each connection, a number of bytes to cut it after, or undefined; blackHole: accepts and is silent.
 * { port, connections(): how many came, stop() }
 */
export async function startProxy(target, options = {}) {
    const sockets = new Set();
    let connections = 0;
    const keep = (socket) => {
        sockets.add(socket);
        socket.setNoDelay(true).on('close', () => sockets.delete(socket)).on('error', () => socket.destroy());
        return socket;
    };
    const server = createServer({ allowHalfOpen: true }, (client) => {
        connections++;
        keep(client);
        if (options.blackHole) return client.resume();
        const upstream = keep(connect({ port: target, host: '127.0.0.1', allowHalfOpen: true }));
        const cut = () => { client.resetAndDestroy(); upstream.destroy(); };
        const answers = budgetOf(options.cutChance?.() ?? options.cutAfterBytes ?? Infinity, cut);
        client.on('close', () => upstream.destroy());
        upstream.on('close', () => client.destroyed || client.end());
        pump(client, upstream, options, budgetOf(Infinity)).catch(() => upstream.destroy());
        pump(upstream, client, options, answers).catch(() => client.destroy());
    });
    await new Promise((tell, fail) => server.on('error', fail).listen(0, '127.0.0.1', tell));
    return {
        port: server.address().port,
        connections: () => connections,
        stop() {
            for (const socket of sockets) socket.destroy();
            return new Promise((tell) => server.close(tell));
        },
    };
}
