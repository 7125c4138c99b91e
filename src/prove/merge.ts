import * as E from '../field/ext3.js';
import type { Kernels } from '../kernels/runtime.js';
import type { DetachedClaim } from '../tensor/deferred.js';
import { type Plan, hashOf } from '../tensor/plan.js';
import { type Ext, type MessageHook, ProverChannel, RecordingChannel } from '../transcript/index.js';
import { claimHandles, mergeClaims, mergePreamble, mergeable } from '../recursion/merge.js';

/** Rows into which the stack is cut: the first variables are summed over arrays of this many entries per claim, in plain arithmetic. */
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
 * Proves the merge of `claims` on the stack of signed words at `stack` (relation: verify.ts). The stack is read once per claim and once
 * more; beside it stand two arrays of 2^(n - 7) elements of E.
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
  const start = k.mark(),
    n = plan.frozenVars,
    high = Math.min(ROWS, n - 1),
    low = n - high,
    C = 2 ** low,
    rows = Math.ceil(cells / C);
  const ch = new ProverChannel(mergeSchedule(plan, claims, frozen).schedule, { grinder: k, hash: hashOf(plan), ...(hook ? { hook } : {}) });
  for (const w of mergePreamble(n, frozen, claims)) ch.publicWords(w.label, w.words);
  const gamma = ch.sample('merge gamma'),
    powers: Ext[] = [E.ONE];
  while (powers.length < claims.length) powers.push(E.mul(powers[powers.length - 1], gamma));

  // First variables: per claim eq over rows, and the stack's rows summed against eq of the low variables.
  const eqLow = (z: readonly Ext[]): number => {
    const d = k.alloc(24 * (C + 1));
    k.exports['eqTrunc'](d, k.exts(z), z.length, C, k.alloc(64));
    return d;
  };
  const sides = claims.map((c) => {
    const m = k.mark(),
      f = rowSums(k, stack, cells, C, rows, eqLow(c.point.slice(high))),
      w = eqRows(c.point.slice(0, high));
    while (f.length < w.length) f.push(E.ZERO);
    k.release(m);
    return { f, w };
  });
  const r: Ext[] = [];
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
    ch.sendExt('merge sumcheck', [s0, s2]);
    const x = ch.sample('merge r');
    r.push(x);
    for (const { f, w } of sides)
      for (const a of [f, w]) {
        for (let i = 0; i < half; i++) a[i] = E.add(a[i], E.mul(x, E.sub(a[i + half], a[i])));
        a.length = half;
      }
  }
  // The others: the stack bound at r, and W restricted to it.
  const f = k.zeroed(24 * C);
  bindRows(k, f, stack, cells, C, eqRows(r));
  const w = k.zeroed(24 * C);
  claims.forEach((c, i) => {
    const m = k.mark(),
      t = eqLow(c.point.slice(high)),
      by = k.exts([E.mul(powers[i], sides[i].w[0])]);
    k.parallel('addOuterCells', C, 4096, (lo, hi) => [w, by, t, lo, hi]);
    k.release(m);
  });
  const out = k.alloc(64 * k.threads),
    at = k.alloc(24);
  for (let v = low; v > 0; v--) {
    const half = 2 ** (v - 1);
    k.u8.fill(0, out, out + 64 * k.threads);
    k.parallel('scHalves', half, 1024, (lo, hi, t) => [out + 64 * t, f, 0, w, half, half, lo, hi]);
    let s0: Ext = E.ZERO,
      s2: Ext = E.ZERO;
    for (let t = 0; t < k.threads; t++) {
      s0 = E.add(s0, k.readExt(out + 64 * t));
      s2 = E.add(s2, k.readExt(out + 64 * t + 24));
    }
    ch.sendExt('merge sumcheck', [s0, s2]);
    k.writeExt(at, ch.sample('merge r'));
    k.parallel('foldHalves', half, 1024, (lo, hi) => [f, f, 0, half, half, at, lo, hi]);
    k.parallel('foldHalves', half, 1024, (lo, hi) => [w, w, 0, half, half, at, lo, hi]);
  }
  ch.sendExt('merge value', [k.readExt(f)]);
  k.release(start);
  return ch.words();
}

/** eq(z, i) for all i, first variable most significant. */
function eqRows(z: readonly Ext[]): Ext[] {
  let out: Ext[] = [E.ONE];
  for (const x of z)
    out = out.flatMap((v) => {
      const hi = E.mul(v, x);
      return [E.sub(v, hi), hi];
    });
  return out;
}

/** sum_lo f[row C + lo] e[lo] of every row; the last row may be short. */
function rowSums(k: Kernels, f: number, cells: number, C: number, rows: number, e: number): Ext[] {
  const dst = k.zeroed(24 * rows),
    desc = k.alloc(64),
    idx = k.alloc(64 * k.threads),
    full = Math.floor(cells / C);
  k.i32.set([1, 1, rows, C, C, 1], desc / 4);
  if (full) k.parallel('project', full, 1, (lo, hi, t) => [dst, f, e, desc, idx + 64 * t, 0, C, lo, hi]);
  if (rows > full) k.exports['project'](dst, f, e, desc, idx, 0, cells - full * C, full, rows);
  return k.readExts(dst, rows);
}

/** dst[lo] += sum_row e[row] f[row C + lo]. */
function bindRows(k: Kernels, dst: number, f: number, cells: number, C: number, e: readonly Ext[]): void {
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
