import * as X from './ext3.js';

/**
 * Arithmetic of a formula that prover and verifier share: a verifier's channel has it on handles, EXT has it by value.
 */
export interface Ring<T> {
  constant(v: bigint): T;
  add(a: T, b: T): T;
  sub(a: T, b: T): T;
  mul(a: T, b: T): T;
  /** a b + c */
  mulAdd(a: T, b: T, c: T): T;
  inverse(a: T): T;
}

/** E by value. */
export const EXT: Ring<X.Ext> = {
  constant: X.embed,
  add: X.add,
  sub: X.sub,
  mul: X.mul,
  mulAdd: (a, b, c) => X.add(X.mul(a, b), c),
  inverse: X.inv,
};
