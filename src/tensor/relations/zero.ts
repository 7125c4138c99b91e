/**
 * Zero: e = 0 on every cell of the box.
 *
 * Lowering: a zero constraint. It enters the batched sumcheck with a power of lambda and the indicator of its box at
 * the point of LogUp.
 *
 * Unique: nothing is chosen. An identity mod p is one over the integers because checkProgram bounds |e| below p.
 *
 * Witness: none of its own. Attack: "states another loss", whose sum is such an identity.
 */
import type { Expr } from '../types.js';
import type { Lowering } from './lowering.js';

export function zero(b: Lowering, name: string, axes: readonly string[], e: Expr): void {
  b.constrain({ kind: 'zero', name, axes, expr: e });
}
