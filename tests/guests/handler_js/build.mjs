// The handler of this folder becomes a component: node tests/guests/handler_js/build.mjs OUT.wasm
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { componentize } from '@bytecodealliance/componentize-js';
import { withPackages } from '../pack.mjs';

const out = resolve(process.argv[2]);
const witWorld = withPackages(`package demo:handler-js@1.0.0;
world handler-js { import wasi:http/types@0.2.12; export wasi:http/incoming-handler@0.2.12; }
`);
const { component } = await componentize({ sourcePath: join(dirname(fileURLToPath(import.meta.url)), 'handler.js'), witWorld, worldName: 'handler-js' });
mkdirSync(dirname(out), { recursive: true });
writeFileSync(`${out}.${process.pid}`, component);
renameSync(`${out}.${process.pid}`, out);
