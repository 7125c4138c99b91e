import type { Ext } from '../field/ext3.js';
import type { Vec } from './device.js';

/** Row indices, two of 32 bits in a word, from number `at` on. */
export interface KeyVec {
  readonly vec: Vec;
  readonly at: number;
}

/** Denominators of leaves: g - key, or row `key` of a table of elements. */
export type Leaf = { readonly keys: KeyVec } & ({ readonly g: Ext } | { readonly table: Vec });

/** Numerators and denominators, elements of E; without numerators all of them are one. */
export interface FractionVec {
  readonly n?: Vec | undefined;
  readonly d: Vec;
}

/** The values of pairs of fractions; of leaves of lookups d0 and d1 stand for both (see lookup/group-sum.ts). */
export interface PairVec {
  readonly n0?: Vec | undefined;
  readonly n1?: Vec | undefined;
  readonly d0: Vec;
  readonly d1: Vec;
}

/** Cells of an array: `rows` of `len` elements; their distances, and those of rows, in elements. */
export interface Grid {
  readonly rows: number;
  readonly len: number;
  readonly cs: number;
  readonly rs: number;
}

/** Tables of eq within one vector: eq(point, i) for i < n, from element `at` on; one element more is undefined. */
export interface EqTable {
  readonly at: number;
  readonly n: number;
  readonly point: readonly Ext[];
}

/** n elements of a vector from element `at` on. */
export interface TablePart {
  readonly at: number;
  readonly n: number;
}

/** Pairs of a round: their weight is that of their row times that of the pair of columns. */
export interface RoundItem {
  readonly from: PairVec;
  readonly grid: Grid;
  readonly columns: Vec;
  readonly rows: Vec;
}

/** Pairs whose current variable is bound at r. */
export interface PairFold {
  readonly from: PairVec;
  /**
   * Where they go, packed: rows of ceil(len / 2) elements; `from` is undefined afterwards. The same as `from` where the
   * device folds in place: elements keep their distances then.
   */
  readonly to: PairVec;
  readonly grid: Grid;
  readonly r: Ext;
  /** What a missing upper cell of d0 and d1 holds where there are no numerators. Else it is 0/1. */
  readonly missing: Ext;
}

/** Kernels of LogUp-GKR: every call takes a list of work items, of which no two write to the same place. */
export interface LookupCalls {
  /** Tables of eq in one vector. */
  readonly eqTables: { readonly to: Vec; readonly tables: readonly EqTable[] };
  /** Weights of rows: the outer product of `first` and of parts of a vector of tables, the last one running fastest. */
  readonly rowWeights: {
    readonly tables: Vec;
    readonly items: readonly { readonly to: Vec; readonly first: readonly Ext[]; readonly axes: readonly TablePart[] }[];
  };
  /** Words from vector to vector. */
  readonly copies: { readonly items: readonly { readonly to: Vec; readonly from: Vec }[] };
  /** Denominators of n leaves. */
  readonly leaves: { readonly items: readonly { readonly to: Vec; readonly n: number; readonly leaf: Leaf }[] };
  /** Sums of n pairs of leaves with numerator one. */
  readonly leafSums: { readonly items: readonly { readonly n: Vec; readonly d: Vec; readonly pairs: number; readonly leaf: Leaf }[] };
  /** 1 + lambda d of the even leaves and of the odd ones. */
  readonly leafPairs: {
    readonly lambda: Ext;
    readonly items: readonly { readonly even: Vec; readonly odd: Vec; readonly pairs: number; readonly leaf: Leaf }[];
  };
  /** Sums of pairs: rows of `len` fractions to rows of ceil(len / 2); a last one alone stays as it is. */
  readonly pairSums: {
    readonly items: readonly {
      readonly n: Vec;
      readonly d: Vec;
      readonly from: FractionVec;
      readonly rows: number;
      readonly len: number;
    }[];
  };
  /** Even and odd cells of rows of `len` fractions, ceil(len / 2) each; missing odd ones are 0/1. */
  readonly splitPairs: {
    readonly items: readonly { readonly to: PairVec; readonly from: FractionVec; readonly rows: number; readonly len: number }[];
  };
  /**
   * Two elements: the sum over pairs of columns of w (F(0) - lambda), and of w times the leading coefficient of F,
   * where F = n0 d1 + n1 d0 + lambda d0 d1 is taken along the pair's variable. Missing upper cells are 0/1.
   */
  readonly pairRound: { readonly to: Vec; readonly lambda: Ext; readonly items: readonly RoundItem[] };
  /** The same of F = d0 d1, of which lambda is not taken away; missing upper cells are lambda. */
  readonly productRound: { readonly to: Vec; readonly lambda: Ext; readonly items: readonly RoundItem[] };
  readonly foldPairs: { readonly items: readonly PairFold[] };
  /**
   * Row i of tables, i < n: g - (first + i) - sum of b_c column_c[i], columns of signed words.
   */
  readonly tableRows: {
    readonly items: readonly {
      readonly to: Vec;
      readonly n: number;
      readonly g: Ext;
      readonly first: bigint;
      readonly columns: readonly { readonly of: Vec; readonly b: Ext }[];
    }[];
  };
  /** Minus multiplicities, 32 bits each, from number `at` on, as elements. */
  readonly negatives: { readonly items: readonly { readonly to: Vec; readonly n: number; readonly counts: KeyVec }[] };
}
