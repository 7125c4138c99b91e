import type { Channel, Elem } from '../transcript/arith.js';
import { byValues, verifyRound } from './round.js';

/**
 * An axis name, its size and variables, and the degree of its round polynomials; every axis owns its variables in all
 * terms.
 */
export interface SumcheckAxis {
  readonly axis: string;
  readonly size: number;
  readonly vars: number;
  readonly degree: number;
}

/** Least degree at which a round polynomial is sent: three operands and one eq factor. */
export const DEGREE = 4;

/** Largest degree of a round polynomial: the seventh power of an operand and one eq factor. */
export const MOST_DEGREE = 8;

/** Labels of a round: the values at 0, 2, 3, .., degree, and the challenge. */
export const ROUND = { message: 'sumcheck round', challenge: 'sumcheck r' };

/** Verifies the rounds of proveBatched: the points of the axes and the claim that is left there. */
export function verifyBatched(ch: Channel, axes: readonly SumcheckAxis[], claim: Elem): { points: Map<string, Elem[]>; final: Elem } {
  let now = claim;
  const points = new Map<string, Elem[]>(axes.map((a) => [a.axis, []]));
  for (const { axis, vars, degree } of [...axes].reverse()) {
    const form = byValues<Elem>(degree);
    for (let v = 0; v < vars; v++) {
      const round = verifyRound(ch, ROUND, form, now);
      points.get(axis)!.unshift(round.r);
      now = round.claim;
    }
  }
  return { points, final: now };
}
