import { type Programs, type RunProgram, programsOf, numbersOf, scalingFactor } from './programs.js';
import { type Manifest, difference, digestWords, manifestDigest } from './manifest.js';
import { scheduleScalars } from '../optim/constants.js';
import { type ScheduleRows, lazySchedule } from './schedule.js';
import type { Kernels } from '../kernels/runtime.js';
import { type AdapterState, initialState, scalarFormats } from '../model/step.js';
import { initialMaster } from '../model/init.js';
import { TARGETS } from '../model/shape.js';
import type { PartKind } from './parts.js';
import { VerificationError } from '../transcript/arith.js';
import { InputError } from '../errors.js';
import { budgetsOf } from './budgets.js';
import { epochBatches as orderBatches } from '../policy/order/steps.js';
import { sha256Hex } from '../hash/sha256.js';
import { epochDraws } from './size.js';

/** What follows from a manifest beside its programs; neither base nor data are needed. */
export interface Facts {
  /** Digest of the manifest, sha256:... */ readonly digest: string;
  /** The same as eight words: the context that every proof of the run absorbs. */ readonly context: readonly bigint[];
  /** Row of the schedule of every step. */ readonly rows: ScheduleRows;
}

/** One run: what its manifest says, and what follows from that. */
export interface Run {
  readonly manifest: Manifest;
  readonly programs: Programs;
  readonly facts: Facts;
}

/** A run from its manifest and the programs that it describes. Throws HyperparameterError. */
export function runOf(manifest: Manifest, programs: Programs): Run {
  const { train } = manifest.config,
    digest = manifestDigest(manifest);
  return {
    manifest,
    programs,
    facts: { digest, context: digestWords(digest), rows: lazySchedule({ ...train, betas: train.betas as [number, number] }) },
  };
}

/**
 * A run from a manifest that nobody has checked, read from `file`. Throws InputError where it describes no programs,
 * VerificationError where it contradicts itself.
 */
export function checkedRun(file: string, m: Manifest): Run {
  const programs = buildable(file, m),
    wrong = contradictions(m);
  if (wrong.length) throw new VerificationError('manifest', `${file}: contradicts itself in ${wrong.join(', ')}`);
  return runOf(m, programs);
}

/** Adapter and optimiser that a run starts from when it imports none: seeded. The same with kernels and without. */
export const initialOf = (f: Run, k?: Kernels): AdapterState =>
  initialState(
    f.programs.program,
    initialMaster(
      f.manifest.base.shape,
      f.manifest.config.lora.r,
      TARGETS.filter((t) => f.manifest.config.lora.targets.includes(t)),
      f.manifest.config.lora.seed,
      k,
    ),
  );

/** Draws in an epoch of a run. */
export const epochExamples = ({
  dataset,
  config,
}: Pick<Manifest, 'config'> & { readonly dataset: { readonly examples: number } }): number => epochDraws(config.sampler, dataset.examples);

/** Batches in an epoch. */
export const epochBatches = (m: Manifest): number =>
  orderBatches({ epochExamples: epochExamples(m), batch: m.config.train.batch, shortBatch: m.config.sampler.shortBatch });

/** Micro-batches of a step: the last batch of an epoch may have fewer. */
export function microsOf(m: Manifest, step: number): number {
  const { batch, microBatch } = m.config.train,
    at = (step % epochBatches(m)) * batch;
  return Math.ceil(Math.min(batch, epochExamples(m) - at) / Math.min(batch, microBatch));
}

/** Programs that the proof of a step has, in order. */
export const stepKinds = (f: Pick<Run, 'manifest' | 'programs'>, step: number): PartKind[] =>
  f.programs.update ? [...Array<PartKind>(microsOf(f.manifest, step)).fill('micro'), 'update'] : ['step'];

/** The program of a part. */
export const programOf = (p: Programs, kind: PartKind): RunProgram => (kind === 'update' ? p.update! : p);

/** Scalars of the schedule's row, by name. Throws HyperparameterError. */
export const scalarPublics = ({ manifest, programs, facts }: Run, step: number, targets: number): (readonly [string, BigInt64Array])[] =>
  Object.entries(scheduleScalars(facts.rows.at(step)!, targets, manifest.config.train.clip, scalarFormats(programs.program), step)).map(
    ([n, v]) => [n, BigInt64Array.of(v)] as const,
  );

/** Programs of a manifest that nobody has checked. Throws InputError where they cannot be built. */
export function buildable(file: string, m: Manifest): Programs {
  try {
    return programsOf(m.config, m.base);
  } catch (e) {
    throw new InputError(file, [`its manifest describes no program that can be built: ${(e as Error).message}`]);
  }
}

/** Digest of a chat template: of its text with line feeds, as it is read. */
export const templateDigest = (template: string): string => `sha256:${sha256Hex(template.replace(/\r\n?/g, '\n'))}`;

/**
 * Keys of a manifest that its other keys contradict: what can be told without base and data, where nobody recomputes
 * it.
 */
export function contradictions(m: Manifest): string[] {
  const { config, dataset, preprocessing, base, budgets, scaling } = m,
    { train, sampler, data } = config,
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
    ...(dataset.files.every((x) => x.kept <= x.rows && x.cut <= x.kept && x.unclosed <= x.cut) ? [] : ['dataset.files']),
    ...(preprocessing.closing.every((x, i, all) => i === 0 || all[i - 1] < x) ? [] : ['preprocessing.closing']),
    ...(preprocessing.end === null || preprocessing.closing.includes(preprocessing.end) ? [] : ['preprocessing.end']),
    ...(train.template === null || preprocessing.template === templateDigest(train.template) ? [] : ['preprocessing.template']),
    ...(['source', 'license', 'language'] as const).flatMap((k) =>
      difference(dataset[`${k}s`], [...new Set(dataset.classes.map((c) => c[k]))], `dataset.${k}s`),
    ),
    ...((sampler.mode === 'public') === (dataset.salt !== null) ? [] : ['dataset.salt']),
    ...((sampler.mode === 'private') === (dataset.key !== null) ? [] : ['dataset.key']),
    ...(sampler.strata.length === dataset.strata.length && dataset.strata.reduce((n, x) => n + x, 0) <= dataset.examples
      ? []
      : ['dataset.strata']),
    ...(sampler.epochExamples === null || (sampler.strata.length === 0 && sampler.epochExamples <= dataset.examples)
      ? []
      : ['config.sampler.epochExamples']),
    ...(epochBatches(m) < 1 ? ['config.sampler.shortBatch'] : []),
  ];
}
