import { P } from '../field/goldilocks.js';
import { DIAGONAL, EXTERNAL, INTERNAL } from './poseidon2-constants.js';

export const WIDTH = 12;
export const RATE = 8;

const sbox = (x: bigint): bigint => {
  const x2 = (x * x) % P,
    x4 = (x2 * x2) % P;
  return (((x4 * x2) % P) * x) % P;
};

function external(s: bigint[]): void {
  for (let b = 0; b < 12; b += 4) {
    const [x0, x1, x2, x3] = s.slice(b, b + 4),
      t = x0 + x1 + x2 + x3;
    s[b] = t + x0 + 2n * x1;
    s[b + 1] = t + x1 + 2n * x2;
    s[b + 2] = t + x2 + 2n * x3;
    s[b + 3] = t + x3 + 2n * x0;
  }
  const t = [0, 1, 2, 3].map((k) => s[k] + s[k + 4] + s[k + 8]);
  for (let k = 0; k < 12; k++) s[k] = (s[k] + t[k % 4]) % P;
}

/** The permutation on twelve canonical words; returns a new array. */
export function permute(state: readonly bigint[]): bigint[] {
  const s = [...state];
  external(s);
  for (let r = 0; r < 8; r++) {
    if (r === 4) {
      for (const c of INTERNAL) {
        s[0] = sbox((s[0] + c) % P);
        const sum = s.reduce((a, b) => a + b, 0n);
        for (let k = 0; k < 12; k++) s[k] = (s[k] * DIAGONAL[k] + sum) % P;
      }
    }
    for (let k = 0; k < 12; k++) s[k] = sbox((s[k] + EXTERNAL[12 * r + k]) % P);
    external(s);
  }
  return s;
}

/** Domains in the capacity's first word. */
export const DOMAIN = {
  leaf: 1n,
  node: 2n,
  transcript: 3n,
  data: 4n,
  statement: 5n,
  dataRoot: 6n,
  salt: 7n,
  work: 8n,
  state: 9n,
  content: 10n,
  row: 11n,
  class: 12n,
  key: 13n,
  sampler: 14n,
  policy: 15n,
  counters: 16n,
  quotas: 17n,
  beacon: 18n,
  schedule: 19n,
  strata: 20n,
  unit: 21n,
  bundle: 22n,
} as const;

/**
 * Fixed-length hash: state (0 x 8, domain, number of words, 0, 0); blocks of eight words overwrite the rate, one
 * permutation each; the last block leaves the rest of the rate as it is, which the length in the capacity makes
 * injective. Four words out.
 */
export function hashWords(domain: bigint, words: readonly bigint[]): bigint[] {
  let s: bigint[] = [...Array<bigint>(8).fill(0n), domain, BigInt(words.length), 0n, 0n];
  for (let k = 0; k < words.length; k += 8) {
    words.slice(k, k + 8).forEach((w, i) => {
      s[i] = w;
    });
    s = permute(s);
  }
  return s.slice(0, 4);
}

/** Inner node of a Merkle tree. */
export function compress(left: readonly bigint[], right: readonly bigint[]): bigint[] {
  return permute([...left, ...right, DOMAIN.node, 0n, 0n, 0n]).slice(0, 4);
}
