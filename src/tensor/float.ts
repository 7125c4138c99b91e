import type { Kernels } from '../kernels/runtime.js';
import type { Box, ExprPlan } from './einsum.js';
import { type ReadingInputs, Reading, exprsOf } from './reading.js';
import { parseTable } from './table-algorithms.js';
import type { Expr, HighPart, Operand, Program, Step, TensorSpec, Term } from './types.js';

/**
 * The program in float64 on real values (a cell c of fraction k stands for c 2^-k) with nothing rounded: the reference of the error
 * budgets. Inputs are real (Float64Array) or integers, which are scaled. An expression is read in one of two units:
 * - round: term factor coef 2^(sum frac(operands) - frac(out) - shift), or the term's exact `real`;
 * - everything else: the integer value itself, factor coef 2^(sum frac(operands)), to which the step's formula applies without its
 *   floor; the result times 2^-frac(out) is the real output. `frac` of a step, where given, carries `real` factors into that unit.
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

  /** Largest factors first: a masked key's D - D causal cancels exactly before M - s is added, instead of swallowing its last digits. */
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

  /** Integer value of an expression as a double, in fresh memory. */
  #raw(e: Expr, box: Box, at: number, frac?: number): { ptr: number; v: Float64Array } {
    const n = this.einsum.cells(box),
      ptr = this.value(e, box, at, frac),
      v = this.kernels.f64.subarray(ptr / 8, ptr / 8 + n);
    if (frac !== undefined) {
      const unit = 2 ** frac;
      for (let k = 0; k < n; k++) v[k] *= unit;
    }
    return { ptr, v };
  }

  protected step(s: Step, box: Box, at: number): void {
    const put = (out: Operand, x: { ptr: number; v: Float64Array }, f: (y: number, k: number) => number): void => {
      const unit = 2 ** -this.spec(out.tensor).frac,
        { v } = x;
      for (let k = 0; k < v.length; k++) v[k] = f(v[k], k) * unit;
      this.#store(box, at, out, x.ptr);
    };
    const frac = this.fracs(s);
    switch (s.op) {
      case 'round':
        this.#store(box, at, s.out, this.value(s.expr, box, at, frac[0]), s.base);
        return;
      case 'limb': {
        if (!this.#read.has(s.out.tensor)) return;
        // The lowest digit keeps what lies below one unit, so that digits still sum to the value.
        const low = 2 ** s.shift,
          size = 2 ** s.bits,
          mod = (x: number): number => x - Math.floor(x / size) * size;
        put(s.out, this.#raw(s.expr, box, at), (x) => (s.shift === 0 ? mod(x) : mod(Math.floor(x / low))));
        return;
      }
      case 'digits': {
        // The lower digit keeps what lies below one unit, so that digits still sum to the value.
        const unit = 2 ** -s.shift,
          size = 2 ** s.bits,
          high = (x: number): number => Math.floor((x * unit) / size);
        put(s.low, this.#raw(s.expr, box, at), (x) => x * unit - high(x) * size);
        put(s.high, this.#raw(s.expr, box, at), high);
        return;
      }
      case 'table': {
        const { algorithm, params } = parseTable(s.table),
          unit = 2 ** -algorithm.keyFrac(params),
          real = algorithm.real(params);
        const key = this.#raw(s.key, box, at),
          n = key.v.length,
          ptr = this.kernels.alloc(8 * n),
          v = this.kernels.f64.subarray(ptr / 8, ptr / 8 + n);
        // Allocation may have moved the memory.
        const x = this.kernels.f64.subarray(key.ptr / 8, key.ptr / 8 + n);
        s.outs.forEach((o, c) => {
          if (c > 0 && !this.#read.has(o.tensor)) return;
          const f = real[c];
          for (let k = 0; k < n; k++) v[k] = f(x[k] * unit);
          this.#store(box, at, o, ptr);
        });
        return;
      }
      case 'lse': {
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
        return;
      }
      case 'sqrt':
        put(s.out, this.#joined(this.#raw(s.expr, box, at, frac[0]), s.high, box, at), (x) => Math.sqrt(x));
        return;
      case 'div': {
        const num = this.#joined(this.#raw(s.num, box, at), s.high, box, at),
          den = this.#raw(s.den, box, at, frac[1]);
        put(s.out, this.#again(num), (x, k) => (x * 2 ** s.shift) / den.v[k]);
        return;
      }
      case 'max': {
        const a = this.#raw(s.a, box, at),
          b = this.#raw(s.b, box, at);
        put(s.out, this.#again(a), (x, k) => Math.max(x, b.v[k]));
        return;
      }
    }
  }

  /** x + 2^shift times the upper part of a wide integer, if there is one. */
  #joined(x: { ptr: number; v: Float64Array }, high: HighPart | undefined, box: Box, at: number): { ptr: number; v: Float64Array } {
    if (!high) return x;
    const h = this.#raw(high.expr, box, at),
      low = this.#again(x);
    low.v.forEach((y, k) => {
      low.v[k] = y + h.v[k] * 2 ** high.shift;
    });
    return low;
  }

  /** The view of earlier memory after a later allocation. */
  #again(x: { ptr: number; v: Float64Array }): { ptr: number; v: Float64Array } {
    return { ptr: x.ptr, v: this.kernels.f64.subarray(x.ptr / 8, x.ptr / 8 + x.v.length) };
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
