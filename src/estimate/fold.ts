import type { Heights } from '../circuit/heights.js';
import { KINDS } from '../circuit/rows.js';
import type { WhirShape } from '../pcs/params.js';
import { STACK_SHARE, commitBytes, openBytes } from '../pcs/commit.js';
import { type PhaseMemory, folding, forecastMemory } from '../tensor/memory.js';
import type { Plan } from '../tensor/plan.js';
import type { Units } from './calibrate.js';
import { type Counts, countPlan, groupWork, openingWork } from './counts.js';
import { PACK_HEADER, phaseSum, treeSeconds } from './steps.js';
import type { RecursionClass } from '../recursion/class.js';
import { type Run, epochBatches } from '../run/facts.js';
import { leafCounts } from '../recursion/leaves.js';
import { settleMatrix } from '../recursion/settle-shape.js';

/** Seconds of one leaf (of the kind that most steps have), one fold, the end. */
export interface FoldSeconds {
  readonly leaf: number;
  readonly fold: number;
  readonly end: number;
  /** Of the end: commitment to the base's stack and opening of its claim. Linear in the base. */
  readonly settle: number;
}

/** What folding adds to the proofs of steps. */
export interface FoldEstimate {
  readonly leaves: number;
  readonly folds: number;
  /** Program proofs per leaf, by circuit. */ readonly shapes: readonly {
    readonly kind: string;
    readonly count: number;
    readonly leaves: number;
  }[];
  readonly seconds: number;
  readonly each: FoldSeconds;
  /** Most bytes of the kernels while a node is made, while the end is, and for settling the base; whether all fit. */
  readonly nodeMemory: number;
  readonly endMemory: number;
  readonly settleMemory: number;
  readonly memory: number;
  readonly fits: boolean;
  /** A node's file, and that of the end but for the list of losses. */
  readonly nodeBytes: number;
  readonly endBytes: number;
  /** Most bytes of nodes on disk at a time, epochs included. */ readonly diskBytes: number;
}

/** Seconds of recording a circuit with its values and filling its columns. */
const witness = (h: Heights, u: Units): number =>
  (h.P + h.M) * u.witnessPermutation + (KINDS.reduce((n, k) => n + h[k], 0) - h.P - h.M) * u.witnessRow;

/**
 * Cells and trees of a stack whose claim is opened; that of a `kept` one was made before. Codewords are not kept, and
 * encoded where they are opened.
 */
function settleCost(w: WhirShape, u: Units, kept: boolean): number {
  const made = groupWork(w.groups[0], kept ? { hashed: 0, encoded: 1 } : { hashed: 1, encoded: 2 }),
    grinding = (w.rounds.length + 1) * 2 ** w.params.grinding * u.permutation;
  return treeSeconds(made, u) + treeSeconds(openingWork(w), u) + settleMatrix(w).cells * (u.opened + u.weight) + grinding;
}

/**
 * Most bytes, near and far, while a stack is committed and opened within so many near bytes: its words where they fit,
 * what stands for the codeword, tree, weights and folded vectors.
 */
export function settleMemory(w: WhirShape, near: number): PhaseMemory {
  const { used, cells, logColumns, logHeight } = settleMatrix(w),
    words = 8 * cells > STACK_SHARE * near ? 0 : 8 * cells,
    c = commitBytes({ words: used, logDomain: w.groups[0].domain, logHeight, tiled: words === 0 }, 0),
    halves = folding(cells, logColumns + logHeight, words > 0, near - words - c.kept);
  return { near: words + c.kept + Math.max(c.work, halves.near, openBytes(w)), far: halves.far };
}

/** Units of proofs that no circuit verifies: all their hashes are BLAKE3's. */
export const endUnits = (u: Units): Units => ({ ...u, hash: u.endHash, permutation: u.endHash });

/** Seconds of joining so many claims on a stack: it is read for each of them, and once more. */
const mergeSeconds = (vars: number, claims: number, u: Units): number => 2 ** vars * (claims + 1) * u.projected;

/** Seconds of verifying a node. */
const checkSeconds = (c: Counts, u: Units): number => c.permutations * u.verifierPermutation + c.multiplications * u.verifierMultiplication;

/** Seconds of an end whose proof has this plan, and of its part of the base. */
function endSeconds(c: RecursionClass, plan: Plan, rows: Heights, u: Units): { readonly all: number; readonly settle: number } {
  const { keyShape, baseShape } = c.end.shape,
    settle = settleCost(baseShape, u, false),
    before = checkSeconds(countPlan(c.plan), u) + mergeSeconds(c.child.keyVars, 2, u) + settleCost(keyShape, u, true) + settle;
  return { settle, all: before + witness(rows, u) + phaseSum(countPlan(plan), endUnits(u)) };
}
/** Seconds of verifying two nodes and joining their claims: on the base, on the key their own and those they carry. */
const joinSeconds = (c: RecursionClass, u: Units): number =>
  2 * checkSeconds(countPlan(c.plan), u) + mergeSeconds(c.child.baseVars, 2, u) + mergeSeconds(c.child.keyVars, 4, u);

/** Seconds of leaf, fold and end, from counts and units: what `estimateFold` takes where they were not measured. */
export function foldSeconds(c: RecursionClass, u: Units): FoldSeconds {
  const node = phaseSum(countPlan(c.plan), u),
    end = endSeconds(c, c.end.plan, c.rows[c.rows.length - 1], u);
  return {
    leaf: node + witness(c.rows[1], u),
    fold: node + witness(c.rows[0], u) + joinSeconds(c, u),
    end: end.all,
    settle: end.settle,
  };
}

/** Seconds of what makes one certificate of scattered nodes. */
export interface BundleSeconds {
  /** Settling the claims that a node leaves, on the key's columns and on the base. */ readonly settle: number;
  readonly bundle: number;
  /** The end of a bundle, its witness hidden. */ readonly end: number;
}

/**
 * Seconds of a class whose circuits have a bundle (its rows are those of bundle and end), from counts and units.
 * `hidden`: the plan of an end that hides its witness.
 */
export function bundleSeconds(c: RecursionClass, hidden: Plan, u: Units): BundleSeconds {
  const { baseVars, keyVars } = c.child;
  return {
    settle: checkSeconds(countPlan(c.plan), u) + (2 * 2 ** keyVars + 2 ** baseVars) * u.projected,
    bundle: phaseSum(countPlan(c.plan), u) + joinSeconds(c, u) + witness(c.rows[0], u),
    end: endSeconds(c, hidden, c.rows[1], u).all,
  };
}

/**
 * Predicts what folding a run adds, from its class and the seconds of one leaf, fold and end. `limit` is the memory
 * that the kernels may use, `micros` the number of micro-batches of the run (or of its steps), for the list of losses.
 */
export function estimateFold(run: Run, c: RecursionClass, each: FoldSeconds, machine: { limit: number; threads: number }): FoldEstimate {
  const { steps } = run.manifest.config.train,
    counts = leafCounts(c, run, steps).leaves,
    leaves = counts.reduce((a, b) => a + b, 0),
    near = Math.min(4 * 2 ** 30 - 65536, machine.limit),
    of = (plan: Plan) => forecastMemory(plan, { nearBytes: near, threads: machine.threads }),
    node = of(c.plan),
    end = of(c.end.plan),
    settles = [c.end.shape.baseShape, c.end.shape.keyShape].map((s) => settleMemory(s, near)),
    settle = Math.max(...settles.map((s) => s.near + s.far)),
    memory = Math.max(node.total, end.total, settle);
  const words = (plan: Plan): number => countPlan(plan).words,
    statement = 8 * 200,
    nodeBytes = 8 * words(c.plan) + statement + PACK_HEADER + 1500,
    endBytes = 8 * words(c.end.plan) + statement + PACK_HEADER + 1500,
    epochs = Math.ceil(steps / epochBatches(run.manifest)),
    depth = Math.ceil(Math.log2(leaves + 1)) + 2;
  return {
    leaves,
    folds: leaves - 1,
    shapes: c.leaves.map(({ kind, count }, i) => ({ kind, count, leaves: counts[i] })),
    seconds: leaves * each.leaf + (leaves - 1) * each.fold + each.end,
    each,
    nodeMemory: node.total,
    endMemory: end.total,
    settleMemory: settle,
    memory,
    fits: memory <= machine.limit && settles.every((s) => s.near <= near) && node.fits && end.fits,
    nodeBytes,
    endBytes,
    diskBytes: (depth + epochs) * nodeBytes + endBytes,
  };
}
