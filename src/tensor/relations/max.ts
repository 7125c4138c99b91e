/**
 * Maximum: out = max(x, y).
 *
 * Lowering: out lies in its format, 0 <= out - x and 0 <= out - y ("NAME.overX", "NAME.overY", of as many bits), and
 * (out - x)(out - y) = 0 ("NAME.oneOf").
 *
 * Unique: out is at least both, and as the field has no zero divisors it equals one of them; the larger one is the only value that does both.
 *
 * Witness: the larger of the two integers. Attack: "takes %s for the maximum".
 */
import { operand } from '../expr.js';
import { Fixed, type Format } from '../fixed.js';
import type { Lowering } from './lowering.js';

export interface Max {
  /** The output as an operand. */
  readonly out: string;
  readonly format: Format;
  /** The two values by name, at the fraction of the output; names appear in those of the constraints. */
  readonly of: readonly [x: readonly [name: string, value: Fixed], y: readonly [name: string, value: Fixed]];
}

export function max(b: Lowering, name: string, axes: readonly string[], r: Max): void {
  const [[, x], [, y]] = r.of,
    out = Fixed.operand(r.out, r.format.frac);
  b.step(name, axes, { op: 'max', out: operand(r.out), a: x.expr, b: y.expr });
  b.inFormat(operand(r.out).tensor, r.format);
  for (const [which, v] of r.of) b.range(`${name}.over${which}`, axes, out.minus(v).expr, r.format.bits);
  b.zero(`${name}.oneOf`, axes, out.times(out).minus(out.times(x), out.times(y)).plus(x.times(y)).expr);
}
