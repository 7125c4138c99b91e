import { isqrt } from '../field/fixedpoint.js';
import type { Kernels } from '../kernels/index.js';
import { ProgramError, exprInterval } from './bounds.js';
import type { Box } from './einsum.js';
import { Reading, type ReadingInputs, exprsOf } from './reading.js';
import type { Constraint, Expr, Operand, Program, Step, StepOp, TensorSpec, Term } from './types.js';

export type { Progress, ReadingInput, ReadingInputs } from './reading.js';
export { InputError } from './reading.js';

/** A value left its declared format: training stops here, nothing is clamped. */
export class OverflowError extends Error {
  constructor(
    readonly step: string,
    readonly tensor: string,
    readonly indices: Readonly<Record<string, number>>,
    readonly value: bigint,
    readonly lo: bigint,
    readonly hi: bigint,
    remedy: string,
  ) {
    const where = Object.entries(indices)
      .map(([a, i]) => `${a === 'l' ? 'layer' : a} ${i}`)
      .join(', ');
    super(`${step}: ${tensor}${where ? ` at ${where}` : ''} is ${value}, outside [${lo}, ${hi}]: ${remedy}`);
    this.name = 'OverflowError';
  }
}
const REMEDY = 'lower the learning rate (train.learningRate), or raise the bits of its format (numbers.*)';

/** A constraint that the computed witness does not satisfy: a fault of the program or of the values given, never of the prover's choice. */
export class UnsatisfiedError extends Error {
  constructor(
    readonly constraint: string,
    readonly indices: Readonly<Record<string, number>>,
    readonly value: bigint,
    message: string,
  ) {
    super(`${constraint} at ${JSON.stringify(indices)}: ${message} (value ${value})`);
    this.name = 'UnsatisfiedError';
  }
}

/**
 * The program in exact integers: every cell an i64, row-major at ptr.get(name). Sums wrap mod 2^64 but are exact: a step whose
 * expression could leave i64 within its operands' formats is refused, cells are held to their formats, and for constraints see
 * fillConstraint.
 */
export class IntegerReading extends Reading {
  readonly #errors: number;

  constructor(kernels: Kernels, program: Program, inputs: ReadingInputs) {
    super(kernels, program, inputs, 'I');
    this.#requireI64();
    this.#errors = kernels.zeroed(64 * kernels.threads);
    this.init(inputs);
  }

  #requireI64(): void {
    const top = 1n << 63n;
    for (const s of this.program.steps)
      for (const e of exprsOf(s)) {
        const iv = exprInterval(this.program.axes, this.tensors, s.axes, e),
          round = s.op === 'round',
          half = round && s.shift ? 1n << BigInt(s.shift - 1) : 0n;
        const base = round && s.base ? this.spec(s.base.tensor) : { lo: 0n, hi: 0n },
          shift = round ? BigInt(s.shift) : 0n;
        if (iv.lo < -top || iv.hi + half >= top || (iv.lo >> shift) + base.lo < -top || ((iv.hi + half) >> shift) + base.hi >= top)
          throw new ProgramError(s.name, `may reach [${iv.lo}, ${iv.hi}], beyond 64-bit integers: use narrower formats or limbs`);
      }
  }

  /** A copy of a tensor's cells. */
  read(name: string): BigInt64Array {
    return this.view(name).slice();
  }
  /** The tensor's cells themselves; valid until memory grows. */
  view(name: string): BigInt64Array {
    const p = this.at(name) / 8;
    return this.kernels.i64.subarray(p, p + this.cells(name));
  }

  protected write(t: TensorSpec, ptr: number, cells: number, value: BigInt64Array | Float64Array | ((c: BigInt64Array) => void)): void {
    const view = this.kernels.i64.subarray(ptr / 8, ptr / 8 + cells);
    if (typeof value === 'function') value(view);
    else if (value instanceof BigInt64Array) view.set(value);
    else throw new TypeError(`${t.name}: the integer reading takes integers`);
    const row = this.kernels.alloc(4);
    this.kernels.u32[row / 4] = 0;
    this.#checked(
      (e) =>
        this.einsum.grid('storeI', 1, cells, cells, (rlo, rhi, nlo, nhi, th) => [
          ptr,
          cells,
          ptr,
          row,
          8,
          0,
          row,
          0,
          0,
          clampI64(t.lo),
          clampI64(t.hi),
          0,
          e + 64 * th,
          rlo,
          rhi,
          nlo,
          nhi,
        ]),
      (bad) => {
        throw new OverflowError(
          'input',
          t.name,
          this.#indices({ axes: t.axes }, 0, bad.index),
          bad.value,
          t.lo,
          t.hi,
          'the input does not fit its declared format',
        );
      },
    );
  }
  protected factor(t: Term): bigint {
    return t.coef;
  }
  protected constant(e: Expr): bigint {
    return e.constant;
  }

  protected fracs(): readonly undefined[] {
    return [];
  }

  protected step(s: Step, box: Box, at: number): void {
    const cells = this.einsum.cells(box),
      value = (e: Expr): number => this.value(e, box, at),
      es = this.einsum;
    const fail =
      (what: string) =>
      (err: Bad): never => {
        throw new OverflowError(s.name, tensorOf(s), this.#indices(box, at, err.index), err.value, 0n, (1n << 63n) - 1n, what);
      };
    switch (s.op) {
      case 'round':
        this.#store(s.name, box, at, s.out, value(s.expr), s.shift, s.base);
        return;
      case 'limb': {
        const x = value(s.expr);
        es.split('limbI', cells, (lo, hi) => [x, s.shift, s.bits, lo, hi]);
        this.#store(s.name, box, at, s.out, x, 0);
        return;
      }
      case 'table': {
        const x = value(s.key),
          t = this.program.tables.find((y) => y.name === s.table)!;
        this.#checked(
          (e) => es.split('indexI', cells, (lo, hi, th) => [x, t.lo, BigInt(t.size), e + 64 * th, lo, hi]),
          (b) => {
            throw new OverflowError(
              s.name,
              this.#keyTensor(s),
              this.#indices(box, at, b.index),
              b.value,
              t.lo,
              t.lo + BigInt(t.size) - 1n,
              `the domain of table ${t.name}; ${REMEDY}`,
            );
          },
        );
        s.outs.forEach((o, k) => {
          this.#store(s.name, box, at, o, x, 0, undefined, this.at(t.columns[k]));
        });
        return;
      }
      case 'lse': {
        const v = this.lseTables(s, box, at),
          t = this.program.tables.find((y) => y.name === s.table)!,
          T = this.at(t.columns[0]);
        const out = this.kernels.alloc(8 * v.rows),
          scratch = this.kernels.alloc(8 * v.K * this.kernels.threads);
        this.#checked(
          (e) =>
            this.einsum.grid(
              'lseI',
              v.rows,
              1,
              v.rows * v.K * 8,
              (lo, hi, _a, _b, th) => [
                out,
                v.base,
                v.rowS,
                v.rowI,
                v.K,
                v.kS,
                v.kJ,
                T,
                t.size,
                s.target,
                scratch + 8 * v.K * th,
                e + 64 * th,
                lo,
                hi,
              ],
              false,
            ),
          fail('no score takes part in this log-sum-exp'),
        );
        this.#store(s.name, box, at, s.out, out, 0);
        return;
      }
      case 'sqrt': {
        const x = value(s.expr);
        this.#checked((e) => es.split('sqrtI', cells, (lo, hi, th) => [x, e + 64 * th, lo, hi]), fail('square root of a negative number'));
        this.#store(s.name, box, at, s.out, x, 0);
        return;
      }
      case 'div': {
        const x = value(s.num),
          y = value(s.den);
        this.#checked(
          (e) => es.split('divI', cells, (lo, hi, th) => [x, y, s.shift, e + 64 * th, lo, hi]),
          fail('the divisor is not positive or the quotient passes 62 bits'),
        );
        this.#store(s.name, box, at, s.out, x, 0);
        return;
      }
      case 'max': {
        const x = value(s.a),
          y = value(s.b);
        es.split('maxI', cells, (lo, hi) => [x, y, lo, hi]);
        this.#store(s.name, box, at, s.out, x, 0);
        return;
      }
      case 'rsqrt':
        this.#big(s, box, at, [value(s.expr)], ([e]) => {
          if (e <= 0n) throw new RangeError('inverse root of a number that is not positive');
          return isqrt((1n << BigInt(2 * s.shift)) / e);
        });
        return;
      case 'clip':
        this.#big(s, box, at, [value(s.squares), value(s.count)], ([q, n]) => {
          if (n <= 0n || q < 0n) throw new RangeError('clip needs a positive count and a sum of squares');
          // floor(a / sqrt q) = isqrt(floor(a^2 / q))
          const a = (1n << BigInt(s.shift)) / n,
            top = s.clip << BigInt(s.shift);
          const b = q === 0n ? a : isqrt((top * top) / q);
          return a < b ? a : b;
        });
        return;
    }
  }

  /** Cell by cell in big integers, for the few-row operations. */
  #big(s: StepOp & { out: Operand; name: string }, box: Box, at: number, args: number[], f: (x: bigint[]) => bigint): void {
    const n = this.einsum.cells(box),
      v = this.kernels.i64,
      spec = this.spec(s.out.tensor);
    for (let k = 0; k < n; k++) {
      const x = args.map((p) => v[p / 8 + k]);
      let y: bigint;
      try {
        y = f(x);
      } catch (e) {
        throw new OverflowError(s.name, s.out.tensor, this.#indices(box, at, k), x[0], spec.lo, spec.hi, (e as Error).message);
      }
      if (y < spec.lo || y > spec.hi) throw new OverflowError(s.name, s.out.tensor, this.#indices(box, at, k), y, spec.lo, spec.hi, REMEDY);
      v[args[0] / 8 + k] = y;
    }
    this.#store(s.name, box, at, s.out, args[0], 0);
  }

  /** Writes (and bound-checks) the accumulator into an operand's place. */
  #store(name: string, box: Box, at: number, out: Operand, acc: number, shift: number, base?: Operand, column = 0): void {
    const es = this.einsum,
      k = this.kernels,
      m = k.mark(),
      spec = this.spec(out.tensor),
      cells = es.cells(box);
    const shapes = [out, ...(base ? [base] : [])].map((o) => ({ sizes: this.sizesOf(o.tensor), access: o.access }));
    const n = es.run(box, shapes),
      rows = cells / n,
      o = es.target(box, shapes[0].sizes, out.access, n),
      b = base ? es.target(box, shapes[1].sizes, base.access, n) : o;
    const po = this.at(out.tensor) + o.base + o.scan * at,
      pb = base ? this.at(base.tensor) + b.base + b.scan * at : 0;
    const lo = clampI64(spec.lo),
      hi = clampI64(spec.hi);
    this.#checked(
      (e) =>
        es.grid('storeI', rows, n, cells, (rlo, rhi, nlo, nhi, th) => [
          acc,
          n,
          po,
          o.table,
          o.stride,
          pb,
          b.table,
          b.stride,
          shift,
          lo,
          hi,
          column,
          e + 64 * th,
          rlo,
          rhi,
          nlo,
          nhi,
        ]),
      (err) => {
        throw new OverflowError(name, out.tensor, this.#indices(box, at, err.index), err.value, spec.lo, spec.hi, REMEDY);
      },
    );
    k.release(m);
  }

  /** Runs a kernel that reports bad cells in one slot per thread; the one with the least index is passed on. */
  #checked(run: (errors: number) => void, bad: (b: Bad) => void): void {
    const slots = this.#errors;
    this.kernels.u8.fill(0, slots, slots + 64 * this.kernels.threads);
    run(slots);
    let first: Bad | undefined;
    for (let t = 0; t < this.kernels.threads; t++) {
      const w = slots / 8 + 8 * t,
        index = Number(this.kernels.i64[w]) - 1;
      if (index >= 0 && (!first || index < first.index)) first = { index, value: this.kernels.i64[w + 1] };
    }
    if (first) bad(first);
  }

  #indices(box: Box, at: number, index: number): Record<string, number> {
    const out: Record<string, number> = {},
      axes = this.einsum.axesOf(box);
    let rest = index;
    for (let k = axes.length - 1; k >= 0; k--) {
      const n = this.program.axes[axes[k]];
      out[axes[k]] = rest % n;
      rest = Math.floor(rest / n);
    }
    return Object.fromEntries(box.axes.map((a) => [a, a === box.scan ? at : out[a]]));
  }
  #keyTensor(s: Extract<StepOp, { op: 'table' }>): string {
    return s.key.terms.at(-1)?.operands.at(-1)?.tensor ?? s.outs[0].tensor;
  }

  /**
   * Keys of a range constraint (the value, in [0, 2^bits)) or of a lookup (the row of the table; every other component must be that
   * row's entry), u32 row-major over the constraint's axes, at `dst` or in fresh memory. Zero constraints are checked and give no keys.
   * Scratch memory is released. Values are computed mod 2^64 and still exact: checkProgram keeps a range's expression in
   * (2^b - 1 - p, p), a lookup's in (2^32 - 1 - p, p - 2^32) and an identity's in (-p, p), p < 2^64, where an accepted value has no other
   * representative mod 2^64.
   */
  fillConstraint(c: Constraint, dst?: number): number {
    const k = this.kernels,
      box: Box = { axes: c.axes },
      cells = this.einsum.cells(box),
      es = this.einsum;
    const keys = c.kind === 'zero' ? 0 : (dst ?? k.alloc(4 * cells)),
      m = k.mark();
    try {
      if (c.kind === 'zero') {
        const x = this.value(c.expr, box, 0);
        this.#checked(
          (e) => es.split('zerosI', cells, (lo, hi, th) => [x, e + 64 * th, lo, hi]),
          (b) => {
            throw new UnsatisfiedError(c.name, this.#indices(box, 0, b.index), b.value, 'an identity does not hold');
          },
        );
        return 0;
      }
      const first = c.kind === 'range' ? c.expr : c.exprs[0],
        x = this.value(first, box, 0);
      const t = c.kind === 'lookup' ? this.program.tables.find((y) => y.name === c.table)! : undefined;
      const min = t ? t.lo : 0n,
        size = t ? BigInt(t.size) : 1n << BigInt((c as { bits: number }).bits);
      this.#checked(
        (e) => es.split('keysI', cells, (lo, hi, th) => [keys, x, min, size, e + 64 * th, lo, hi]),
        (b) => {
          throw new OverflowError(
            c.name,
            first.terms[0]?.operands[0]?.tensor ?? c.name,
            this.#indices(box, 0, b.index),
            b.value,
            min,
            min + size - 1n,
            t ? `the domain of table ${t.name}; ${REMEDY}` : REMEDY,
          );
        },
      );
      if (c.kind === 'lookup')
        c.exprs.slice(1).forEach((e, j) => {
          const y = this.value(e, box, 0),
            col = this.at(t!.columns[j]);
          this.#checked(
            (err) => es.split('entriesI', cells, (lo, hi, th) => [keys, col, y, err + 64 * th, lo, hi]),
            (b) => {
              throw new UnsatisfiedError(c.name, this.#indices(box, 0, b.index), b.value, `not the entry of ${t!.columns[j]}`);
            },
          );
        });
      return keys;
    } finally {
      k.release(m);
    }
  }

  /** fillConstraint into fresh memory. */
  keys(c: Exclude<Constraint, { kind: 'zero' }>): { ptr: number; n: number } {
    return { ptr: this.fillConstraint(c), n: this.einsum.cells({ axes: c.axes }) };
  }

  /** Row-major values of an expression over a box (its scan axis dropped when fixed at `l`), in fresh memory. */
  eval(axes: readonly string[], e: Expr, l?: number): { ptr: number; n: number; axes: string[] } {
    const box: Box = l !== undefined && axes.includes(this.program.scan) ? { axes, scan: this.program.scan } : { axes };
    return { ptr: this.value(e, box, l ?? 0), n: this.einsum.cells(box), axes: this.einsum.axesOf(box) };
  }

  /** First violated zero constraint, if any: for tests and debugging. */
  violated(): string | undefined {
    for (const c of this.program.constraints) {
      if (c.kind !== 'zero') continue;
      try {
        this.fillConstraint(c);
      } catch (e) {
        if (e instanceof UnsatisfiedError) return e.message;
        throw e;
      }
    }
    return undefined;
  }

  /** Evaluates every constraint; throws at the first that does not hold. For tests and debugging. */
  checkAll(): void {
    for (const c of this.program.constraints) {
      const m = this.kernels.mark();
      try {
        this.fillConstraint(c);
      } finally {
        this.kernels.release(m);
      }
    }
  }
}

interface Bad {
  readonly index: number;
  readonly value: bigint;
}
const tensorOf = (s: Step): string => ('out' in s ? s.out.tensor : s.name);
const clampI64 = (x: bigint): bigint => (x > (1n << 63n) - 1n ? (1n << 63n) - 1n : x < -(1n << 63n) ? -(1n << 63n) : x);
