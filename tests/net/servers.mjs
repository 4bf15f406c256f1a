// The thread of the servers: tests block while programs run (spawnSync), and these must answer meanwhile.

import { parentPort, workerData } from 'node:worker_threads';
import { startOrigin } from './origin.mjs';
import { startProxy } from './proxy.mjs';

const origin = await startOrigin(workerData.certificates);
const proxies = [];

const verbs = {
    seen: () => origin.seen(),
    connections: () => origin.connections(),
    forget: () => origin.forget(),
    async proxy({ target, cutBelowBytes, seed = 1, ...options }) {
        let state = seed;
        const random = () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) / 2 ** 32;
        const cutChance = cutBelowBytes && (() => Math.floor(random() * cutBelowBytes));
        const proxy = await startProxy(target, { ...options, cutChance });
        proxies.push(proxy);
        return { port: proxy.port };
    },
    async stop() {
        for (const server of [origin, ...proxies]) await server.stop();
    },
};

parentPort.on('message', async ({ number, verb, argument }) => {
    try {
        parentPort.postMessage({ number, result: await verbs[verb](argument) });
    } catch (error) {
        parentPort.postMessage({ number, error: String(error.stack ?? error) });
    }
});
parentPort.postMessage({ ready: { port: origin.port, tls: origin.tls } });
