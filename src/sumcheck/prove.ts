import * as E from '../field/ext3.js';
import type { FarBlock } from '../kernels/far.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Ext } from '../transcript/arith.js';
import type { ProverChannel } from '../transcript/prover.js';
import { DEGREE, type SumcheckAxis } from './verify.js';

/** coef * sum over the box of the product of factors; axes in global order; factors are dense E arrays over the box. */
export interface SumTerm {
  readonly coef: Ext;
  readonly axes: readonly string[];
  /** Axes on which each array depends; along the others it is constant, padding included. */
  readonly factors: readonly { readonly axes: readonly string[] }[];
  /** Addresses of the arrays, which are only read. Asked for at most three times; what it allocates is released after use. */
  readonly arrays: () => number[];
  /** Bytes that `arrays` allocates. */
  readonly scratch: number;
}

interface Live {
  sum: Ext;
  readonly source: () => number[];
  /** Messages for the first variable bound, without the coefficient. */ first?: Ext[];
  /** Folded arrays, near or one after the other in a far block. */ near?: number[];
  far?: FarBlock;
  axes: string[];
  dims: number[];
  len: number;
  rows: number;
  cs: number;
  rs: number;
  coef: Ext;
  own: readonly (readonly string[])[];
}

/**
 * Proves sum of all terms = claim. Axes are bound last to first, within an axis the least significant variable first; a term without the
 * variable contributes its value times (1 - X). Returns the points of the axes and, per term, the values of its factors there. The first fold of
 * a term goes from its source to half the memory, near while it lasts, then far.
 */
export function proveBatched(
  k: Kernels,
  ch: ProverChannel,
  axes: readonly SumcheckAxis[],
  terms: readonly SumTerm[],
): { points: Map<string, Ext[]>; values: Ext[][] } {
  const start = k.mark();
  const scratch = k.alloc(1024 * k.threads),
    out = k.alloc(192 * k.threads),
    reserve = terms.reduce((n, t) => Math.max(n, 2 * t.scratch), 2 ** 16);
  const size = new Map(axes.map((a) => [a.axis, a.size]));
  const list = k.alloc(64);
  const live: Live[] = terms.map((t) => {
    const dims = t.axes.map((a) => size.get(a)!),
      n = dims.reduce((x, y) => x * y, 1),
      len = dims.length ? dims[dims.length - 1] : 1;
    return {
      sum: E.ZERO,
      source: t.arrays,
      axes: [...t.axes],
      dims,
      len,
      rows: n / len,
      cs: 1,
      rs: len,
      coef: t.coef,
      own: t.factors.map((f) => f.axes),
    };
  });
  const read = <T>(t: Live, use: (arrays: number[]) => T): T => {
    const m = k.mark();
    let at = t.near;
    if (t.far) {
      const p = k.alloc(t.far.bytes),
        each = t.far.bytes / t.own.length;
      k.far.load(t.far, 0, p, t.far.bytes);
      at = t.own.map((_, i) => p + each * i);
    }
    const v = use(at ?? t.source());
    k.release(m);
    return v;
  };
  const evaluate = (t: Live): Ext[] =>
    read(t, (arrays) => {
      const m = arrays.length;
      k.u32.set(arrays, list / 4);
      k.u8.fill(0, out, out + 192 * k.threads);
      k.parallel('termRound', t.rows, Math.max(1, Math.floor(512 / t.len)), (lo, hi, th) => [
        out + 192 * th,
        list,
        m,
        held(t),
        t.len,
        t.cs,
        t.rs,
        scratch + 1024 * th,
        lo,
        hi,
      ]);
      return Array.from({ length: m + 1 }, (_, x) => {
        let v: Ext = E.ZERO;
        for (let th = 0; th < k.threads; th++) v = E.add(v, k.readExt(out + 192 * th + 24 * x));
        return v;
      });
    });
  const fold = (t: Live, rp: number): void => {
    const grain = Math.max(1, Math.floor(1024 / t.len)),
      mask = held(t);
    if (t.near) {
      for (const [i, f] of t.near.entries())
        k.parallel('termFold', t.rows, grain, (lo, hi, th) => [f, t.len, t.cs, t.rs, (mask >> i) & 1, rp, scratch + 1024 * th, lo, hi]);
      return;
    }
    const half = Math.ceil(t.len / 2),
      each = 24 * t.rows * half,
      bytes = each * t.own.length,
      stay = bytes + reserve + (t.far?.bytes ?? 0) <= k.room || 4 * bytes <= k.far.page,
      near = stay ? k.alloc(bytes) : 0;
    let far: FarBlock | undefined;
    read(t, (arrays) => {
      const dst = near || k.alloc(bytes);
      for (const [i, f] of arrays.entries())
        k.parallel('termFoldTo', t.rows, grain, (lo, hi, th) => [
          dst + each * i,
          f,
          t.len,
          t.cs,
          t.rs,
          (mask >> i) & 1,
          rp,
          scratch + 1024 * th,
          lo,
          hi,
        ]);
      if (near) return;
      far = k.far.alloc(bytes);
      k.far.store(far, 0, dst, bytes);
    });
    if (t.far) k.far.free(t.far);
    t.far = far;
    if (near) t.near = t.own.map((_, i) => near + each * i);
    t.cs = 1;
    t.rs = half;
  };
  // The sum over the whole box: the evaluations at 0 and 1 of the last variable, which a box of one column lacks.
  for (const t of live) {
    t.first = evaluate(t);
    t.sum = E.mul(t.coef, t.len > 1 ? E.add(t.first[0], t.first[1]) : t.first[0]);
  }
  const points = new Map<string, Ext[]>(axes.map((a) => [a.axis, []]));
  for (let a = axes.length - 1; a >= 0; a--) {
    const { axis, vars } = axes[a];
    for (const t of live) if (t.axes[t.axes.length - 1] === axis && t.len !== size.get(axis)) throw new Error('axis order');
    for (let v = 0; v < vars; v++) {
      const total: Ext[] = Array(DEGREE + 1).fill(E.ZERO);
      const polys = new Map<Live, Ext[]>();
      for (const t of live) {
        if (t.axes[t.axes.length - 1] === axis) {
          const e = extend((t.first ?? evaluate(t)).map((x) => E.mul(t.coef, x)));
          t.first = undefined;
          polys.set(t, e);
          for (let x = 0; x <= DEGREE; x++) total[x] = E.add(total[x], e[x]);
        } else
          for (let x = 0; x <= DEGREE; x++)
            total[x] = E.add(total[x], E.mulBase(t.sum, (1n - BigInt(x) + 0xffffffff00000001n) % 0xffffffff00000001n));
      }
      ch.sendExt('sumcheck round', [total[0], ...total.slice(2)]);
      const r = ch.sample('sumcheck r');
      points.get(axis)!.unshift(r);
      const rp = k.alloc(24);
      k.writeExt(rp, r);
      for (const t of live) {
        const e = polys.get(t);
        if (!e) {
          const c = E.sub(E.ONE, r);
          t.sum = E.mul(t.sum, c);
          t.coef = E.mul(t.coef, c);
          continue;
        }
        t.sum = interpolate(e, r);
        fold(t, rp);
        t.len = Math.ceil(t.len / 2);
      }
    }
    for (const t of live) {
      if (t.axes[t.axes.length - 1] !== axis) continue;
      t.first = undefined;
      t.axes.pop();
      t.dims.pop();
      const len = t.dims.length ? t.dims[t.dims.length - 1] : 1;
      t.cs = t.rs;
      t.rs *= len;
      t.len = len;
      t.rows /= len;
    }
  }
  const values = live.map((t) => read(t, (arrays) => arrays.map((p) => k.readExt(p))));
  for (const t of live) if (t.far) k.far.free(t.far);
  k.release(start);
  return { points, values };
}

/** Mask of the factors that do not depend on the current axis. */
function held(t: Live): number {
  const axis = t.axes[t.axes.length - 1];
  return t.own.reduce((m, own, i) => (own.includes(axis) ? m : m | (1 << i)), 0);
}

/** Values at 0..DEGREE of the polynomial of lower degree given by its values at 0..m: finite differences. */
function extend(e: readonly Ext[]): Ext[] {
  const out = [...e];
  while (out.length <= DEGREE) {
    const d = e.length,
      last = out.slice(out.length - d);
    // The d-th difference of a polynomial of degree d - 1 vanishes.
    let next: Ext = E.ZERO,
      c = 1n;
    for (let k = 1; k <= d; k++) {
      c = (c * BigInt(d - k + 1)) / BigInt(k);
      const term = E.mulBase(last[d - k], c);
      next = k % 2 ? E.add(next, term) : E.sub(next, term);
    }
    out.push(next);
  }
  return out;
}

/** Lagrange interpolation from values at 0..n. */
function interpolate(e: readonly Ext[], x: Ext): Ext {
  let acc: Ext = E.ZERO;
  for (let i = 0; i < e.length; i++) {
    let num: Ext = e[i],
      den = 1n;
    for (let j = 0; j < e.length; j++)
      if (j !== i) {
        num = E.mul(num, E.sub(x, E.embed(BigInt(j))));
        den *= BigInt(i - j);
      }
    acc = E.add(acc, E.mul(num, E.inv(E.embed(den))));
  }
  return acc;
}
