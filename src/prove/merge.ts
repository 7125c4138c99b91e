import * as E from '../field/ext3.js';
import type { Kernels } from '../kernels/runtime.js';
import { eqTableAt } from '../device/cpu-opening.js';
import { columnWeights } from '../pcs/prove-queries.js';
import { MERGE_ROUND, claimHandles, mergeClaims, mergePreamble, mergeable } from '../recursion/merge.js';
import { elements } from '../device/batches.js';
import { ProductSumcheck } from '../sumcheck/product.js';
import { proveRound } from '../sumcheck/prove-round.js';
import { quadratic } from '../sumcheck/round.js';
import type { DetachedClaim } from '../tensor/deferred.js';
import { type Plan, hashOf } from '../tensor/plan.js';
import type { Ext } from '../transcript/arith.js';
import { RecordingChannel } from '../transcript/schedule.js';
import { type MessageHook, ProverChannel } from '../transcript/prover.js';

/**
 * Rows into which the stack is cut: the first variables are summed over arrays of this many entries per claim, in plain
 * arithmetic.
 */
const ROWS = 7;

/** Schedule of a merge of that many claims: its length in words follows from the shape. */
export function mergeSchedule(
  plan: Pick<Plan, 'frozenVars'>,
  claims: readonly DetachedClaim[],
  frozen: readonly bigint[],
): RecordingChannel {
  const rec = new RecordingChannel();
  mergeClaims(
    rec,
    plan.frozenVars,
    frozen.map((w) => rec.constant(w)),
    claimHandles(rec, claims),
  );
  return rec;
}

/**
 * Proves the merge of `claims` on the stack of signed words at `stack` (relation: verify.ts). The stack is read once
 * per claim and once more; beside it stand two arrays of 2^(n - 7) elements of E.
 */
export function proveMerge(
  k: Kernels,
  plan: Pick<Plan, 'frozenVars'> & Partial<Pick<Plan, 'options'>>,
  frozen: readonly bigint[],
  claims: readonly DetachedClaim[],
  stack: number,
  cells: number,
  hook?: MessageHook,
): BigUint64Array {
  mergeable(plan, claims);
  const ch = new ProverChannel(mergeSchedule(plan, claims, frozen).schedule, { grinder: k, hash: hashOf(plan), ...(hook ? { hook } : {}) });
  for (const w of mergePreamble(plan.frozenVars, frozen, claims)) ch.publicWords(w.label, w.words);
  const gamma = ch.sample('merge gamma'),
    powers: Ext[] = [E.ONE];
  while (powers.length < claims.length) powers.push(E.mul(powers[powers.length - 1], gamma));
  k.scope(() => {
    const high = Math.min(ROWS, plan.frozenVars - 1),
      low = plan.frozenVars - high,
      cut = { ptr: stack, cells, columns: 2 ** low },
      sum = claims.reduce<Ext>((s, c, i) => E.add(s, E.mul(powers[i], c.value)), E.ZERO),
      first = bindFirst(k, ch, cut, claims, powers, high, sum),
      value = bindRest(k, ch, cut, claims, first, high, low);
    ch.sendExt('merge value', [value]);
  });
  return ch.words();
}

/** A stack of signed words as rows of so many columns. */
interface Cut {
  readonly ptr: number;
  readonly cells: number;
  readonly columns: number;
}

/**
 * What the first variables leave: the challenges, the claim, and for every claim its power times eq of its point there.
 */
interface First {
  readonly r: readonly Ext[];
  readonly claim: Ext;
  readonly weights: readonly Ext[];
}

/**
 * Rounds of the first variables: per claim eq over rows, and the stack's rows summed against eq of the low variables.
 */
function bindFirst(
  k: Kernels,
  ch: ProverChannel,
  cut: Cut,
  claims: readonly DetachedClaim[],
  powers: readonly Ext[],
  high: number,
  sum: Ext,
): First {
  const sides = claims.map((c) => {
    const f = k.scope(() => rowSums(k, cut, eqTableAt(k, c.point.slice(high), cut.columns))),
      w = columnWeights(c.point.slice(0, high));
    while (f.length < w.length) f.push(E.ZERO);
    return { f, w };
  });
  const r: Ext[] = [];
  let claim = sum;
  for (let v = high; v > 0; v--) {
    const half = 2 ** (v - 1);
    let s0: Ext = E.ZERO,
      s2: Ext = E.ZERO;
    sides.forEach(({ f, w }, c) => {
      let a: Ext = E.ZERO,
        b: Ext = E.ZERO;
      for (let i = 0; i < half; i++) {
        a = E.add(a, E.mul(f[i], w[i]));
        b = E.add(b, E.mul(E.sub(f[i + half], f[i]), E.sub(w[i + half], w[i])));
      }
      s0 = E.add(s0, E.mul(powers[c], a));
      s2 = E.add(s2, E.mul(powers[c], b));
    });
    const round = proveRound(ch, MERGE_ROUND, quadratic(), claim, [s0, s2]);
    r.push(round.r);
    claim = round.claim;
    for (const { f, w } of sides)
      for (const a of [f, w]) {
        for (let i = 0; i < half; i++) a[i] = E.add(a[i], E.mul(round.r, E.sub(a[i + half], a[i])));
        a.length = half;
      }
  }
  return { r, claim, weights: sides.map(({ w }, i) => E.mul(powers[i], w[0])) };
}

/**
 * Rounds of the other variables: the stack bound at the first challenges, and the joint weights restricted to them.
 * Returns the stack's value.
 */
function bindRest(k: Kernels, ch: ProverChannel, cut: Cut, claims: readonly DetachedClaim[], first: First, high: number, low: number): Ext {
  const length = cut.columns,
    f = k.zeroed(24 * length),
    w = k.zeroed(24 * length);
  k.scope(() => bindRows(k, f, cut, columnWeights(first.r)));
  claims.forEach((c, i) =>
    k.scope(() => {
      const t = eqTableAt(k, c.point.slice(high), length),
        by = k.exts([first.weights[i]]);
      k.parallel('addOuterCells', length, 4096, (lo, hi) => [w, by, t, lo, hi]);
    }),
  );
  const sum = new ProductSumcheck(k, { length, ptr: f, ext: true }, { length, ptr: w }, low);
  let { claim } = first;
  for (let v = 0; v < low; v++) {
    const round = proveRound(ch, MERGE_ROUND, quadratic(), claim, sum.message());
    claim = round.claim;
    sum.bind(round.r);
  }
  return elements(sum.device.get(sum.near().f))[0];
}

/** sum_lo f[row C + lo] e[lo] of every row; the last row may be short. */
function rowSums(k: Kernels, { ptr: f, cells, columns: C }: Cut, e: number): Ext[] {
  const rows = Math.ceil(cells / C),
    dst = k.zeroed(24 * rows),
    desc = k.alloc(64),
    idx = k.alloc(64 * k.threads),
    full = Math.floor(cells / C);
  k.i32.set([1, 1, rows, C, C, 1], desc / 4);
  if (full) k.parallel('project', full, 1, (lo, hi, t) => [dst, f, e, desc, idx + 64 * t, 0, C, lo, hi]);
  if (rows > full) k.exports['project'](dst, f, e, desc, idx, 0, cells - full * C, full, rows);
  return k.readExts(dst, rows);
}

/** dst[lo] += sum_row e[row] f[row C + lo]. */
function bindRows(k: Kernels, dst: number, { ptr: f, cells, columns: C }: Cut, e: readonly Ext[]): void {
  const w = k.exts(e),
    desc = k.alloc(64),
    idx = k.alloc(64 * k.threads),
    full = Math.floor(cells / C),
    rest = cells - full * C;
  k.i32.set([1, 1, C, 1, full, C], desc / 4);
  if (full) k.parallel('project', C, 1024, (lo, hi, t) => [dst, f, w, desc, idx + 64 * t, 0, full, lo, hi]);
  if (!rest) return;
  const last = k.alloc(64);
  k.i32.set([1, 1, C, 1, 1, C], last / 4);
  k.parallel('project', rest, 1024, (lo, hi, t) => [dst, f + 8 * C * full, w + 24 * full, last, idx + 64 * t, 0, 1, lo, hi]);
}
