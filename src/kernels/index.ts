export { type KernelMemory, type KernelOptions, Kernels, OutOfMemoryError } from './runtime.js';
export { singleKernels } from './single.js';
export { KernelError, threadedKernels } from './threads.js';
export { type NttInput, nttRows, nttTwiddles } from './ntt.js';
