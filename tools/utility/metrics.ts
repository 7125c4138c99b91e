/**
 * Metrics of the utility experiments. BLEU and ROUGE-L are checked against published values by selfCheck, which every
 * run calls first.
 */

/**
 * What sacreBLEU's "zh" tokenizer sets apart one by one: ideographs, their radicals, strokes and phonetic signs,
 * full-width forms, symbols; and all of 2001-2a6d, since it writes the fifth plane of ideographs as four digits and one
 * more character.
 */
const CHINESE =
  /([\u2001-\u2a6d\u2e80-\u2fdf\u2ff0-\u303f\u3100-\u312f\u31a0-\u31bf\u31c0-\u31ef\u3200-\u4db5\u4e00-\u9fbb\uf900-\ufa2d\ufa30-\ufa6a\ufa70-\ufad9\ufe10-\ufe1f\ufe30-\ufe4f\uff00-\uffef])/g;

/**
 * Tokens as sacreBLEU has them: "13a" (mteval-v13a: punctuation apart, except between digits; four entities read) or,
 * for Chinese, "zh" (Chinese characters stand alone, then punctuation as in 13a).
 */
export function words(text: string, tokenizer = '13a'): string[] {
  const plain =
    tokenizer === 'zh'
      ? text.trim().replace(CHINESE, ' $1 ')
      : ` ${text
          .trimEnd()
          .replaceAll('<skipped>', '')
          .replaceAll('-\n', '')
          .replaceAll('\n', ' ')
          .replaceAll('&quot;', '"')
          .replaceAll('&amp;', '&')
          .replaceAll('&lt;', '<')
          .replaceAll('&gt;', '>')} `;
  return plain
    .replace(/([{-~[-` -&(-+:-@/])/g, ' $1 ')
    .replace(/([^0-9])([.,])/g, '$1 $2 ')
    .replace(/([.,])([^0-9])/g, ' $1 $2')
    .replace(/([0-9])(-)/g, '$1 $2 ')
    .split(/\s+/)
    .filter(Boolean);
}

const grams = (w: readonly string[], n: number): Map<string, number> => {
  const m = new Map<string, number>();
  for (let i = 0; i + n <= w.length; i++) {
    const g = w.slice(i, i + n).join(' ');
    m.set(g, (m.get(g) ?? 0) + 1);
  }
  return m;
};

/** Counts of one hypothesis: matches and totals of 1- to 4-grams, its length, the closest reference length. */
export function bleuCounts(hypothesis: string, references: readonly string[], tokenizer = '13a'): number[] {
  const h = words(hypothesis, tokenizer),
    refs = references.map((r) => words(r, tokenizer)),
    c: number[] = [];
  for (let n = 1; n <= 4; n++) {
    const most = new Map<string, number>();
    for (const r of refs) for (const [g, k] of grams(r, n)) most.set(g, Math.max(k, most.get(g) ?? 0));
    let hit = 0,
      all = 0;
    for (const [g, k] of grams(h, n)) {
      all += k;
      hit += Math.min(k, most.get(g) ?? 0);
    }
    c.push(hit, all);
  }
  const len = refs.map((r) => r.length).sort((a, b) => Math.abs(a - h.length) - Math.abs(b - h.length) || a - b)[0];
  return [...c, h.length, len];
}

/** Corpus BLEU-4 in points, brevity penalty, no-match orders smoothed as 1 / 2^k (the "exp" rule of sacreBLEU). */
export function bleu(counts: readonly (readonly number[])[]): number {
  const sum = new Float64Array(10);
  for (const c of counts) for (let k = 0; k < 10; k++) sum[k] += c[k];
  let log = 0,
    smooth = 1;
  for (let n = 0; n < 4; n++) {
    const [hit, all] = [sum[2 * n], sum[2 * n + 1]];
    if (all === 0) return 0;
    if (hit === 0) smooth *= 2;
    log += Math.log(hit === 0 ? 1 / (smooth * all) : hit / all) / 4;
  }
  if (sum[0] === 0) return 0;
  const bp = sum[8] < sum[9] ? Math.exp(1 - sum[9] / sum[8]) : 1;
  return 100 * bp * Math.exp(log);
}

/**
 * ROUGE-L as rouge_score has it (sentence level, no stemming): F-measure of the longest common subsequence over
 * lower-case words of a-z and 0-9. rouge_score drops all other letters; here each is a word of its own, so that Chinese
 * and accents count. On ASCII both agree.
 */
export function rougeL(hypothesis: string, reference: string): number {
  const tok = (s: string): string[] => s.toLowerCase().match(/[a-z0-9]+|[\u00c0-\uffff]/g) ?? [],
    a = tok(hypothesis),
    b = tok(reference);
  const row = new Int32Array(b.length + 1);
  for (const x of a) {
    let left = 0;
    for (let j = 0; j < b.length; j++) {
      const up = row[j + 1];
      row[j + 1] = x === b[j] ? left + 1 : Math.max(up, row[j]);
      left = up;
    }
  }
  const l = row[b.length],
    p = l / a.length,
    r = l / b.length;
  return l ? (2 * p * r) / (p + r) : 0;
}

/** Expected calibration error over 15 equal bins, in points: sum of |accuracy - confidence| weighted by share. */
export function calibration(confidence: readonly number[], correct: readonly boolean[]): number {
  const n = new Float64Array(15),
    c = new Float64Array(15),
    a = new Float64Array(15);
  confidence.forEach((p, i) => {
    const b = Math.min(14, Math.floor(p * 15));
    n[b]++;
    c[b] += p;
    a[b] += correct[i] ? 1 : 0;
  });
  return (100 * n.reduce((s, _, b) => s + Math.abs(a[b] - c[b]), 0)) / confidence.length;
}

/** Small seeded generator (mulberry32), for bootstrap and shuffles. */
export function random(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** 95% interval of a statistic of items by resampling them. */
export function bootstrap<T>(items: readonly T[], statistic: (items: readonly T[]) => number, times = 1000, seed = 1): [number, number] {
  const next = random(seed),
    v: number[] = [];
  for (let t = 0; t < times; t++) v.push(statistic(items.map(() => items[Math.floor(next() * items.length)])));
  v.sort((x, y) => x - y);
  return [v[Math.floor(0.025 * times)], v[Math.ceil(0.975 * times) - 1]];
}

/**
 * Throws unless BLEU of sacreBLEU's README (48.530827 in its test_bleu.py) and ROUGE-L of rouge_score's
 * testRougeLNonConsecutive come out.
 */
export function selfCheck(): void {
  const refs = [
      ['The dog bit the man.', 'The dog had bit the man.'],
      ['It was not unexpected.', 'No one was surprised.'],
      ['The man bit him first.', 'The man had bitten the dog.'],
    ],
    sys = ['The dog bit the man.', "It wasn't surprising.", 'The man had just bitten him.'];
  const b = bleu(sys.map((h, i) => bleuCounts(h, refs[i])));
  if (Math.abs(b - 48.530827) > 1e-6) throw new Error(`BLEU of the published example is ${b}, not 48.530827`);
  const r = rougeL('testing two', 'testing one two');
  if (Math.abs(r - 0.8) > 1e-12) throw new Error(`ROUGE-L of the published example is ${r}, not 0.8`);
  const e = calibration([0.9, 0.9, 0.1, 0.1], [true, false, false, false]);
  if (Math.abs(e - 25) > 1e-9) throw new Error(`calibration error is ${e}, not 25`);
}
