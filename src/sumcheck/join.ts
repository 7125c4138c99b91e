import { elements, together } from '../device/batches.js';
import type { Device, Picked } from '../device/device.js';
import * as E from '../field/ext3.js';
import { mod } from '../field/goldilocks.js';
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
  d: Device,
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
  const all = [...factors],
    several = [...groups.values()].filter((list) => list.length > 1),
    values = read(
      d,
      several.flatMap((list) => list.map(({ factor }) => factors[factor])),
      size,
    );
  for (const list of groups.values()) if (list.length === 1) alone.push(list[0].term);
  let at = 0;
  for (const list of several) {
    const { term, factor } = list[0],
      { axes } = factors[factor],
      sum: Ext[] = Array<Ext>(cells(axes)).fill(E.ZERO);
    for (const { term: t } of list)
      values[at++].forEach((v, c) => {
        sum[c] = E.add(sum[c], E.mul(t.coef, v));
      });
    const vec = d.vector(3 * sum.length);
    d.put(vec, new Uint8Array(BigUint64Array.from(sum.flat()).buffer));
    all.push({ axes, make: () => vec, scratch: 0 });
    alone.push({ coef: E.ONE, axes: term.axes, factors: [...term.factors.filter((f) => f !== factor), all.length - 1] });
  }
  return { factors: all, terms: alone };
}

/** Elements of small arrays, row-major. */
function read(d: Device, list: readonly SumFactor[], size: ReadonlyMap<string, number>): Ext[][] {
  return together(d, list).flatMap((some) =>
    d.scope(() => {
      const parts = some.map(({ axes, words, make }): Picked => {
        const dims = axes.map((a) => size.get(a)!),
          n = dims.reduce((x, y) => x * y, 1);
        if (!words) return { from: make!(), at: Uint32Array.from({ length: 3 * n }, (_, i) => i) };
        return { from: words.vec, at: Uint32Array.from({ length: n }, (_, c) => placeOf(c, dims, words.strides)) };
      });
      return d
        .pick(parts)
        .map((got, i) => (some[i].words ? Array.from(got, (x): Ext => [mod(BigInt.asIntN(64, x)), 0n, 0n]) : elements(got)));
    }),
  );
}

/** Where cell c of a box lies. */
function placeOf(c: number, dims: readonly number[], strides: readonly number[]): number {
  let at = 0,
    rest = c;
  for (let i = dims.length - 1; i >= 0; i--) {
    at += (rest % dims[i]) * strides[i];
    rest = Math.floor(rest / dims[i]);
  }
  return at;
}
