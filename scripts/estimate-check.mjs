// Predicted against measured: seconds of training and proving, memory, proof size, on shapes that the calibration has not seen. Prints a table.
// Arguments: names of shapes (default all); --cpu: one thread, CPU seconds instead of wall time, for a busy machine; --phases: seconds by phase.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const args = process.argv.slice(2),
  cpu = args.includes('--cpu'),
  names = args.filter((a) => !a.startsWith('--'));
if (cpu) performance.now = () => (process.cpuUsage().user + process.cpuUsage().system) / 1000;

const { calibrate } = await import('../dist/estimate/calibrate.js');
const { estimateRun, runMemory } = await import('../dist/estimate/steps.js');
const { mergeRun, proveStep, runStep } = await import('../dist/prove/step.js');
const { frozenOf } = await import('../dist/run/commitments.js');
const { encodePack } = await import('../dist/artifact/pack.js');
const { setup } = await import('../dist/setup/run.js');
const { expectedShapes, writeSafetensors } = await import('../dist/io/index.js');
const { threadedKernels } = await import('../dist/kernels/index.js');
const { StateTrees } = await import('../dist/tensor/state-trees.js');
const { runSchema } = await import('../dist/run/schema.js');

const tiny = fileURLToPath(new URL('../test/data/tiny', import.meta.url)),
  data = fileURLToPath(new URL('../test/data/pairs.jsonl', import.meta.url)),
  home = mkdtempSync(join(tmpdir(), 'certune-estimate-'));

/** A base of random weights in the form of Hugging Face, with the tokenizer of test/data/tiny. */
function base(name, change) {
  const dir = join(home, name);
  mkdirSync(dir);
  for (const f of ['tokenizer.json', 'tokenizer_config.json']) cpSync(join(tiny, f), join(dir, f));
  const c = {
    ...JSON.parse(readFileSync(join(tiny, 'config.json'), 'utf8')),
    ...change,
    head_dim: change.hidden_size / change.num_attention_heads,
  };
  writeFileSync(join(dir, 'config.json'), JSON.stringify(c));
  let x = 12345;
  const random = () => {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    return x / 2 ** 32 - 0.5;
  };
  const shape = {
    layers: c.num_hidden_layers,
    hidden: c.hidden_size,
    intermediate: c.intermediate_size,
    kvHeads: c.num_key_value_heads,
    groups: c.num_attention_heads / c.num_key_value_heads,
    headDim: c.hidden_size / c.num_attention_heads,
    vocab: c.vocab_size,
    tied: c.tie_word_embeddings,
    bias: false,
    rmsEps: c.rms_norm_eps,
  };
  const tensors = new Map();
  for (const [n, s] of expectedShapes(shape)) {
    const cells = s.reduce((a, b) => a * b, 1),
      size = 1 / Math.sqrt(s[s.length - 1]);
    tensors.set(n, { shape: s, data: Float32Array.from({ length: cells }, () => (s.length === 1 ? 1 : random() * size)) });
  }
  writeSafetensors(join(dir, 'model.safetensors'), tensors);
  return dir;
}

const SHAPES = {
  wide: {
    base: { num_hidden_layers: 2, hidden_size: 96, intermediate_size: 172, num_attention_heads: 6, num_key_value_heads: 3 },
    lora: { r: 4 },
    train: { batch: 4, microBatch: 4, sequence: 32 },
    numbers: 'small',
  },
  deep: {
    base: { num_hidden_layers: 7, hidden_size: 48, intermediate_size: 100, num_attention_heads: 4, num_key_value_heads: 2 },
    lora: { r: 8, targets: ['q_proj', 'v_proj'] },
    train: { batch: 6, microBatch: 3, sequence: 24 },
    numbers: 'small',
  },
  large: {
    base: { num_hidden_layers: 4, hidden_size: 128, intermediate_size: 352, num_attention_heads: 8, num_key_value_heads: 4 },
    lora: { r: 8 },
    train: { batch: 8, microBatch: 8, sequence: 48 },
    numbers: 'default',
  },
};

const rows = [];
try {
  for (const [name, s] of Object.entries(SHAPES)) {
    if (names.length && !names.includes(name)) continue;
    const config = runSchema.parse({
      version: 1,
      base: { path: base(name, s.base) },
      data: [{ path: data }],
      lora: s.lora,
      train: { steps: 1, warmup: 0, ...s.train },
      proof: { bits: 128 },
      numbers: { preset: s.numbers },
    });
    const { run, inputs } = setup(config, [1n, 2n, 3n, 4n]),
      k = await threadedKernels({ threads: cpu ? 1 : 2 }),
      micros = inputs.data.batches.reduce((n, b) => n + b.micro.length, 0);
    const e = estimateRun(run.programs, { steps: 1, micros, parameters: run.programs.program.axes.P }, calibrate(k));
    const timed = (f) => {
      const t = performance.now(),
        v = f();
      return [v, (performance.now() - t) / 1000];
    };
    runStep(k, run, inputs, 0, inputs.initial);
    const [, train] = timed(() => runStep(k, run, inputs, 0, inputs.initial));
    const phases = {};
    let last,
      at = performance.now();
    const mark = (p) => {
      const t = performance.now();
      if (last) phases[last] = (phases[last] ?? 0) + (t - at) / 1000;
      last = p?.split(' ').pop();
      at = t;
    };
    const [pack, prove] = timed(() => {
      const m = k.mark(),
        frozen = frozenOf(k, run.programs, inputs.base).digest;
      k.release(m);
      mark('reading');
      const p = proveStep(k, run, inputs, 0, inputs.initial, frozen, mark, new StateTrees());
      mark('check');
      const merge = mergeRun(k, run, inputs, [p.proof], frozenOf(k, run.programs, inputs.base));
      mark();
      return encodePack({ manifest: run.manifest, run: { steps: [p.proof], merge } });
    });
    if (args.includes('--phases')) console.log(name, 'predicted', e.phases, 'measured', phases);
    const row = (what, predicted, measured, digits, unit) =>
      rows.push(
        `| ${name} | ${what} | ${predicted.toFixed(digits)} ${unit} | ${measured.toFixed(digits)} ${unit} | ${((predicted / measured - 1) * 100).toFixed(1)}% |`,
      );
    row('training, one step', e.trainSeconds, train, 2, 's');
    row('proving, one step', e.proveSeconds, prove, 1, 's');
    row(
      'memory of the kernels',
      runMemory(run.programs, Infinity, k.threads).total / 2 ** 20,
      (k.peakBytes + k.far.peakBytes) / 2 ** 20,
      0,
      'MiB',
    );
    row('proof words', e.proofBytes, pack.length - pack.indexOf(10) - 1, 0, 'bytes');
    row('proof file', e.proofBytes + e.headerBytes, pack.length, 0, 'bytes');
    k.close();
  }
  console.log(`| shape | what | predicted | measured | difference |\n| --- | --- | ---: | ---: | ---: |\n${rows.join('\n')}`);
} finally {
  rmSync(home, { recursive: true, force: true });
}
