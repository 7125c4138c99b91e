import { DOMAIN } from '../hash/poseidon2.js';
import { InputError } from '../errors.js';
import type { Kernels } from '../kernels/runtime.js';
import { type ClassRow, classDepth, classWords } from './classes/table.js';
import { MOST_COUNT, type Quota, quotasDigest } from './classes/quotas.js';
import type { Modes } from './order/keys.js';
import { type OrderShape, walkSlots } from './order/radices.js';
import { epochBatches, outerShape } from './order/steps.js';
import { MOST_STRATA, type Stratum, innerWalks, stratumWords } from './order/strata.js';
import { rowsDepth } from './rows/depth.js';
import { rootOf, tableDepth, tableLevels } from './table.js';
import type { PolicyShape, PolicyValues, Shown } from './vector.js';

/** Depths of the schedule's table and of the strata's. */
export const SCHEDULE_DEPTHS = [8, 12, 16, 20, 24] as const;
export const STRATA_DEPTHS = [2, 4, 8] as const;

/** What the policy vector is computed from: all of it in a manifest, or computed from one. */
export interface PolicyFacts {
  /** Root of the tree of rows, and their number. */
  readonly root: readonly bigint[];
  readonly rows: number;
  readonly epochExamples: number;
  readonly batch: number;
  readonly shortBatch: 'keep' | 'drop';
  readonly replacement: boolean;
  readonly modes: Modes;
  /** Commitments to the keys of the modes; zeros for one that no epoch is in. */
  readonly privateKey: readonly bigint[];
  readonly publicKey: readonly bigint[];
  readonly seed: readonly bigint[];
  readonly strata?: readonly Stratum[];
  readonly classes: readonly ClassRow[];
  readonly quotas: readonly Quota[];
  readonly steps: number;
  /** Scalars of every step that the schedule fixes, in order: made when they are asked for, any number of times. */
  readonly schedule: Iterable<readonly bigint[]>;
  /** Constant of the clip scalar; 0n without clipping. */ readonly clip: bigint;
  readonly show: Shown;
  /** Positions of a row. */ readonly sequence: number;
}

/** Levels of the schedule's table: hash of (step, scalars) in the domain `schedule`. */
export const scheduleLevels = (rows: Iterable<readonly bigint[]>, depth: number, k?: Kernels): BigUint64Array[] =>
  tableLevels({ domain: DOMAIN.schedule, rows, depth }, k);

/**
 * Domain and radices of the draws. With replacement nothing is permuted: a is the number of rows, which draws are
 * reduced by.
 */
function domainOf(f: PolicyFacts): OrderShape {
  if (f.replacement) return { n: f.rows, a: f.rows, b: 1, excess: 0, rounds: 0 };
  return outerShape(f);
}

/**
 * Shape of the circuit that holds a policy: no table is made for it. Throws InputError where none does: too many rows,
 * classes, steps, walks, or counts that could pass 32 bits.
 */
export function policyShape(f: PolicyFacts): PolicyShape {
  const order = domainOf(f),
    scheduleDepth = tableDepth(SCHEDULE_DEPTHS, f.steps),
    problems: string[] = [];
  if (scheduleDepth === undefined) problems.push(`train.steps: ${f.steps} steps are too many`);
  // Counters are ranged in 32 bits: an epoch must not be able to pass them.
  if (f.epochExamples * f.sequence > MOST_COUNT) problems.push(`sampler.epochExamples: an epoch could have 2^32 target tokens or more`);
  if (f.replacement && f.rows < 2) problems.push('sampler.replacement: needs two rows or more');
  if (problems.length) throw new InputError('run.yaml', problems);
  return {
    depth: rowsDepth(f.rows),
    rounds: order.rounds,
    walks: walkSlots(order.excess, 'the order of the rows'),
    bins: f.quotas.length,
    classDepth: classDepth(f.classes.length),
    scheduleDepth: scheduleDepth!,
    innerRounds: f.strata?.[0].shape.rounds ?? 0,
    innerWalks: f.strata ? walkSlots(innerWalks(f.strata), 'sampler.strata') : 0,
    strataDepth: f.strata ? tableDepth(STRATA_DEPTHS, Math.min(f.strata.length, MOST_STRATA))! : 0,
    replacement: f.replacement,
  };
}

/**
 * Values of the policy vector, as verifier and prover compute them: linear in steps, 8 us each by kernels, 0.35 ms
 * without. Throws as policyShape does.
 */
export function policyValues(f: PolicyFacts, k?: Kernels): PolicyValues {
  const shape = policyShape(f),
    root = (domain: bigint, rows: Iterable<readonly bigint[]>, depth: number): bigint[] => rootOf({ domain, rows, depth }, k),
    order = domainOf(f);
  return {
    ...shape,
    root: f.root,
    rows: f.rows,
    order,
    epochExamples: f.epochExamples,
    batch: f.batch,
    epochBatches: epochBatches(f),
    privateKey: f.privateKey,
    publicKey: f.publicKey,
    seed: f.seed,
    modes: f.modes,
    strata: f.strata ? root(DOMAIN.strata, f.strata.map(stratumWords), shape.strataDepth) : [0n, 0n, 0n, 0n],
    strataCount: f.strata?.length ?? 0,
    classRoot: root(DOMAIN.class, classWords(f.classes), shape.classDepth),
    quotas: quotasDigest(f.quotas),
    scheduleRoot: root(DOMAIN.schedule, f.schedule, shape.scheduleDepth),
    steps: f.steps,
    clip: f.clip,
    mostTargets: f.batch * f.sequence,
    show: f.show,
  };
}
