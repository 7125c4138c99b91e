import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { P, mod, pow, root } from '../field/goldilocks.js';
import { bitReverse, evaluate, inverseNtt, ntt } from '../field/ntt.js';
import type { Kernels } from './runtime.js';
import { singleKernels } from './single.js';
import { threadedKernels } from './threads.js';
import { nttRows } from './ntt.js';

const word = fc.oneof(fc.bigInt({ min: 0n, max: P - 1n }), fc.constantFrom(0n, 1n, P - 1n, P - 2n, 0xffffffffn));

describe('reference', () => {
  it('evaluates at the powers of the root, and back', () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 8 }), fc.integer({ min: 3, max: 5 }), (c, log) => {
        const v = ntt(c, log);
        v.forEach((y, j) => {
          expect(y).toBe(evaluate(c, pow(root(log), BigInt(j))));
        });
        expect(inverseNtt(v, log)).toEqual(Array.from({ length: 2 ** log }, (_, k) => c[k] ?? 0n));
      }),
      { numRuns: 20 },
    );
    expect(() => ntt([1n, 2n, 3n], 1)).toThrow(RangeError);
  });
});

describe('kernel', () => {
  let all: Kernels[] = [];
  beforeAll(async () => {
    all = [singleKernels(), await threadedKernels({ threads: 2 })];
  });
  afterAll(() => {
    for (const k of all) k.close();
  });
  function run(
    k: Kernels,
    values: readonly bigint[],
    words: number,
    height: number,
    group: 1 | 3,
    signed: boolean,
    log: number,
    order: 'natural' | 'reversed',
  ): bigint[][] {
    const m = k.mark(),
      src = k.alloc(8 * words * height),
      dst = k.alloc(8 * words * 2 ** log);
    for (let w = 0; w < words; w++)
      for (let c = 0; c < height; c++) {
        const at = src / 8 + (Math.floor(w / group) * height + c) * group + (w % group),
          v = values[w * height + c];
        if (signed) k.i64[at] = v;
        else k.u64[at] = v;
      }
    nttRows(k, dst, { src, words, height, group, signed }, log, order);
    const out = Array.from({ length: words }, (_, w) => [...k.u64.subarray(dst / 8 + w * 2 ** log, dst / 8 + (w + 1) * 2 ** log)]);
    k.release(m);
    return out;
  }
  it('in place with either root of order four, i = 2^48 and -2^48', () => {
    const k = all[0];
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.boolean(), fc.infiniteStream(word), (log, inverse, stream) => {
        const m = k.mark(),
          n = 2 ** log,
          tw = k.alloc(8 * n),
          p = k.alloc(8 * n),
          g = inverse ? pow(root(log), BigInt(n - 1)) : root(log),
          c = Array.from({ length: n }, () => stream.next().value as bigint);
        k.exports['nttTwiddles'](tw, log, BigInt.asIntN(64, g));
        k.u64.set(c, p / 8);
        k.exports['difInPlace'](p, log, tw);
        for (const j of [0, 1, n >> 1, n - 1]) {
          const rev = Number.parseInt(j.toString(2).padStart(log, '0').split('').reverse().join(''), 2);
          expect(k.u64[p / 8 + j]).toBe(evaluate(c, pow(g, BigInt(rev))));
        }
        k.release(m);
      }),
      { numRuns: 100 },
    );
  });
  it('random shapes, base and extension, both orders, any number of threads', () => {
    const shape = fc.record({
      log: fc.integer({ min: 0, max: 7 }),
      groups: fc.integer({ min: 1, max: 3 }),
      group: fc.constantFrom(1 as const, 3 as const),
      cut: fc.nat(5),
      signed: fc.boolean(),
      seed: fc.array(word, { minLength: 3, maxLength: 3 }),
    });
    fc.assert(
      fc.property(shape, ({ log, groups, group, cut, signed, seed }) => {
        const words = groups * group,
          height = Math.max(1, 2 ** log - cut);
        const values = Array.from({ length: words * height }, (_, k) => {
          const v = (seed[k % 3] + BigInt(k * k) * 0x9e3779b97f4a7c15n) % P;
          return signed ? BigInt.asIntN(64, v * 3n) : v;
        });
        const want = Array.from({ length: words }, (_, w) => ntt(values.slice(w * height, (w + 1) * height), log));
        for (const k of all) {
          expect(run(k, values, words, height, group, signed, log, 'natural')).toEqual(want);
          expect(run(k, values, words, height, group, signed, log, 'reversed')).toEqual(
            want.map((v) => v.map((_, i) => v[bitReverse(i, log)])),
          );
        }
      }),
      { numRuns: 25 },
    );
  });
  it('some positions alone are those of the whole, however many there are and however they lie', () => {
    const shape = fc.record({
      log: fc.constantFrom(0, 1, 2, 3, 5, 8, 12, 15),
      grow: fc.integer({ min: 0, max: 5 }),
      group: fc.constantFrom(1 as const, 3 as const),
      cut: fc.nat(2),
      positions: fc.oneof(fc.array(fc.nat(), { minLength: 1, maxLength: 4 }), fc.array(fc.nat(200), { minLength: 20, maxLength: 40 })),
      seed: fc.array(word, { minLength: 3, maxLength: 3 }),
    });
    fc.assert(
      fc.property(shape, ({ log, grow, group, cut, positions, seed }) => {
        const k = all[0],
          height = Math.max(1, 2 ** log - cut),
          out = log + grow,
          values = Array.from({ length: group * height }, (_, i) => (seed[i % 3] + BigInt(i * i) * 0x9e3779b97f4a7c15n) % P),
          want = run(k, values, group, height, group, false, out, 'reversed'),
          at = positions.map((p) => p % 2 ** out).sort((a, b) => a - b);
        k.scope(() => {
          const src = k.alloc(8 * group * height),
            tw = k.alloc(8 * 2 ** Math.max(out, 1)),
            work = k.alloc(8 * 2 ** out),
            list = k.alloc(4 * at.length),
            dst = k.alloc(8 * group * at.length);
          values.forEach((v, i) => {
            k.u64[src / 8 + (i % height) * group + Math.floor(i / height)] = v;
          });
          k.u32.set(at, list / 4);
          k.exports['nttTwiddles'](tw, out, BigInt.asIntN(64, root(out)));
          k.exports['nttPick'](dst, src, 0, group, height, 0, out, tw, work, list, at.length, 0, group);
          want.forEach((w, i) => {
            expect([...k.u64.subarray(dst / 8 + i * at.length, dst / 8 + (i + 1) * at.length)]).toEqual(at.map((p) => w[p]));
          });
        });
      }),
      { numRuns: 60 },
    );
  });
  it('sizes through every path, sparse columns', () => {
    const k = all[0];
    for (const log of [10, 11, 13, 14, 15, 16]) {
      // c0 + c1 x^a: any value is known in closed form.
      const n = 2 ** log,
        a = n - 3,
        c = Array<bigint>(n).fill(0n),
        g = root(log);
      c[0] = -5n;
      c[a] = -(1n << 63n);
      const got = run(k, c, 1, n, 1, true, log, 'natural')[0];
      for (const j of [0, 1, 2, n / 2, n - 1, (n / 3) | 0]) expect(got[j]).toBe(mod(c[0] + c[a] * pow(g, BigInt(j) * BigInt(a))));
    }
  });
});
