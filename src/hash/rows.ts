import type { Kernels } from '../kernels/runtime.js';
import * as blake3 from './blake3.js';
import * as poseidon2 from './poseidon2.js';

/** Running hashes of all rows of a column-major matrix of canonical words; columns arrive in order, eight at a time. */
export interface RowHasher {
  /** Word k of row j at cols + k * stride + j * step; count = 8 but for the last columns. */
  absorb(cols: number, count: number, stride: number, step?: number): void;
  /**
   * Digest of row j to dst + 32 j; all columns must have been absorbed. Releases nothing: the caller's arena mark does.
   */
  finish(dst: number): void;
}

export type HashName = 'poseidon2' | 'blake3';

/** A hash of a proof level: definitions (src/hash/spec.md) and the kernels equal to them. */
export interface MerkleHash {
  readonly name: HashName;
  hashWords(domain: bigint, words: readonly bigint[]): bigint[];
  compress(left: readonly bigint[], right: readonly bigint[]): bigint[];
  /** Allocates the states of so many rows of so many words (at least one) in the arena. */
  rows(k: Kernels, rows: number, words: number, domain?: bigint): RowHasher;
  /** dst[j] = compress(src[2j], src[2j + 1]) for j < pairs. */
  merkleLevel(k: Kernels, dst: number, src: number, pairs: number): void;
  /** Root, at dst, of a leaf of so many words at `leaf` and the siblings at `path` above the position `index`. */
  path(k: Kernels, dst: number, leaf: number, words: number, path: number, depth: number, index: number): void;
}

/** Counts columns, so that no hasher is finished early or fed past its length. */
function counter(words: number): (count: number) => number {
  if (words < 1) throw new RangeError('a row has at least one word');
  let at = 0;
  return (count) => {
    const from = at;
    at += count;
    if (count === 0 ? at !== words : at > words || (count !== 8 && at !== words))
      throw new RangeError(`${from} + ${count} of ${words} words of a row`);
    return from;
  };
}

export const poseidon2Rows: MerkleHash = {
  name: 'poseidon2',
  hashWords: poseidon2.hashWords,
  compress: poseidon2.compress,
  rows(k, rows, words, domain = poseidon2.DOMAIN.leaf) {
    const states = k.alloc(96 * rows),
      take = counter(words);
    k.parallel('p2RowsInit', rows, 1024, (lo, hi) => [states, domain, BigInt(words), lo, hi]);
    return {
      absorb(cols, count, stride, step = 8) {
        take(count);
        k.parallel('p2RowsAbsorb', rows, 64, (lo, hi) => [states, cols, count, stride, step, lo, hi]);
      },
      finish(dst) {
        take(0);
        k.parallel('p2RowsFinish', rows, 1024, (lo, hi) => [dst, states, lo, hi]);
      },
    };
  },
  merkleLevel(k, dst, src, pairs) {
    k.scope(() => {
      const scratch = k.alloc(128 * k.threads);
      k.parallel('p2Level', pairs, 64, (lo, hi, t) => [dst, src, scratch + 128 * t, lo, hi]);
    });
  },
  path(k, dst, leaf, words, path, depth, index) {
    k.scope(() => k.exports['merklePath'](dst, k.alloc(96), leaf, words, path, depth, index));
  },
};

export const blake3Rows: MerkleHash = {
  name: 'blake3',
  hashWords: blake3.hashWords,
  compress: blake3.compress,
  rows(k, rows, words, domain = poseidon2.DOMAIN.leaf) {
    const states = k.alloc(Math.ceil(rows / 4) * k.exports['b3GroupBytes'](words)),
      scratch = k.alloc(512 * k.threads),
      take = counter(words);
    return {
      absorb(cols, count, stride, step = 8) {
        const from = take(count);
        k.parallel('b3RowsAbsorb', rows, 256, (lo, hi, t) => [
          states,
          cols,
          count,
          stride,
          step,
          domain,
          words,
          from,
          scratch + 512 * t,
          lo,
          hi,
        ]);
      },
      finish(dst) {
        take(0);
        k.parallel('b3RowsFinish', rows, 1024, (lo, hi) => [dst, states, words, lo, hi]);
      },
    };
  },
  merkleLevel(k, dst, src, pairs) {
    k.scope(() => {
      const scratch = k.alloc(512 * k.threads);
      k.parallel('b3Level', pairs, 256, (lo, hi, t) => [dst, src, poseidon2.DOMAIN.node, scratch + 512 * t, lo, hi]);
    });
  },
  path(k, dst, leaf, words, path, depth, index) {
    k.scope(() => {
      const scratch = k.alloc(576 + k.exports['b3GroupBytes'](words)),
        { leaf: own, node } = poseidon2.DOMAIN;
      k.exports['b3Path'](dst, scratch, leaf, words, path, depth, index, own, node);
    });
  },
};

/** Poseidon2 digests (hashWords), at dst, of n rows of so many canonical words each, one behind the other at src. */
export function rowDigests(k: Kernels, dst: number, domain: bigint, src: number, words: number, n: number): void {
  k.scope(() => {
    const h = poseidon2Rows.rows(k, n, words, domain);
    for (let c = 0; c < words; c += 8) h.absorb(src + 8 * c, Math.min(8, words - c), 8, 8 * words);
    h.finish(dst);
  });
}
