import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { RealWeights, Rope } from '../model/base.js';
import { type LlamaShape, weightFrac } from '../model/shape.js';
import { type ModelConfig, parseConfig } from './config.js';
import { InputError } from '../errors.js';
import { isObject } from './json-text.js';
import { readJson } from './json.js';
import { type Slot, strangeTensor, weightSlots } from './names.js';
import { type FileKind, withFile } from './read-file.js';
import { SafetensorsFile } from './safetensors.js';
import { sha256Hex } from '../hash/sha256.js';

export { readJson } from './json.js';
export { expectedShapes } from './names.js';

/** A base model folder as Certune needs it. */
export interface BaseModel {
  readonly dir: string;
  readonly shape: LlamaShape;
  readonly rope: Rope;
  /** By program name, in program order; float32 holds every supported dtype exactly. */
  readonly weights: RealWeights;
  readonly digest: string;
  /** What config.json calls it, if anything. */
  readonly name: string | null;
  readonly maxPositions: number;
}

/** A checked folder before its weights are read. */
export interface BaseFolder {
  readonly dir: string;
  readonly config: ModelConfig;
  /** Names of the weight files. */
  readonly files: readonly string[];
  readonly slots: ReadonlyMap<string, Slot>;
}

/** SHA-256 of a file of a kind, in hex, without holding it in memory. Throws InputError. */
export function sha256File(file: string, kind: FileKind): string {
  return withFile(file, kind, (f) => {
    const h = createHash('sha256'),
      b = new Uint8Array(4 << 20);
    for (let n = f.some(b, 0), at = n; n > 0; n = f.some(b, at), at += n) h.update(b.subarray(0, n));
    return h.digest('hex');
  });
}

/**
 * Checks configuration, index and headers of a Hugging Face folder and lists everything that is missing or unsupported
 * at once, before any weight is read. Throws InputError.
 */
export function openBase(dir: string): BaseFolder {
  const problems: string[] = [],
    config = parseConfig(readJson(join(dir, 'config.json'), 'config'), problems);
  if (existsSync(join(dir, 'adapter_config.json')))
    problems.push('adapter_config.json lies beside config.json: transformers would load the adapter that it names, move it away');
  const configured = problems.length === 0,
    slots = weightSlots(configured ? config.shape : { ...config.shape, layers: 1 });
  const { files, tensors } = openWeights(dir, problems);
  if (configured) {
    for (const [k, s] of slots) {
      const t = tensors.get(k);
      if (!t) problems.push(`tensor ${k} is missing`);
      else if (t.shape.join() !== s.shape.join()) problems.push(`tensor ${k} has shape [${t.shape.join()}], expected [${s.shape.join()}]`);
    }
    for (const k of tensors.keys()) if (!slots.has(k) && !redundant(k, config.shape)) problems.push(strangeTensor(k));
  }
  for (const [k, t] of tensors) if (t.dtype === 'F64') problems.push(`tensor ${k} is F64, supported are F32, F16, BF16`);
  if (problems.length) throw new InputError(dir, problems, 'nothing has been read or written');
  return { dir, config, files, slots };
}

/**
 * Tensors that a folder may carry without effect: a copy of tied embeddings (checked to be one), frequencies of old
 * exports.
 */
const redundant = (name: string, s: LlamaShape): boolean => (s.tied && name === 'lm_head.weight') || name.endsWith('rotary_emb.inv_freq');

/** Most files that the weights of a base lie in: each is opened. */
const MOST_SHARDS = 4096;

/** Headers of all weight files; the index of a sharded folder must say exactly what the shards hold. */
function openWeights(
  dir: string,
  problems: string[],
): { files: string[]; tensors: Map<string, { shape: readonly number[]; dtype: string }> } {
  const tensors = new Map<string, { shape: readonly number[]; dtype: string }>(),
    index = join(dir, 'model.safetensors.index.json');
  let map: Record<string, unknown> | undefined,
    files = ['model.safetensors'];
  if (existsSync(index)) {
    if (existsSync(join(dir, 'model.safetensors')))
      problems.push('model.safetensors and model.safetensors.index.json are both there: delete one');
    const m = readJson(index, 'index')['weight_map'];
    if (!isObject(m) || !Object.values(m).every((f) => typeof f === 'string' && /^[\w.-]+\.safetensors$/.test(f) && !f.startsWith('.'))) {
      problems.push('model.safetensors.index.json: weight_map does not map names to files of this folder');
      return { files: [], tensors };
    }
    map = m;
    if (new Set(Object.values(m)).size > MOST_SHARDS) {
      problems.push(`model.safetensors.index.json: names more than ${MOST_SHARDS} files`);
      return { files: [], tensors };
    }
    files = [...new Set(Object.values(m) as string[])].sort();
  } else if (!existsSync(join(dir, 'model.safetensors'))) {
    const other = ['pytorch_model.bin', 'pytorch_model.bin.index.json', 'tf_model.h5', 'model.gguf'].find((f) => existsSync(join(dir, f)));
    problems.push(`model.safetensors is missing${other ? `: ${other} is not supported, save the model as safetensors` : ''}`);
    return { files: [], tensors };
  }
  for (const f of files) {
    let s: SafetensorsFile;
    try {
      s = new SafetensorsFile(join(dir, f));
    } catch (e) {
      if (!(e instanceof InputError)) throw e;
      problems.push(existsSync(join(dir, f)) ? `${f} ${e.problems.join('; ')}` : `shard ${f} of the index is missing`);
      continue;
    }
    for (const [k, t] of s.tensors) {
      if (tensors.has(k)) problems.push(`tensor ${k} occurs in two shards`);
      if (map && map[k] !== f)
        problems.push(`tensor ${k} is in ${f}, the index says ${map[k] === undefined ? 'nothing of it' : String(map[k])}`);
      tensors.set(k, t);
    }
    if (map)
      for (const [k, at] of Object.entries(map))
        if (at === f && !s.tensors.has(k)) problems.push(`tensor ${k} is not in ${f}, where the index has it`);
    s.close();
  }
  return { files, tensors };
}

/**
 * Loads a Hugging Face folder: openBase, then the weights tensor by tensor into program order. NaN, infinite and too
 * large weights are listed with tensor and index. Memory: four bytes a weight. Throws InputError.
 */
export function loadBase(dir: string, opened: BaseFolder = openBase(dir)): BaseModel {
  const { config, slots, files } = opened,
    sizes = new Map<string, number>(),
    problems: string[] = [];
  for (const s of slots.values()) sizes.set(s.tensor, Math.max(sizes.get(s.tensor) ?? 0, s.at + product(s.shape)));
  const weights = new Map([...sizes].map(([n, size]) => [n, new Float32Array(size)]));
  let copy: Float32Array | undefined;
  for (const f of files) {
    const file = new SafetensorsFile(join(dir, f));
    try {
      for (const name of file.tensors.keys()) {
        const s = slots.get(name);
        if (s) {
          file.readInto(name, weights.get(s.tensor)!, s.at);
          const p = unfit(name, s, weights.get(s.tensor)!);
          if (p) problems.push(p);
        } else if (name === 'lm_head.weight') copy = file.read(name) as Float32Array;
      }
    } finally {
      file.close();
    }
  }
  if (copy) {
    const e = weights.get('E')!,
      at = copy.length === e.length ? copy.findIndex((x, k) => x !== e[k]) : 0;
    if (at >= 0) problems.push(`lm_head.weight differs from the embeddings at ${at}, although tie_word_embeddings is true`);
  }
  if (problems.length) throw new InputError(dir, problems, 'these weights cannot be represented');
  return {
    dir,
    shape: config.shape,
    rope: config.rope,
    weights,
    digest: baseDigest(dir, files),
    name: config.name,
    maxPositions: config.maxPositions,
  };
}

/**
 * What config.json of a base would say of the ids that close a text if its digest were this one: the same weights, and
 * the same configuration but for eos_token_id and for white space. Undefined where none of the ids that the folder
 * knows gives it. Which ids close a text is often mended after a release, and is no part of what the model computes.
 */
export function closingOfDigest(dir: string, digest: string): string | undefined {
  const files = openBase(dir).files,
    weights = files.map((f) => `${sha256File(join(dir, f), 'weights')}  ${f}\n`).join(''),
    config = readJson(join(dir, 'config.json'), 'config'),
    beside = existsSync(join(dir, 'generation_config.json')) ? readJson(join(dir, 'generation_config.json'), 'config') : {},
    listed = [config, beside].flatMap((x) => x['eos_token_id'] ?? []).filter((x) => typeof x === 'number'),
    values = [config['eos_token_id'], beside['eos_token_id'], null, ...new Set(listed)].slice(0, MOST_CLOSING);
  for (const value of values) {
    const with_ = value === undefined ? config : { ...config, eos_token_id: value };
    for (const text of [JSON.stringify(with_), JSON.stringify(with_, null, 2), JSON.stringify(with_, null, 4)])
      for (const end of ['', '\n'])
        if (`sha256:${sha256Hex(`${sha256Hex(text + end)}  config.json\n${weights}`)}` === digest)
          return JSON.stringify(value === undefined ? null : value);
  }
  return undefined;
}
/** Most values of eos_token_id that are tried. */
const MOST_CLOSING = 64;

/**
 * Digest of a base: SHA-256 over the digests and names of config.json and the weight files. `config` stands for
 * config.json's own digest, in hex, where another text of it is meant.
 */
export function baseDigest(dir: string, files: readonly string[] = openBase(dir).files, config?: string): string {
  const of = (f: string): string =>
    f === 'config.json' && config !== undefined ? config : sha256File(join(dir, f), f === 'config.json' ? 'config' : 'weights');
  return `sha256:${sha256Hex(['config.json', ...files].map((f) => `${of(f)}  ${f}\n`).join(''))}`;
}

const product = (shape: readonly number[]): number => shape.reduce((x, y) => x * y, 1);

/** The first weight of a tensor that is no number or does not fit 31 bits at its fraction. */
function unfit(name: string, s: Slot, all: Float32Array): string | undefined {
  const limit = 2 ** (31 - weightFrac(s.tensor)) - 1;
  for (let k = s.at, end = s.at + product(s.shape); k < end; k++) {
    const x = all[k];
    if (!(x < limit && x > -limit))
      return `tensor ${name}[${k - s.at}] is ${x}${Number.isFinite(x) ? `, weights of this tensor must stay below ${limit} in magnitude` : ''}`;
  }
  return undefined;
}
