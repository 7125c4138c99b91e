import { type Numbers, ATTN_FRAC, HEAD_FRAC, SCALING_FRAC } from '../model/shape.js';
import { CONSTANT_BUDGETS } from '../optim/constants.js';
import { ProgramError } from '../tensor/bounds.js';

/**
 * Worst error of each kind of operation against real arithmetic on the same operands, in units of the last place of its
 * result, and of each kind of constant, relative to itself: declared.
 */
export interface Budgets {
  /** Rounding to nearest: half a unit, reached at every tie. */
  readonly round: number;
  /** Floor of a quotient and of a square root: below one unit. */
  readonly division: number;
  readonly squareRoot: number;
  /** Entries of the tables: correctly rounded. */
  readonly exp: number;
  readonly silu: number;
  readonly siluDerivative: number;
  /** M against log-sum-exp, in units of the scores: logSumExpBudget. */
  readonly logSumExpAttention: number;
  readonly logSumExpHead: number;
  /** Real constants rounded once: relative errors (CONSTANT_BUDGETS), and that of the adapter's scaling. */
  readonly betas: number;
  readonly rate: number;
  readonly decay: number;
  readonly epsilon: number;
  readonly clip: number;
  readonly scaling: number;
}

/**
 * Bound on |M - LSE| in units 2^-F for n scores and weights of f fraction bits. With c = round(2^f e^h), h = 2^-(F+1),
 * and W the sum of the real weights exp(-(M - s_j)), every entry of the table being off by at most half a unit: 2^f W
 * <= c + n/2 and 2^f W e^(2h) >= c + 1 - n/2. Hence ln W <= h + v and ln W >= -h - v (1 + 2v) with v = (n + 1) 2^-(f+1)
 * <= 1/2, and LSE - M = ln W.
 */
export function logSumExpBudget(n: number, F: number, f: number): number {
  const v = (n + 1) / 2 ** (f + 1);
  if (v > 0.5) throw new ProgramError('log-sum-exp', `weights of ${f} fraction bits say nothing over ${n} scores`);
  return 0.5 + 2 ** F * v * (1 + 2 * v);
}

/** Budgets of a run: its formats, its sequence length and its vocabulary decide. */
export const budgetsOf = (n: Numbers, sequence: number, vocab: number): Budgets => ({
  round: 0.5,
  division: 1,
  squareRoot: 1,
  exp: 0.5,
  silu: 0.5,
  siluDerivative: 0.5,
  logSumExpAttention: logSumExpBudget(sequence, n.scoreFrac, ATTN_FRAC),
  logSumExpHead: logSumExpBudget(vocab, n.headFrac, HEAD_FRAC),
  ...CONSTANT_BUDGETS,
  scaling: 2 ** -SCALING_FRAC,
});
