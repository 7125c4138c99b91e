import { classRows, type Bin, type ClassRow } from '../policy/classes/table.js';
import type { Quota } from '../policy/classes/quotas.js';
import { commitmentDigest } from '../policy/commitment.js';
import { ALL_PRIVATE, ALL_PUBLIC, type PrivateKey, beaconWords, keyCommitment, orderSeed, publicKey } from '../policy/order/keys.js';
import { type OrderConfig, checkOrder } from '../policy/order/steps.js';
import { stratify } from '../policy/order/strata.js';
import { ROW_SCALARS, checkClip, clipConstant, rowScalars } from '../optim/constants.js';
import { type PolicyFacts, policyShape, policyValues } from '../policy/values.js';
import { type PolicyShape, type PolicyValues, policyDigest, policyVector } from '../policy/vector.js';
import type { Kernels } from '../kernels/runtime.js';
import { epochBatches, epochExamples } from './facts.js';
import type { Manifest } from './manifest.js';
import { numbersOf } from './programs.js';
import { eachRow } from './schedule.js';
import type { RunConfig } from './schema.js';

/** Bins of a run. */
export const binsOf = (c: RunConfig): Bin[] => c.policy.bins.map(({ name, where }) => ({ name, where }));

/** Quotas of the bins. */
export const quotasOf = (c: RunConfig): Quota[] => c.policy.bins.map(({ examples, targets }) => ({ examples, targets }));

/** The class table that follows from declared classes and the run's predicates. */
export const classTable = (c: RunConfig, classes: Manifest['dataset']['classes']): ClassRow[] =>
  classRows(classes, binsOf(c), c.policy.licenses && { licenses: c.policy.licenses });

/**
 * Order of a run, as its manifest fixes it; `own` is the key of the private mode, where it is at hand. Throws
 * InputError.
 */
export function orderOf(m: Manifest, own?: PrivateKey): OrderConfig {
  const { sampler, train } = m.config,
    open = sampler.mode === 'public';
  return {
    rows: m.dataset.examples,
    epochExamples: epochExamples(m),
    batch: train.batch,
    shortBatch: sampler.shortBatch,
    replacement: sampler.replacement,
    modes: open ? ALL_PUBLIC : ALL_PRIVATE,
    keys: open ? { public: publicKey(sampler.key!) } : own ? { private: own.key } : {},
    seed: orderSeed(commitmentDigest(m), beaconWords(sampler.beacon === '' ? null : sampler.beacon)),
    ...(sampler.strata.length
      ? {
          strata: stratify(
            sampler.strata.map((s, k) => ({ name: s.bin, rows: m.dataset.strata[k], perEpoch: s.perEpoch })),
            Math.ceil(train.steps / epochBatches(m)),
          ),
        }
      : {}),
  };
}

/** Policy of a run: facts, values, vector and its digest. */
export interface RunPolicy {
  readonly facts: PolicyFacts;
  readonly values: PolicyValues;
  readonly vector: readonly bigint[];
  readonly digest: readonly bigint[];
}

/**
 * Scalars of every step that the schedule fixes, in the table's order, made one by one. Throws HyperparameterError
 * where one is outside its format.
 */
const scheduleTable = ({ config }: Manifest): Iterable<readonly bigint[]> => ({
  *[Symbol.iterator]() {
    const { momentFrac } = numbersOf(config);
    let step = 0;
    for (const row of eachRow(config.train)) {
      const scalars = rowScalars(row, momentFrac, step++);
      yield ROW_SCALARS.map((n) => scalars[n]);
    }
  },
});

/** What a manifest says of the policy; no table is made. Throws InputError, HyperparameterError. */
export function policyFacts(m: Manifest): PolicyFacts {
  const config = orderOf(m),
    { keys, ...order } = config,
    { train, show } = m.config;
  checkOrder(config);
  checkClip(train.clip, train.batch * train.sequence);
  return {
    ...order,
    root: m.dataset.root.map(BigInt),
    privateKey: m.dataset.key?.map(BigInt) ?? [0n, 0n, 0n, 0n],
    publicKey: keys.public ? keyCommitment(keys.public) : [0n, 0n, 0n, 0n],
    classes: classTable(m.config, m.dataset.classes),
    quotas: quotasOf(m.config),
    steps: train.steps,
    schedule: scheduleTable(m),
    clip: clipConstant(train.clip),
    show,
    sequence: train.sequence,
  };
}

/** Shape of a run's policy: what its circuits and their key follow from. Its cost does not grow with steps. */
export const policyShapeOf = (m: Manifest): PolicyShape => policyShape(policyFacts(m));

const known = new WeakMap<Manifest, RunPolicy>();

/**
 * Policy that a manifest fixes: a verifier computes it and takes nothing of it from a proof. Linear in steps, for the
 * schedule's table: nothing of a stranger's asks for it before a proof under a trusted key names the manifest, whose
 * prover has then proved as many steps. The table takes 8 us a step by kernels, 0.35 ms without. Throws InputError
 * where no circuit holds it or the schedule leaves its formats.
 */
export function policyOf(m: Manifest, k?: Kernels): RunPolicy {
  let p = known.get(m);
  if (!p) {
    const facts = policyFacts(m),
      values = policyValues(facts, k),
      vector = policyVector(values);
    p = { facts, values, vector, digest: policyDigest(vector) };
    known.set(m, p);
  }
  return p;
}
