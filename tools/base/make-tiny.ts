/**
 * Writes test/data/tiny: a base of the Llama family with seeded random weights, two layers with grouped queries, and a
 * byte-level tokenizer. The same bytes on every run.
 *
 *     npm run tools && node dist-tools/base/make-tiny.js [folder: test/data/tiny]
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Tensor, expectedShapes, writeSafetensors } from 'certune/io';
import type { LlamaShape } from 'certune/model';
import { root } from '../fixtures.js';
import { BYTE_LEVEL, byteTokenizer } from './tokenizer.js';

const SHAPE: LlamaShape = {
  layers: 2,
  hidden: 32,
  intermediate: 44,
  kvHeads: 2,
  groups: 2,
  headDim: 8,
  vocab: 259,
  tied: true,
  bias: false,
  rmsEps: 1e-5,
};
const CONFIG = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  attention_bias: false,
  bos_token_id: 1,
  eos_token_id: 2,
  pad_token_id: 0,
  head_dim: SHAPE.headDim,
  hidden_act: 'silu',
  hidden_size: SHAPE.hidden,
  intermediate_size: SHAPE.intermediate,
  max_position_embeddings: 128,
  mlp_bias: false,
  num_attention_heads: SHAPE.kvHeads * SHAPE.groups,
  num_hidden_layers: SHAPE.layers,
  num_key_value_heads: SHAPE.kvHeads,
  rms_norm_eps: SHAPE.rmsEps,
  rope_scaling: null,
  rope_theta: 10000,
  tie_word_embeddings: SHAPE.tied,
  torch_dtype: 'float32',
  vocab_size: SHAPE.vocab,
};

/** Norms are one, the rest uniform with a spread of 1.7 over the root of the fan-in. */
function weights(): Map<string, Tensor> {
  let x = 12345;
  const uniform = (): number => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return (x / 2 ** 32) * 2 - 1;
  };
  return new Map(
    [...expectedShapes(SHAPE)].sort().map(([name, shape]) => {
      const length = shape.reduce((a, b) => a * b, 1),
        one = name.includes('norm'),
        spread = Math.sqrt(shape[shape.length - 1]);
      return [name, { shape, data: Float32Array.from({ length }, () => (one ? 1 : (uniform() * 1.7) / spread)) }];
    }),
  );
}

const dir = process.argv[2] ?? join(root, 'test/data/tiny');
mkdirSync(dir, { recursive: true });
writeSafetensors(join(dir, 'model.safetensors'), weights());
writeFileSync(join(dir, 'config.json'), `${JSON.stringify(CONFIG, null, 2)}\n`);
writeFileSync(join(dir, 'tokenizer.json'), `${JSON.stringify(byteTokenizer([], BYTE_LEVEL))}\n`);
writeFileSync(
  join(dir, 'tokenizer_config.json'),
  `${JSON.stringify({ tokenizer_class: 'PreTrainedTokenizerFast', bos_token: '<s>', eos_token: '</s>', pad_token: '<pad>' })}\n`,
);
