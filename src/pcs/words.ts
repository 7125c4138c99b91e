import { type WhirShape, leafWords } from './params.js';

/** Words of a round of sumcheck: two elements. */
const ROUND = 6;

/** Words of the rows of one tree under a cap. */
const rows = (queries: number, domain: number, cap: number, words: number): number => 4 * 2 ** cap + queries * (words + 4 * (domain - cap));

/** Words of an opening, counted from its shape: those of the messages that verifyWhir reads. */
export function whirWords({ groups, rounds, cells, final }: WhirShape): number {
  let words = 0;
  for (const g of groups) {
    words += ROUND * g.logColumns + (g.tail ? 6 : 0);
    for (const t of g.trees) words += rows(g.queries, g.domain, g.cap, leafWords(g, t));
  }
  // Of every later oracle: its root and value, its rounds and rows.
  for (const r of rounds) words += 7 + ROUND * r.columns + rows(r.queries, r.domain, r.cap, 3 * r.used);
  const last = rounds.at(-1);
  return words + (rounds.length + 1) + 3 * (last ? 2 ** last.rows : cells) + ROUND * final;
}
