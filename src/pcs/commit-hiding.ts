/** Commitment to a group that hides: random tails behind its columns, and a random column of E in the same leaves. */
import { toSigned } from '../field/goldilocks.js';
import type { HashName } from '../hash/rows.js';
import type { MaskStream } from '../hash/mask-stream.js';
import type { Kernels } from '../kernels/runtime.js';
import { merkleHash } from '../transcript/sponge.js';
import { type Columns, type Oracle, commitColumns } from './commit.js';
import { type WhirGroup, usedColumns } from './params.js';

/**
 * Masks of a group, in the kernel's memory: of every used column its tail, 2^log signed words of which those beyond
 * `cells` are zero; and the mask column, canonical elements of E for 2^h cells and for a tail of 2^log.
 */
export interface GroupMasks {
  readonly tails: number;
  readonly mask: number;
}

/** Fresh masks. They are good for one opening. */
export function drawMasks(k: Kernels, g: WhirGroup, random: Pick<MaskStream, 'word' | 'ext'>): GroupMasks {
  const { tail, logHeight } = g;
  if (!tail) throw new Error('a group without tails has no masks');
  const used = usedColumns(g.trees[0]),
    T = 2 ** tail.log,
    tails = k.zeroed(8 * used * T),
    mask = k.zeroed(24 * (2 ** logHeight + T));
  for (let j = 0; j < used; j++) for (let i = 0; i < tail.cells; i++) k.i64[tails / 8 + j * T + i] = toSigned(random.word());
  for (let i = 0; i < 2 ** logHeight + tail.cells; i++) k.writeExt(mask + 24 * i, random.ext());
  return { tails, mask };
}

/**
 * Commits the columns of a group that hides: `from` as of commitBase. Its leaves hold a word of every column, encoded
 * with its tail, and three of the mask column.
 */
export function commitHiding(
  k: Kernels,
  from: number | NonNullable<Columns['fill']>,
  g: WhirGroup,
  masks: GroupMasks,
  hash: HashName,
  keep = 0,
): Oracle {
  if (!g.tail) throw new Error('a group without tails hides nothing');
  const used = usedColumns(g.trees[0]),
    H = 2 ** g.logHeight,
    T = 2 ** g.tail.log,
    height = H + T;
  const column = (dst: number, j: number): void => {
    if (typeof from === 'number') k.u8.copyWithin(dst, from + 8 * j * H, from + 8 * (j + 1) * H);
    else from(dst, j, 1);
    k.u8.copyWithin(dst + 8 * H, masks.tails + 8 * j * T, masks.tails + 8 * (j + 1) * T);
  };
  const coordinate = (dst: number, c: number): void => {
    const { u64, i64 } = k;
    for (let i = 0; i < height; i++) i64[dst / 8 + i] = toSigned(u64[masks.mask / 8 + 3 * i + c]);
  };
  const fill: Columns['fill'] = (dst, first, n) => {
    for (let c = 0; c < n; c++) {
      const at = dst + 8 * c * height;
      if (first + c < used) column(at, first + c);
      else coordinate(at, first + c - used);
    }
  };
  const columns: Columns = { ptr: 0, fill, used: used + 3, logHeight: g.logHeight, height, logDomain: g.domain, ext: false };
  return commitColumns(k, columns, keep, merkleHash(hash));
}
