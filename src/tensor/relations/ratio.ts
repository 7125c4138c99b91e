/**
 * Ratio: out = K / den to the nearest integer, ties upward, for a constant K of up to 100 bits and a scalar den > 0.
 *
 * Lowering, with the remainder R = 2 K + den - 2 den out in place of that of the quotient, so that nothing is rounded
 * twice:
 *   out = c0 + 2^w c1 and den = d0 + 2^w d1 + 2^(2w) d2 in digits, 2 K = K0 + 2^(2w) K1, q_k = sum of c_i d_j with i +
 *     j = k;
 *   K0 + d0 + 2^w d1 - 2 q0 - 2^(w+1) q1 = r0 + 2^(2w) k (Digits: "NAME.product"), K1 + d2 + k - 2 q2 - 2^(w+1) q3 = r1
 *     ("NAME.rest"): together
 *   R = r0 + 2^(2w) r1; r0, r1 >= 0, and 0 <= 2 den - 1 - r0 - 2^(2w) r1 ("NAME.gap").
 *
 * Unique: quotient and remainder of 2 K + den by 2 den are; every digit is that of an integer which they fix. The gap
 * says den >= 1.
 *
 * Witness: the quotient in bigints. Attack: "takes the clip factor one too low, with all that follows from it".
 */
import { expr, operand, plus, term } from '../expr.js';
import type { Lowering } from './lowering.js';
import { splitDigits } from './digits.js';
import { halves, productTerms, digitTerms, wideDigits, wideRest } from './wide.js';

export interface Ratio {
  /** 2 K. */
  readonly twice: bigint;
  /** The divisor, a scalar tensor with an expression as its only other constraint: its digits bound it. */
  readonly den: string;
  readonly denBits: number;
  readonly denFrac: number;
  /** Bits of a digit; the result has two. */
  readonly width: number;
  readonly frac: number;
}

/** Declares `name`, a scalar of 2 width bits. */
export function ratio(b: Lowering, name: string, r: Ratio): void {
  const w = r.width,
    K = halves(r.twice, w),
    d = wideDigits(b, r.den, r.denBits, w);
  b.witness(name, [], { bits: 2 * w, frac: r.frac, signed: false });
  b.step(name, [], {
    op: 'div',
    out: operand(name),
    // Half a unit has no counterpart in real numbers.
    num: { ...K.low, terms: [{ ...term(1, r.den), real: 0 }] },
    high: { expr: K.high, shift: 2 * w },
    den: expr([term(2, r.den)]),
    shift: 0,
    frac: r.denFrac,
  });
  const c = wideDigits(b, name, 2 * w, w);
  const rest = splitDigits(b, `${name}.product`, [], {
    bits: 2 * w,
    highFormat: { bits: w + 4, frac: 0 },
    expr: plus(K.low, expr([...digitTerms(d.slice(0, 2), w), ...productTerms(c, d, w, -2n, 0, 2)])),
  });
  const above = plus(K.high, expr([...digitTerms(d, w, 1n, 2), term(1, rest.high), ...productTerms(c, d, w, -2n, 2)])),
    top = wideRest(b, name, above, r.denBits + 1 - 2 * w);
  b.range(`${name}.gap`, [], expr([term(2, r.den), term(-1, rest.low), term(-(1n << BigInt(2 * w)), top)], -1n), r.denBits + 1);
}
