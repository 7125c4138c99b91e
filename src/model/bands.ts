/**
 * Causal attention in bands. A query sees the keys up to its own, so that of a square of scores nearly half is masked.
 * Queries are cut into bands of equal height; a band has its own tensors, over the keys up to its last query alone.
 * What lies behind is no cell of any tensor: it would be zero in every sum (docs/soundness.md, section 2).
 */
import { log2Ceil } from '../field/log2.js';
import type { ProgramBuilder } from '../tensor/builder.js';
import { type LlamaProgramOptions, TOK } from './shape.js';

/** One band: queries [first, first + height), which see keys [0, first + height). */
export interface Band {
  /** Appended to the names of its tensors and relations. */
  readonly suffix: string;
  readonly first: number;
  /** Axes of its queries, of the keys that they see, and of those keys that no earlier band sees: [first, ...). */
  readonly queries: string;
  readonly keys: string;
  readonly own: string;
  /** Name of its causal mask. */
  readonly mask: string;
}

/** Scores of a program from which on four bands save more cells than their constraints cost the verifier. */
const BANDED_SCORES = 2 ** 18;

/** log2 of bands of a sequence whose length is a power of two. */
const LOG_BANDS = 2;

/** Height of the bands: the least power of two of which four hold the sequence, or the whole sequence. */
export function bandHeight(o: Pick<LlamaProgramOptions, 'shape' | 'batch' | 'sequence' | 'bands'>): number {
  const { layers, kvHeads, groups } = o.shape,
    banded = o.bands ?? layers * kvHeads * groups * o.batch * o.sequence ** 2 >= BANDED_SCORES,
    log = log2Ceil(o.sequence);
  return banded && log >= LOG_BANDS ? 2 ** (log - LOG_BANDS) : o.sequence;
}

/** Index of a cell of the whole axis, as an access. */
export const at = (axis: string, first: number): string => (first ? `${axis}+${first}` : axis);

/** Bands of a sequence; one band is the whole of it, under the axes i and j. */
export function bandsOf(o: Parameters<typeof bandHeight>[0]): readonly Band[] {
  const height = bandHeight(o),
    count = Math.ceil(o.sequence / height);
  if (count === 1) return [{ suffix: '', first: 0, queries: 'i', keys: 'j', own: 'j', mask: 'causal' }];
  return Array.from({ length: count }, (_, k): Band => {
    const first = k * height,
      whole = first + height <= o.sequence,
      own = whole ? 'jb' : 'jz';
    return {
      suffix: `.${k}`,
      first,
      queries: whole ? 'ib' : 'iz',
      keys: k === 0 ? own : k === count - 1 ? 'j' : `j${k}`,
      own,
      mask: `causal.${k}`,
    };
  });
}

/** Declares the axes of the bands, beside i and j. */
export function bandAxes(b: ProgramBuilder, o: LlamaProgramOptions): void {
  const height = bandHeight(o);
  for (const { first, queries, keys, own } of bandsOf(o)) {
    const rows = Math.min(height, o.sequence - first);
    b.axis(queries, rows);
    b.axis(own, rows);
    b.axis(keys, first + rows);
  }
}

/** Token axes of a band's rows, and the text of a token operand there. */
export const bandRows = (x: Band): string[] => [...TOK.slice(0, -1), x.queries];
export const bandCell = (name: string, axes: readonly string[], x: Band): string =>
  `${name}[${[...axes, ...TOK.slice(0, -1), at(x.queries, x.first)].join(',')}]`;
