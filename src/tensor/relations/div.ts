/**
 * Quotient: out = floor(num / den) for den > 0 of at most denBits bits. By a constant it may be the nearest integer,
 * ties upward: the quotient of num + floor(den / 2).
 *
 * Lowering: with the remainder rem = num - den out, 0 <= rem ("NAME.rem") and 0 <= den - 1 - rem ("NAME.gap"), both of
 * denBits bits.
 *
 * Unique: quotient and remainder of a positive divisor are. den is a linear form, so that den out stays a product of
 * two operands.
 *
 * Witness: the integer quotient, rounded down. Attack: "takes the quotient %s one too high".
 */
import { ProgramError } from '../bounds.js';
import { expr, operand, plus, scale, timesOperand } from '../expr.js';
import type { Format } from '../fixed.js';
import type { Expr } from '../types.js';
import type { Lowering } from './lowering.js';

export interface Div {
  /** The output as an operand. */
  readonly out: string;
  readonly format: Format;
  readonly num: Expr;
  readonly den: Expr;
  readonly denBits: number;
  /** Fraction of the divisor, for the float reading. */
  readonly denFrac: number;
  /** To the nearest integer instead of down: for a constant divisor. */
  readonly nearest?: boolean;
  /** The product comes first in "NAME.gap". The order of terms is part of a program's digest and means nothing else. */
  readonly outFirst?: boolean;
}

export function div(b: Lowering, name: string, axes: readonly string[], r: Div): void {
  if (r.nearest && r.den.terms.length) throw new ProgramError(name, 'only a quotient by a constant is rounded to nearest');
  // Half a unit has no counterpart in real numbers.
  const out = operand(r.out),
    { num } = r.nearest ? { num: { ...r.num, constant: r.num.constant + r.den.constant / 2n, real: Number(r.num.constant) } } : r,
    rem = plus(num, scale(timesOperand(r.den, out), -1n)),
    most = plus(r.den, expr([], -1n)),
    negative = scale(rem, -1n);
  b.step(name, axes, { op: 'div', out, num, den: r.den, shift: 0, frac: r.denFrac });
  b.inFormat(out.tensor, r.format);
  b.range(`${name}.rem`, axes, rem, r.denBits);
  b.range(`${name}.gap`, axes, r.outFirst ? plus(negative, most) : plus(most, negative), r.denBits);
}
