import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { fixture } from '../../test/fixtures.js';
import { quantizeBase } from '../model/base.js';
import { TextCodec } from './codec.js';
import { parseConfig } from './config.js';
import { InputError } from '../errors.js';
import { loadBase, openBase } from './hf.js';
import { expectedShapes } from './names.js';
import { type Tensor, writeSafetensors } from './safetensors.js';

const root = mkdtempSync(join(tmpdir(), 'certune-base-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const CONFIG = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: 12,
  intermediate_size: 10,
  num_attention_heads: 3,
  num_key_value_heads: 1,
  num_hidden_layers: 2,
  vocab_size: 7,
  hidden_act: 'silu',
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  max_position_embeddings: 32,
  tie_word_embeddings: true,
  bos_token_id: 1,
  eos_token_id: 2,
  transformers_version: '4.50.0',
};
type Json = Record<string, unknown>;

const parsed = (c: Json): { config: ReturnType<typeof parseConfig>; problems: string[] } => {
  const problems: string[] = [];
  return { config: parseConfig(c, problems), problems };
};

/** Value k of a tensor: exact in every dtype, different everywhere. */
const value = (name: string, k: number): number => (((name.length * 31 + k * 7) % 251) - 125) / 128;

let made = 0;
/** A folder with this configuration; `edit` may change the tensors before they are written. */
function folder(config: Json, edit?: (t: Map<string, Tensor>) => void, shards = 1): string {
  const dir = join(root, `m${made++}`),
    t = new Map<string, Tensor>();
  mkdirSync(dir);
  for (const [n, shape] of expectedShapes(parsed(config).config.shape))
    t.set(n, { shape, data: Float32Array.from({ length: shape.reduce((x, y) => x * y, 1) }, (_, k) => value(n, k)) });
  edit?.(t);
  writeFileSync(join(dir, 'config.json'), JSON.stringify(config));
  if (shards === 1) writeSafetensors(join(dir, 'model.safetensors'), t);
  else {
    const name = (s: number): string => `model-0000${s + 1}-of-0000${shards}.safetensors`,
      list = [...t],
      map: Json = {};
    for (let s = 0; s < shards; s++) {
      const part = list.filter((_, k) => k % shards === s);
      for (const [n] of part) map[n] = name(s);
      writeSafetensors(join(dir, name(s)), new Map(part));
    }
    writeFileSync(join(dir, 'model.safetensors.index.json'), JSON.stringify({ metadata: { total_size: 1 }, weight_map: map }));
  }
  return dir;
}
function problemsOf(f: () => unknown): string[] {
  try {
    f();
  } catch (e) {
    expect(e).toBeInstanceOf(InputError);
    return [...(e as InputError).problems];
  }
  throw new Error('accepted');
}

describe('config.json', () => {
  it('reads sizes, heads, rope and ids', () => {
    const { config, problems } = parsed({ ...CONFIG, eos_token_id: [2, 3] });
    expect(problems).toEqual([]);
    expect(config).toMatchObject({
      shape: { layers: 2, hidden: 12, kvHeads: 1, groups: 3, headDim: 4, vocab: 7, tied: true, bias: false, rmsEps: 1e-5 },
      rope: { theta: 10000, scaling: { type: 'none' } },
      eos: [2, 3],
      bos: 1,
      pad: null,
    });
  });

  it('takes head_dim apart from hidden_size / heads, and null key-value heads as all heads', () => {
    expect(parsed({ ...CONFIG, head_dim: 6, num_key_value_heads: null }).config.shape).toMatchObject({ headDim: 6, kvHeads: 3, groups: 1 });
    expect(parsed({ ...CONFIG, head_dim: null }).config.shape.headDim).toBe(4);
  });

  it('refuses a folder from which transformers would load an adapter in place of the base', () => {
    const dir = folder(CONFIG);
    expect(openBase(dir).files).toEqual(['model.safetensors']);
    writeFileSync(join(dir, 'adapter_config.json'), '{}');
    expect(problemsOf(() => openBase(dir)).join()).toMatch(/adapter_config\.json lies beside config\.json/);
  });

  it('reads rope scaling of both generations of files alike', () => {
    const llama3 = { factor: 32, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 };
    const { rope_theta: _, ...rest } = CONFIG;
    const a = parsed({ ...CONFIG, rope_theta: 500000, rope_scaling: { rope_type: 'llama3', ...llama3 } }),
      b = parsed({ ...rest, rope_parameters: { rope_type: 'llama3', rope_theta: 500000, ...llama3 } });
    expect(a.problems).toEqual([]);
    expect(b.problems).toEqual([]);
    expect(a.config.rope).toEqual(b.config.rope);
    expect(a.config.rope).toEqual({
      theta: 500000,
      scaling: { type: 'llama3', factor: 32, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions: 8192 },
    });
    expect(parsed({ ...CONFIG, rope_scaling: { type: 'linear', factor: 2 } }).config.rope.scaling).toEqual({ type: 'linear', factor: 2 });
    expect(parsed({ ...rest, rope_parameters: { rope_theta: 5000, rope_type: 'default' } }).config.rope).toEqual({
      theta: 5000,
      scaling: { type: 'none' },
    });
    expect(parsed({ ...CONFIG, dtype: 'bfloat16', torch_dtype: 'bfloat16' }).problems).toEqual([]);
  });

  it('takes the configurations of well-known bases', () => {
    const smol = {
      ...CONFIG,
      is_llama_config: true,
      rope_interleaved: false,
      pretraining_tp: 1,
      mlp_bias: false,
      attention_bias: false,
      use_cache: true,
      initializer_range: 0.04,
      'transformers.js_config': { kv_cache_dtype: { q4f16: 'float16' } },
    };
    const qwen = {
      ...CONFIG,
      architectures: ['Qwen2ForCausalLM'],
      model_type: 'qwen2',
      sliding_window: 131072,
      use_sliding_window: false,
      max_window_layers: 21,
      use_mrope: false,
      attention_dropout: 0.0,
      layer_types: ['full_attention', 'full_attention'],
    };
    expect(parsed(smol).problems).toEqual([]);
    expect(parsed(qwen).problems).toEqual([]);
    expect(parsed(qwen).config.shape.bias).toBe(true);
  });

  it.each<[Json, RegExp]>([
    [{ architectures: ['MistralForCausalLM'] }, /architecture MistralForCausalLM is not supported/],
    [{ architectures: null }, /architecture null/],
    [{ architectures: ['LlamaForCausalLM', 'X'] }, /architecture \["LlamaForCausalLM","X"\]/],
    [{ model_type: 'mistral' }, /model_type mistral does not belong/],
    [{ hidden_size: undefined }, /hidden_size is missing/],
    [{ hidden_size: -12 }, /hidden_size is -12/],
    [{ hidden_size: 13 }, /hidden_size 13 is not a multiple of num_attention_heads 3/],
    [{ vocab_size: 1.5 }, /vocab_size is 1.5/],
    [{ num_hidden_layers: 2 ** 40 }, /num_hidden_layers is 1099511627776/],
    [{ num_key_value_heads: 2 }, /num_attention_heads 3 is not a multiple of num_key_value_heads 2/],
    [{ head_dim: 5 }, /head_dim 5 is odd/],
    [{ hidden_act: 'gelu' }, /hidden_act "gelu" is not supported/],
    [{ mlp_bias: true }, /mlp_bias true is not supported/],
    [{ attention_bias: true }, /attention_bias true is not supported with this architecture/],
    [{ attention_dropout: 0.1 }, /attention_dropout 0.1 is not supported/],
    [{ pretraining_tp: 2 }, /pretraining_tp 2/],
    [{ sliding_window: 4096 }, /sliding_window 4096/],
    [{ use_sliding_window: true }, /use_sliding_window true/],
    [{ layer_types: ['full_attention', 'sliding_attention'] }, /layer_types/],
    [{ partial_rotary_factor: 0.5 }, /partial_rotary_factor 0.5/],
    [{ rope_interleaved: true }, /rope_interleaved true/],
    [{ rope_theta: 'x' }, /rope_theta "x"/],
    [{ rope_scaling: { rope_type: 'yarn', factor: 4 } }, /rope_scaling of type yarn is not supported/],
    [{ rope_scaling: { type: 'dynamic', factor: 4 } }, /type dynamic/],
    [{ rope_scaling: { type: 'linear' } }, /needs a positive number at factor/],
    [{ rope_scaling: { type: 'linear', factor: 2, mscale: 3 } }, /unknown keys: mscale/],
    [{ rope_scaling: 3 }, /rope_scaling is not an object/],
    [{ rope_parameters: { rope_theta: 5, rope_type: 'default' } }, /contradicts rope_parameters/],
    [{ rope_scaling: { rope_theta: 5, rope_type: 'default' } }, /contradicts rope_scaling.rope_theta 5/],
    [
      { rope_scaling: { type: 'default' }, rope_parameters: { rope_type: 'yarn', factor: 4 } },
      /rope_parameters of type yarn is not supported/,
    ],
    [
      { rope_scaling: {}, rope_parameters: { rope_type: 'default', attention_factor: 2 } },
      /rope_parameters has unknown keys: attention_factor/,
    ],
    [{ rope_parameters: { rope_type: 'default', partial_rotary_factor: 0.25 } }, /partial_rotary_factor 0.25/],
    [
      { rope_scaling: { type: 'linear', factor: 2 }, rope_parameters: { rope_type: 'linear', factor: 4 } },
      /rope_scaling contradicts rope_parameters/,
    ],
    [
      { rope_scaling: { rope_type: 'llama3', factor: 8, low_freq_factor: 4, high_freq_factor: 1, original_max_position_embeddings: 64 } },
      /high_freq_factor must exceed/,
    ],
    [{ dtype: 'float32', torch_dtype: 'bfloat16' }, /dtype float32 contradicts torch_dtype bfloat16/],
    [{ torch_dtype: 'float8_e4m3fn' }, /torch_dtype "float8_e4m3fn"/],
    [{ quantization_config: { quant_method: 'gptq' } }, /quantization_config \(gptq\)/],
    [{ logit_softcapping: 30 }, /key logit_softcapping = 30 is unknown/],
    [{ embedding_multiplier: 12 }, /key embedding_multiplier/],
    [{ qk_norm: true }, /key qk_norm = true is unknown/],
    [{ rms_norm_eps: 0 }, /rms_norm_eps 0/],
    [{ eos_token_id: 'x' }, /eos_token_id "x"/],
    [{ tie_word_embeddings: 'no' }, /tie_word_embeddings "no"/],
  ])('refuses %j by name', (change, message) => {
    expect(parsed({ ...CONFIG, ...change }).problems.join('; ')).toMatch(message);
  });
});

describe('Hugging Face folders', () => {
  it('reads F32, F16 and BF16, one file or shards, to the same exact values', () => {
    const one = loadBase(folder(CONFIG)),
      many = loadBase(folder(CONFIG, undefined, 3));
    expect([...many.weights].sort()).toEqual([...one.weights].sort());
    expect(one.weights.get('E')!.length).toBe(84);
    for (const [n, s] of expectedShapes(one.shape))
      if (n === 'model.layers.1.mlp.down_proj.weight') expect(one.weights.get('W.down_proj')![120]).toBe(value(n, 0) + 0 * s.length);
    expect(one.weights.get('gamma')!.slice(48)).toEqual(Float32Array.from({ length: 12 }, (_, k) => value('model.norm.weight', k)));
    const half = folder(CONFIG),
      text = readFileSync(join(half, 'model.safetensors'));
    // The same values as two bytes each: the header is written anew.
    for (const dtype of ['F16', 'BF16'] as const) {
      const dir = folder(CONFIG),
        n = Number(text.readBigUInt64LE(0)),
        head = JSON.parse(text.subarray(8, 8 + n).toString()) as Record<string, { dtype: string; data_offsets: [number, number] }>;
      const body = Buffer.alloc((text.length - 8 - n) / 2);
      for (let k = 0; k < body.length / 2; k++) {
        const x = text.readFloatLE(8 + n + 4 * k),
          u = text.readUInt32LE(8 + n + 4 * k),
          e = Math.floor(Math.log2(Math.abs(x)));
        body.writeUInt16LE(
          dtype === 'BF16' ? u >>> 16 : x === 0 ? 0 : ((x < 0 ? 1 : 0) << 15) | ((e + 15) << 10) | ((Math.abs(x) / 2 ** e - 1) * 1024),
          2 * k,
        );
      }
      for (const [k, t] of Object.entries(head))
        if (k !== '__metadata__') Object.assign(t, { dtype, data_offsets: t.data_offsets.map((o) => o / 2) });
      const h = Buffer.from(JSON.stringify(head)),
        len = Buffer.alloc(8);
      len.writeBigUInt64LE(BigInt(h.length));
      writeFileSync(join(dir, 'model.safetensors'), Buffer.concat([len, h, body]));
      expect([...loadBase(dir).weights]).toEqual([...one.weights]);
    }
  });

  it('reads untied heads and refuses a folder without one, and a tied head that is no copy', () => {
    const untied = { ...CONFIG, tie_word_embeddings: false };
    expect(loadBase(folder(untied)).weights.get('head')!.length).toBe(84);
    expect(problemsOf(() => loadBase(folder(untied, (t) => t.delete('lm_head.weight'))))).toEqual(['tensor lm_head.weight is missing']);
    const copy = (d: number) => (t: Map<string, Tensor>) => {
      const e = t.get('model.embed_tokens.weight')!;
      t.set('lm_head.weight', { shape: e.shape, data: Float32Array.from(e.data, (x, k) => (k === 5 ? x + d : x)) });
    };
    expect(loadBase(folder(CONFIG, copy(0))).shape.tied).toBe(true);
    expect(problemsOf(() => loadBase(folder(CONFIG, copy(1))))[0]).toMatch(/differs from the embeddings at 5/);
  });

  it('reads biases of Qwen2', () => {
    const dir = folder({ ...CONFIG, architectures: ['Qwen2ForCausalLM'], model_type: 'qwen2' });
    expect(loadBase(dir).weights.get('bias.q_proj')!.length).toBe(24);
  });

  it('lists everything that is wrong with configuration, tensors and dtypes at once, before any work', () => {
    const dir = folder({ ...CONFIG, mlp_bias: true, logit_softcapping: 3 }, (t) => t.set('x', { shape: [1], data: Float64Array.of(1) }));
    expect(problemsOf(() => openBase(dir))).toHaveLength(3);
    const found = problemsOf(() =>
      openBase(
        folder(CONFIG, (t) => {
          t.delete('model.norm.weight');
          t.set('model.embed_tokens.weight', { shape: [6, 12], data: new Float32Array(72) });
          t.set('model.layers.0.self_attn.q_norm.weight', { shape: [4], data: new Float32Array(4) });
          t.set('model.layers.0.self_attn.o_proj.bias', { shape: [12], data: new Float32Array(12) });
          t.set('model.layers.0.mlp.experts.0.w', { shape: [1], data: new Float32Array(1) });
          t.set('model.layers.2.input_layernorm.weight', { shape: [12], data: new Float32Array(12) });
          t.set('model.layers.1.self_attn.q_proj.qweight', { shape: [1], data: new Float32Array(1) });
        }),
      ),
    );
    expect(found).toEqual([
      'tensor model.embed_tokens.weight has shape [6,12], expected [7,12]',
      'tensor model.norm.weight is missing',
      'tensor model.layers.0.mlp.experts.0.w is not part of this architecture: mixtures of experts are not supported',
      'tensor model.layers.0.self_attn.o_proj.bias is not part of this architecture: this bias is not supported',
      'tensor model.layers.0.self_attn.q_norm.weight is not part of this architecture: QK-norm is not supported',
      'tensor model.layers.1.self_attn.q_proj.qweight is not part of this architecture: quantised bases are not supported',
      'tensor model.layers.2.input_layernorm.weight is not part of this architecture',
    ]);
  });

  it('names weights that are no numbers or too large, with tensor and index', () => {
    const set = (name: string, k: number, x: number) => (t: Map<string, Tensor>) => {
      t.get(name)!.data[k] = x;
    };
    for (const [x, m] of [
      [Number.NaN, /mlp.up_proj.weight\[3\] is NaN$/],
      [Number.NEGATIVE_INFINITY, /\[3\] is -Infinity$/],
      [5000, /\[3\] is 5000, weights of this tensor must stay below/],
    ] as const)
      expect(problemsOf(() => loadBase(folder(CONFIG, set('model.layers.1.mlp.up_proj.weight', 3, x))))[0]).toMatch(m);
    // What is admitted can be quantised.
    quantizeBase(loadBase(folder(CONFIG, set('model.layers.1.mlp.up_proj.weight', 3, 4094.9))).weights);
  });

  it('checks the index of shards both ways and names what is missing', () => {
    const dir = folder(CONFIG, undefined, 2),
      index = join(dir, 'model.safetensors.index.json'),
      good = JSON.parse(readFileSync(index, 'utf8')) as { weight_map: Record<string, string> };
    const withMap = (edit: (m: Record<string, string>) => void): string[] => {
      const m = { ...good.weight_map };
      edit(m);
      writeFileSync(index, JSON.stringify({ weight_map: m }));
      const p = problemsOf(() => openBase(dir));
      writeFileSync(index, JSON.stringify(good));
      return p;
    };
    const first = 'model-00001-of-00002.safetensors';
    expect(withMap((m) => (m['model.norm.weight'] = first)).join('; ')).toMatch(
      /^tensor model.norm.weight is not in model-00001.*; tensor model.norm.weight is in model-00002.*the index says model-00001/,
    );
    expect(withMap((m) => delete m['model.norm.weight'])[0]).toMatch(/the index says nothing of it/);
    expect(withMap((m) => (m['more'] = first))).toContainEqual(expect.stringMatching(/tensor more is not in model-00001/));
    expect(withMap((m) => (m['more'] = 'model-00003-of-00003.safetensors'))[0]).toBe(
      'shard model-00003-of-00003.safetensors of the index is missing',
    );
    expect(withMap((m) => (m['more'] = '../../secret.safetensors'))[0]).toMatch(/does not map names to files of this folder/);
    cpSync(join(dir, first), join(dir, 'model.safetensors'));
    expect(problemsOf(() => openBase(dir))[0]).toMatch(/both there/);
    rmSync(join(dir, 'model.safetensors'));
    rmSync(join(dir, first));
    expect(problemsOf(() => openBase(dir))[0]).toBe(`shard ${first} of the index is missing`);
  });

  it('says what to do without safetensors, and refuses a broken config.json', () => {
    const dir = folder(CONFIG);
    rmSync(join(dir, 'model.safetensors'));
    writeFileSync(join(dir, 'pytorch_model.bin'), '');
    expect(problemsOf(() => openBase(dir))[0]).toMatch(/pytorch_model.bin is not supported, save the model as safetensors/);
    for (const [text, message] of [
      ['{', /is not JSON/],
      ['[]', /is not a JSON object/],
      ['{"a":1,"a":2}', /key "a" occurs twice/],
    ] as const) {
      writeFileSync(join(dir, 'config.json'), text);
      expect(problemsOf(() => openBase(dir))[0]).toMatch(message);
    }
    expect(problemsOf(() => openBase(join(root, 'none')))[0]).toMatch(/cannot be read/);
  });

  const stories = fixture('data/stories260k/hf');
  it.skipIf(!stories)('loads a real base (needs fixtures)', () => {
    const b = loadBase(stories!);
    expect(b.shape).toMatchObject({ layers: 5, hidden: 64, intermediate: 172, kvHeads: 4, groups: 2, headDim: 8, vocab: 512, tied: true });
    expect(b.maxPositions).toBe(512);
    expect(new TextCodec(stories!).ids).toMatchObject({ first: [1], closing: [1, 2], end: 2 });
    expect([...b.weights.values()].reduce((n, w) => n + w.length, 0)).toBe(260032);
  });
});
