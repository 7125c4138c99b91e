import { log2Ceil } from '../field/log2.js';
import { eqAt, lessThan } from '../poly/eq.js';
import type { Arith, Elem } from '../transcript/arith.js';

/**
 * A box of fractions: axis sizes (row-major, last fastest); 'lookup' has numerators 1, 'table' minus its
 * multiplicities.
 */
export interface Box {
  readonly name: string;
  readonly dims: readonly number[];
  readonly kind: 'lookup' | 'table';
}
export interface PlacedBox extends Box {
  /** Variables of each axis and in all; position in units of 2^vars. */ readonly axisVars: readonly number[];
  readonly vars: number;
  readonly position: number;
}
export interface LogUpShape {
  readonly boxes: readonly PlacedBox[];
  readonly vars: number;
}

/** Variables of an axis of n cells. */
export const varsOf = log2Ceil;

/**
 * Places boxes, padded per axis to powers of two, by descending size: every box is aligned. The tree has at least
 * `atLeast` variables.
 */
export function logUpShape(boxes: readonly Box[], atLeast = 0): LogUpShape {
  const sized = boxes.map((b, order) => {
    const axisVars = b.dims.map(varsOf);
    return { b, order, axisVars, vars: axisVars.reduce((x, y) => x + y, 0) };
  });
  const placed: PlacedBox[] = [];
  let at = 0;
  for (const s of [...sized].sort((x, y) => y.vars - x.vars || x.order - y.order)) {
    placed[s.order] = { ...s.b, axisVars: s.axisVars, vars: s.vars, position: at / 2 ** s.vars };
    at += 2 ** s.vars;
  }
  return { boxes: placed, vars: Math.max(1, varsOf(at), atLeast) };
}

/** eq(rho_hi, P_j). */
export function boxWeight(ch: Arith, s: LogUpShape, b: PlacedBox, rho: readonly Elem[]): Elem {
  return eqAt(ch, rho.slice(0, s.vars - b.vars), b.position);
}

/** The point of each axis of a box. */
export function boxPoint<T>(s: LogUpShape, b: PlacedBox, rho: readonly T[]): T[][] {
  let at = s.vars - b.vars;
  return b.axisVars.map((v) => {
    const p = rho.slice(at, at + v);
    at += v;
    return p;
  });
}

/** Extension of the indicator of the box's cells within its padding. */
export function boxIndicator(ch: Arith, b: PlacedBox, point: readonly (readonly Elem[])[]): Elem {
  let acc = ch.constant(1n);
  b.dims.forEach((n, k) => {
    if (n < 2 ** b.axisVars[k]) acc = ch.mul(acc, lessThan(ch, point[k], n));
  });
  return acc;
}
