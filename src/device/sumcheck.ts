import type { Ext } from '../field/ext3.js';
import type { Vec } from './device.js';

/** An array within a product: elements of E, or signed words as a `base`. Distances are in cells. */
export interface TermFactor {
  readonly from: Vec;
  readonly base: boolean;
  /** Along the current axis; 0 where it does not depend on that. */ readonly along: number;
  /** Along each of the outer axes; 0 likewise. */ readonly outer: readonly number[];
}

/** A product over a box: sizes of its outer axes, and cells along the current one. */
export interface TermItem {
  readonly dims: readonly number[];
  readonly len: number;
  /** Factors that depend on the current axis, elements before words; at least one. */
  readonly inner: readonly TermFactor[];
  readonly held: readonly TermFactor[];
  /** Whether the value at 1 is wanted; else it is 0. */ readonly one: boolean;
  /** First element of the result. */ readonly at: number;
}

/** An array whose last axis has a variable bound at r: rows of ceil(len / 2) elements; a missing upper cell is 0. */
export interface ArrayFold {
  readonly from: Vec;
  /** Where it goes, packed; the same as `from` where the device folds in place, and elements keep their distances. */
  readonly to: Vec;
  readonly base: boolean;
  readonly dims: readonly number[];
  readonly len: number;
  readonly along: number;
  readonly outer: readonly number[];
  readonly r: Ext;
}

/** An axis: its cells, and their distance in words. */
export interface Along {
  readonly size: number;
  readonly stride: number;
}

/** Signed words over some axes, of which some are summed against weights. */
export interface Projection {
  readonly to: Vec;
  readonly from: Vec;
  readonly own: readonly Along[];
  readonly summed: readonly Along[];
  readonly weights: Vec;
}

/** Kernels of the batched sumcheck: lists of work items, of which no two write to the same place. */
export interface SumcheckCalls {
  /**
   * Of every product the values at 0, 1, .., number of inner factors of its round polynomial: elements of `to`. An
   * inner factor misses no cell but the last, which is 0 then.
   */
  readonly terms: { readonly to: Vec; readonly items: readonly TermItem[] };
  readonly foldArrays: { readonly items: readonly ArrayFold[] };
  readonly projections: { readonly items: readonly Projection[] };
}
