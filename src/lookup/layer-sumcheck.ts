/**
 * Sumcheck of one layer: a + lambda b = sum_y eq(z, y) [n0 d1 + n1 d0 + lambda d0 d1], least significant variable
 * first.
 */
import * as E from '../field/ext3.js';
import { proveRound } from '../sumcheck/prove-round.js';
import { withoutEq } from '../sumcheck/round.js';
import type { Ext } from '../transcript/arith.js';
import type { ProverChannel } from '../transcript/prover.js';
import { PointTables } from './eq.js';
import type { GroupSum, LayerWork } from './group-sum.js';
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
      for (const s of live) if (s.left === 0) singles.add(s.values());
      live = live.filter((s) => s.left > 0);
      const message = roundMessage(w, point, v, live, singles, reserve),
        round = proveRound(ch, { message: `${label} round`, challenge: `${label} r` }, withoutEq(point[v]), now, message);
      r.unshift(round.r);
      now = round.claim;
      w.k.scope(() => {
        const at = w.k.exts([round.r]);
        for (const s of live) s.bind(round.r, at);
      });
      singles.bind(round.r);
    }
    for (const s of live) singles.add(s.values());
  } finally {
    for (const s of groups) s.close();
  }
  return { r, values: singles.last() };
}

/** g(0) and the coefficient of X^2 of the round that binds variable v. Arrays come near where they fit, and stay. */
function roundMessage(
  w: LayerWork,
  point: readonly Ext[],
  v: number,
  live: readonly GroupSum[],
  singles: SinglePairs,
  reserve: number,
): [Ext, Ext] {
  const { k } = w,
    tables = new PointTables(k, point);
  for (const s of live) {
    s.nextAxis();
    s.want(tables, v);
  }
  const missing = live.filter((s) => !s.near),
    fits = missing.reduce((n, s) => n + s.bytes + 4 * 64, tables.bytes + reserve) <= k.room;
  for (const s of missing) if (fits || 4 * s.bytes <= k.far.page) s.settle();
  return k.scope(() => {
    // Pairs of 0/1 are worth lambda each: those that are not here are counted so.
    let [g0, g2] = singles.message(point.slice(0, v));
    g0 = E.add(g0, w.lambda);
    tables.build();
    for (const s of live) {
      const [s0, s2] = k.scope(() => s.message(tables, v));
      g0 = E.add(g0, s0);
      g2 = E.add(g2, s2);
    }
    return [g0, g2];
  });
}
