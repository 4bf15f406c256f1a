// What tests of networks use: servers that end with the test. See README.md.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Worker as Thread } from 'node:worker_threads';
import { scratch } from '../harness.mjs';
import { makeCertificates } from './certificates.mjs';
import { startNginx } from './nginx.mjs';

/** The thread of origin and proxies; `ask` answers also after the test blocked for long. */
class Servers {
    static async start(certificates) {
        const servers = new Servers();
        servers.thread = new Thread(new URL('servers.mjs', import.meta.url), { workerData: { certificates } });
        servers.waiting = new Map();
        servers.asked = 0;
        servers.ports = await new Promise((tell, fail) => {
            servers.thread.on('error', fail).on('message', ({ ready, number, result, error }) => {
                if (ready) return tell(ready);
                const [good, bad] = servers.waiting.get(number);
                servers.waiting.delete(number);
                if (servers.waiting.size === 0) servers.thread.unref(); // it keeps no test file alive
                if (error) bad(new Error(error));
                else good(result);
            });
        });
        servers.thread.unref();
        return servers;
    }
    ask(verb, argument) {
        this.thread.ref();
        return new Promise((good, bad) => {
            this.waiting.set(++this.asked, [good, bad]);
            this.thread.postMessage({ number: this.asked, verb, argument });
        });
    }
}

/** The port of an authority "localhost:8080". */
const portOf = (authority) => Number(authority.split(':').at(-1));

/**
 * A network for a test, or for all tests of a file (`after` of node:test in an object then).
 *
 *   folder, ca, certificates      of the authority that signed them
 *   origin, originTls             authorities, "localhost:1234", of the server of origin_routes.mjs; the second speaks HTTP/2 too
 *   seen(), forget()              what origin saw: [{method, url, id, whole}]
 *   proxy(authority, options)     the authority of a proxy in front of it: latencyMs, bytesPerSecond, cutAfterBytes,
 *                                 cutBelowBytes (at random, with a seed), blackHole
 *   nginx({files})                starts nginx: nginx.mjs
 *   nobody                        an authority where nobody listens
 */
export async function network(test) {
    const folder = scratch(test);
    const certificates = makeCertificates(folder);
    const servers = await Servers.start(certificates);
    test.after(() => servers.thread.terminate());
    const { port, tls } = servers.ports;
    return {
        folder, certificates,
        ca: certificates.ca,
        origin: `localhost:${port}`,
        originTls: `localhost:${tls}`,
        nobody: 'localhost:9',
        seen: () => servers.ask('seen'),
        forget: () => servers.ask('forget'),
        connections: () => servers.ask('connections'),
        async proxy(authority, options) {
            const { port: near } = await servers.ask('proxy', { target: portOf(authority), ...options });
            return `localhost:${near}`;
        },
        async nginx({ files } = {}) {
            const own = join(folder, 'nginx');
            mkdirSync(own, { recursive: true });
            const nginx = await startNginx(own, certificates, { files, origin: port });
            test.after(() => nginx.stop());
            return nginx;
        },
    };
}
