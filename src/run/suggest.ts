/** Restricted edit distance (insertions, deletions, substitutions, swaps of neighbours). */
function distance(a: string, b: string): number {
  let before: number[] = [],
    last = Array.from({ length: b.length + 1 }, (_, k) => k);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      row[j] = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) row[j] = Math.min(row[j], before[j - 2] + 1);
    }
    before = last;
    last = row;
  }
  return last[b.length];
}

/**
 * The nearest of some names, letters' case, hyphens and underscores aside, if it is near at all: at most a third of its
 * letters away.
 */
export function closest(text: string, names: readonly string[]): string | undefined {
  const plain = (x: string): string => x.toLowerCase().replace(/[-_ ]/g, ''),
    t = plain(text.slice(0, 80));
  let best: string | undefined,
    least = Number.POSITIVE_INFINITY;
  for (const n of names) {
    const d = distance(t, plain(n));
    if (d < least && d <= Math.max(1, Math.floor(plain(n).length / 3))) {
      least = d;
      best = n;
    }
  }
  return best;
}
