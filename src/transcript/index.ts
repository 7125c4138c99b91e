export * from './arith.js';
export * from './schedule.js';
export { NativeChannel } from './native.js';
export { TRANSCRIPT_VERSION, merkleHash } from './sponge.js';
