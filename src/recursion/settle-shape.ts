import type { Provenance } from '../pcs/trusted.js';
import { type WhirParams, type WhirShape, usedColumns } from '../pcs/params.js';
import { whirShape } from '../pcs/rounds.js';

/**
 * log2 of the inverse rate of the commitment to a stack of so many variables. It is made once and opened in a circuit,
 * so that few queries are worth a long codeword, but of no more than 2^23 words where the rate allows it: 1/16 up to
 * 2^19 words of the stack, 1/8 for 2^20, 1/4 beyond.
 */
export const settleRate = (vars: number): number => Math.max(2, Math.min(4, 23 - vars));

/**
 * log2 of the columns of such a commitment: 32, but up to 256 where columns would have more than 2^21 rows. The tree
 * over a domain of more than 2^23 points, and what hashing it takes, would outgrow a memory of 4 GiB.
 */
const settleColumns = (vars: number): number => Math.min(Math.max(0, vars - 5), Math.max(5, Math.min(8, vars - 21)));

/**
 * How a stack of `cells` words of `vars` variables is committed: word i in column floor(i / 2^h) of 2^h rows.
 * `trusted`: whose word its root is.
 */
export function settleShape(
  vars: number,
  cells: number,
  p: Pick<WhirParams, 'bits' | 'grinding'>,
  trusted: Provenance,
  rate = settleRate(vars),
): WhirShape {
  const columns = settleColumns(vars),
    height = vars - columns;
  return whirShape({ bits: p.bits, grinding: p.grinding }, [
    {
      logColumns: columns,
      logHeight: height,
      logInvRate: rate,
      trees: [{ parts: [{ used: Math.max(1, Math.ceil(cells / 2 ** height)), offset: 0 }] }],
      trusted,
    },
  ]);
}

/** Columns, log2 of columns, rows and inverse rate, and cells of the one matrix of such a commitment. */
export function settleMatrix(s: WhirShape): { used: number; logColumns: number; logHeight: number; logInvRate: number; cells: number } {
  const [{ logColumns, logHeight, logInvRate, trees }] = s.groups,
    used = usedColumns(trees[0]);
  return { used, logColumns, logHeight, logInvRate, cells: used * 2 ** logHeight };
}
