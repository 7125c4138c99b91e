import * as E from '../field/ext3.js';
import { inv, mul, sub } from '../field/goldilocks.js';
import type { Ext } from '../transcript/arith.js';
import { tailPowers } from './tail-weights.js';

/** What the rounds of a group that hides have drawn. */
export interface HidingChallenges {
  readonly theta: Ext;
  readonly eta: Ext;
  readonly challenges: readonly Ext[];
}

/** Rank of a matrix over F, given by rows; they are overwritten. */
export function rankOf(rows: bigint[][]): number {
  let rank = 0;
  const columns = rows[0]?.length ?? 0;
  for (let c = 0; c < columns && rank < rows.length; c++) {
    const at = rows.findIndex((r, i) => i >= rank && r[c] !== 0n);
    if (at < 0) continue;
    [rows[rank], rows[at]] = [rows[at], rows[rank]];
    const pivot = rows[rank],
      scale = inv(pivot[c]);
    for (let i = rank + 1; i < rows.length; i++) {
      const r = rows[i];
      if (r[c] === 0n) continue;
      const f = mul(r[c], scale);
      for (let x = c; x < columns; x++) if (pivot[x] !== 0n) r[x] = sub(r[x], mul(f, pivot[x]));
    }
    rank++;
  }
  return rank;
}

/**
 * What the claimed sum of the tails and the 2 c messages of the column sumcheck take from the weighted cells of `used`
 * columns' tails, as a matrix over F with a row for each of their 3 (2 c + 1) words. If its rank is that number, those
 * words are uniform whatever the columns hold.
 */
export function maskMatrix({ theta, eta, challenges }: HidingChallenges, used: number, masked: number): bigint[][] {
  const c = challenges.length,
    rows: bigint[][] = Array.from({ length: 3 * (2 * c + 1) }, () => []),
    put = (at: number, x: Ext): void => x.forEach((w, n) => rows[3 * at + n].push(w));
  const columns = tailPowers(theta, 2 ** c, masked);
  for (let i = 0; i < masked; i++) {
    const powers = columns.map((row) => row[i]),
      folds: Ext[][] = [powers.map((p) => E.mul(eta, p))];
    for (const r of challenges) {
      const w = folds[folds.length - 1],
        half = w.length / 2;
      folds.push(w.slice(0, half).map((x, n) => E.add(x, E.mul(r, E.sub(w[n + half], x)))));
    }
    for (let j = 0; j < used; j++) {
      put(0, powers[j]);
      // The cell's column after v rounds, and what it has been multiplied by.
      let at = j,
        f: Ext = E.ONE;
      challenges.forEach((r, v) => {
        const w = folds[v],
          half = w.length / 2,
          high = at >= half;
        at %= half;
        const slope = E.mul(f, E.sub(w[at + half], w[at]));
        put(1 + 2 * v, high ? E.ZERO : E.mul(f, w[at]));
        put(2 + 2 * v, high ? slope : E.neg(slope));
        f = E.mul(f, high ? r : E.sub(E.ONE, r));
      });
    }
  }
  return rows;
}

/** Whether the masks of a proof with these challenges hide what its column sumcheck sends. */
export function masksSuffice(drawn: HidingChallenges, used: number, masked: number): boolean {
  const rows = maskMatrix(drawn, used, masked);
  return rankOf(rows) === rows.length;
}
