import { WASM } from './generated/single.js';
import { type KernelOptions, Kernels, compile, instantiate } from './runtime.js';

/** Kernels of one thread over unshared memory, in Node and in pages. */
export function singleKernels(options: KernelOptions = {}): Kernels {
  const memory = new WebAssembly.Memory({ initial: 64, maximum: 65536 });
  return new Kernels(memory, instantiate(compile(WASM), memory), 1, options);
}
