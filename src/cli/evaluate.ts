import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { TextCodec } from '../io/codec.js';
import { loadData } from '../io/data.js';
import { FORMATS } from '../io/format-names.js';
import { closingOfDigest, type BaseModel, loadBase } from '../io/hf.js';
import { readJson } from '../io/json.js';
import type { AdapterMeta } from '../io/adapter.js';
import { checkAdapterBase, readAdapter } from '../io/peft.js';
import { readText } from '../io/read-file.js';
import { singleKernels } from '../kernels/single.js';
import { type InferenceAdapter, Inference } from '../model/generate.js';
import { templateDigest } from '../run/facts.js';
import { type Manifest, parseManifest } from '../run/manifest.js';
import { type Context, type Result, manifestFile, out } from './common.js';
import { VersionError } from '../errors.js';
import { UsageError } from './errors.js';
import { plain } from '../io/escape.js';

export interface ModelOptions {
  readonly model: string;
  readonly adapter?: string;
  /** Longest sequence in tokens. */
  readonly sequence?: string;
  /** Run folder whose adapter, template and format are used. */
  readonly run?: string;
  /** File of a chat template in place of the run's and the base's. */
  readonly template?: string;
}
const NOT_PROVED = 'measured in float64, not proved';
const BATCH = 16;

/** A whole number of at least `least` from an option. */
function whole(option: string, text: string | undefined, otherwise: number, least = 1): number {
  const n = text === undefined ? otherwise : Number(text);
  if (!Number.isSafeInteger(n) || n < least) throw new UsageError(`${option}: "${text}" is not a whole number of at least ${least}`);
  return n;
}
function sequenceOf(base: BaseModel, o: ModelOptions, otherwise: number): number {
  const n = whole('--sequence', o.sequence, Math.min(otherwise, base.maxPositions), 2);
  if (n > base.maxPositions) throw new UsageError(`--sequence: ${n} is more than the base's ${base.maxPositions} positions`);
  return n;
}

/** A base with adapter and codec, as the run that trained the adapter used them. */
interface Loaded {
  readonly base: BaseModel;
  readonly codec: TextCodec;
  readonly adapter?: InferenceAdapter;
  /** Settings of the run, where one is known. */
  readonly config?: Manifest['config'];
  readonly notes: readonly string[];
}

/** Folder of the run that an adapter lies in, if it does: RUN/out/adapter beside RUN/out/manifest.json. */
function runOf(adapter: string): string | undefined {
  const run = resolve(adapter, '..', '..');
  return existsSync(manifestFile(run)) ? run : undefined;
}
/**
 * Settings of a run. One of another version is refused where it was asked for, and said where the adapter only lies in
 * it.
 */
function settingsOf(run: string, asked: boolean): { config?: Manifest['config']; old?: string } {
  const file = manifestFile(run);
  try {
    return { config: parseManifest(file, readJson(file, 'manifest')).config };
  } catch (e) {
    if (asked || !(e instanceof VersionError)) throw e;
    return { old: `${e.message}: chat template and format of that run are not used` };
  }
}
function load(o: ModelOptions): Loaded {
  const base = loadBase(o.model),
    dir = o.adapter ?? (o.run === undefined ? undefined : join(out(o.run), 'adapter')),
    run = o.run ?? (dir === undefined ? undefined : runOf(dir)),
    { config, old } = run === undefined ? {} : settingsOf(run, o.run !== undefined),
    template = o.template === undefined ? (config?.train.template ?? undefined) : readText(o.template, 'template'),
    codec = new TextCodec(base.dir, template),
    read = dir === undefined ? undefined : readAdapter(dir, base.shape);
  const from =
    o.template !== undefined ? o.template : template !== undefined ? `${run}` : codec.template === undefined ? undefined : 'the base';
  return {
    base,
    codec,
    ...(config ? { config } : {}),
    ...(read ? { adapter: { r: read.meta.r, targets: read.meta.targets, scaling: scalingOf(read.meta), members: read.members } } : {}),
    notes: [
      ...codec.ids.notes,
      ...(old === undefined ? [] : [old]),
      ...(from === undefined || from === 'the base' ? [] : [`chat template of ${from}`]),
      ...(read
        ? checkAdapterBase(dir!, read.meta, {
            digest: base.digest,
            names: namesOf(base, config),
            closingOf: (digest) => closingOfDigest(base.dir, digest),
          })
        : []),
    ],
  };
}
const scalingOf = (m: AdapterMeta): number => m.alpha / (m.rslora ? Math.sqrt(m.r) : m.r);
const namesOf = (base: BaseModel, config: Manifest['config'] | undefined): string[] =>
  [base.name, config?.base.name ?? null].filter((x) => x !== null);

/** Format of a data file: --format, else that of the run where all its files have one. */
function formatOf(given: string | undefined, config: Manifest['config'] | undefined): string {
  if (given !== undefined) {
    if (!(FORMATS as readonly string[]).includes(given)) throw new UsageError(`--format: "${given}" is none of ${FORMATS.join(', ')}`);
    return given;
  }
  const formats = new Set(config?.data.map((d) => d.format));
  return formats.size === 1 ? [...formats][0] : 'auto';
}
/** What of the run was used, for --json. */
const settings = (l: Loaded, format?: string): Record<string, unknown> => ({
  template: l.codec.template === undefined ? null : templateDigest(l.codec.template),
  closing: l.codec.ids.closing,
  ...(format === undefined ? {} : { format }),
  notes: l.notes,
});

/**
 * Mean loss on the completions of the given rows, and how many of them greedy decoding gives to the last token (rows
 * with one completion). A measurement by the float reading, not a claim of any proof.
 */
export function evaluate(o: ModelOptions & { data: string[]; show?: string; format?: string }, c: Context): Result {
  const loaded = load(o),
    { base, codec, adapter, config } = loaded,
    format = formatOf(o.format, config),
    sequence = sequenceOf(base, o, config?.train.sequence ?? 256),
    shown = whole('--show', o.show, 0, 0);
  for (const n of loaded.notes) c.progress.line(n);
  const rows = loadData(
    o.data.map((path) => ({ path, format, source: '', license: '', language: '' })),
    codec,
    { sequence, appendEos: config?.train.eos ?? true, vocab: base.shape.vocab },
  ).examples;
  // No row needs more positions than the longest.
  const longest = rows.reduce((n, x) => Math.max(n, x.tokens.length), 2),
    kernels = singleKernels();
  try {
    const model = new Inference(kernels, base, Math.min(BATCH, rows.length), longest, adapter),
      closes = (id: number): boolean => codec.closes(id);
    let targets = 0,
      sum = 0;
    const samples: { prompt: string; completion: string; wanted: string; right: boolean }[] = [];
    for (let at = 0; at < rows.length; at += BATCH) {
      const part = rows.slice(at, at + BATCH),
        start = part.map((x) => x.mask.indexOf(1)),
        n = part.reduce((a, x) => a + x.mask.reduce((p, q) => p + q, 0), 0);
      sum += n * model.meanLoss({ tokens: part.map((x) => x.tokens), mask: part.map((x) => x.mask) });
      targets += n;
      const prompts = part.map((x, i) => [...x.tokens.subarray(0, start[i])]);
      model.greedy(prompts, closes).forEach((got, i) => {
        const rest = [...part[i].tokens.subarray(start[i])],
          end = rest.findIndex(closes),
          wanted = end < 0 ? rest : rest.slice(0, end);
        samples.push({
          prompt: codec.decode(prompts[i]),
          completion: codec.decode(got),
          wanted: codec.decode(wanted),
          right: got.join() === wanted.join(),
        });
      });
      c.progress.update('evaluate', Math.min(at + BATCH, rows.length), rows.length);
    }
    const right = samples.filter((x) => x.right).length,
      loss = sum / targets;
    return {
      data: { proved: false, loss, targets, rows: rows.length, right, samples: samples.slice(0, shown), ...settings(loaded, format) },
      text: [
        `loss ${loss.toFixed(4)} nats a token over ${targets} tokens of ${rows.length} rows, exactly right ${right} (${NOT_PROVED})`,
        ...samples.slice(0, shown).map((x) => `  ${JSON.stringify(x.prompt)} -> ${JSON.stringify(x.completion)}`),
      ]
        .map(plain)
        .join('\n'),
    };
  } finally {
    kernels.close();
  }
}

/**
 * The greedy continuation of a prompt, or with `chat` the answer to it as a user's message. By the float reading, not
 * proved.
 */
export function generate(prompt: string, o: ModelOptions & { tokens?: string; chat?: boolean }, c: Context): Result {
  const loaded = load(o),
    { base, codec, adapter } = loaded,
    text = o.chat ? codec.render([{ role: 'user', content: prompt }], true) : prompt,
    // As in training: the tokenizer's first ids, once.
    ids = codec.prompt(text),
    room = whole('--tokens', o.tokens, 64),
    sequence = sequenceOf(base, o, ids.length + room),
    kernels = singleKernels();
  for (const n of loaded.notes) c.progress.line(n);
  if (!ids.length) throw new UsageError('the prompt is empty');
  if (ids.length >= sequence) throw new UsageError(`the prompt has ${ids.length} tokens, which leaves no room in ${sequence} positions`);
  try {
    const model = new Inference(kernels, base, 1, sequence, adapter),
      [got] = model.greedy([ids], (id) => codec.closes(id), room),
      completion = codec.decode(got);
    return { data: { proved: false, prompt: text, completion, tokens: got.length, ...settings(loaded) }, text: text + completion };
  } finally {
    kernels.close();
  }
}
