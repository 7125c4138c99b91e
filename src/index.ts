/**
 * Certune as a library: set up a run from its configuration, base and data, train and prove its steps, pack and verify them. The floors below
 * are subpaths: certune/tensor, certune/pcs and so on.
 */
export * from './aggregate/index.js';
export { DiskFullError, InputError } from './io/errors.js';
export { Kernels, OutOfMemoryError } from './kernels/index.js';
export { type RunConfig, readRun, runSchema } from './policy/runfile.js';
export { VerificationError } from './transcript/arith.js';
