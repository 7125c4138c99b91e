import type { Vec } from './device.js';

/**
 * Cells of a vector of signed words: one is at `at` where all indices are zero, the others lie apart along each axis of
 * a sum, those of its box first and then those that are summed over.
 */
export interface Strided {
  readonly of: Vec;
  readonly at: number;
  readonly strides: readonly number[];
}

/** coef times the product of one to three factors, summed over axes of these sizes. */
export interface SumTerm {
  readonly coef: bigint;
  readonly factors: readonly Strided[];
  readonly over: readonly number[];
  /**
   * One index more of the factors, by position: a negative one leaves the term out. `strides` are those of positions
   * along the axes, `apart` how far each factor's cells lie apart along the chosen axis.
   */
  readonly chosen?: { readonly ids: Int32Array; readonly strides: readonly number[]; readonly apart: readonly number[] };
}

/** A constant and terms over a box of these sizes, row-major. All arithmetic is that of signed words, mod 2^64. */
export interface Sum {
  readonly sizes: readonly number[];
  readonly constant: bigint;
  readonly terms: readonly SumTerm[];
}

/** Where cells of a box go: into a vector, cell by cell apart. */
export interface Place {
  readonly to: Vec;
  readonly at: number;
  readonly strides: readonly number[];
  /** Bounds of what belongs there. */
  readonly lo: bigint;
  readonly hi: bigint;
  /**
   * Two words: one plus the first cell that is out of bounds, and what it is, if there is one. A device that others
   * wait for does not look: whoever reads `to` does.
   */
  readonly bad: Vec;
}

/** x becomes floor(x / 2^shift), to the nearest where `nearest` is set; then its lowest bits, if so many are named. */
export interface Rounding {
  readonly nearest: boolean;
  readonly shift: number;
  readonly bits?: number;
}

/** Row indices of the cells of a box: what a sum is beyond `first`, below `rows`. */
export interface KeysOf extends Sum {
  /** Two of 32 bits in a word. */
  readonly to: Vec;
  readonly first: bigint;
  readonly rows: bigint;
}

/**
 * Kernels of integer training and of keys, on signed words. A `key` that has no row is 2^32 - 1 where the device does
 * not say so at once: no table has so many rows.
 */
export interface IntegerCalls {
  /** n cells of a sum, rounded, with another term added, to a dense box or to a place. */
  readonly sums: Sum & { readonly rounding?: Rounding; readonly base?: SumTerm } & ({ readonly to: Vec } | { readonly place: Place });
  /** n cells of a dense box, to a place. */
  readonly scatter: { readonly from: Vec; readonly sizes: readonly number[]; readonly place: Place };
  /**
   * floor(sqrt(x)) of n cells in place, -1 where x is negative. With `of`, the same x once more: the integer r with
   * r (r - 1) <= x < r (r + 1).
   */
  readonly roots: { readonly to: Vec; readonly of?: Vec };
  /** floor(x / y) of n cells in place; the largest word where y is not positive. */
  readonly quotients: { readonly to: Vec; readonly by: Vec };
  /** The larger of two, n of them, in place. */
  readonly larger: { readonly to: Vec; readonly other: Vec };
  /** n words of a column at rows x - first; the least word where there is no such row. */
  readonly entries: { readonly to: Vec; readonly from: Vec; readonly column: Vec; readonly first: bigint };
  /**
   * Of n rows of `length` scores s: the least M with the sum of column[M - s] at most `target`. With `causal` positive
   * only the first (row mod causal) + 1 + first scores of a row take part.
   */
  readonly leastSums: {
    readonly to: Vec;
    readonly scores: Vec;
    readonly length: number;
    readonly causal: number;
    readonly first: number;
    readonly column: Vec;
    readonly target: bigint;
  };
  /** Keys of several boxes. `bad` as of a place, of the first item that has one: its number is a third word. */
  readonly keys: { readonly items: readonly KeysOf[]; readonly bad: Vec };
  /**
   * Counts keys, 32 bits a row: those of `keys` at `to`, from number `at` on. Keys without a row are counted in number
   * `bad`.
   */
  readonly counts: {
    readonly items: readonly {
      readonly to: Vec;
      readonly at: number;
      readonly keys: Vec;
      readonly n: number;
      readonly bad: number;
    }[];
  };
}
