// The HTTP server that nginx cannot be: its routes (origin_routes.mjs) do what a test wants to see, and it notes what it saw.

import { createServer } from 'node:http';
import { createSecureServer } from 'node:http2';
import { readFileSync } from 'node:fs';
import { routes, unread } from './origin_routes.mjs';

/** Notes each request: when its headers came, and again (`whole`) when its body has. */
function handler(seen) {
    return async (request, response) => {
        const note = { method: request.method, url: request.url, id: request.headers['x-request-id'], whole: false };
        seen.push(note);
        response.on('error', () => {});
        const [, name, argument] = request.url.split('/');
        const route = routes[name];
        const pieces = [];
        try {
            if (!unread.has(name)) for await (const piece of request) pieces.push(piece);
        } catch {
            return; // cut off in the middle of its body
        }
        note.whole = true;
        const body = Buffer.concat(pieces);
        if (!route) return response.writeHead(404).end();
        route(request, response, { argument, body });
    };
}

/** { port, tls: port of the same over HTTP/2 or 1.1 with TLS, seen(): [{method, url, id, whole}], forget(), stop() } */
export async function startOrigin(certificates) {
    const seen = [];
    const sockets = new Set();
    const { key, certificate } = certificates.right;
    const servers = [
        createServer({ keepAliveTimeout: 60_000, requestTimeout: 0, headersTimeout: 0 }, handler(seen)),
        createSecureServer({ allowHTTP1: true, key: readFileSync(key), cert: readFileSync(certificate) }, handler(seen)),
    ];
    for (const server of servers) {
        server.on('connection', (socket) => {
            sockets.add(socket);
            socket.on('close', () => sockets.delete(socket)).on('error', () => {});
        });
        server.on('clientError', (_, socket) => socket.destroyed || socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
        await new Promise((tell, fail) => server.on('error', fail).listen(0, '127.0.0.1', tell));
    }
    const [port, tls] = servers.map((server) => server.address().port);
    return {
        port, tls,
        seen: () => seen,
        connections: () => sockets.size,
        forget() { seen.length = 0; },
        stop() {
            for (const socket of sockets) socket.destroy();
            return Promise.all(servers.map((server) => new Promise((tell) => server.close(tell))));
        },
    };
}
