import { type HashName, type MerkleHash, poseidon2Rows } from '../hash/rows.js';
import type { Kernels } from '../kernels/runtime.js';
import { nttTwiddles } from '../kernels/ntt.js';
import { merkleHash } from '../transcript/sponge.js';
import type { WhirShape } from './params.js';

/** Columns to encode: base columns of signed words, or an E vector read as columns of three words. */
export interface Columns {
  readonly ptr: number;
  /** Writes columns [from, from + n) to dst: for columns that are not in memory. */
  readonly fill?: (dst: number, from: number, n: number) => void;
  readonly used: number;
  readonly logHeight: number;
  /** Cells of a column where they are not 2^logHeight: with a tail. */ readonly height?: number;
  readonly logDomain: number;
  readonly ext: boolean;
}

/** A committed oracle: Merkle levels from leaves to root (addresses of 32-byte digests). */
export interface Oracle {
  readonly columns: Columns;
  readonly root: bigint[];
  readonly levels: readonly number[] /** The encoded words, column-major, if they were kept. */;
  readonly codeword?: number;
}

/**
 * Encodes and hashes eight words of every row at a time into running sponge states; then builds the tree. Row j belongs
 * to the domain point g^rev(j). The codeword is kept only if `keep` bytes allow it: otherwise it is never held whole,
 * and encoded again for the openings.
 */
export function commitColumns(k: Kernels, c: Columns, keep = 0, hash: MerkleHash = poseidon2Rows): Oracle {
  const m = 2 ** c.logDomain,
    words = c.used * (c.ext ? 3 : 1),
    codeword = 8 * m * words <= keep ? k.alloc(8 * m * words) : undefined;
  const levels: number[] = [];
  for (let d = c.logDomain; d >= 0; d--) levels.push(k.alloc(32 * 2 ** d));
  k.scope(() => {
    const tw = nttTwiddles(k, c.logDomain),
      rows = hash.rows(k, m, words),
      buffer = codeword === undefined ? k.alloc(8 * m * Math.min(8, words)) : 0;
    for (let w = 0; w < words; w += 8) {
      const n = Math.min(8, words - w),
        chunk = codeword === undefined ? buffer : codeword + 8 * m * w;
      encodeWords(k, c, tw, chunk, w, n);
      rows.absorb(chunk, n, 8 * m);
    }
    rows.finish(levels[0]);
  });
  for (let d = 1; d < levels.length; d++) hash.merkleLevel(k, levels[d], levels[d - 1], m / 2 ** d);
  const top = levels[levels.length - 1] / 8;
  return { columns: c, root: [...k.u64.subarray(top, top + 4)], levels, ...(codeword === undefined ? {} : { codeword }) };
}

/**
 * Commits `used` base columns (signed words, column k at ptr + k 2^logHeight 8, or written by `fill`) at the rate and
 * with the hash of `params`; keeps the codeword if it fits `keep` bytes. `tree`: that of the same columns, made before
 * (saveTree).
 */
export function commitBase(
  k: Kernels,
  from: number | NonNullable<Columns['fill']>,
  used: number,
  logHeight: number,
  params: { readonly logInvRate: number; readonly hash?: HashName | undefined },
  keep = 0,
  tree?: Uint8Array,
): Oracle {
  const source = typeof from === 'number' ? { ptr: from } : { ptr: 0, fill: from },
    columns: Columns = { ...source, used, logHeight, logDomain: logHeight + params.logInvRate, ext: false };
  return tree ? restoreTree(k, columns, tree) : commitColumns(k, columns, keep, merkleHash(params.hash ?? 'poseidon2'));
}

/** Near bytes of commitColumns: those that stay (levels, the codeword if `keep` allows it) and those of the work. */
export function commitBytes(
  c: { readonly words: number; readonly logDomain: number; readonly logHeight: number; readonly tiled: boolean },
  keep: number,
): { kept: number; work: number; codeword: boolean } {
  const m = 2 ** c.logDomain,
    codeword = 8 * m * c.words <= keep,
    group = Math.min(8, c.words);
  return {
    kept: 64 * m + (codeword ? 8 * m * c.words : 0),
    work: 104 * m + (codeword ? 0 : 8 * m * group) + (c.tiled ? 8 * 2 ** c.logHeight * group : 0),
    codeword,
  };
}

/**
 * Near bytes of openWhir that no tiling avoids: the folded vectors of every group, those joined, the second oracle with
 * its vector.
 */
export function openBytes(s: WhirShape): number {
  const [next] = s.rounds,
    folded = s.groups.reduce((n, g) => n + 48 * 2 ** g.logHeight, 0) + (s.groups.length > 1 ? 48 * s.cells : 0);
  if (!next) return folded;
  const c = commitBytes({ words: 3 * next.used, logDomain: next.domain, logHeight: next.rows, tiled: false }, SECOND_CODEWORD);
  return folded + 24 * next.used * 2 ** next.rows + c.kept + c.work;
}

/** Most bytes of a later oracle's codeword that are kept. */
export const SECOND_CODEWORD = 2 ** 27;

/** Encodes words [from, from + n) of every leaf to dst, column-major. */
function encodeWords(k: Kernels, c: Columns, tw: number, dst: number, from: number, n: number): void {
  const height = c.height ?? 2 ** c.logHeight;
  k.scope(() => {
    let src = c.ptr,
      first = from;
    if (c.fill) {
      src = k.alloc(8 * height * n);
      first = 0;
      c.fill(src, from, n);
    }
    k.parallel('nttWords', n, 1, (lo, hi) => [dst, src, first, c.ext ? 3 : 1, height, c.ext ? 0 : 1, c.logHeight, c.logDomain, tw, lo, hi]);
  });
}

/** The 2^levels nodes that lie `levels` below the root. */
export function capOf(k: Kernels, o: Oracle, levels: number): bigint[] {
  const at = o.levels[o.levels.length - 1 - levels] / 8;
  return [...k.u64.subarray(at, at + 4 * 2 ** levels)];
}

/** Leaf words and path (up to the cap) of each position. */
export function openRows(k: Kernels, o: Oracle, positions: readonly number[], cap: number): bigint[][] {
  const c = o.columns,
    rows = leafWords(k, o, positions),
    u = k.u64;
  positions.forEach((p, q) => {
    for (let d = 0; d < c.logDomain - cap; d++) {
      const at = o.levels[d] / 8 + 4 * ((p >> d) ^ 1);
      for (let i = 0; i < 4; i++) rows[q].push(u[at + i]);
    }
  });
  return rows;
}

/** Rows of the codeword; if that was not kept it is encoded again, eight words at a time. */
function leafWords(k: Kernels, o: Oracle, positions: readonly number[]): bigint[][] {
  const c = o.columns,
    m = 2 ** c.logDomain,
    words = c.used * (c.ext ? 3 : 1),
    rows: bigint[][] = positions.map(() => []);
  const take = (chunk: number, n: number): void => {
    const u = k.u64;
    positions.forEach((p, q) => {
      for (let i = 0; i < n; i++) rows[q].push(u[chunk / 8 + i * m + p]);
    });
  };
  if (o.codeword !== undefined) take(o.codeword, words);
  else
    k.scope(() => {
      const tw = nttTwiddles(k, c.logDomain),
        chunk = k.alloc(8 * m * Math.min(8, words));
      for (let w = 0; w < words; w += 8) {
        const n = Math.min(8, words - w);
        encodeWords(k, c, tw, chunk, w, n);
        take(chunk, n);
      }
    });
  return rows;
}

/** The levels of an oracle's tree, outside the kernel's memory. */
export function saveTree(k: Kernels, o: Oracle): Uint8Array {
  const sizes = o.levels.map((_, d) => (32 * 2 ** o.columns.logDomain) / 2 ** d),
    out = new Uint8Array(sizes.reduce((a, b) => a + b, 0));
  let at = 0;
  o.levels.forEach((p, d) => {
    out.set(k.u8.subarray(p, p + sizes[d]), at);
    at += sizes[d];
  });
  return out;
}

/** An oracle whose tree has been made before, for the same columns. */
export function restoreTree(k: Kernels, columns: Columns, saved: Uint8Array): Oracle {
  const levels: number[] = [];
  let at = 0;
  for (let size = 32 * 2 ** columns.logDomain; size >= 32; size /= 2) {
    const p = k.alloc(size);
    k.u8.set(saved.subarray(at, at + size), p);
    levels.push(p);
    at += size;
  }
  if (at !== saved.length) throw new RangeError(`a tree of ${saved.length} bytes, the columns have one of ${at}`);
  const top = levels[levels.length - 1] / 8;
  return { columns, root: [...k.u64.subarray(top, top + 4)], levels };
}
