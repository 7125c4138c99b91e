import { varsOf } from '../lookup/shape.js';
import { SECOND_CODEWORD, openBytes } from '../pcs/commit.js';
import { type WhirGroup, type WhirShape, groupCells, leafWords, usedColumns } from '../pcs/params.js';
import { contractedAxes } from '../tensor/bounds.js';
import { type Factor, type Plan, keyGroup, stateGroup } from '../tensor/plan.js';
import { scheduleOf } from '../tensor/schedule.js';
import { blankStatement } from '../tensor/dry-run.js';
import type { StateName } from '../tensor/state-layout.js';
import type { Expr, Program } from '../tensor/types.js';
import { verifyHiding } from '../tensor/verify-hiding.js';
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
  /** Trees of witness and states; those of the opening, and encoding again what it opens. */
  readonly trees: TreeWork;
  readonly openingTrees: TreeWork;
  /**
   * Of these, the trees of states entered: adapter and optimiser, accumulators. A prover who has just left them has
   * them (StateTrees).
   */
  readonly entered: { readonly s: TreeWork; readonly a: TreeWork };
  /** Leaves of lookups, leaves of tables, layers of LogUp, and layers of all its boxes together. */
  readonly lookupLeaves: number;
  readonly tableLeaves: number;
  readonly layers: number;
  readonly boxes: number;
  /**
   * Cells read by projections, cells times factors of the batched sumcheck, cells of its seventh powers, its rounds
   * times terms.
   */
  readonly projected: number;
  readonly termCells: number;
  readonly seventhCells: number;
  readonly termRounds: number;
  /** Cells of weights of claims. */
  readonly weights: number;
  /** Cells of opened stacks and of the frozen reduction. */
  readonly opened: number;
  /** Searches for a nonce of 2^grinding hashes. */
  readonly grinds: number;
  readonly grinding: number;
  /** Bytes of the witness that a proof which hides it digests. */ readonly digested: number;
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

/** Work of committing to columns: hashes of rows and of the levels above them, and what is encoded. */
export interface TreeWork {
  readonly hashes: number;
  /** Words of codewords, times the variables of their columns. */ readonly encoded: number;
}
const NO_WORK: TreeWork = { hashes: 0, encoded: 0 };
const added = (a: TreeWork, b: TreeWork, times = 1): TreeWork => ({
  hashes: a.hashes + times * b.hashes,
  encoded: a.encoded + times * b.encoded,
});

/** Encoding rows of so many words of columns of 2^height cells, and their tree. */
export const treeWork = (words: number, height: number, domain: number): TreeWork => ({
  hashes: 2 ** domain * (Math.ceil(words / 8) + 1),
  encoded: 2 ** domain * words * height,
});
/** Of the trees of a group; `made`: how often they are hashed, and encoded where the codeword is not kept. */
export const groupWork = (g: WhirGroup, made: { readonly hashed: number; readonly encoded: number }): TreeWork =>
  g.trees.reduce((n, t) => {
    const w = treeWork(leafWords(g, t), g.logHeight, g.domain);
    return { hashes: n.hashes + made.hashed * w.hashes, encoded: n.encoded + made.encoded * w.encoded };
  }, NO_WORK);
/** Trees of an opening beyond those of the commitment. */
export const openingWork = (s: WhirShape): TreeWork =>
  s.rounds.reduce((n, r) => {
    const w = treeWork(3 * r.used, r.rows, r.domain);
    // Opened again, where it is too long to be kept.
    return added(n, { ...w, encoded: 2 ** r.domain * 24 * r.used > SECOND_CODEWORD ? 2 * w.encoded : w.encoded });
  }, NO_WORK);

/** Near memory of the kernels, which a codeword stays in from its commitment to its opening where there is room. */
const NEAR = 4 * 2 ** 30 - 65536;

/** Whether the witness's codeword is kept: as the prover decides it (prove.ts). */
function keptCodeword(plan: Plan, readingCells: number): boolean {
  const [g] = plan.whir.groups,
    leaves = plan.logup.boxes.reduce((n, b) => n + b.dims.reduce((x, y) => x * y, 1), 0),
    others = 8 * readingCells + Math.max(60 * leaves, openBytes(plan.whir));
  return g.trees.reduce((n, t) => n + 8 * leafWords(g, t) * 2 ** g.domain, 8 * groupCells(g)) <= NEAR - others;
}

/**
 * Cells of terms with seven equal factors beside others, the S-boxes of a circuit; the prover sums those that differ in
 * one small factor as one (join.ts).
 */
function sevenths(plan: Plan): { readonly cells: number; readonly terms: ReadonlySet<number> } {
  const seen = new Set<string>(),
    terms = new Set<number>();
  let cells = 0;
  plan.terms.forEach((t, i) => {
    const times = new Map<number, number>();
    for (const f of t.factors) times.set(f, (times.get(f) ?? 0) + 1);
    const x = [...times].find(([, n]) => n === SEVENTH)?.[0];
    if (x === undefined) return;
    terms.add(i);
    const name = [t.axes, x, t.shared.map((y) => `${y.axis} ${y.from}`)].join(';');
    if (!seen.has(name)) cells += size(plan.program, t.axes);
    seen.add(name);
  });
  return { cells, terms };
}
/** Equal factors of a term that a kernel of its own sums. */
const SEVENTH = 7;

export function countPlan(plan: Plan): Counts {
  const p = plan.program,
    st = blankStatement(plan),
    rec = new RecordingChannel();
  (plan.pads ? verifyHiding : verifyProgram)(rec, plan, st);
  const exprs = (s: Program['steps'][number]): Expr[] =>
    Object.values(s).flatMap((v) => (v && typeof v === 'object' && 'terms' in v && 'constant' in v ? [v as Expr] : []));
  const lookups = [...plan.boxOf.keys()].map((j) => p.constraints[j]);
  const own = plan.factors.filter((f) => f.tensor.cls !== 'public');
  const perTensor = new Map<string, number>();
  for (const f of own) perTensor.set(f.tensor.name, (perTensor.get(f.tensor.name) ?? 1.5) + 1);
  const { groups, rounds } = plan.whir,
    key = keyGroup(plan),
    state = stateGroup(plan),
    opened = groups.reduce((n, g) => n + groupCells(g), 0),
    cellsRead = p.tensors.reduce((n, t) => n + (t.publicKind === 'onehot' ? 0 : size(p, t.axes)), 0);
  const frozen = plan.layouts.get('frozen')?.cells ?? 0,
    powers = sevenths(plan),
    // The codewords of states are not kept, those of a key's columns neither, whose tree is there before.
    again = (g: WhirGroup): number => (g === state || g === key || !keptCodeword(plan, cellsRead) ? 1 : 0),
    trees = groups.reduce((n, g) => (g === key ? n : added(n, groupWork(g, { hashed: 1, encoded: 1 }))), NO_WORK),
    openingTrees = groups.reduce((n, g) => added(n, groupWork(g, { hashed: 0, encoded: again(g) })), openingWork(plan.whir)),
    tree = (name: StateName): TreeWork => {
      const n = plan.states.findIndex((t) => t.name === name);
      return n < 0 || !state ? NO_WORK : treeWork(usedColumns(state.trees[n]), state.logHeight, state.domain);
    };
  return {
    readingMacs: p.steps.reduce((n, s) => n + exprs(s).reduce((m, e) => m + macs(p, s.axes, e), 0), 0),
    // Every tensor is filled once, every step's box written once.
    readingCells: p.steps.reduce((n, s) => n + size(p, s.axes), 0) + cellsRead,
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
    trees,
    openingTrees,
    entered: { s: tree('sIn'), a: tree('aIn') },
    lookupLeaves: plan.lookups.reduce((n, j) => n + size(p, p.constraints[j].axes), 0),
    tableLeaves: plan.tables.reduce((n, t) => n + t.size, 0),
    layers: plan.logup.vars,
    boxes: plan.logup.boxes.reduce((n, b) => n + b.vars, 0),
    projected: plan.factors.reduce((n, f) => n + factorCells(f), 0),
    termCells: plan.terms.reduce(
      (n, t, i) => n + (powers.terms.has(i) ? 0 : size(p, t.axes) * (t.factors.length + (t.shared.length ? 1 : 0))),
      0,
    ),
    seventhCells: powers.cells,
    termRounds: plan.terms.reduce((n, t) => n + t.axes.reduce((m, a) => m + varsOf(p.axes[a]), 0), 0),
    weights: [...perTensor].reduce(
      (n, [name, times]) => n + times * size(plan.extended, plan.extended.tensors.find((t) => t.name === name)!.axes),
      0,
    ),
    opened: opened + frozen,
    grinds: rounds.length + 1,
    grinding: plan.whir.params.grinding,
    digested: plan.pads ? p.tensors.reduce((n, t) => n + (t.cls === 'witness' ? 8 * size(p, t.axes) : 0), 0) : 0,
    permutations: rec.permutations,
    multiplications: rec.muls,
    words: scheduleWords(plan.pads ? rec.schedule : scheduleOf(plan, st)),
  };
}
