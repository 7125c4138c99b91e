import type { Heights } from '../circuit/heights.js';
import { KINDS } from '../circuit/rows.js';
import type { WhirShape } from '../pcs/params.js';
import { commitBytes } from '../pcs/commit.js';
import { forecastMemory } from '../tensor/memory.js';
import type { Plan } from '../tensor/plan.js';
import type { Units } from './calibrate.js';
import { countPlan, openingHashes, treeHashes } from './counts.js';
import { PACK_HEADER, phaseSum } from './steps.js';
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

/** Seconds of recording a circuit with its values, per row of a kind, in units of calibrate.ts. */
const witness = (h: Heights, u: Units): number =>
  (h.P + h.M) * WITNESS.permutation * u.verifierPermutation + KINDS.reduce((n, k) => n + h[k], 0) * WITNESS.row * u.verifierMultiplication;
/**
 * Measured on the end circuit: a row takes as long as so many multiplications of the verifier, a permutation's as so
 * many permutations more.
 */
const WITNESS = { row: 45, permutation: 1 };

/** Cells, trees and weights of a settled stack: the commitment and its opening. */
function settleCost(w: WhirShape, u: Units): number {
  const { used, cells } = settleMatrix(w);
  return (treeHashes(used, w.groups[0].domain) + openingHashes(w)) * u.hash + cells * u.opened;
}

/**
 * Most bytes while a stack is committed and opened: its words, codeword or what stands for it, tree, weights and folded
 * vector.
 */
export function settleMemory(w: WhirShape, room: number): number {
  const { used, cells, logHeight } = settleMatrix(w),
    c = commitBytes({ words: used, logDomain: w.groups[0].domain, logHeight, tiled: false }, room);
  return 8 * cells + c.kept + Math.max(c.work, 36 * cells + 72 * 2 ** logHeight);
}

/** Seconds of leaf, fold and end, from counts and units: what `estimateFold` takes where they were not measured. */
export function foldSeconds(c: RecursionClass, u: Units): FoldSeconds {
  const node = phaseSum(countPlan(c.plan), u),
    end = phaseSum(countPlan(c.end.plan), { ...u, hash: u.endHash }),
    settle = settleCost(c.end.shape.baseShape, u),
    merge = (vars: number): number => 4 * 2 ** vars * u.projected;
  return {
    leaf: node + witness(c.rows[1], u),
    fold: node + witness(c.rows[0], u) + merge(c.child.baseVars) + merge(c.child.keyVars),
    end: end + witness(c.rows[c.rows.length - 1], u) + settle + settleCost(c.end.shape.keyShape, u) + merge(c.child.keyVars),
    settle,
  };
}

/** Seconds of what makes one certificate of scattered nodes. */
export interface BundleSeconds {
  /** Settling the claims that a node leaves, on the key's columns and on the base. */ readonly settle: number;
  readonly bundle: number;
  /** The end of a bundle, its witness hidden. */ readonly end: number;
}

/** Seconds of a class whose circuits have a bundle (its rows are those of bundle and end), from counts and units. */
export function bundleSeconds(c: RecursionClass, u: Units): BundleSeconds {
  const counts = countPlan(c.plan),
    check = counts.permutations * u.verifierPermutation + counts.multiplications * u.verifierMultiplication,
    end = phaseSum(countPlan(c.end.plan), { ...u, hash: u.endHash }),
    { baseVars, keyVars } = c.child,
    merge = (vars: number): number => 4 * 2 ** vars * u.projected;
  return {
    settle: check + (2 * 2 ** keyVars + 2 ** baseVars) * u.projected,
    bundle: phaseSum(counts, u) + 2 * check + witness(c.rows[0], u) + merge(baseVars) + merge(keyVars),
    end: end + check + witness(c.rows[1], u) + settleCost(c.end.shape.baseShape, u) + settleCost(c.end.shape.keyShape, u) + merge(keyVars),
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
    settle = Math.max(settleMemory(c.end.shape.baseShape, near), settleMemory(c.end.shape.keyShape, near)),
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
    fits: memory <= machine.limit && settle <= near && node.fits && end.fits,
    nodeBytes,
    endBytes,
    diskBytes: (depth + epochs) * nodeBytes + endBytes,
  };
}
