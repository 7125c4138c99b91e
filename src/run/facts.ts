import { type Programs, programsOf, numbersOf, scalingFactor } from './programs.js';
import { type Manifest, difference } from './manifest.js';
import { scheduleScalars } from '../optim/constants.js';
import { type ScheduleRows, lazySchedule } from './schedule.js';
import { type AdapterState, initialState, scalarFormats } from '../model/step.js';
import { initialMaster } from '../model/init.js';
import { TARGETS } from '../model/llama.js';
import type { PartKind } from './parts.js';
import type { Program } from '../tensor/types.js';
import type { Plan } from '../tensor/plan.js';
import type { RunConfig } from './schema.js';
import { InputError } from '../errors.js';
import { budgetsOf } from './budgets.js';
import { sha256Hex } from '../hash/sha256.js';

/** What follows from the manifest alone: neither base nor data. */
export interface Facts extends Programs {
  readonly manifest: Manifest;
  readonly rows: ScheduleRows;
}

/** Facts of a run from its programs, which the caller builds: a hostile manifest may describe none. Throws what scheduleRows throws. */
export const factsOf = (m: Manifest, programs: Programs): Facts => ({
  ...programs,
  manifest: m,
  rows: lazySchedule({ ...m.config.train, betas: m.config.train.betas as [number, number] }),
});

/** Adapter and optimiser that a run starts from when it imports none: seeded. */
export const initialOf = (f: Facts): AdapterState =>
  initialState(
    f.program,
    initialMaster(
      f.manifest.base.shape,
      f.manifest.config.lora.r,
      TARGETS.filter((t) => f.manifest.config.lora.targets.includes(t)),
      f.manifest.config.lora.seed,
    ),
  );

/** Batches in an epoch. */
export function epochBatches({ dataset, config }: Manifest): number {
  const n = dataset.examples / config.train.batch;
  return config.sampler.shortBatch === 'keep' ? Math.ceil(n) : Math.floor(n);
}

/** Programs that the proof of a step has, in order: the last batch of an epoch may have fewer micro-batches. */
export function stepKinds(f: Facts, step: number): PartKind[] {
  if (!f.update) return ['step'];
  const { batch, microBatch } = f.manifest.config.train,
    at = (step % epochBatches(f.manifest)) * batch,
    micros = Math.ceil(Math.min(batch, f.manifest.dataset.examples - at) / Math.min(batch, microBatch));
  return [...Array<PartKind>(micros).fill('micro'), 'update'];
}

export const programOf = (f: Facts, kind: PartKind): { program: Program; plan: Plan } => (kind === 'update' ? f.update! : f);

/** Scalars of the schedule's row, by name. Throws HyperparameterError. */
export const scalarPublics = (f: Facts, step: number, targets: number): (readonly [string, BigInt64Array])[] =>
  Object.entries(scheduleScalars(f.rows.at(step)!, targets, f.manifest.config.train.clip, scalarFormats(f.program), step)).map(
    ([n, v]) => [n, BigInt64Array.of(v)] as const,
  );

/** What follows from a manifest alone, and from the base and the adapter that a run began from where they are at hand. */
export interface Known extends Facts {
  readonly config: RunConfig;
  /** Integers of the base: only where it was given. */ readonly frozen?: Map<string, BigInt64Array>;
  /** Unknown where the run began from an adapter that was not given. */ readonly initial?: AdapterState;
}

/** Programs of a manifest that nobody has checked. Throws InputError where they cannot be built. */
export function buildable(file: string, m: Manifest): Programs {
  try {
    return programsOf(m.config, m.base);
  } catch (e) {
    throw new InputError(file, [`its manifest describes no program that can be built: ${(e as Error).message}`]);
  }
}

/** Keys of a manifest that its other keys contradict: what can be told without base and data, where nobody recomputes it. */
export function contradictions({ config, dataset, preprocessing, base, budgets, scaling }: Manifest): string[] {
  const { train, sampler, data } = config,
    sum = (f: (x: Manifest['dataset']['files'][number]) => number): number => dataset.files.reduce((n, x) => n + f(x), 0),
    declared = (x: { source: string; license: string; language: string }) => ({
      source: x.source,
      license: x.license,
      language: x.language,
    });
  return [
    ...difference(budgets, budgetsOf(numbersOf(config), train.sequence, base.shape.vocab), 'budgets'),
    ...difference(scaling, scalingFactor(config.lora), 'scaling'),
    ...difference(dataset.files.map(declared), data.map(declared), 'dataset.files'),
    ...(sum((x) => x.kept) === dataset.examples ? [] : ['dataset.examples']),
    ...(sum((x) => x.rows) === dataset.examples + dataset.dropped ? [] : ['dataset.dropped']),
    ...(train.template === null || preprocessing.template === `sha256:${sha256Hex(train.template)}` ? [] : ['preprocessing.template']),
    ...(sampler.shortBatch === 'drop' && dataset.examples < train.batch ? ['config.sampler.shortBatch'] : []),
  ];
}
