import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as E from '../field/ext3.js';
import { P, mod } from '../field/goldilocks.js';
import type { Ext } from '../transcript/arith.js';
import { Kernels } from './runtime.js';

// Round polynomials, folds and weighted sums of the provers against their formulas in bigint, on words at the edges of the carries.
const k = Kernels.single();
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
const box = fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 7 }));

describe('rounds and folds against bigint', () => {
  it('termRound and termFold, one to five factors, held axes', () => {
    fc.assert(
      fc.property(
        box.chain(([rows, len]) =>
          fc.record({
            rows: fc.constant(rows),
            len: fc.constant(len),
            held: fc.integer({ min: 0, max: 31 }),
            f: fc.array(many(rows * len), { minLength: 1, maxLength: 5 }),
            r: ext,
          }),
        ),
        ({ rows, len, held, f, r }) =>
          run(() => {
            const m = f.length,
              ptr = f.map((x) => k.exts(x)),
              list = k.alloc(64),
              out = k.alloc(192),
              s = k.alloc(1024),
              half = Math.ceil(len / 2);
            k.u32.set(ptr, list / 4);
            k.u8.fill(0, out, out + 192);
            k.exports['termRound'](out, list, m, held, len, 1, len, s, 0, rows);
            const up = (i: number, row: number, c: number): Ext =>
              2 * c + 1 < len ? f[i][row * len + 2 * c + 1] : (held >> i) & 1 ? f[i][row * len + 2 * c] : E.ZERO;
            const at = (i: number, row: number, c: number, x: Ext): Ext => {
              const lo = f[i][row * len + 2 * c];
              return E.add(lo, E.mul(x, E.sub(up(i, row, c), lo)));
            };
            const cells = Array.from({ length: rows * half }, (_, q) => [Math.floor(q / half), q % half] as const);
            const want = Array.from({ length: m + 1 }, (_, x) =>
              add3(cells.map(([row, c]) => prod(f.map((_f, i) => at(i, row, c, E.embed(BigInt(x))))))),
            );
            same(k.readExts(out, m + 1), want);
            const rp = k.exts([r]);
            for (let i = 0; i < m; i++) {
              const folded = cells.map(([row, c]) => at(i, row, c, r));
              k.exports['termFold'](ptr[i], len, 1, len, (held >> i) & 1, rp, s, 0, rows);
              same(
                cells.map(([row, c]) => k.readExt(ptr[i] + 24 * (row * len + c))),
                folded,
              );
            }
          }),
      ),
      { numRuns: 150 },
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
        fc.integer({ min: 1, max: 6 }).chain((half) =>
          fc.integer({ min: 0, max: half }).chain((nhi) =>
            fc.record({
              half: fc.constant(half),
              nhi: fc.constant(nhi),
              f: many(half + nhi),
              x: fc.array(signed, { minLength: half + nhi, maxLength: half + nhi }),
              w: many(half + nhi),
              r: ext,
            }),
          ),
        ),
        ({ half, nhi, f, x, w, r }) =>
          run(() => {
            for (const base of [1, 0]) {
              const v: readonly Ext[] = base ? x.map((y): Ext => [mod(y), 0n, 0n]) : f,
                fp = base ? k.alloc(8 * x.length) : k.exts(f),
                wp = k.exts(w),
                out = k.alloc(64),
                dst = k.alloc(24 * half);
              if (base) k.i64.set(x, fp / 8);
              const hi = (u: readonly Ext[], i: number): Ext => (i < nhi ? u[half + i] : E.ZERO),
                i0 = Array.from({ length: half }, (_, i) => i);
              k.exports['scHalves'](out, fp, base, wp, half, nhi, 0, half);
              same(k.readExts(out, 2), [
                add3(i0.map((i) => E.mul(v[i], w[i]))),
                add3(i0.map((i) => E.mul(E.sub(hi(v, i), v[i]), E.sub(hi(w, i), w[i])))),
              ]);
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
