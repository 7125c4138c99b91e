import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isAbsolute, join, resolve } from 'node:path';
import { InputError, reason } from '../errors.js';
import { JSON_DEPTH } from '../io/json-bounds.js';
import { FORMATS } from '../io/format-names.js';
import { readText } from '../io/read-file.js';
import { TARGETS } from '../model/shape.js';
import { type RunConfig, runSchema, describeIssues } from '../run/schema.js';
import { closest } from '../run/suggest.js';
import type { Path } from '../schema.js';

/** Loaded where a run.yaml is read: who verifies a file reads none. */
const yaml = (): typeof import('yaml') => createRequire(import.meta.url)('yaml') as typeof import('yaml');

/** Throws RangeError where a value is nested deeper than a JSON file may be. */
function checkDepth(x: unknown, left = JSON_DEPTH): void {
  if (left === 0) throw new RangeError('depth');
  if (x && typeof x === 'object') for (const y of Object.values(x)) checkDepth(y, left - 1);
}

/**
 * Throws RangeError where brackets or marks of lists on one line are nested deeper than in any run.yaml: the parser
 * calls itself for each, and takes seconds before its stack ends. Brackets of texts are counted too, which are closed
 * where they are not meant to be hostile.
 */
function checkNesting(text: string): void {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x5b || c === 0x7b) {
      if (++depth > 1000) throw new RangeError('depth');
    } else if ((c === 0x5d || c === 0x7d) && depth > 0) depth--;
  }
  if (/^ *(?:[-?:] +){100}/m.test(text)) throw new RangeError('depth');
}

/** Keys of other trainers that have no counterpart here, and what to do about them. */
const FOREIGN: Readonly<Record<string, string>> = {
  dropout: 'dropout above 0 is not supported: leave the key out',
  dora: 'DoRA is not supported: leave the key out',
  usedora: 'DoRA is not supported: leave the key out',
  userslora: 'write lora.scaling: rslora',
  bias: 'trained biases are not supported: leave the key out',
  modulestosave: 'only projections are adapted: leave the key out',
  optimizer: 'the optimizer is AdamW: leave the key out',
  packing: 'packing is not supported: leave the key out',
  fp16: 'training is in exact integers: leave the key out',
  bf16: 'training is in exact integers: leave the key out',
  loadin4bit: 'quantised bases are not supported: leave the key out',
  loadin8bit: 'quantised bases are not supported: leave the key out',
  epochs: 'write train.steps: epochs follow from steps, batch and data',
  gradientaccumulationsteps: 'write train.batch and a smaller train.microBatch',
};

/** Keys that the schema has at a path, from a configuration in which all are present. */
function keysAt(at: Path): string[] {
  let here: unknown = runSchema.parse({ version: 1, base: { path: '' }, data: [{ path: '' }] });
  for (const k of at) here = (here as Record<PropertyKey, unknown> | undefined)?.[typeof k === 'number' ? 0 : k];
  return here && typeof here === 'object' ? Object.keys(here) : [];
}

/** What to write in place of an unknown key. */
function hintOf(at: Path, key: string): string | undefined {
  const foreign = FOREIGN[key.toLowerCase().replace(/[-_]/g, '')],
    near = closest(key, keysAt(at));
  return foreign ?? (near === undefined ? undefined : `did you mean ${near}?`);
}

/**
 * Checks the text of a run.yaml. Lists every problem at once: keys twice, unknown, of the wrong type, out of range.
 * Throws InputError.
 */
export function parseRun(file: string, text: string): RunConfig {
  let raw: unknown;
  try {
    checkNesting(text);
    const doc = yaml().parseDocument(text.replace(/^\ufeff/, ''), {
        prettyErrors: true,
        uniqueKeys: true,
        logLevel: 'error',
        stringKeys: true,
      }),
      errors = [...doc.errors, ...doc.warnings];
    if (errors.length)
      throw new InputError(
        file,
        errors.map((e) => e.message.split('\n')[0].replace(/:$/, '')),
      );
    raw = doc.toJS({ maxAliasCount: 100 });
    // What follows walks through it by calling itself.
    checkDepth(raw);
  } catch (e) {
    if (e instanceof InputError) throw e;
    throw new InputError(file, [e instanceof RangeError ? `is nested deeper than ${JSON_DEPTH} levels` : reason(e)]);
  }
  const r = runSchema.safeParse(raw);
  if (!r.success) throw new InputError(file, describeIssues(r.issues, 'file', raw, hintOf));
  return r.data;
}

/** Reads RUN/run.yaml; paths are relative to the run folder. Throws InputError. */
export function readRun(run: string): RunConfig {
  const file = join(run, 'run.yaml');
  if (!existsSync(file)) throw new InputError(file, ['is missing'], 'create it with certune init');
  const c = parseRun(file, readText(file, 'run.yaml')),
    at = (p: string): string => (isAbsolute(p) ? p : resolve(run, p));
  return {
    ...c,
    base: { ...c.base, path: at(c.base.path) },
    data: c.data.map((d) => ({ ...d, path: at(d.path) })),
    lora: { ...c.lora, from: c.lora.from === null ? null : at(c.lora.from) },
  };
}

/** Commented run.yaml with every key and its default. */
export function runTemplate(model: string, data: readonly string[]): string {
  return `# Certune run. Paths are relative to this folder.
version: 1
base:
  path: ${JSON.stringify(model)}       # Hugging Face folder: config.json, safetensors, tokenizer.json
  name: null           # its name on the hub, such as owner/name: named in the adapter; without it the digest is
  revision: null       # revision named in the adapter, if any
data:
${data
  .map(
    (d) => `  - path: ${JSON.stringify(d)}
    format: auto       # ${FORMATS.join(', ')}
    source: unknown    # declared source; a row's own "source" wins
    license: LicenseRef-unknown  # SPDX expression or tag of the hub, declared; a row's own wins
    language: und      # BCP 47, declared; a row's own wins
`,
  )
  .join('')}lora:
  r: 8
  alpha: 16
  targets: [${TARGETS.join(', ')}]
  scaling: lora        # lora: alpha / r, rslora: alpha / sqrt(r)
  seed: 0              # of the initial A
  from: null           # existing PEFT adapter to start from
train:
  steps: 100
  batch: 8
  microBatch: 8
  sequence: 256
  truncation: right    # rows are cut on the right and padded, masked, on the right
  template: null       # chat template that replaces the base's
  eos: true            # append the closing id to rows that do not end in it
  learningRate: 0.0002
  schedule: cosine     # constant, linear, cosine
  warmup: 0.03         # below 1: fraction of the steps
  betas: [0.9, 0.95]
  epsilon: 1.0e-8
  weightDecay: 0.05
  clip: 1.0            # global norm, 0 for none
sampler:
  mode: public         # batches can be replayed by whoever holds the data
  key: certune
  beacon: ""           # outside value fixed after the data; without it the prover chose the order
  replacement: false
  shortBatch: keep     # keep or drop the last batch of an epoch
  epochExamples: null  # draws in an epoch; null: every row once
  strata: []           # - {bin: english, perEpoch: 100}: exactly so many draws of a bin's rows in every epoch, the bin named first wins
policy:
  bins: []             # - {name: english, where: {language: [en]}, examples: {min: 0, max: 100}, targets: {max: 9000}}: limits of an epoch
  licenses: null       # list of SPDX licences under which data may be trained on; null: none declared
show:                  # what a folded proof says; null: all of it in the public mode, in the private one sums of epochs alone
  losses: null         # steps (of every micro-batch), epochs (sums of epochs and of the whole) or none
  targets: null        # steps, epochs or none: numbers of target tokens
  totals: null         # epochs or none: examples and targets of every bin
  adapter: commitment  # what a certificate says of the adapter that is left: its commitment, or none (private mode alone)
proof:
  bits: 128
  hash: poseidon2      # of trees and transcripts; blake3 is faster, but no circuit verifies such a proof
  rate: null           # log2 of the inverse rate of the witness commitment; null: 1 or 2, by what proving and folding cost
numbers:
  preset: default      # default (2^20 tables) or small (2^16 tables, for tiny models)
  xBits: null          # each null: the preset's. Bits of the residual stream
  actBits: null        # bits of activations and gradients
  actFrac: null        # fraction bits of activations: one lower doubles their range
  gradFrac: null       # fraction bits of gradients: one lower doubles their range
  scoreFrac: null      # fraction bits of attention scores
  headFrac: null       # fraction bits of logits
  expBits: null        # log2 of the exponential tables' size
  siluBits: null       # log2 of the SiLU table's size
  siluFrac: null       # fraction bits of SiLU's argument
  momentFrac: null     # fraction bits of AdamW's second moment, even: two lower widen its range by four; null: 62 where clip is at most 1, else 60
`;
}
