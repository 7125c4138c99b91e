import type { Kernels } from '../kernels/runtime.js';
import type { Box, ExprPlan } from './einsum.js';
import { type ReadingInputs, Reading, exprsOf } from './reading.js';
import { parseTable } from './table-algorithms.js';
import type { Expr, HighPart, Operand, Program, Step, TensorSpec, Term } from './types.js';

type StepOf<Op extends Step['op']> = Extract<Step, { readonly op: Op }>;

/**
 * Doubles in the kernels' memory. A view of them ends with the next allocation, which may move the memory: even its
 * length is then 0.
 */
interface Doubles {
  readonly ptr: number;
  readonly cells: number;
}

/**
 * The program in float64 on real values (a cell c of fraction k stands for c 2^-k) with nothing rounded: the reference
 * of the error budgets. Inputs are real (Float64Array) or integers, which are scaled. An expression is read in one of
 * two units:
 * - round: term factor coef 2^(sum frac(operands) - frac(out) - shift), or the term's exact `real`;
 * - everything else: the integer value itself, factor coef 2^(sum frac(operands)), to which the step's formula applies
 *   without its
 *   floor; the result times 2^-frac(out) is the real output. `frac` of a step, where given, carries `real` factors into
 *   that unit.
 * Limbs, and table outputs after the first, that no step reads serve range checks alone and stay zero.
 */
export class FloatReading extends Reading {
  readonly #read: ReadonlySet<string>;

  constructor(kernels: Kernels, program: Program, inputs: ReadingInputs) {
    super(kernels, program, inputs);
    this.#read = new Set(
      program.steps.flatMap((s) => [
        ...exprsOf(s).flatMap((e) => e.terms.flatMap((t) => t.operands.map((o) => o.tensor))),
        ...(s.op === 'lse' ? [s.scores.tensor] : []),
        ...(s.op === 'round' && s.base ? [s.base.tensor] : []),
      ]),
    );
    this.init(inputs);
  }

  /** State that no step reads, which only commitments need. */
  protected override optional(t: TensorSpec): boolean {
    const group = t.aliasOf ?? t.group,
      own = this.program.tensors.filter((o) => o.name === t.name || (group !== undefined && (o.aliasOf ?? o.group) === group));
    return ['cIn', 'oIn', 'aIn'].includes(t.cls) && own.every((o) => !this.#read.has(o.name));
  }

  /** A copy of a tensor's real values. */
  read(name: string): Float64Array {
    return this.view(name).slice();
  }
  /** The values themselves; valid until memory grows. */
  view(name: string): Float64Array {
    const p = this.at(name) / 8;
    return this.kernels.f64.subarray(p, p + this.cells(name));
  }

  protected write(
    t: TensorSpec,
    ptr: number,
    cells: number,
    value: BigInt64Array | Float64Array | Float32Array | ((c: BigInt64Array) => void),
  ): void {
    const view = this.kernels.f64.subarray(ptr / 8, ptr / 8 + cells);
    if (value instanceof Float64Array || value instanceof Float32Array) {
      view.set(value);
      return;
    }
    let ints = value as BigInt64Array;
    if (typeof value === 'function') {
      ints = new BigInt64Array(cells);
      value(ints);
    }
    const unit = 2 ** -t.frac;
    for (let k = 0; k < cells; k++) view[k] = Number(ints[k]) * unit;
  }

  protected factor(t: Term, frac: number | undefined): number {
    if (t.real !== undefined && frac !== undefined) return t.real;
    return Number(t.coef) * 2 ** (t.operands.reduce((n, o) => n + this.spec(o.tensor).frac, 0) - (frac ?? 0));
  }
  protected constant(e: Expr, frac: number | undefined): number {
    return (e.real ?? Number(e.constant)) * 2 ** -(frac ?? 0);
  }

  /**
   * Largest factors first: a masked key's D - D causal cancels exactly before M - s is added, instead of swallowing its
   * last digits.
   */
  protected override plan(e: Expr, box: Box, frac?: number): ExprPlan {
    const size = new Map(e.terms.map((t) => [t, Math.abs(this.factor(t, frac))]));
    return super.plan({ ...e, terms: [...e.terms].sort((a, b) => size.get(b)! - size.get(a)!) }, box, frac);
  }

  protected fracs(s: Step): readonly (number | undefined)[] {
    switch (s.op) {
      case 'round':
        return [this.spec(s.out.tensor).frac + s.shift];
      case 'sqrt':
        return [s.frac];
      case 'div':
        // In units of one: factors of the numerator may have a real value of their own.
        return [s.high ? 0 : undefined, s.frac];
      default:
        return [];
    }
  }

  #view({ ptr, cells }: Doubles): Float64Array {
    return this.kernels.f64.subarray(ptr / 8, ptr / 8 + cells);
  }

  /** Integer value of an expression as a double, in fresh memory. */
  #raw(e: Expr, box: Box, at: number, frac?: number): Doubles {
    const x = { ptr: this.value(e, box, at, frac), cells: this.einsum.cells(box) };
    if (frac !== undefined) {
      const v = this.#view(x),
        unit = 2 ** frac;
      for (let k = 0; k < v.length; k++) v[k] *= unit;
    }
    return x;
  }

  protected step(s: Step, box: Box, at: number): void {
    const frac = this.fracs(s);
    switch (s.op) {
      case 'round':
        this.#store(box, at, s.out, this.value(s.expr, box, at, frac[0]), s.base);
        return;
      case 'limb':
        this.#limb(s, box, at);
        return;
      case 'digits':
        this.#digits(s, box, at);
        return;
      case 'table':
        this.#table(s, box, at);
        return;
      case 'lse':
        this.#lse(s, box, at);
        return;
      case 'sqrt':
        this.#put(box, at, s.out, this.#joined(this.#raw(s.expr, box, at, frac[0]), s.high, box, at), Math.sqrt);
        return;
      case 'div': {
        const num = this.#joined(this.#raw(s.num, box, at), s.high, box, at),
          den = this.#view(this.#raw(s.den, box, at, frac[1]));
        this.#put(box, at, s.out, num, (x, k) => (x * 2 ** s.shift) / den[k]);
        return;
      }
      case 'max': {
        const a = this.#raw(s.a, box, at),
          b = this.#view(this.#raw(s.b, box, at));
        this.#put(box, at, s.out, a, (x, k) => Math.max(x, b[k]));
        return;
      }
    }
  }

  /** Writes f of integer values, which are overwritten, into a tensor: as reals. */
  #put(box: Box, at: number, out: Operand, x: Doubles, f: (y: number, k: number) => number): void {
    const unit = 2 ** -this.spec(out.tensor).frac,
      v = this.#view(x);
    for (let k = 0; k < v.length; k++) v[k] = f(v[k], k) * unit;
    this.#store(box, at, out, x.ptr);
  }

  /** The lowest digit keeps what lies below one unit, so that digits still sum to the value. */
  #limb(s: StepOf<'limb'>, box: Box, at: number): void {
    if (!this.#read.has(s.out.tensor)) return;
    const low = 2 ** s.shift,
      size = 2 ** s.bits,
      mod = (x: number): number => x - Math.floor(x / size) * size;
    this.#put(box, at, s.out, this.#raw(s.expr, box, at), (x) => (s.shift === 0 ? mod(x) : mod(Math.floor(x / low))));
  }

  /** As for limbs, the lower digit keeps what lies below one unit. */
  #digits(s: StepOf<'digits'>, box: Box, at: number): void {
    const unit = 2 ** -s.shift,
      size = 2 ** s.bits,
      high = (x: number): number => Math.floor((x * unit) / size);
    this.#put(box, at, s.low, this.#raw(s.expr, box, at), (x) => x * unit - high(x) * size);
    this.#put(box, at, s.high, this.#raw(s.expr, box, at), high);
  }

  /** The functions that a table's columns round, at the real key. */
  #table(s: StepOf<'table'>, box: Box, at: number): void {
    const { algorithm, params } = parseTable(s.table),
      unit = 2 ** -algorithm.keyFrac(params),
      real = algorithm.real(params),
      key = this.#raw(s.key, box, at),
      value = { ptr: this.kernels.alloc(8 * key.cells), cells: key.cells };
    s.outs.forEach((o, c) => {
      if (c > 0 && !this.#read.has(o.tensor)) return;
      const f = real[c],
        x = this.#view(key),
        v = this.#view(value);
      for (let k = 0; k < v.length; k++) v[k] = f(x[k] * unit);
      this.#store(box, at, o, value.ptr);
    });
  }

  /** log sum exp over the keys up to a row's limit, from its largest score. */
  #lse(s: StepOf<'lse'>, box: Box, at: number): void {
    const t = this.lseTables(s, box, at),
      out = this.kernels.alloc(8 * t.rows),
      { f64, u32 } = this.kernels;
    for (let r = 0; r < t.rows; r++) {
      const p = (t.base + u32[t.rowS / 4 + r]) / 8,
        limit = u32[t.rowI / 4 + r];
      let top = Number.NEGATIVE_INFINITY,
        sum = 0;
      for (let k = 0; k < t.K; k++)
        if (u32[t.kJ / 4 + k] <= limit) {
          const x = f64[p + u32[t.kS / 4 + k] / 8];
          if (x > top) top = x;
        }
      for (let k = 0; k < t.K; k++) if (u32[t.kJ / 4 + k] <= limit) sum += Math.exp(f64[p + u32[t.kS / 4 + k] / 8] - top);
      f64[out / 8 + r] = top + Math.log(sum);
    }
    this.#store(box, at, s.out, out);
  }

  /** x + 2^shift times the upper part of a wide integer, if there is one. */
  #joined(x: Doubles, high: HighPart | undefined, box: Box, at: number): Doubles {
    if (!high) return x;
    const h = this.#view(this.#raw(high.expr, box, at)),
      low = this.#view(x);
    for (let k = 0; k < low.length; k++) low[k] += h[k] * 2 ** high.shift;
    return x;
  }

  #store(box: Box, at: number, out: Operand, acc: number, base?: Operand): void {
    this.kernels.scope(() => this.#scatter(box, at, out, acc, base));
  }
  #scatter(box: Box, at: number, out: Operand, acc: number, base?: Operand): void {
    const es = this.einsum,
      cells = es.cells(box);
    const shapes = [out, ...(base ? [base] : [])].map((o) => ({ sizes: this.sizesOf(o.tensor), access: o.access }));
    const n = es.run(box, shapes),
      o = es.target(box, shapes[0].sizes, out.access, n),
      b = base ? es.target(box, shapes[1].sizes, base.access, n) : o;
    const po = this.at(out.tensor) + o.base + o.scan * at,
      pb = base ? this.at(base.tensor) + b.base + b.scan * at : 0;
    es.grid('storeF', cells / n, n, cells, (rlo, rhi, nlo, nhi) => [
      acc,
      n,
      po,
      o.table,
      o.stride,
      pb,
      b.table,
      b.stride,
      rlo,
      rhi,
      nlo,
      nhi,
    ]);
  }
}
