/**
 * npm run utility -- reference: docs/utility/reference.md, both readings against the PyTorch and PEFT runs of the
 * fixtures.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Kernels, singleKernels } from 'certune/kernels';
import {
  type AdapterState,
  type Batch,
  DEFAULT_NUMBERS,
  type Target,
  batchInputs,
  frozenIntegers,
  initialState,
  llamaProgram,
  quantizeBase,
  ropeTables,
  stepInputs,
  targetCount,
  unflattenGroup,
  unflattenReals,
  weightFrac,
} from 'certune/model';
import { ADAMW, type AdamFloatState, type ScheduleRow, adamConstants, adamFloatState, adamFloatStep } from 'certune/optim';
import { type ScheduleConfig, scheduleRows } from 'certune/run';
import { IntegerReading, type Program } from 'certune/tensor';
import { RoundedReading, roundedTensors } from './formats.js';
import { PROOF_VERSION, type Weights, fixtures, out, programsText, real, save, stateAfter, stories } from './lib.js';

export const RUNS: Readonly<Record<string, readonly number[]>> = {
  'all-rank8': [1, 10, 50],
  'qv-rank4': [1, 10],
  'schedule-accumulation': [1, 12],
};

/** A run of PyTorch and PEFT, as run.json of its fixture has it. */
interface PeftRun extends Omit<ScheduleConfig, 'steps'> {
  readonly rank: number;
  readonly alpha: number;
  readonly targets: readonly Target[];
  readonly clip: number;
  readonly microBatches: number;
  readonly batches: readonly { readonly tokens: readonly number[][]; readonly mask: readonly number[][] }[];
  readonly steps: readonly {
    readonly loss: number;
    readonly gradNorm: number;
    readonly learningRate: number;
    readonly targets: number;
  }[];
}
/** Adapter matrices by name, stacked over the layers. */
type Members = ReadonlyMap<string, Float64Array>;
/** Total updates of two adapters: cosine and largest difference of an entry. */
interface Compared {
  readonly cosine: number;
  readonly most: number;
}
/** Relative squared errors, of gradients and of the loss. */
interface Share {
  readonly gradient: number;
  readonly loss: number;
}
/** One step of a run: what PyTorch has, relative differences of both readings, compared adapters. */
interface StepRow {
  readonly step: number;
  readonly loss: number;
  readonly norm: number;
  readonly floatLoss: number;
  readonly intLoss: number;
  readonly floatNorm: number;
  readonly intNorm: number;
  readonly float: Compared;
  readonly int: Compared;
  readonly formats: Compared;
}
interface RunResult {
  readonly name: string;
  readonly table: readonly StepRow[];
  /** Largest relative differences over all steps. */ readonly off: Off;
  readonly all: Share;
  readonly updateOnly: Compared;
  readonly shares: readonly (Share & { readonly name: string; readonly frac: number | undefined })[];
}
interface Off {
  floatLoss: number;
  intLoss: number;
  floatNorm: number;
  intNorm: number;
}

/** F64 tensors of a safetensors fixture. */
function tensors(path: string): Members {
  const b = readFileSync(path),
    n = Number(b.readBigUInt64LE(0)),
    header = JSON.parse(b.subarray(8, 8 + n).toString()) as Record<string, { data_offsets: [number, number] }>;
  return new Map(
    Object.entries(header)
      .filter(([k]) => k !== '__metadata__')
      .map(([k, t]) => {
        const raw = b.subarray(8 + n + t.data_offsets[0], 8 + n + t.data_offsets[1]);
        return [k, new Float64Array(Uint8Array.from(raw).buffer)];
      }),
  );
}
const module = (t: Target): string => (['gate_proj', 'up_proj', 'down_proj'].includes(t) ? 'mlp' : 'self_attn');
/** An adapter of a run's fixture. */
function adapter(layers: number, name: string, file: string, targets: readonly Target[]): Members {
  const f = tensors(join(fixtures, 'vectors/lora-adamw-peft', name, `${file}.safetensors`)),
    m = new Map<string, Float64Array>();
  for (const t of targets)
    for (const ab of ['A', 'B']) {
      const parts = Array.from(
        { length: layers },
        (_, l) => f.get(`base_model.model.model.layers.${l}.${module(t)}.${t}.lora_${ab}.weight`)!,
      );
      m.set(`C.${t}.${ab}`, Float64Array.from(parts.flatMap((p) => [...p])));
    }
  return m;
}
function compare(got: Members, want: Members, start: Members): Compared {
  let dot = 0,
    a = 0,
    c = 0,
    most = 0;
  for (const [n, w] of want) {
    const g = got.get(n)!,
      s = start.get(n)!;
    for (let i = 0; i < w.length; i++) {
      const u = w[i] - s[i],
        v = g[i] - s[i];
      dot += u * v;
      a += u * u;
      c += v * v;
      most = Math.max(most, Math.abs(g[i] - w[i]));
    }
  }
  return { cosine: dot / Math.sqrt(a * c), most };
}

/** Sum of the gradients and mean loss of a step. */
interface Gradient {
  readonly acc: Float64Array;
  readonly loss: number;
  readonly count: number;
}

/** Both readings of one run of the fixtures. */
class Comparison {
  readonly run: PeftRun;
  readonly program: Program;
  readonly #update: Program;
  readonly #sequence: number;
  readonly #batch: number;
  readonly #frozen: ReadonlyMap<string, BigInt64Array>;
  readonly #rows: readonly ScheduleRow[];
  readonly #start: Members;
  readonly #rope: { readonly ropeQ: Float64Array; readonly ropeK: Float64Array };
  readonly #reading: RoundedReading;
  /** The adapter before every step of the float reading's own run. */ readonly #thetas: Float64Array[] = [];

  constructor(
    readonly k: Kernels,
    readonly base: Weights,
    readonly name: string,
  ) {
    const run = JSON.parse(readFileSync(join(fixtures, 'vectors/lora-adamw-peft', name, 'run.json'), 'utf8')) as PeftRun,
      { shape } = base,
      { ints, bits } = quantizeBase(base.weights);
    this.run = run;
    this.#sequence = run.batches[0].tokens[0].length;
    this.#batch = run.batches[0].tokens.length / run.microBatches;
    const options = {
      shape,
      numbers: DEFAULT_NUMBERS,
      weightBits: bits,
      batch: this.#batch,
      sequence: this.#sequence,
      lora: { r: run.rank, targets: run.targets, scaling: run.alpha / run.rank },
      adam: adamConstants(run.betas, run.clip),
    };
    this.program = llamaProgram({ ...options, kind: 'micro' });
    this.#update = llamaProgram({ ...options, kind: 'update' });
    this.#frozen = frozenIntegers(shape, ints, base.rope, this.#sequence);
    this.#rows = scheduleRows({ ...run, steps: run.steps.length });
    this.#start = adapter(shape.layers, name, 'adapter_step0', run.targets);
    this.#rope = ropeTables(shape.headDim, this.#sequence, base.rope).real;
    this.#reading = new RoundedReading(
      k,
      this.program,
      new Map<string, BigInt64Array | Int32Array | Float64Array | Float32Array>([
        ...base.weights,
        ['ropeQ', this.#rope.ropeQ],
        ['ropeK', this.#rope.ropeK],
        ...this.#start,
        ...this.#publics(this.#micros(0)[0]),
        ['acc', new Float64Array(this.program.axes['P'])],
      ]),
    );
  }

  #micros(s: number): Batch[] {
    const b = this.run.batches[s];
    return Array.from({ length: this.run.microBatches }, (_, q) => ({
      tokens: b.tokens.slice(q * this.#batch, (q + 1) * this.#batch).map((x) => Int32Array.from(x)),
      mask: b.mask.slice(q * this.#batch, (q + 1) * this.#batch).map((x) => Uint8Array.from(x)),
    }));
  }
  #publics(b: Batch): Map<string, BigInt64Array | Int32Array> {
    return batchInputs(b, this.#batch, this.#sequence);
  }
  #initial(): AdapterState {
    return initialState(
      this.program,
      new Map([...this.#start].map(([n, v]) => [n.slice(2), BigInt64Array.from(v, (x) => BigInt(Math.round(x * 2 ** ADAMW.master.frac)))])),
    );
  }
  #members(flat: Float64Array): Members {
    return unflattenReals(this.program, 'cIn', 'C', flat);
  }
  /** A reading of a program with the scalars of step s. */
  #integers<T>(
    p: Program,
    s: number,
    state: AdapterState,
    publics: ReadonlyMap<string, BigInt64Array | Int32Array>,
    acc: BigInt64Array,
    use: (r: IntegerReading) => T,
  ): T {
    const { run, k } = this;
    return k.scope(() => {
      const r = new IntegerReading(
        k,
        p,
        stepInputs(p, this.#frozen, state, publics, this.#rows[s], run.steps[s].targets, run.clip, s, acc),
      );
      r.run();
      return use(r);
    });
  }
  /** Step s in integers. */
  #integerStep(s: number, before: AdapterState): { after: AdapterState; loss: number; norm: number } {
    let acc: BigInt64Array = new BigInt64Array(this.program.axes['P']),
      loss = 0n,
      count = 0;
    for (const b of this.#micros(s)) {
      const made = this.#integers(this.program, s, before, this.#publics(b), acc, (r) => ({
        acc: r.read('acc2'),
        loss: r.read('loss')[0],
      }));
      acc = made.acc;
      loss += made.loss;
      count += targetCount(b, this.#sequence);
    }
    return {
      after: this.#integers(this.#update, s, before, new Map(), acc, stateAfter),
      loss: Number(loss) / 2 ** DEFAULT_NUMBERS.headFrac / count,
      norm: Math.sqrt(acc.reduce((n, x) => n + (Number(x) / 2 ** ADAMW.g.frac / count) ** 2, 0)),
    };
  }
  /**
   * Sum of gradients and mean loss of a step's micro-batches in the float reading, at an adapter or at the first one.
   */
  #floatGradient(s: number, theta?: Float64Array): Gradient {
    const reading = this.#reading;
    if (theta) reading.setInput('C', theta);
    let acc: Float64Array = new Float64Array(this.program.axes['P']),
      loss = 0,
      count = 0;
    for (const b of this.#micros(s)) {
      reading.setInput('acc', acc);
      for (const [n, v] of this.#publics(b)) reading.setInput(n, v);
      reading.run();
      acc = reading.read('acc2');
      loss += reading.read('loss')[0];
      count += targetCount(b, this.#sequence);
    }
    return { acc, loss: loss / count, count };
  }

  /** All steps in both readings, each on its own trajectory; rows of the steps of `snapshots`. */
  trajectories(snapshots: readonly number[]): { table: StepRow[]; off: Off; last: Float64Array } {
    const { run } = this,
      table: StepRow[] = [],
      off: Off = { floatLoss: 0, intLoss: 0, floatNorm: 0, intNorm: 0 },
      far = (x: number, y: number): number => Math.abs(x / y - 1);
    let state = this.#initial(),
      float: AdamFloatState | undefined;
    for (const [s, want] of run.steps.entries()) {
      const ints = this.#integerStep(s, state);
      state = ints.after;
      const f = this.#floatGradient(s, float?.theta);
      float ??= adamFloatState(this.#reading.read('C'));
      this.#thetas.push(float.theta.slice());
      const norm = adamFloatStep(float, f.acc, {
        lr: want.learningRate,
        betas: run.betas,
        epsilon: run.epsilon,
        weightDecay: run.weightDecay,
        clip: run.clip,
        count: f.count,
      });
      off.floatLoss = Math.max(off.floatLoss, far(f.loss, want.loss));
      off.intLoss = Math.max(off.intLoss, far(ints.loss, want.loss));
      off.floatNorm = Math.max(off.floatNorm, far(norm, want.gradNorm));
      off.intNorm = Math.max(off.intNorm, far(ints.norm, want.gradNorm));
      if (!snapshots.includes(s + 1)) continue;
      table.push({
        step: s + 1,
        loss: want.loss,
        norm: want.gradNorm,
        floatLoss: f.loss / want.loss - 1,
        intLoss: ints.loss / want.loss - 1,
        floatNorm: norm / want.gradNorm - 1,
        intNorm: ints.norm / want.gradNorm - 1,
        ...this.#compared(s, state, float.theta),
      });
    }
    if (!float) throw new Error(`${this.name} has no step`);
    return { table, off, last: float.theta };
  }
  #compared(s: number, state: AdapterState, theta: Float64Array): Pick<StepRow, 'float' | 'int' | 'formats'> {
    const target = adapter(this.base.shape.layers, this.name, `adapter_step${s + 1}`, this.run.targets),
      ints = new Map([...unflattenGroup(this.program, 'cIn', 'C', state.master)].map(([n, v]) => [n, real(v, ADAMW.master.frac)])),
      floats = this.#members(theta);
    return {
      float: compare(floats, target, this.#start),
      int: compare(ints, target, this.#start),
      formats: compare(ints, floats, this.#start),
    };
  }
  /** The update alone: exact gradients, rounded to the accumulator's format, into the integer update. */
  updateOnly(last: Float64Array): Compared {
    let own = this.#initial(),
      theta = this.#thetas[0];
    for (const s of this.run.steps.keys()) {
      const { acc } = this.#floatGradient(s, theta),
        ints = BigInt64Array.from(acc, (x) => BigInt(Math.round(x * 2 ** ADAMW.g.frac)));
      own = this.#integers(this.#update, s, own, new Map(), ints, stateAfter);
      theta = real(own.master, ADAMW.master.frac);
    }
    return compare(this.#members(theta), this.#members(last), this.#start);
  }

  /** Shares: each rounding alone, the squared relative error of the gradient of each adapter matrix, averaged. */
  shares(): { all: Share; shares: Map<string, Share> } {
    const at = [0, 1, this.run.steps.length - 1],
      exact = at.map((s) => this.#floatGradient(s, this.#thetas[s])),
      measure = (which: (tensor: string) => boolean, weights: (name: string) => boolean): Share => this.#share(at, exact, which, weights),
      never = (): boolean => false,
      always = (): boolean => true,
      rope = (n: string): boolean => n.startsWith('rope');
    const all = measure(always, always),
      shares = new Map(roundedTensors(this.program).map((n) => [n, measure((x) => x === n, never)]));
    shares.set(
      'weights',
      measure(never, (n) => !rope(n)),
    );
    shares.set('rope', measure(never, rope));
    return { all, shares };
  }
  #share(at: readonly number[], exact: readonly Gradient[], which: (tensor: string) => boolean, weights: (name: string) => boolean): Share {
    const reading = this.#reading,
      rounded = (n: string, v: Float64Array | Float32Array): Float64Array | Float32Array => {
        const unit = 2 ** weightFrac(n);
        return weights(n) ? v.map((x) => Math.floor(x * unit + 0.5) / unit) : v;
      };
    reading.which = which;
    for (const [n, v] of [...this.base.weights, ...Object.entries(this.#rope)]) reading.setInput(n, rounded(n, v));
    let e = 0,
      c = 0,
      loss = 0;
    for (const [i, s] of at.entries()) {
      const g = this.#floatGradient(s, this.#thetas[s]),
        a = this.#members(exact[i].acc);
      loss += (g.loss / exact[i].loss - 1) ** 2 / at.length;
      for (const [n, v] of this.#members(g.acc)) {
        const w = a.get(n)!,
          per = v.length / this.base.shape.layers;
        for (let l = 0; l < this.base.shape.layers; l++) {
          let d = 0,
            y = 0;
          for (let q = l * per; q < (l + 1) * per; q++) {
            d += (v[q] - w[q]) ** 2;
            y += w[q] ** 2;
          }
          if (y > 0) {
            e += d / y;
            c++;
          }
        }
      }
    }
    return { gradient: e / c, loss };
  }
}

function one(k: Kernels, base: Weights, name: string, snapshots: readonly number[]): RunResult {
  return k.scope(() => {
    const x = new Comparison(k, base, name),
      { table, off, last } = x.trajectories(snapshots),
      updateOnly = x.updateOnly(last),
      { all, shares } = x.shares(),
      frac = (n: string): number | undefined => x.program.tensors.find((t) => t.name === n)?.frac;
    return { name, table, off, all, updateOnly, shares: [...shares].map(([n, v]) => ({ name: n, frac: frac(n), ...v })) };
  });
}

const e = (x: number): string => (x === 0 ? '0' : x.toExponential(1)),
  c = (x: number): string => (1 - x < 1e-12 ? '1 - <1e-12' : `1 - ${(1 - x).toExponential(1)}`);

/** Rows of the tensors whose share in some run is at least 2%, the largest first. */
function shareRows(runs: readonly RunResult[]): string[] {
  const sums = runs.map((r) => ({
      gradient: r.shares.reduce((s, x) => s + x.gradient, 0),
      loss: r.shares.reduce((s, x) => s + x.loss, 0),
    })),
    names = [...new Set(runs.flatMap((r) => r.shares.map((s) => s.name)))],
    parts = (n: string): number[] =>
      runs.flatMap((r, i) =>
        (['gradient', 'loss'] as const).map((key) => (100 * (r.shares.find((s) => s.name === n)?.[key] ?? 0)) / sums[i][key]),
      );
  return names
    .map((n) => ({ n, most: Math.max(...parts(n)) }))
    .sort((a, b) => b.most - a.most)
    .filter(({ most }) => most >= 2)
    .map(({ n }) => {
      const f = runs[0].shares.find((s) => s.name === n)?.frac;
      return `| ${n}${f === undefined ? '' : ` (${f})`} | ${parts(n)
        .map((x) => `${x.toFixed(1)}%`)
        .join(' | ')} |`;
    });
}

export function reference(): void {
  const { base } = stories(),
    k = singleKernels(),
    runs: RunResult[] = [];
  for (const [name, snapshots] of Object.entries(RUNS)) {
    console.log(name);
    runs.push(one(k, base, name, snapshots));
  }
  k.close();
  save(join(out, 'reference.json'), `${JSON.stringify(runs, null, 1)}\n`);
  const lines = [
    '# Against PyTorch and PEFT',
    '',
    'Written by `npm run utility -- reference` from the fixtures `vectors/lora-adamw-peft` (PyTorch 2.13, transformers 5.18, PEFT 0.21, all in float64) over stories260k. The float',
    'reading is the program on real numbers with the original float32 weights; the integer reading is what is proven, on its own trajectory. Differences of loss and gradient norm are relative and signed; the parameter',
    'difference is the largest of all adapter entries. Cosines are of the total update since step 0. "Formats" compares the integer with the float reading: what differs there is due to rounding, formats, tables and integer AdamW alone,',
    'and the float reading bounds all the rest.',
    `Integers: ${programsText(PROOF_VERSION)}.`,
    '',
    '| run, step | loss | float | integers | gradient norm | float | integers | cosine, float | integers | formats | largest parameter difference, float | integers | formats |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
  ];
  for (const r of runs)
    for (const t of r.table)
      lines.push(
        `| ${r.name}, ${t.step} | ${t.loss.toFixed(6)} | ${e(t.floatLoss)} | ${e(t.intLoss)} | ${t.norm.toFixed(5)} | ${e(t.floatNorm)} | ${e(t.intNorm)} | ${c(t.float.cosine)} | ${c(t.int.cosine)} | ${c(t.formats.cosine)} | ${e(t.float.most)} | ${e(t.int.most)} | ${e(t.formats.most)} |`,
      );
  lines.push(
    '',
    'Largest differences over all steps of a run:',
    '',
    '| run | loss, float | integers | gradient norm, float | integers |',
    '| --- | --- | --- | --- | --- |',
  );
  for (const r of runs)
    lines.push(`| ${r.name} | ${e(r.off.floatLoss)} | ${e(r.off.intLoss)} | ${e(r.off.floatNorm)} | ${e(r.off.intNorm)} |`);
  lines.push(
    '',
    "AdamW's first step is lr sign(g): an entry whose gradient is smaller than its rounding error turns round entirely, which makes cosines after one step lower than those of the whole run, and the largest parameter difference twice the learning rate.",
    '',
    '## Shares of the formats',
    '',
    'Each tensor rounded alone in the float reading (steps 1, 2 and the last, on the float trajectory): its part of the sum of squared relative errors of the gradients of all adapter matrices, and of the loss. Below 2% in all columns: left out.',
    '',
    `| tensor (fraction) | ${runs.flatMap((r) => [`${r.name}: gradient`, 'loss']).join(' | ')} |`,
    `| --- | ${runs.flatMap(() => ['---', '---']).join(' | ')} |`,
  );
  lines.push(...shareRows(runs));
  lines.push(
    `| all, root mean square | ${runs.flatMap((r) => [e(Math.sqrt(r.all.gradient)), e(Math.sqrt(r.all.loss))]).join(' | ')} |`,
    '',
    `The update alone (gradients of float64 into the integer update: clip factor, moments, quotient, master copy): cosine of the total update ${runs.map((r) => `${c(r.updateOnly.cosine)} (${r.name})`).join(', ')}.`,
    '',
  );
  save(join(out, 'reference.md'), lines.join('\n'));
}
