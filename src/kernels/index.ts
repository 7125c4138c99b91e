export { KernelError, type KernelMemory, type KernelOptions, Kernels, OutOfMemoryError } from './runtime.js';
export { type NttInput, nttRows, nttTwiddles } from './ntt.js';
