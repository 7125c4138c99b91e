import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as E from '../field/ext3.js';
import { SBOXES, permutationWitness } from '../circuit/poseidon2.js';
import { permuted } from '../circuit/witness.js';
import { P, mod, toSigned } from '../field/goldilocks.js';
import { DIAGONAL, EXTERNAL, INTERNAL } from '../hash/poseidon2-constants.js';
import { compress, hashWords, permute } from '../hash/poseidon2.js';
import type { Ext } from '../transcript/arith.js';
import { singleKernels } from './single.js';

/*
 * Every exported kernel is compared with a reference in bigint (or plain numbers): here, or in the file that the table
 * names. The last test fails for a kernel that is in neither.
 */
const k = singleKernels();
const word = fc.oneof(
  fc.bigInt({ min: 0n, max: P - 1n }),
  fc.constantFrom(0n, 1n, P - 1n, P - 2n, 0xffffffffn, 1n << 32n, (1n << 63n) - 1n),
);
const any64 = fc.oneof(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), fc.constantFrom(P, P + 1n, (1n << 64n) - 1n, 0xffffffff00000000n));
const signed = fc.oneof(fc.bigInt({ min: -(1n << 61n), max: 1n << 61n }), fc.constantFrom(0n, -1n, 1n, -(1n << 31n), 1n << 32n));
const ext: fc.Arbitrary<Ext> = fc.tuple(word, word, word);
const exts = (n: number): fc.Arbitrary<Ext[]> => fc.array(ext, { minLength: n, maxLength: n });
const s64 = (x: bigint): bigint => BigInt.asIntN(64, x);
const here = new Set<string>();

/** Calls a kernel and notes it. */
function call(name: string, ...args: (number | bigint)[]): bigint {
  here.add(name);
  const r = k.exports[name](...args.map((a) => (typeof a === 'bigint' ? s64(a) : a))) as unknown;
  return typeof r === 'bigint' ? BigInt.asUintN(64, r) : BigInt((r as number) ?? 0);
}
const put = (v: readonly bigint[]): number => {
  const p = k.alloc(8 * Math.max(1, v.length));
  v.forEach((x, i) => {
    k.u64[p / 8 + i] = BigInt.asUintN(64, x);
  });
  return p;
};
const put32 = (v: readonly number[]): number => {
  const p = k.alloc(4 * v.length + 8);
  k.u32.set(v, p / 4);
  return p;
};
const get = (p: number, n: number): bigint[] => [...k.i64.slice(p / 8, p / 8 + n)];
const getE = (p: number, n: number): Ext[] => k.readExts(p, n).map((x) => [...x] as unknown as Ext);
const sum = (v: readonly Ext[]): Ext => v.reduce<Ext>((a, b) => E.add(a, b), E.ZERO);
const base = (x: bigint): Ext => [mod(x), 0n, 0n];
function property<T extends unknown[]>(arbs: { [K in keyof T]: fc.Arbitrary<T[K]> }, f: (...a: T) => void, numRuns = 60): void {
  fc.assert(
    fc.property(...(arbs as unknown as [fc.Arbitrary<unknown>]), (...a: unknown[]) => {
      const m = k.mark();
      f(...(a as T));
      k.release(m);
    }),
    { numRuns },
  );
}

describe('kernels against bigint', () => {
  it('rows of permutations: inputs of all S-boxes', () =>
    property<[bigint[]]>(
      [fc.array(word, { minLength: 36, maxLength: 36 })],
      (words) => {
        const height = 5,
          x = k.zeroed(8 * SBOXES * height),
          want = [0, 1, 2].map((r) => permutationWitness(words.slice(12 * r, 12 * r + 12)));
        call('p2Trace', x, put(words), height, put([...EXTERNAL, ...INTERNAL, ...DIAGONAL]), k.alloc(96), 1, 3);
        for (let g = 0; g < SBOXES; g++)
          expect(get(x + 8 * g * height, height)).toEqual([0n, toSigned(want[1].x[g]), toSigned(want[2].x[g]), 0n, 0n]);
        expect(permuted(words.slice(0, 12))).toEqual(permute(words.slice(0, 12)));
        expect(want[0].out).toEqual(permute(words.slice(0, 12)));
      },
      10,
    ));
  it('words: sums, products, reductions, inverses', () =>
    property<[bigint, bigint, bigint, bigint, bigint]>(
      [word, word, any64, any64, signed],
      (a, b, x, y, s) => {
        expect(call('fadd', a, b)).toBe(mod(a + b));
        expect(call('fsub', a, b)).toBe(mod(a - b));
        expect(call('fmul', a, b)).toBe(mod(a * b));
        expect(call('fmul', x, y)).toBe(mod(x * y));
        expect(call('fsquare', x)).toBe(mod(x * x));
        expect(call('freduce', x, y)).toBe(mod((x << 64n) + y));
        expect(mod(call('freduceLazy', x, y))).toBe(mod((x << 64n) + y));
        expect(mod(call('fmulLazy', x, y))).toBe(mod(x * y));
        expect(mod(call('fsquareLazy', x))).toBe(mod(x * x));
        expect(mod(call('faddLazy', a, b))).toBe(mod(a + b));
        expect(call('fcanon', x)).toBe(mod(x));
        expect(call('fsigned', s)).toBe(mod(s));
        const h = s >> 20n,
          l = BigInt.asIntN(43, x);
        expect(call('carry', h, l)).toBe(mod(l + (h << 32n)));
        expect(call('carryWide', s, BigInt.asIntN(62, y))).toBe(mod(BigInt.asIntN(62, y) + (s << 32n)));
        if (a) expect(mod(call('finv', a) * a)).toBe(1n);
        expect(call('fpow', a, 5n)).toBe(mod(a ** 5n));
      },
      200,
    ));
  it('elements of E', () =>
    property<[Ext, Ext, Ext, bigint]>([ext, ext, ext, word], (x, y, z, b) => {
      const [a, c, d, o] = [x, y, z, E.ZERO].map((v) => k.exts([v]));
      const one = (): Ext => getE(o, 1)[0];
      call('emulAdd', o, a, c, d);
      expect(one()).toEqual(E.add(E.mul(x, y), z));
      call('efma', d, a, c);
      expect(getE(d, 1)[0]).toEqual(E.add(E.mul(x, y), z));
      call('emulBase', o, a, b);
      expect(one()).toEqual(E.mul(x, base(b)));
      call('ecopy', o, c);
      expect(one()).toEqual(y);
      call('ezero', o);
      expect(one()).toEqual(E.ZERO);
      const two = k.alloc(48);
      call('embedWords', two, put([b, x[0]]), 2);
      expect(getE(two, 2)).toEqual([base(b), base(x[0])]);
      call('whirZero', o);
      expect(one()).toEqual(E.ZERO);
    }));
  it('arrays of words: products, fills, casts, limbs, roots, quotients', () =>
    property<[bigint[], bigint[], number]>(
      [fc.array(signed, { minLength: 6, maxLength: 6 }), fc.array(signed, { minLength: 6, maxLength: 6 }), fc.integer({ min: 1, max: 40 })],
      (a, b, shift) => {
        const fresh = (): number => put(a),
          q = put(b);
        let p = k.zeroed(48);
        call('signedToField', p, put(a), 0, 6);
        expect(get(p, 6).map((x) => BigInt.asUintN(64, x))).toEqual(a.map(mod));
        p = k.zeroed(48);
        call('mulWords', p, put(a.map(mod)), put(b.map(mod)), 1, 6);
        expect(get(p, 6).map((x) => BigInt.asUintN(64, x))).toEqual([0n, ...a.slice(1).map((x, i) => mod(x * b[i + 1]))]);
        for (const name of ['fillI64'] as const) {
          p = fresh();
          call(name, p, -7n, 2, 5);
          expect(get(p, 6)).toEqual([...a.slice(0, 2), -7n, -7n, -7n, a[5]]);
        }
        p = fresh();
        call('ewRound', p, shift, 0, 6);
        expect(get(p, 6)).toEqual(a.map((x) => (x + (1n << BigInt(shift - 1))) >> BigInt(shift)));
        for (const name of ['ewLimb'] as const) {
          p = fresh();
          call(name, p, shift, 13, 0, 6);
          expect(get(p, 6)).toEqual(a.map((x) => BigInt.asUintN(13, x >> BigInt(shift))));
        }
        for (const name of ['ewMax'] as const) {
          p = fresh();
          call(name, p, q, 0, 6);
          expect(get(p, 6)).toEqual(a.map((x, i) => (x > b[i] ? x : b[i])));
        }
        const abs = a.map((x) => (x < 0n ? -x : x));
        p = put(abs);
        call('ewSqrt', p, 0, 6);
        get(p, 6).forEach((r, i) => expect(r >= 0n && r * r <= abs[i] && (r + 1n) * (r + 1n) > abs[i]).toBe(true));
        const floors = get(p, 6);
        call('ewNearestRoot', p, put(abs), 0, 6);
        get(p, 6).forEach((r, i) => expect(r - floors[i] <= 1n && r * (r - 1n) <= abs[i] && abs[i] < r * (r + 1n)).toBe(true));
        p = fresh();
        const den = b.map((x) => (x < 0n ? -x : x) + 1n);
        call('ewDiv', p, put(den), 0, 6);
        get(p, 6).forEach((x, i) => expect(x * den[i] <= a[i] && a[i] < (x + 1n) * den[i]).toBe(true));
        const err = k.zeroed(64);
        call('allZero', p, err, 0);
        expect(k.u32[err / 4]).toBe(0);
        call('allZero', put([0n, 5n]), err, 2);
        expect(k.u32[err / 4]).toBe(2);
      },
    ));
  it('keys, tables, entries', () =>
    property<[bigint[], bigint]>(
      [fc.array(fc.bigInt({ min: -6n, max: 21n }), { minLength: 8, maxLength: 8 }), fc.bigInt({ min: -4n, max: 4n })],
      (v, first) => {
        const err = k.zeroed(64),
          keys = k.zeroed(64),
          column = Array.from({ length: 16 }, (_, i) => BigInt(i * i - 20)),
          col = put(column),
          inside = v.map((x) => x - first >= 0n && x - first < 16n),
          bad = inside.indexOf(false);
        call('keysOut', keys, put(v), first, 16n, err, 0, 8);
        expect(k.u32[err / 4]).toBe(bad + 1);
        expect([...k.u32.slice(keys / 4, keys / 4 + 8)]).toEqual(v.map((x, i) => (inside[i] ? Number(x - first) : 0)));
        const mult = k.zeroed(64);
        call('countKeys', mult, keys, 8);
        const counted = v.map((x, i) => (inside[i] ? Number(x - first) : 0));
        expect([...k.u32.slice(mult / 4, mult / 4 + 16)]).toEqual(column.map((_, c) => counted.filter((y) => y === c).length));
        const wide = k.zeroed(128);
        call('u32ToI64', wide, mult, 0, 16);
        expect(get(wide, 16)).toEqual(column.map((_, c) => BigInt(counted.filter((y) => y === c).length)));
        const out = k.zeroed(64);
        call('ewTable', out, put(v), col, first, 16n, 0, 8);
        expect(get(out, 8)).toEqual(v.map((x, i) => (inside[i] ? column[Number(x - first)] : -(1n << 63n))));
      },
    ));
  it('boxes: einsum, scatter, blocks, projections', () =>
    property<[bigint[], bigint[], Ext[], number]>(
      [
        fc.array(fc.bigInt({ min: -1000n, max: 1000n }), { minLength: 12, maxLength: 12 }),
        fc.array(fc.bigInt({ min: -1000n, max: 1000n }), { minLength: 12, maxLength: 12 }),
        exts(12),
        fc.integer({ min: -5, max: 5 }),
      ],
      (a, b, w, coef) => {
        // out[i, j] += coef sum_c a[i, c] b[c, j], 3 x 4 by 4 x 3.
        const desc = put32([1, 1, 3, 0, 1, 0, 3, 4, 0, 0, 4, 1, 3, 0]),
          out = k.zeroed(72);
        call('einsum', out, put(a), put(b), 0, 2, BigInt(coef), desc, k.zeroed(64), 0, 3);
        expect(get(out, 9)).toEqual(
          Array.from({ length: 9 }, (_, q) =>
            [0, 1, 2, 3].reduce((s, c) => s + BigInt(coef) * a[4 * Math.floor(q / 3) + c] * b[3 * c + (q % 3)], 0n),
          ),
        );
        // Transposed copy of 3 x 4.
        const t = k.zeroed(96),
          err = k.zeroed(64);
        call('scatter', t, put(a), put32([2, 3, 1, 4, 3]), -1000n, 1000n, err, 0, 12);
        expect(get(t, 12)).toEqual(Array.from({ length: 12 }, (_, q) => a[4 * (q % 3) + Math.floor(q / 3)]));
        // Block rows 1..2, columns 2..3 of the 3 x 4 box.
        const block = put32([2, 4 + 2, 1, 4, 1, 1]),
          cells = [6, 7, 10, 11],
          d = k.zeroed(96);
        call('blockCopy', d, put(a), 8, block, 0, 4);
        expect(get(d, 4)).toEqual(cells.map((c) => a[c]));
        const e = k.exts(w.slice(0, 4));
        call('blockAdd', e, k.exts(w), 0, block, 0, 4);
        expect(getE(e, 4)).toEqual(cells.map((c, i) => E.add(w[i], w[c])));
        const pr = k.zeroed(24 * 4);
        call('project', pr, put(a), k.exts(w), put32([1, 1, 4, 1, 3, 4]), k.zeroed(64), 0, 3, 0, 4);
        expect(getE(pr, 4)).toEqual([0, 1, 2, 3].map((c) => sum([0, 1, 2].map((r) => E.mul(w[r], base(a[4 * r + c]))))));
        call('zeroExt', pr, 1, 3);
        expect(getE(pr, 4).slice(1, 3)).toEqual([E.ZERO, E.ZERO]);
        const pk = k.zeroed(24 * 6);
        call('packExt', pk, k.exts(w), 2, 2, 4, 0, 3);
        expect(getE(pk, 6)).toEqual([0, 2, 4, 6, 8, 10].map((c) => w[c]));
      },
    ));
  it('leaves, tables, splits, eq, powers', () =>
    property<[Ext, Ext, number[], Ext[], bigint[], bigint]>(
      [
        ext,
        ext,
        fc.array(fc.integer({ min: 0, max: 11 }), { minLength: 8, maxLength: 8 }),
        exts(12),
        fc.array(signed, { minLength: 8, maxLength: 8 }),
        word,
      ],
      (g, lambda, keys, table, column, x) => {
        const kp = put32(keys),
          gp = k.exts([g]),
          lp = k.exts([lambda]),
          tp = k.exts(table),
          o = k.zeroed(24 * 12),
          o2 = k.zeroed(24 * 12),
          den = (v: number): Ext => E.sub(g, base(BigInt(v)));
        call('leafRange', o, kp, gp, 0, 8);
        expect(getE(o, 8)).toEqual(keys.map(den));
        call('leafTable', o, kp, tp, 0, 8);
        expect(getE(o, 8)).toEqual(keys.map((v) => table[v]));
        const pairs = [0, 1, 2, 3].map((i) => [keys[2 * i], keys[2 * i + 1]]);
        call('gkrLeafRange', o, o2, kp, gp, 0, 4);
        expect(getE(o, 4)).toEqual(pairs.map(([a, b]) => E.add(den(a), den(b))));
        expect(getE(o2, 4)).toEqual(pairs.map(([a, b]) => E.mul(den(a), den(b))));
        call('gkrLeafTable', o, o2, kp, tp, 0, 4);
        expect(getE(o, 4)).toEqual(pairs.map(([a, b]) => E.add(table[a], table[b])));
        expect(getE(o2, 4)).toEqual(pairs.map(([a, b]) => E.mul(table[a], table[b])));
        const bp = k.exts([E.add(E.ONE, E.mul(lambda, g))]);
        call('leafPairsRange', o, o2, kp, bp, lp, 0, 4);
        expect(getE(o, 4)).toEqual(pairs.map(([a]) => E.add(E.ONE, E.mul(lambda, den(a)))));
        expect(getE(o2, 4)).toEqual(pairs.map(([, b]) => E.add(E.ONE, E.mul(lambda, den(b)))));
        call('leafPairsTable', o, o2, kp, tp, 0, 4);
        expect(getE(o2, 4)).toEqual(pairs.map(([, b]) => table[b]));
        call('onePlus', o, tp, lp, 0, 12);
        expect(getE(o, 12)).toEqual(table.map((t) => E.add(E.ONE, E.mul(lambda, t))));
        const cols = put32([put(column)]);
        call('tableDen', o, gp, -3n, cols, 1, lp, k.zeroed(128), 0, 8);
        expect(getE(o, 8)).toEqual(column.map((c, i) => E.sub(E.sub(g, base(BigInt(i - 3))), E.mul(lambda, base(c)))));
        call('tableNum', o, kp, 0, 8);
        expect(getE(o, 8)).toEqual(keys.map((v) => base(-BigInt(v))));
        const parts = [0, 1, 2, 3].map(() => k.zeroed(24 * 6));
        call('gkrSplit', parts[0], parts[1], parts[2], parts[3], 0, tp, 3, 0, 4);
        expect(getE(parts[2], 8).slice(0, 2)).toEqual([table[0], table[2]]);
        expect(getE(parts[3], 8).slice(0, 2)).toEqual([table[1], E.ONE]);
        expect(getE(parts[1], 8).slice(0, 2)).toEqual([E.ONE, E.ZERO]);
        const fp = [k.exts(table.slice(0, 3)), k.exts(table.slice(3, 6))];
        call('gkrFoldPair', fp[0], fp[1], 3, 1, 3, lp, gp, k.zeroed(256), 0, 1);
        expect(getE(fp[0], 2)).toEqual([
          E.add(table[0], E.mul(g, E.sub(table[1], table[0]))),
          E.add(table[2], E.mul(g, E.sub(lambda, table[2]))),
        ]);
        const wz = k.exts(table);
        call('addPowersExt', wz, lp, gp, 12);
        let zi: Ext = E.ONE;
        expect(getE(wz, 12)).toEqual(
          table.map((t) => {
            const v = E.add(t, E.mul(g, zi));
            zi = E.mul(zi, lambda);
            return v;
          }),
        );
        const eq = k.zeroed(24 * 9);
        call('eqTrunc', eq, k.exts([g, lambda, table[0]]), 3, 6, k.zeroed(64));
        const z = [g, lambda, table[0]];
        expect(getE(eq, 6)).toEqual(
          [0, 1, 2, 3, 4, 5].map((i) => z.reduce<Ext>((acc, t, b) => E.mul(acc, (i >> (2 - b)) & 1 ? t : E.sub(E.ONE, t)), E.ONE)),
        );
        // Words of three columns of 16, in the order in which a transform leaves them.
        const columns = Array.from({ length: 48 }, (_, i) => (BigInt(i) * x + 7n) % P),
          rev = (i: number): number => [0, 1, 2, 3].reduce((r, b) => r + (((i >> b) & 1) << (3 - b)), 0),
          wt = k.exts(table);
        call('addTransformed', wt, put(columns), 4, 0, 12);
        expect(getE(wt, 12)).toEqual(table.map((t, i) => E.add(t, [columns[rev(i)], columns[16 + rev(i)], columns[32 + rev(i)]])));
        const w = k.exts(table);
        call('addPowers', w, put([x]), gp, 1, k.zeroed(64), 0, 12);
        let power = 1n;
        expect(getE(w, 12)).toEqual(
          table.map((t) => {
            const v = E.add(t, E.mul(g, base(power)));
            power = mod(power * x);
            return v;
          }),
        );
      },
    ));
  it('log-sum-exp: least M by search', () =>
    property<[bigint[], bigint]>(
      [fc.array(fc.bigInt({ min: -20n, max: 20n }), { minLength: 6, maxLength: 6 }), fc.bigInt({ min: 60n, max: 80n })],
      (s, target) => {
        const T = Array.from({ length: 64 }, (_, d) => BigInt(Math.floor(64 * Math.exp(-d / 8)))),
          least = (v: bigint[]): bigint => {
            let m = v.reduce((a, b) => (a > b ? a : b));
            while (v.reduce((n, x) => n + (T[Number(m - x)] ?? 0n), 0n) > target) m++;
            return m;
          };
        const out = k.zeroed(64),
          want = [least(s.slice(0, 3)), least(s.slice(3))];
        call('ewLse', out, put(s), 3, 0, 0, put(T), 64n, target, 0, 2);
        expect(get(out, 2)).toEqual(want);
      },
    ));
  it('sponge, paths, levels, grinding', () =>
    property<[bigint[], number]>(
      [fc.array(word, { minLength: 1, maxLength: 20 }), fc.integer({ min: 0, max: 7 })],
      (w, index) => {
        const sp = k.zeroed(128),
          state = [3n, 9n].map((x) => x);
        k.u64[sp / 8 + 8] = state[0];
        let s: bigint[] = [...Array<bigint>(8).fill(0n), 3n, 0n, 0n, 0n],
          at = 0;
        call('spongeAbsorb', sp, put(w), w.length);
        for (const x of w) {
          s[at++] = x;
          if (at === 8) {
            s = permute(s);
            at = 0;
          }
        }
        if (at) s = permute(s);
        call('spongeFlush', sp);
        const out = k.zeroed(128);
        call('spongeSqueeze', sp, out, 10);
        expect(get(out, 10).map((x) => BigInt.asUintN(64, x))).toEqual([...s.slice(0, 8), ...permute(s).slice(0, 2)]);
        // A tree of eight leaves: the path of one leads to the root.
        let level = Array.from({ length: 8 }, (_, i) => (i === index ? hashWords(1n, w) : [BigInt(i), 1n, 2n, 3n]));
        const path: bigint[] = [];
        let i = index;
        while (level.length > 1) {
          path.push(...level[i ^ 1]);
          const next = k.zeroed(32 * level.length);
          call('p2Level', next, put(level.flat()), k.zeroed(128), 0, level.length / 2);
          const want = Array.from({ length: level.length / 2 }, (_, j) => compress(level[2 * j], level[2 * j + 1]));
          expect(get(next, 2 * level.length).map((x) => BigInt.asUintN(64, x))).toEqual(want.flat());
          level = want;
          i >>= 1;
        }
        call('merklePath', out, k.zeroed(128), put(w), w.length, put(path), 3, index);
        expect(get(out, 4).map((x) => BigInt.asUintN(64, x))).toEqual(level[0]);
        const found = k.zeroed(64),
          st = put(s);
        call('p2GrindTo', st, k.zeroed(128), found, 3, 0, 200);
        const nonce = BigInt(k.u32[found / 4] - 1);
        expect(permute([nonce, ...s.slice(1)])[0] & 7n).toBe(0n);
        for (let n = 0n; n < nonce; n++) expect(permute([n, ...s.slice(1)])[0] & 7n).not.toBe(0n);
      },
      20,
    ));
});

/** Kernels compared elsewhere: the file, and what in it runs the kernel. */
const ELSEWHERE: Record<string, [file: string, runs: string]> = {
  ...Object.fromEntries(['eadd', 'esub', 'emul', 'einv', 'poseidon2', 'poseidon2Pair'].map((n) => [n, ['kernels.test.ts', `'${n}'`]])),
  ...Object.fromEntries(
    [
      'scHalves',
      'foldHalves',
      'hornerExt',
      'outer',
      'gkrLayer',
      'gkrRound',
      'gkrProduct',
      'gkrFold',
      'sumRound',
      'sumFold',
      'termFold',
      'addOuter',
      'scaleExt',
      'addOuterCells',
      'dotRows',
    ].map((n) => [n, ['rounds.test.ts', `'${n}'`]]),
  ),
  ...Object.fromEntries(['p2RowsInit', 'p2RowsAbsorb', 'p2RowsFinish'].map((n) => [n, ['../hash/hash.test.ts', 'poseidon2Rows']])),
  ...Object.fromEntries(
    ['b3GroupBytes', 'b3RowsAbsorb', 'b3RowsFinish', 'b3Level', 'b3Path'].map((n) => [n, ['../hash/hash.test.ts', 'blake3Rows']]),
  ),
  b3Xof: ['../model/init.test.ts', "'b3Xof'"],
  ...Object.fromEntries(['b3Words', 'b3Stream'].map((n) => [n, ['../transcript/sponge.test.ts', n]])),
  ...Object.fromEntries(['nttTwiddles', 'nttWords', 'difInPlace'].map((n) => [n, ['kernels.test.ts', 'nttWords']])),
  ...Object.fromEntries(['difPadded', 'bitReverse', 'nttPick'].map((n) => [n, ['ntt.test.ts', 'evaluate']])),
  ...Object.fromEntries(
    ['einsumF', 'fillF', 'storeF'].map((n) => [n, ['../tensor/readings.test.ts', 'every operation by its definition']]),
  ),
  heapBase: ['runtime.test.ts', 'alloc'],
  setScratch: ['kernels.test.ts', 'two permutations at a time'],
};

it('no export is without a comparison', () => {
  const names = Object.keys(k.exports).filter((n) => typeof k.exports[n] === 'function');
  expect(names.length).toBeGreaterThan(100);
  expect(names.filter((n) => !here.has(n) && !ELSEWHERE[n])).toEqual([]);
  // The table is no longer than it must be, and says what is so.
  expect(Object.keys(ELSEWHERE).filter((n) => !names.includes(n))).toEqual([]);
  for (const [n, [file, runs]] of Object.entries(ELSEWHERE))
    expect(readFileSync(new URL(file, import.meta.url), 'utf8'), n).toContain(runs);
});
