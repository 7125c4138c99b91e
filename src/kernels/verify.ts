import { WASM } from './generated/verify.js';
import { type KernelOptions, Kernels, compileText, instantiate } from './runtime.js';

/**
 * The kernels that a verification calls, of one thread over unshared memory, in Node and in pages: a quarter of what a
 * prover has.
 */
export function verifierKernels(options: KernelOptions = {}): Kernels {
  const memory = new WebAssembly.Memory({ initial: 64, maximum: 65536 });
  return new Kernels(memory, instantiate(compileText(WASM), memory), 1, options);
}
