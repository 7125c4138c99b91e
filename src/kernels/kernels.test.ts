import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { fixture } from '../../test/fixtures.js';
import * as E from '../field/ext3.js';
import * as F from '../field/goldilocks.js';
import * as p2 from '../hash/poseidon2.js';
import type { Kernels } from './runtime.js';
import { singleKernels } from './single.js';
import { threadedKernels } from './threads.js';

const k = singleKernels();
const edge = fc.oneof(
  fc.bigInt({ min: 0n, max: F.P - 1n }),
  fc.constantFrom(0n, 1n, F.P - 1n, F.P - 2n, 0xffffffffn, 1n << 32n, (1n << 63n) - 1n, F.P >> 1n),
);
const ext = fc.tuple(edge, edge, edge);

describe('kernels against bigint', () => {
  it('extension arithmetic', () => {
    const m = k.mark(),
      a = k.alloc(24),
      b = k.alloc(24),
      d = k.alloc(24);
    fc.assert(
      fc.property(ext, ext, (x, y) => {
        k.writeExt(a, x);
        k.writeExt(b, y);
        k.exports['emul'](d, a, b);
        expect(k.readExt(d)).toEqual([...E.mul(x, y)]);
        k.exports['eadd'](d, a, b);
        expect(k.readExt(d)).toEqual([...E.add(x, y)]);
        k.exports['esub'](d, a, b);
        expect(k.readExt(d)).toEqual([...E.sub(x, y)]);
        // Elements of F as either factor, and both.
        for (const [u, v] of [
          [x, y],
          [E.embed(x[0]), y],
          [x, E.embed(y[0])],
          [E.embed(x[0]), E.embed(y[0])],
        ])
          for (const z of [x, y]) expect(E.mulAdd(u, v, z)).toEqual(E.add(E.mul(u, v), z));
        if (!E.isZero(x)) {
          k.exports['einv'](d, a);
          expect(k.readExt(d)).toEqual([...E.inv(x)]);
          expect(E.mul(E.inv(x), x)).toEqual(E.ONE);
        }
      }),
      { numRuns: 500 },
    );
    k.release(m);
  });
  it('Poseidon2', () => {
    const m = k.mark(),
      p = k.alloc(96);
    fc.assert(
      fc.property(fc.array(edge, { minLength: 12, maxLength: 12 }), (s) => {
        k.u64.set(s, p / 8);
        k.exports['poseidon2'](p);
        expect([...k.u64.subarray(p / 8, p / 8 + 12)]).toEqual(p2.permute(s));
      }),
      { numRuns: 300 },
    );
    k.release(m);
  });
  it('Poseidon2 from words at the carries, canonical or not', () => {
    const m = k.mark(),
      p = k.alloc(96),
      half = fc.constantFrom(0n, 1n, 2n, 0x7fffffffn, 0x80000000n, 0xfffffffdn, 0xfffffffen, 0xffffffffn),
      wordAt = fc.tuple(half, half).map(([h, l]) => (h << 32n) | l);
    fc.assert(
      fc.property(fc.array(wordAt, { minLength: 12, maxLength: 12 }), (s) => {
        k.u64.set(s, p / 8);
        k.exports['poseidon2'](p);
        expect([...k.u64.subarray(p / 8, p / 8 + 12)]).toEqual(p2.permute(s.map((x) => x % F.P)));
      }),
      { numRuns: 300 },
    );
    k.release(m);
  });
  it('two permutations at a time, rare carries included', () => {
    const m = k.mark(),
      p = k.alloc(192),
      half = fc.oneof(fc.bigInt({ min: 0n, max: 0xffffffffn }), fc.constantFrom(0n, 1n, 0xfffffffen, 0xffffffffn)),
      any = fc.tuple(half, half).map(([h, l]) => (h << 32n) | l);
    fc.assert(
      fc.property(fc.array(any, { minLength: 24, maxLength: 24 }), (s) => {
        k.u64.set(s, p / 8);
        k.exports['poseidon2Pair'](p, p + 96);
        const t = s.map((x) => x % F.P);
        expect([...k.u64.subarray(p / 8, p / 8 + 24)]).toEqual([...p2.permute(t.slice(0, 12)), ...p2.permute(t.slice(12))]);
      }),
      { numRuns: 300 },
    );
    // Eight thousand random pairs against the scalar kernel: among their four million carries some are rare ones.
    const states = k.alloc(192);
    let x = 1n;
    for (let n = 0; n < 8000; n++) {
      for (let i = 0; i < 24; i++) {
        x = (x * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
        k.u64[p / 8 + i] = x;
        k.u64[states / 8 + i] = x;
      }
      k.exports['poseidon2Pair'](p, p + 96);
      k.exports['poseidon2'](states);
      k.exports['poseidon2'](states + 96);
      for (let i = 0; i < 24; i++) if (k.u64[p / 8 + i] !== k.u64[states / 8 + i]) throw new Error(`pair ${n}, word ${i}`);
    }
    k.release(m);
  });
  const vectors = fixture('vectors/poseidon2/plonky3_goldilocks_w12.json');
  it.skipIf(!vectors)('Poseidon2 known answers (fixture vectors/poseidon2)', () => {
    for (const v of JSON.parse(readFileSync(vectors!, 'utf8')).known_answers)
      expect(p2.permute(v.input.map(BigInt))).toEqual(v.output.map(BigInt));
  });
  it('encodes: position j holds the value at g^rev(j)', () => {
    const m = k.mark(),
      logIn = 3,
      logOut = 5,
      n = 32;
    const tw = k.alloc(8 * n),
      src = k.alloc(8 * 8),
      dst = k.alloc(8 * n),
      g = F.root(logOut);
    k.exports['nttTwiddles'](tw, logOut, BigInt.asIntN(64, g));
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: -(1n << 62n), max: 1n << 62n }), { minLength: 8, maxLength: 8 }), (c) => {
        k.i64.set(c, src / 8);
        k.exports['nttWords'](dst, src, 0, 1, 8, 1, logIn, logOut, tw, 0, 1);
        for (let j = 0; j < n; j++) {
          const rev = Number.parseInt(j.toString(2).padStart(logOut, '0').split('').reverse().join(''), 2);
          const x = F.pow(g, BigInt(rev));
          const want = c.reduce((s, v, i) => F.add(s, F.mul(F.mod(v), F.pow(x, BigInt(i)))), 0n);
          expect(k.u64[dst / 8 + j]).toBe(want);
        }
      }),
      { numRuns: 20 },
    );
    k.release(m);
  });
});

describe('worker threads', () => {
  let mt: Kernels;
  afterAll(() => mt?.close());
  it('give the same hashes for any number of threads', async () => {
    mt = await threadedKernels({ threads: 2 });
    const rows = 37,
      words = 11;
    const run = (kk: Kernels): bigint[] => {
      const m = kk.mark(),
        states = kk.alloc(96 * rows),
        cols = kk.alloc(8 * rows * words),
        out = kk.alloc(32 * rows);
      for (let c = 0; c < words; c++)
        for (let j = 0; j < rows; j++) kk.u64[cols / 8 + c * rows + j] = BigInt(c * 1000 + j) * 0x123456789abn;
      kk.parallel('p2RowsInit', rows, 1, (lo, hi) => [states, 1n, BigInt(words), lo, hi]);
      for (let c = 0; c < words; c += 8)
        kk.parallel('p2RowsAbsorb', rows, 1, (lo, hi) => [states, cols + 8 * c * rows, Math.min(8, words - c), 8 * rows, 8, lo, hi]);
      kk.parallel('p2RowsFinish', rows, 1, (lo, hi) => [out, states, lo, hi]);
      const r = [...kk.u64.subarray(out / 8, out / 8 + 4 * rows)];
      kk.release(m);
      return r;
    };
    const one = run(k),
      two = run(mt);
    expect(two).toEqual(one);
    expect(one.slice(4, 8)).toEqual(
      p2.hashWords(
        1n,
        Array.from({ length: words }, (_, c) => BigInt(c * 1000 + 1) * 0x123456789abn),
      ),
    );
  });
});
