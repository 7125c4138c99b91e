export { KernelError, type KernelMemory, type KernelOptions, Kernels, OutOfMemoryError } from './runtime.js';
