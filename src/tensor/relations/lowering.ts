import type { Format } from '../fixed.js';
import type { Constraint, Expr, StepOp, TableSpec, TensorSpec } from '../types.js';

/**
 * What a relation is lowered to: tensors, the step that computes its witness, and range, lookup and zero constraints.
 * The program builder provides it. A relation adds its step by `step` and its constraints by the others, so that either
 * half can be left out where a relation is computed in slices.
 */
export interface Lowering {
  spec(name: string): TensorSpec;
  tableSpec(name: string): TableSpec;
  /** Declares a witness of this format. */
  witness(name: string, axes: readonly string[], f: Format): void;
  /** Declares a witness with the bounds of another tensor. */
  like(name: string, axes: readonly string[], other: string): void;
  /** The witness of a relation. */
  step(name: string, axes: readonly string[], op: StepOp): void;
  /** 0 <= e < 2^bits. */
  range(name: string, axes: readonly string[], e: Expr, bits: number): void;
  /** A committed tensor lies within its format. */
  inFormat(name: string, f: Format): void;
  /** e = 0. */
  zero(name: string, axes: readonly string[], e: Expr): void;
  /** Any constraint. */
  constrain(c: Constraint): void;
}
