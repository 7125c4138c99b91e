/**
 * Writes examples/base: trains a tokenizer and a small Llama on the text of corpus.ts, all weights in float64 by the
 * project's own forward and backward pass and AdamW, and saves them as a Hugging Face folder. Deterministic: the same
 * steps give the same files.
 *
 *     node dist-tools/base/make-base.js [folder] [stage to begin with: 1, or 2 from the folder's weights]
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TextCodec, expectedShapes, readSafetensors, writeSafetensors } from 'certune/io';
import { singleKernels } from 'certune/kernels';
import { type FloatWeights, Inference, type LlamaShape, Pretrainer, type Rope, collectWeights, splitWeights } from 'certune/model';
import { documents, tokenizerText } from './corpus.js';
import { random } from './language.js';
import { dataRows } from './make-data.js';
import { SPECIAL, trainTokenizer } from './tokenizer.js';

const SHAPE: LlamaShape = {
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
const ROPE: Rope = { theta: 10000, scaling: { type: 'none' } };
const BATCH = 8,
  SEQUENCE = 48;
/**
 * The second stage reads all layouts and starts with fresh moments. The rate decays as if a stage had `decay` steps.
 */
const STAGES = [
  { steps: 2500, decay: 4000, rate: 3e-3, warmup: 100, seed: 2 },
  { steps: 2000, decay: 2000, rate: 2e-3, warmup: 50, seed: 4 },
];
const [PAD, BOS, EOS] = SPECIAL.keys();
/** Questions and answers by turns, one a line. */
const CHAT_TEMPLATE =
  "{% for m in messages %}{% if not loop.first %}{{ '\\n' }}{% endif %}{% if m['role'] == 'assistant' %}{{ 'A: ' + m['content'] }}{% else %}{{ 'Q: ' + m['content'] }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '\\nA:' }}{% endif %}";

/** Tokenizer and configuration. */
function writeSettings(dir: string, reserved: ReadonlySet<string>): void {
  const json = (file: string, x: unknown): void =>
    writeFileSync(join(dir, file), `${JSON.stringify(x, null, file === 'tokenizer.json' ? 0 : 2)}\n`);
  json('tokenizer.json', trainTokenizer(tokenizerText(reserved), SHAPE.vocab));
  json('tokenizer_config.json', {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: SPECIAL[BOS],
    eos_token: SPECIAL[EOS],
    pad_token: SPECIAL[PAD],
    clean_up_tokenization_spaces: false,
    model_max_length: 128,
    chat_template: CHAT_TEMPLATE,
  });
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
}

/** Weights before the first step. */
function randomWeights(): FloatWeights {
  const r = random(3),
    gauss = (): number => Math.sqrt(-2 * Math.log(1 - r.next())) * Math.cos(2 * Math.PI * r.next()),
    start: FloatWeights = new Map();
  for (const [name, shape] of [...expectedShapes(SHAPE)].sort()) {
    // What writes to the residual stream starts smaller with depth, as in GPT-2.
    const size = /o_proj|down_proj/.test(name) ? 0.08 / Math.sqrt(2 * SHAPE.layers) : 0.08;
    start.set(
      name,
      Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => (name.includes('norm') ? 1 : size * gauss())),
    );
  }
  return start;
}

/** The tensor of a name; what is not there is an error of this tool. */
function found<T>(map: ReadonlyMap<string, T>, name: string): T {
  const x = map.get(name);
  if (x === undefined) throw new Error(`no tensor ${name}`);
  return x;
}

const dir = process.argv[2] ?? fileURLToPath(new URL('../../examples/base/', import.meta.url)),
  first = Number(process.argv[3] ?? 1),
  saved = join(dir, 'model.safetensors'),
  { reserved } = dataRows();
mkdirSync(dir, { recursive: true });
writeSettings(dir, reserved);
const start = randomWeights(),
  kernels = singleKernels(),
  codec = new TextCodec(dir),
  mask = Array.from({ length: BATCH }, () => new Uint8Array(SEQUENCE).fill(1));

/** A row of whole documents, the last one cut; every token but the first is a target. */
function row(reading: Generator<string, never>): Int32Array {
  const ids: number[] = [];
  while (ids.length < SEQUENCE) ids.push(BOS, ...codec.encode(reading.next().value), EOS);
  return Int32Array.from(ids.slice(0, SEQUENCE));
}
function save(trainer: Pretrainer): void {
  const tensors = splitWeights(SHAPE, trainer.weights()),
    shapes = expectedShapes(SHAPE);
  writeSafetensors(saved, new Map([...tensors].map(([n, data]) => [n, { shape: found(shapes, n), data }])));
}
/** Greedy continuations, to see what it has learnt. */
function show(trainer: Pretrainer): void {
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

const bottom = kernels.mark();
for (const [k, { steps, decay, rate, warmup, seed }] of STAGES.entries()) {
  if (k + 1 < first) continue;
  // Between the stages the weights are those of the file, float32.
  const from = k === 0 ? undefined : readSafetensors(saved),
    weights = collectWeights(SHAPE, (n) => (from ? Float64Array.from(found(from, n).data) : found(start, n)));
  kernels.release(bottom);
  const trainer = new Pretrainer(kernels, SHAPE, ROPE, BATCH, SEQUENCE, weights),
    reading = documents(seed, reserved, k);
  console.log(`stage ${k + 1}: ${trainer.parameters} parameters, ${steps} steps of ${BATCH * SEQUENCE} tokens`);
  const t0 = performance.now();
  let mean = Number.NaN;
  for (let step = 1; step <= steps; step++) {
    const lr = rate * Math.min(1, step / warmup) * (0.02 + 0.49 * (1 + Math.cos((Math.PI * step) / decay))),
      { loss } = trainer.step(
        { tokens: Array.from({ length: BATCH }, () => row(reading)), mask },
        { lr, betas: [0.9, 0.98], epsilon: 1e-8, weightDecay: 0.05, clip: 1 },
      );
    mean = Number.isNaN(mean) ? loss : 0.97 * mean + 0.03 * loss;
    if (step % 50 === 0)
      console.log(`step ${step} of ${steps}, loss ${mean.toFixed(4)}, ${((performance.now() - t0) / 1000).toFixed(0)} s`);
    if (step % 250 === 0 || step === steps) {
      save(trainer);
      show(trainer);
    }
  }
}
kernels.close();
