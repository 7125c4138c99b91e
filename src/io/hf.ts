import { sha256 } from '@noble/hashes/sha2.js';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FloatWeights, type Rope, collectWeights } from '../model/base.js';
import { projectionSize } from '../model/init.js';
import { type LlamaShape, TARGETS } from '../model/llama.js';
import { InputError } from './errors.js';
import { type Tensor, readSafetensors } from './safetensors.js';

/** A base model folder as Certune needs it. */
export interface BaseModel {
  readonly dir: string;
  readonly shape: LlamaShape;
  readonly rope: Rope;
  readonly weights: FloatWeights;
  readonly eos: number;
  readonly pad: number;
  readonly bos: number | null;
  readonly digest: string;
  readonly maxPositions: number;
}

export const sha256Hex = (b: Uint8Array): string => Buffer.from(sha256(b)).toString('hex');

/** Reads a JSON object. Throws InputError. */
export function readJson(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (e) {
    throw new InputError(file, [`cannot be read: ${(e as Error).message}`]);
  }
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw new InputError(file, ['is not JSON']);
  }
}

/** Loads and checks a Hugging Face folder; lists everything unsupported at once, before any work. */
export function loadBase(dir: string): BaseModel {
  const file = join(dir, 'config.json'),
    c = readJson(file),
    problems: string[] = [];
  const arch = (c['architectures'] as string[] | undefined)?.[0];
  if (arch !== 'LlamaForCausalLM' && arch !== 'Qwen2ForCausalLM')
    problems.push(`architecture ${arch} is not supported (LlamaForCausalLM, Qwen2ForCausalLM are)`);
  const num = (k: string, dflt?: number): number => {
    const v = c[k] ?? dflt;
    if (typeof v !== 'number' || !(v > 0)) {
      problems.push(`${k} is missing or not a positive number`);
      return 1;
    }
    return v;
  };
  const heads = num('num_attention_heads'),
    kvHeads = num('num_key_value_heads', heads),
    hidden = num('hidden_size'),
    headDim = num('head_dim', hidden / heads);
  if (heads % kvHeads) problems.push('num_attention_heads is not a multiple of num_key_value_heads');
  if (headDim % 2) problems.push('head_dim is odd');
  if (c['hidden_act'] !== 'silu') problems.push(`hidden_act ${String(c['hidden_act'])} is not supported (silu is)`);
  for (const k of ['mlp_bias', 'use_sliding_window', 'quantization_config']) if (c[k]) problems.push(`${k} is not supported`);
  if (arch === 'LlamaForCausalLM' && c['attention_bias'] === true) problems.push('attention_bias with an o_proj bias is not supported');
  const rs = c['rope_scaling'] as Record<string, unknown> | null | undefined,
    type = rs ? String(rs['rope_type'] ?? rs['type'] ?? 'default') : 'default';
  let scaling: Rope['scaling'] = { type: 'none' };
  if (rs && type === 'linear') scaling = { type: 'linear', factor: Number(rs['factor']) };
  else if (rs && type === 'llama3')
    scaling = {
      type: 'llama3',
      factor: Number(rs['factor']),
      lowFreqFactor: Number(rs['low_freq_factor']),
      highFreqFactor: Number(rs['high_freq_factor']),
      originalMaxPositions: Number(rs['original_max_position_embeddings']),
    };
  else if (rs && type !== 'default') problems.push(`rope_scaling ${type} is not supported (linear, llama3 are)`);
  const shape: LlamaShape = {
    layers: num('num_hidden_layers'),
    hidden,
    intermediate: num('intermediate_size'),
    kvHeads,
    groups: heads / kvHeads,
    headDim,
    vocab: num('vocab_size'),
    tied: c['tie_word_embeddings'] === true,
    bias: arch === 'Qwen2ForCausalLM',
    rmsEps: num('rms_norm_eps', 1e-6),
  };
  if (problems.length) throw new InputError(file, problems);
  const gen = existsSync(join(dir, 'generation_config.json')) ? readJson(join(dir, 'generation_config.json')) : {};
  const first = (v: unknown): number | undefined => {
    const x = Array.isArray(v) ? v[0] : v;
    return typeof x === 'number' ? x : undefined;
  };
  const eos = first(gen['eos_token_id']) ?? first(c['eos_token_id']);
  if (eos === undefined) throw new InputError(file, ['eos_token_id is missing']);
  const index = join(dir, 'model.safetensors.index.json');
  const files = existsSync(index)
    ? [...new Set(Object.values(readJson(index)['weight_map'] as Record<string, string>))].sort()
    : ['model.safetensors'];
  const tensors = new Map<string, Tensor>();
  for (const f of files)
    for (const [k, v] of readSafetensors(join(dir, f))) {
      if (tensors.has(k)) problems.push(`tensor ${k} occurs in two shards`);
      tensors.set(k, v);
    }
  const want = expectedShapes(shape);
  for (const [k, s] of want) {
    const t = tensors.get(k);
    if (!t) problems.push(`tensor ${k} is missing`);
    else if (t.shape.join() !== s.join()) problems.push(`tensor ${k} has shape [${t.shape.join()}], expected [${s.join()}]`);
    else {
      const at = t.data.findIndex((x) => !Number.isFinite(x));
      if (at >= 0) problems.push(`tensor ${k}[${at}] is ${t.data[at]}`);
    }
  }
  for (const k of tensors.keys())
    if (!want.has(k) && !(shape.tied && k === 'lm_head.weight') && !k.endsWith('rotary_emb.inv_freq'))
      problems.push(`tensor ${k} is not part of this architecture`);
  if (problems.length) throw new InputError(dir, problems);
  const digest = sha256Hex(Buffer.from(['config.json', ...files].map((f) => `${sha256Hex(readFileSync(join(dir, f)))}  ${f}\n`).join('')));
  return {
    dir,
    shape,
    rope: { theta: typeof c['rope_theta'] === 'number' ? c['rope_theta'] : 10000, scaling },
    weights: collectWeights(shape, (n) => tensors.get(n)!.data as Float64Array),
    eos,
    pad: first(c['pad_token_id']) ?? 0,
    bos: first(c['bos_token_id']) ?? null,
    digest: `sha256:${digest}`,
    maxPositions: num('max_position_embeddings', 2048),
  };
}

/** Hugging Face names and shapes of every tensor of a model. */
export function expectedShapes(s: LlamaShape): Map<string, number[]> {
  const out = new Map<string, number[]>([
    ['model.embed_tokens.weight', [s.vocab, s.hidden]],
    ['model.norm.weight', [s.hidden]],
  ]);
  if (!s.tied) out.set('lm_head.weight', [s.vocab, s.hidden]);
  for (let l = 0; l < s.layers; l++) {
    const p = `model.layers.${l}.`;
    out.set(`${p}input_layernorm.weight`, [s.hidden]);
    out.set(`${p}post_attention_layernorm.weight`, [s.hidden]);
    for (const t of TARGETS) {
      const z = projectionSize(s, t),
        m = t.endsWith('gate_proj') || t === 'up_proj' || t === 'down_proj' ? 'mlp' : 'self_attn';
      out.set(`${p}${m}.${t}.weight`, [z.out, z.in]);
      if (s.bias && (t === 'q_proj' || t === 'k_proj' || t === 'v_proj')) out.set(`${p}${m}.${t}.bias`, [z.out]);
    }
  }
  return out;
}
