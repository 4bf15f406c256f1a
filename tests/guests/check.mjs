// Runs the guests in another implementation of the component model (jco's, in node), to know that a failing test is
// not the guest's fault. Not a part of `make test`.
//
//   node tests/guests/check.mjs DIRECTORY [NATIVE-KERNELS]
//
// DIRECTORY holds the built guests, NATIVE-KERNELS is kernels/native.c compiled with the kernels.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { transpileBytes } from '@bytecodealliance/jco-transpile';
import { componentWit } from '@bytecodealliance/jco-transpile/wasm-tools';

const [directory, native] = process.argv.slice(2);
const scratch = mkdtempSync(join(dirname(fileURLToPath(import.meta.url)), '.check-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
let instances = 0;

async function instantiate(name, host = {}) {
    const { files } = await transpileBytes(readFileSync(join(directory, `${name}.wasm`)), {
        name,
        instantiation: 'async',
        noTypescript: true,
        noNodejsCompat: false,
    });
    const out = join(scratch, `${name}-${instances++}`);
    mkdirSync(out, { recursive: true });
    writeFileSync(join(out, 'package.json'), '{"type": "module"}');
    for (const [file, bytes] of Object.entries(files)) {
        mkdirSync(dirname(join(out, file)), { recursive: true });
        writeFileSync(join(out, file), bytes);
    }
    const { instantiate: start } = await import(pathToFileURL(join(out, `${name}.js`)));
    const { WASIShim } = await import('@bytecodealliance/preview2-shim/instantiation');
    const wasi = new WASIShim().getImportObject();
    return start((path) => WebAssembly.compile(readFileSync(join(out, path))), { ...wasi, ...host });
}

const checks = {
    async cart() {
        const { api } = await instantiate('cart');
        const items = [
            { productId: 'p1', name: 'Änderung ☂', price: 1.5, quantity: 2 },
            { productId: 'p2', name: '', price: 0.25, quantity: 4 },
        ];
        assert.deepEqual(api.checkout(), { tag: 'error', val: 'the cart has no owner' });
        api.initializeCart('me');
        assert.deepEqual(api.checkout(), { tag: 'error', val: 'the cart is empty' });
        for (const item of items) api.addItem(item);
        assert.deepEqual(api.getCartContents(), items);
        api.addItem(items[1]);
        api.updateItemQuantity('p1', 10);
        api.addItem({ productId: 'p3', name: 'gone', price: 99, quantity: 1 });
        api.removeItem('p3');
        assert.deepEqual(api.getCartContents(), [{ ...items[0], quantity: 10 }, { ...items[1], quantity: 8 }]);
        const done = api.checkout();
        assert.equal(done.tag, 'success');
        assert.match(done.val.orderId, /^order-1-[0-9a-f]{16}-\d+\.\d{9}$/);
        assert.equal(done.val.total, 17);
        assert.equal(done.val.itemCount, 2);
        assert.deepEqual(api.getCartContents(), []);
    },

    async counter() {
        const { api } = await instantiate('counter');
        const a = new api.Counter('a');
        const b = new api.Counter('b');
        a.incBy(5n);
        b.incBy(7n);
        assert.equal(a.getValue(), 5n);
        assert.equal(b.getName(), 'b');
        assert.equal(a.sameValue(b), false);
        assert.equal(api.liveCount(), 2);
        const larger = api.Counter.larger(a, b);
        assert.equal(larger.getName(), 'b');
        assert.equal(api.liveCount(), 1);
        api.incGlobalBy(3n);
        api.incGlobalBy(2n ** 64n - 1n);
        assert.equal(api.getGlobalValue(), 2n);
    },

    async echo() {
        const { api } = await instantiate('echo');
        const person = { name: 'Ada', age: 36, nick: undefined, tags: ['x', '', 'ünï'] };
        const team = { name: 't', people: [person, { ...person, nick: 'A', tags: [] }], home: { x: -0.5, y: 1e300 } };
        const shapes = [
            { tag: 'nothing' },
            { tag: 'number', val: -5 },
            { tag: 'big', val: 2n ** 64n - 1n },
            { tag: 'ratio', val: 0.5 },
            { tag: 'precise', val: Math.PI },
            { tag: 'text', val: 'shape' },
            { tag: 'at', val: { x: 1.25, y: -2.5 } },
            { tag: 'pair', val: [4000000000, 2n ** 63n] },
        ];
        const flags = (count, on) => Object.fromEntries([...Array(count).keys()].map((i) => [`f${i}`, on(i)]));
        const same = {
            echoBool: [true, false], echoU8: [255], echoU16: [65535], echoU32: [4294967295],
            echoU64: [2n ** 64n - 1n], echoS8: [-128], echoS16: [-32768], echoS32: [-2147483648],
            echoS64: [-(2n ** 63n)], echoF32: [0.1 + 0.2 > 0 ? 0.5 : 0, -Infinity], echoF64: [0.1, -0],
            echoChar: ['𝄞', 'a'], echoString: ['', 'grüße 𝄞'],
            echoBytes: [Uint8Array.of(0, 255), Uint8Array.of()], echoStrings: [['', 'a', 'bc'], []],
            echoU64s: [BigUint64Array.of(1n, 2n ** 64n - 1n)], echoF32s: [Float32Array.of(0.5)],
            echoChars: [['𝄞', 'b']], echoBools: [[true, false, true]],
            echoMatrix: [[Uint16Array.of(1, 2), Uint16Array.of(), Uint16Array.of(65535)]],
            echoPoints: [[{ x: 1, y: 2 }]], echoShapes: [shapes], echoColours: [['blue', 'red']],
            echoRightsList: [[{ read: true, write: false, execute: true }]],
            echoOptions: [[undefined, 7]], echoPairs: [[['k', 1n], ['', 0n]]], echoTeams: [[team, team], []],
            echoPoint: [{ x: NaN, y: -0 }], echoPerson: [person, { ...person, nick: '' }], echoTeam: [team],
            echoGaps: [{ a: 1, b: 2n, c: true, d: 4, e: 5.5, f: -6, g: 7.25, h: '€', i: -9 }],
            echoTuple: [[1, 'two', 3.5, -4n]], echoShape: shapes,
            echoSmall: [{ tag: 'whole', val: -1 }, { tag: 'real', val: -0.75 }], echoColour: ['green'],
            echoRights: [{ read: false, write: true, execute: true }], echoTwelve: [flags(12, (i) => i % 3 === 0)],
            echoThirtyTwo: [flags(32, (i) => i % 2 === 1), flags(32, () => true)],
            echoOption: [undefined, 9n], echoOptionString: [undefined, 's'],
            echoOptionOption: [{ tag: 'none' }, { tag: 'some', val: undefined }, { tag: 'some', val: 3 }],
        };
        for (const [name, values] of Object.entries(same))
            for (const value of values) assert.deepEqual(api[name](value), value, name);
        const outcome = (name, argument) => {
            try {
                return { tag: 'ok', val: api[name](argument) };
            } catch (error) {
                if (error instanceof WebAssembly.RuntimeError || error instanceof TypeError) throw error;
                const wrapped = typeof error === 'object' && error !== null && 'payload' in error;
                return { tag: 'err', val: wrapped ? error.payload : error };
            }
        };
        const results = {
            echoResult: [{ tag: 'ok', val: 1 }, { tag: 'err', val: 'bad' }],
            echoResultOk: [{ tag: 'ok', val: 1n }, { tag: 'err', val: undefined }],
            echoResultErr: [{ tag: 'ok', val: undefined }, { tag: 'err', val: 0.5 }],
            echoResultNone: [{ tag: 'ok', val: undefined }, { tag: 'err', val: undefined }],
            echoResultShape: [...shapes.map((val) => ({ tag: 'ok', val })), { tag: 'err', val: 'blue' }],
        };
        for (const [name, values] of Object.entries(results))
            for (const value of values) assert.deepEqual(outcome(name, value), value, name);
        assert.equal(api.sumSixteen(1, 2, 3, 4n, 5, 6, 7, 8n, 9, 10.5, true, 'a', 13, 14, 15, 16), 211.5);
        const twenty = [1, 2, 3, 4n, -5, 6, 7, 8n, 9, 10.5, true, 'a', 'text', Uint32Array.of(1, 2), 5];
        assert.deepEqual(api.sumTwenty(...twenty, { tag: 'at', val: { x: 1, y: 2 } }, 100), [258.5, 'text']);
        assert.deepEqual(api.several(), [255, -(2n ** 63n), 'several', Uint16Array.of(1, 2, 65535)]);
        assert.equal(api.nothing(), undefined);
        api.remember('kept');
        api.echoString('something else');
        assert.equal(api.recall(), 'kept');
    },

    async failing() {
        const traps = {
            trapUnreachable: [], trapAbort: [], trapAssert: [], readAt: [0xfffffff0], writeAt: [0xfffffff0, 1],
            stackOverflow: [0xffffffff], stackOverflowInMemory: [0xffffffff], divide: [1, 0],
            divide64: [-(2n ** 63n), -1n], floatToInt: [1e10], callBadPointer: [1000000], callWrongType: [],
            badStringPointer: [], badChar: [], badListLength: [], badVariant: [], badPostReturn: [], badUtf8: [],
        };
        for (const [name, args] of Object.entries(traps)) {
            const { api } = await instantiate('failing');
            assert.equal(api.fine(1), 2);
            let failure = 'none';
            try {
                api[name](...args);
            } catch (error) {
                failure = error.message;
            }
            process.stdout.write(`    ${name}: ${failure}\n`);
        }
        const { api } = await instantiate('failing');
        assert.equal(api.stackOverflow(1000) >= 0, true);
        assert.equal(api.divide(7, -2), -3);
        assert.equal(api.readAt(1024) >= 0, true);
        process.stdout.write(`    pages ${api.memoryPages()}\n`);
    },

    async workflow() {
        const uuid = { highBits: 1n, lowBits: 2n };
        const workerId = { componentId: { uuid }, workerName: 'w-1' };
        let oplog = 10n;
        const promises = new Map();
        const host = {
            createPromise: () => (promises.set(++oplog, undefined), { workerId, oplogIdx: oplog }),
            awaitPromise: (id) => promises.get(id.oplogIdx),
            pollPromise: (id) => promises.get(id.oplogIdx),
            completePromise(id, data) {
                const fresh = promises.get(id.oplogIdx) === undefined;
                if (fresh) promises.set(id.oplogIdx, Uint8Array.from(data));
                return fresh;
            },
            getOplogIndex: () => ++oplog,
            generateIdempotencyKey: () => ({ highBits: 3n, lowBits: 4n }),
            getSelfMetadata: () => ({
                workerId, args: ['a', ''], env: [['K', 'V'], ['', '']], status: 'running', componentVersion: 0n,
                retryCount: 0n,
            }),
        };
        const { api } = await instantiate('workflow', { 'golem:api/host': host });
        const first = api.run(100, 2);
        assert.notEqual(first, 0n);
        assert.equal(api.total(), first);
        const memory = api.memoryDigest();
        assert.notEqual(api.runSlow(20, 2, 1), first);
        assert.notEqual(api.memoryDigest(), memory);
        assert.equal(api.selfName(), 'w-1');
        assert.deepEqual(api.newKey(), [3n, 4n]);
        assert.equal(api.oplogIndex(), 11n);
        const promise = api.makePromise();
        assert.equal(promise, 12n);
        assert.equal(api.pollPromise(promise), undefined);
        assert.equal(api.fulfilPromise(promise, Uint8Array.of(1, 2)), true);
        assert.equal(api.fulfilPromise(promise, Uint8Array.of(3)), false);
        assert.deepEqual(api.waitPromise(promise), Uint8Array.of(1, 2));
        assert.deepEqual(api.pollPromise(promise), Uint8Array.of(1, 2));
        api.sleep(5);
    },

    async hello() {
        const { run } = await instantiate('hello');
        run.run();
    },

    async kernels() {
        for (const name of ['kernels', 'kernels-simd']) {
            const { api } = await instantiate(name);
            for (const kernel of ['gemm', 'jacobi', 'sha256', 'qsort', 'json', 'vm', 'fib', 'lz']) {
                const digest = api[kernel](20);
                if (native) {
                    const text = execFileSync(native, [kernel, '20'], { encoding: 'utf8' });
                    assert.equal(digest, BigInt(text.split(' ')[0]), kernel);
                }
            }
        }
    },
};

for (const [name, check] of Object.entries(checks)) {
    const wit = await componentWit(readFileSync(join(directory, `${name}.wasm`)));
    const lines = wit.split('\n').filter((line) => /^ {2}(import|export)/.test(line));
    process.stdout.write(`${name}:\n${lines.join('\n')}\n`);
    await check();
    process.stdout.write('  ok\n');
}
