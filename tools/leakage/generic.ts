import type { Key, Sample } from './artifact.js';
import { Random } from './random.js';
import { type Auroc, auroc } from './statistics.js';

/*
 * The generic distinguisher: it knows nothing of witnesses. Ridge-regularised logistic regression on numbers that show
 * any word which is not uniform: residues modulo small primes and bytes of the words at every position, equal words,
 * small words and differences, bytes over all, length, time. Scores are out of fold: no sample is judged by a model
 * that has seen it.
 */

const PRIMES = [2, 3, 5, 7],
  /** Positions whose words are looked at one by one. */ POSITIONS = 6000,
  FOLDS = 5,
  /** Features that a model takes: those of the largest t in its training set. */ TAKEN = 24,
  RIDGE = 1;

/** Numbers that describe a list of words and a time. */
function featuresOf(words: readonly bigint[], seconds: number): Float64Array {
  const out: number[] = [],
    bytes = new Float64Array(16),
    seen = new Map<bigint, number>();
  let small = 0,
    zero = 0;
  for (const w of words) {
    seen.set(w, (seen.get(w) ?? 0) + 1);
    if (w < 2n ** 32n) small++;
    if (w === 0n) zero++;
    for (let s = 0n; s < 64n; s += 8n) bytes[Number((w >> s) & 0xffn) >> 4]++;
  }
  out.push(words.length, seconds, small, zero, words.length - seen.size, ...bytes);
  for (let i = 0; i < Math.min(words.length, POSITIONS); i++) {
    const w = words[i];
    for (const p of PRIMES) out.push(Number(w % BigInt(p)));
    out.push(Number(w & 0xffn), Number((w >> 8n) & 0xffn), Number(w >> 56n), w < 2n ** 32n ? 1 : 0, Number(w) / 2 ** 64);
    // One mask for two words leaves a difference that is no uniform word.
    const d = BigInt.asUintN(64, w - words[Math.max(0, i - 1)]);
    out.push(d < 2n ** 32n ? Number(d) + 1 : 0);
  }
  return Float64Array.from(out);
}

/** Solves A x = b for a symmetric positive matrix (Cholesky), in place. */
function solve(a: number[][], b: number[]): number[] {
  const n = b.length;
  for (let j = 0; j < n; j++) {
    for (let k = 0; k < j; k++) for (let i = j; i < n; i++) a[i][j] -= a[i][k] * a[j][k];
    const d = Math.sqrt(Math.max(a[j][j], 1e-12));
    for (let i = j; i < n; i++) a[i][j] /= d;
  }
  const y = [...b];
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) y[i] -= a[i][k] * y[k];
    y[i] /= a[i][i];
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) y[i] -= a[k][i] * y[k];
    y[i] /= a[i][i];
  }
  return y;
}

/** Weights of a logistic regression by Newton steps; the first is the intercept's. */
function regression(rows: readonly (readonly number[])[], labels: readonly Key[]): number[] {
  const d = rows[0].length + 1;
  let w = Array<number>(d).fill(0);
  for (let step = 0; step < 12; step++) {
    const H = Array.from({ length: d }, (_, i) => Array.from({ length: d }, (_, j) => (i === j ? (i > 0 ? RIDGE : 1e-9) : 0))),
      g = w.map((x, i) => (i ? -RIDGE * x : 0));
    rows.forEach((r, s) => {
      const x = [1, ...r],
        p = 1 / (1 + Math.exp(-x.reduce((sum, v, i) => sum + v * w[i], 0)));
      for (let i = 0; i < d; i++) {
        g[i] += x[i] * (labels[s] - p);
        for (let j = 0; j <= i; j++) H[i][j] += p * (1 - p) * x[i] * x[j];
      }
    });
    const move = solve(H, g);
    w = w.map((x, i) => x + move[i]);
    if (Math.max(...move.map(Math.abs)) < 1e-6) break;
  }
  return w;
}

/** Mean and scale of a feature over some samples, and Welch's t of the two classes. */
function summary(
  x: readonly Float64Array[],
  labels: readonly Key[],
  train: readonly number[],
  f: number,
): [mean: number, scale: number, t: number] {
  const sums = [0, 0],
    squares = [0, 0],
    n = [0, 0];
  for (const s of train) {
    const v = x[s][f],
      l = labels[s];
    n[l]++;
    sums[l] += v;
    squares[l] += v * v;
  }
  const m = [0, 1].map((l) => sums[l] / Math.max(1, n[l])),
    v = [0, 1].map((l) => Math.max(0, squares[l] / Math.max(1, n[l]) - m[l] ** 2)),
    all = (sums[0] + sums[1]) / train.length,
    scale = Math.sqrt(Math.max(0, (squares[0] + squares[1]) / train.length - all ** 2)),
    error = Math.sqrt(v[0] / Math.max(1, n[0]) + v[1] / Math.max(1, n[1]));
  if (scale < 1e-12) return [all, 1, 0];
  return [all, scale, error === 0 ? Number.POSITIVE_INFINITY : Math.abs(m[1] - m[0]) / error];
}

/** Scores of samples by models that have not seen them. */
function outOfFold(x: readonly Float64Array[], labels: readonly Key[]): number[] {
  const order = new Random(7).shuffled(labels.map((_, i) => i)),
    // Folds hold as many of either class as can be.
    fold = new Map<number, number>(),
    count = [0, 0];
  for (const i of order) fold.set(i, count[labels[i]]++ % FOLDS);
  const scores = Array<number>(labels.length).fill(0),
    width = Math.min(...x.map((r) => r.length));
  for (let f = 0; f < FOLDS; f++) {
    const train = order.filter((i) => fold.get(i) !== f),
      facts = Array.from({ length: width }, (_, c) => summary(x, labels, train, c)),
      taken = facts
        .map(([, , t], c) => [t, c] as const)
        .sort((a, b) => (a[0] === b[0] ? a[1] - b[1] : b[0] - a[0]))
        .slice(0, TAKEN)
        .filter(([t]) => t > 0)
        .map(([, c]) => c),
      row = (i: number): number[] => taken.map((c) => (x[i][c] - facts[c][0]) / facts[c][1]);
    if (!taken.length || !train.length) continue;
    const w = regression(
      train.map(row),
      train.map((i) => labels[i]),
    );
    for (const i of order) if (fold.get(i) === f) scores[i] = row(i).reduce((s, v, c) => s + v * w[c + 1], w[0]);
  }
  return scores;
}

/** How well the key is told from words, and with `timed` from times. */
export function generic(
  samples: readonly { readonly key: Key; readonly sample: Sample }[],
  words: (s: Sample) => readonly bigint[],
  timed: boolean,
): Auroc {
  const labels = samples.map((s) => s.key),
    scores = outOfFold(
      samples.map(({ sample }) => featuresOf(words(sample), timed ? (sample.seconds ?? 0) : 0)),
      labels,
    ),
    of = (l: Key): number[] => scores.filter((_, i) => labels[i] === l);
  return auroc(of(0), of(1));
}
