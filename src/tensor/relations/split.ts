/**
 * Split: value = low + 2^bits high with low and high in [0, 2^bits).
 *
 * Lowering: each half lies in its format, and value - low - 2^bits high = 0 ("NAME.split").
 *
 * Unique: the two digits of an integer in base 2^bits are.
 *
 * Witness: the digits. Attack: "splits the second moment into %s".
 */
import { expr, operand, term, text } from '../expr.js';
import type { Lowering } from './lowering.js';

/** `low` and `high` are declared here, over the axes of `value`, a tensor below 2^(2 bits). */
export function split(b: Lowering, value: string, bits: number, low: string, high: string): void {
  const { axes, frac } = b.spec(value),
    whole = text(value, axes);
  [low, high].forEach((half, k) => {
    b.witness(half, axes, { bits, frac: frac - k * bits, signed: false });
  });
  b.step(`${value}.split`, axes, {
    op: 'digits',
    low: operand(text(low, axes)),
    high: operand(text(high, axes)),
    expr: expr([term(1, whole)]),
    shift: 0,
    bits,
  });
  [low, high].forEach((half, k) => {
    b.inFormat(half, { bits, frac: frac - k * bits, signed: false });
  });
  b.zero(`${value}.split`, axes, expr([term(1, whole), term(-1, text(low, axes)), term(-(1n << BigInt(bits)), text(high, axes))]));
}
