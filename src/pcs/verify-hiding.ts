/**
 * A group that hides, verifier's side: its claim is folded to one on F = g + epsilon f1, where g is the mask column and
 * f1 the fold of all columns with their tails. F says nothing of f1, and everything below is a function of F. Docs:
 * protocol.md, section 12.
 */
import { eqAt } from '../poly/eq.js';
import type { Arith, Elem } from '../transcript/arith.js';
import { type FoldGroup, fold, powerExtension } from './verify.js';

/** Labels of what is sent and drawn besides the rounds, behind the label of the group's rounds. */
export const HIDING = { point: 'theta', tails: 'tails', scale: 'eta', mask: 'mask', blend: 'epsilon' };

/**
 * Extension, over the columns at `challenges`, of the weights theta^(j (i + 1)) of cell i of column j's tail. They are
 * no product of a weight of the column and one of the cell: of rank one, they would leave the last message of the
 * rounds determined by those before.
 */
export const tailWeight = (ch: Arith, theta: Elem, i: number, challenges: readonly Elem[]): Elem => {
  let power = theta;
  for (let n = 0; n < i; n++) power = ch.mul(power, theta);
  return powerExtension(ch, power, challenges);
};

/**
 * Folds the claim of a group that hides. Soundness: of f and g the interleaved list is fixed by the root. A false claim
 * stays false for each of its members when eta times the tails' claimed sum is added (one eta does for a false sum, and
 * none for a false claim), through the rounds, and when mu, the mask's claimed sum, is added to epsilon times it. Cells
 * of a tail beyond those with a weight count for nothing, and the code is counted with all of them.
 */
export const foldHiding: FoldGroup = (ch, label, { logColumns, tail }, { value, weights }) => {
  if (!tail) throw new Error('a group without tails hides nothing');
  const theta = ch.sample(`${label} ${HIDING.point}`),
    [tails] = ch.read(`${label} ${HIDING.tails}`, 1),
    eta = ch.sample(`${label} ${HIDING.scale}`),
    { now, challenges } = fold(ch, label, logColumns, ch.mulAdd(eta, tails, value)),
    [mask] = ch.read(`${label} ${HIDING.mask}`, 1),
    epsilon = ch.sample(`${label} ${HIDING.blend}`);
  const ofTail = Array.from({ length: tail.masked }, (_, i) => ch.mul(eta, tailWeight(ch, theta, i, challenges)));
  return {
    now: ch.mulAdd(epsilon, now, mask),
    challenges,
    blend: epsilon,
    weights: [
      (rest) => weights([...challenges, ...rest]),
      (rest) => ofTail.reduce((s, w, i) => ch.mulAdd(eqAt(ch, rest, i), w, s), ch.constant(0n)),
    ],
  };
};
