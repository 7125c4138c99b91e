import type { Ext } from '../field/ext3.js';
import type { Vec } from './device.js';

/** A claim on a polynomial at the point g^log of a domain of g, times a coefficient. */
export interface PointClaim {
  readonly log: number;
  readonly coefficient: Ext;
}

/**
 * Weights along one axis of a block, 2^log of them: elements of a vector of tables from `table` on, or one that is 1.
 */
export type AxisWeights = { readonly log: number } & (
  | { readonly table: number }
  /** 1 at this place and 0 elsewhere. */
  | { readonly only: number }
);

/**
 * A coefficient times the outer product of the weights of some axes, the last one running fastest, from cell `at` on.
 */
export interface ProductBlock {
  readonly at: number;
  readonly coefficient: Ext;
  readonly axes: readonly AxisWeights[];
}

/**
 * Kernels of an opening. A vector of elements of E has three words for each of them; one of signed words is said to be
 * a `base`. Beyond its end a vector is zero.
 */
export interface OpeningCalls {
  /** n zeros. */
  readonly zero: { readonly to: Vec };
  /** n words. */
  readonly copy: { readonly to: Vec; readonly from: Vec };
  /**
   * to[i] = from[i] + r (from[i + half] - from[i]) for n elements. `to` may begin where `from` does, unless this is a
   * base.
   */
  readonly fold: { readonly to: Vec; readonly from: Vec; readonly base: boolean; readonly half: number; readonly r: Ext };
  /**
   * Two elements: the sum of f[i] w[i] over the n entries of the low half, and that of
   * (f[i + half] - f[i]) (w[i + half] - w[i]).
   */
  readonly productSums: { readonly to: Vec; readonly f: Vec; readonly base: boolean; readonly w: Vec; readonly half: number };
  /** The sum of from[i] z^i over n elements. */
  readonly horner: { readonly to: Vec; readonly from: Vec; readonly z: Ext };
  /** to[i] += first z^i for n elements. */
  readonly addPowers: { readonly to: Vec; readonly z: Ext; readonly first: Ext };
  /** to[i] += by from[i] for n elements. */
  readonly addScaled: { readonly to: Vec; readonly from: Vec; readonly by: Ext };
  /** to[i] += the sum of c x^i over claims with coefficients c at points x of a domain of 2^domain, for n elements. */
  readonly addClaims: { readonly to: Vec; readonly domain: number; readonly claims: readonly PointClaim[] };
  /**
   * eq(point, i) for n elements, the first variable most significant; `to` has one element more, undefined afterwards.
   */
  readonly eqTable: { readonly to: Vec; readonly point: readonly Ext[] };
  /** to[stride i + offset] = from[i] for n elements. */
  readonly spread: { readonly to: Vec; readonly from: Vec; readonly stride: number; readonly offset: number };
  /** Adds to the n elements of `to` what these blocks are. Two blocks lie apart, or one of them within the other. */
  readonly addProducts: { readonly to: Vec; readonly tables: Vec; readonly blocks: readonly ProductBlock[] };
}
