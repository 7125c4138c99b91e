import { ProgramError, checkProgram, exprInterval } from './bounds.js';
import { checkEstablished } from './established.js';
import { expr, operand, term, text } from './expr.js';
import { Fixed, type Format, bounds } from './fixed.js';
import { splitDigits } from './relations/digits.js';
import { div } from './relations/div.js';
import { type LogSumExp, logSumExp } from './relations/lse.js';
import type { Lowering } from './relations/lowering.js';
import { type Max, max } from './relations/max.js';
import { type Norm, norm } from './relations/norm.js';
import { type Ratio, ratio } from './relations/ratio.js';
import { range } from './relations/range.js';
import { round } from './relations/round.js';
import { split } from './relations/split.js';
import { sqrt } from './relations/sqrt.js';
import { lookup, tabulate } from './relations/table.js';
import { zero } from './relations/zero.js';
import type { Constraint, Expr, Phase, Program, PublicKind, Step, StepOp, TableSpec, TensorClass, TensorSpec } from './types.js';

export { expr, operand, realTerm, term } from './expr.js';
export { Fixed, type Format, bounds } from './fixed.js';

/** An expression in integers, or a formula that carries its fraction. */
export type Value = Expr | Fixed;
const integers = (v: Value): Expr => (v instanceof Fixed ? v.expr : v);

/** Where a Round writes, if not into the tensor of its own name, and what it is added to: operands. */
export interface RoundOptions {
  readonly out?: string;
  readonly base?: string;
}
/**
 * `out`: an operand of a tensor declared elsewhere. `nearest`: rounded to nearest instead of down. `outFirst`: see the
 * relation.
 */
export interface RootOptions {
  readonly out?: string;
  readonly nearest?: boolean;
  readonly outFirst?: boolean;
}

/**
 * Builds a program relation by relation. What a relation says, why its witness is unique and how it is lowered stands
 * in its file under relations/. Formulas are either integer expressions with the shift or the fraction beside them, or
 * values (Fixed) that carry their fraction.
 */
export class ProgramBuilder implements Lowering {
  readonly axes: Record<string, number> = {};
  readonly tensors: TensorSpec[] = [];
  readonly tables: TableSpec[] = [];
  readonly constraints: Constraint[] = [];
  readonly steps: Step[] = [];
  phase: Phase = 'pre';
  #names = new Map<string, TensorSpec>();
  #half: 'both' | 'witness' | 'constraints' = 'both';

  constructor(
    readonly name: string,
    readonly rangeBits: number,
    readonly scan = 'l',
  ) {}

  axis(name: string, size: number): void {
    if (!Number.isSafeInteger(size) || size < 1) throw new ProgramError(name, `axis of size ${size}`);
    const old = this.axes[name];
    if (old !== undefined && old !== size) throw new ProgramError(name, `axis has two sizes, ${old} and ${size}`);
    this.axes[name] = size;
  }

  tensor(
    name: string,
    axes: readonly string[],
    cls: TensorClass,
    bounds: { lo: bigint; hi: bigint; frac: number },
    extra: { publicKind?: PublicKind; first?: number; next?: TensorSpec['next']; group?: string; aliasOf?: string } = {},
  ): void {
    if (this.#names.has(name)) throw new ProgramError(name, 'tensor exists');
    for (const a of axes) if (this.axes[a] === undefined) throw new ProgramError(name, `unknown axis ${a}`);
    const spec: TensorSpec = { name, axes, cls, ...bounds, ...extra };
    this.#names.set(name, spec);
    this.tensors.push(spec);
  }

  spec(name: string): TensorSpec {
    const t = this.#names.get(name);
    if (!t) throw new ProgramError(name, 'unknown tensor');
    return t;
  }

  witness(name: string, axes: readonly string[], f: Format, extra: { group?: string; aliasOf?: string; cls?: TensorClass } = {}): void {
    const { cls = 'witness', ...rest } = extra;
    this.tensor(name, axes, cls, bounds(f), rest);
  }

  like(name: string, axes: readonly string[], other: string): void {
    const { lo, hi, frac } = this.spec(other);
    this.tensor(name, axes, 'witness', { lo, hi, frac });
  }

  /** An operand, `X[2*l,d,b,i]`, with the fraction of its tensor. */
  value(cell: string): Fixed {
    return Fixed.operand(cell, this.spec(operand(cell).tensor).frac);
  }

  /**
   * Relations over a whole axis whose witness is computed in slices, as layers follow each other: the steps of each
   * slice alone, and the constraints of the whole alone. The same relations are to be called in both, so that what is
   * proven is what is computed.
   */
  witnessOnly(relations: () => void): void {
    this.#only('witness', relations);
  }
  constraintsOnly(relations: () => void): void {
    this.#only('constraints', relations);
  }
  #only(half: 'both' | 'witness' | 'constraints', relations: () => void): void {
    const before = this.#half;
    this.#half = half;
    try {
      relations();
    } finally {
      this.#half = before;
    }
  }

  step(name: string, axes: readonly string[], op: StepOp): void {
    if (this.#half !== 'constraints') this.steps.push({ ...op, name, axes, phase: this.phase } as Step);
  }
  constrain(c: Constraint): void {
    if (this.#half !== 'witness') this.constraints.push(c);
  }

  /** Copies the members of a group to its alias, or back. */
  flatten(group: string): void {
    this.step(group, [], { op: 'flatten', group });
  }
  unflatten(group: string): void {
    this.step(`${group}.members`, [], { op: 'unflatten', group });
  }

  table(spec: TableSpec, columns: readonly { lo: bigint; hi: bigint; frac: number }[]): void {
    this.axis(spec.axis, spec.size);
    this.tables.push(spec);
    spec.columns.forEach((c, k) => this.tensor(c, [spec.axis], 'frozen', columns[k]));
  }
  tableSpec(name: string): TableSpec {
    const t = this.tables.find((x) => x.name === name);
    if (!t) throw new ProgramError(name, 'unknown table');
    return t;
  }

  /** 0 <= e < 2^bits (relations/range.ts). Limbs belong to the constraint, their steps with it. */
  range(name: string, axes: readonly string[], e: Value, bits: number): void {
    if (this.#half === 'witness') return;
    this.#only('both', () => range(this, this.rangeBits, name, axes, integers(e), bits));
  }

  /** A committed tensor lies within its declared format. */
  inFormat(name: string, f: Format): void {
    const axes = this.spec(name).axes;
    this.range(`${name}.range`, axes, expr([term(1, text(name, axes))], f.signed === false ? 0n : 1n << BigInt(f.bits - 1)), f.bits);
  }

  /** e = 0 on every cell (relations/zero.ts). */
  zero(name: string, axes: readonly string[], e: Value): void {
    zero(this, name, axes, integers(e));
  }

  /**
   * out = base + round(e / 2^shift), ties upward (relations/round.ts). A value is rounded to the fraction of the
   * output.
   */
  round(name: string, axes: readonly string[], e: Fixed, options?: RoundOptions): void;
  round(name: string, axes: readonly string[], e: Expr, shift: number, options?: RoundOptions): void;
  round(name: string, axes: readonly string[], e: Value, x?: number | RoundOptions, y?: RoundOptions): void {
    const options = (typeof x === 'number' ? y : x) ?? {},
      out = options.out ?? text(name, axes),
      at = (cell: string): number => this.spec(operand(cell).tensor).frac;
    if (options.base && at(options.base) !== at(out))
      throw new ProgramError(name, `base ${options.base} has another fraction than the output`);
    const shift = typeof x === 'number' ? x : (e as Fixed).frac - at(out);
    round(this, name, axes, { out, ...(options.base ? { base: options.base } : {}), expr: integers(e), shift });
  }

  /** Declares a witness, rounds into it and proves its format. */
  rounded(name: string, axes: readonly string[], f: Format, e: Fixed): void;
  rounded(name: string, axes: readonly string[], f: Format, e: Expr, shift: number): void;
  rounded(name: string, axes: readonly string[], f: Format, e: Value, shift?: number): void {
    this.witness(name, axes, f);
    if (e instanceof Fixed) this.round(name, axes, e);
    else this.round(name, axes, e, shift!);
    this.inFormat(name, f);
  }

  /** Outputs of a table at a key, into tensors declared elsewhere: operands (relations/table.ts). */
  lookup(name: string, axes: readonly string[], table: string, key: Value, outs: readonly string[]): void {
    lookup(this, name, axes, table, integers(key), outs);
  }
  /** Declares witnesses with the bounds of the table's columns and looks them up. */
  tabulate(name: string, axes: readonly string[], table: string, key: Value, outs: readonly string[]): void {
    tabulate(this, name, axes, table, integers(key), outs);
  }

  /** out = floor(sqrt(e)), e < 2^62 (relations/sqrt.ts). The root of a value has half its fraction. */
  sqrt(name: string, axes: readonly string[], format: Format, e: Value, options: RootOptions = {}): void {
    if (e instanceof Fixed && e.frac !== 2 * format.frac) throw new ProgramError(name, `root of ${e.frac} fraction bits at ${format.frac}`);
    const { out, ...rest } = this.#output(name, axes, format, options);
    sqrt(this, name, axes, { out, format, expr: integers(e), ...rest });
  }

  /**
   * out = floor(num / den), den > 0 of at most denBits bits (relations/div.ts). `frac` of the divisor is that of a
   * value.
   */
  div(
    name: string,
    axes: readonly string[],
    format: Format,
    num: Value,
    den: Value,
    denBits: number,
    options: RootOptions & { readonly frac?: number } = {},
  ): void {
    const { frac, ...root } = options;
    if (num instanceof Fixed && den instanceof Fixed && num.frac !== format.frac + den.frac)
      throw new ProgramError(name, `quotient of ${num.frac} by ${den.frac} fraction bits at ${format.frac}`);
    const denFrac = den instanceof Fixed ? den.frac : frac;
    if (denFrac === undefined) throw new ProgramError(name, 'the fraction of the divisor is missing');
    const { out, ...rest } = this.#output(name, axes, format, root);
    div(this, name, axes, { out, format, num: integers(num), den: integers(den), denBits, denFrac, ...rest });
  }

  /**
   * Declares the digits `${name}.low` and `${name}.high` of a value and returns them as operands (relations/digits.ts).
   */
  digits(
    name: string,
    axes: readonly string[],
    e: Value,
    r: { readonly bits: number; readonly highFormat: Format; readonly shift?: number },
  ): { readonly low: string; readonly high: string } {
    return splitDigits(this, name, axes, { ...r, expr: integers(e) });
  }

  /** out = floor(sqrt(sum x^2)) of a vector in digits, exact (relations/norm.ts). */
  norm(name: string, r: Norm): void {
    norm(this, name, r);
  }

  /** out = K / den to nearest, for integers of up to 100 bits (relations/ratio.ts). */
  ratio(name: string, r: Ratio): void {
    ratio(this, name, r);
  }

  /** out = max(x, y) (relations/max.ts), of values at the fraction of the output. */
  max(name: string, axes: readonly string[], format: Format, of: Max['of']): void {
    for (const v of of) if (v.frac !== format.frac) throw new ProgramError(name, `maximum of ${v.frac} fraction bits at ${format.frac}`);
    const { out } = this.#output(name, axes, format, {});
    max(this, name, axes, { out, format, of });
  }

  /** Declares the low and the high half of a tensor below 2^(2 bits) (relations/split.ts). */
  split(value: string, bits: number, low: string, high: string): void {
    split(this, value, bits, low, high);
  }

  /** Log-sum-exp of scores along an axis, with the softmax weights (relations/lse.ts). */
  logSumExp(name: string, axes: readonly string[], r: LogSumExp): void {
    logSumExp(this, name, axes, r);
  }

  /** The output of a relation: its own tensor, declared here, or an operand of one declared elsewhere. */
  #output(name: string, axes: readonly string[], format: Format, o: RootOptions): Omit<RootOptions, 'out'> & { out: string } {
    if (o.out === undefined) this.witness(name, axes, format);
    return { ...o, out: o.out ?? text(name, axes) };
  }

  /** Interval of an expression, for choosing shifts. */
  interval(axes: readonly string[], e: Value): { lo: bigint; hi: bigint } {
    return exprInterval(this.axes, this.#names, axes, integers(e));
  }

  build(): Program {
    const program: Program = {
      version: 1,
      name: this.name,
      axes: this.axes,
      scan: this.scan,
      tensors: this.tensors,
      tables: this.tables,
      constraints: this.constraints,
      steps: this.steps,
      rangeBits: this.rangeBits,
    };
    checkProgram(program);
    checkEstablished(program);
    return program;
  }
}
