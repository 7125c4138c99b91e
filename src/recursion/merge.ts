import { eqEval } from '../poly/eq.js';
import { quadratic, verifyRound } from '../sumcheck/round.js';
import { DeferredClaim, type DetachedClaim, type FrozenPlan } from '../tensor/deferred.js';
import { type Channel, type Elem, VerificationError } from '../transcript/arith.js';

/*
 * Merging of deferred claims. Given f(z_c) = v_c for c = 0 .. k - 1 on one frozen stack f of n variables: with gamma
 * drawn after all of them,
 *   sum_c gamma^c v_c = sum_x W(x) f(x),   W(x) = sum_c gamma^c eq(z_c, x),
 * and a sumcheck of n rounds, first variable first, leaves W(r) f(r). The prover sends f(r) = v; the verifier computes
 * W(r) itself and returns f(r) = v, still to be settled. A false claim survives with probability at most k/|E| + 2
 * n/|E|.
 */

/** Labels of a round. */
export const MERGE_ROUND = { message: 'merge sumcheck', challenge: 'merge r' };

/** Version of merge proofs. */
export const MERGE_VERSION = 1;

const mergeHeader = (vars: number, claims: number): bigint[] => [0x6d65726765n, BigInt(MERGE_VERSION), BigInt(claims), BigInt(vars)];

/** Words absorbed first: version, digest of the frozen integers, shape, every point and value. */
export function mergePreamble(
  vars: number,
  frozen: readonly bigint[],
  claims: readonly DetachedClaim[],
): { label: string; words: bigint[] }[] {
  return [
    { label: 'protocol', words: mergeHeader(vars, claims.length) },
    { label: 'frozen digest', words: [...frozen] },
    ...claims.map((c, i) => ({ label: `claim ${i}`, words: [...c.point, c.value].flatMap((x) => [...x]) })),
  ];
}

/** Only claims on the stack of `plan` take part: a claim of another shape is an error of the caller's proofs. */
export function mergeable(plan: FrozenPlan, claims: readonly DetachedClaim[]): readonly DetachedClaim[] {
  if (claims.length === 0) throw new VerificationError('merge', 'no claims on frozen tensors');
  for (const c of claims)
    if (c.point.length !== plan.frozenVars) throw new VerificationError('merge', 'claims on stacks of different sizes');
  return claims;
}

/** Verifies that all claims given by value follow from the one returned: see mergeClaims. */
export function verifyMerge(ch: Channel, plan: FrozenPlan, frozen: readonly bigint[], claims: readonly DetachedClaim[]): DeferredClaim {
  const { point, value } = mergeClaims(
    ch,
    plan.frozenVars,
    frozen.map((w) => ch.constant(w)),
    claimHandles(ch, claims),
  );
  return new DeferredClaim(plan, point, value);
}

/**
 * Verifies that all claims on a stack of `vars` variables and digest `frozen` follow from the one returned. Absorbs the
 * words of mergePreamble.
 */
export function mergeClaims(
  ch: Channel,
  vars: number,
  frozen: readonly Elem[],
  claims: readonly { readonly point: readonly Elem[]; readonly value: Elem }[],
): { point: readonly Elem[]; value: Elem } {
  ch.publicWords('protocol', mergeHeader(vars, claims.length));
  ch.publicElems('frozen digest', frozen);
  claims.forEach((c, i) =>
    ch.publicElems(
      `claim ${i}`,
      [...c.point, c.value].flatMap((x) => [...ch.coordinates(x)]),
    ),
  );
  const gamma = ch.sample('merge gamma'),
    powers: Elem[] = [ch.constant(1n)];
  while (powers.length < claims.length) powers.push(ch.mul(powers[powers.length - 1], gamma));
  let now = ch.constant(0n);
  claims.forEach((c, i) => {
    now = ch.mulAdd(powers[i], c.value, now);
  });
  const r: Elem[] = [];
  for (let k = 0; k < vars; k++) {
    const round = verifyRound(ch, MERGE_ROUND, quadratic(), now);
    r.push(round.r);
    now = round.claim;
  }
  const [value] = ch.read('merge value', 1);
  let weight = ch.constant(0n);
  claims.forEach((c, i) => {
    weight = ch.mulAdd(powers[i], eqEval(ch, c.point, r), weight);
  });
  ch.assertEqual(ch.mul(weight, value), now, 'merge of frozen claims');
  return { point: r, value };
}

/** The same claims as handles of a channel that knows their values. */
export const claimHandles = (ch: Channel, claims: readonly DetachedClaim[]): { point: Elem[]; value: Elem }[] =>
  claims.map((c) => ({ point: c.point.map((x) => ch.constant(x)), value: ch.constant(c.value) }));
