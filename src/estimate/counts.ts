import { varsOf } from '../lookup/shape.js';
import { type WhirShape, groupCells, usedColumns } from '../pcs/params.js';
import { contractedAxes } from '../tensor/bounds.js';
import type { Factor, Plan } from '../tensor/plan.js';
import { scheduleOf } from '../tensor/schedule.js';
import { blankStatement } from '../tensor/dry-run.js';
import type { StateName } from '../tensor/state-layout.js';
import type { Expr, Program } from '../tensor/types.js';
import { verifyProgram } from '../tensor/verify.js';
import { RecordingChannel, scheduleWords } from '../transcript/schedule.js';

export { blankStatement };

/** Work of one program proof, in units whose times calibrate.ts measures. Everything follows from the plan. */
export interface Counts {
  /** Multiply-adds and cells of the integer reading; multiply-adds and cells of the lookups' keys. */
  readonly readingMacs: number;
  readonly readingCells: number;
  readonly readingCalls: number;
  readonly keyMacs: number;
  readonly keyCells: number;
  /** Poseidon2 permutations of all Merkle trees, weighted by the encoding that goes with them. */
  readonly hashes: number;
  /**
   * Of these, the trees of states entered: adapter and optimiser, accumulators. A prover who has just left them has
   * them (StateTrees).
   */
  readonly entered: { readonly s: number; readonly a: number };
  /** Leaves of lookups, leaves of tables, layers of LogUp. */
  readonly lookupLeaves: number;
  readonly tableLeaves: number;
  readonly layers: number;
  /** Cells read by projections, cells times factors of the batched sumcheck, its rounds times terms. */
  readonly projected: number;
  readonly termCells: number;
  readonly termRounds: number;
  /** Cells of weights of claims. */
  readonly weights: number;
  /** Cells of opened stacks and of the frozen reduction. */
  readonly opened: number;
  /** Searches for a nonce of 2^grinding permutations. */
  readonly grinds: number;
  readonly grinding: number;
  /** Verifier: permutations and multiplications. */
  readonly permutations: number;
  readonly multiplications: number;
  /** Words of the proof. */
  readonly words: number;
}

const size = (p: Program, axes: readonly string[]): number => axes.reduce((n, a) => n * p.axes[a], 1);

/** Multiply-adds of an expression over a box: one-hot operands select, so their vocabulary axis costs nothing. */
function macs(p: Program, axes: readonly string[], e: Expr): number {
  const hot = new Map(p.tensors.filter((t) => t.publicKind === 'onehot').map((t) => [t.name, t.axes[0]]));
  return e.terms.reduce((s, t) => {
    const all = new Set([...axes, ...contractedAxes(axes, t)]);
    for (const o of t.operands) {
      const v = hot.get(o.tensor);
      if (v !== undefined) all.delete(v);
    }
    return s + size(p, [...all]);
  }, 0);
}

const factorCells = (f: Factor): number => f.slots.reduce((n, s) => n * (s.kind === 'index' ? 1 : s.size), 1);

/** Share of encoding in the time of committing at a domain of 2^15; it grows with the logarithm of the domain. */
const ENCODING = 0.25;

export function treeHashes(words: number, log: number): number {
  const m = 2 ** log;
  return m * (Math.ceil(words / 8) * (1 - ENCODING + (ENCODING * log) / 15) + 1);
}
/** Trees of an opening beyond those of the commitment. */
export const openingHashes = (s: WhirShape): number => s.rounds.reduce((n, r) => n + treeHashes(3 * r.used, r.domain), 0);

export function countPlan(plan: Plan): Counts {
  const p = plan.program,
    st = blankStatement(plan),
    rec = new RecordingChannel();
  verifyProgram(rec, plan, st);
  const exprs = (s: Program['steps'][number]): Expr[] =>
    Object.values(s).flatMap((v) => (v && typeof v === 'object' && 'terms' in v && 'constant' in v ? [v as Expr] : []));
  const lookups = [...plan.boxOf.keys()].map((j) => p.constraints[j]);
  const own = plan.factors.filter((f) => f.tensor.cls !== 'public');
  const perTensor = new Map<string, number>();
  for (const f of own) perTensor.set(f.tensor.name, (perTensor.get(f.tensor.name) ?? 1.5) + 1);
  const { groups, rounds } = plan.whir,
    hashes = groups.reduce((n, g) => n + g.trees.reduce((m, t) => m + treeHashes(usedColumns(t), g.domain), 0), openingHashes(plan.whir)),
    opened = groups.reduce((n, g) => n + groupCells(g), 0);
  const frozen = plan.layouts.get('frozen')?.cells ?? 0,
    tree = (name: StateName): number => {
      const n = plan.states.findIndex((t) => t.name === name);
      return n < 0 ? 0 : treeHashes(usedColumns(groups[1].trees[n]), groups[1].domain);
    };
  return {
    readingMacs: p.steps.reduce((n, s) => n + exprs(s).reduce((m, e) => m + macs(p, s.axes, e), 0), 0),
    // Every tensor is filled once, every step's box written once.
    readingCells:
      p.steps.reduce((n, s) => n + size(p, s.axes), 0) +
      p.tensors.reduce((n, t) => n + (t.publicKind === 'onehot' ? 0 : size(p, t.axes)), 0),
    readingCalls: p.steps.reduce(
      (n, s) => n + exprs(s).reduce((m, e) => m + 1 + e.terms.length, 1) * (s.phase === 'fwd' || s.phase === 'bwd' ? p.axes[p.scan] : 1),
      0,
    ),
    keyMacs: lookups.reduce(
      (n, c) =>
        n + (c.kind === 'lookup' ? c.exprs.slice(0, 1) : c.kind === 'range' ? [c.expr] : []).reduce((m, e) => m + macs(p, c.axes, e), 0),
      0,
    ),
    keyCells: lookups.reduce((n, c) => n + size(p, c.axes), 0),
    hashes,
    entered: { s: tree('sIn'), a: tree('aIn') },
    lookupLeaves: plan.lookups.reduce((n, j) => n + size(p, p.constraints[j].axes), 0),
    tableLeaves: plan.tables.reduce((n, t) => n + t.size, 0),
    layers: plan.logup.vars,
    projected: plan.factors.reduce((n, f) => n + factorCells(f), 0),
    termCells: plan.terms.reduce((n, t) => n + size(p, t.axes) * (t.factors.length + (t.shared.length ? 1 : 0)), 0),
    termRounds: plan.terms.reduce((n, t) => n + t.axes.reduce((m, a) => m + varsOf(p.axes[a]), 0), 0),
    weights: [...perTensor].reduce(
      (n, [name, times]) => n + times * size(plan.extended, plan.extended.tensors.find((t) => t.name === name)!.axes),
      0,
    ),
    opened: opened + frozen,
    grinds: rounds.length + 1,
    grinding: plan.whir.params.grinding,
    permutations: rec.permutations,
    multiplications: rec.muls,
    words: scheduleWords(scheduleOf(plan, st)),
  };
}
