/** What the kernels of kernels.ts are measured against: bytes that they move, and the best native figure known. */

export interface Limit {
  /** Bytes read and written per unit, from the arrays alone. */ readonly bytes: number;
  /** Nanoseconds per unit of one thread, natively. */ readonly native: number;
  /** Why the ratio is above three. */ readonly why?: string;
}

/**
 * Native figures: C with gcc -march=native on one Zen 5 core. Product 1.0 ns, product of E 8.6, transform of 2^20 words
 * 21 a word, of 2^14 12.4, Poseidon2 of width 12 1,290, BLAKE3 10 per 64 bytes, 32-bit integer product 33 operations a
 * ns, two a multiply-add. Rounds and folds have none of their own: theirs is the number of products of E (or words)
 * times 8.6 (1.0). What computes next to nothing is held against its bytes at 10 GB a second.
 */
const E = 8.6,
  WORD = 1,
  POSEIDON2 = 1290,
  BLAKE3 = 10,
  /** A byte moved. */ BYTE = 0.1,
  MANY_WORDS = 'a product of words has four products of 32 bits and their carries, as above',
  NARROW = 'WebAssembly has four 32-bit lanes where the native hash has sixteen; a step that is folded hashes by Poseidon2';
export const LIMITS: Readonly<Record<string, Limit>> = {
  'field multiply': {
    bytes: 24,
    native: WORD,
    why: 'WebAssembly has no product of 64 x 64 to 128 bits: four of 32 bits and their carries in its place',
  },
  'E multiply, by one element': { bytes: 48, native: E },
  'E multiply and add, sums of 64 products': { bytes: 48, native: E },
  'NTT 2^10 -> 2^12': { bytes: 100, native: 12.4 },
  'NTT 2^18 -> 2^20': { bytes: 100, native: 21 },
  'Poseidon2, one at a time': { bytes: 192, native: POSEIDON2 },
  'Poseidon2, two at a time': { bytes: 192, native: POSEIDON2 },
  'poseidon2 rows of 64 words': { bytes: 256, native: POSEIDON2 },
  'poseidon2 Merkle tree above 1024 leaves': { bytes: 96, native: POSEIDON2 },
  'blake3 rows of 64 words': { bytes: 68, native: BLAKE3, why: NARROW },
  'blake3 Merkle tree above 1024 leaves': { bytes: 96, native: BLAKE3, why: `${NARROW}; nodes are gathered lane by lane` },
  'sumcheck round f w, f in F': { bytes: 32, native: 3 * WORD },
  'sumcheck round f w, f in E': { bytes: 48, native: E },
  'fold of one array': { bytes: 36, native: E / 2 },
  'LogUp-GKR, one layer up': { bytes: 72, native: 1.5 * E },
  'LogUp-GKR, round of a layer': { bytes: 108, native: 4 * E },
  'LogUp-GKR, fold of a layer': { bytes: 144, native: 2 * E },
  'LogUp-GKR, first layer from keys of a range': { bytes: 56, native: 4 * WORD, why: MANY_WORDS },
  'LogUp-GKR, leaves of a range': { bytes: 56, native: 6 * WORD, why: MANY_WORDS },
  'LogUp-GKR, round of a product': { bytes: 120, native: 4 * E },
  'LogUp-GKR, fold of a product': { bytes: 144, native: 2 * E },
  'outer product of weights': { bytes: 48, native: E },
  'sumcheck round with terms, three factors': { bytes: 144, native: 6 * E },
  'sumcheck round with terms, an element times a seventh power': {
    bytes: 384,
    native: 40 * E,
  },
  'fold of one array of terms': { bytes: 36, native: E / 2 },
  'projection of integers': { bytes: 32, native: 3 * WORD, why: MANY_WORDS },
  'fold of words': { bytes: 20, native: 1.5 * WORD, why: MANY_WORDS },
  'weights of a claim': { bytes: 72, native: E },
  'weights of queries, power by power': { bytes: 48, native: 3 * WORD, why: MANY_WORDS },
  'weights of queries, from one transform': {
    bytes: 72,
    native: 72 * BYTE,
    why: 'the transform leaves its words in the order of reversed bits, so that they are fetched one by one',
  },
  'powers of a point out of the domain': { bytes: 48, native: E },
  'cells of a block of the stack': {
    bytes: 16,
    native: 16 * BYTE,
    why: 'the place of every cell is computed from its indices; 1% of a step',
  },
  nonces: { bytes: 192, native: POSEIDON2 },
  'witness of permutations': { bytes: 1040, native: POSEIDON2 },
  'output stream of BLAKE3': { bytes: 64, native: BLAKE3, why: `${NARROW}; a message is one block` },
  'keys of lookups': { bytes: 12, native: 12 * BYTE },
  multiplicities: { bytes: 12, native: 12 * BYTE, why: 'the table is hit at random, and one count waits for the last' },
  'training, columns of a table': { bytes: 24, native: 24 * BYTE },
  'training, rounding': { bytes: 16, native: 16 * BYTE },
  'training, cells to their places': {
    bytes: 16,
    native: 16 * BYTE,
    why: 'strides are free: the place of every cell is computed by a division; 1% of a step',
  },
  'training, log-sum-exp of rows of 64 scores': {
    bytes: 8,
    native: 8 * BYTE,
    why: 'a root is sought by bisection: some sixteen times a row is read and looked up in a table; less than 1% of a step',
  },
  'integer matrix product 128^3': {
    bytes: 24,
    native: 0.06,
    why: 'operands and sums have 64 bits, strides are free, and one word is taken at a time; 2% of a step',
  },
  'integer matrix product 512^3': {
    bytes: 24,
    native: 0.06,
    why: 'as above; at this size the operands pass the caches, which others use too',
  },
};
