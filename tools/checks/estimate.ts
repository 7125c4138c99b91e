/**
 * npm run estimate:check [-- names] [--cpu] [--phases]: predicted against measured seconds of training and proving,
 * memory and proof size, on shapes that the calibration has not seen. Prints a table.
 *
 * Arguments: names of shapes (default all). --cpu: one thread, CPU seconds instead of wall time, for a busy machine.
 * --phases: seconds by phase.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  calibrate,
  encodePack,
  estimateRun,
  frozenOf,
  mergeRun,
  proveStep,
  runMemory,
  runSchema,
  runStep,
  setup,
  threadedKernels,
} from 'certune';
import { type Tensor, expectedShapes, writeSafetensors } from 'certune/io';
import type { LlamaShape } from 'certune/model';
import { StateTrees } from 'certune/tensor';
import { root } from '../fixtures.js';

const args = process.argv.slice(2),
  cpu = args.includes('--cpu'),
  names = args.filter((a) => !a.startsWith('--'));
if (cpu)
  performance.now = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };

const tiny = join(root, 'test/data/tiny'),
  data = join(root, 'test/data/pairs.jsonl'),
  home = mkdtempSync(join(tmpdir(), 'certune-estimate-'));

/** Entries of config.json that a shape changes. */
interface Change {
  readonly num_hidden_layers: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
}
/** Those of them that are read here. */
interface Config extends Change {
  readonly vocab_size: number;
  readonly tie_word_embeddings: boolean;
  readonly rms_norm_eps: number;
}
interface Case {
  readonly base: Change;
  readonly lora: { readonly r: number; readonly targets?: readonly string[] };
  readonly train: { readonly batch: number; readonly microBatch: number; readonly sequence: number };
  readonly numbers: string;
}

/** A base of random weights in the form of Hugging Face, with the tokenizer of test/data/tiny. Returns its folder. */
function base(name: string, change: Change): string {
  const dir = join(home, name);
  mkdirSync(dir);
  for (const f of ['tokenizer.json', 'tokenizer_config.json']) cpSync(join(tiny, f), join(dir, f));
  const headDim = change.hidden_size / change.num_attention_heads,
    c = { ...(JSON.parse(readFileSync(join(tiny, 'config.json'), 'utf8')) as Config), ...change, head_dim: headDim };
  writeFileSync(join(dir, 'config.json'), JSON.stringify(c));
  let x = 12345;
  const random = (): number => {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    return x / 2 ** 32 - 0.5;
  };
  const shape: LlamaShape = {
    layers: c.num_hidden_layers,
    hidden: c.hidden_size,
    intermediate: c.intermediate_size,
    kvHeads: c.num_key_value_heads,
    groups: c.num_attention_heads / c.num_key_value_heads,
    headDim,
    vocab: c.vocab_size,
    tied: c.tie_word_embeddings,
    bias: false,
    rmsEps: c.rms_norm_eps,
  };
  const tensors = new Map<string, Tensor>();
  for (const [n, s] of expectedShapes(shape)) {
    const cells = s.reduce((a, b) => a * b, 1),
      size = 1 / Math.sqrt(s[s.length - 1]);
    tensors.set(n, { shape: s, data: Float32Array.from({ length: cells }, () => (s.length === 1 ? 1 : random() * size)) });
  }
  writeSafetensors(join(dir, 'model.safetensors'), tensors);
  return dir;
}

const SHAPES: Readonly<Record<string, Case>> = {
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

const timed = <T>(f: () => T): [value: T, seconds: number] => {
  const t = performance.now(),
    v = f();
  return [v, (performance.now() - t) / 1000];
};

/** Rows of the table for one shape. */
async function compare(name: string, s: Case): Promise<string[]> {
  const config = runSchema.parse({
      version: 1,
      base: { path: base(name, s.base) },
      data: [{ path: data }],
      lora: s.lora,
      train: { steps: 1, warmup: 0, ...s.train },
      proof: { bits: 128 },
      numbers: { preset: s.numbers },
    }),
    { run, inputs } = setup(config, [1n, 2n, 3n, 4n]),
    k = await threadedKernels({ threads: cpu ? 1 : 2 }),
    micros = inputs.data.batches.reduce((n, b) => n + b.micro.length, 0),
    e = estimateRun(run.programs, { steps: 1, micros, parameters: run.programs.program.axes['P'] }, calibrate(k));
  runStep(k, run, inputs, 0, inputs.initial);
  const [, train] = timed(() => runStep(k, run, inputs, 0, inputs.initial)),
    phases: Record<string, number> = {};
  let last: string | undefined,
    at = performance.now();
  const mark = (p?: string): void => {
    const t = performance.now();
    if (last) phases[last] = (phases[last] ?? 0) + (t - at) / 1000;
    last = p?.split(' ').pop();
    at = t;
  };
  const [pack, prove] = timed(() => {
    const frozen = k.scope(() => frozenOf(k, run.programs, inputs.base).digest);
    mark('reading');
    const p = proveStep(k, run, inputs, 0, inputs.initial, frozen, mark, new StateTrees());
    mark('check');
    const merge = mergeRun(k, run, inputs, [p.proof], frozenOf(k, run.programs, inputs.base));
    mark();
    return encodePack({ manifest: run.manifest, run: { steps: [p.proof], merge } });
  });
  if (args.includes('--phases')) console.log(name, 'predicted', e.phases, 'measured', phases);
  const row = (what: string, predicted: number, measured: number, digits: number, unit: string): string =>
      `| ${name} | ${what} | ${predicted.toFixed(digits)} ${unit} | ${measured.toFixed(digits)} ${unit} | ${((predicted / measured - 1) * 100).toFixed(1)}% |`,
    memory = runMemory(run.programs, Infinity, k.threads).total,
    used = k.peakBytes + k.far.peakBytes;
  k.close();
  return [
    row('training, one step', e.trainSeconds, train, 2, 's'),
    row('proving, one step', e.proveSeconds, prove, 1, 's'),
    row('memory of the kernels', memory / 2 ** 20, used / 2 ** 20, 0, 'MiB'),
    row('proof words', e.proofBytes, pack.length - pack.indexOf(10) - 1, 0, 'bytes'),
    row('proof file', e.proofBytes + e.headerBytes, pack.length, 0, 'bytes'),
  ];
}

try {
  const rows: string[] = [];
  for (const [name, s] of Object.entries(SHAPES)) if (!names.length || names.includes(name)) rows.push(...(await compare(name, s)));
  console.log(`| shape | what | predicted | measured | difference |\n| --- | --- | ---: | ---: | ---: |\n${rows.join('\n')}`);
} finally {
  rmSync(home, { recursive: true, force: true });
}
