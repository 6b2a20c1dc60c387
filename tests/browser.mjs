// What a program for a browser expects around it, over the files of the working folder.
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import vm from 'node:vm';

const local = (address) => `.${new URL(address, globalThis.location).pathname}`;
const types = { wasm: 'application/wasm' };

// By it Emscripten's code takes Node.js for a worker of a browser.
process.type = 'renderer';
globalThis.self = globalThis;
globalThis.WorkerGlobalScope = class {};
globalThis.navigator = {};
globalThis.location = new URL('http://localhost/');
globalThis.fetch = async (address) =>
  new Response(await readFile(local(address)), {
    headers: { 'content-type': types[address.toString().split('.').pop()] ?? '' },
  });
globalThis.importScripts = (address) => {
  globalThis.location = new URL(address, globalThis.location);
  vm.runInThisContext(readFileSync(local(address), 'utf8'));
};
