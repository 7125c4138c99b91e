import { type DataResult, loadData } from '../io/data.js';
import { TextCodec } from '../io/codec.js';
import { closingOfDigest, type BaseModel, loadBase, openBase, sha256File } from '../io/hf.js';
import type { AdapterMeta } from '../io/adapter.js';
import { checkAdapterBase, importAdapter, readAdapter } from '../io/peft.js';
import type { FileKind } from '../io/read-file.js';
import { frozenIntegers, quantizeBase } from '../model/base.js';
import { initialMaster } from '../model/init.js';
import { type LlamaShape, TARGETS } from '../model/shape.js';
import { checkClip, scheduleScalars } from '../optim/constants.js';
import { type Batch, initialState, scalarFormats, targetCount } from '../model/step.js';
import { budgetsOf } from '../run/budgets.js';
import type { RunConfig } from '../run/schema.js';
import { checkEligible, ClassList } from '../policy/classes/table.js';
import { satisfied } from '../policy/classes/predicate.js';
import { type PrivateKey, keyCommitment } from '../policy/order/keys.js';
import { Order, SAMPLER_2 } from '../policy/order/steps.js';
import { ROW_VERSION, type Row, rowShape } from '../policy/rows/digest.js';
import { RowTree } from '../policy/rows/tree.js';
import { classTable, orderOf } from '../run/policy.js';
import { normalLanguage } from '../run/language.js';
import { normalLicense } from '../run/license.js';
import { LEAST_BITS, runLedger } from '../run/ledger.js';
import { type Manifest, MANIFEST_VERSION } from '../run/manifest.js';
import { type Programs, committedPrograms, numbersOf, scalingFactor, programList } from '../run/programs.js';
import { InputError, UnsupportedError } from '../errors.js';
import { type Run, runOf } from '../run/facts.js';
import type { Complete, StepBatch } from '../run/inputs.js';
import { eachRow } from '../run/schedule.js';
import { preprocessingOf } from './preprocessing.js';
import { witnessRate } from './rate.js';

/** A run whose files are all at hand. */
export interface Setup {
  readonly run: Run;
  readonly inputs: Complete;
  /** run.yaml with the paths of this machine: the manifest's has none. */ readonly config: RunConfig;
  readonly model: BaseModel;
  readonly rows: DataResult;
  readonly codec: TextCodec;
  /**
   * What the user should know of base and adapter: where their files contradict each other or say what this run does
   * not do.
   */
  readonly notes: readonly string[];
  /** Values of lora.from that were no multiples of 2^-30. */ readonly inexact?: number;
}

const hex = (f: string, kind: FileKind): string => `sha256:${sha256File(f, kind)}`;

/**
 * Master copy of the adapter that a run starts from, which must be what lora says. Throws InputError, UnsupportedError.
 */
export function startFrom(
  dir: string,
  lora: RunConfig['lora'],
  shape: LlamaShape,
): ReturnType<typeof importAdapter> & { readonly meta: AdapterMeta } {
  const { meta, members } = readAdapter(dir, shape),
    targets = TARGETS.filter((t) => lora.targets.includes(t));
  const differs = [
    ...(meta.r === lora.r ? [] : [`lora.r is ${lora.r}, the adapter's rank ${meta.r}`]),
    ...(meta.alpha === lora.alpha ? [] : [`lora.alpha is ${lora.alpha}, the adapter's ${meta.alpha}`]),
    ...(meta.rslora === (lora.scaling === 'rslora') ? [] : [`lora.scaling is ${lora.scaling}, the adapter's is the other`]),
    ...(meta.targets.join() === targets.join() ? [] : [`lora.targets are ${targets.join(', ')}, the adapter's ${meta.targets.join(', ')}`]),
  ];
  if (differs.length) throw new UnsupportedError(differs.map((x) => `${x} (lora.from ${dir})`));
  // The proof's bounds start from the initial state: a value outside the master format does not enter.
  return { ...importAdapter(dir, members), meta };
}

/**
 * What the user should know of the adapter that a run starts from. Throws InputError where it is one of another base.
 */
function startNotes(config: RunConfig, base: BaseModel, meta: AdapterMeta): string[] {
  const dir = config.lora.from ?? '';
  return [
    ...checkAdapterBase(dir, meta, {
      digest: base.digest,
      names: [config.base.name, base.name].filter((x) => x !== null),
      closingOf: (digest) => closingOfDigest(config.base.path, digest),
    }),
    ...(meta.dropout === undefined ? [] : [`${dir} was trained with lora_dropout ${meta.dropout}: this run trains without dropout`]),
  ];
}

/**
 * Rows in the order of the tree, sorted by stratum, with their classes; rows of each stratum. Throws InputError for
 * data that may not be trained on.
 */
function commitRows(
  config: RunConfig,
  examples: DataResult['examples'],
  salt: readonly bigint[],
  vocab: number,
): { classes: ClassList['list']; rows: Row[]; strata: number[]; tree: RowTree } {
  const list = new ClassList(),
    rows = examples.map(
      (e): Row => ({
        tokens: e.tokens,
        mask: e.mask,
        class: list.number({ source: e.source, license: e.license, language: e.language, tags: [] }),
        length: e.tokens.length,
      }),
    );
  checkEligible(
    list.list,
    classTable(
      config,
      list.list.map((c) => ({ ...c, tags: [...c.tags] })),
    ),
  );
  const predicates = config.sampler.strata.map((s, k) => {
    const bin = config.policy.bins.find((b) => b.name === s.bin);
    if (!bin) throw new InputError('run.yaml', [`sampler.strata[${k}].bin: ${s.bin} is none of policy.bins`]);
    return bin.where;
  });
  // The first bin that holds; rows of none come last and are never drawn.
  const of = list.list.map((c) => {
      const k = predicates.findIndex((p) => satisfied(p, c));
      return k < 0 ? predicates.length : k;
    }),
    sorted = predicates.length ? [...rows].sort((x, y) => of[x.class] - of[y.class]) : rows,
    tree = new RowTree(rowShape(config.train.sequence, vocab), salt);
  for (const r of sorted) tree.push(r);
  return { classes: list.list, rows: sorted, strata: predicates.map((_, k) => sorted.filter((r) => of[r.class] === k).length), tree };
}

/**
 * Batch of every step, as the order gives it, in micro-batches. Throws HyperparameterError where a step's scalars are
 * outside their formats.
 */
function batchesOf(manifest: Manifest, { program, update }: Programs, rows: readonly Row[], key: PrivateKey | undefined): StepBatch[] {
  const { train } = manifest.config;
  checkClip(train.clip, train.batch * train.sequence);
  const formats = scalarFormats((update ?? { program }).program),
    rowsPer = Math.min(train.batch, train.microBatch),
    order = new Order(orderOf(manifest, key));
  const of = (indices: readonly number[]): Batch => ({
      tokens: indices.map((i) => rows[i].tokens),
      mask: indices.map((i) => rows[i].mask),
    }),
    list: StepBatch[] = [];
  // Rows of the schedule are used up as they are made, and micro-batches made when they are asked for: there may be a
  // million steps.
  for (const row of eachRow({ ...train, betas: train.betas as [number, number] })) {
    const { epoch, draws } = order.batch(list.length),
      indices = draws.map((d) => d.row),
      targets = targetCount(of(indices), train.sequence);
    // Scalars that no format holds are refused here, before training has begun.
    scheduleScalars(row, targets, train.clip, formats, list.length);
    list.push({
      epoch,
      indices,
      targets,
      get micro() {
        return Array.from({ length: Math.ceil(indices.length / rowsPer) }, (_, i) => of(indices.slice(i * rowsPer, (i + 1) * rowsPer)));
      },
    });
  }
  return list;
}

/** The manifest of what was read. */
function manifestFrom(
  config: RunConfig,
  { salt, key }: RunSecret,
  o: {
    readonly base: Manifest['base'];
    readonly data: DataResult;
    readonly committed: ReturnType<typeof commitRows>;
    readonly codec: TextCodec;
    readonly programs: Programs;
  },
): Manifest {
  const { classes, strata, tree } = o.committed,
    all = (k: 'source' | 'license' | 'language'): string[] => [...new Set(classes.map((c) => c[k]))];
  const stored: Manifest['config'] = {
    ...config,
    proof: { ...config.proof, rate: o.programs.plan.options.rate },
    base: { ...config.base, path: '' },
    data: config.data.map((d) => ({ ...d, path: '' })),
    lora: { ...config.lora, from: config.lora.from === null ? null : hex(`${config.lora.from}/adapter_model.safetensors`, 'weights') },
  };
  return {
    type: 'certune-manifest',
    version: MANIFEST_VERSION,
    config: stored,
    base: o.base,
    dataset: {
      root: tree.root().map(String),
      salt: key ? null : salt.map(String),
      key: key ? keyCommitment(key.key, key.blind).map(String) : null,
      leaf: ROW_VERSION,
      examples: o.data.examples.length,
      dropped: o.data.dropped.length,
      classes: classes.map((c) => ({ ...c, tags: [...c.tags] })),
      strata,
      sources: all('source'),
      licenses: all('license'),
      languages: all('language'),
      files: config.data.map((d, i) => ({
        digest: hex(d.path, 'data'),
        source: d.source,
        license: d.license,
        language: d.language,
        converters: [...o.data.files[i].converters],
        rows: o.data.files[i].rows,
        kept: o.data.files[i].kept,
        cut: o.data.files[i].truncated,
        unclosed: o.data.files[i].unclosed,
      })),
    },
    preprocessing: preprocessingOf(config.base.path, o.codec),
    sampler: SAMPLER_2,
    scaling: scalingFactor(config.lora),
    budgets: budgetsOf(numbersOf(config), config.train.sequence, o.base.shape.vocab),
    program: programList(o.programs).flatMap((p) => p.digest.map(String)),
  };
}

/** What a run's rows are salted with, and in the private mode the sampler's key. */
export interface RunSecret {
  readonly salt: readonly bigint[];
  readonly key?: PrivateKey;
}

/**
 * Derives program, plan, batches, schedule, initial state and manifest. The salt is published in the public mode; `key`
 * is that of the private one, and must be there in it. Throws InputError, UnsupportedError, HyperparameterError.
 */
export function setup(config: RunConfig, salt: readonly bigint[], key?: PrivateKey): Setup {
  if ((config.sampler.mode === 'private') !== (key !== undefined)) throw new Error('the private mode, and no other, has a key');
  // What is cheap to refuse is refused before weights are read.
  const folder = openBase(config.base.path),
    codec = new TextCodec(config.base.path, config.train.template ?? undefined);
  if (config.train.sequence > folder.config.maxPositions)
    throw new UnsupportedError([`train.sequence ${config.train.sequence} exceeds the base's ${folder.config.maxPositions} positions`]);
  const data = loadData(config.data, codec, {
    sequence: config.train.sequence,
    appendEos: config.train.eos,
    vocab: folder.config.shape.vocab,
    license: normalLicense,
    language: normalLanguage,
  });
  const committed = commitRows(config, data.examples, salt, folder.config.shape.vocab);
  const targets = TARGETS.filter((t) => config.lora.targets.includes(t)),
    { r } = config.lora,
    imported = config.lora.from === null ? undefined : startFrom(config.lora.from, config.lora, folder.config.shape);
  const base = loadBase(config.base.path, folder),
    notes = [...codec.ids.notes, ...(imported ? startNotes(config, base, imported.meta) : [])];
  const { ints, bits } = quantizeBase(base.weights);
  const rowsPer = Math.min(config.train.batch, config.train.microBatch);
  const of = { shape: base.shape, weightBits: bits },
    proof = { ...config.proof, rate: config.proof.rate ?? witnessRate(config, of) },
    programs = committedPrograms({ ...config, proof }, of),
    { program, plan, update } = programs;
  const frozen = frozenIntegers(base.shape, ints, base.rope, config.train.sequence);
  const manifest = manifestFrom(config, key ? { salt, key } : { salt }, {
    base: { digest: base.digest, ...of },
    data,
    committed,
    codec,
    programs,
  });
  const list = batchesOf(manifest, programs, committed.rows, key);
  const { roundByRound } = runLedger({ plan, update, steps: config.train.steps, micros: Math.ceil(config.train.batch / rowsPer) });
  if (roundByRound < LEAST_BITS)
    throw new UnsupportedError([
      `proof.bits ${config.proof.bits} gives ${roundByRound.toFixed(1)} provable bits, at least ${LEAST_BITS} are required`,
    ]);
  return {
    run: runOf(manifest, programs),
    inputs: {
      base: { frozen },
      data: { batches: list, rows: committed.rows, tree: committed.tree, ...(key ? { key } : {}) },
      initial: initialState(program, imported?.master ?? initialMaster(base.shape, r, targets, config.lora.seed)),
    },
    config: { ...config, proof },
    model: base,
    rows: data,
    codec,
    notes,
    ...(imported ? { inexact: imported.inexact } : {}),
  };
}
