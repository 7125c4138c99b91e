export * from './arith.js';
export * from './schedule.js';
export { NativeChannel, TRANSCRIPT_VERSION } from './native.js';
export { ProverChannel, ScheduleError, type MessageHook } from './prover.js';
