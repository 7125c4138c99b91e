/**
 * Norm: out = floor(sqrt(sum_P x^2)) of an integer vector x = low + 2^w high, exact, though the sum has up to 100 bits.
 *
 * Lowering, with T0 = sum low^2, T1 = 2 sum low high, T2 = sum high^2, so that S = sum x^2 = T0 + 2^w T1 + 2^(2w) T2:
 *   T0 = z0 + 2^w k0 and T1 + k0 = z1 + 2^w k1 (Digits), so that S = Z + 2^(2w) U, Z = z0 + 2^w z1 < 2^(2w), U = T2 +
 *     k1;
 *   out = n0 + 2^w n1 + 2^(2w) n2 in digits, q_k = sum of n_i n_j with i + j = k;
 *   Z - q0 - 2^w q1 = r0 + 2^(2w) c (Digits: "NAME.square"), U + c - q2 - 2^w q3 - 2^(2w) q4 = r1 ("NAME.rest"):
 *     together S - out^2 = r0 + 2^(2w) r1;
 *   r0, r1 >= 0, and 0 <= 2 out - r0 - 2^(2w) r1 ("NAME.upper").
 *
 * Unique: every digit is that of an integer which the line before it fixes, and out^2 <= S <= out^2 + 2 out has one
 * solution out >= 0.
 *
 * Witness: sums by the kernels, the root in bigints. Attack: "takes the norm of the gradient one too low, with all that
 * follows from it".
 */
import { log2Ceil } from '../../field/log2.js';
import { expr, operand, plus, term, text } from '../expr.js';
import type { Lowering } from './lowering.js';
import { splitDigits } from './digits.js';
import { productTerms, digitTerms, wideDigits, wideRest } from './wide.js';

export interface Norm {
  /** The digits of the vector as tensors over one axis. */
  readonly low: string;
  readonly high: string;
  readonly axis: string;
  /** Cells of the axis. */
  readonly count: number;
  /** Bits of the lower digit (w) and of the upper one, sign included. */
  readonly width: number;
  readonly highBits: number;
  /** Bits of the norm; fraction of it and of the vector. */
  readonly bits: number;
  readonly frac: number;
}

/** Declares `name`, a scalar, and all that its proof needs. */
export function norm(b: Lowering, name: string, r: Norm): void {
  const { width: w, highBits: h } = r,
    [low, high] = [text(r.low, [r.axis]), text(r.high, [r.axis])],
    sums = log2Ceil(r.count);
  const z0 = splitDigits(b, `${name}.sum0`, [], {
    bits: w,
    highFormat: { bits: w + sums, frac: 0, signed: false },
    expr: expr([term(1, low, low)]),
  });
  const z1 = splitDigits(b, `${name}.sum1`, [], {
    bits: w,
    highFormat: { bits: sums + h + 2, frac: 0 },
    expr: expr([term(2, low, high), term(1, z0.high)]),
  });
  const Z = expr([term(1, z0.low), term(1n << BigInt(w), z1.low)]),
    U = expr([term(1, high, high), term(1, z1.high)]);
  b.witness(name, [], { bits: r.bits, frac: r.frac, signed: false });
  b.step(name, [], { op: 'sqrt', out: operand(name), expr: Z, high: { expr: U, shift: 2 * w } });
  const n = wideDigits(b, name, r.bits, w);
  const rest = splitDigits(b, `${name}.square`, [], {
    bits: 2 * w,
    highFormat: { bits: w + 3, frac: 0 },
    expr: plus(Z, expr(productTerms(n, n, w, -1n, 0, 2))),
  });
  const above = plus(U, expr([term(1, rest.high), ...productTerms(n, n, w, -1n, 2)])),
    top = wideRest(b, name, above, r.bits + 1 - 2 * w);
  b.range(`${name}.upper`, [], expr([...digitTerms(n, w, 2n), term(-1, rest.low), term(-(1n << BigInt(2 * w)), top)]), r.bits + 1);
}
