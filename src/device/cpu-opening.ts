import * as E from '../field/ext3.js';
import { add, pow, root } from '../field/goldilocks.js';
import { nttRows } from '../kernels/ntt.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Vec } from './device.js';
import type { AxisWeights, OpeningCalls, PointClaim, ProductBlock } from './opening.js';

/** A kernel of WebAssembly behind a call of a device. */
export type CpuKernel<A> = (k: Kernels, n: number, args: A, address: (v: Vec) => number) => void;

/** eq(point, i) for i < n at a fresh address of the kernels' memory, for who works on addresses. */
export function eqTableAt(k: Kernels, point: readonly E.Ext[], n: number): number {
  const to = k.alloc(24 * (Math.max(n, 1) + 1));
  k.scope(() => k.exports['eqTrunc'](to, k.exts(point), point.length, n, k.alloc(64)));
  return to;
}

/** Kernels of an opening on the memory of the CPU's. */
export const cpuOpening: { readonly [C in keyof OpeningCalls]: CpuKernel<OpeningCalls[C]> } = {
  zero(k, n, { to }, address) {
    const at = address(to);
    k.parallel('fillI64', n, 65536, (lo, hi) => [at, 0n, lo, hi]);
  },
  copy(k, n, { to, from }, address) {
    const at = address(from);
    k.u8.copyWithin(address(to), at, at + 8 * n);
  },
  fold(k, n, { to, from, base, half, r }, address) {
    const [dst, src] = [to, from].map(address),
      upper = Math.max(0, from.words / (base ? 1 : 3) - half);
    k.scope(() => {
      const c = k.exts([r]);
      k.parallel('foldHalves', n, 1024, (lo, hi) => [dst, src, base ? 1 : 0, half, upper, c, lo, hi]);
    });
  },
  productSums(k, n, { to, f, base, w, half }, address) {
    const [dst, a, b] = [to, f, w].map(address),
      upper = Math.max(0, w.words / 3 - half);
    k.scope(() => {
      const out = k.zeroed(64 * k.threads);
      k.parallel('scHalves', n, 1024, (lo, hi, t) => [out + 64 * t, a, base ? 1 : 0, b, half, upper, lo, hi]);
      for (const at of [0, 24]) {
        let sum: E.Ext = E.ZERO;
        for (let t = 0; t < k.threads; t++) sum = E.add(sum, k.readExt(out + 64 * t + at));
        k.writeExt(dst + at, sum);
      }
    });
  },
  horner(k, n, { to, from, z }, address) {
    k.scope(() => k.exports['hornerExt'](address(to), address(from), k.exts([z]), n));
  },
  addPowers(k, n, { to, z, first }, address) {
    k.scope(() => k.exports['addPowersExt'](address(to), k.exts([z]), k.exts([first]), n));
  },
  addScaled(k, n, { to, from, by }, address) {
    const [dst, src] = [to, from].map(address);
    k.scope(() => {
      const c = k.exts([by]);
      k.parallel('addOuterCells', n, 2048, (lo, hi) => [dst, c, src, lo, hi]);
    });
  },
  addClaims(k, n, { to, domain, claims }, address) {
    const transformed = byTransform(claims.length, n, domain) && transformBytes(domain) < k.room;
    k.scope(() => (transformed ? addTransformed : addRunning)(k, address(to), n, domain, claims));
  },
  eqTable(k, n, { to, point }, address) {
    k.scope(() => k.exports['eqTrunc'](address(to), k.exts(point), point.length, n, k.alloc(64)));
  },
  spread(k, n, { to, from, stride, offset }, address) {
    const [dst, src] = [to, from].map(address);
    for (let i = 0; i < n; i++) k.writeExt(dst + 24 * (stride * i + offset), k.readExt(src + 24 * i));
  },
  addProducts(k, _n, { to, tables, blocks }, address) {
    const [dst, tab] = [to, tables].map(address);
    k.scope(() => {
      const one = k.exts([E.ONE]);
      for (const b of blocks) k.scope(() => addProduct(k, dst + 24 * b.at, b, tab, one));
    });
  },
};

/** By the powers of every point, that run on. */
function addRunning(k: Kernels, to: number, n: number, domain: number, claims: readonly PointClaim[]): void {
  const g = root(domain),
    q = claims.length,
    px = k.alloc(8 * q),
    pg = k.exts(claims.map((c) => c.coefficient)),
    scratch = k.alloc(24 * q * k.threads);
  k.u64.set(
    claims.map(({ log }) => pow(g, BigInt(log))),
    px / 8,
  );
  k.parallel('addPowers', n, 64, (lo, hi, t) => [to, px, pg, q, scratch + 24 * q * t, lo, hi]);
}

/**
 * Whether so many claims on n weights are added by a transform where there is room: 10 ns a weight and claim by powers,
 * 5 a word and stage by the transform of the whole domain.
 */
export const byTransform = (claims: number, n: number, domain: number): boolean => 2 * claims * n > domain * 2 ** domain;

/** Bytes of a transform of three columns over a domain, with its twiddles. */
export const transformBytes = (domain: number): number => 32 * 2 ** domain + 4096;

/**
 * By one transform: sum_q c_q x_q^i with x_q = g^(e_q) is the value at g^i of the polynomial that has coefficient c_q
 * at e_q.
 */
function addTransformed(k: Kernels, to: number, n: number, domain: number, claims: readonly PointClaim[]): void {
  const size = 2 ** domain,
    columns = k.alloc(24 * size);
  k.parallel('fillI64', 3 * size, 65536, (lo, hi) => [columns, 0n, lo, hi]);
  // Points may repeat.
  for (const { log, coefficient } of claims)
    coefficient.forEach((c, word) => {
      const at = columns / 8 + word * size + log;
      k.u64[at] = add(k.u64[at], c);
    });
  nttRows(k, columns, { src: columns, words: 3, height: size }, domain, 'reversed');
  k.parallel('addTransformed', n, 4096, (lo, hi) => [to, columns, domain, lo, hi]);
}

/** Adds a block at dst: rows of the outer product of all axes but the last one, times the weights of that. */
function addProduct(k: Kernels, dst: number, { coefficient, axes }: ProductBlock, tables: number, one: number): void {
  const vector = (a: AxisWeights): number => {
    if ('table' in a) return tables + 24 * a.table;
    if (a.log === 0) return one;
    const v = k.zeroed(24 * 2 ** a.log);
    k.writeExt(v + 24 * a.only, E.ONE);
    return v;
  };
  let rows = k.exts([coefficient]),
    count = 1;
  for (const a of axes.slice(0, -1)) {
    const len = 2 ** a.log,
      v = vector(a);
    if (len === 1 && v === one) continue;
    const out = k.alloc(24 * count * len),
      src = rows;
    k.parallel('outer', count, Math.max(1, Math.ceil(1024 / len)), (lo, hi) => [out, src, v, len, lo, hi]);
    rows = out;
    count *= len;
  }
  const last = axes.at(-1) ?? { log: 0, only: 0 },
    v = vector(last),
    len = 2 ** last.log;
  // One long row is split over threads by treating its cells as rows of one.
  if (count === 1 && len > 4096) k.parallel('addOuterCells', len, 2048, (lo, hi) => [dst, rows, v, lo, hi]);
  else k.parallel('addOuter', count, Math.max(1, Math.ceil(2048 / len)), (lo, hi) => [dst, rows, v, len, lo, hi]);
}
