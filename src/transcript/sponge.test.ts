import { blake3 as noble } from '@noble/hashes/blake3.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { P } from '../field/goldilocks.js';
import { toWords, wordBytes } from '../hash/blake3.js';
import { DOMAIN } from '../hash/poseidon2.js';
import { singleKernels } from '../kernels/single.js';
import { TRANSCRIPT_VERSION, newSponge } from './sponge.js';

/*
 * The transcript of BLAKE3, which runs in kernels (b3Words, b3Stream), against its definition in src/hash/spec.md.
 */
const k = singleKernels(),
  word = fc.oneof(fc.bigInt({ min: 0n, max: P - 1n }), fc.constantFrom(0n, 1n, P - 1n));

/** A state whose output stream has a word that is not below p among its first 32: one of about 2^27 has. */
const RARE = 75_006_031n;

/** The definition, over another implementation of BLAKE3. */
class Defined {
  state = [0n, 0n, 0n, 0n];
  #pending: bigint[] = [];
  #stream: bigint[] = [];
  #blocks = 0n;
  static digest(key: readonly bigint[], words: readonly bigint[]): bigint[] {
    return toWords(noble(wordBytes(words), { key: wordBytes(key) })).map((w) => w % P);
  }
  absorb(words: readonly bigint[]): void {
    if (!words.length) return;
    this.#pending.push(...words);
    this.#again();
  }
  #again(): void {
    this.#stream = [];
    this.#blocks = 0n;
  }
  #flush(): void {
    const n = this.#pending.length;
    if (n) this.state = Defined.digest([DOMAIN.transcript, TRANSCRIPT_VERSION, BigInt(n), 0n], [...this.state, ...this.#pending]);
    this.#pending = [];
  }
  squeeze(n: number): bigint[] {
    this.#flush();
    return Array.from({ length: n }, () => {
      while (!this.#stream.length) {
        const key = wordBytes([DOMAIN.transcript, TRANSCRIPT_VERSION, 1n << 32n, this.#blocks++]);
        this.#stream = toWords(noble(wordBytes(this.state), { key, dkLen: 256 })).filter((w) => w < P);
      }
      return this.#stream.shift()!;
    });
  }
  work(nonce: bigint): bigint {
    this.#flush();
    this.state = Defined.digest([DOMAIN.work, 0n, 0n, 0n], [...this.state, nonce, 0n, 0n, 0n]);
    this.#again();
    return this.state[0];
  }
}

type Act = { readonly absorb: readonly bigint[] } | { readonly squeeze: number } | { readonly work: bigint };
const words = (n: number): fc.Arbitrary<bigint[]> => fc.array(word, { minLength: n, maxLength: n }),
  act: fc.Arbitrary<Act> = fc.oneof(
    fc
      .oneof(fc.integer({ min: 0, max: 20 }), fc.constantFrom(4, 12, 123, 124, 125, 252, 253, 700))
      .chain((n) => words(n).map((absorb) => ({ absorb }))),
    fc.oneof(fc.integer({ min: 0, max: 5 }), fc.constantFrom(31, 32, 33, 64, 100)).map((squeeze) => ({ squeeze })),
    word.map((work) => ({ work })),
  );

describe('transcript of BLAKE3 in kernels', () => {
  it('is its definition, whatever is absorbed, squeezed and worked', () =>
    fc.assert(
      fc.property(fc.array(act, { maxLength: 12 }), (acts) =>
        k.scope(() => {
          const sponge = newSponge(k, 'blake3'),
            defined = new Defined(),
            buffer = k.alloc(8 * 1024);
          for (const a of acts) {
            if ('absorb' in a) {
              k.u64.set(a.absorb, buffer / 8);
              sponge.absorb(buffer, a.absorb.length);
              defined.absorb(a.absorb);
            } else if ('squeeze' in a) {
              sponge.squeeze(buffer, a.squeeze);
              expect([...k.u64.slice(buffer / 8, buffer / 8 + a.squeeze)]).toEqual(defined.squeeze(a.squeeze));
            } else {
              k.u64[buffer / 8] = a.work;
              expect(sponge.work(buffer)).toBe(defined.work(a.work));
            }
          }
          sponge.squeeze(buffer, 3);
          expect([...k.u64.slice(buffer / 8, buffer / 8 + 3)]).toEqual(defined.squeeze(3));
        }),
      ),
      { numRuns: 80 },
    ));

  it('words absorbed outlive what the arena gives back, and a message longer than 2^16 words', () =>
    k.scope(() => {
      const sponge = newSponge(k, 'blake3'),
        defined = new Defined(),
        long = Array.from({ length: 70_000 }, (_, i) => BigInt(i) ** 3n % P);
      k.scope(() => {
        const at = k.alloc(8 * long.length);
        k.u64.set(long, at / 8);
        sponge.absorb(at, long.length);
      });
      k.scope(() => k.u8.fill(255, k.alloc(8 * long.length), k.mark()));
      defined.absorb(long);
      const out = k.alloc(24);
      sponge.squeeze(out, 3);
      expect([...k.u64.slice(out / 8, out / 8 + 3)]).toEqual(defined.squeeze(3));
    }));

  it('a word that is not below p is passed over', () => {
    k.scope(() => {
      const key = [DOMAIN.transcript, TRANSCRIPT_VERSION, 1n << 32n, 0n],
        state = [RARE, 0n, 0n, 0n],
        at = k.alloc(64 + 256 + 640),
        stream = toWords(noble(wordBytes(state), { key: wordBytes(key), dkLen: 256 })),
        want = stream.filter((w) => w < P);
      expect(stream.length - want.length).toBe(1);
      k.u64.set([...key, ...state], at / 8);
      expect(k.exports['b3Stream'](at + 64, at + 320, at, at + 32)).toBe(31);
      expect([...k.u64.slice(at / 8 + 8, at / 8 + 8 + 31)]).toEqual(want);
    });
  });

  it('a nonce that is found does the work asked for', () =>
    k.scope(() => {
      const sponge = newSponge(k, 'blake3'),
        defined = new Defined(),
        at = k.alloc(8);
      k.u64[at / 8] = 5n;
      sponge.absorb(at, 1);
      defined.absorb([5n]);
      const nonce = sponge.search(k, 9);
      k.u64[at / 8] = nonce;
      const done = sponge.work(at);
      expect(done & 511n).toBe(0n);
      expect(done).toBe(defined.work(nonce));
    }));
});
