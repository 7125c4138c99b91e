import type { Rope } from '../model/base.js';
import { RMS_EPS, SHAPE_LIMITS } from '../model/limits.js';
import type { LlamaShape } from '../model/shape.js';
import { ids } from './ids.js';
import { isObject } from './json-text.js';

export { ids } from './ids.js';

/** What config.json says, as far as Certune needs it. */
export interface ModelConfig {
  readonly architecture: 'LlamaForCausalLM' | 'Qwen2ForCausalLM';
  readonly shape: LlamaShape;
  readonly rope: Rope;
  readonly maxPositions: number;
  readonly eos: readonly number[];
  readonly bos: number | null;
  readonly pad: number | null;
  /** _name_or_path, where it is a name of the hub. */
  readonly name: string | null;
}

/**
 * Keys that do not touch the forward pass of the two architectures: what is read here, what only generation or training
 * elsewhere reads, and the bookkeeping of tools. A key that begins with an underscore is private bookkeeping of
 * transformers.
 */
const HARMLESS = new Set(
  `architectures attn_implementation auto_map bos_token_id eos_token_id pad_token_id sep_token_id decoder_start_token_id cls_token_id
  unk_token_id mask_token_id dtype torch_dtype finetuning_task id2label label2id initializer_range is_llama_config max_position_embeddings
  model_type num_labels problem_type return_dict task_specific_params tokenizer_class transformers_version transformers.js_config use_cache
  use_bfloat16 max_length min_length do_sample temperature top_k top_p typical_p repetition_penalty length_penalty diversity_penalty
  encoder_no_repeat_ngram_size no_repeat_ngram_size bad_words_ids early_stopping num_beam_groups num_return_sequences num_beams
  forced_bos_token_id forced_eos_token_id remove_invalid_values exponential_decay_length_penalty suppress_tokens begin_suppress_tokens
  output_scores output_attentions output_hidden_states return_dict_in_generate chunk_size_feed_forward prefix hidden_size intermediate_size
  num_hidden_layers num_attention_heads num_key_value_heads head_dim vocab_size rms_norm_eps hidden_act tie_word_embeddings rope_theta
  rope_scaling rope_parameters attention_bias mlp_bias layer_types sliding_window use_sliding_window max_window_layers
  partial_rotary_factor rope_interleaved attention_dropout pretraining_tp tf_legacy_loss torchscript gradient_checkpointing
  keys_to_ignore_at_inference name_or_path max_sequence_length max_seq_len max_seq_length model_max_length tokenizer_model_max_length
  tokenizer_padding_side padding_side unsloth_fixed unsloth_version unsloth_training_tokens base_model_tp_plan base_model_pp_plan
  use_flash_attn use_flash_attention is_decoder`.split(/\s+/),
);
const harmless = (key: string): boolean => HARMLESS.has(key) || key.startsWith('_');

/** A name of the hub: owner/name. */
const hubName = (v: unknown): string | null => (typeof v === 'string' && /^[\w.-]+\/[\w.-]+$/.test(v) && !v.startsWith('.') ? v : null);

/** Neither set nor switched on: such a key says nothing whatever its name is. */
const neutral = (v: unknown): boolean =>
  v === null || v === false || v === 0 || v === '' || (typeof v === 'object' && Object.keys(v as object).length === 0);

/** Positions that a base may be made for: more than a run can use. */
const MOST_POSITIONS = 2 ** 30;

/** config.json as it lies in a file, with what is wrong in it so far. */
class ConfigFile {
  constructor(
    readonly c: Readonly<Record<string, unknown>>,
    readonly problems: string[],
  ) {}
  /** An integer from 1 to `most`; 2 where it is none, so that the others can be checked too. */
  size(k: string, most: number, dflt?: number): number {
    const v = this.c[k] ?? dflt;
    if (typeof v === 'number' && Number.isInteger(v) && v >= 1 && v <= most) return v;
    this.problems.push(`${k} is ${v === undefined ? 'missing' : `${JSON.stringify(v)}, not an integer from 1 to ${most}`}`);
    return 2;
  }
  /** A key that may be absent, and is not supported with every value. */
  want(k: string, ok: (v: unknown) => boolean, message: string): void {
    const v = this.c[k];
    if (v !== undefined && v !== null && !ok(v)) this.problems.push(`${k} ${JSON.stringify(v)} is not supported${message}`);
  }
}

/**
 * Checks config.json; everything that is missing, malformed or unsupported goes to `problems`, and then the result is
 * not to be used.
 */
export function parseConfig(c: Readonly<Record<string, unknown>>, problems: string[]): ModelConfig {
  const f = new ConfigFile(c, problems),
    qwen = parseArchitecture(f),
    attention = parseAttention(f),
    eps = c['rms_norm_eps'] ?? 1e-6;
  if (typeof eps !== 'number' || !(eps >= RMS_EPS[0] && eps < RMS_EPS[1]))
    problems.push(`rms_norm_eps ${JSON.stringify(eps)} is not a number from 2^-40 to 1`);
  checkForward(f, qwen);
  checkNumberFormat(f);
  for (const [k, v] of Object.entries(c))
    if (!harmless(k) && k !== 'quantization_config' && !neutral(v))
      problems.push(`key ${k} = ${JSON.stringify(v).slice(0, 60)} is unknown: it may change the model`);
  const maxPositions = f.size('max_position_embeddings', MOST_POSITIONS, 2048);
  return {
    architecture: qwen ? 'Qwen2ForCausalLM' : 'LlamaForCausalLM',
    shape: {
      layers: f.size('num_hidden_layers', SHAPE_LIMITS.layers),
      hidden: attention.hidden,
      intermediate: f.size('intermediate_size', SHAPE_LIMITS.intermediate),
      kvHeads: attention.kvHeads,
      groups: attention.groups,
      headDim: attention.headDim,
      vocab: f.size('vocab_size', SHAPE_LIMITS.vocab),
      tied: c['tie_word_embeddings'] === true,
      bias: qwen,
      rmsEps: typeof eps === 'number' ? eps : 1e-6,
    },
    rope: parseRope(c, problems),
    maxPositions,
    eos: ids(c, 'eos_token_id', problems),
    bos: ids(c, 'bos_token_id', problems)[0] ?? null,
    pad: ids(c, 'pad_token_id', problems)[0] ?? null,
    name: hubName(c['_name_or_path']) ?? hubName(c['name_or_path']),
  };
}

/** Whether it is Qwen 2 rather than Llama. */
function parseArchitecture({ c, problems }: ConfigFile): boolean {
  const archs = c['architectures'],
    arch: unknown = Array.isArray(archs) && archs.length === 1 ? archs[0] : undefined;
  if (arch !== 'LlamaForCausalLM' && arch !== 'Qwen2ForCausalLM')
    problems.push(
      `architecture ${arch === undefined ? JSON.stringify(archs ?? null) : String(arch)} is not supported (LlamaForCausalLM, Qwen2ForCausalLM are)`,
    );
  const qwen = arch === 'Qwen2ForCausalLM',
    type = c['model_type'];
  if (type !== undefined && arch !== undefined && type !== (qwen ? 'qwen2' : 'llama'))
    problems.push(`model_type ${String(type)} does not belong to ${String(arch)}`);
  return qwen;
}

/** Heads and their sizes. */
function parseAttention(f: ConfigFile): Pick<LlamaShape, 'hidden' | 'kvHeads' | 'groups' | 'headDim'> {
  const { c, problems } = f,
    hidden = f.size('hidden_size', SHAPE_LIMITS.hidden),
    heads = f.size('num_attention_heads', SHAPE_LIMITS.kvHeads * SHAPE_LIMITS.groups),
    kvHeads = f.size('num_key_value_heads', SHAPE_LIMITS.kvHeads, heads);
  if (heads % kvHeads) problems.push(`num_attention_heads ${heads} is not a multiple of num_key_value_heads ${kvHeads}`);
  if ((c['head_dim'] ?? null) === null && hidden % heads)
    problems.push(`hidden_size ${hidden} is not a multiple of num_attention_heads ${heads}, and head_dim is not given`);
  if (heads / kvHeads > SHAPE_LIMITS.groups)
    problems.push(`num_attention_heads ${heads} is more than ${SHAPE_LIMITS.groups} times num_key_value_heads`);
  const headDim = f.size('head_dim', SHAPE_LIMITS.headDim, Math.max(1, Math.floor(hidden / heads)));
  if (headDim % 2) problems.push(`head_dim ${headDim} is odd: rotary embeddings pair its halves`);
  return { hidden, kvHeads, groups: Math.max(1, Math.floor(heads / kvHeads)), headDim };
}

/** Keys that change the forward pass, and are supported with one value. */
function checkForward(f: ConfigFile, qwen: boolean): void {
  const { c, problems } = f;
  if (c['hidden_act'] !== 'silu') problems.push(`hidden_act ${JSON.stringify(c['hidden_act'] ?? null)} is not supported (silu is)`);
  f.want('mlp_bias', (v) => v === false, ': biases of the MLP');
  if (!qwen) f.want('attention_bias', (v) => v === false, ' with this architecture: it puts a bias on o_proj');
  f.want('pretraining_tp', (v) => v === 1 || v === 0, ': projections cut into slices (1 is)');
  f.want('partial_rotary_factor', (v) => v === 1, ': rotary embeddings on part of the head');
  f.want('rope_interleaved', (v) => v === false, ': only the half rotation is');
  f.want('attention_dropout', (v) => v === 0, ': dropout above 0');
  f.want('use_sliding_window', (v) => v === false, ': sliding windows');
  if (!qwen) f.want('sliding_window', neutral, ': sliding windows');
  f.want('layer_types', (v) => Array.isArray(v) && v.every((x) => x === 'full_attention'), ': full_attention in every layer is');
  f.want('tie_word_embeddings', (v) => typeof v === 'boolean', ' (true or false)');
}

/** Quantization, and the number format of the weights. */
function checkNumberFormat(f: ConfigFile): void {
  const { c, problems } = f,
    q = c['quantization_config'];
  if (q !== undefined && q !== null)
    problems.push(
      `quantization_config (${String((isObject(q) && q['quant_method']) || 'unnamed method')}) is not supported: give the base in F32, F16 or BF16`,
    );
  for (const k of ['torch_dtype', 'dtype'])
    f.want(k, (v) => ['float32', 'float16', 'bfloat16'].includes(String(v).replace(/^torch\./, '')), ' (float32, float16, bfloat16 are)');
  if (c['dtype'] && c['torch_dtype'] && c['dtype'] !== c['torch_dtype'])
    problems.push(`dtype ${String(c['dtype'])} contradicts torch_dtype ${String(c['torch_dtype'])}`);
}

/**
 * rope_theta and rope_scaling, or rope_parameters of newer files, which hold both. Where a file has both they must
 * agree.
 */
function parseRope(c: Readonly<Record<string, unknown>>, problems: string[]): Rope {
  const newer = c['rope_parameters'] ?? null,
    older = c['rope_scaling'] ?? null;
  for (const [k, v] of [
    ['rope_parameters', newer],
    ['rope_scaling', older],
  ] as const)
    if (v !== null && !isObject(v)) problems.push(`${k} is not an object`);
  const p = isObject(newer) ? newer : {},
    s = isObject(older) ? older : isObject(newer) ? newer : {};
  const theta = c['rope_theta'] ?? p['rope_theta'] ?? 10000;
  if (typeof theta !== 'number' || !(theta >= 1 && theta <= 1e12))
    problems.push(`rope_theta ${JSON.stringify(theta)} is not a number from 1 to 10^12`);
  const type = (x: Record<string, unknown>): string => String(x['rope_type'] ?? x['type'] ?? 'default');
  if (isObject(older) && isObject(newer) && JSON.stringify(parse(older)) !== JSON.stringify(parse(newer)))
    problems.push('rope_scaling contradicts rope_parameters');
  const base: Rope = { theta: typeof theta === 'number' ? theta : 10000, scaling: { type: 'none' } };
  const known = ['rope_type', 'type', 'rope_theta', 'partial_rotary_factor'];
  const fields: Record<string, string[]> = {
    default: [],
    linear: ['factor'],
    llama3: ['factor', 'low_freq_factor', 'high_freq_factor', 'original_max_position_embeddings'],
  };
  // Each that is there is checked: releases of transformers differ in which one they follow.
  const check = (where: string, x: Record<string, unknown>): boolean => {
    const t = type(x);
    if (!Object.hasOwn(fields, t)) {
      problems.push(`${where} of type ${t} is not supported (default, linear, llama3 are)`);
      return false;
    }
    if (x['rope_type'] !== undefined && x['type'] !== undefined && x['rope_type'] !== x['type'])
      problems.push(`${where} has type and rope_type that differ`);
    if ((x['rope_theta'] ?? theta) !== theta)
      problems.push(`rope_theta ${String(theta)} contradicts ${where}.rope_theta ${String(x['rope_theta'])}`);
    if ((x['partial_rotary_factor'] ?? 1) !== 1)
      problems.push(`${where}.partial_rotary_factor ${String(x['partial_rotary_factor'])} is not supported`);
    const extra = Object.entries(x).filter(([k, v]) => !known.includes(k) && !fields[t].includes(k) && !neutral(v));
    if (extra.length) problems.push(`${where} has unknown keys: ${extra.map(([k]) => k).join(', ')}`);
    const bad = fields[t].filter((k) => !(typeof x[k] === 'number' && Number.isFinite(x[k]) && x[k] >= 2 ** -16 && x[k] <= 2 ** 30));
    if (bad.length) {
      problems.push(`${where} of type ${t} needs a positive number at ${bad.join(', ')}`);
      return false;
    }
    if (t === 'llama3' && !(Number(x['high_freq_factor']) > Number(x['low_freq_factor'])))
      problems.push(`${where}.high_freq_factor must exceed low_freq_factor`);
    return true;
  };
  const fine = [isObject(newer) ? check('rope_parameters', newer) : true, isObject(older) ? check('rope_scaling', older) : true];
  return fine.every((x) => x) ? { ...base, scaling: parse(s) } : base;
}

function parse(s: Record<string, unknown>): Rope['scaling'] {
  const n = (k: string): number => Number(s[k]);
  switch (s['rope_type'] ?? s['type']) {
    case 'linear':
      return { type: 'linear', factor: n('factor') };
    case 'llama3':
      return {
        type: 'llama3',
        factor: n('factor'),
        lowFreqFactor: n('low_freq_factor'),
        highFreqFactor: n('high_freq_factor'),
        originalMaxPositions: n('original_max_position_embeddings'),
      };
    default:
      return { type: 'none' };
  }
}
