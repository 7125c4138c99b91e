import { ProgramError, checkProgram, exprInterval } from './bounds.js';
import { checkEstablished } from './established.js';
import type {
  Access,
  Constraint,
  Expr,
  Operand,
  Phase,
  Program,
  PublicKind,
  Step,
  StepOp,
  TableSpec,
  TensorClass,
  TensorSpec,
  Term,
} from './types.js';

/** Parses `X[2*l+1,d,b,i]`: accesses are `axis`, `k*axis`, `axis+k`, `k*axis+m` or a fixed index. */
export function operand(text: string): Operand {
  const m = /^([^[\]]+)(?:\[(.*)\])?$/.exec(text);
  if (!m) throw new Error(`cannot parse operand ${text}`);
  const access: Access[] = (m[2] ?? '')
    .split(',')
    .filter((s) => s !== '')
    .map((s) => {
      const a = /^(?:(\d+)\*)?([a-zA-Z]\w*)(?:\+(\d+))?$/.exec(s.trim());
      if (a) {
        const stride = a[1] ? Number(a[1]) : 1,
          offset = a[3] ? Number(a[3]) : 0;
        return stride === 1 && offset === 0 ? { axis: a[2] } : { axis: a[2], stride, offset };
      }
      if (/^\d+$/.test(s.trim())) return { index: Number(s) };
      throw new Error(`cannot parse access ${s} in ${text}`);
    });
  return { tensor: m[1], access };
}

/** coef * product of operands. */
export function term(coef: bigint | number, ...operands: string[]): Term {
  return { coef: BigInt(coef), operands: operands.map(operand) };
}

/** The same with the exact real factor of which coef is the rounding; the float reading uses it. */
export function realTerm(coef: bigint, real: number, ...operands: string[]): Term {
  return { coef, operands: operands.map(operand), real };
}

export function expr(terms: readonly Term[], constant: bigint | number = 0n, real?: number): Expr {
  return { constant: BigInt(constant), terms, ...(real === undefined ? {} : { real }) };
}

const scale = (e: Expr, k: bigint): Expr => ({
  constant: e.constant * k,
  terms: e.terms.map((t) => ({ coef: t.coef * k, operands: t.operands })),
});
const plus = (a: Expr, b: Expr): Expr => ({ constant: a.constant + b.constant, terms: [...a.terms, ...b.terms] });

/** A fixed-point format: `bits` in all, `frac` of them fraction. */
export interface Format {
  readonly bits: number;
  readonly frac: number;
  readonly signed?: boolean;
}

/** Text of an operand's axes, for building the output of a relation. */
const text = (name: string, axes: readonly string[]): string => (axes.length ? `${name}[${axes.join(',')}]` : name);

/**
 * Builds a program relation by relation. Each method lowers one relation kind of the design to range, lookup and zero constraints
 * and adds the step that computes its witness; the argument for uniqueness stands at the method.
 */
export class ProgramBuilder {
  readonly axes: Record<string, number> = {};
  readonly tensors: TensorSpec[] = [];
  readonly tables: TableSpec[] = [];
  readonly constraints: Constraint[] = [];
  readonly steps: Step[] = [];
  phase: Phase = 'pre';
  #names = new Map<string, TensorSpec>();

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
    extra: { publicKind?: PublicKind; group?: string; aliasOf?: string } = {},
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

  step(name: string, axes: readonly string[], op: StepOp): void {
    this.steps.push({ ...op, name, axes, phase: this.phase } as Step);
  }

  table(spec: TableSpec, columns: readonly { lo: bigint; hi: bigint; frac: number }[]): void {
    this.axis(spec.axis, spec.size);
    this.tables.push(spec);
    spec.columns.forEach((c, k) => this.tensor(c, [spec.axis], 'frozen', columns[k]));
  }

  /**
   * 0 <= e < 2^bits. Up to rangeBits: one lookup. Otherwise limbs h_1.. of rangeBits bits are committed, each looked up, and
   * e - sum h_k 2^(k rangeBits) is looked up in the lowest range. Unique: the digits of an integer in base 2^rangeBits are, and no
   * sum can wrap because checkProgram bounds every lookup's expression below p.
   */
  range(name: string, axes: readonly string[], e: Expr, bits: number): void {
    const w = this.rangeBits;
    let low = e;
    for (let k = 1; k * w < bits; k++) {
      const b = Math.min(w, bits - k * w);
      const limb = `${name}.limb${k}`;
      this.tensor(limb, axes, 'witness', { lo: 0n, hi: (1n << BigInt(b)) - 1n, frac: 0 });
      this.step(limb, axes, { op: 'limb', out: operand(text(limb, axes)), expr: e, shift: k * w, bits: b });
      this.constraints.push({ kind: 'range', name: limb, axes, expr: expr([term(1, text(limb, axes))]), bits: b });
      low = plus(low, expr([term(-(1n << BigInt(k * w)), text(limb, axes))]));
    }
    this.constraints.push({ kind: 'range', name, axes, expr: low, bits: Math.min(w, bits) });
  }

  /** A committed tensor lies within its declared format. */
  inFormat(name: string, f: Format): void {
    const axes = this.spec(name).axes;
    this.range(`${name}.range`, axes, expr([term(1, text(name, axes))], f.signed === false ? 0n : 1n << BigInt(f.bits - 1)), f.bits);
  }

  /** e = 0 on every cell. */
  zero(name: string, axes: readonly string[], e: Expr): void {
    this.constraints.push({ kind: 'zero', name, axes, expr: e });
  }

  /**
   * out = base + round(e / 2^shift), ties upward: 0 <= e + 2^(shift-1) - 2^shift (out - base) < 2^shift. For a given e exactly one
   * integer satisfies this; out is an integer below p because it is range-checked by inFormat. With shift 0: out = base + e.
   */
  round(name: string, axes: readonly string[], e: Expr, shift: number, options: { out?: string; base?: string } = {}): void {
    if (shift < 0) throw new ProgramError(name, 'negative shift');
    const out = options.out ?? text(name, axes);
    const y = [term(-1, out), ...(options.base ? [term(1, options.base)] : [])];
    this.step(name, axes, { op: 'round', out: operand(out), ...(options.base ? { base: operand(options.base) } : {}), expr: e, shift });
    if (shift === 0) this.zero(`${name}.eq`, axes, plus(e, expr(y)));
    else this.range(`${name}.rem`, axes, plus(plus(e, expr([], 1n << BigInt(shift - 1))), scale(expr(y), 1n << BigInt(shift))), shift);
  }

  /** Declares a witness, rounds into it and proves its format. */
  rounded(
    name: string,
    axes: readonly string[],
    f: Format,
    e: Expr,
    shift: number,
    extra: { group?: string; cls?: TensorClass } = {},
  ): void {
    this.witness(name, axes, f, extra);
    this.round(name, axes, e, shift);
    this.inFormat(name, f);
  }

  /** Outputs of a table at a key: the tuple (key, out_1, ...) is a row. The table has one row per key, so outputs are unique. */
  lookup(name: string, axes: readonly string[], table: string, key: Expr, outs: readonly string[]): void {
    this.step(name, axes, { op: 'table', outs: outs.map(operand), table, key });
    this.constraints.push({ kind: 'lookup', name, axes, table, exprs: [key, ...outs.map((o) => expr([term(1, o)]))] });
  }

  /**
   * out = floor(sqrt(e)), e < 2^62: 0 <= e - out^2 and 0 <= out^2 + 2 out - e, both below 2^(bits+1), out in [0, 2^bits).
   * Exactly one integer out >= 0 has out^2 <= e < (out + 1)^2.
   */
  sqrt(name: string, axes: readonly string[], bits: number, frac: number, e: Expr): void {
    const out = text(name, axes);
    this.witness(name, axes, { bits, frac, signed: false });
    this.step(name, axes, { op: 'sqrt', out: operand(out), expr: e });
    this.inFormat(name, { bits, frac, signed: false });
    this.range(`${name}.lower`, axes, plus(e, expr([term(-1, out, out)])), bits + 1);
    this.range(`${name}.upper`, axes, plus(scale(e, -1n), expr([term(1, out, out), term(2, out)])), bits + 1);
  }

  /**
   * out = floor(num / den), den > 0 of at most denBits bits: 0 <= num - out den and 0 <= den - 1 - (num - out den). Unique
   * because quotient and remainder are; den is a linear form of one operand plus a constant or a public operand.
   */
  div(name: string, axes: readonly string[], f: Format, num: Expr, den: Expr, denBits: number, extra: { frac: number }): void {
    const out = text(name, axes);
    this.witness(name, axes, f);
    this.step(name, axes, { op: 'div', out: operand(out), num, den, shift: 0, frac: extra.frac } as unknown as StepOp);
    this.inFormat(name, f);
    const prod: Expr = {
      constant: 0n,
      terms: [
        ...den.terms.map((t) => ({ coef: t.coef, operands: [...t.operands, operand(out)] })),
        ...(den.constant ? [term(den.constant, out)] : []),
      ],
    };
    const rem = plus(num, scale(prod, -1n));
    this.range(`${name}.rem`, axes, rem, denBits);
    this.range(`${name}.gap`, axes, plus(plus(den, expr([], -1n)), scale(rem, -1n)), denBits);
  }

  /** Interval of an expression, for choosing shifts. */
  interval(axes: readonly string[], e: Expr): { lo: bigint; hi: bigint } {
    return exprInterval(this.axes, this.#names, axes, e);
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

/** Inclusive integer bounds of a format. */
export function bounds(f: Format): { lo: bigint; hi: bigint; frac: number } {
  const n = BigInt(f.bits);
  return f.signed === false
    ? { lo: 0n, hi: (1n << n) - 1n, frac: f.frac }
    : { lo: -(1n << (n - 1n)), hi: (1n << (n - 1n)) - 1n, frac: f.frac };
}
