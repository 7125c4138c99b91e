/**
 * npm run widths:check [-- names] [--layers N: 1] [--tokens N: 32] [--threads N: 2]: released models at their full
 * width and with their whole vocabulary. Each is built from its config.json with so many of its layers, random weights
 * as its trainer draws them and the default formats, and trained for two steps on one sequence. One process for each
 * model. Prints a table.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runSchema } from 'certune';
import { parseConfig } from 'certune/io';
import { type Kernels, threadedKernels } from 'certune/kernels';
import {
  type AdapterState,
  type Batch,
  type LlamaShape,
  type Rope,
  type WeightBits,
  batchInputs,
  freeBits,
  frozenTensors,
  initialMaster,
  initialState,
  llamaProgram,
  quantizeBase,
  ropeTables,
  stepInputs,
  targetCount,
} from 'certune/model';
import { type Programs, type RunConfig, committedPrograms, programOptions, scheduleRows } from 'certune/run';
import { IntegerReading } from 'certune/tensor';
import { lookupsOf, cellsOf, say } from '../bench/common.js';
import { type Config, MODELS } from '../models.js';

const STEPS = 2;

/** What is printed of a model. */
interface Row {
  readonly name: string;
  readonly weights: number;
  readonly parameters: number;
  readonly cells: number;
  readonly lookups: number;
  readonly buildSeconds: number;
  readonly stepSeconds: number;
  readonly losses: readonly number[];
  readonly moved: number;
  readonly kernelGiB: number;
  readonly residentGiB: number;
}

const seconds = (from: number): number => (performance.now() - from) / 1000;

/** Integers of a base and their widths: norms are one, all else uniform with the deviation of initializer_range. */
function randomBase(
  shape: LlamaShape,
  rope: Rope,
  positions: number,
  axes: Readonly<Record<string, number>>,
): { readonly ints: ReadonlyMap<string, BigInt64Array>; readonly bits: WeightBits; readonly weights: number } {
  const ints = new Map<string, BigInt64Array>(),
    bits: Record<string, number> = {},
    { ropeQ, ropeK } = ropeTables(shape.headDim, positions, rope),
    span = 2 * Math.sqrt(3) * 0.02;
  let x = 12345,
    weights = 0;
  for (const { name, axes: over } of frozenTensors(shape)) {
    if (name === 'ropeQ' || name === 'ropeK') {
      ints.set(name, name === 'ropeQ' ? ropeQ : ropeK);
      continue;
    }
    const w = new Float32Array(over.reduce((n, a) => n * axes[a], 1)).fill(1);
    if (name !== 'gamma')
      for (let i = 0; i < w.length; i++) {
        x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
        w[i] = (x / 2 ** 32 - 0.5) * span;
      }
    // Tensor by tensor: reals and integers of a whole base do not stand in memory together.
    const q = quantizeBase(new Map([[name, w]]));
    ints.set(name, q.ints.get(name)!);
    bits[name] = q.bits[name];
    weights += w.length;
  }
  return { ints, bits, weights };
}

/** One step of the integer program; the loss in real units, and the state after it. */
function step(
  k: Kernels,
  { program }: Programs,
  c: RunConfig,
  frozen: ReadonlyMap<string, BigInt64Array>,
  batch: Batch,
  state: AdapterState,
  t: number,
): { loss: number; after: AdapterState } {
  const { train } = c,
    row = scheduleRows({ ...train, betas: [train.betas[0], train.betas[1]] })[t],
    count = targetCount(batch, train.sequence);
  return k.scope(() => {
    const reading = new IntegerReading(
      k,
      program,
      stepInputs(program, frozen, state, batchInputs(batch, 1, train.sequence), row, count, train.clip, t),
    );
    reading.run();
    const { frac } = program.tensors.find((x) => x.name === 'loss')!;
    return {
      loss: Number(reading.read('loss')[0]) / 2 ** frac / count,
      after: { C: reading.read('C2'), master: reading.read('master2'), mm: reading.read('mm2'), vv: reading.read('vv2') },
    };
  });
}

/** Builds one model and trains it. */
async function check(name: string, x: Config, layers: number, tokens: number, threads: number): Promise<Row> {
  const problems: string[] = [],
    { shape, rope } = parseConfig({ ...x, num_hidden_layers: layers }, problems);
  if (problems.length) throw new Error(problems.join('; '));
  const c = runSchema.parse({
      version: 1,
      base: { path: '' },
      data: [{ path: '' }],
      lora: { r: 16, alpha: 32 },
      train: { steps: STEPS, batch: 1, microBatch: 1, sequence: tokens, schedule: 'constant', warmup: 0 },
    }),
    { axes } = llamaProgram({ ...programOptions(c, { shape, weightBits: freeBits(shape) }), kind: 'eval' }),
    base = randomBase(shape, rope, tokens, axes),
    began = performance.now(),
    programs = committedPrograms(c, { shape, weightBits: base.bits }),
    buildSeconds = seconds(began);
  say(`${name}: ${(base.weights / 1e6).toFixed(1)} M weights, programs built in ${buildSeconds.toFixed(2)} s`);
  const k = await threadedKernels({ threads }),
    batch = {
      tokens: [Int32Array.from({ length: tokens }, (_, i) => (i * 7919 + 1) % shape.vocab)],
      mask: [new Uint8Array(tokens).fill(1)],
    },
    losses: number[] = [];
  let state = initialState(programs.program, initialMaster(shape, c.lora.r, c.lora.targets, c.lora.seed));
  const first = state.C,
    from = performance.now();
  for (let t = 0; t < STEPS; t++) {
    const r = step(k, programs, c, base.ints, batch, state, t);
    state = r.after;
    losses.push(r.loss);
    say(`${name}: step ${t}, loss ${r.loss.toFixed(6)}, ${seconds(from).toFixed(1)} s`);
  }
  const row = {
    name,
    weights: base.weights,
    parameters: programs.program.axes['P'],
    cells: cellsOf(programs.plan, 'witness'),
    lookups: lookupsOf(programs.plan),
    buildSeconds,
    stepSeconds: seconds(from) / STEPS,
    losses,
    moved: state.C.reduce((n, v, i) => n + (v === first[i] ? 0 : 1), 0),
    kernelGiB: k.peakBytes / 2 ** 30,
    residentGiB: process.resourceUsage().maxRSS / 2 ** 20,
  };
  k.close();
  return row;
}

const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      layers: { type: 'string', default: '1' },
      tokens: { type: 'string', default: '32' },
      threads: { type: 'string', default: '2' },
      child: { type: 'boolean', default: false },
    },
  }),
  asked = MODELS.filter(([name]) => !positionals.length || positionals.includes(name));
if (values.child) {
  const [name, x] = asked[0];
  console.log(JSON.stringify(await check(name, x, Number(values.layers), Number(values.tokens), Number(values.threads))));
} else {
  const line = (cells: readonly (string | number)[]): void => console.log(`| ${cells.join(' | ')} |`);
  line([
    'model',
    'weights, M',
    'trained',
    'cells, M',
    'lookups, M',
    'build, s',
    'step, s',
    'loss, step 0; 1',
    'moved',
    'kernels; resident, GiB',
  ]);
  line(['---', ...Array<string>(9).fill('---:')]);
  for (const [name] of asked) {
    const r = spawnSync(
      process.execPath,
      [
        '--max-old-space-size=6000',
        fileURLToPath(import.meta.url),
        name,
        '--child',
        ...(['layers', 'tokens', 'threads'] as const).flatMap((o) => [`--${o}`, values[o]]),
      ],
      { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' },
    );
    if (r.status !== 0) {
      line([name, `ended with ${r.status ?? r.signal}`]);
      process.exitCode = 1;
      continue;
    }
    const x = JSON.parse(r.stdout) as Row,
      million = (n: number): string => (n / 1e6).toFixed(1);
    line([
      name,
      million(x.weights),
      x.parameters,
      million(x.cells),
      million(x.lookups),
      x.buildSeconds.toFixed(2),
      x.stepSeconds.toFixed(1),
      x.losses.map((l) => l.toFixed(4)).join('; '),
      `${((100 * x.moved) / x.parameters).toFixed(1)}%`,
      `${x.kernelGiB.toFixed(2)}; ${x.residentGiB.toFixed(2)}`,
    ]);
  }
}
