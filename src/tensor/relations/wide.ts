/**
 * Integers of more than 63 bits, held as three digits x = x0 + 2^w x1 + 2^(2w) x2, and the products of such integers by
 * position. An identity between them is stated in two halves: below 2^(2w) with a carry, and above it. Each half stays
 * below p, which the constructor checks.
 */
import { expr, operand, plus, term } from '../expr.js';
import type { Expr, Term } from '../types.js';
import type { Lowering } from './lowering.js';

/** Names of the digits of a scalar, lowest first. */
export type WideDigits = readonly string[];

/**
 * Commits the digits of the scalar tensor `name`, of `bits` bits in all: `${name}.d0`, `${name}.d1`, ... in base 2^w
 * ("NAME.digits").
 */
export function wideDigits(b: Lowering, name: string, bits: number, w: number): WideDigits {
  const names: string[] = [];
  for (let k = 0; k * w < bits; k++) {
    const digit = `${name}.d${k}`,
      format = { bits: Math.min(w, bits - k * w), frac: 0, signed: false };
    b.witness(digit, [], format);
    b.step(digit, [], { op: 'limb', out: operand(digit), expr: expr([term(1, name)]), shift: k * w, bits: format.bits });
    b.inFormat(digit, format);
    names.push(digit);
  }
  b.zero(`${name}.digits`, [], expr([term(1, name), ...digitTerms(names, w, -1n)]));
  return names;
}

/** k times the value of the digits from position `from` on, in units of 2^(from w). */
export const digitTerms = (d: WideDigits, w: number, k = 1n, from = 0): Term[] => d.slice(from).map((x, i) => term(k << BigInt(i * w), x));

/** k times the products x_i y_j with i + j in [from, to), in units of 2^(from w). */
export function productTerms(x: WideDigits, y: WideDigits, w: number, k: bigint, from: number, to = Number.POSITIVE_INFINITY): Term[] {
  const sums = new Map<string, Term>();
  x.forEach((a, i) => {
    y.forEach((c, j) => {
      if (i + j < from || i + j >= to) return;
      const key = [a, c].sort().join(),
        coef = (sums.get(key)?.coef ?? 0n) + (k << BigInt((i + j - from) * w));
      sums.set(key, term(coef, a, c));
    });
  });
  return [...sums.values()];
}

/** A number of more than 2w bits as the two halves of an expression. */
export const halves = (x: bigint, w: number): { readonly low: Expr; readonly high: Expr } => ({
  low: expr([], x & ((1n << BigInt(2 * w)) - 1n)),
  high: expr([], x >> BigInt(2 * w)),
});

/**
 * The upper half of a remainder: declares `${name}.rest` of `bits` bits, nonnegative, equal to e ("NAME.rest.eq").
 * Returns its name.
 */
export function wideRest(b: Lowering, name: string, e: Expr, bits: number): string {
  const top = `${name}.rest`,
    format = { bits, frac: 0, signed: false };
  b.witness(top, [], format);
  b.step(top, [], { op: 'round', out: operand(top), expr: e, shift: 0 });
  b.inFormat(top, format);
  b.zero(`${top}.eq`, [], plus(e, expr([term(-1, top)])));
  return top;
}
