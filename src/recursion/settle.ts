import type { WhirShape } from '../pcs/params.js';
import { verifyWhir } from '../pcs/verify.js';
import { eqEval, eqLess } from '../poly/eq.js';
import type { TrustedRoot } from '../pcs/trusted.js';
import type { Channel, Elem } from '../transcript/arith.js';
import { settleMatrix } from './settle-shape.js';

/*
 * Settling of a claim f(z) = v on a committed stack f: one WHIR opening with weights eq(z, .), in a transcript of its
 * own that absorbs root, point and value first. The root is trusted: that of an honest commitment, which the verifier
 * computed or has with the key, so that the words under it are a codeword. Error: that of the opening of a trusted
 * group.
 */

/** Version of these proofs. */
export const SETTLE_VERSION = 3;

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
  root: TrustedRoot,
  claim: { readonly point: readonly Elem[]; readonly value: Elem },
): void {
  const words = [...claim.point, claim.value].flatMap((x) => [...ch.coordinates(x)]);
  for (const w of settlePreamble(shape, (x) => ch.constant(x), root.digest, words)) ch.publicElems(w.label, w.words);
  // Columns beyond the used ones are zero by definition of the stack: they have no weight.
  const { used, logColumns: c } = settleMatrix(shape);
  verifyWhir(ch, shape, [
    {
      roots: [root],
      value: claim.value,
      weights: (pt) => ch.mul(eqLess(ch, claim.point.slice(0, c), pt.slice(0, c), used), eqEval(ch, claim.point.slice(c), pt.slice(c))),
    },
  ]);
}
