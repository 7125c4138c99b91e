import { DOMAIN } from '../hash/poseidon2.js';
import { InputError } from '../errors.js';
import { type ClassRow, classDepth, classLevels } from './classes/table.js';
import { MOST_COUNT, type Quota, quotasDigest } from './classes/quotas.js';
import type { Modes } from './order/keys.js';
import { type OrderShape, walkSlots } from './order/radices.js';
import { epochBatches, outerShape } from './order/steps.js';
import { MOST_STRATA, type Stratum, innerWalks, strataLevels } from './order/strata.js';
import { rowsDepth } from './rows/depth.js';
import { tableDepth, tableLevels, tableRoot } from './table.js';
import type { PolicyValues, Shown } from './vector.js';

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
  /** Scalars of every step that the schedule fixes. */ readonly schedule: readonly (readonly bigint[])[];
  /** Constants of the clip scalar. */ readonly clip: readonly bigint[];
  readonly show: Shown;
  /** Positions of a row. */ readonly sequence: number;
}

/** Levels of the schedule's table: hash of (step, scalars) in the domain `schedule`. */
export const scheduleLevels = (rows: readonly (readonly bigint[])[], depth: number): bigint[][][] =>
  tableLevels(DOMAIN.schedule, rows, depth);

/**
 * Domain and radices of the draws. With replacement nothing is permuted: a is the number of rows, which draws are
 * reduced by.
 */
function domainOf(f: PolicyFacts): OrderShape {
  if (f.replacement) return { n: f.rows, a: f.rows, b: 1, excess: 0, rounds: 0 };
  return outerShape(f);
}

/**
 * Values of the policy vector, which verifier and prover compute alike. Throws InputError where no circuit holds the
 * policy: too many rows, classes, steps, walks, or counts that could pass 32 bits.
 */
export function policyValues(f: PolicyFacts): PolicyValues {
  const order = domainOf(f),
    // Without rows no table is opened: the schedule is bound elsewhere.
    scheduleDepth = f.schedule.length ? tableDepth(SCHEDULE_DEPTHS, f.schedule.length) : 0,
    problems: string[] = [];
  if (scheduleDepth === undefined) problems.push(`train.steps: ${f.schedule.length} steps are too many`);
  // Counters are ranged in 32 bits: an epoch must not be able to pass them.
  if (f.epochExamples * f.sequence > MOST_COUNT) problems.push(`sampler.epochExamples: an epoch could have 2^32 target tokens or more`);
  if (f.replacement && f.rows < 2) problems.push('sampler.replacement: needs two rows or more');
  if (problems.length) throw new InputError('run.yaml', problems);
  const depth = classDepth(f.classes.length),
    strataDepth = f.strata ? tableDepth(STRATA_DEPTHS, Math.min(f.strata.length, MOST_STRATA))! : 0;
  return {
    depth: rowsDepth(f.rows),
    rounds: order.rounds,
    walks: walkSlots(order.excess, 'the order of the rows'),
    bins: f.quotas.length,
    classDepth: depth,
    scheduleDepth: scheduleDepth!,
    innerRounds: f.strata?.[0].shape.rounds ?? 0,
    innerWalks: f.strata ? walkSlots(innerWalks(f.strata), 'sampler.strata') : 0,
    strataDepth,
    replacement: f.replacement,
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
    strata: f.strata ? tableRoot(strataLevels(f.strata, strataDepth)) : [0n, 0n, 0n, 0n],
    strataCount: f.strata?.length ?? 0,
    classRoot: tableRoot(classLevels(f.classes, depth)),
    quotas: quotasDigest(f.quotas),
    scheduleRoot: scheduleDepth ? tableRoot(scheduleLevels(f.schedule, scheduleDepth)) : [0n, 0n, 0n, 0n],
    steps: f.schedule.length,
    clip: f.clip,
    show: f.show,
  };
}
