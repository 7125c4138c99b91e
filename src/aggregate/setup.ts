import { readFileSync } from 'node:fs';
import { InputError } from '../io/errors.js';
import { type DataResult, TextCodec, loadData } from '../io/data.js';
import { type BaseModel, loadBase, sha256Hex } from '../io/hf.js';
import { readAdapter } from '../io/peft.js';
import { frozenIntegers, quantizeBase } from '../model/base.js';
import { initialMaster } from '../model/init.js';
import { TARGETS } from '../model/llama.js';
import { type AdapterState, type Batch, initialState, targetCount } from '../model/step.js';
import { ADAMW } from '../optim/adamw.js';
import type { ScheduleRow } from '../optim/constants.js';
import { datasetLeaf, datasetRoot } from '../policy/dataset.js';
import type { RunConfig } from '../policy/runfile.js';
import { batches } from '../policy/sampler.js';
import { scheduleRows } from '../policy/schedule.js';
import { LEAST_BITS, runLedger } from './ledger.js';
import { MANIFEST_VERSION, type Manifest } from './manifest.js';
import { programsOf } from './programs.js';
import { sameLayout } from '../tensor/layout.js';
import type { Plan } from '../tensor/plan.js';
import { programDigest } from '../tensor/statement.js';
import type { Program, TensorClass } from '../tensor/types.js';

/** Everything that both trainer and verifier derive from configuration, base and data. */
export interface Setup {
  readonly config: RunConfig;
  readonly base: BaseModel;
  readonly data: DataResult;
  readonly program: Program;
  readonly plan: Plan;
  /** With accumulation `program` is the micro program and this the update; otherwise `program` is the whole step. */
  readonly update?: { readonly program: Program; readonly plan: Plan };
  readonly frozen: Map<string, BigInt64Array>;
  readonly rows: ScheduleRow[];
  readonly batches: { epoch: number; indices: number[]; micro: Batch[]; targets: number }[];
  readonly root: bigint[];
  readonly initial: AdapterState;
  readonly codec: TextCodec;
  readonly manifest: Manifest;
}

export { type Manifest, manifestJson } from './manifest.js';

/** A configuration that this release cannot prove: all reasons at once. */
export class UnsupportedError extends Error {
  constructor(readonly reasons: readonly string[]) {
    super(reasons.join('; '));
    this.name = 'UnsupportedError';
  }
}

const hex = (f: string): string => {
  try {
    return `sha256:${sha256Hex(readFileSync(f))}`;
  } catch (e) {
    throw new InputError(f, [`cannot be read: ${(e as Error).message}`]);
  }
};

/** State left by one program is state entered by another by equality of commitments: both must lie alike in trees of one shape. */
function linked(from: Plan, left: TensorClass, to: Plan, entered: TensorClass): void {
  const a = from.layouts.get(left),
    b = to.layouts.get(entered),
    tree = (p: Plan, c: TensorClass): string =>
      JSON.stringify([p.stateWhir!.logHeight, p.stateWhir!.params.logInvRate, p.stateWhir!.trees[p.stateClasses.indexOf(c)].used]);
  if (!a || !b || !sameLayout(a, b) || tree(from, left) !== tree(to, entered)) throw new Error(`${left} and ${entered} lie differently`);
}

/** Derives program, plan, batches, schedule, initial state and manifest. `salt` is published in the public mode. */
export function setup(config: RunConfig, salt: readonly bigint[]): Setup {
  const base = loadBase(config.base.path),
    codec = new TextCodec(config.base.path, config.train.template ?? undefined);
  if (config.train.sequence > base.maxPositions)
    throw new UnsupportedError([`train.sequence ${config.train.sequence} exceeds the base's ${base.maxPositions} positions`]);
  const data = loadData(config.data, codec, { sequence: config.train.sequence, bos: base.bos, eos: base.eos, appendEos: config.train.eos });
  data.examples.forEach((e, i) => {
    const at = e.tokens.findIndex((t) => !(t >= 0 && t < base.shape.vocab));
    if (at >= 0)
      throw new InputError(config.base.path, [`the tokenizer gives id ${e.tokens[at]} in example ${i}, the model has ${base.shape.vocab}`]);
  });
  const ids = <T>(xs: T[]): Map<T, number> => new Map([...new Set(xs)].map((x, i) => [x, i]));
  const sources = ids(data.examples.map((e) => e.source)),
    licenses = ids(data.examples.map((e) => e.license)),
    languages = ids(data.examples.map((e) => e.language));
  const root = datasetRoot(
    data.examples.map((e) =>
      datasetLeaf({
        salt,
        tokens: e.tokens,
        mask: e.mask,
        source: sources.get(e.source)!,
        license: licenses.get(e.license)!,
        language: languages.get(e.language)!,
      }),
    ),
  );
  const { ints, bits } = quantizeBase(base.weights);
  const targets = TARGETS.filter((t) => config.lora.targets.includes(t)),
    { r } = config.lora,
    rowsPer = Math.min(config.train.batch, config.train.microBatch);
  const { program, plan, update } = programsOf(config, { shape: base.shape, weightBits: bits });
  const last = update?.plan ?? plan;
  linked(last, 'cOut', plan, 'cIn');
  linked(last, 'oOut', last, 'oIn');
  if (update) for (const p of [plan, last]) linked(plan, 'aOut', p, 'aIn');
  const frozen = frozenIntegers(base.shape, ints, base.rope, config.train.sequence);
  const rows = scheduleRows({ ...config.train, betas: config.train.betas as [number, number] });
  const list: Setup['batches'][number][] = [],
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
    list.push({ ...next, micro, targets: targetCount(batch, config.train.sequence) });
  }
  let master = initialMaster(base.shape, r, targets, config.lora.seed);
  if (config.lora.from !== null) {
    const from = readAdapter(config.lora.from, base.shape);
    if (from.meta.r !== r || from.meta.targets.join() !== targets.join())
      throw new UnsupportedError(['lora.from has another rank or other targets than lora.r and lora.targets']);
    // The proof's bounds start from the initial state: a value outside the master format must not enter.
    master = new Map(
      [...from.members].map(([k, v]) => [
        k,
        BigInt64Array.from(v, (x) => {
          if (!(Math.abs(x) < 8)) throw new InputError(config.lora.from!, [`${k} holds ${x}`], 'values must stay below 8 in magnitude');
          return BigInt(Math.round(x * 2 ** ADAMW.master.frac));
        }),
      ]),
    );
  }
  const stored: RunConfig = {
    ...config,
    base: { ...config.base, path: '' },
    data: config.data.map((d) => ({ ...d, path: '' })),
    lora: { ...config.lora, from: config.lora.from === null ? null : hex(`${config.lora.from}/adapter_model.safetensors`) },
  };
  const manifest: Manifest = {
    type: 'certune-manifest',
    version: MANIFEST_VERSION,
    config: stored,
    base: { digest: base.digest, shape: base.shape, weightBits: bits },
    dataset: {
      root: root.map(String),
      salt: salt.map(String),
      examples: data.examples.length,
      files: config.data.map((d) => ({ digest: hex(d.path), source: d.source, license: d.license, language: d.language })),
    },
    tokenizer: hex(`${config.base.path}/tokenizer.json`),
    program: [program, ...(update ? [update.program] : [])].flatMap((p) => programDigest(p).map(String)),
  };
  const { roundByRound } = runLedger({ plan, update, steps: config.train.steps, micros: Math.ceil(config.train.batch / rowsPer) });
  if (roundByRound < LEAST_BITS)
    throw new UnsupportedError([
      `proof.bits ${config.proof.bits} gives ${roundByRound.toFixed(1)} provable bits, at least ${LEAST_BITS} are required`,
    ]);
  return {
    config,
    base,
    data,
    program,
    plan,
    ...(update ? { update } : {}),
    frozen,
    rows,
    batches: list,
    root,
    initial: initialState(program, master),
    codec,
    manifest,
  };
}
