/** One round of a sumcheck: the forms of its polynomial, and the verifier's side. The prover's side: prove-round.ts. */
import { lagrangeScales } from '../field/lagrange.js';
import type { Ring } from '../field/ring.js';
import type { Channel, Elem } from '../transcript/arith.js';

/** Labels of a round's message and of its challenge. */
export interface RoundLabels {
  readonly message: string;
  readonly challenge: string;
}

/**
 * A round polynomial as it is sent: elements of a message, and the value at the challenge r, which is the next claim.
 */
export interface RoundForm<T> {
  readonly length: number;
  readonly next: (f: Ring<T>, claim: T, message: readonly T[], r: T) => T;
}

/** s(0) and the coefficient of X^2; the one of X follows from s(0) + s(1) = claim. */
export const quadratic = <T>(): RoundForm<T> => ({
  length: 2,
  next: (f, claim, [s0, s2], r) => {
    const s1 = f.sub(f.sub(claim, f.add(s0, s0)), s2);
    return f.mulAdd(r, f.mulAdd(r, s2, s1), s0);
  },
});

/**
 * A polynomial eq(z, X) g(X) of which only g is sent, as g(0) and the coefficient of X^2: g(1) follows from
 * (1 - z) g(0) + z g(1) = claim, and the next claim is g(r), without the factor.
 */
export const withoutEq = <T>(z: T): RoundForm<T> => ({
  length: 2,
  next: (f, claim, [g0, g2], r) => {
    const g1 = f.mul(f.sub(claim, f.mul(f.sub(f.constant(1n), z), g0)), f.inverse(z));
    return f.mulAdd(r, f.mulAdd(r, g2, f.sub(f.sub(g1, g0), g2)), g0);
  },
});

/** A polynomial of that degree by its values at 0, 2, 3, ..; the one at 1 follows from s(0) + s(1) = claim. */
export function byValues<T>(degree: number): RoundForm<T> {
  const scales = lagrangeScales(degree);
  return {
    length: degree,
    next: (f, claim, message, r) => {
      const e = [message[0], f.sub(claim, message[0]), ...message.slice(1)];
      // Lagrange with prefix and suffix products: no inverse of a challenge.
      const diff = e.map((_, j) => f.sub(r, f.constant(BigInt(j)))),
        pre: T[] = [f.constant(1n)],
        suf: T[] = [f.constant(1n)];
      for (let j = 0; j < degree; j++) {
        pre.push(f.mul(pre[j], diff[j]));
        suf.push(f.mul(suf[j], diff[degree - j]));
      }
      let value = f.constant(0n);
      for (let i = 0; i <= degree; i++) value = f.mulAdd(f.mul(e[i], f.constant(scales[i])), f.mul(pre[i], suf[degree - i]), value);
      return value;
    },
  };
}

/** The verifier's side of a round: the next claim and the challenge. */
export function verifyRound(ch: Channel, labels: RoundLabels, form: RoundForm<Elem>, claim: Elem): { claim: Elem; r: Elem } {
  const message = ch.read(labels.message, form.length),
    r = ch.sample(labels.challenge);
  return { claim: form.next(ch, claim, message, r), r };
}
