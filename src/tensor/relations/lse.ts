/**
 * Log-sum-exp: M is log sum_j exp(s_j) at the fraction F of the scores, rounded to the nearest unit. With it come the
 * softmax weights e1_j = T[M - s_j], where T[k] = round(2^f exp(-k 2^-F)) is a public table, and e2_j = T[M - 1 - s_j].
 *
 * Lowering: M lies in its format; (M - s, e1, e2) are rows of the table ("WEIGHTS.exp"); 0 <= c - sum e1 ("M.lower")
 * and 0 <= sum e2 - c - 1 ("M.upper") of f bits, with c = round(2^f exp(2^-(F+1))).
 *
 * Unique: M is the least integer with sum e1 <= c. T decreases and T(-1) > c, so that sum e1 <= c < sum e2 has exactly
 * one solution M with all differences in the table. c above 2^f makes M the nearest integer: the weights e1 sum to 2^f
 * within a factor exp(2^-(F+1)) either way, where c = 2^f would leave them too small by half a unit on average.
 *
 * Cells that a causal mask excludes look up the last row, where both columns are zero. Their scores are bounded by
 * nothing and enter nothing.
 *
 * Witness: the step finds M by bisection on the table; e1 and e2 are a Table relation. Attack: "log-sum-exp one unit
 * off, with the weights that belong to it".
 */
import { expFixed } from '../../field/fixedpoint.js';
import { ProgramError } from '../bounds.js';
import { expr, operand, term, text } from '../expr.js';
import type { Format } from '../fixed.js';
import type { Lowering } from './lowering.js';
import { lookup } from './table.js';

export interface LogSumExp {
  readonly format: Format;
  /** Tensor of the scores, over the axes of M and `over`. */
  readonly scores: string;
  readonly over: string;
  /** Prefix of the weights: e1 is `${weights}1`, e2 `${weights}2`, with the suffix behind. */
  readonly weights: string;
  readonly suffix?: string;
  /** The table of the exponential, `exp:F:f`. */
  readonly table: string;
  /** Axes of query and key whose scores a causal mask of this name admits. */
  readonly causal?: { readonly mask: string; readonly axes: readonly [string, string] };
  /** M as an operand of a tensor declared elsewhere, whose format is proved there. */
  readonly out?: string;
}

export function logSumExp(b: Lowering, name: string, axes: readonly string[], r: LogSumExp): void {
  const box = b.spec(r.scores).axes,
    { columns, size } = b.tableSpec(r.table),
    f = b.spec(columns[0]).frac,
    most = lseTarget(f, r.format.frac),
    first = r.causal && b.spec(r.causal.mask).first,
    weights = ['1', '2'].map((k) => `${r.weights}${k}${r.suffix ?? ''}`),
    [m, s, e1, e2] = [r.out ?? text(name, axes), text(r.scores, box), text(weights[0], box), text(weights[1], box)];
  if (r.out === undefined) b.witness(name, axes, r.format);
  b.step(name, axes, {
    op: 'lse',
    out: operand(m),
    scores: operand(s),
    over: [r.over],
    ...(r.causal ? { causal: r.causal.axes, ...(first ? { first } : {}) } : {}),
    table: r.table,
    target: most,
  });
  if (r.out === undefined) b.inFormat(name, r.format);
  weights.forEach((w, k) => b.like(w, box, columns[k]));
  const last = BigInt(size) - 1n,
    mask = r.causal && text(r.causal.mask, r.causal.axes),
    key = mask ? expr([term(1, mask, m), term(-1, mask, s), term(-last, mask)], last) : expr([term(1, m), term(-1, s)]);
  lookup(b, `${r.weights}.exp${r.suffix ?? ''}`, box, r.table, key, [e1, e2]);
  b.range(`${name}.lower`, axes, expr([term(-1, e1)], most), f);
  b.range(`${name}.upper`, axes, expr([term(1, e2)], -most - 1n), f);
}

/** round(2^f exp(2^-(F+1))), below T(-1) = round(2^f exp(2^-F)) when F < f. */
export function lseTarget(f: number, F: number): bigint {
  if (F >= f) throw new ProgramError('lse', `scores of ${F} fraction bits need weights of more than ${f}`);
  const bits = 96;
  return (expFixed(1n << BigInt(bits - F - 1), bits) + (1n << BigInt(bits - f - 1))) >> BigInt(bits - f);
}
