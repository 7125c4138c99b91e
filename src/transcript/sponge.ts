import { blake3 as noble } from '@noble/hashes/blake3.js';
import { P } from '../field/goldilocks.js';
import { toWords, wordBytes } from '../hash/blake3.js';
import { type HashName, poseidon2Rows, blake3Rows, type MerkleHash } from '../hash/rows.js';
import { DOMAIN } from '../hash/poseidon2.js';
import type { Kernels } from '../kernels/runtime.js';

/**
 * Version of the transcript, absorbed before anything else (in the capacity, in the key): any change of the protocol
 * changes it.
 */
export const TRANSCRIPT_VERSION = 1n;

/** The hash of a proof level by name: trees and transcript use the same one. */
export const merkleHash = (name: HashName): MerkleHash => (name === 'blake3' ? blake3Rows : poseidon2Rows);

/** A transcript hash over words in kernel memory, as the two channels use it. Definitions: src/hash/spec.md. */
export interface Sponge {
  /** Absorbs n words; none changes nothing. */
  absorb(src: number, n: number): void;
  /** Squeezes n canonical words. */
  squeeze(dst: number, n: number): void;
  /** Takes a nonce, one word; the word returned must end in as many zero bits as were asked for. */
  work(nonce: number): bigint;
  /** The first nonce that leaves `bits` zero bits, found by the kernels of `g`; the state does not change. */
  search(g: Kernels, bits: number): bigint;
}

/** Makes a transcript over the words of these kernels. */
export type SpongeOf = (k: Kernels) => Sponge;

export const newSponge = (k: Kernels, hash: HashName): Sponge => (hash === 'blake3' ? new Blake3Sponge(k) : new Poseidon2Sponge(k));

/** Nonces that one thread tries before results are looked at. */
const BATCH = 8192;
const NO_NONCE = 2 ** 31;

/** Duplex sponge of width 12 and rate 8: state, position and flags in kernel memory, see kernels/as/transcript.ts. */
class Poseidon2Sponge implements Sponge {
  readonly #sp: number;
  readonly #word: number;
  readonly #f: Record<string, (...a: number[]) => number>;
  constructor(readonly k: Kernels) {
    this.#f = k.exports as Record<string, (...a: number[]) => number>;
    this.#sp = k.zeroed(112);
    this.#word = k.alloc(8);
    k.u64[this.#sp / 8 + 8] = DOMAIN.transcript;
    k.u64[this.#sp / 8 + 9] = TRANSCRIPT_VERSION;
  }
  absorb(src: number, n: number): void {
    this.#f['spongeAbsorb'](this.#sp, src, n);
  }
  squeeze(dst: number, n: number): void {
    this.#f['spongeSqueeze'](this.#sp, dst, n);
  }
  work(nonce: number): bigint {
    this.#f['spongeFlush'](this.#sp);
    this.absorb(nonce, 1);
    this.squeeze(this.#word, 1);
    return this.k.u64[this.#word / 8];
  }
  search(g: Kernels, bits: number): bigint {
    this.#f['spongeFlush'](this.#sp);
    return g.scope(() => {
      const state = g.alloc(96),
        out = g.zeroed(64 * g.threads);
      g.u64.set(this.k.u64.subarray(this.#sp / 8, this.#sp / 8 + 12), state / 8);
      for (let from = 0; from < NO_NONCE; from += BATCH * g.threads) {
        const base = from;
        g.parallel('p2GrindTo', g.threads, 1, (lo, hi, t) => [state, 0, out + 64 * t, bits, base + lo * BATCH, base + hi * BATCH]);
        for (let t = 0; t < g.threads; t++) {
          const n = g.u32[(out + 64 * t) / 4];
          if (n) return BigInt(n - 1);
        }
      }
      throw new Error('no nonce found');
    });
  }
}

/**
 * Chain of keyed BLAKE3 digests. State S: four words, zero at first. Words absorbed wait; the first squeeze after them
 * sets S = digest(key (transcript, version, number of words, 0), S || words). Squeezed words are the 64-bit words below
 * p, in order, of the output stream of key (transcript, version, 2^32, 0) over S: those that are not are passed over,
 * so that each is uniform. A nonce is taken by S = digest(key (work, 0, 0, 0), S || nonce || 0 0 0), whose first word
 * is the work.
 */
class Blake3Sponge implements Sponge {
  #state: bigint[] = [0n, 0n, 0n, 0n];
  #pending: bigint[] = [];
  #stream: bigint[] = [];
  #blocks = 0;
  constructor(readonly k: Kernels) {}
  absorb(src: number, n: number): void {
    // Nothing absorbed changes nothing: otherwise an empty message would let the words squeezed before it be squeezed
    // again.
    if (n === 0) return;
    for (let i = 0; i < n; i++) this.#pending.push(this.k.u64[src / 8 + i]);
    this.#restart();
  }
  #restart(): void {
    this.#stream = [];
    this.#blocks = 0;
  }
  #flush(): void {
    if (!this.#pending.length) return;
    this.#state = digest([DOMAIN.transcript, TRANSCRIPT_VERSION, BigInt(this.#pending.length), 0n], [...this.#state, ...this.#pending]);
    this.#pending = [];
  }
  squeeze(dst: number, n: number): void {
    this.#flush();
    for (let i = 0; i < n; i++) {
      while (!this.#stream.length) {
        const key = wordBytes([DOMAIN.transcript, TRANSCRIPT_VERSION, 1n << 32n, BigInt(this.#blocks++)]);
        this.#stream = toWords(noble(wordBytes(this.#state), { key, dkLen: 256 })).filter((w) => w < P);
      }
      this.k.u64[dst / 8 + i] = this.#stream.shift()!;
    }
  }
  work(nonce: number): bigint {
    this.#flush();
    this.#state = digest([DOMAIN.work, 0n, 0n, 0n], [...this.#state, this.k.u64[nonce / 8], 0n, 0n, 0n]);
    this.#restart();
    return this.#state[0];
  }
  search(g: Kernels, bits: number): bigint {
    this.#flush();
    return g.scope(() => {
      const n = BATCH,
        src = g.zeroed(64 * n),
        dst = g.alloc(32 * n),
        scratch = g.alloc(512 * g.threads),
        mask = (1n << BigInt(bits)) - 1n;
      for (let j = 0; j < n; j++) g.u64.set(this.#state, src / 8 + 8 * j);
      for (let from = 0; from < NO_NONCE; from += n) {
        for (let j = 0; j < n; j++) g.u64[src / 8 + 8 * j + 4] = BigInt(from + j);
        g.parallel('b3Level', n, 256, (lo, hi, t) => [dst, src, DOMAIN.work, scratch + 512 * t, lo, hi]);
        for (let j = 0; j < n; j++) if ((g.u64[dst / 8 + 4 * j] & mask) === 0n) return BigInt(from + j);
      }
      throw new Error('no nonce found');
    });
  }
}

/** The four words of a digest, reduced. */
const digest = (key: readonly bigint[], words: readonly bigint[]): bigint[] =>
  toWords(noble(wordBytes(words), { key: wordBytes(key) })).map((w) => w % P);
