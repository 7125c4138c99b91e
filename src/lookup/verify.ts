import { verifyRound, withoutEq } from '../sumcheck/round.js';
import type { Channel, Elem } from '../transcript/arith.js';
import type { LogUpShape } from './shape.js';

/** What is left: num(rho) and den(rho) of the leaf layer. */
export interface LogUpClaims {
  readonly rho: Elem[];
  readonly num: Elem;
  readonly den: Elem;
}

/**
 * Verifies that the fractions of the leaf layer sum to zero with a nonzero common denominator, up to the claims
 * returned. From the root down: a + lambda b = sum_y eq(z, y) [n0 d1 + n1 d0 + lambda d0 d1]. Round polynomials come
 * without their eq factor.
 */
export function verifyLogUp(ch: Channel, shape: LogUpShape): LogUpClaims {
  const [d0] = ch.read('logup root', 1);
  ch.inverse(d0);
  let point: Elem[] = [],
    a = ch.constant(0n),
    b = d0;
  for (let layer = 0; layer < shape.vars; layer++) {
    const label = `logup ${layer}`,
      lambda = ch.sample(`${label} lambda`);
    let claim = ch.mulAdd(lambda, b, a);
    const r: Elem[] = [];
    for (let k = layer - 1; k >= 0; k--) {
      const round = verifyRound(ch, { message: `${label} round`, challenge: `${label} r` }, withoutEq(point[k]), claim);
      r.unshift(round.r);
      claim = round.claim;
    }
    const [n0, n1, e0, e1] = ch.read(`${label} values`, 4);
    const value = ch.mulAdd(n0, e1, ch.mulAdd(n1, e0, ch.mul(lambda, ch.mul(e0, e1))));
    ch.assertEqual(value, claim, `LogUp layer ${layer}`);
    const tau = ch.sample(`${label} tau`);
    a = ch.mulAdd(tau, ch.sub(n1, n0), n0);
    b = ch.mulAdd(tau, ch.sub(e1, e0), e0);
    point = [...r, tau];
  }
  return { rho: point, num: a, den: b };
}
