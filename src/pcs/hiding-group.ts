/** Shape of a group that hides: its tails, and its queries. */
import { type GroupSpec, type Queries, type Tail, type WhirParams, leastMultiplicity, usedColumns } from './params.js';

/**
 * Queries as `queriesFor` at a rate of (2^a + 1) 2^-(a + r), a = `above`: in fourths of a bit, (2^a + 1)^2q (1 + 1/(2
 * m))^4q 2^need <= 2^(2 (a + r) q).
 */
function queriesAbove(bits: number, r: number, grinding: number, above: number): Queries {
  if (above < 0 || (above === 0 && r <= 1)) throw new RangeError('a tail longer than its column');
  const need = BigInt(4 * (bits - grinding) + 1),
    code = (q: number): bigint => ((2n ** BigInt(above) + 1n) ** BigInt(2 * q)) << need,
    whole = (q: number): bigint => 1n << BigInt(2 * (above + r) * q);
  let queries = Math.max(1, Math.floor(Number(need) / (2 * r)));
  while (code(queries) >= whole(queries)) queries++;
  const enough = (m: number): boolean =>
    code(queries) * BigInt(2 * m + 1) ** BigInt(4 * queries) <= whole(queries) * BigInt(2 * m) ** BigInt(4 * queries);
  return { queries, multiplicity: leastMultiplicity(enough) };
}

/** log2 of the fewest columns for which maskedRows is known to suffice: by the test of random instances. */
export const LEAST_COLUMNS = 3;

/**
 * Cells of a tail that have a weight in the column sumcheck of 2^c columns, of which u are used: their u m words must
 * reach the 2 c + 1 elements that it sends. Two rows more than the words need (docs/soundness.md, section 9).
 */
export const maskedRows = (columns: number, used: number): number => Math.ceil((3 * (2 * columns + 1)) / used) + 2;

/**
 * The group, hiding: as many random cells in a column as it has rows opened, one more, and those with a weight. Queries
 * depend on the rate, hence on the tail's length, which is rounded up to a power of two. Throws RangeError for a group
 * of several trees or of columns too short for that.
 */
export function hidingGroup(p: Pick<WhirParams, 'bits' | 'grinding'>, g: GroupSpec): GroupSpec {
  if (g.trees.length !== 1 || g.trees[0].parts.length !== 1) throw new RangeError('a group that hides has one tree');
  // Weights of one or two columns are too much alike: the first column's are all one.
  if (g.logColumns < LEAST_COLUMNS) throw new RangeError(`a group of fewer than 2^${LEAST_COLUMNS} columns does not hide`);
  const masked = maskedRows(g.logColumns, usedColumns(g.trees[0]));
  for (let log = 0; log <= g.logHeight; log++) {
    const counted = queriesAbove(p.bits, g.logInvRate, p.grinding, g.logHeight - log),
      cells = counted.queries + 1 + masked,
      hides: Tail = { cells, masked, log, counted };
    if (cells <= 2 ** log) return { ...g, hides };
  }
  throw new RangeError(`columns of 2^${g.logHeight} cells are too short for a tail that hides their openings`);
}
