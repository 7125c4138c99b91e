import { join } from 'node:path';
import { projectionSize } from '../model/init.js';
import type { LlamaShape } from '../model/shape.js';
import { ADAMW } from '../optim/adamw.js';
import { InputError } from '../errors.js';
import { type AdapterMeta, adapterConfig, adapterKey, adapterMembers, parseAdapterConfig } from './adapter.js';
import { readJson } from './json.js';
import { listFolder } from './read-file.js';
import { type Tensor, SafetensorsFile, safetensorsPieces } from './safetensors.js';
import { writeAtomic } from './atomic.js';

/**
 * Writes an adapter folder that PEFT loads. Members ("q_proj.A") are integers C, released as C 2^-20: exact in float32.
 */
export function writeAdapter(
  dir: string,
  shape: LlamaShape,
  meta: AdapterMeta,
  members: ReadonlyMap<string, BigInt64Array>,
  card: string,
): void {
  writeAtomic(join(dir, 'adapter_model.safetensors'), ...safetensorsPieces(adapterTensors(shape, meta, members)));
  writeAtomic(join(dir, 'adapter_config.json'), configText(meta));
  writeAtomic(join(dir, 'README.md'), card);
}

/** The very bytes that writeAdapter writes. */
export function adapterBytes(
  shape: LlamaShape,
  meta: AdapterMeta,
  members: ReadonlyMap<string, BigInt64Array>,
): { readonly config: Uint8Array; readonly tensors: Uint8Array } {
  return { config: Buffer.from(configText(meta)), tensors: Buffer.concat(safetensorsPieces(adapterTensors(shape, meta, members))) };
}

const configText = (meta: AdapterMeta): string => `${JSON.stringify(adapterConfig(meta), null, 2)}\n`;

function adapterTensors(shape: LlamaShape, meta: AdapterMeta, members: ReadonlyMap<string, BigInt64Array>): Map<string, Tensor> {
  const out = new Map<string, Tensor>();
  for (const t of meta.targets)
    for (const ab of ['A', 'B'] as const) {
      const v = members.get(`${t}.${ab}`)!,
        n = v.length / shape.layers,
        z = projectionSize(shape, t),
        halves = new Int32Array(v.buffer, v.byteOffset, 2 * v.length);
      for (let l = 0; l < shape.layers; l++) {
        const data = new Float32Array(n);
        for (let i = 0; i < n; i++) {
          const at = l * n + i,
            low = halves[2 * at];
          if (halves[2 * at + 1] !== low >> 31 || low > 2 ** 24 || low < -(2 ** 24))
            throw new RangeError(`${t}.${ab} holds ${v[at]}: beyond 2^24 it is not exact in float32`);
          data[i] = low / 2 ** ADAMW.C.frac;
        }
        out.set(adapterKey(l, t, ab), { shape: ab === 'A' ? [meta.r, z.in] : [z.out, meta.r], data });
      }
    }
  return out;
}

/** A base by its digest, and by the names that it is known by. */
export interface BaseIdentity {
  readonly digest: string;
  readonly names: readonly string[];
  /** eos_token_id with which the same weights and configuration have this digest (closingOfDigest of hf.ts). */
  readonly closingOf?: (digest: string) => string | undefined;
}

/**
 * Whether an adapter is one of this base: another digest is refused, unless nothing differs but which ids close a text,
 * which is said; another name is said. What the adapter says by a name where the base has none cannot be compared,
 * which is said too. Throws InputError.
 */
export function checkAdapterBase(dir: string, meta: AdapterMeta, base: BaseIdentity): string[] {
  if (/^sha256:[0-9a-f]{64}$/.test(meta.base)) {
    if (meta.base === base.digest) return [];
    const closing = base.closingOf?.(meta.base);
    if (closing === undefined)
      throw new InputError(
        join(dir, 'adapter_config.json'),
        [`base_model_name_or_path is ${meta.base}, the base is ${base.digest}: the adapter was trained on another base`],
        'give the base that it was trained on',
      );
    return [
      `${dir} says that it is an adapter of ${meta.base}, the base is ${base.digest}: the same weights and configuration, but that eos_token_id of config.json was ${closing} and its white space another`,
    ];
  }
  if (meta.base === '') return [`${dir} does not say of which base it is an adapter`];
  if (base.names.includes(meta.base)) return [];
  return [
    base.names.length
      ? `${dir} says that it is an adapter of ${meta.base}, the base is called ${base.names.join(', ')}: nothing tells whether they are the same`
      : `${dir} says that it is an adapter of ${meta.base}: nothing tells whether the base is that one`,
  ];
}

/**
 * Reads an adapter folder: real values by member. Fails on any missing or extra tensor and on every option not
 * supported, all at once.
 */
export function readAdapter(
  dir: string,
  shape: LlamaShape,
): { meta: AdapterMeta; members: Map<string, Float64Array>; config: Record<string, unknown> } {
  const problems: string[] = [],
    config = readJson(join(dir, 'adapter_config.json'), 'config'),
    meta = parseAdapterConfig(config, problems);
  if (problems.length) throw new InputError(join(dir, 'adapter_config.json'), problems);
  const file = join(dir, 'adapter_model.safetensors'),
    open = new SafetensorsFile(file);
  try {
    return { meta, members: adapterMembers(file, shape, meta, open), config };
  } finally {
    open.close();
  }
}

/** Ends of names of files that hold tensors, for some loader. */
const TENSORS = /\.(safetensors|bin|pt|pth|ckpt|pkl|gguf|npz|h5|msgpack)$/i;

/**
 * What lies in an adapter folder besides its configuration, tensors and card: `tensors` are files that some loader
 * reads in place of adapter_model.safetensors or with it (adapter_model.bin, new_embeddings.safetensors); `others` may
 * change how the adapter is used, as a tokenizer does. Nothing compares either. Throws InputError.
 */
export function besideAdapter(dir: string): { tensors: string[]; others: string[] } {
  const more = listFolder(dir)
    .filter((n) => n !== 'adapter_config.json' && n !== 'adapter_model.safetensors' && n !== 'README.md')
    .sort();
  return { tensors: more.filter((n) => TENSORS.test(n)), others: more.filter((n) => !TENSORS.test(n)) };
}

/**
 * Master copy of an existing adapter: round(x 2^30), ties upward; float32, float16 and bfloat16 values of at least 2^-7
 * in magnitude are exact, smaller ones may lose bits below 2^-30. `inexact` counts the values that changed. Values of 8
 * or more do not fit: listed.
 */
export function importAdapter(
  dir: string,
  members: ReadonlyMap<string, Float64Array>,
): { master: Map<string, BigInt64Array>; inexact: number } {
  const unit = 2 ** ADAMW.master.frac,
    limit = 2 ** (ADAMW.master.bits - 1 - ADAMW.master.frac),
    problems: string[] = [];
  let inexact = 0;
  const master = new Map(
    [...members].map(([name, v]) => {
      const at = v.findIndex((x) => !(Math.abs(x) < limit - 1 / unit));
      if (at >= 0) problems.push(`${name}[${at}] is ${v[at]}: values must stay below ${limit} in magnitude`);
      return [
        name,
        BigInt64Array.from(v, (x) => {
          if (at >= 0) return 0n;
          // Both products and the difference are exact.
          const y = x * unit,
            f = Math.floor(y);
          if (f !== y) inexact++;
          return BigInt(y - f >= 0.5 ? f + 1 : f);
        }),
      ] as const;
    }),
  );
  if (problems.length)
    throw new InputError(join(dir, 'adapter_model.safetensors'), problems, 'merge the adapter into the base, or scale it');
  return { master, inexact };
}

/** What the model card of a released adapter says. */
export interface CardFacts {
  readonly meta: AdapterMeta;
  readonly baseDigest: string;
  /** Declared, in the order of run.yaml: sources with licence and language. */
  readonly data: readonly { readonly source: string; readonly license: string; readonly language: string }[];
  readonly steps: number;
  readonly batch: number;
  /** Rows of all files: given, learnt, and of these cut and without their closing id. */
  readonly rows: { readonly given: number; readonly kept: number; readonly cut: number; readonly unclosed: number };
  readonly datasetRoot: readonly string[];
  /** Digest of manifest.json, where it is known. */
  readonly manifest?: string;
  /** Values of an imported adapter that were rounded to 2^-30, if it started from one. */
  readonly imported?: { readonly inexact: number } | undefined;
}

/** A YAML string that needs no knowledge of YAML's special forms. */
const quoted = (s: string): string => JSON.stringify(s);
const unique = (xs: readonly string[]): string[] => [...new Set(xs)];

/** What became of the rows of a data set. */
export const rowsText = (r: CardFacts['rows']): string =>
  `${r.kept} of ${r.given} learnt, ${r.given - r.kept} dropped; ${r.cut} cut, ${r.unclosed} of them without their closing id`;

/** README.md of a released adapter: the hub's front matter, what is proved and what is declared. */
export function modelCard(f: CardFacts): string {
  const licenses = unique(f.data.map((d) => d.license)),
    languages = unique(f.data.map((d) => d.language)).filter((l) => l !== 'und'),
    sources = unique(f.data.map((d) => d.source)).filter((s) => s !== 'unknown');
  const hub =
    licenses.length === 1 && /^[A-Za-z0-9.-]+$/.test(licenses[0]) && !licenses[0].startsWith('LicenseRef-')
      ? licenses[0].toLowerCase()
      : 'other';
  const front = [
    ...(f.meta.base.startsWith('sha256:') ? [] : [`base_model: ${quoted(f.meta.base)}`]),
    'library_name: peft',
    'pipeline_tag: text-generation',
    `license: ${hub}`,
    ...(hub === 'other' ? [`license_name: ${quoted(licenses.join(' AND '))}`] : []),
    ...(languages.length ? ['language:', ...languages.map((l) => `- ${quoted(l)}`)] : []),
    // The hub takes names of data sets only; free text stays in the card.
    ...(sources.some((s) => /^[\w.-]+\/[\w.-]+$/.test(s))
      ? ['datasets:', ...sources.filter((s) => /^[\w.-]+\/[\w.-]+$/.test(s)).map((s) => `- ${quoted(s)}`)]
      : []),
    'tags:',
    '- lora',
    '- certune',
  ];
  const m = f.meta;
  return `---
${front.join('\n')}
---

# LoRA adapter trained with Certune

Rank ${m.r}, alpha ${m.alpha}${m.rslora ? ' (rsLoRA)' : ''}, on ${m.targets.join(', ')}. Every value is an integer times 2^-20, exact in float32: the integers are the last state of the
proved run.

| | |
| --- | --- |
| base | ${m.base === f.baseDigest ? f.baseDigest : `${m.base}${m.revision === null ? '' : ` at ${m.revision}`}, ${f.baseDigest}`} |
| steps | ${f.steps} of ${f.batch} sequences |
| dataset root | ${f.datasetRoot.join(' ')} |
| rows | ${rowsText(f.rows)} |
${f.manifest === undefined ? '' : `| manifest | ${f.manifest} |\n`}${f.imported ? `| started from | an existing adapter, rounded to multiples of 2^-30 (ties upward); ${f.imported.inexact} values were not multiples before |\n` : ''}
Proved: every step is the declared integer function of state, batch and schedule, from the initial adapter to this one. Declared, not proved:

| source | licence | language |
| --- | --- | --- |
${f.data.map((d) => `| ${d.source.replaceAll('|', '\\|')} | ${d.license} | ${d.language} |`).join('\n')}
`;
}
