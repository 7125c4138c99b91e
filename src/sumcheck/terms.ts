import type { Vec } from '../device/device.js';
import type { Ext } from '../transcript/arith.js';

/** An array over some axes (in global order), in all products that it occurs in, on the device of the proof. */
export interface SumFactor {
  readonly axes: readonly string[];
  /** Integers, read where they lie: distances along the axes in words. */
  readonly words?: { readonly vec: Vec; readonly strides: readonly number[] };
  /**
   * Else its elements, row-major, which are only read. Asked for whenever they are used; what it allocates is released
   * after use.
   */
  readonly make?: () => Vec;
  /** Bytes that `make` allocates. */
  readonly scratch: number;
}

/** coef * sum over the box of the product of factors (by number); axes in global order, each in some factor. */
export interface SumTerm {
  readonly coef: Ext;
  readonly axes: readonly string[];
  readonly factors: readonly number[];
}
