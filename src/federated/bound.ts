import { ADAMW, momentFormats } from '../optim/adamw.js';
import { FederationError } from './errors.js';
import { type Named, tensorAt } from './update.js';

/*
 * How far AdamW from zero moments can move a value, whatever the gradients were: a bound on every honest update, in the
 * integers of the update program (src/optim/adamw.ts).
 *
 * Notation, integers as the program has them: b1 = beta1 / 2^20, b2 = 1 - kappa / 2^30, F the fraction of v, g_t the
 * clipped gradient, u_t = sqrt(1 - beta2) g_t in digits, e_t the integer epsilon. One step does, with every rounding to
 * the nearest integer and the quotient rounded down:
 *
 *   u = round(sigma g / 2^(52 - F/2))                        |g| <= (|u| + 1/2) 2^(52 - F/2) / sigma
 *   m = b1 m + (1 - b1) g + r,   |r| <= 1/2
 *   v = b2 v + u^2 / 2^16 + r',  |r'| <= 1/2
 *   n = nearest root of 4 v                                  n >= 1, n > 2 sqrt(v) - 1/2
 *   q = floor(m 2^(F/2 - 12) / (32 n + e))
 *   master -= (alpha q + decay C) / 2^28, rounded
 *
 * From m = v = 0, over t steps, with B = sum_{j<t} b1^j, E = 1/2 sum_{j<t} b2^j, G^2 = sum_{j<t} (b1^2 / b2)^j:
 *
 *   |m_t| <= (1 - b1) sum b1^(t-i) |g_i| + B/2
 *         <= (1 - b1) 2^(52 - F/2) / sigma (sum b1^(t-i) |u_i| + B/2) + B/2
 *   sum b1^(t-i) |u_i| = sum (b1 / sqrt b2)^(t-i) sqrt(b2)^(t-i) |u_i| <= G sqrt(sum b2^(t-i) u_i^2)
 *          (Cauchy-Schwarz)
 *   sum b2^(t-i) u_i^2 = 2^16 (v_t - sum b2^(t-i) r'_i) <= 2^16 (v_t + E)
 *
 * so that |m_t| 2^(F/2 - 12) <= a sqrt(v_t + E) + b with a = (1 - b1) G 2^48 / sigma and b the rest. For an integer K
 * with
 *
 *   (1)  a sqrt(E) + b <= K (32 + e)                         v_t = 0: n = 1
 *   (2)  a sqrt(w^2 + E) + b <= K (64 w - 16 + e), w >= 1    v_t >= 1: w = sqrt v_t
 *
 * |q_t| <= K: floor(-x) >= -K for x <= K. (2) squared is a quadratic in w, A w^2 + H w + J >= 0 with A = 4096 K^2 -
 * a^2, H = 128 K c, J = c^2 - a^2 E, c = K (e - 16) - b; its right side is positive, because (1) gives K (32 + e) >= b.
 * It holds for all w >= 1 where A >= 0, and either the vertex is at or before 1 and the value at 1 not negative, or H^2
 * <= 4 A J. All of it is computed upward in bigints; K is at most 2^25, beyond which q leaves its format and the step
 * cannot be proved.
 */

/** Integer constants of an optimiser, as AdamConstants has them, and the fraction of v. */
export interface BoundConstants {
  readonly beta1: bigint;
  readonly kappa: bigint;
  readonly sigma: bigint;
  readonly momentFrac: number;
}

/** Scalars of one step, as the schedule's integers. */
export interface BoundStep {
  readonly alpha: bigint;
  readonly decay: bigint;
  readonly epsT: bigint;
}

const ONE = 1n << 96n,
  /** Fraction bits of what enters the conditions. */ FINE = 40n,
  MOST_Q = 1n << BigInt(ADAMW.q.bits - 1),
  MOST_MAGNITUDE = 1n << BigInt(ADAMW.C.bits - 1);
const up = (num: bigint, den: bigint): bigint => (num + den - 1n) / den;

/**
 * a^2, E and b at FINE fraction bits, rounded up. Undefined where a^2 grows beyond use: beta2 so small against beta1
 * that the sum diverges.
 */
interface Terms {
  readonly a2: bigint;
  readonly E: bigint;
  readonly b: bigint;
}

/** The sums over t steps, one step at a time, each rounded up in units of 2^-96. */
function* sums(k: BoundConstants): Generator<Terms | undefined> {
  const b1 = k.beta1 << 76n,
    b2 = ONE - (k.kappa << 66n),
    rest = (1n << 20n) - k.beta1,
    rho = b2 > 0n ? up(b1 * b1, b2) : undefined,
    frac = BigInt(k.momentFrac / 2),
    // A bound of 2^20 on G^2 is far beyond any use: the format of q is the smaller bound.
    far = ONE << 20n;
  let B = 0n,
    twiceE = 0n,
    G2 = 0n,
    p1 = ONE,
    p2 = ONE,
    pr: bigint | undefined = ONE;
  for (;;) {
    B += p1;
    twiceE += p2;
    if (pr !== undefined) G2 += pr;
    p1 = up(p1 * b1, ONE);
    p2 = up(p2 * b2, ONE);
    const at = (x: bigint): bigint => up(x, 1n << (96n - FINE));
    yield pr === undefined || G2 > far
      ? undefined
      : {
          a2: up(rest * rest * (1n << 56n) * at(G2), k.sigma * k.sigma),
          E: at(up(twiceE, 2n)),
          // ((1 - b1) 2^(52 - F/2) / sigma + 1) B/2 2^(F/2 - 12)
          b: up(rest * (1n << (20n + FINE)) * B, 2n * k.sigma * ONE) + up((1n << (frac - 12n + FINE)) * B, 2n * ONE),
        };
    pr = pr === undefined || rho === undefined || G2 > far ? undefined : up(pr * rho, ONE);
  }
}

/** Whether conditions (1) and (2) hold for K. */
function holds({ a2, E, b }: Terms, e: bigint, K: bigint): boolean {
  const one = 1n << FINE,
    first = K * (32n + e) * one - b;
  // (1): a sqrt(E) <= first, squared. a2 E has twice the fraction bits, as first^2 has.
  if (first < 0n || first * first < a2 * E) return false;
  const A = 4096n * K * K * one - a2,
    c = K * (e - 16n) * one - b,
    // Twice the fraction bits: H and J; A gets them too.
    A2 = A * one,
    H = 128n * K * c * one,
    J = c * c - a2 * E;
  if (A < 0n) return false;
  return (H + 2n * A2 >= 0n && A2 + H + J >= 0n) || (J >= 0n && H * H <= 4n * A2 * J);
}

/** The least K of the conditions for a step, at most 2^25. */
function quotientBound(t: Terms | undefined, e: bigint): bigint {
  if (!t || !holds(t, e, MOST_Q)) return MOST_Q;
  let low = 0n,
    high = MOST_Q;
  // `high` holds always, whether or not the conditions are monotone in K.
  while (high - low > 1n) {
    const mid = (low + high) >> 1n;
    if (holds(t, e, mid)) high = mid;
    else low = mid;
  }
  return high;
}

/** Refuses constants outside the program's formats, with which the argument says nothing. Throws RangeError. */
function checkConstants(k: BoundConstants): void {
  const within = (x: bigint, least: bigint, most: bigint): boolean => x >= least && x <= most;
  if (
    !within(k.beta1, 0n, (1n << 20n) - 1n) ||
    !within(k.kappa, 1n, 1n << 30n) ||
    !within(k.sigma, 1n, 1n << 22n) ||
    k.momentFrac % 2 ||
    k.momentFrac < 40 ||
    k.momentFrac > 62
  )
    throw new RangeError('constants of the optimiser are outside their formats');
}

/** Bounds on |q| of every step, for tests and documents. */
export function quotientBounds(k: BoundConstants, steps: readonly BoundStep[]): bigint[] {
  checkConstants(k);
  const all = sums(k);
  return steps.map((s) => quotientBound(all.next().value as Terms | undefined, s.epsT));
}

/**
 * Z: how far any value of an adapter that starts with zero moments, and with values of at most `start` in magnitude,
 * can be from where it started after these steps, in units of 2^-20. Decay multiplies the compute copy of the step
 * before, which is bounded on the way. Throws RangeError for scalars outside their formats.
 */
export function movementBound(k: BoundConstants, steps: readonly BoundStep[], start: bigint): bigint {
  const { denFrac } = momentFormats(k.momentFrac),
    half = 1n << 28n,
    moved = (master: bigint): bigint => (master + 512n) >> 10n;
  for (const s of steps)
    if (
      s.alpha < 0n ||
      s.alpha >> BigInt(ADAMW.alphaBits) ||
      s.decay < 0n ||
      s.decay >> BigInt(ADAMW.decayBits) ||
      s.epsT < 1n ||
      s.epsT >> BigInt(ADAMW.epsBits) ||
      s.epsT >> BigInt(denFrac)
    )
      throw new RangeError('scalars of the schedule are outside their formats');
  let S = 0n;
  quotientBounds(k, steps).forEach((Q, t) => {
    const far = start + moved(S),
      C = far < MOST_MAGNITUDE ? far : MOST_MAGNITUDE;
    // |round(x)| <= floor(|x| + 1/2) for x = (alpha q + decay C) / 2^28.
    S += (2n * (steps[t].alpha * Q + steps[t].decay * C) + half) >> 29n;
  });
  return moved(S);
}

/** Largest magnitude of an adapter. */
export const largest = (C: ArrayLike<number>): bigint => {
  let most = 0;
  for (let i = 0; i < C.length; i++) most = Math.max(most, Math.abs(C[i]));
  return BigInt(most);
};

/** Refuses an update with a value beyond the bound. Throws FederationError naming tensor, value and bound. */
export function checkMovement(d: Int32Array, bound: bigint, tensors: readonly Named[], party?: string): void {
  const Z = Number(bound);
  for (let i = 0; i < d.length; i++)
    if (Math.abs(d[i]) > Z)
      throw new FederationError(
        'movement bound',
        `${tensorAt(tensors, i)}, value ${i} moved by ${d[i]}, AdamW from zero moments moves none by more than ${Z}`,
        party,
      );
}
