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

/** Of the memory of a transcript of BLAKE3: where the words that it squeezes begin. */
const STREAM = 768;

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
  /** In kernel memory, one behind the other: key, state, a nonce's block, scratch, words squeezed. */
  readonly #key: number;
  readonly #state: number;
  readonly #scratch: number;
  readonly #out: number;
  /** Words absorbed, as halves. They wait outside the arena, which may be cut back meanwhile. */
  #pending = new Uint32Array(1024);
  #waiting = 0;
  #left = 0;
  #at = 0;
  #blocks = 0;
  readonly #f: Record<string, (...a: number[]) => number>;
  constructor(readonly k: Kernels) {
    this.#f = k.exports as Record<string, (...a: number[]) => number>;
    this.#key = k.zeroed(STREAM + 256);
    this.#state = this.#key + 32;
    this.#scratch = this.#key + 128;
    this.#out = this.#key + STREAM;
  }
  absorb(src: number, n: number): void {
    // Nothing absorbed changes nothing: otherwise an empty message would let the words squeezed before it be squeezed
    // again.
    if (n === 0) return;
    const from = 2 * this.#waiting,
      to = from + 2 * n,
      u = this.k.u32;
    if (to > this.#pending.length) {
      const more = new Uint32Array(2 * to);
      more.set(this.#pending);
      this.#pending = more;
    }
    for (let i = from, at = src / 4; i < to; i++, at++) this.#pending[i] = u[at];
    this.#waiting += n;
    this.#restart();
  }
  #restart(): void {
    this.#left = 0;
    this.#blocks = 0;
  }
  /** The key of four words below 2^53. */
  #setKey(a: number, b: number, c: number, d: number): void {
    const u = this.k.u32;
    [a, b, c, d].forEach((w, i) => {
      u[this.#key / 4 + 2 * i] = w % 2 ** 32;
      u[this.#key / 4 + 2 * i + 1] = Math.floor(w / 2 ** 32);
    });
  }
  #flush(): void {
    const n = this.#waiting;
    if (!n) return;
    const { k } = this;
    this.#setKey(Number(DOMAIN.transcript), Number(TRANSCRIPT_VERSION), n, 0);
    k.scope(() => {
      const words = n + 4,
        message = k.alloc(8 * words),
        scratch = k.alloc(384 + this.#f['b3GroupBytes'](words)),
        u = k.u32;
      u.copyWithin(message / 4, this.#state / 4, this.#state / 4 + 8);
      u.set(this.#pending.subarray(0, 2 * n), message / 4 + 8);
      this.#f['b3Words'](this.#state, scratch, this.#key, message, words);
    });
    this.#waiting = 0;
  }
  squeeze(dst: number, n: number): void {
    this.#flush();
    for (let i = 0; i < n; i++) {
      while (this.#left === 0) {
        this.#setKey(Number(DOMAIN.transcript), Number(TRANSCRIPT_VERSION), 2 ** 32, this.#blocks++);
        this.#left = this.#f['b3Stream'](this.#out, this.#scratch, this.#key, this.#state);
        this.#at = this.#out;
      }
      const u = this.k.u32;
      u[dst / 4 + 2 * i] = u[this.#at / 4];
      u[dst / 4 + 2 * i + 1] = u[this.#at / 4 + 1];
      this.#at += 8;
      this.#left--;
    }
  }
  work(nonce: number): bigint {
    this.#flush();
    const { k } = this,
      block = this.#state + 32,
      u = k.u32;
    // S || nonce || 0 0 0: a node's digest under the key (work, 0, 0, 0).
    u.copyWithin(block / 4, nonce / 4, nonce / 4 + 2);
    u.fill(0, block / 4 + 2, block / 4 + 8);
    this.#setKey(Number(DOMAIN.work), 0, 0, 0);
    k.scope(() => this.#f['b3Words'](this.#state, k.alloc(384 + this.#f['b3GroupBytes'](8)), this.#key, this.#state, 8));
    this.#restart();
    return k.u64[this.#state / 8];
  }
  search(g: Kernels, bits: number): bigint {
    this.#flush();
    return g.scope(() => {
      const n = BATCH,
        src = g.zeroed(64 * n),
        dst = g.alloc(32 * n),
        scratch = g.alloc(512 * g.threads),
        mask = (1n << BigInt(bits)) - 1n;
      for (let j = 0; j < n; j++) g.u64.set(this.k.u64.subarray(this.#state / 8, this.#state / 8 + 4), src / 8 + 8 * j);
      for (let from = 0; from < NO_NONCE; from += n) {
        for (let j = 0; j < n; j++) g.u64[src / 8 + 8 * j + 4] = BigInt(from + j);
        g.parallel('b3Level', n, 256, (lo, hi, t) => [dst, src, DOMAIN.work, scratch + 512 * t, lo, hi]);
        for (let j = 0; j < n; j++) if ((g.u64[dst / 8 + 4 * j] & mask) === 0n) return BigInt(from + j);
      }
      throw new Error('no nonce found');
    });
  }
}
