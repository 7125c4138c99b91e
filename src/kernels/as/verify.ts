// Kernels that a verification calls and no other: the module of a verifier that stands alone.
export { eadd, esub, emul, einv } from './field';
export { emulAdd, embedWords, merklePath, spongeAbsorb, spongeFlush, spongeSqueeze } from './transcript';
// Commitments of a state and of a base, and claims on them.
export { nttTwiddles, nttWords } from './ntt';
export { p2Level, p2RowsAbsorb, p2RowsFinish, p2RowsInit } from './poseidon2-rows';
export { setScratch } from './own';
// Trees and paths of proofs that no circuit verifies.
export { b3GroupBytes, b3Level, b3Path, b3RowsAbsorb, b3RowsFinish, b3Stream, b3Words, b3Xof } from '../generated/as/blake3';
export { blockCopy, zeroExt } from './claims';
export { addPowersExt } from './whir';
export { scHalves } from './halves';
export { eqTrunc } from './gkr';
export { project } from './sumcheck';
export function heapBase(): usize { return __heap_base; }
