/**
 * Sumcheck of one layer: a + lambda b = sum_y eq(z, y) [n0 d1 + n1 d0 + lambda d0 d1], least significant variable
 * first.
 */
import { elements, together } from '../device/batches.js';
import type { Picked } from '../device/device.js';
import * as E from '../field/ext3.js';
import { proveRound } from '../sumcheck/prove-round.js';
import { withoutEq } from '../sumcheck/round.js';
import type { Ext } from '../transcript/arith.js';
import type { ProverChannel } from '../transcript/prover.js';
import { PointTables } from './eq.js';
import { type GroupSum, type LayerWork, ROUND_WORDS, bindAll, ended, roundSums, settle } from './group-sum.js';
import type { Quad, SinglePairs } from './singles.js';

/**
 * Proves a layer's claim at `point` for these groups and single pairs; returns the challenges and the values that are
 * left. `reserve`: bytes that work on arrays which are not near needs. Memory is the caller's to release, but for far
 * memory.
 */
export function proveLayer(
  w: LayerWork,
  ch: ProverChannel,
  label: string,
  point: readonly Ext[],
  claim: Ext,
  groups: readonly GroupSum[],
  singles: SinglePairs,
  reserve: number,
): { r: Ext[]; values: Quad } {
  const r: Ext[] = [];
  let live = groups,
    now = claim;
  try {
    for (let v = point.length - 1; v >= 0; v--) {
      // Groups reduced to one pair a member join the singles.
      const done = live.filter((s) => s.left === 0);
      live = live.filter((s) => s.left > 0);
      const message = roundMessage(w, point, v, live, readApart(w, done, singles), singles, reserve),
        round = proveRound(ch, { message: `${label} round`, challenge: `${label} r` }, withoutEq(point[v]), now, message);
      r.unshift(round.r);
      now = round.claim;
      bindAll(w, live, round.r);
      singles.bind(round.r);
    }
    w.d.scope(() => read(w, readApart(w, live, singles), [], singles));
  } finally {
    for (const s of groups) s.close();
  }
  return { r, values: singles.last() };
}

/**
 * Reads these parts, and beside them the pairs of groups that end, which join the singles: in one transfer. Allocates
 * in the caller's scope.
 */
function read(w: LayerWork, done: readonly GroupSum[], parts: readonly Picked[], singles: SinglePairs): BigUint64Array[] {
  if (done.length + parts.length === 0) return [];
  const ends = ended(w, done),
    got = w.d.pick([...parts, ...ends.flatMap((e) => e.places)]);
  let at = parts.length;
  for (const { s, places } of ends) {
    singles.add(s.values(got.slice(at, at + places.length)));
    at += places.length;
    s.close();
  }
  return got.slice(0, parts.length);
}

/** Where memory is for the work of one group, those that are not near are read by themselves; the others are left. */
function readApart(w: LayerWork, done: readonly GroupSum[], singles: SinglePairs): readonly GroupSum[] {
  if (w.d.together > 1) return done;
  const near = done.filter((s) => s.near);
  for (const s of done) if (!s.near) w.d.scope(() => read(w, [s], [], singles));
  return near;
}

/** g(0) and the coefficient of X^2 of the round that binds variable v. Arrays come near where they fit, and stay. */
function roundMessage(
  w: LayerWork,
  point: readonly Ext[],
  v: number,
  live: readonly GroupSum[],
  done: readonly GroupSum[],
  singles: SinglePairs,
  reserve: number,
): [Ext, Ext] {
  const { d } = w,
    tables = new PointTables(d, point);
  for (const s of live) {
    s.nextAxis();
    s.want(tables, v);
  }
  const missing = live.filter((s) => !s.near),
    fits = missing.reduce((n, s) => n + s.bytes + 4 * 64, tables.bytes + reserve) <= d.room;
  for (const some of together(d, fits ? missing : missing.filter((s) => 4 * s.bytes <= w.far.page))) settle(w, some);
  return d.scope(() => {
    // Pairs of 0/1 are worth lambda each: those that are not here are counted so.
    let g0 = w.lambda,
      g2 = E.ZERO;
    tables.build();
    const parts = together(d, live),
      sums = d.vector(ROUND_WORDS * parts.length),
      of = parts.map((some, i) => d.scope(() => roundSums(w, some, tables, v, d.slice(sums, ROUND_WORDS * i, ROUND_WORDS)))),
      words = (i: number, from: number): Picked => ({
        from: sums,
        at: Uint32Array.from({ length: 6 }, (_, j) => ROUND_WORDS * i + from + j),
      }),
      fractions = of.flatMap((x, i) => (x.fractions ? [words(i, 0)] : [])),
      leaves = of.flatMap((x, i) => (x.leaves ? [words(i, 6)] : [])),
      got = read(w, done, [...fractions, ...leaves], singles).map(elements);
    got.forEach(([a, b], i) => {
      const scale = (x: Ext): Ext => (i < fractions.length ? x : E.mul(w.invLambda, x));
      g0 = E.add(g0, scale(a));
      g2 = E.add(g2, scale(b));
    });
    for (const { rest } of of)
      for (const [a, b] of rest) {
        g0 = E.add(g0, a);
        g2 = E.add(g2, b);
      }
    const [a, b] = singles.message(point.slice(0, v));
    return [E.add(g0, a), E.add(g2, b)];
  });
}
