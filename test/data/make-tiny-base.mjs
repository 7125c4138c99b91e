// Writes test/data/tiny: a Llama-family base of random weights (seeded), 2 layers with grouped queries, and a byte-level tokenizer.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { expectedShapes, writeSafetensors } from '../../dist/io/index.js';

const dir = fileURLToPath(new URL('./tiny/', import.meta.url));
const config = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  attention_bias: false,
  bos_token_id: 1,
  eos_token_id: 2,
  pad_token_id: 0,
  head_dim: 8,
  hidden_act: 'silu',
  hidden_size: 32,
  intermediate_size: 44,
  max_position_embeddings: 128,
  mlp_bias: false,
  num_attention_heads: 4,
  num_hidden_layers: 2,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-5,
  rope_scaling: null,
  rope_theta: 10000,
  tie_word_embeddings: true,
  torch_dtype: 'float32',
  vocab_size: 259,
};
let x = 12345;
const uniform = () => {
  x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
  return (x / 2 ** 32) * 2 - 1;
};
const shapes = expectedShapes({
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
});
const tensors = new Map();
for (const [name, shape] of [...shapes].sort()) {
  const n = shape.reduce((a, b) => a * b, 1),
    data = new Float32Array(n);
  for (let k = 0; k < n; k++) data[k] = name.includes('norm') ? 1 : (uniform() * 1.7) / Math.sqrt(shape[shape.length - 1]);
  tensors.set(name, { shape, data });
}
mkdirSync(dir, { recursive: true });
writeSafetensors(join(dir, 'model.safetensors'), tensors);
writeFileSync(join(dir, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
// The 256 bytes in the order of the GPT-2 byte alphabet.
const visible = [...range(33, 126), ...range(161, 172), ...range(174, 255)],
  chars = new Map(visible.map((b) => [b, String.fromCodePoint(b)]));
let next = 256;
for (let b = 0; b < 256; b++) if (!chars.has(b)) chars.set(b, String.fromCodePoint(next++));
const vocab = { '<pad>': 0, '<s>': 1, '</s>': 2 };
for (let b = 0; b < 256; b++) vocab[chars.get(b)] = 3 + b;
const special = (id, content) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true });
const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
writeFileSync(
  join(dir, 'tokenizer.json'),
  `${JSON.stringify({ version: '1.0', truncation: null, padding: null, added_tokens: [special(0, '<pad>'), special(1, '<s>'), special(2, '</s>')], normalizer: null, pre_tokenizer: byteLevel, post_processor: { type: 'TemplateProcessing', single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }], pair: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }], special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } } }, decoder: byteLevel, model: { type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, vocab, merges: [] } })}\n`,
);
writeFileSync(
  join(dir, 'tokenizer_config.json'),
  `${JSON.stringify({ tokenizer_class: 'PreTrainedTokenizerFast', bos_token: '<s>', eos_token: '</s>', pad_token: '<pad>' })}\n`,
);
function range(a, b) {
  return Array.from({ length: b - a + 1 }, (_, k) => a + k);
}
