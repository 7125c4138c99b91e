/** The thread of a device in Node: it alone loads the package `webgpu`, and owns what comes of it. */
import { parentPort } from 'node:worker_threads';
import type { Gpu } from './gpu.js';
import { serve } from './thread.js';

/** What the package gives: a function that makes a GPU object, and the names that a browser has as globals. */
interface Package {
  create(options: readonly string[]): Gpu;
  readonly globals: object;
}
/** An optional peer, so that a type check does without it. */
const PACKAGE = 'webgpu';

async function find(): Promise<Gpu> {
  let loaded: Package;
  try {
    loaded = (await import(PACKAGE)) as Package;
  } catch (e) {
    const missing = (e as { code?: unknown }).code === 'ERR_MODULE_NOT_FOUND';
    throw new Error(missing ? 'the package webgpu is not installed: npm install webgpu' : `the package webgpu does not load: ${String(e)}`);
  }
  Object.assign(globalThis, loaded.globals);
  return loaded.create([]);
}

const port = parentPort!;
serve({ post: (m) => port.postMessage(m), listen: (f) => port.on('message', f) }, find);
