import type { ClassRow } from './classes/table.js';
import { type Counters, type Quota, type Violation, count, violation, zeroCounters } from './classes/quotas.js';
import { type Order, epochBatches } from './order/steps.js';

/** Class and targets of every row, in the order of the tree. */
export interface RowList {
  readonly classes: ArrayLike<number>;
  readonly targets: ArrayLike<number>;
}

/** What an epoch draws. */
export interface EpochTotals {
  readonly epoch: number;
  /** All of its steps are among those simulated. */ readonly whole: boolean;
  readonly counters: Counters;
}

/** A quota that a run would break, and where. */
export interface Breach extends Violation {
  readonly epoch: number;
  readonly step: number;
}

/**
 * Runs the order of all steps over the rows' classes: totals of every epoch, up to the first step at which a quota does
 * not hold. Maxima hold after every step, also of an epoch that the run does not end; minima where an epoch ends.
 */
export function simulate(
  order: Order,
  steps: number,
  rows: RowList,
  classes: readonly ClassRow[],
  quotas: readonly Quota[],
): { readonly epochs: readonly EpochTotals[]; readonly breach?: Breach } {
  const perEpoch = epochBatches(order.config),
    epochs: EpochTotals[] = [];
  let counters = zeroCounters(quotas.length);
  for (let step = 0; step < steps; step++) {
    const { epoch, drawn, draws } = order.batch(step);
    if (drawn === 0) counters = zeroCounters(quotas.length);
    for (const d of draws) counters = count(counters, classes[rows.classes[d.row]].bins, rows.targets[d.row]);
    const whole = drawn === perEpoch - 1,
      broken = violation(quotas, counters, whole);
    if (broken) return { epochs, breach: { ...broken, epoch, step } };
    if (whole || step === steps - 1) epochs.push({ epoch, whole, counters });
  }
  return { epochs };
}

/** Words for a breach. */
export const breachText = (b: Breach, bins: readonly string[]): string =>
  `epoch ${b.epoch}, step ${b.step}: bin ${bins[b.bin]} has ${b.count} ${b.kind === 'examples' ? 'examples' : 'target tokens'}, ` +
  `the ${b.limit === 'max' ? 'most' : 'least'} allowed in an epoch is ${b.bound}`;
