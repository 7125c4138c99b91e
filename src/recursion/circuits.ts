import type { Kernels } from '../kernels/runtime.js';
import { policyShapeOf } from '../run/policy.js';
import { bundleClass } from './bundle.js';
import { type RecursionClass, recursionClass } from './class.js';
import { type RecursionKeys, recursionKeys } from './keys.js';
import { keyDigest } from './key.js';
import { type Run, epochBatches, stepKinds } from '../run/facts.js';
import { zeroAccumulators } from '../run/commitments.js';
import type { ProofOptions } from '../tensor/plan.js';
import { GRINDING, programList } from '../run/programs.js';
import { UnsupportedError } from '../errors.js';
import { programsDigest } from './statement.js';

/** Circuits and keys of a run: they follow from its programs. */
export interface Circuits {
  readonly cls: RecursionClass;
  readonly keys: RecursionKeys;
  readonly zeroAcc: readonly bigint[];
  readonly digest: string;
  readonly seconds: number;
}

/** Circuits of a run and their keys: a few seconds. Throws UnsupportedError where the run cannot be folded. */
export function circuitsOf(k: Kernels, run: Run): Circuits {
  const t0 = performance.now(),
    zeroAcc = zeroAccumulators(run.programs),
    cls = runClass(run, zeroAcc),
    keys = recursionKeys(k, cls);
  return { cls, keys, zeroAcc, digest: keyDigest(keys.published), seconds: (performance.now() - t0) / 1000 };
}

/** Circuits of runs whose nodes can be bundled: `cls` proves ranges, `bundle` what bundles them, under one key. */
export interface BundledCircuits extends Circuits {
  /** Why the nodes of the run cannot be bundled, where they cannot: the keys are those of the run alone. */
  readonly problem?: string;
  readonly bundle?: RecursionClass;
}

/**
 * Circuits under whose key ranges are proved that a bundle may take. Throws UnsupportedError where the run cannot be
 * folded.
 */
export function bundledCircuits(k: Kernels, run: Run): BundledCircuits {
  const t0 = performance.now(),
    zeroAcc = zeroAccumulators(run.programs),
    cls = runClass(run, zeroAcc);
  let bundle: RecursionClass | undefined, problem: string | undefined;
  try {
    bundle = bundleClass(cls);
  } catch (e) {
    if (!(e instanceof UnsupportedError)) throw e;
    problem = e.message;
  }
  const keys = recursionKeys(k, bundle ?? cls);
  return {
    cls,
    keys,
    zeroAcc,
    digest: keyDigest(keys.published),
    seconds: (performance.now() - t0) / 1000,
    ...(bundle ? { bundle } : {}),
    ...(problem === undefined ? {} : { problem }),
  };
}

/** Parameters of the nodes: the bits of the run, Poseidon2, rate 1/4. */
export function nodeOptions({ programs }: Run): ProofOptions {
  return { bits: programs.plan.options.bits, grinding: GRINDING, rate: 2, stateRate: 2 };
}

/**
 * Circuits of a run: they follow from its programs, its parameters and the number of batches in an epoch. Takes
 * seconds. Throws UnsupportedError where the run's proofs are hashed with BLAKE3.
 */
export function runClass(run: Run, zeroAcc: readonly bigint[], options: ProofOptions = nodeOptions(run)): RecursionClass {
  const { plan, update } = run.programs;
  if (plan.options.hash === 'blake3')
    throw new UnsupportedError(['proof.hash blake3: circuits verify Poseidon2 only; set proof.hash: poseidon2, or prove without folding']);
  const { train } = run.manifest.config,
    { steps } = train,
    epoch = epochBatches(run.manifest),
    shape = {
      programs: programsDigest(programList(run.programs).map((p) => p.program)),
      zeroAcc,
      baseVars: plan.frozenVars,
      policy: { ...policyShapeOf(run.manifest), size: Math.min(train.batch, train.microBatch) },
    };
  if (!update) {
    const whole = Math.floor(steps / epoch);
    return recursionClass(shape, [{ kind: 'step', plan, rows: [...Array<number>(whole).fill(epoch), steps % epoch] }], options);
  }
  const micros = Array.from({ length: Math.min(steps, epoch) }, (_, t) => stepKinds(run, t).length - 1);
  return recursionClass(
    shape,
    [
      { kind: 'micro', plan, rows: micros },
      { kind: 'update', plan: update.plan, rows: [1] },
    ],
    options,
  );
}
