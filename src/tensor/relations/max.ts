/**
 * Maximum: out = max(x, y), of two integers of one format.
 *
 * Lowering: a bit s ("NAME.second") says that y is the larger one: x - y + s (2 y - 2 x - 1) lies in [0, 2^bits)
 * ("NAME.larger"), which is x - y for s = 0 and y - x - 1 for s = 1; out = x + s (y - x) ("NAME.eq"), and out lies in
 * its format.
 *
 * Unique: exactly one of x - y >= 0 and y - x - 1 >= 0 holds, which fixes s, and with it out.
 *
 * Witness: the larger of the two integers. Attack: "takes %s for the maximum".
 */
import { expr, operand, plus, term } from '../expr.js';
import { Fixed, type Format } from '../fixed.js';
import { text } from '../expr.js';
import type { Lowering } from './lowering.js';

export interface Max {
  /** The output as an operand. */
  readonly out: string;
  readonly format: Format;
  /** The two values, sums of single operands, at the fraction of the output. */
  readonly of: readonly [x: Fixed, y: Fixed];
}

export function max(b: Lowering, name: string, axes: readonly string[], r: Max): void {
  const [x, y] = r.of,
    { bits } = r.format,
    second = `${name}.second`,
    s = Fixed.operand(text(second, axes), 0),
    over = y.minus(x);
  b.witness(second, axes, { bits: 1, frac: 0, signed: false });
  b.step(second, axes, {
    op: 'limb',
    out: operand(text(second, axes)),
    expr: plus(over.expr, expr([], (1n << BigInt(bits)) - 1n)),
    shift: bits,
    bits: 1,
  });
  b.inFormat(second, { bits: 1, frac: 0, signed: false });
  b.range(
    `${name}.larger`,
    axes,
    plus(x.minus(y).plus(s.times(over, Fixed.constant(2n, 0))).expr, expr([term(-1, text(second, axes))])),
    bits,
  );
  b.step(name, axes, { op: 'max', out: operand(r.out), a: x.expr, b: y.expr });
  b.inFormat(operand(r.out).tensor, r.format);
  b.zero(`${name}.eq`, axes, Fixed.operand(r.out, r.format.frac).minus(x, s.times(over)).expr);
}
