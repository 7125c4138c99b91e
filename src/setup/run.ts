import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type DataResult, loadData } from '../io/data.js';
import { TextCodec } from '../io/codec.js';
import { type BaseModel, loadBase, openBase, sha256File } from '../io/hf.js';
import { sha256Hex } from '../hash/sha256.js';
import { importAdapter, readAdapter } from '../io/peft.js';
import type { FileKind } from '../io/read-file.js';
import { frozenIntegers, quantizeBase } from '../model/base.js';
import { initialMaster } from '../model/init.js';
import { type LlamaShape, TARGETS } from '../model/shape.js';
import { scheduleScalars } from '../optim/constants.js';
import { type Batch, initialState, scalarFormats, targetCount } from '../model/step.js';
import { budgetsOf } from '../run/budgets.js';
import { type RunConfig, LEAF_VERSION, SAMPLER } from '../run/schema.js';
import { commitDataset } from '../policy/dataset.js';
import { normalLanguage } from '../run/language.js';
import { normalLicense } from '../run/license.js';
import { batches } from '../policy/sampler.js';
import { LEAST_BITS, runLedger } from '../run/ledger.js';
import { type Manifest, MANIFEST_VERSION } from '../run/manifest.js';
import { committedPrograms, numbersOf, scalingFactor, programList } from '../run/programs.js';
import { UnsupportedError } from '../errors.js';
import { type Run, runOf } from '../run/facts.js';
import type { Complete, StepBatch } from '../run/inputs.js';
import { scheduleRows } from '../run/schedule.js';

/** A run whose files are all at hand. */
export interface Setup {
  readonly run: Run;
  readonly inputs: Complete;
  /** run.yaml with the paths of this machine: the manifest's has none. */ readonly config: RunConfig;
  readonly model: BaseModel;
  readonly rows: DataResult;
  readonly codec: TextCodec;
  /** Values of lora.from that were no multiples of 2^-30. */ readonly inexact?: number;
}

const hex = (f: string, kind: FileKind): string => `sha256:${sha256File(f, kind)}`;

/** Master copy of the adapter that a run starts from, which must be what lora says. Throws InputError, UnsupportedError. */
export function startFrom(dir: string, lora: RunConfig['lora'], shape: LlamaShape): ReturnType<typeof importAdapter> {
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
  return importAdapter(dir, members);
}

/** Derives program, plan, batches, schedule, initial state and manifest. `salt` is published in the public mode. */
export function setup(config: RunConfig, salt: readonly bigint[]): Setup {
  // What is cheap to refuse is refused before weights are read.
  const folder = openBase(config.base.path),
    codec = new TextCodec(config.base.path, config.train.template ?? undefined);
  if (config.train.sequence > folder.config.maxPositions)
    throw new UnsupportedError([`train.sequence ${config.train.sequence} exceeds the base's ${folder.config.maxPositions} positions`]);
  // The id in front of a text is the tokenizer's own habit; where it has none, config.json's.
  const bos = codec.addsBos === false ? null : folder.bos;
  const data = loadData(config.data, codec, {
    sequence: config.train.sequence,
    bos,
    eos: folder.eos,
    appendEos: config.train.eos,
    vocab: folder.config.shape.vocab,
    license: normalLicense,
    language: normalLanguage,
  });
  const ids = <T>(xs: T[]): Map<T, number> => new Map([...new Set(xs)].map((x, i) => [x, i]));
  const sources = ids(data.examples.map((e) => e.source)),
    licenses = ids(data.examples.map((e) => e.license)),
    languages = ids(data.examples.map((e) => e.language));
  const root = commitDataset(
    salt,
    data.examples.map((e) => ({
      tokens: e.tokens,
      mask: e.mask,
      source: sources.get(e.source)!,
      license: licenses.get(e.license)!,
      language: languages.get(e.language)!,
    })),
  );
  const targets = TARGETS.filter((t) => config.lora.targets.includes(t)),
    { r } = config.lora,
    imported = config.lora.from === null ? undefined : startFrom(config.lora.from, config.lora, folder.config.shape);
  const base = loadBase(config.base.path, folder);
  const { ints, bits } = quantizeBase(base.weights);
  const rowsPer = Math.min(config.train.batch, config.train.microBatch);
  const programs = committedPrograms(config, { shape: base.shape, weightBits: bits }),
    { program, plan, update } = programs;
  const frozen = frozenIntegers(base.shape, ints, base.rope, config.train.sequence);
  const rows = scheduleRows({ ...config.train, betas: config.train.betas as [number, number] });
  const formats = scalarFormats((update ?? { program }).program),
    list: StepBatch[] = [],
    stream = batches({
      key: config.sampler.key,
      beacon: config.sampler.beacon,
      replacement: config.sampler.replacement,
      shortBatch: config.sampler.shortBatch,
      batch: config.train.batch,
      examples: data.examples.length,
      root,
    });
  for (let s = 0; s < config.train.steps; s++) {
    const next = stream.next().value as { epoch: number; indices: number[] };
    const batch: Batch = { tokens: next.indices.map((i) => data.examples[i].tokens), mask: next.indices.map((i) => data.examples[i].mask) };
    const micro: Batch[] = [];
    for (let at = 0; at < batch.tokens.length; at += rowsPer)
      micro.push({ tokens: batch.tokens.slice(at, at + rowsPer), mask: batch.mask.slice(at, at + rowsPer) });
    const targets = targetCount(batch, config.train.sequence);
    // Scalars that no format holds are refused here, before training has begun.
    scheduleScalars(rows[s], targets, config.train.clip, formats, s);
    list.push({ ...next, micro, targets });
  }
  const stored: RunConfig = {
    ...config,
    base: { ...config.base, path: '' },
    data: config.data.map((d) => ({ ...d, path: '' })),
    lora: { ...config.lora, from: config.lora.from === null ? null : hex(`${config.lora.from}/adapter_model.safetensors`, 'weights') },
  };
  const manifest: Manifest = {
    type: 'certune-manifest',
    version: MANIFEST_VERSION,
    config: stored,
    base: { digest: base.digest, shape: base.shape, weightBits: bits },
    dataset: {
      root: root.map(String),
      salt: salt.map(String),
      leaf: LEAF_VERSION,
      examples: data.examples.length,
      dropped: data.dropped.length,
      sources: [...sources.keys()],
      licenses: [...licenses.keys()],
      languages: [...languages.keys()],
      files: config.data.map((d, i) => ({
        digest: hex(d.path, 'data'),
        source: d.source,
        license: d.license,
        language: d.language,
        converters: [...data.files[i].converters],
        rows: data.files[i].rows,
        kept: data.files[i].kept,
      })),
    },
    preprocessing: {
      tokenizer: hex(join(config.base.path, 'tokenizer.json'), 'tokenizer'),
      tokenizerConfig: existsSync(join(config.base.path, 'tokenizer_config.json'))
        ? hex(join(config.base.path, 'tokenizer_config.json'), 'tokenizer')
        : null,
      template: codec.template === undefined ? null : `sha256:${sha256Hex(codec.template)}`,
      truncation: 'right',
      padding: { side: 'right', id: 0 },
      bos,
      eos: folder.eos,
    },
    sampler: SAMPLER,
    scaling: scalingFactor(config.lora),
    budgets: budgetsOf(numbersOf(config), config.train.sequence, base.shape.vocab),
    program: programList(programs).flatMap((p) => p.digest.map(String)),
  };
  const { roundByRound } = runLedger({ plan, update, steps: config.train.steps, micros: Math.ceil(config.train.batch / rowsPer) });
  if (roundByRound < LEAST_BITS)
    throw new UnsupportedError([
      `proof.bits ${config.proof.bits} gives ${roundByRound.toFixed(1)} provable bits, at least ${LEAST_BITS} are required`,
    ]);
  return {
    run: runOf(manifest, programs),
    inputs: {
      base: { frozen },
      data: { batches: list },
      initial: initialState(program, imported?.master ?? initialMaster(base.shape, r, targets, config.lora.seed)),
    },
    config,
    model: base,
    rows: data,
    codec,
    ...(imported ? { inexact: imported.inexact } : {}),
  };
}
