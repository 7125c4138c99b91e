/** The thread of a device in a browser, or in Deno: a worker of its own. */
import type { Gpu } from './gpu.js';
import { type FromThread, type ToThread, serve } from './thread.js';

/** Globals of a worker. */
interface Scope {
  postMessage(m: FromThread): void;
  addEventListener(kind: 'message', f: (e: { readonly data: ToThread }) => void): void;
  readonly navigator: { readonly gpu?: Gpu };
}

const scope = globalThis as unknown as Scope;
serve({ post: (m) => scope.postMessage(m), listen: (f) => scope.addEventListener('message', (e) => f(e.data)) }, async () => {
  if (!scope.navigator.gpu) throw new Error('this browser has no WebGPU');
  return scope.navigator.gpu;
});
