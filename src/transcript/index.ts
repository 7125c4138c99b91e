export * from './arith.js';
export * from './schedule.js';
export { NativeChannel } from './native.js';
export { HIDDEN_INVERSE } from './affine.js';
export { TRANSCRIPT_VERSION, type Sponge, type SpongeOf, merkleHash, newSponge } from './sponge.js';
