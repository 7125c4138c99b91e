import * as E from '../field/ext3.js';
import { mod } from '../field/goldilocks.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Ext } from '../transcript/arith.js';
import type { SumFactor, SumTerm } from './terms.js';

/** A box of so many cells per cell of the factor that differs, and at least so many cells, is worth joining. */
const RATIO = 64,
  LEAST = 2 ** 14;

/**
 * Terms over one large box that differ in one small factor alone become one: by linearity the combination of these
 * factors stands for them. The factors given keep their numbers, combinations follow.
 */
export function joinTerms(
  k: Kernels,
  factors: readonly SumFactor[],
  terms: readonly SumTerm[],
  size: ReadonlyMap<string, number>,
): { factors: readonly SumFactor[]; terms: readonly SumTerm[] } {
  const cells = (axes: readonly string[]): number => axes.reduce((n, a) => n * size.get(a)!, 1);
  const groups = new Map<string, { term: SumTerm; factor: number }[]>(),
    alone: SumTerm[] = [];
  // The first factor of a term by which it meets another decides.
  const keys = terms.map((t) => {
    const n = cells(t.axes);
    if (n < LEAST) return [];
    return t.factors.flatMap((f, i) => {
      const own = factors[f].axes;
      if (!own.length || cells(own) * RATIO > n) return [];
      const rest = t.factors.filter((_, j) => j !== i).sort((x, y) => x - y);
      return [{ key: [t.axes.join(), own.join(), rest.join()].join(';'), factor: f }];
    });
  });
  const count = new Map<string, number>();
  for (const list of keys) for (const { key } of list) count.set(key, (count.get(key) ?? 0) + 1);
  terms.forEach((term, i) => {
    const meet = keys[i].find(({ key }) => count.get(key)! > 1);
    if (!meet) {
      alone.push(term);
      return;
    }
    groups.set(meet.key, [...(groups.get(meet.key) ?? []), { term, factor: meet.factor }]);
  });
  const all = [...factors];
  for (const list of groups.values()) {
    if (list.length === 1) {
      alone.push(list[0].term);
      continue;
    }
    const { term, factor } = list[0],
      { axes } = factors[factor],
      sum: Ext[] = Array<Ext>(cells(axes)).fill(E.ZERO);
    for (const { term: t, factor: f } of list)
      read(
        k,
        factors[f],
        axes.map((a) => size.get(a)!),
      ).forEach((v, c) => {
        sum[c] = E.add(sum[c], E.mul(t.coef, v));
      });
    const ptr = k.exts(sum);
    all.push({ axes, make: () => ptr, scratch: 0 });
    alone.push({ coef: E.ONE, axes: term.axes, factors: [...term.factors.filter((f) => f !== factor), all.length - 1] });
  }
  return { factors: all, terms: alone };
}

/** Elements of a small array, row-major. */
function read(k: Kernels, f: SumFactor, dims: readonly number[]): Ext[] {
  const n = dims.reduce((x, y) => x * y, 1),
    { words } = f;
  if (!words) return k.scope(() => k.readExts(f.make!(), n));
  return Array.from({ length: n }, (_, c) => {
    let at = words.ptr / 8,
      rest = c;
    for (let d = dims.length - 1; d >= 0; d--) {
      at += (rest % dims[d]) * words.strides[d];
      rest = Math.floor(rest / dims[d]);
    }
    return [mod(k.i64[at]), 0n, 0n];
  });
}
