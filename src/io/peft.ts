import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { projectionSize } from '../model/init.js';
import { type LlamaShape, TARGETS, type Target } from '../model/llama.js';
import { ADAMW } from '../optim/adamw.js';
import { InputError } from './errors.js';
import { readJson } from './hf.js';
import { type Tensor, readSafetensors, writeAtomic, writeSafetensors } from './safetensors.js';

const module = (t: Target): string => (t === 'gate_proj' || t === 'up_proj' || t === 'down_proj' ? 'mlp' : 'self_attn');
const key = (l: number, t: Target, ab: string): string => `base_model.model.model.layers.${l}.${module(t)}.${t}.lora_${ab}.weight`;

export interface AdapterMeta {
  readonly r: number;
  readonly alpha: number;
  readonly targets: readonly Target[];
  readonly rslora: boolean;
  readonly base: string;
  readonly revision: string | null;
}

/** adapter_config.json of a released adapter: all of it, because any further option may change what PEFT makes of the same tensors. */
export function adapterConfig(meta: AdapterMeta): Record<string, unknown> {
  return {
    base_model_name_or_path: meta.base,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    lora_alpha: meta.alpha,
    lora_dropout: 0,
    modules_to_save: null,
    peft_type: 'LORA',
    r: meta.r,
    revision: meta.revision,
    target_modules: meta.targets,
    task_type: 'CAUSAL_LM',
    use_dora: false,
    use_rslora: meta.rslora,
  };
}

/** Writes an adapter folder that PEFT loads. Members ("q_proj.A") are integers C, released as C 2^-20: exact in float32. */
export function writeAdapter(
  dir: string,
  shape: LlamaShape,
  meta: AdapterMeta,
  members: ReadonlyMap<string, BigInt64Array>,
  card: string,
): void {
  mkdirSync(dir, { recursive: true });
  const out = new Map<string, Tensor>();
  for (const t of meta.targets) {
    const z = projectionSize(shape, t);
    for (const ab of ['A', 'B'] as const) {
      const v = members.get(`${t}.${ab}`)!,
        n = v.length / shape.layers;
      for (let l = 0; l < shape.layers; l++) {
        const data = new Float32Array(n);
        for (let i = 0; i < n; i++) {
          const c = v[l * n + i];
          if (c > 1n << 24n || c < -(1n << 24n)) throw new Error('compute copy exceeds 2^24');
          data[i] = Number(c) / 2 ** ADAMW.C.frac;
        }
        out.set(key(l, t, ab), { shape: ab === 'A' ? [meta.r, z.in] : [z.out, meta.r], data });
      }
    }
  }
  writeSafetensors(join(dir, 'adapter_model.safetensors'), out);
  writeAtomic(join(dir, 'adapter_config.json'), `${JSON.stringify(adapterConfig(meta), null, 2)}\n`);
  writeAtomic(join(dir, 'README.md'), card);
}

/** Reads an adapter folder: real values by member. Fails on any missing or extra tensor and on every option not supported. */
export function readAdapter(
  dir: string,
  shape: LlamaShape,
): { meta: AdapterMeta; members: Map<string, Float64Array>; config: Record<string, unknown> } {
  const file = join(dir, 'adapter_config.json'),
    c = readJson(file),
    problems: string[] = [];
  if (c['peft_type'] !== 'LORA') problems.push(`peft_type ${String(c['peft_type'])} is not supported`);
  if (c['use_dora']) problems.push('use_dora is not supported');
  if (Number(c['lora_dropout'] ?? 0) > 0) problems.push('lora_dropout above 0 is not supported');
  if ((c['bias'] ?? 'none') !== 'none') problems.push(`bias ${String(c['bias'])} is not supported`);
  for (const k of ['modules_to_save', 'rank_pattern', 'alpha_pattern', 'layers_to_transform', 'layer_replication']) {
    const v = c[k];
    if (v && Object.keys(v as object).length) problems.push(`${k} is not supported`);
  }
  const named = Array.isArray(c['target_modules']) ? (c['target_modules'] as string[]) : [];
  const targets = TARGETS.filter((t) => named.includes(t)),
    r = Number(c['r']);
  for (const t of named) if (!TARGETS.includes(t as Target)) problems.push(`target module ${t} is not supported`);
  if (!targets.length) problems.push('target_modules names no projection');
  if (problems.length) throw new InputError(file, problems);
  const tensors = readSafetensors(join(dir, 'adapter_model.safetensors')),
    members = new Map<string, Float64Array>(),
    seen = new Set<string>();
  for (const t of targets) {
    const z = projectionSize(shape, t);
    for (const ab of ['A', 'B'] as const) {
      const n = ab === 'A' ? r * z.in : z.out * r,
        all = new Float64Array(shape.layers * n);
      for (let l = 0; l < shape.layers; l++) {
        const name = key(l, t, ab),
          x = tensors.get(name);
        seen.add(name);
        if (!x) problems.push(`tensor ${name} is missing`);
        else if (x.shape.join() !== (ab === 'A' ? [r, z.in] : [z.out, r]).join())
          problems.push(`tensor ${name} has shape [${x.shape.join()}]`);
        else all.set(x.data, l * n);
      }
      members.set(`${t}.${ab}`, all);
    }
  }
  for (const k of tensors.keys()) if (!seen.has(k)) problems.push(`tensor ${k} is unexpected`);
  if (problems.length) throw new InputError(dir, problems);
  return {
    meta: {
      r,
      alpha: Number(c['lora_alpha']),
      targets,
      rslora: c['use_rslora'] === true,
      base: String(c['base_model_name_or_path']),
      revision: (c['revision'] as string | null) ?? null,
    },
    members,
    config: c,
  };
}
