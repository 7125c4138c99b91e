import { deviceOf } from '../device/current.js';
import * as E from '../field/ext3.js';
import { mod } from '../field/goldilocks.js';
import { lagrangeScales } from '../field/lagrange.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Ext } from '../transcript/arith.js';
import type { ProverChannel } from '../transcript/prover.js';
import { joinTerms } from './join.js';
import { Boxes, LiveArray, LiveTerm, begin, foldAll, last, polynomials, valuesOf } from './live.js';
import { proveRound } from './prove-round.js';
import { byValues } from './round.js';
import type { SumFactor, SumTerm } from './terms.js';
import { ROUND, type SumcheckAxis } from './verify.js';

/**
 * Proves sum of all terms = claim. Axes are bound last to first, within an axis the least significant variable first; a
 * term without the variable contributes its value times (1 - X). Returns the points of the axes and the values of the
 * factors there. Every array is folded once for all terms; its first fold goes from its source to half the memory, near
 * while it lasts, then far: near is the memory of the device on which the proof is made.
 */
export function proveBatched(
  k: Kernels,
  ch: ProverChannel,
  axes: readonly SumcheckAxis[],
  given: readonly SumFactor[],
  terms: readonly SumTerm[],
): { points: Map<string, Ext[]>; values: Ext[] } {
  const d = deviceOf(k, ch.hash);
  return d.scope(() => {
    const joined = joinTerms(d, given, terms, new Map(axes.map((a) => [a.axis, a.size]))),
      boxes = new Boxes(d, k.far, axes),
      arrays = joined.factors.map((f) => new LiveArray(boxes, f));
    boxes.reserve = joined.terms.reduce(
      (n, t) => Math.max(n, 2 * t.factors.reduce((m, f) => m + arrays[f].from.scratch, 0)),
      boxes.reserve,
    );
    try {
      const list = joined.terms.map(
          (t) =>
            new LiveTerm(
              boxes,
              t,
              t.factors.map((f) => arrays[f]),
            ),
        ),
        points = new Map<string, Ext[]>(axes.map((a) => [a.axis, []]));
      begin(boxes, list);
      let claim = list.reduce<Ext>((s, t) => E.add(s, E.mul(t.coef, t.sum)), E.ZERO);
      for (const axis of [...axes].reverse()) claim = bindAxis(boxes, ch, axis, list, arrays, claim, points.get(axis.axis)!);
      return { points, values: valuesOf(d, arrays.slice(0, given.length)) };
    } finally {
      for (const f of arrays) f.close();
    }
  });
}

/** The rounds of one axis; challenges are put in front of `point`. Returns the claim that is left. */
function bindAxis(
  boxes: Boxes,
  ch: ProverChannel,
  { axis, vars, degree }: SumcheckAxis,
  terms: readonly LiveTerm[],
  all: readonly LiveArray[],
  claim: Ext,
  point: Ext[],
): Ext {
  const mine = terms.filter((t) => last(t.axes) === axis),
    others = terms.filter((t) => last(t.axes) !== axis),
    arrays = all.filter((f) => last(f.axes) === axis),
    form = byValues<Ext>(degree);
  let now = claim;
  for (let v = 0; v < vars; v++) {
    const total = constants(others, degree),
      values = polynomials(boxes, mine).map((p, i) => {
        const e = extend(p, degree);
        for (let x = 0; x <= degree; x++) total[x] = E.add(total[x], E.mul(mine[i].coef, e[x]));
        return e;
      });
    const round = proveRound(ch, ROUND, form, now, [total[0], ...total.slice(2)]),
      rest = E.sub(E.ONE, round.r),
      weights = lagrange(round.r, degree);
    now = round.claim;
    point.unshift(round.r);
    for (const t of others) t.coef = E.mul(t.coef, rest);
    mine.forEach((t, i) => {
      t.sum = values[i].reduce<Ext>((s, e, x) => E.add(s, E.mul(e, weights[x])), E.ZERO);
    });
    foldAll(boxes, arrays, round.r);
  }
  for (const x of [...mine, ...arrays]) x.nextAxis();
  return now;
}

/** Values at 0..degree of what terms without the variable contribute: their sum times 1 - X. */
function constants(others: readonly LiveTerm[], degree: number): Ext[] {
  const rest = others.reduce<Ext>((s, t) => E.add(s, E.mul(t.coef, t.sum)), E.ZERO);
  return Array.from({ length: degree + 1 }, (_, x) => E.mulBase(rest, mod(1n - BigInt(x))));
}

/** Values at 0..degree of the polynomial of lower degree given by its values at 0..m: finite differences. */
function extend(e: readonly Ext[], degree: number): Ext[] {
  const out = [...e];
  while (out.length <= degree) {
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

/** Weights of the values at 0..degree in the value at x of the polynomial through them. */
function lagrange(x: Ext, degree: number): Ext[] {
  return lagrangeScales(degree).map((scale, i) => {
    let num: Ext = E.embed(scale);
    for (let j = 0; j <= degree; j++) if (j !== i) num = E.mul(num, E.sub(x, E.embed(BigInt(j))));
    return num;
  });
}
