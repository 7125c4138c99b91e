import type { Kernels } from '../kernels/runtime.js';
import { adamConstants } from '../optim/constants.js';
import { type AdamFloatOptions, type AdamFloatState, adamFloatState, adamFloatStep } from '../optim/reference.js';
import { expr, realTerm, term } from '../tensor/expr.js';
import { FloatReading } from '../tensor/float.js';
import type { Program, Step, TensorSpec, Term } from '../tensor/types.js';
import { type FloatWeights, type Rope, ropeTables } from './base.js';
import { llamaProgram } from './llama.js';
import { type LlamaShape, DEFAULT_NUMBERS, PROJECTIONS, TARGETS, freeBits } from './shape.js';
import { type Batch, batchInputs, targetCount } from './step.js';

/**
 * The forward and backward pass that steps prove, with the gradients of the base itself as further tensors `d.NAME`
 * (sums over the targets of the micro-batch, shaped like the tensor). All are products of what the backward pass has
 * anyway: dW = dY x^T, dgamma = sum dN Xn, dE = sum of G[0] over a token's occurrences, dhead = (mask p -
 * onehot(target)) N, of which a tied E takes both. For the float reading alone: the formats of the new tensors mean
 * nothing and nothing of it is proven.
 */
export function fullGradientProgram(shape: LlamaShape, batch: number, sequence: number): Program {
  const micro = llamaProgram({
    shape,
    numbers: DEFAULT_NUMBERS,
    weightBits: freeBits(shape),
    batch,
    sequence,
    // The adapter, which every program has, stays zero.
    lora: { r: 1, targets: ['q_proj'], scaling: 1 },
    adam: adamConstants([0.9, 0.999], 0),
    kind: 'micro',
  });
  const tensors: TensorSpec[] = [],
    steps: Step[] = [];
  const gradient = (name: string, axes: readonly string[], terms: Term[]): void => {
    tensors.push({ name: `d.${name}`, axes, cls: 'witness', lo: 0n, hi: 0n, frac: 0 });
    const out = term(1, `d.${name}[${axes.join(',')}]`).operands[0];
    steps.push({ name: `d.${name}`, axes, phase: 'post', op: 'round', out, expr: expr(terms), shift: 0 });
  };
  const product = (factor: 1 | -1, ...operands: string[]): Term => realTerm(BigInt(factor), factor, ...operands);
  const last = `N[${2 * shape.layers},d,b,i]`,
    embed = product(1, 'tokens[vocab,b,i]', 'G[0,d,b,i]'),
    head = [product(1, 'mask[b,i]', 'ph1[vocab,b,i]', last), product(-1, 'targets[vocab,b,i]', last)];
  gradient('E', ['vocab', 'd'], shape.tied ? [...head, embed] : [embed]);
  if (!shape.tied) gradient('head', ['vocab', 'd'], head);
  gradient('gamma', ['s', 'd'], [product(1, 'dN[s,d,b,i]', 'Xn[s,d,b,i]')]);
  for (const t of TARGETS) {
    const p = PROJECTIONS[t],
      out = ['l', ...p.out];
    gradient(`W.${t}`, [...out, ...p.in], [product(1, p.dy, p.x)]);
    if (shape.bias && (t === 'q_proj' || t === 'k_proj' || t === 'v_proj')) gradient(`bias.${t}`, out, [product(1, p.dy)]);
  }
  return { ...micro, name: 'llama-pretrain', tensors: [...micro.tensors, ...tensors], steps: [...micro.steps, ...steps] };
}

/** Hyperparameters of one step of pre-training; gradients are means over the batch's targets. */
export type PretrainStep = Omit<AdamFloatOptions, 'count'>;

/** Trains all weights of a base in float64 with AdamW. The result does not depend on the number of threads. */
export class Pretrainer {
  readonly #reading: FloatReading;
  readonly #names: string[];
  readonly #state: AdamFloatState;
  /** Where each tensor lies in the flat parameter vector. */
  readonly #offsets = new Map<string, number>();

  constructor(
    kernels: Kernels,
    readonly shape: LlamaShape,
    rope: Rope,
    readonly batch: number,
    readonly sequence: number,
    weights: FloatWeights,
  ) {
    const program = fullGradientProgram(shape, batch, sequence),
      r = ropeTables(shape.headDim, sequence, rope).real,
      zeros = (name: string): Float64Array =>
        new Float64Array(program.tensors.find((t) => t.name === name)!.axes.reduce((n, a) => n * program.axes[a], 1));
    this.#names = [...weights.keys()];
    let at = 0;
    for (const [n, w] of weights) {
      this.#offsets.set(n, at);
      at += w.length;
    }
    const flat = new Float64Array(at);
    for (const [n, w] of weights) flat.set(w, this.#offsets.get(n)!);
    this.#state = adamFloatState(flat);
    this.#reading = new FloatReading(
      kernels,
      program,
      new Map<string, Float64Array | Int32Array | BigInt64Array>([
        ...weights,
        ['ropeQ', r.ropeQ],
        ['ropeK', r.ropeK],
        ...['C.q_proj.A', 'C.q_proj.B', 'acc'].map((n) => [n, zeros(n)] as [string, Float64Array]),
        ...batchInputs({ tokens: [], mask: [] }, batch, sequence),
      ]),
    );
  }

  get parameters(): number {
    return this.#state.theta.length;
  }
  /** The weights as they are now, by program name. */
  weights(): FloatWeights {
    return new Map(this.#names.map((n) => [n, this.#part(n).slice()]));
  }
  #part(name: string): Float64Array {
    const at = this.#offsets.get(name)!;
    return this.#state.theta.subarray(at, at + this.#reading.cells(name));
  }

  /** Sum of the loss over the targets of a batch and its gradients by name. */
  gradients(batch: Batch): { loss: number; gradients: FloatWeights } {
    for (const n of this.#names) this.#reading.setInput(n, this.#part(n));
    for (const [n, v] of batchInputs(batch, this.batch, this.sequence)) this.#reading.setInput(n, v);
    this.#reading.run();
    return { loss: this.#reading.read('loss')[0], gradients: new Map(this.#names.map((n) => [n, this.#reading.read(`d.${n}`)])) };
  }

  /** One AdamW step on a batch; returns its mean loss before the step and the norm of the mean gradient. */
  step(batch: Batch, o: PretrainStep): { loss: number; norm: number } {
    const count = targetCount(batch, this.sequence),
      { loss, gradients } = this.gradients(batch),
      flat = new Float64Array(this.#state.theta.length);
    for (const [n, g] of gradients) flat.set(g, this.#offsets.get(n)!);
    return { loss: loss / count, norm: adamFloatStep(this.#state, flat, { ...o, count }) };
  }
}
