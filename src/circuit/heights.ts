import { log2Floor } from '../field/log2.js';
import { type CircuitRows, type Kind, byKind, rowCount } from './rows.js';

/** Number of rows of every kind: what the program of a circuit depends on. */
export type Heights = Readonly<Record<Kind, number>>;

/** A count with at most four binary digits: a tensor of so many rows has few blocks. */
function roundUp(n: number): number {
  const unit = 2 ** Math.max(0, log2Floor(Math.max(1, n)) - 3);
  return Math.ceil(Math.max(1, n) / unit) * unit;
}

/**
 * Heights that hold the rows of a channel, at least `least`. W has four spare words for the rows that fill G, T a spare
 * entry for those that fill I; without ids there is none of either.
 */
export const heightsOf = (ch: { readonly rows: CircuitRows }, least?: Heights): Heights =>
  byKind((k) => Math.max(least?.[k] ?? 0, heightOf(k, rowCount(ch.rows, k))));

function heightOf(k: Kind, rows: number): number {
  if ((k === 'T' || k === 'I') && rows === 0) return 0;
  return roundUp(rows + (k === 'W' ? 4 : k === 'T' ? 1 : 0));
}

/** Whether circuits of these heights look up ids. */
export const hasIds = (h: Heights): boolean => h.T > 0 && h.I > 0;

/** Heights that hold what either holds. */
export const highest = (a: Heights, b: Heights): Heights => byKind((k) => Math.max(a[k], b[k]));
