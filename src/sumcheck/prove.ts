import * as E from '../field/ext3.js';
import { mod } from '../field/goldilocks.js';
import type { FarBlock } from '../kernels/far.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Ext } from '../transcript/arith.js';
import type { ProverChannel } from '../transcript/prover.js';
import { joinTerms } from './join.js';
import { DEGREE, type SumcheckAxis } from './verify.js';

/** An array over some axes (in global order), in all products that it occurs in. */
export interface SumFactor {
  readonly axes: readonly string[];
  /** Integers in kernel memory, read where they lie: distances along the axes in words. */
  readonly words?: { readonly ptr: number; readonly strides: readonly number[] };
  /** Else the address of its elements, row-major, which are only read. Asked for whenever they are used; what it allocates is released after use. */
  readonly make?: () => number;
  /** Bytes that `make` allocates. */
  readonly scratch: number;
}

/** coef * sum over the box of the product of factors (by number); axes in global order, each in some factor. */
export interface SumTerm {
  readonly coef: Ext;
  readonly axes: readonly string[];
  readonly factors: readonly number[];
}

interface Live {
  readonly from: SumFactor;
  axes: readonly string[];
  /** Distances along the axes in cells: elements, or words before the first fold of words. */ strides: number[];
  /** Cells along the last axis. */ len: number;
  /** Folded array, near or far. */ near?: number;
  far?: FarBlock;
}
interface Sum {
  readonly factors: readonly number[];
  axes: readonly string[];
  coef: Ext;
  /** Of the box, without the coefficient. */ sum: Ext;
  /** Values of the round polynomial for the first variable. */ first?: Ext[];
}

/** Words of a kernel's description of a box, and factors of one product. */
const DESC = 256,
  MOST = 16;

const last = <T>(a: readonly T[]): T => a[a.length - 1];

/**
 * Proves sum of all terms = claim. Axes are bound last to first, within an axis the least significant variable first; a term without the
 * variable contributes its value times (1 - X). Returns the points of the axes and the values of the factors there. Every array is folded once for all
 * terms; its first fold goes from its source to half the memory, near while it lasts, then far.
 */
export function proveBatched(
  k: Kernels,
  ch: ProverChannel,
  axes: readonly SumcheckAxis[],
  given: readonly SumFactor[],
  terms: readonly SumTerm[],
): { points: Map<string, Ext[]>; values: Ext[] } {
  const start = k.mark(),
    size = new Map(axes.map((a) => [a.axis, a.size])),
    sizes = (list: readonly string[]): number[] => list.map((a) => size.get(a)!),
    rowMajor = (dims: readonly number[]): number[] => dims.map((_, d) => dims.slice(d + 1).reduce((x, y) => x * y, 1));
  const joined = joinTerms(k, given, terms, size);
  const scratch = k.alloc(1024 * k.threads),
    out = k.alloc(128 * k.threads),
    desc = k.alloc(4 * DESC);
  const live = joined.factors.map(
    (from): Live => ({
      from,
      axes: from.axes,
      strides: from.words ? [...from.words.strides] : rowMajor(sizes(from.axes)),
      len: from.axes.length ? size.get(last(from.axes))! : 1,
    }),
  );
  const list = joined.terms.map((t): Sum => ({ factors: t.factors, axes: t.axes, coef: t.coef, sum: E.ZERO }));
  const reserve = list.reduce((n, t) => Math.max(n, 2 * t.factors.reduce((m, f) => m + live[f].from.scratch, 0)), 2 ** 16);
  const words = (f: Live): boolean => f.from.words !== undefined && f.near === undefined && f.far === undefined;
  /** Address of an array; what it allocates is the caller's to release. */
  const address = (f: Live): number => {
    if (f.near !== undefined) return f.near;
    if (f.far) {
      const p = k.alloc(f.far.bytes);
      k.far.load(f.far, 0, p, f.far.bytes);
      return p;
    }
    return f.from.words ? f.from.words.ptr : f.from.make!();
  };
  const value = (f: Live): Ext => {
    const m = k.mark(),
      p = address(f),
      v: Ext = words(f) ? [mod(k.i64[p / 8]), 0n, 0n] : k.readExt(p);
    k.release(m);
    return v;
  };
  /** Values of a term's round polynomial at 0 .. number of its factors with the current axis; the one at 1 from the sum, if that is known. */
  const evaluate = (t: Sum, known: boolean): Ext[] => {
    const m = k.mark(),
      axis = last(t.axes),
      outer = t.axes.slice(0, -1),
      mine = t.factors.map((f) => live[f]),
      bytes = (f: Live): number => (words(f) ? 8 : 24);
    const inner = mine.filter((f) => last(f.axes) === axis).sort((x, y) => bytes(y) - bytes(x)),
      held = mine.filter((f) => last(f.axes) !== axis);
    if (inner.length === 0 || inner.length > DEGREE) throw new Error(`a product has ${inner.length} factors with axis ${axis}`);
    const len = inner[0].len,
      dims = sizes(outer),
      at = new Map<Live, number>();
    for (const f of mine) if (!at.has(f)) at.set(f, address(f));
    const row = (f: Live, along: number): number[] => [
      at.get(f)!,
      words(f) ? 0 : 1,
      bytes(f) * along,
      ...outer.map((a) => (f.axes.includes(a) ? bytes(f) * f.strides[f.axes.indexOf(a)] : 0)),
    ];
    const box = [
      outer.length,
      len,
      inner.length,
      held.length,
      known ? 0 : 1,
      ...dims,
      ...inner.flatMap((f) => row(f, last(f.strides))),
      ...held.flatMap((f) => row(f, 0)),
    ];
    if (mine.length > MOST || box.length > DESC) throw new Error(`a product of ${mine.length} arrays over ${dims.length + 1} axes`);
    k.u32.set(box, desc / 4);
    k.u8.fill(0, out, out + 128 * k.threads);
    k.parallel('sumRound', Math.ceil(len / 2) * dims.reduce((x, y) => x * y, 1), 512, (lo, hi, th) => [
      out + 128 * th,
      desc,
      scratch + 1024 * th,
      lo,
      hi,
    ]);
    k.release(m);
    const e = Array.from({ length: inner.length + 1 }, (_, x) => {
      let v: Ext = E.ZERO;
      for (let th = 0; th < k.threads; th++) v = E.add(v, k.readExt(out + 128 * th + 24 * x));
      return v;
    });
    if (known) e[1] = E.sub(t.sum, e[0]);
    return e;
  };
  const fold = (f: Live, rp: number): void => {
    const outer = f.axes.slice(0, -1),
      dims = sizes(outer),
      rows = dims.reduce((x, y) => x * y, 1),
      half = Math.ceil(f.len / 2),
      along = last(f.strides);
    if (f.near !== undefined) {
      const a = f.near,
        apart = outer.length ? last(f.strides.slice(0, -1)) : f.len;
      k.parallel('termFold', rows, Math.max(1, Math.floor(1024 / f.len)), (lo, hi, th) => [
        a,
        f.len,
        along,
        apart,
        rp,
        scratch + 1024 * th,
        lo,
        hi,
      ]);
      f.len = half;
      return;
    }
    const bytes = 24 * rows * half,
      cell = words(f) ? 8 : 24,
      stay = bytes + reserve + (f.far?.bytes ?? 0) <= k.room || 4 * bytes <= k.far.page,
      near = stay ? k.alloc(bytes) : undefined,
      m = k.mark(),
      src = address(f),
      dst = near ?? k.alloc(bytes);
    k.u32.set([outer.length, f.len, words(f) ? 0 : 1, cell * along, ...dims, ...f.strides.slice(0, -1).map((x) => cell * x)], desc / 4);
    k.parallel('sumFold', rows * half, 1024, (lo, hi, th) => [dst, src, desc, rp, scratch + 1024 * th, lo, hi]);
    const old = f.far;
    if (near === undefined) {
      f.far = k.far.alloc(bytes);
      k.far.store(f.far, 0, dst, bytes);
    } else {
      f.near = near;
      f.far = undefined;
    }
    if (old) k.far.free(old);
    k.release(m);
    f.strides = rowMajor([...dims, half]);
    f.len = half;
  };
  // The sum over the whole box: the evaluations at 0 and 1 of the last variable, which a box of one column lacks.
  for (const t of list) {
    if (!t.axes.length) {
      t.sum = t.factors.reduce<Ext>((v, f) => E.mul(v, value(live[f])), E.ONE);
      continue;
    }
    t.first = evaluate(t, false);
    t.sum = E.add(t.first[0], t.first[1]);
  }
  const points = new Map<string, Ext[]>(axes.map((a) => [a.axis, []]));
  for (let a = axes.length - 1; a >= 0; a--) {
    const { axis, vars } = axes[a],
      mine = list.filter((t) => last(t.axes) === axis),
      others = list.filter((t) => last(t.axes) !== axis),
      arrays = live.filter((f) => last(f.axes) === axis);
    for (let v = 0; v < vars; v++) {
      const total: Ext[] = Array(DEGREE + 1).fill(E.ZERO),
        rest = others.reduce<Ext>((s, t) => E.add(s, E.mul(t.coef, t.sum)), E.ZERO);
      for (let x = 0; x <= DEGREE; x++) total[x] = E.mulBase(rest, mod(1n - BigInt(x)));
      const polys = mine.map((t) => {
        const e = extend(t.first ?? evaluate(t, true));
        t.first = undefined;
        for (let x = 0; x <= DEGREE; x++) total[x] = E.add(total[x], E.mul(t.coef, e[x]));
        return e;
      });
      ch.sendExt('sumcheck round', [total[0], ...total.slice(2)]);
      const r = ch.sample('sumcheck r'),
        rp = k.alloc(24),
        c = E.sub(E.ONE, r);
      points.get(axis)!.unshift(r);
      k.writeExt(rp, r);
      for (const t of others) t.coef = E.mul(t.coef, c);
      const weights = lagrange(r);
      mine.forEach((t, i) => {
        t.sum = polys[i].reduce<Ext>((s, e, x) => E.add(s, E.mul(e, weights[x])), E.ZERO);
      });
      for (const f of arrays) fold(f, rp);
    }
    for (const t of mine) {
      t.first = undefined;
      t.axes = t.axes.slice(0, -1);
    }
    for (const f of arrays) {
      if (f.len !== 1) throw new Error('axis order');
      f.axes = f.axes.slice(0, -1);
      f.strides = f.strides.slice(0, -1);
      f.len = f.axes.length ? size.get(last(f.axes))! : 1;
    }
  }
  const values = given.map((_, i) => value(live[i]));
  for (const f of live) if (f.far) k.far.free(f.far);
  k.release(start);
  return { points, values };
}

/** Values at 0..DEGREE of the polynomial of lower degree given by its values at 0..m: finite differences. */
function extend(e: readonly Ext[]): Ext[] {
  const out = [...e];
  while (out.length <= DEGREE) {
    const d = e.length,
      past = out.slice(out.length - d);
    // The d-th difference of a polynomial of degree d - 1 vanishes.
    let next: Ext = E.ZERO,
      c = 1n;
    for (let k = 1; k <= d; k++) {
      c = (c * BigInt(d - k + 1)) / BigInt(k);
      const term = E.mulBase(past[d - k], c);
      next = k % 2 ? E.add(next, term) : E.sub(next, term);
    }
    out.push(next);
  }
  return out;
}

/** Weights of the values at 0..DEGREE in the value at x of the polynomial through them. */
function lagrange(x: Ext): Ext[] {
  return Array.from({ length: DEGREE + 1 }, (_, i) => {
    let num: Ext = E.ONE,
      den = 1n;
    for (let j = 0; j <= DEGREE; j++)
      if (j !== i) {
        num = E.mul(num, E.sub(x, E.embed(BigInt(j))));
        den *= BigInt(i - j);
      }
    return E.mul(num, E.inv(E.embed(den)));
  });
}
