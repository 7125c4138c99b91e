import { blake3 as noble } from '@noble/hashes/blake3.js';
import { P } from '../field/goldilocks.js';
import { toWords } from './blake3.js';

/** Bytes of a seed. */
export const SEED_BYTES = 32;

/** Name of the streams, hashed first. */
const NAME = 'certune/masks/1/';

/** Words that are drawn at a time. */
const BATCH = 4096;

/** A seed from the system's generator. It is for one proof and is kept nowhere. */
export const freshSeed = (): Uint8Array => globalThis.crypto.getRandomValues(new Uint8Array(SEED_BYTES));

/**
 * Uniform words below p from a seed: the 64-bit little-endian words of BLAKE3's output stream in keyed mode, key the
 * seed, message a name and `context`; those that are not below p are passed over. Where the system's generator is weak,
 * the context, a digest of what is hidden, still keeps masks of two proofs apart.
 */
export class MaskStream {
  readonly #xof: { xof(bytes: number): Uint8Array };
  #words: bigint[] = [];
  #at = 0;

  /** Throws RangeError for a seed of another length. */
  constructor(seed: Uint8Array, context: Uint8Array) {
    if (seed.length !== SEED_BYTES) throw new RangeError(`a seed has ${SEED_BYTES} bytes`);
    this.#xof = noble.create({ key: seed }).update(new TextEncoder().encode(NAME)).update(context);
  }

  /** The next word. */
  word(): bigint {
    while (this.#at === this.#words.length) {
      this.#words = toWords(this.#xof.xof(8 * BATCH)).filter((w) => w < P);
      this.#at = 0;
    }
    return this.#words[this.#at++];
  }
  /** The next element of E. */
  ext(): readonly [bigint, bigint, bigint] {
    return [this.word(), this.word(), this.word()];
  }
}
