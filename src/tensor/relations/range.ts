/**
 * Range: 0 <= e < 2^bits.
 *
 * Lowering: up to w bits, w the largest range table, one lookup ("NAME"). Otherwise the digits h_1, h_2, ... of e in
 * base 2^w above the lowest are committed ("NAME.limbK"), each is looked up, and so is e - sum h_k 2^(k w), the lowest
 * digit. A width whose table few would look up has none: the plan looks each of its ranges up twice in the widest one.
 *
 * Unique: the digits of an integer are, and no sum can wrap, because checkProgram bounds the expression of every lookup
 * below p.
 *
 * Witness: the digits. Attack: "rejects one changed cell of any witness or state-out tensor, the prover keeping its
 * honest keys", limbs among them.
 */
import { expr, operand, plus, term, text } from '../expr.js';
import type { Expr } from '../types.js';
import type { Lowering } from './lowering.js';

export function range(b: Lowering, rangeBits: number, name: string, axes: readonly string[], e: Expr, bits: number): void {
  let low = e;
  for (let k = 1; k * rangeBits < bits; k++) {
    const width = Math.min(rangeBits, bits - k * rangeBits),
      limb = `${name}.limb${k}`,
      cell = text(limb, axes);
    b.witness(limb, axes, { bits: width, frac: 0, signed: false });
    b.step(limb, axes, { op: 'limb', out: operand(cell), expr: e, shift: k * rangeBits, bits: width });
    b.constrain({ kind: 'range', name: limb, axes, expr: expr([term(1, cell)]), bits: width });
    low = plus(low, expr([term(-(1n << BigInt(k * rangeBits)), cell)]));
  }
  b.constrain({ kind: 'range', name, axes, expr: low, bits: Math.min(rangeBits, bits) });
}
