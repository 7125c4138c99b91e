/**
 * Square root: out = floor(sqrt(e)) for e >= 0, or the nearest integer: out (out - 1) <= e < out (out + 1).
 *
 * Lowering: out in [0, 2^bits), 0 <= e - out^2 ("NAME.lower") and 0 <= out^2 + 2 out - e ("NAME.upper"), both below
 * 2^(bits+1).
 *
 * Unique: exactly one integer out >= 0 has out^2 <= e < (out + 1)^2. The two ranges suffice, as the differences are at
 * most 2 out.
 *
 * To nearest: 0 <= e - out^2 + out and 0 <= out^2 + out - 1 - e, again both of bits + 1 bits. The intervals [k (k - 1),
 * k (k + 1)), k = 1, 2, ..., lie side by side and cover all e >= 0, so that one out remains; |out - sqrt(e)| <= 1/2 +
 * 1/(8 out) for e > 0, and out = 1 for e = 0.
 *
 * Witness: the integer square root, one more where the remainder says so. Attack: "takes the square root of %s one too
 * low".
 */
import { expr, operand, plus, scale, term } from '../expr.js';
import type { Format } from '../fixed.js';
import type { Expr } from '../types.js';
import type { Lowering } from './lowering.js';

export interface Sqrt {
  /** The output as an operand. */
  readonly out: string;
  readonly format: Format;
  readonly expr: Expr;
  /** To the nearest integer instead of down. */
  readonly nearest?: boolean;
  /**
   * The terms of the output come first in "NAME.upper". The order of terms is part of a program's digest and means
   * nothing else.
   */
  readonly outFirst?: boolean;
}

export function sqrt(b: Lowering, name: string, axes: readonly string[], r: Sqrt): void {
  const { out, format, expr: e, nearest } = r,
    below = expr([term(-1, out, out), ...(nearest ? [term(1, out)] : [])]),
    next = nearest ? expr([term(1, out, out), term(1, out)], -1n) : expr([term(1, out, out), term(2, out)]),
    negative = scale(e, -1n);
  b.step(name, axes, { op: 'sqrt', out: operand(out), expr: e, ...(nearest ? { nearest } : {}) });
  b.inFormat(operand(out).tensor, format);
  b.range(`${name}.lower`, axes, plus(e, below), format.bits + 1);
  b.range(`${name}.upper`, axes, r.outFirst ? plus(next, negative) : plus(negative, next), format.bits + 1);
}
