import * as E from '../field/ext3.js';
import type { Ext } from '../transcript/arith.js';

/** Weights theta^(j (i + 1)) of the tails, by column j and cell i: tailWeight of verify-hiding.ts is their fold. */
export function tailPowers(theta: Ext, columns: number, masked: number): Ext[][] {
  const steps: Ext[] = [theta];
  for (let i = 1; i < masked; i++) steps.push(E.mul(steps[i - 1], theta));
  let row: Ext[] = steps.map(() => E.ONE);
  return Array.from({ length: columns }, () => {
    const out = row;
    row = row.map((x, i) => E.mul(x, steps[i]));
    return out;
  });
}
