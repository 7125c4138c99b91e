/**
 * The tensor program: data only, so that its canonical JSON is the program digest. Axes are named; an array is
 * row-major in the order of its tensor's axes. See docs/protocol.md, sections 2 to 6.
 */

/**
 * Commitments: witness of the program, state before and after (compute copy C, optimiser, accumulator), frozen, or none
 * (public).
 */
export type TensorClass = 'witness' | 'cIn' | 'oIn' | 'aIn' | 'cOut' | 'oOut' | 'aOut' | 'frozen' | 'public';

export const COMMIT_CLASSES = ['witness', 'cIn', 'oIn', 'aIn', 'cOut', 'oOut', 'aOut', 'frozen'] as const;

/**
 * How a public tensor is known to the verifier: 'onehot' axes [v, ...positions] from one integer per position; 'causal'
 * axes [i, j], 1 where j <= first + i; 'dense' values listed in the statement.
 */
export type PublicKind = 'onehot' | 'causal' | 'dense';

export interface TensorSpec {
  readonly name: string;
  readonly axes: readonly string[];
  readonly cls: TensorClass;
  /** Inclusive bounds of every cell. */
  readonly lo: bigint;
  readonly hi: bigint;
  /** Fraction bits: a cell c stands for the real number c * 2^-frac. */
  readonly frac: number;
  readonly publicKind?: PublicKind;
  /** Of a causal mask: the query that its first row is about, 0 where nothing is said. Keys end with its last query. */
  readonly first?: number;
  /**
   * A one-hot tensor that the statement does not list: at every position but the last of a row the next position's id
   * of `ids`, where `mask` is 1, and none elsewhere. `mask` must be 0 at the last position of every row.
   */
  readonly next?: { readonly ids: string; readonly mask: string };
  /** Members of one group are packed contiguously; `flat` names the one-axis alias over all of the group's cells. */
  readonly group?: string;
  /** Set on the alias itself: it owns no cells of its own. */
  readonly aliasOf?: string;
}

/**
 * Which index of the tensor's axis a relation index selects: stride * i + offset (default 1, 0), or one fixed index.
 */
export type Access = { readonly axis: string; readonly stride?: number; readonly offset?: number } | { readonly index: number };

export interface Operand {
  readonly tensor: string;
  readonly access: readonly Access[];
}

/**
 * coef * product of operands, summed over the axes that are not axes of the constraint. `real` is the exact real
 * factor, if coef is rounded.
 */
export interface Term {
  readonly coef: bigint;
  readonly operands: readonly Operand[];
  readonly real?: number;
}

/** `real` is the exact constant, in the same unit, if `constant` is rounded; the float reading alone uses it. */
export interface Expr {
  readonly constant: bigint;
  readonly real?: number;
  readonly terms: readonly Term[];
}

export interface RangeConstraint {
  readonly kind: 'range';
  readonly name: string;
  readonly axes: readonly string[];
  readonly expr: Expr;
  readonly bits: number;
}
export interface LookupConstraint {
  readonly kind: 'lookup';
  readonly name: string;
  readonly axes: readonly string[];
  readonly table: string;
  readonly exprs: readonly Expr[];
}
export interface ZeroConstraint {
  readonly kind: 'zero';
  readonly name: string;
  readonly axes: readonly string[];
  readonly expr: Expr;
}
export type Constraint = RangeConstraint | LookupConstraint | ZeroConstraint;

/**
 * A public table: rows key = lo .. lo + size - 1, columns from the named integer algorithm, committed as frozen tensors
 * over its axis.
 */
export interface TableSpec {
  readonly name: string;
  readonly axis: string;
  readonly lo: bigint;
  readonly size: number;
  /** Names of the frozen tensors that hold the output columns. */
  readonly columns: readonly string[];
}

/**
 * One part of a memory. Its rows are the cells of the box `axes`, each axis padded to a power of two; column c of a row
 * is that cell of `columns[c]` (an operand over exactly these axes), zero in the padding and where there is no operand.
 */
export interface Segment {
  readonly name: string;
  readonly axes: readonly string[];
  readonly columns: readonly (Operand | null)[];
}

/**
 * A table whose columns are committed: keys 0, 1, 2, ... run through the rows of the segments in order, so that a key
 * names one row, whatever the witness. A lookup of fewer components asserts that the remaining columns are zero.
 */
export interface MemorySpec {
  readonly name: string;
  readonly columns: number;
  readonly segments: readonly Segment[];
}

/** The upper part of an integer of more than 63 bits: 2^shift expr is added to the lower one. */
export interface HighPart {
  readonly expr: Expr;
  readonly shift: number;
}

/** When a step of the computation runs: layers ascend in 'fwd', descend in 'bwd', along the program's scan axis. */
export type Phase = 'pre' | 'fwd' | 'mid' | 'bwd' | 'post';

/**
 * How a witness is computed (the proof rests on the constraints alone).
 * round: out = base + floor((expr + 2^(shift-1)) / 2^shift), shift 0: expr
 * limb: out = floor(expr / 2^shift) mod 2^bits
 * digits: y = floor((expr + 2^(shift-1)) / 2^shift), shift 0: expr; low = y mod 2^bits, high = floor(y / 2^bits)
 * table: outs = columns at key expr
 * lse: out = least M with sum over `over` of T[M * 1 - s] <= 2^f, where s = operand; T the named table (expr = s term,
 * axes = box of s)
 * sqrt: out = floor(sqrt(expr)), with `nearest` the integer r with r (r - 1) <= expr < r (r + 1)
 * div: out = floor(num * 2^shift / den), den > 0
 * `high`: the expression (of div: num) is expr + 2^(high.shift) high.expr, which 64 bits need not hold
 * max: out = max(a, b)
 * flatten / unflatten: copy a group's members to its alias or back
 * `frac` (sqrt: of expr; div: of den) serves the float reading alone.
 */
export type StepOp =
  | { readonly op: 'round'; readonly out: Operand; readonly base?: Operand; readonly expr: Expr; readonly shift: number }
  | { readonly op: 'limb'; readonly out: Operand; readonly expr: Expr; readonly shift: number; readonly bits: number }
  | {
      readonly op: 'digits';
      readonly low: Operand;
      readonly high: Operand;
      readonly expr: Expr;
      readonly shift: number;
      readonly bits: number;
    }
  | { readonly op: 'table'; readonly outs: readonly Operand[]; readonly table: string; readonly key: Expr }
  | {
      readonly op: 'lse';
      readonly out: Operand;
      readonly scores: Operand;
      readonly over: readonly string[];
      readonly causal?: readonly [string, string];
      /** Query that the first row of the causal axes is about, as in the mask's tensor. */
      readonly first?: number;
      readonly table: string;
      readonly target: bigint;
    }
  | {
      readonly op: 'sqrt';
      readonly out: Operand;
      readonly expr: Expr;
      readonly frac?: number;
      readonly nearest?: true;
      readonly high?: HighPart;
    }
  | {
      readonly op: 'div';
      readonly out: Operand;
      readonly num: Expr;
      readonly den: Expr;
      readonly shift: number;
      readonly frac?: number;
      readonly high?: HighPart;
    }
  | { readonly op: 'max'; readonly out: Operand; readonly a: Expr; readonly b: Expr }
  | { readonly op: 'flatten'; readonly group: string }
  | { readonly op: 'unflatten'; readonly group: string };

export type Step = StepOp & { readonly name: string; readonly axes: readonly string[]; readonly phase: Phase };

export interface Program {
  readonly version: 1;
  readonly name: string;
  readonly axes: Readonly<Record<string, number>>;
  /** The axis along which layers follow one another. */
  readonly scan: string;
  readonly tensors: readonly TensorSpec[];
  readonly tables: readonly TableSpec[];
  readonly constraints: readonly Constraint[];
  readonly steps: readonly Step[];
  readonly memories?: readonly MemorySpec[];
  /**
   * Identities and lookups are meant in the field, so that bounds say nothing: no ranges, no tables, no integer
   * reading.
   */
  readonly field?: true;
  /** Largest range table, bits. */
  readonly rangeBits: number;
}
