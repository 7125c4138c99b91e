import { P } from '../field/goldilocks.js';
import { DOMAIN, hashWords } from '../hash/poseidon2.js';
import type { Counters } from './classes/quotas.js';
import type { Shown } from './vector.js';

/** Totals of an epoch as they are published: what is not shown is zero. */
export interface PublishedTotals {
  readonly epoch: number;
  readonly targets: number;
  /** Summed over targets, as an integer of the loss's format. */ readonly loss: bigint;
  /** Examples and targets of every bin in turn. */ readonly bins: readonly number[];
}

/** Of an epoch's totals what is shown. */
export const totalsShown = (s: Shown, epoch: number, c: Counters): PublishedTotals => ({
  epoch,
  targets: s.targets === 'none' ? 0 : c.allTargets,
  loss: s.losses === 'none' ? 0n : c.loss,
  bins: c.examples.flatMap((x, j) => (s.totals === 'none' ? [0, 0] : [x, c.targets[j]])),
});

/** Chain of epochs after one that ended with these totals. */
export const epochLink = (chain: readonly bigint[], t: PublishedTotals): bigint[] =>
  hashWords(DOMAIN.statement, [...chain, BigInt(t.epoch), BigInt(t.targets), ((t.loss % P) + P) % P, ...t.bins.map(BigInt)]);
