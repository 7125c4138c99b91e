export { Kernels, OutOfMemoryError, type KernelOptions } from './runtime.js';
