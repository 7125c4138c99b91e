import { InputError } from '../../errors.js';
import { tableDepth } from '../table.js';

/** Depths that a circuit's tree of rows may have. */
export const DEPTHS = [8, 12, 16, 20, 24, 28] as const;

/** Least depth that holds so many rows. Throws InputError where none does. */
export function rowsDepth(rows: number): number {
  const d = tableDepth(DEPTHS, rows);
  if (d === undefined) throw new InputError('dataset', [`${rows} rows: at most ${2 ** DEPTHS[DEPTHS.length - 1]} can be committed`]);
  return d;
}
