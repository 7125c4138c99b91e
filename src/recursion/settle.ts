import type { WhirShape } from '../pcs/params.js';
import { verifyWhir } from '../pcs/verify.js';
import { eqEval, eqLess } from '../poly/eq.js';
import { type Channel, type Elem, asDigest } from '../transcript/arith.js';
import { settleMatrix } from './settle-shape.js';

/*
 * Settling of a claim f(z) = v on a committed stack f: one WHIR opening with weights eq(z, .), in a transcript of its
 * own that absorbs root, point and value first. The root is that of an honest commitment: computed by the verifier or
 * published with the key. An honest codeword has no other one within the Johnson radius (its distance from every other
 * is at least 1 - rho > 1 - sqrt(rho)), so that the root alone fixes f. Error: that of the opening.
 */

/** Version of these proofs. */
export const SETTLE_VERSION = 2;

const header = (s: WhirShape): bigint[] => {
  const { used, logColumns, logHeight, logInvRate } = settleMatrix(s);
  return [0x736574746c65, SETTLE_VERSION, s.params.bits, s.params.grinding, logInvRate, logColumns, logHeight, used].map(BigInt);
};

/** Words absorbed first, by value for the prover and as handles for the verifier. */
export function settlePreamble<T>(
  s: WhirShape,
  word: (x: bigint) => T,
  root: readonly T[],
  claim: readonly T[],
): { label: string; words: readonly T[] }[] {
  return [
    { label: 'protocol', words: header(s).map(word) },
    { label: 'root', words: root },
    { label: 'claim', words: claim },
  ];
}

/**
 * Verifies that the stack of `root` takes `value` at `point`. For native handles and wires; the caller opens and
 * finishes the channel.
 */
export function verifySettled(
  ch: Channel,
  shape: WhirShape,
  root: readonly Elem[],
  claim: { readonly point: readonly Elem[]; readonly value: Elem },
): void {
  const words = [...claim.point, claim.value].flatMap((x) => [...ch.coordinates(x)]);
  for (const w of settlePreamble(shape, (x) => ch.constant(x), root, words)) ch.publicElems(w.label, w.words);
  // Columns beyond the used ones are zero by definition of the stack: they have no weight.
  const { used, logColumns: c } = settleMatrix(shape);
  verifyWhir(ch, shape, [
    {
      roots: [asDigest(root)],
      value: claim.value,
      weights: (pt) => ch.mul(eqLess(ch, claim.point.slice(0, c), pt.slice(0, c), used), eqEval(ch, claim.point.slice(c), pt.slice(c))),
    },
  ]);
}
