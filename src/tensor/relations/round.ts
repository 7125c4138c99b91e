/**
 * Round: out = base + floor((e + 2^(shift-1)) / 2^shift), that is base + e 2^-shift to the nearest integer, ties
 * upward. With shift 0: out = base + e.
 *
 * Lowering: 0 <= e + 2^(shift-1) - 2^shift (out - base) < 2^shift, one range of shift bits ("NAME.rem"). With shift 0
 * the identity base + e - out = 0 ("NAME.eq").
 *
 * Unique: for a given e and base exactly one integer out leaves a remainder in [0, 2^shift). That out is an integer,
 * and not a residue far away, follows from its own range (inFormat), which the builder of a program demands of every
 * tensor.
 *
 * Witness: the step rounds the integer e. Attack: "rounds %s down instead of to nearest".
 */
import { expr, operand, plus, scale, term } from '../expr.js';
import { ProgramError } from '../bounds.js';
import type { Expr } from '../types.js';
import type { Lowering } from './lowering.js';

export interface Round {
  /** The output as an operand. */
  readonly out: string;
  /** What is added after rounding, as an operand. */
  readonly base?: string;
  readonly expr: Expr;
  readonly shift: number;
}

export function round(b: Lowering, name: string, axes: readonly string[], r: Round): void {
  if (r.shift < 0) throw new ProgramError(name, 'negative shift');
  const y = expr([term(-1, r.out), ...(r.base ? [term(1, r.base)] : [])]);
  b.step(name, axes, {
    op: 'round',
    out: operand(r.out),
    ...(r.base ? { base: operand(r.base) } : {}),
    expr: r.expr,
    shift: r.shift,
  });
  if (r.shift === 0) b.zero(`${name}.eq`, axes, plus(r.expr, y));
  else {
    const half = expr([], 1n << BigInt(r.shift - 1));
    b.range(`${name}.rem`, axes, plus(plus(r.expr, half), scale(y, 1n << BigInt(r.shift))), r.shift);
  }
}
