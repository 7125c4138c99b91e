/**
 * Digits: y = e 2^-shift rounded to the nearest integer, ties upward, held as low + 2^bits high with low in [0,
 * 2^bits). y itself is not committed.
 *
 * Lowering: both digits lie in their formats; with shift 0, e - low - 2^bits high = 0 ("NAME.digits"), otherwise 0 <= e
 * + 2^(shift-1) - 2^shift (low + 2^bits high) < 2^shift ("NAME.rem").
 *
 * Unique: y is, as in Round, and so are the quotient and the remainder of y by 2^bits.
 *
 * Witness: the integer y and its digits. Attack: "splits %s into other digits".
 */
import { expr, operand, plus, scale, term } from '../expr.js';
import type { Format } from '../fixed.js';
import type { Expr } from '../types.js';
import type { Lowering } from './lowering.js';

export interface Digits {
  /** The digits as operands. */
  readonly low: string;
  readonly high: string;
  /** Bits of the lower digit. */
  readonly bits: number;
  /** Format of the upper digit; signed where y may be negative. */
  readonly highFormat: Format;
  readonly expr: Expr;
  readonly shift?: number;
}

export function digits(b: Lowering, name: string, axes: readonly string[], r: Digits): void {
  const { bits, expr: e, shift = 0 } = r,
    [low, high] = [operand(r.low), operand(r.high)],
    y = expr([term(-1, r.low), term(-(1n << BigInt(bits)), r.high)]);
  b.step(name, axes, { op: 'digits', low, high, expr: e, shift, bits });
  b.inFormat(low.tensor, { bits, frac: 0, signed: false });
  b.inFormat(high.tensor, r.highFormat);
  if (shift === 0) b.zero(`${name}.digits`, axes, plus(e, y));
  else b.range(`${name}.rem`, axes, plus(plus(e, expr([], 1n << BigInt(shift - 1))), scale(y, 1n << BigInt(shift))), shift);
}

/**
 * Declares both digits over the axes of the relation and splits e into them; names of the digits are `${name}.low` and
 * `${name}.high`.
 */
export function splitDigits(
  b: Lowering,
  name: string,
  axes: readonly string[],
  r: Omit<Digits, 'low' | 'high'>,
): { readonly low: string; readonly high: string } {
  const at = axes.length ? `[${axes.join(',')}]` : '',
    out = { low: `${name}.low${at}`, high: `${name}.high${at}` };
  b.witness(`${name}.low`, axes, { bits: r.bits, frac: 0, signed: false });
  b.witness(`${name}.high`, axes, r.highFormat);
  digits(b, name, axes, { ...r, ...out });
  return out;
}
