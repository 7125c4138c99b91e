/** A group that hides, prover's side: the column sumcheck with its tails, and the blend with the mask column. */
import * as E from '../field/ext3.js';
import type { Kernels } from '../kernels/runtime.js';
import { ProductSumcheck } from '../sumcheck/product.js';
import { proveRound } from '../sumcheck/prove-round.js';
import { quadratic } from '../sumcheck/round.js';
import type { Ext } from '../transcript/arith.js';
import type { ProverChannel } from '../transcript/prover.js';
import { masksSuffice } from './mask-rank.js';
import { tailPowers } from './tail-weights.js';
import { type WhirGroup, usedColumns } from './params.js';
import type { FoldedGroup, GroupOpening } from './prove.js';
import { innerProduct, openingDevice } from './vectors.js';
import { HIDING } from './verify-hiding.js';

const ROUND = quadratic<Ext>();

/**
 * Challenges under which the masks would not hide everything: nothing that was sent may leave. Which these are does not
 * depend on the witness. The prover begins again with other masks.
 */
export class MaskError extends Error {
  constructor(why: string) {
    super(`the masks of this attempt do not suffice: ${why}`);
    this.name = 'MaskError';
  }
}

/** Folds the claim of a group that hides. Throws MaskError. */
export function foldHiding(k: Kernels, ch: ProverChannel, label: string, g: WhirGroup, claim: GroupOpening): FoldedGroup {
  const { logColumns: c, logHeight: h, tail } = g,
    { masks } = claim;
  if (!tail || !masks) throw new Error('a group that hides has masks');
  const used = usedColumns(g.trees[0]),
    T = 2 ** tail.log,
    theta = ch.sample(`${label} ${HIDING.point}`),
    powers = tailPowers(theta, 2 ** c, tail.masked);
  ch.sendExt(`${label} ${HIDING.tails}`, [tailSum(k, masks.tails, T, powers, used)]);
  const eta = ch.sample(`${label} ${HIDING.scale}`),
    d = openingDevice(k, ch),
    main = new ProductSumcheck(k, claim.f, claim.w, c + h, d),
    tails = new ProductSumcheck(k, ...tailSides(k, masks.tails, T, powers, used, eta), c + tail.log, d),
    challenges: Ext[] = [];
  let now = E.add(claim.value, E.mul(eta, tailSum(k, masks.tails, T, powers, used)));
  for (let v = 0; v < c; v++) {
    const [a, b] = [main.message(), tails.message()],
      message = a.map((x, n) => E.add(x, b[n])),
      round = proveRound(ch, { message: `${label} sumcheck`, challenge: `${label} r` }, ROUND, now, message);
    main.bind(round.r);
    tails.bind(round.r);
    now = round.claim;
    challenges.push(round.r);
  }
  if (!masksSuffice({ theta, eta, challenges }, used, tail.masked)) throw new MaskError('rank of the tails');
  const parts = [main.near(), tails.near()],
    mask = parts.map(({ n }, p) => d.bring(masks.mask + (p ? 24 * 2 ** h : 0), 3 * n)),
    mu = parts.reduce<Ext>((s, { w, n }, p) => E.add(s, innerProduct(d, mask[p], w, n)), E.ZERO);
  ch.sendExt(`${label} ${HIDING.mask}`, [mu]);
  const epsilon = ch.sample(`${label} ${HIDING.blend}`);
  const blended = parts.map(({ f, w, n }, p) => {
    const to = d.vector(3 * n);
    d.run('copy', 3 * n, { to, from: mask[p] });
    d.run('addScaled', n, { to, from: f, by: epsilon });
    return { f: to, w, n };
  });
  return { now: E.add(mu, E.mul(epsilon, now)), challenges, parts: blended, blend: epsilon };
}

/** Sum of the weighted cells of all tails. */
function tailSum(k: Kernels, tails: number, T: number, powers: readonly (readonly Ext[])[], used: number): Ext {
  let sum: Ext = E.ZERO;
  for (let j = 0; j < used; j++)
    powers[j].forEach((p, i) => {
      const x = k.i64[tails / 8 + j * T + i];
      sum = x < 0n ? E.sub(sum, E.mulBase(p, -x)) : E.add(sum, E.mulBase(p, x));
    });
  return sum;
}

/**
 * Tails and weights of all columns, those that are not used with zero cells but with weights: the verifier folds all.
 */
function tailSides(
  k: Kernels,
  tails: number,
  T: number,
  powers: readonly (readonly Ext[])[],
  used: number,
  eta: Ext,
): [{ length: number; ptr: number }, { length: number; ptr: number }] {
  const length = powers.length * T,
    f = k.zeroed(8 * length),
    w = k.zeroed(24 * length);
  k.u8.copyWithin(f, tails, tails + 8 * used * T);
  powers.forEach((row, j) => row.forEach((p, i) => k.writeExt(w + 24 * (j * T + i), E.mul(eta, p))));
  return [
    { length, ptr: f },
    { length, ptr: w },
  ];
}
