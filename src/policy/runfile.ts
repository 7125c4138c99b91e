import { existsSync, readFileSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { InputError } from '../io/errors.js';
import { TARGETS } from '../model/llama.js';

/** A format of docs/numbers.md in place of the preset's. */
const override = (least: number, most: number) => z.number().int().min(least).max(most).nullable().default(null);

/** Schema of run.yaml: unknown keys are refused, every key has the default that `init` writes. */
export const runSchema = z.strictObject({
  version: z.literal(1),
  base: z.strictObject({ path: z.string(), revision: z.string().nullable().default(null) }),
  data: z
    .array(
      z.strictObject({
        path: z.string(),
        format: z.enum(['auto', 'messages', 'prompt-completion', 'alpaca', 'text']).default('auto'),
        source: z.string().default('unknown'),
        license: z.string().default('LicenseRef-unknown'),
        language: z.string().default('und'),
      }),
    )
    .min(1),
  lora: z
    .strictObject({
      r: z.number().int().min(1).default(8),
      alpha: z.number().positive().default(16),
      targets: z
        .array(z.enum(TARGETS))
        .min(1)
        .default([...TARGETS]),
      scaling: z.enum(['lora', 'rslora']).default('lora'),
      seed: z.number().int().nonnegative().default(0),
      from: z.string().nullable().default(null),
    })
    .prefault({}),
  train: z
    .strictObject({
      steps: z.number().int().min(1).default(100),
      batch: z.number().int().min(1).default(8),
      microBatch: z.number().int().min(1).default(8),
      sequence: z.number().int().min(2).default(256),
      truncation: z.literal('right').default('right'),
      template: z.string().nullable().default(null),
      eos: z.boolean().default(true),
      learningRate: z.number().positive().default(2e-4),
      schedule: z.enum(['constant', 'linear', 'cosine']).default('cosine'),
      warmup: z.number().min(0).default(0.03),
      betas: z.tuple([z.number(), z.number()]).default([0.9, 0.95]),
      epsilon: z.number().positive().default(1e-8),
      weightDecay: z.number().min(0).default(0.05),
      clip: z.number().min(0).default(1),
    })
    .prefault({}),
  sampler: z
    .strictObject({
      mode: z.literal('public').default('public'),
      key: z.string().default('certune'),
      beacon: z.string().default(''),
      replacement: z.boolean().default(false),
      shortBatch: z.enum(['keep', 'drop']).default('keep'),
    })
    .prefault({}),
  proof: z
    .strictObject({
      bits: z.number().int().min(100).max(128).default(128),
      hash: z.literal('poseidon2').default('poseidon2'),
      rate: z.number().int().min(1).max(4).default(2),
    })
    .prefault({}),
  numbers: z
    .strictObject({
      preset: z.enum(['default', 'small']).default('default'),
      xBits: override(20, 30),
      actBits: override(16, 28),
      actFrac: override(6, 16),
      gradFrac: override(6, 16),
      scoreFrac: override(6, 14),
      headFrac: override(6, 16),
      expBits: override(12, 22),
      siluBits: override(12, 22),
      siluFrac: override(6, 14),
    })
    .prefault({}),
});
export type RunConfig = z.infer<typeof runSchema>;

/** Reads RUN/run.yaml; paths are relative to the run folder. Lists every wrong key at once. */
export function readRun(run: string): RunConfig {
  const file = join(run, 'run.yaml');
  if (!existsSync(file)) throw new InputError(file, ['is missing'], 'create it with certune init');
  let raw: unknown;
  try {
    raw = parse(readFileSync(file, 'utf8'));
  } catch (e) {
    throw new InputError(file, [(e as Error).message]);
  }
  const r = runSchema.safeParse(raw);
  if (!r.success)
    throw new InputError(
      file,
      r.error.issues.map((i) => `${i.path.join('.') || 'file'}: ${i.message}`),
    );
  const at = (p: string): string => (isAbsolute(p) ? p : resolve(run, p));
  return {
    ...r.data,
    base: { ...r.data.base, path: at(r.data.base.path) },
    data: r.data.data.map((d) => ({ ...d, path: at(d.path) })),
    lora: { ...r.data.lora, from: r.data.lora.from === null ? null : at(r.data.lora.from) },
  };
}

/** Commented run.yaml with every key and its default. */
export function runTemplate(model: string, data: readonly string[]): string {
  return `# Certune run. Paths are relative to this folder.
version: 1
base:
  path: ${JSON.stringify(model)}       # Hugging Face folder: config.json, safetensors, tokenizer.json
  revision: null       # revision named in the adapter, if any
data:
${data
  .map(
    (d) => `  - path: ${JSON.stringify(d)}
    format: auto       # auto, messages, prompt-completion, alpaca, text
    source: unknown    # declared source; a row's own "source" wins
    license: LicenseRef-unknown  # SPDX expression, declared
    language: und      # BCP 47, declared
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
  truncation: right
  template: null       # chat template that replaces the base's
  eos: true            # append the closing id to every row
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
proof:
  bits: 128
  hash: poseidon2
  rate: 2              # log2 of the inverse rate of the witness commitment
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
`;
}
