import type { Channel, Elem } from '../transcript/arith.js';
import { byValues, verifyRound } from './round.js';

/** An axis name, its size and variables; every axis owns its variables in all terms. */
export interface SumcheckAxis {
  readonly axis: string;
  readonly size: number;
  readonly vars: number;
}

/** Largest degree of a round polynomial: three operands and one eq factor. */
export const DEGREE = 4;

/** Labels of a round: the values at 0, 2, 3, 4, and the challenge. */
export const ROUND = { message: 'sumcheck round', challenge: 'sumcheck r' };

const FORM = byValues<Elem>(DEGREE);

/** Verifies the rounds of proveBatched: the points of the axes and the claim that is left there. */
export function verifyBatched(ch: Channel, axes: readonly SumcheckAxis[], claim: Elem): { points: Map<string, Elem[]>; final: Elem } {
  let now = claim;
  const points = new Map<string, Elem[]>(axes.map((a) => [a.axis, []]));
  for (const { axis, vars } of [...axes].reverse())
    for (let v = 0; v < vars; v++) {
      const round = verifyRound(ch, ROUND, FORM, now);
      points.get(axis)!.unshift(round.r);
      now = round.claim;
    }
  return { points, final: now };
}
