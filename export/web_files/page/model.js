// The exported .tflite file in LiteRT's own runtime for browsers.

import { Tensor, loadAndCompile, loadLiteRt } from './litert/litert.js';

const FORMAT = 'keras_vae site';
const AGAIN = 'Load the page again, or upload the site again.';

const TYPES = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };

async function fetchFile(name, size) {
  let response;
  try {
    response = await fetch(name);
  } catch {
    throw new Error(`${name} did not load. Is the network, or the server of this page, down?`);
  }
  if (!response.ok) throw new Error(`${name} did not load: the server says ${response.status}. ${AGAIN}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (size !== undefined && bytes.length !== size) {
    throw new Error(`${name} has ${bytes.length} bytes instead of ${size}. Upload the site again.`);
  }
  return bytes;
}

/** Return what site.json says. */
export async function readSite() {
  const text = new TextDecoder().decode(await fetchFile('site.json'));
  let site;
  try {
    site = JSON.parse(text);
  } catch {
    // It is refused with all else that is no site.
  }
  if (site?.format !== FORMAT) throw new Error(`site.json is not what keras-vae export web wrote. ${AGAIN}`);
  return site;
}

/** Log a line of the runtime, which calls all of them errors. */
function quietly(line) {
  (/^(INFO|WARNING)/.test(line) ? console.debug : console.error)(line);
}

/** Load the runtime and the model of a site. */
export async function openModel(site) {
  const loaded = fetchFile(site.file, site.bytes);
  // The runtime's script takes its settings from here.
  self.Module = { printErr: quietly };
  const started = loadLiteRt(site.wasm).catch((error) => {
    const reason = error?.message ? ` (${error.message})` : '';
    throw new Error(`The runtime of LiteRT did not load from ${site.wasm}${reason}.`);
  });
  const [bytes] = await Promise.all([loaded, started]);
  const compiled = await loadAndCompile(bytes, { accelerator: 'wasm' }).catch((error) => {
    throw new Error(`${site.file} is damaged, or this browser cannot run it (${error?.message ?? error}). ${AGAIN}`);
  });
  return new Model(compiled, site);
}

class Model {
  constructor(compiled, site) {
    this.signatures = compiled.signatures;
    this.site = site;
    this.queue = Promise.resolve();
  }

  /** Return the image of z: its pixels, and the milliseconds that it took. */
  decode(z, label) {
    return this.run('decode', { z }, label);
  }

  /** Return the image of an int32 seed, with the z that was drawn. */
  generate(seed, label) {
    return this.run('generate', { seed: [seed], temperature: [1] }, label);
  }

  run(name, values, label) {
    // One at a time: the runtime has one memory.
    const result = this.queue.then(() => this.runNow(name, { ...values, label: [label] }));
    this.queue = result.catch(() => {});
    return result;
  }

  async runNow(name, values) {
    const runner = this.signatures[name];
    const start = performance.now();
    const inputs = {};
    for (const { name: key, dtype, shape } of runner.getInputDetails()) {
      inputs[key] = new Tensor(TYPES[dtype].from(values[key]), shape);
    }
    const outputs = await runner.run(inputs);
    const found = {};
    for (const [key, tensor] of Object.entries(outputs)) found[key] = tensor.toTypedArray().slice();
    const ms = performance.now() - start;
    for (const tensor of [...Object.values(inputs), ...Object.values(outputs)]) tensor.delete();
    return { ...found, ms };
  }
}
