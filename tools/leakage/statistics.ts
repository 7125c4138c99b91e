/*
 * Area under the receiver operating characteristic with an interval: DeLong, DeLong and Clarke-Pearson, "Comparing the
 * areas under two or more correlated receiver operating characteristic curves", Biometrics 44 (1988). Where classes are
 * separated the estimated variance is zero and says nothing: then the exact binomial interval of Clopper and Pearson
 * for as many right guesses of as many stands for it.
 */

export interface Auroc {
  readonly auroc: number;
  readonly low: number;
  readonly high: number;
}

/** Confidence of all intervals, and the quantile of the normal distribution that belongs to it. */
export const CONFIDENCE = 0.999;
const QUANTILE = 3.2905;

/** log of n! */
const logFactorial = (n: number): number => Array.from({ length: n }, (_, i) => Math.log(i + 1)).reduce((a, b) => a + b, 0);
/** P(X >= k) for X binomial(n, p). */
export function binomialTail(n: number, k: number, p: number): number {
  if (k <= 0) return 1;
  if (p <= 0) return 0;
  if (p >= 1) return 1;
  let term = Math.exp(logFactorial(n) - logFactorial(k) - logFactorial(n - k) + k * Math.log(p) + (n - k) * Math.log1p(-p)),
    sum = term;
  for (let i = k; i < n; i++) {
    term *= ((n - i) / (i + 1)) * (p / (1 - p));
    sum += term;
  }
  return Math.min(1, sum);
}
/** Where an increasing function reaches a value in [0, 1]. */
function solve(f: (p: number) => number, value: number): number {
  let lo = 0,
    hi = 1;
  for (let i = 0; i < 60; i++) {
    const mid = (lo + hi) / 2;
    if (f(mid) < value) lo = mid;
    else hi = mid;
  }
  return (lo + hi) / 2;
}
/** Exact interval for a proportion: k of n. */
export function clopperPearson(n: number, k: number, confidence = CONFIDENCE): [low: number, high: number] {
  const a = (1 - confidence) / 2;
  return [k === 0 ? 0 : solve((p) => binomialTail(n, k, p), a), k === n ? 1 : solve((p) => binomialTail(n, k + 1, p), 1 - a)];
}

const mean = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0) / x.length;
const variance = (x: readonly number[]): number => {
  const m = mean(x);
  return x.length < 2 ? 0 : x.reduce((s, v) => s + (v - m) ** 2, 0) / (x.length - 1);
};

/** Area under the curve of scores of two classes: how often one of the second scores higher than one of the first. */
export function auroc(first: readonly number[], second: readonly number[]): Auroc {
  const wins = (x: number, list: readonly number[]): number => mean(list.map((y) => (y < x ? 1 : y === x ? 0.5 : 0))),
    v10 = second.map((x) => wins(x, first)),
    v01 = first.map((y) => 1 - wins(y, second)),
    area = mean(v10),
    spread = QUANTILE * Math.sqrt(variance(v10) / v10.length + variance(v01) / v01.length);
  if (spread === 0 && (area === 0 || area === 1)) {
    const n = first.length + second.length,
      [low, high] = clopperPearson(n, area === 1 ? n : 0);
    return { auroc: area, low, high };
  }
  return { auroc: area, low: Math.max(0, area - spread), high: Math.min(1, area + spread) };
}
