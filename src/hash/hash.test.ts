import { readFileSync } from 'node:fs';
import { blake3 as noble } from '@noble/hashes/blake3.js';
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../../test/fixtures.js';
import { P } from '../field/goldilocks.js';
import { type Kernels, singleKernels, threadedKernels } from '../kernels/index.js';
import { blake3Rows, type MerkleHash, poseidon2, poseidon2Rows } from './index.js';
import { blake3, compress, hashWords } from './blake3.js';
import { sha256, sha256Stream } from './sha256.js';

const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex');

describe('BLAKE3 known answers', () => {
  const file = fixture('vectors/blake3/test_vectors.json');
  it.skipIf(!file)('official vectors (fixture vectors/blake3)', () => {
    const d = JSON.parse(readFileSync(file!, 'utf8')) as { key: string; cases: { input_len: number; hash: string; keyed_hash: string }[] };
    for (const c of d.cases) {
      const input = Uint8Array.from({ length: c.input_len }, (_, k) => k % 251);
      expect(hex(blake3(input))).toBe(c.hash.slice(0, 64));
      expect(hex(noble(input, { key: new TextEncoder().encode(d.key) }))).toBe(c.keyed_hash.slice(0, 64));
    }
  });
  it('of the empty message', () => {
    expect(hex(blake3(new Uint8Array()))).toBe('af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262');
  });
});

const word = fc.oneof(fc.bigInt({ min: 0n, max: P - 1n }), fc.constantFrom(0n, 1n, P - 1n));
const digest = fc.array(word, { minLength: 4, maxLength: 4 });

describe('SHA-256', () => {
  it('of the system is that of JavaScript, in pieces of any length', () => {
    for (const pieces of [[], [0], [1], [55, 1], [64], [63, 2, 900], [100_000]]) {
      const h = sha256Stream(),
        all = pieces.map((n, i) => Uint8Array.from({ length: n }, (_, j) => (7 * j + i) & 255));
      for (const p of all) h.update(p);
      const whole = Uint8Array.from(all.flatMap((p) => [...p]));
      expect(hex(h.digest())).toBe(hex(nobleSha256(whole)));
      expect(hex(sha256(whole))).toBe(hex(nobleSha256(whole)));
    }
  });
});

for (const h of [poseidon2Rows, blake3Rows]) {
  describe(`${h.name} definitions`, () => {
    it('separate domains, lengths and leaf from node; words stay canonical', () => {
      fc.assert(
        fc.property(fc.array(word, { minLength: 1, maxLength: 20 }), digest, digest, (w, l, r) => {
          const d = h.hashWords(1n, w);
          expect(d.every((x) => x >= 0n && x < P) && d.length === 4).toBe(true);
          expect(h.hashWords(1n, [...w, 0n])).not.toEqual(d);
          expect(h.hashWords(4n, w)).not.toEqual(d);
          expect(h.compress(l, r)).not.toEqual(h.hashWords(1n, [...l, ...r]));
          expect(h.compress(l, r)).not.toEqual(h.hashWords(2n, [...l, ...r]));
        }),
        { numRuns: 20 },
      );
    });
  });
}
it('golden digests', () => {
  expect(poseidon2.hashWords(1n, [1n, 2n, 3n])).toMatchInlineSnapshot(`
    [
      17336160152961878935n,
      6638736249437709008n,
      1857332264153392113n,
      9826443758175076199n,
    ]
  `);
  expect(hashWords(1n, [1n, 2n, 3n])).toMatchInlineSnapshot(`
    [
      11097037998140788100n,
      12251703717902206963n,
      9334782652053255031n,
      10707766417618453040n,
    ]
  `);
  expect(compress([1n, 2n, 3n, 4n], [5n, 6n, 7n, 8n])).toMatchInlineSnapshot(`
    [
      11911723126762730272n,
      18156167293556811055n,
      10010581668106303361n,
      16784941840234133884n,
    ]
  `);
});

describe('row kernels against the definitions', () => {
  let kernels: Kernels[] = [];
  beforeAll(async () => {
    kernels = [singleKernels(), await threadedKernels({ threads: 3 })];
  });
  afterAll(() => {
    for (const k of kernels) k.close();
  });
  // Small integers expanded by a fixed odd multiplier: full-size words without shrinking millions of bigints.
  const cell = (seed: bigint, r: number, c: number): bigint => (seed + BigInt(r * 7919 + c + 1) * 0x9e3779b97f4a7c15n) % P;
  function digests(k: Kernels, h: MerkleHash, rows: number, words: number, seed: bigint, rowMajor: boolean): bigint[][] {
    const m = k.mark(),
      cols = k.alloc(8 * rows * words),
      dst = k.alloc(32 * rows);
    const step = rowMajor ? 8 * words : 8,
      stride = rowMajor ? 8 : 8 * rows;
    for (let c = 0; c < words; c++) for (let r = 0; r < rows; r++) k.u64[(cols + c * stride + r * step) / 8] = cell(seed, r, c);
    const hasher = h.rows(k, rows, words);
    for (let c = 0; c < words; c += 8) hasher.absorb(cols + c * stride, Math.min(8, words - c), stride, step);
    hasher.finish(dst);
    const out = Array.from({ length: rows }, (_, r) => [...k.u64.subarray(dst / 8 + 4 * r, dst / 8 + 4 * r + 4)]);
    k.release(m);
    return out;
  }
  for (const h of [poseidon2Rows, blake3Rows]) {
    it(`${h.name}: random shapes, both layouts, any number of threads`, () => {
      const shape = fc.record({
        rows: fc.integer({ min: 1, max: 13 }),
        words: fc.integer({ min: 1, max: 40 }),
        seed: fc.bigInt({ min: 0n, max: P }),
        major: fc.boolean(),
      });
      fc.assert(
        fc.property(shape, ({ rows, words, seed, major }) => {
          const want = Array.from({ length: rows }, (_, r) =>
            h.hashWords(
              1n,
              Array.from({ length: words }, (_, c) => cell(seed, r, c)),
            ),
          );
          for (const k of kernels) expect(digests(k, h, rows, words, seed, major)).toEqual(want);
        }),
        { numRuns: 15 },
      );
    });
    it(`${h.name}: many rows over threads`, () => {
      const want = digests(kernels[0], h, 1500, 11, 5n, false);
      expect(digests(kernels[1], h, 1500, 11, 5n, false)).toEqual(want);
      expect(want[1499]).toEqual(
        h.hashWords(
          1n,
          Array.from({ length: 11 }, (_, c) => cell(5n, 1499, c)),
        ),
      );
    });
    it(`${h.name}: root of a path`, () => {
      const some = fc.record({ words: fc.integer({ min: 1, max: 140 }), depth: fc.integer({ min: 0, max: 9 }), seed: fc.nat() });
      fc.assert(
        fc.property(some, ({ words, depth, seed }) => {
          const k = kernels[0],
            m = k.mark(),
            leaf = Array.from({ length: words }, (_, i) => cell(BigInt(seed), 0, i)),
            path = Array.from({ length: depth }, (_, d) => Array.from({ length: 4 }, (_, i) => cell(BigInt(seed), d + 1, i))),
            at = k.alloc(8 * (words + 4 * depth)),
            dst = k.alloc(32),
            index = seed % 2 ** depth;
          k.u64.set([...leaf, ...path.flat()], at / 8);
          h.path(k, dst, at, words, at + 8 * words, depth, index);
          const want = path.reduce((node, s, d) => ((index >> d) & 1 ? h.compress(s, node) : h.compress(node, s)), h.hashWords(1n, leaf));
          expect([...k.u64.subarray(dst / 8, dst / 8 + 4)]).toEqual(want);
          k.release(m);
        }),
        { numRuns: 20 },
      );
    });
    it(`${h.name}: Merkle levels`, () => {
      const n = 600,
        leaves = Array.from({ length: 2 * n }, (_, r) => [0, 1, 2, 3].map((c) => cell(9n, r, c)));
      for (const k of kernels)
        for (const pairs of [1, 2, 3, 5, n]) {
          const m = k.mark(),
            src = k.alloc(64 * n),
            dst = k.alloc(32 * n);
          k.u64.set(leaves.flat(), src / 8);
          h.merkleLevel(k, dst, src, pairs);
          for (const j of [0, pairs >> 1, pairs - 1])
            expect([...k.u64.subarray(dst / 8 + 4 * j, dst / 8 + 4 * j + 4)]).toEqual(h.compress(leaves[2 * j], leaves[2 * j + 1]));
          k.release(m);
        }
    });
    it(`${h.name}: refuses wrong column counts`, () => {
      const k = kernels[0],
        m = k.mark(),
        p = k.alloc(1024);
      expect(() => h.rows(k, 1, 0)).toThrow(RangeError);
      expect(() => h.rows(k, 1, 9).absorb(p, 7, 8)).toThrow(RangeError);
      expect(() => h.rows(k, 1, 9).finish(p)).toThrow(RangeError);
      k.release(m);
    });
  }
  it('BLAKE3: rows over several chunks', () => {
    for (const words of [127, 128, 129, 256, 257, 384, 385, 641, 900, 1024, 1025]) {
      const want = Array.from({ length: 5 }, (_, r) =>
        hashWords(
          1n,
          Array.from({ length: words }, (_, c) => cell(3n, r, c)),
        ),
      );
      expect(digests(kernels[0], blake3Rows, 5, words, 3n, false)).toEqual(want);
    }
  });
});
