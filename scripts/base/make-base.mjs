// Writes examples/base: trains a tokenizer and a small Llama on the text of corpus.mjs, all weights in float64 by the project's own
// forward and backward pass and AdamW, and saves them as a Hugging Face folder. Deterministic: the same steps give the same files.
//   node scripts/base/make-base.mjs [folder] [stage to begin with: 1, or 2 from the folder's weights]
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TextCodec, expectedShapes, readSafetensors, writeSafetensors } from '../../dist/io/index.js';
import { singleKernels } from '../../dist/kernels/index.js';
import { collectWeights, splitWeights } from '../../dist/model/base.js';
import { Inference } from '../../dist/model/generate.js';
import { Pretrainer } from '../../dist/model/pretrain.js';
import { documents, tokenizerText } from './corpus.mjs';
import { random } from './language.mjs';
import { dataRows } from './make-data.mjs';
import { SPECIAL, trainTokenizer } from './tokenizer.mjs';

const dir = process.argv[2] ?? fileURLToPath(new URL('../../examples/base/', import.meta.url)),
  first = Number(process.argv[3] ?? 1);
const SHAPE = {
  layers: 2,
  hidden: 64,
  intermediate: 128,
  kvHeads: 2,
  groups: 2,
  headDim: 16,
  vocab: 768,
  tied: true,
  bias: false,
  rmsEps: 1e-5,
};
const ROPE = { theta: 10000, scaling: { type: 'none' } };
const BATCH = 8,
  SEQUENCE = 48;
/** The second stage reads all layouts and starts with fresh moments. The rate decays as if a stage had `decay` steps. */
const STAGES = [
  { steps: 2500, decay: 4000, rate: 3e-3, warmup: 100, seed: 2 },
  { steps: 2000, decay: 2000, rate: 2e-3, warmup: 50, seed: 4 },
];
const [PAD, BOS, EOS] = SPECIAL.keys();

// ---------------------------------------------------------------- tokenizer and configuration
mkdirSync(dir, { recursive: true });
const json = (file, x) => writeFileSync(join(dir, file), `${JSON.stringify(x, null, file === 'tokenizer.json' ? 0 : 2)}\n`);
const { reserved } = dataRows(),
  tokenizer = trainTokenizer(tokenizerText(reserved), SHAPE.vocab),
  settings = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: SPECIAL[BOS],
    eos_token: SPECIAL[EOS],
    pad_token: SPECIAL[PAD],
    clean_up_tokenization_spaces: false,
    model_max_length: 128,
    // Questions and answers by turns, one a line.
    chat_template:
      "{% for m in messages %}{% if not loop.first %}{{ '\\n' }}{% endif %}{% if m['role'] == 'assistant' %}{{ 'A: ' + m['content'] }}{% else %}{{ 'Q: ' + m['content'] }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '\\nA:' }}{% endif %}",
  };
json('tokenizer.json', tokenizer);
json('tokenizer_config.json', settings);
json('config.json', {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  attention_bias: false,
  bos_token_id: BOS,
  eos_token_id: EOS,
  pad_token_id: PAD,
  head_dim: SHAPE.headDim,
  hidden_act: 'silu',
  hidden_size: SHAPE.hidden,
  initializer_range: 0.08,
  intermediate_size: SHAPE.intermediate,
  max_position_embeddings: 128,
  mlp_bias: false,
  num_attention_heads: SHAPE.kvHeads * SHAPE.groups,
  num_hidden_layers: SHAPE.layers,
  num_key_value_heads: SHAPE.kvHeads,
  rms_norm_eps: SHAPE.rmsEps,
  rope_scaling: null,
  rope_theta: ROPE.theta,
  tie_word_embeddings: SHAPE.tied,
  torch_dtype: 'float32',
  vocab_size: SHAPE.vocab,
});
json('generation_config.json', { bos_token_id: BOS, eos_token_id: EOS, pad_token_id: PAD, do_sample: false });

// ---------------------------------------------------------------- weights
const r = random(3),
  gauss = () => Math.sqrt(-2 * Math.log(1 - r.next())) * Math.cos(2 * Math.PI * r.next());
const start = new Map();
for (const [name, shape] of [...expectedShapes(SHAPE)].sort()) {
  // What writes to the residual stream starts smaller with depth, as in GPT-2.
  const size = /o_proj|down_proj/.test(name) ? 0.08 / Math.sqrt(2 * SHAPE.layers) : 0.08;
  start.set(
    name,
    Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => (name.includes('norm') ? 1 : size * gauss())),
  );
}
const kernels = singleKernels(),
  codec = new TextCodec(dir),
  saved = join(dir, 'model.safetensors');
let trainer, reading;

const mask = Array.from({ length: BATCH }, () => new Uint8Array(SEQUENCE).fill(1)),
  bottom = kernels.mark();

/** A row of whole documents, the last one cut; every token but the first is a target. */
function row() {
  const ids = [];
  while (ids.length < SEQUENCE) ids.push(BOS, ...codec.encode(reading.next().value), EOS);
  return Int32Array.from(ids.slice(0, SEQUENCE));
}
function save() {
  const tensors = splitWeights(SHAPE, trainer.weights()),
    shapes = expectedShapes(SHAPE);
  writeSafetensors(saved, new Map([...tensors].map(([n, data]) => [n, { shape: shapes.get(n), data }])));
}
/** Greedy continuations, to see what it has learnt. */
function show() {
  const m = kernels.mark(),
    prompts = [
      'Once there was',
      'Il était une fois',
      'The sun is',
      'Que mange',
      'The cat sleeps in the garden. =',
      'Le père est content. =',
    ],
    texts = new Inference(kernels, { shape: SHAPE, rope: ROPE, weights: trainer.weights() }, prompts.length, 48).greedy(
      prompts.map((p) => [BOS, ...codec.encode(p)]),
      (id) => id === EOS,
      24,
    );
  prompts.forEach((p, i) => console.log(`    ${JSON.stringify(p + codec.decode(texts[i]))}`));
  kernels.release(m);
}

for (const [k, { steps, decay, rate, warmup, seed }] of STAGES.entries()) {
  if (k + 1 < first) continue;
  // Between the stages the weights are those of the file, float32.
  const from = k === 0 ? undefined : readSafetensors(saved),
    weights = collectWeights(SHAPE, (n) => (from ? from.get(n).data : start.get(n)));
  kernels.release(bottom);
  trainer = new Pretrainer(kernels, SHAPE, ROPE, BATCH, SEQUENCE, weights);
  reading = documents(seed, reserved, k);
  console.log(`stage ${k + 1}: ${trainer.parameters} parameters, ${steps} steps of ${BATCH * SEQUENCE} tokens`);
  const t0 = performance.now();
  let mean = Number.NaN;
  for (let step = 1; step <= steps; step++) {
    const lr = rate * Math.min(1, step / warmup) * (0.02 + 0.49 * (1 + Math.cos((Math.PI * step) / decay))),
      { loss } = trainer.step(
        { tokens: Array.from({ length: BATCH }, row), mask },
        { lr, betas: [0.9, 0.98], epsilon: 1e-8, weightDecay: 0.05, clip: 1 },
      );
    mean = Number.isNaN(mean) ? loss : 0.97 * mean + 0.03 * loss;
    if (step % 50 === 0)
      console.log(`step ${step} of ${steps}, loss ${mean.toFixed(4)}, ${((performance.now() - t0) / 1000).toFixed(0)} s`);
    if (step % 250 === 0 || step === steps) {
      save();
      show();
    }
  }
}
kernels.close();
