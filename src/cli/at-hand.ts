/**
 * What reads bases and data and makes circuits, in one piece: it is most of the package. Who verifies a file under a
 * key that somebody vouches for, and gives neither, does without it (verify.ts).
 */
export { inputsOf } from '../setup/base.js';
export { circuitsKept, keptFacts, keptKey, keptKnown } from './cached.js';
export { setupOf } from './setup-of.js';
export { verifyPack } from './verify-pack.js';
