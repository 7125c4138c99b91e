import { inv, mod } from '../field/goldilocks.js';
import type { Channel, Elem } from '../transcript/arith.js';

/** An axis name, its size and variables; every axis owns its variables in all terms. */
export interface SumcheckAxis {
  readonly axis: string;
  readonly size: number;
  readonly vars: number;
}

/** Largest degree of a round polynomial: three operands and one eq factor. */
export const DEGREE = 4;

/** 1 / prod_(j != i) (i - j) for i = 0..DEGREE. */
const LAGRANGE = Array.from({ length: DEGREE + 1 }, (_, i) => {
  let den = 1n;
  for (let j = 0; j <= DEGREE; j++) if (j !== i) den *= BigInt(i - j);
  return inv(mod(den));
});

/** A round sends the values at 0, 2, 3, 4; the value at 1 follows from the claim. */
export function verifyBatched(ch: Channel, axes: readonly SumcheckAxis[], claim: Elem): { points: Map<string, Elem[]>; final: Elem } {
  let now = claim;
  const points = new Map<string, Elem[]>(axes.map((a) => [a.axis, []]));
  for (let a = axes.length - 1; a >= 0; a--) {
    for (let v = 0; v < axes[a].vars; v++) {
      const got = ch.read('sumcheck round', DEGREE),
        r = ch.sample('sumcheck r');
      points.get(axes[a].axis)!.unshift(r);
      const e = [got[0], ch.sub(now, got[0]), ...got.slice(1)];
      // Lagrange over 0..DEGREE with prefix and suffix products: no inverse of a challenge.
      const diff = e.map((_, j) => ch.sub(r, ch.constant(BigInt(j))));
      const pre: Elem[] = [ch.constant(1n)],
        suf: Elem[] = [ch.constant(1n)];
      for (let j = 0; j < DEGREE; j++) {
        pre.push(ch.mul(pre[j], diff[j]));
        suf.push(ch.mul(suf[j], diff[DEGREE - j]));
      }
      now = ch.constant(0n);
      for (let i = 0; i <= DEGREE; i++) now = ch.mulAdd(ch.mul(e[i], ch.constant(LAGRANGE[i])), ch.mul(pre[i], suf[DEGREE - i]), now);
    }
  }
  return { points, final: now };
}
