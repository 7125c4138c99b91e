import { blake3 } from '@noble/hashes/blake3.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { singleKernels } from '../kernels/single.js';
import { verifierKernels } from '../kernels/verify.js';
import { ADAMW } from '../optim/adamw.js';
import { computeCopy, initialMaster } from './init.js';
import { type LlamaShape, TARGETS } from './shape.js';

const kernels = [singleKernels(), verifierKernels()];

describe('the state that a seed gives', () => {
  it('b3Xof is the output stream of BLAKE3, from any block on', () =>
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 64 }),
        fc.integer({ min: 0, max: 9 }),
        fc.integer({ min: 0, max: 5 }),
        (message, from, groups) => {
          const want = blake3(message, { dkLen: 64 * (from + 4 * groups) + 1 }).slice(64 * from, 64 * (from + 4 * groups));
          for (const k of kernels)
            k.scope(() => {
              const src = k.zeroed(64),
                dst = k.zeroed(256 * groups + 8);
              k.u8.set(message, src);
              k.exports['b3Xof'](dst, k.alloc(640), src, message.length, from, groups);
              expect(k.u8.slice(dst, dst + 256 * groups)).toEqual(want);
              expect(k.u8.slice(dst + 256 * groups, dst + 256 * groups + 8)).toEqual(new Uint8Array(8));
            });
        },
      ),
      { numRuns: 40 },
    ));

  it('is the same with kernels and without, for streams of several blocks and names longer than one', () => {
    // 4 x 700 words of an A are three blocks of 1,024 words; of a span that refuses nearly half of them more.
    const shape: LlamaShape = {
      vocab: 8,
      hidden: 700,
      intermediate: 20,
      layers: 2,
      kvHeads: 1,
      groups: 2,
      headDim: 350,
      tied: true,
      bias: false,
      rmsEps: 1e-5,
    };
    for (const seed of [0, 'a seed of its own that is longer than the block which a message may have at most'])
      for (const k of kernels) expect(initialMaster(shape, 4, TARGETS, seed, k)).toEqual(initialMaster(shape, 4, TARGETS, seed));
  });

  it('copies to compute with round ties upward, whatever the size of a word', () => {
    const word = fc.oneof(
        fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n - 512n }),
        fc.bigInt({ min: -(1n << 34n), max: 1n << 34n }),
        fc.bigInt({ min: -(1n << 20n), max: 1n << 20n }).map((x) => x * 512n),
        fc.constantFrom(0n, 511n, 512n, -512n, -513n, 1n << 51n, -(1n << 51n), (1n << 51n) - 1n, -(1n << 51n) - 1n),
      ),
      shift = BigInt(ADAMW.master.frac - ADAMW.C.frac);
    fc.assert(
      fc.property(fc.array(word), (words) => {
        // Also of a part of a longer array.
        const all = BigInt64Array.from([7n, ...words]);
        expect([...computeCopy(all.subarray(1))]).toEqual(words.map((x) => (x + (1n << (shift - 1n))) >> shift));
      }),
    );
  });
});
