import canonicalize from 'canonicalize';
import * as E from '../field/ext3.js';
import { P } from '../field/goldilocks.js';
import { textWords } from '../policy/order/keys.js';
import type { Ext } from '../transcript/arith.js';

/** Rows and targets of a class. */
export interface ClassTotal {
  readonly rows: number;
  readonly targets: number;
}

/** A part of a count: words that it publishes, and its proof. */
export interface CountPart {
  readonly root: readonly bigint[];
  readonly rows: Ext;
  readonly targets: Ext;
  readonly proof: BigUint64Array;
}

/** Totals of every class over a whole dataset, with their proof. */
export interface Count {
  /** Digest of the manifest. */ readonly manifest: string;
  /** In the order of the manifest's classes. */ readonly totals: readonly ClassTotal[];
  readonly parts: readonly CountPart[];
}

/** Challenge of a count: of the manifest, which fixes the rows by their root, and of the totals claimed. */
export function countChallenge(manifest: string, totals: readonly ClassTotal[]): Ext {
  const w = textWords(`certune/count/1/${canonicalize({ manifest, totals: totals.map((t) => [t.rows, t.targets]) })!}`),
    word = (k: number): bigint => ((w[2 * k] << 32n) | w[2 * k + 1]) % P;
  return [word(0), word(1), word(2)];
}

/** What the sums of all parts must be. */
export function expectedSums(x: Ext, totals: readonly ClassTotal[]): { readonly rows: Ext; readonly targets: Ext } {
  let rows: Ext = E.ZERO,
    targets: Ext = E.ZERO;
  totals.forEach((t, c) => {
    const y = E.inv(E.sub(x, E.embed(BigInt(c))));
    rows = E.add(rows, E.mulBase(y, BigInt(t.rows)));
    targets = E.add(targets, E.mulBase(y, BigInt(t.targets)));
  });
  return { rows, targets };
}
