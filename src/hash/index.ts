export * as poseidon2 from './poseidon2.js';
export * as blake3 from './blake3.js';
export { type HashName, type MerkleHash, type RowHasher, blake3Rows, poseidon2Rows } from './rows.js';
export * from './sha256.js';
