import { DOMAIN, hashWords } from '../../hash/poseidon2.js';
import { rowDigests } from '../../hash/rows.js';
import type { Kernels } from '../../kernels/runtime.js';
import type { OrderShape } from './radices.js';

/*
 * Keyed permutation of [0, n), sampler 2. With radices a, b and rounds of src/policy/order/radices.ts and a key of four
 * words:
 *
 *   F_t(x) = low 62 bits of word 0 of hashWords(sampler, key || t || x)
 *   pi(k): (L, R) = (k div b, k mod b); t even: L = (L + F_t(R)) mod a; t odd: R = (R + F_t(L)) mod b; pi = L b + R
 *          on [0, a b)
 *   sigma(k) = first of pi(k), pi(pi(k)), ... below n
 *          on [0, n)
 *
 * A generalised Feistel network with cycle walking (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).
 */

const LOW = (1n << 62n) - 1n;

/** The round function. */
export const roundValue = (key: readonly bigint[], t: number, x: number): bigint =>
  hashWords(DOMAIN.sampler, [...key, BigInt(t), BigInt(x)])[0] & LOW;

/** Number of the round function that draws with replacement: no permutation has as many rounds. */
export const REPLACEMENT = 64;

/** Index of a draw with replacement: uniform up to n / 2^62. */
export const drawn = (key: readonly bigint[], n: number, k: number): number => Number(roundValue(key, REPLACEMENT, k) % BigInt(n));

/**
 * Permutation under one key. The round functions have at most b arguments each: they are kept, all at once where
 * kernels are given, so that a whole epoch costs r (a + b) / 2 hashes.
 */
export class Permutation {
  readonly #moved: (Float64Array | undefined)[];
  constructor(
    readonly shape: OrderShape,
    readonly key: readonly bigint[],
    kernels?: Kernels,
  ) {
    this.#moved = Array<undefined>(shape.rounds).fill(undefined);
    if (kernels) this.#all(kernels);
  }

  /** Values of the round functions mod the radix that they move, all by the kernels. */
  #all(k: Kernels): void {
    const { a, b, rounds } = this.shape,
      count = Math.ceil(rounds / 2) * b + Math.floor(rounds / 2) * a;
    k.scope(() => {
      const src = k.alloc(48 * count),
        dst = k.alloc(32 * count);
      let at = src / 8;
      for (let t = 0; t < rounds; t++)
        for (let x = 0; x < (t % 2 ? a : b); x++, at += 6) {
          for (let w = 0; w < 4; w++) k.u64[at + w] = this.key[w];
          k.u64[at + 4] = BigInt(t);
          k.u64[at + 5] = BigInt(x);
        }
      rowDigests(k, dst, DOMAIN.sampler, src, 6, count);
      at = dst / 8;
      for (let t = 0; t < rounds; t++) {
        const moved = new Float64Array(t % 2 ? a : b),
          mod = BigInt(t % 2 ? b : a);
        for (let x = 0; x < moved.length; x++, at += 4) moved[x] = Number((k.u64[at] & LOW) % mod);
        this.#moved[t] = moved;
      }
    });
  }

  #round(t: number, x: number): number {
    const { a, b } = this.shape;
    this.#moved[t] ??= new Float64Array(t % 2 ? a : b).fill(-1);
    const table = this.#moved[t]!;
    if (table[x] < 0) table[x] = Number(roundValue(this.key, t, x) % BigInt(t % 2 ? b : a));
    return table[x];
  }

  /** pi: one pass over [0, a b). */
  once(k: number): number {
    const { a, b, rounds } = this.shape;
    let L = Math.floor(k / b),
      R = k % b;
    for (let t = 0; t < rounds; t++)
      if (t % 2) R = (R + this.#round(t, L)) % b;
      else L = (L + this.#round(t, R)) % a;
    return L * b + R;
  }

  /** sigma: the value at position k of [0, n). */
  at(k: number): number {
    if (!(k >= 0 && k < this.shape.n)) throw new RangeError(`position ${k} of ${this.shape.n}`);
    let x = this.once(k);
    while (x >= this.shape.n) x = this.once(x);
    return x;
  }

  /** Values that the walk from position k passes before it ends: pi(k), ... from n on. */
  walk(k: number): number[] {
    const out: number[] = [];
    for (let x = this.once(k); x >= this.shape.n; x = this.once(x)) out.push(x);
    return out;
  }
}
