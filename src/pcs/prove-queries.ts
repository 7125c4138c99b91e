/** Queries of an opening, the prover's side: positions, rows and what they fold to. */
import * as E from '../field/ext3.js';
import { pow, root as rootOfUnity } from '../field/goldilocks.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Ext } from '../transcript/arith.js';
import type { ProverChannel } from '../transcript/prover.js';
import { type Oracle, capOf, openRows } from './commit.js';
import type { WhirTree } from './params.js';

/** An oracle that is queried: its shape, its trees, and the challenges that its columns are folded at. */
export interface Opened {
  readonly queries: number;
  readonly domain: number;
  readonly cap: number;
  readonly trees: readonly WhirTree[];
  readonly oracles: readonly Oracle[];
  readonly challenges: readonly Ext[];
  /** Where leaves end with an element g of E: a row folds to g plus this much of its columns' sum. */
  readonly blend?: Ext;
}

/** A queried position as a point x = g^log of the domain of g, and the value to which its row folds. */
export interface Answer {
  readonly x: bigint;
  readonly log: number;
  readonly value: Ext;
}

/** Draws positions and sends their rows. */
export function queryRows(k: Kernels, ch: ProverChannel, label: string, o: Opened): Answer[] {
  const positions = Array.from({ length: o.queries }, () => ch.sampleIndex(`${label} query`, o.domain)),
    rows = o.oracles.map((t) => openRows(k, t, positions, o.cap)),
    eq = columnWeights(o.challenges);
  for (const t of o.oracles) ch.cap(`${label} cap`, [...capOf(t, o.cap), ...(t.salt ?? [])], o.cap);
  return positions.map((p, q) => {
    let value: Ext = E.ZERO;
    o.oracles.forEach((t, i) => {
      const row = rows[i][q];
      ch.opening(`${label} row`, row, t.columns.logDomain - o.cap);
      let at = 0;
      for (const { used, offset } of o.trees[i].parts)
        for (let j = 0; j < used; j++) {
          const leaf: Ext = t.columns.ext ? [row[at], row[at + 1], row[at + 2]] : [row[at], 0n, 0n];
          value = E.add(value, E.mul(eq[offset + j], leaf));
          at += t.columns.ext ? 3 : 1;
        }
      if (o.blend) value = E.add([row[at], row[at + 1], row[at + 2]], E.mul(o.blend, value));
    });
    const log = reversed(o.domain, p);
    return { x: pow(rootOfUnity(o.domain), BigInt(log)), log, value };
  });
}

/** j of so many bits, read from the other end. */
function reversed(bits: number, j: number): number {
  let rev = 0;
  for (let k = 0; k < bits; k++) if ((j >>> k) & 1) rev += 2 ** (bits - 1 - k);
  return rev;
}

/** Domain point of position j: g^rev(j). */
export const domainPoint = (log: number, j: number): bigint => pow(rootOfUnity(log), BigInt(reversed(log, j)));

/** eq(r, c) for all columns c, first variable most significant. */
export function columnWeights(r: readonly Ext[]): Ext[] {
  let out: Ext[] = [E.ONE];
  for (const x of r)
    out = out.flatMap((v) => {
      const hi = E.mul(v, x);
      return [E.sub(v, hi), hi];
    });
  return out;
}
