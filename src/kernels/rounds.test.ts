import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as E from '../field/ext3.js';
import { P, mod } from '../field/goldilocks.js';
import type { Ext } from '../transcript/arith.js';
import { singleKernels } from './single.js';
import { verifierKernels } from './verify.js';

// Round polynomials, folds and weighted sums of the provers against their formulas in bigint, on words at the edges of
// the carries.
const k = singleKernels(),
  verifier = verifierKernels();
const word = fc.oneof(
  fc.bigInt({ min: 0n, max: P - 1n }),
  fc.constantFrom(0n, 1n, P - 1n, P - 2n, 0xffffffffn, 1n << 32n, (1n << 63n) - 1n, 0xfffffffe00000001n),
);
const ext: fc.Arbitrary<Ext> = fc.tuple(word, word, word);
const signed = fc.oneof(fc.bigInt({ min: -(1n << 62n), max: 1n << 62n }), fc.constantFrom(0n, -1n, 1n << 31n));
const many = (n: number): fc.Arbitrary<Ext[]> => fc.array(ext, { minLength: n, maxLength: n });
const add3 = (v: readonly Ext[]): Ext => v.reduce<Ext>((a, b) => E.add(a, b), E.ZERO);
const prod = (v: readonly Ext[]): Ext => v.reduce<Ext>((a, b) => E.mul(a, b), E.ONE);
const same = (got: readonly Ext[], want: readonly Ext[]): void => expect(got.map((x) => [...x])).toEqual(want.map((x) => [...x]));
const run = (f: () => void): void => {
  const m = k.mark();
  f();
  k.release(m);
};
/** Rows x len elements; shape small, len odd or even. */
const box = fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 11 }));

describe('rounds and folds against bigint', () => {
  it('sumRound, sumFold and termFold: words and elements, one to four factors, held ones, a seventh power and a factor, parts of a row', () => {
    const array = fc.oneof(
      fc.record({ words: fc.constant(true), v: fc.array(signed, { minLength: 42, maxLength: 42 }) }),
      fc.record({ words: fc.constant(false), v: many(42) }),
    ) as fc.Arbitrary<{ words: boolean; v: (bigint | Ext)[] }>;
    fc.assert(
      fc.property(
        fc.record({
          // Two outer dimensions of a box whose last axis lies 3 cells apart in the arrays.
          dims: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 3 })),
          len: fc.integer({ min: 1, max: 7 }),
          inner: fc.oneof(
            fc.array(array, { minLength: 1, maxLength: 4 }),
            // The factor first, or last.
            fc.tuple(array, many(42), fc.boolean()).map(([x, v, last]) => {
              const power = Array<typeof x>(7).fill(x),
                factor: typeof x = { words: false, v };
              return last ? [...power, factor] : [factor, ...power];
            }),
          ),
          held: fc.array(array, { maxLength: 2 }),
          one: fc.boolean(),
          cut: fc.integer({ min: 0, max: 1000 }),
          r: ext,
        }),
        ({ dims, len, inner, held, one, cut, r }) =>
          run(() => {
            const sorted = [...inner.filter((f) => !f.words), ...inner.filter((f) => f.words)],
              put = (f: (typeof inner)[number]): number => {
                if (!f.words) return k.exts(f.v as Ext[]);
                const p = k.alloc(8 * f.v.length);
                k.i64.set(f.v as bigint[], p / 8);
                return p;
              },
              size = (f: (typeof inner)[number]): number => (f.words ? 8 : 24),
              // Cell (a, b, c) of an inner array at a + 2 b + 6 c, of a held one at a + 2 b.
              cell = (f: (typeof inner)[number], at: number): Ext => (f.words ? [mod(f.v[at] as bigint), 0n, 0n] : (f.v[at] as Ext)),
              half = Math.ceil(len / 2),
              n = dims[0] * dims[1] * half,
              out = k.zeroed(256),
              s = k.alloc(5120),
              desc = k.alloc(512);
            // An array that is given twice lies at one place.
            const places = new Map<(typeof inner)[number], number>(),
              at = sorted.map((f) => {
                const p = places.get(f) ?? put(f);
                places.set(f, p);
                return p;
              });
            k.u32.set(
              [
                2,
                len,
                sorted.length,
                held.length,
                one ? 1 : 0,
                ...dims,
                ...sorted.flatMap((f, i) => [at[i], f.words ? 0 : 1, 6 * size(f), size(f), 2 * size(f)]),
                ...held.flatMap((f) => [put(f), f.words ? 0 : 1, 0, size(f), 2 * size(f)]),
              ],
              desc / 4,
            );
            const mid = cut % (n + 1);
            k.exports['sumRound'](out, desc, s, 0, mid);
            k.exports['sumRound'](out, desc, s, mid, n);
            const value = (f: (typeof inner)[number], row: number, c: number, x: Ext): Ext => {
              const o = Math.floor(row / dims[1]) + 2 * (row % dims[1]),
                lo = cell(f, o + 12 * c),
                hi = 2 * c + 1 < len ? cell(f, o + 12 * c + 6) : E.ZERO;
              return E.add(lo, E.mul(x, E.sub(hi, lo)));
            };
            const cells = Array.from({ length: n }, (_, q) => [Math.floor(q / half), q % half] as const);
            const want = Array.from({ length: sorted.length + 1 }, (_, x) =>
              x === 1 && !one
                ? E.ZERO
                : add3(
                    cells.map(([row, c]) =>
                      prod([
                        ...sorted.map((f) => value(f, row, c, E.embed(BigInt(x)))),
                        ...held.map((f) => cell(f, Math.floor(row / dims[1]) + 2 * (row % dims[1]))),
                      ]),
                    ),
                  ),
            );
            same(k.readExts(out, sorted.length + 1), want);
            const rp = k.exts([r]);
            sorted.forEach((f, i) => {
              const folded = cells.map(([row, c]) => value(f, row, c, r)),
                dst = k.alloc(24 * n);
              k.u32.set([2, len, f.words ? 0 : 1, 6 * size(f), ...dims, size(f), 2 * size(f)], desc / 4);
              k.exports['sumFold'](dst, at[i], desc, rp, s, 0, mid);
              k.exports['sumFold'](dst, at[i], desc, rp, s, mid, n);
              same(k.readExts(dst, n), folded);
              // Folded again in place, rows of `half` cells.
              k.exports['termFold'](dst, half, 1, half, rp, s, 0, dims[0] * dims[1]);
              for (let row = 0; row < dims[0] * dims[1]; row++)
                for (let c = 0; 2 * c < half; c++) {
                  const [lo, hi] = [folded[row * half + 2 * c], 2 * c + 1 < half ? folded[row * half + 2 * c + 1] : E.ZERO];
                  same([k.readExt(dst + 24 * (row * half + c))], [E.add(lo, E.mul(r, E.sub(hi, lo)))]);
                }
            });
          }),
      ),
      { numRuns: 200 },
    );
  });

  it('gkrRound, gkrProduct, gkrFold and gkrLayer, missing cells 0/1', () => {
    fc.assert(
      fc.property(
        box.chain(([rows, len]) =>
          fc.record({
            rows: fc.constant(rows),
            len: fc.constant(len),
            a: fc.array(many(rows * len), { minLength: 4, maxLength: 4 }),
            col: many(Math.ceil(len / 2)),
            roww: many(rows),
            lambda: ext,
            r: ext,
          }),
        ),
        ({ rows, len, a, col, roww, lambda, r }) =>
          run(() => {
            const half = Math.ceil(len / 2),
              p = a.map((x) => k.exts(x)),
              out = k.alloc(64),
              s = k.alloc(512),
              [cp, wp, lp, rp] = [k.exts(col), k.exts(roww), k.exts([lambda]), k.exts([r])],
              pads = [E.ZERO, E.ZERO, E.ONE, E.ONE],
              cells = Array.from({ length: rows * half }, (_, q) => [Math.floor(q / half), q % half] as const),
              lo = (i: number, row: number, c: number): Ext => a[i][row * len + 2 * c],
              hi = (i: number, row: number, c: number, pad: Ext): Ext => (2 * c + 1 < len ? a[i][row * len + 2 * c + 1] : pad);
            const form = (n0: Ext, n1: Ext, d0: Ext, d1: Ext): Ext => E.add(E.mul(n0, d1), E.mul(d0, E.add(n1, E.mul(lambda, d1))));
            const weigh = (g: (row: number, c: number) => Ext): Ext =>
              add3(cells.map(([row, c]) => E.mul(E.mul(roww[row], col[c]), g(row, c))));
            const four = (g: (i: number) => Ext): Ext => form(g(0), g(1), g(2), g(3));
            k.u8.fill(0, out, out + 64);
            k.exports['gkrRound'](out, p[0], p[1], p[2], p[3], len, 1, len, cp, wp, lp, s, 0, rows);
            same(k.readExts(out, 2), [
              weigh((row, c) =>
                E.sub(
                  four((i) => lo(i, row, c)),
                  lambda,
                ),
              ),
              weigh((row, c) => four((i) => E.sub(hi(i, row, c, pads[i]), lo(i, row, c)))),
            ]);
            k.u8.fill(0, out, out + 64);
            k.exports['gkrProduct'](out, p[0], p[1], len, 1, len, cp, wp, lp, 0, rows);
            same(k.readExts(out, 2), [
              weigh((row, c) => E.mul(lo(0, row, c), lo(1, row, c))),
              weigh((row, c) => E.mul(E.sub(hi(0, row, c, lambda), lo(0, row, c)), E.sub(hi(1, row, c, lambda), lo(1, row, c)))),
            ]);
            const [dn, dd] = [k.alloc(24 * rows * half), k.alloc(24 * rows * half)];
            for (const ones of [false, true]) {
              k.exports['gkrLayer'](dn, dd, ones ? 0 : p[0], p[2], len, s, 0, rows);
              const n = (row: number, c: number): Ext => (ones ? E.ONE : lo(0, row, c)),
                m = (row: number, c: number): Ext => (ones && 2 * c + 1 < len ? E.ONE : hi(0, row, c, E.ZERO));
              same(
                k.readExts(dn, rows * half),
                cells.map(([row, c]) => E.add(E.mul(n(row, c), hi(2, row, c, E.ONE)), E.mul(m(row, c), lo(2, row, c)))),
              );
              same(
                k.readExts(dd, rows * half),
                cells.map(([row, c]) => E.mul(lo(2, row, c), hi(2, row, c, E.ONE))),
              );
            }
            k.exports['gkrFold'](p[0], p[1], p[2], p[3], len, 1, len, rp, s, 0, rows);
            for (let i = 0; i < 4; i++)
              same(
                cells.map(([row, c]) => k.readExt(p[i] + 24 * (row * len + c))),
                cells.map(([row, c]) => E.add(lo(i, row, c), E.mul(r, E.sub(hi(i, row, c, pads[i]), lo(i, row, c))))),
              );
          }),
      ),
      { numRuns: 150 },
    );
  });

  it('scHalves, foldHalves: base and extension, short upper half', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }).chain((half) =>
          fc.integer({ min: 0, max: half }).chain((nhi) =>
            fc.record({
              half: fc.constant(half),
              nhi: fc.constant(nhi),
              f: many(half + nhi),
              x: fc.array(signed, { minLength: half + nhi, maxLength: half + nhi }),
              w: many(half + nhi),
              r: ext,
              cut: fc.integer({ min: 0, max: 100 }),
            }),
          ),
        ),
        ({ half, nhi, f, x, w, r, cut }) =>
          run(() => {
            const copy = (p: number, words: number): number => {
              const to = verifier.alloc(8 * words);
              verifier.u64.set(k.u64.subarray(p / 8, p / 8 + words), to / 8);
              return to;
            };
            for (const base of [1, 0]) {
              const v: readonly Ext[] = base ? x.map((y): Ext => [mod(y), 0n, 0n]) : f,
                fp = base ? k.alloc(8 * x.length) : k.exts(f),
                wp = k.exts(w),
                out = k.alloc(64),
                dst = k.alloc(24 * half);
              if (base) k.i64.set(x, fp / 8);
              const hi = (u: readonly Ext[], i: number): Ext => (i < nhi ? u[half + i] : E.ZERO),
                i0 = Array.from({ length: half }, (_, i) => i);
              const want = [
                add3(i0.map((i) => E.mul(v[i], w[i]))),
                add3(i0.map((i) => E.mul(E.sub(hi(v, i), v[i]), E.sub(hi(w, i), w[i])))),
              ];
              k.exports['scHalves'](out, fp, base, wp, half, nhi, 0, half);
              same(k.readExts(out, 2), want);
              // In two parts, as threads take them, and by the kernel of a verifier, entry by entry.
              for (const [f, at] of [
                [k, k.alloc(64)],
                [verifier, verifier.alloc(64)],
              ] as const) {
                const [a, b] = f === k ? [fp, wp] : [copy(fp, base ? x.length : 3 * x.length), copy(wp, 3 * w.length)],
                  parts = [0, cut % (half + 1), half];
                const got = [0, 1].map((i) => {
                  f.exports['scHalves'](at, a, base, b, half, nhi, parts[i], parts[i + 1]);
                  return f.readExts(at, 2);
                });
                same([E.add(got[0][0], got[1][0]), E.add(got[0][1], got[1][1])], want);
              }
              k.exports['foldHalves'](dst, fp, base, half, nhi, k.exts([r]), 0, half);
              same(
                k.readExts(dst, half),
                i0.map((i) => E.add(v[i], E.mul(r, E.sub(hi(v, i), v[i])))),
              );
            }
          }),
      ),
      { numRuns: 150 },
    );
  });

  it('outer products, scaled sums and dots', () => {
    fc.assert(
      fc.property(many(3), many(4), many(12), ext, (a, b, d, c) =>
        run(() => {
          const [ap, bp, dp, cp] = [k.exts(a), k.exts(b), k.exts(d), k.exts([c])],
            o = k.alloc(24 * 12);
          k.exports['outer'](o, ap, bp, 4, 0, 3);
          const ab = a.flatMap((x) => b.map((y) => E.mul(x, y)));
          same(k.readExts(o, 12), ab);
          k.exports['dotRows'](ap, o, bp, 4, 0, 3);
          same(
            k.readExts(ap, 3),
            a.map((x, i) => E.add(x, add3(b.map((y, j) => E.mul(y, ab[4 * i + j]))))),
          );
          k.writeExts(ap, a);
          k.exports['addOuter'](dp, ap, bp, 4, 0, 3);
          const sum = d.map((x, i) => E.add(x, ab[i]));
          same(k.readExts(dp, 12), sum);
          k.exports['addOuterCells'](dp, cp, o, 2, 12);
          const more = sum.map((x, i) => (i < 2 ? x : E.add(x, E.mul(c, ab[i]))));
          same(k.readExts(dp, 12), more);
          k.exports['scaleExt'](dp, dp, cp, 0, 12);
          same(
            k.readExts(dp, 12),
            more.map((x) => E.mul(x, c)),
          );
          k.exports['hornerExt'](cp, bp, cp, 4);
          expect(k.readExt(cp)).toEqual([...b.reduceRight<Ext>((s, x) => E.add(E.mul(s, c), x), E.ZERO)]);
        }),
      ),
      { numRuns: 100 },
    );
  });
});
