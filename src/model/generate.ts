import type { Kernels } from '../kernels/runtime.js';
import { adamConstants } from '../optim/constants.js';
import { FloatReading } from '../tensor/float.js';
import type { ReadingInput } from '../tensor/reading.js';
import { type RealWeights, type Rope, ropeTables } from './base.js';
import { type LlamaShape, type Target, DEFAULT_NUMBERS, freeBits } from './shape.js';
import { llamaProgram } from './llama.js';
import { type Batch, batchInputs, targetCount } from './step.js';

/** What inference needs of a base. */
export interface InferenceBase {
  readonly shape: LlamaShape;
  readonly rope: Rope;
  readonly weights: RealWeights;
}
/** What it needs of an adapter: real values by member ("q_proj.A"), stacked over the layers. */
export interface InferenceAdapter {
  readonly r: number;
  readonly targets: readonly Target[];
  /** alpha / r, or alpha / sqrt r for rsLoRA. */
  readonly scaling: number;
  readonly members: ReadonlyMap<string, Float64Array>;
}

/**
 * A base, with an adapter or without, as the float reading of the forward pass evaluates it: held-out loss and greedy
 * text. It serves to see what a run has done; nothing of it is proven. Memory stays in the kernels' arena until the
 * caller releases it.
 */
export class Inference {
  readonly #reading: FloatReading;

  constructor(
    kernels: Kernels,
    readonly base: InferenceBase,
    readonly batch: number,
    readonly sequence: number,
    adapter?: InferenceAdapter,
  ) {
    const { shape, rope, weights } = base,
      r = ropeTables(shape.headDim, sequence, rope).real;
    // Without an adapter: one rank of zeros, which every program has.
    const lora = adapter ?? { r: 1, targets: ['q_proj' as const], scaling: 1 };
    const program = llamaProgram({
      shape,
      numbers: DEFAULT_NUMBERS,
      weightBits: freeBits(shape),
      batch,
      sequence,
      lora,
      adam: adamConstants([0.9, 0.999], 0),
      kind: 'eval',
    });
    const inputs = new Map<string, ReadingInput>([
      ...weights,
      ['ropeQ', r.ropeQ],
      ['ropeK', r.ropeK],
      ...batchInputs({ tokens: [], mask: [] }, batch, sequence),
    ]);
    for (const t of program.tensors)
      if (t.group === 'C' && t.aliasOf === undefined)
        inputs.set(t.name, adapter?.members.get(t.name.slice(2)) ?? new Float64Array(t.axes.reduce((n, a) => n * program.axes[a], 1)));
    this.#reading = new FloatReading(kernels, program, inputs);
  }

  #run(batch: Batch): void {
    for (const [n, v] of batchInputs(batch, this.batch, this.sequence)) this.#reading.setInput(n, v);
    this.#reading.run();
  }

  /** Mean loss in nats over all targets of the examples; rows beyond the sequence length are cut. */
  meanLoss(examples: Batch): number {
    let sum = 0,
      count = 0;
    for (let at = 0; at < examples.tokens.length; at += this.batch) {
      const part = { tokens: examples.tokens.slice(at, at + this.batch), mask: examples.mask.slice(at, at + this.batch) };
      this.#run(part);
      sum += this.#reading.read('loss')[0];
      count += targetCount(part, this.sequence);
    }
    return sum / count;
  }

  /** Logits of up to `batch` rows: [row][position][word]. */
  logits(rows: readonly (readonly number[])[]): number[][][] {
    if (rows.length > this.batch) throw new RangeError(`${rows.length} rows in a batch of ${this.batch}`);
    this.#run({ tokens: rows.map((x) => Int32Array.from(x)), mask: rows.map(() => new Uint8Array(this.sequence)) });
    const all = this.#reading.view('logits'),
      stride = this.batch * this.sequence;
    return rows.map((x, r) =>
      x.map((_, i) => Array.from({ length: this.base.shape.vocab }, (_v, v) => all[v * stride + r * this.sequence + i])),
    );
  }

  /**
   * The likeliest continuation of each prompt, token by token (the lower id of two equal logits), without the id that
   * closes it.
   */
  greedy(prompts: readonly (readonly number[])[], closes: (id: number) => boolean, maxNew = Number.POSITIVE_INFINITY): number[][] {
    return Array.from({ length: Math.ceil(prompts.length / this.batch) }, (_, k) =>
      this.#greedyBatch(prompts.slice(k * this.batch, (k + 1) * this.batch), closes, maxNew),
    ).flat();
  }
  #greedyBatch(prompts: readonly (readonly number[])[], closes: (id: number) => boolean, maxNew: number): number[][] {
    const { vocab } = this.base.shape,
      rows = prompts.map((p) => [...p]),
      open = new Set(rows.keys()),
      mask = rows.map(() => new Uint8Array(this.sequence));
    for (const [r, p] of prompts.entries()) if (!p.length) throw new RangeError(`prompt ${r} is empty`);
    for (;;) {
      for (const r of open) if (rows[r].length >= this.sequence || rows[r].length - prompts[r].length >= maxNew) open.delete(r);
      if (!open.size) return rows.map((x, r) => x.slice(prompts[r].length));
      this.#run({ tokens: rows.map((x) => Int32Array.from(x)), mask });
      const logits = this.#reading.view('logits'),
        stride = this.batch * this.sequence;
      for (const r of open) {
        const at = r * this.sequence + rows[r].length - 1;
        let best = 0;
        for (let v = 1; v < vocab; v++) if (logits[v * stride + at] > logits[best * stride + at]) best = v;
        if (closes(best)) open.delete(r);
        else rows[r].push(best);
      }
    }
  }
}
