import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { commit } from '../src/cli/commit.js';
import { Progress } from '../src/cli/progress.js';
import { prove } from '../src/cli/prove.js';
import { train } from '../src/cli/train.js';
import { verifyNow as verify } from '../src/cli/verify-now.js';
import { parseConfig } from '../src/io/config.js';
import { committedPrograms } from '../src/run/programs.js';
import { runSchema } from '../src/run/schema.js';
import { frozenTensors } from '../src/model/shape.js';
import { type Config, MODELS } from '../tools/models.js';
import { lcg } from './kit.js';

/*
 * Released models by their config.json as it lies on the hub. As they are, with one layer, their programs build with
 * the default formats. Reduced, they are committed, trained, proved and verified as a run: one layer, a vocabulary of
 * 259 and heads of eight channels, but for that the same keys: layout of the heads, rotation with its scaling, biases,
 * tied weights, epsilon and the ratio of the widths.
 */

const tiny = fileURLToPath(new URL('./data/tiny', import.meta.url)),
  pairs = fileURLToPath(new URL('./data/pairs.jsonl', import.meta.url)),
  home = mkdtempSync(join(tmpdir(), 'certune-models-')),
  c = { progress: new Progress({ tty: false, quiet: true, write: () => {} }), writes: () => {} };
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** The same with few heads of eight channels, as many query heads to a key head as before, one layer and 259 tokens. */
function reduced(x: Config): Config {
  const groups = x.num_attention_heads / x.num_key_value_heads,
    kv = groups === 1 ? 3 : groups > 4 ? 1 : 2,
    hidden = 8 * kv * groups;
  return {
    ...x,
    hidden_size: hidden,
    intermediate_size: Math.round((hidden * x.intermediate_size) / x.hidden_size),
    num_attention_heads: kv * groups,
    num_key_value_heads: kv,
    num_hidden_layers: 1,
    ...(x['head_dim'] === undefined ? {} : { head_dim: 8 }),
    vocab_size: 259,
    bos_token_id: 1,
    eos_token_id: 2,
  };
}

/** Random weights in bfloat16, as released: norms near one, the rest within an eighth. */
function writeWeights(dir: string, x: Config): void {
  const problems: string[] = [],
    { shape } = parseConfig(x, problems),
    random = lcg(11),
    d = shape.hidden,
    kv = shape.kvHeads * shape.headDim,
    q = kv * shape.groups,
    f = shape.intermediate,
    of = 'model.layers.0.',
    sizes: [string, number[]][] = [
      ['model.embed_tokens.weight', [shape.vocab, d]],
      [`${of}input_layernorm.weight`, [d]],
      [`${of}mlp.down_proj.weight`, [d, f]],
      [`${of}mlp.gate_proj.weight`, [f, d]],
      [`${of}mlp.up_proj.weight`, [f, d]],
      [`${of}post_attention_layernorm.weight`, [d]],
      [`${of}self_attn.k_proj.weight`, [kv, d]],
      [`${of}self_attn.o_proj.weight`, [d, q]],
      [`${of}self_attn.q_proj.weight`, [q, d]],
      [`${of}self_attn.v_proj.weight`, [kv, d]],
      ...(shape.bias
        ? [['q', q] as const, ['k', kv] as const, ['v', kv] as const].map(([t, n]): [string, number[]] => [
            `${of}self_attn.${t}_proj.bias`,
            [n],
          ])
        : []),
      ['model.norm.weight', [d]],
      ...(shape.tied ? [] : [['lm_head.weight', [shape.vocab, d]] as [string, number[]]]),
    ];
  expect(problems).toEqual([]);
  expect(frozenTensors(shape).some((t) => t.name === 'head')).toBe(!shape.tied);
  let at = 0;
  const head: Record<string, unknown> = {},
    words: Uint16Array[] = [];
  for (const [name, size] of sizes) {
    const n = size.reduce((a, b) => a * b, 1),
      values = Float32Array.from({ length: n }, () =>
        name.includes('norm') ? 1 + (random(2 ** 20) / 2 ** 20 - 0.5) / 8 : (random(2 ** 20) / 2 ** 20 - 0.5) / 4,
      );
    words.push(Uint16Array.from(new Uint32Array(values.buffer), (w) => w >>> 16));
    head[name] = { dtype: 'BF16', shape: size, data_offsets: [at, (at += 2 * n)] };
  }
  const text = Buffer.from(JSON.stringify(head)),
    length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(
    join(dir, 'model.safetensors'),
    Buffer.concat([length, text, ...words.map((w) => Buffer.from(w.buffer, w.byteOffset, w.byteLength))]),
  );
}

describe.each(MODELS)('%s', (name, x) => {
  it('as released, with one layer: its programs build with the default formats', () => {
    const problems: string[] = [],
      { shape } = parseConfig({ ...x, num_hidden_layers: 1 }, problems);
    expect(problems).toEqual([]);
    const weights = Object.fromEntries(frozenTensors(shape).map((t) => [t.name, 20])),
      config = runSchema.parse({
        version: 1,
        base: { path: '' },
        data: [{ path: '' }],
        lora: { r: 16, alpha: 32 },
        train: { batch: 4, microBatch: 4, sequence: 256 },
      });
    expect(() => committedPrograms(config, { shape, weightBits: weights })).not.toThrow();
  });
  it('reduced: committed, trained, proved and verified', async () => {
    const base = join(home, name),
      run = join(home, `${name}-run`),
      small = reduced(x);
    cpSync(tiny, base, { recursive: true });
    writeFileSync(join(base, 'config.json'), JSON.stringify(small));
    writeWeights(base, small);
    mkdirSync(run);
    writeFileSync(
      join(run, 'run.yaml'),
      `version: 1\nbase: { path: ${base} }\ndata: [{ path: ${pairs} }]\nlora: { r: 2, alpha: 4 }\ntrain: { steps: 1, batch: 2, microBatch: 2, sequence: 8, learningRate: 0.003, warmup: 0 }\nproof: { bits: 100 }\nnumbers: { preset: small }\n`,
    );
    commit(run, c);
    await train(run, {}, c);
    await prove(run, { fold: false }, c);
    expect(verify(run, {}, c).data['verified']).toMatchObject({
      proof: 'checked',
      base: { status: 'checked' },
      data: { status: 'checked' },
      initial: { status: 'checked' },
      adapter: { status: 'checked' },
      card: { status: 'checked' },
    });
    const m = JSON.parse(readFileSync(join(run, 'out/manifest.json'), 'utf8')) as { base: { shape: Record<string, unknown> } };
    expect(m.base.shape).toMatchObject({
      groups: x.num_attention_heads / x.num_key_value_heads,
      tied: x.tie_word_embeddings,
      bias: x['model_type'] === 'qwen2',
      rmsEps: x['rms_norm_eps'],
    });
  });
});
