import { deviceOf } from '../device/current.js';
import type { Calls, Device, Picked, Vec } from '../device/device.js';
import { type HashName, type MerkleHash, poseidon2Rows } from '../hash/rows.js';
import { DOMAIN } from '../hash/poseidon2.js';
import type { Kernels } from '../kernels/runtime.js';
import { merkleHash } from '../transcript/sponge.js';
import type { WhirShape } from './params.js';

/** Columns to encode: base columns of signed words, or an E vector read as columns of three words. */
export interface Columns {
  readonly ptr: number;
  /** On the device that commits them, in place of an address. */ readonly vec?: Vec;
  /** Writes columns [from, from + n) to dst: for columns that are not in memory. */
  readonly fill?: (dst: number, from: number, n: number) => void;
  readonly used: number;
  readonly logHeight: number;
  /** Cells of a column where they are not 2^logHeight: with a tail. */ readonly height?: number;
  readonly logDomain: number;
  readonly ext: boolean;
}

/** A committed oracle. Its vectors lie on the device that committed it. */
export interface Oracle {
  readonly columns: Columns;
  readonly root: bigint[];
  /** Nodes of the Merkle tree, four words each, level by level from the leaves to the root. */
  readonly tree: Vec;
  /** The encoded words, if they were kept: eight of every row at a time, column-major. */
  readonly codeword?: readonly Vec[];
  /** Of a salted tree: `root` is the parent of the tree's own root and of these four words. */
  readonly salt?: readonly bigint[];
}

/** A stack, or the keys of all lookups, takes at most this part of the room for itself; else it is read in tiles. */
export const STACK_SHARE = 0.25;

/** Words of a row that are encoded and hashed at a time. */
const AT_ONCE = 8;

const leafSize = (c: Columns): number => c.used * (c.ext ? 3 : 1);
/** Words of a tree over 2^log leaves, and where the nodes of a level begin in it. */
const treeWords = (log: number): number => 8 * 2 ** log - 4;
const levelAt = (log: number, level: number): number => 8 * (2 ** log - 2 ** (log - level));

/**
 * Encodes and hashes eight words of every row at a time into running hashes; then builds the tree. Row j belongs to the
 * domain point g^rev(j). The codeword is kept only if `keep` bytes allow it: otherwise it is never held whole, and
 * encoded again for the openings.
 */
export function commitColumns(k: Kernels, c: Columns, keep = 0, hash: MerkleHash = poseidon2Rows): Oracle {
  const d = deviceOf(k, hash.name),
    log = c.logDomain,
    m = 2 ** log,
    words = leafSize(c),
    kept = 8 * m * words <= d.codewordBytes(keep),
    part = (w: number): Vec => d.vector(m * Math.min(AT_ONCE, words - w)),
    codeword = kept ? Array.from({ length: Math.ceil(words / AT_ONCE) }, (_, i) => part(AT_ONCE * i)) : undefined,
    tree = d.vector(treeWords(log)),
    level = (at: number): Vec => d.slice(tree, levelAt(log, at), (4 * m) / 2 ** at);
  d.scope(() => {
    const twiddles = twiddlesOf(d, log),
      rows = d.rows(hash, m, words),
      buffer = codeword ? undefined : part(0);
    for (let w = 0; w < words; w += AT_ONCE) {
      const n = Math.min(AT_ONCE, words - w),
        to = buffer ?? codeword![w / AT_ONCE];
      encodeWords(k, d, c, twiddles, to, w, n);
      rows.absorb(to, n);
    }
    rows.finish(level(0));
  });
  for (let at = 1; at <= log; at++) d.run('level', m / 2 ** at, { to: level(at), from: level(at - 1), hash });
  return { columns: c, root: [...d.get(level(log))], tree, ...(codeword ? { codeword } : {}) };
}

const columnsFrom = (from: number | NonNullable<Columns['fill']>, used: number, logHeight: number, logDomain: number): Columns => ({
  ...(typeof from === 'number' ? { ptr: from } : { ptr: 0, fill: from }),
  used,
  logHeight,
  logDomain,
  ext: false,
});

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
  const columns = columnsFrom(from, used, logHeight, logHeight + params.logInvRate);
  return tree ? restoreTree(k, columns, tree) : commitColumns(k, columns, keep, merkleHash(params.hash ?? 'poseidon2'));
}

/**
 * The oracle of the same where all columns are zero: all rows are one row, and all nodes of a level one node, so that
 * little more is done than written.
 */
export function commitZero(
  k: Kernels,
  from: number | NonNullable<Columns['fill']>,
  used: number,
  logHeight: number,
  params: { readonly logInvRate: number; readonly hash?: HashName | undefined },
): Oracle {
  const hash = merkleHash(params.hash ?? 'poseidon2'),
    d = deviceOf(k, hash.name),
    log = logHeight + params.logInvRate,
    tree = d.vector(treeWords(log));
  let node = hash.hashWords(DOMAIN.leaf, Array<bigint>(used).fill(0n));
  for (let level = 0; ; level++) {
    const n = 2 ** (log - level),
      of = node;
    d.fill(d.slice(tree, levelAt(log, level), 4 * n), (address) => {
      k.u64.set(of, address / 8);
      for (let have = 1; have < n; have *= 2) k.u8.copyWithin(address + 32 * have, address, address + 32 * have);
    });
    if (level === log) return { columns: columnsFrom(from, used, logHeight, log), root: node, tree };
    node = hash.compress(node, node);
  }
}

/** The same oracle under a root that hides it, as long as the salt is nobody else's. */
export const saltOracle = (o: Oracle, salt: readonly bigint[], hash: HashName = 'poseidon2'): Oracle => ({
  ...o,
  root: merkleHash(hash).compress(o.root, salt),
  salt,
});

/**
 * Near bytes of commitColumns on the CPU: those that stay (levels, the codeword if `keep` allows it) and those of the
 * work.
 */
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

const twiddlesOf = (d: Device, log: number): Vec => {
  const to = d.vector(2 ** log);
  d.run('twiddles', 2 ** log, { to });
  return to;
};

/** Encodes words [from, from + n) of every leaf, column-major. */
const encodeWords = (k: Kernels, d: Device, c: Columns, twiddles: Vec, to: Vec, from: number, n: number): void =>
  withSource(k, d, c, twiddles, from, n, (args) => d.run('encode', n, { to, ...args }));

/** What an encoding of words [from, from + n) of every leaf reads, on the device while `use` runs. */
function withSource<T>(
  k: Kernels,
  d: Device,
  c: Columns,
  twiddles: Vec,
  from: number,
  n: number,
  use: (args: Omit<Calls['encode'], 'to'>) => T,
): T {
  const height = c.height ?? 2 ** c.logHeight,
    group = c.ext ? 3 : 1,
    // Columns that these words are of: those alone go to a device with a memory of its own.
    first = Math.floor(from / group),
    used = Math.ceil((from + n) / group) - first;
  return k.scope(() =>
    d.scope(() => {
      const words = group * height * used;
      let source: Vec;
      if (c.fill) {
        source = d.vector(words);
        d.fill(source, (address) => c.fill!(address, from, n));
      } else source = c.vec ? d.slice(c.vec, group * height * first, words) : d.bring(c.ptr + 8 * group * height * first, words);
      return use({ source, twiddles, from: from - group * first, group, height, signed: !c.ext, logDomain: c.logDomain });
    }),
  );
}

/** The 2^levels nodes that lie `levels` below the root. */
export function capOf({ tree, columns }: Oracle, levels: number): bigint[] {
  const d = tree.device;
  return [...d.get(d.slice(tree, levelAt(columns.logDomain, columns.logDomain - levels), 4 * 2 ** levels))];
}

/** Leaf words and path (up to the cap) of each position. */
export function openRows(k: Kernels, o: Oracle, positions: readonly number[], cap: number): bigint[][] {
  const log = o.columns.logDomain,
    path = 4 * (log - cap),
    siblings = new Uint32Array(path * positions.length);
  positions.forEach((p, q) => {
    for (let i = 0; i < path; i++) siblings[path * q + i] = levelAt(log, i >> 2) + 4 * ((p >> (i >> 2)) ^ 1) + (i & 3);
  });
  const [above, ...leaves] = leafWords(k, o, positions, { from: o.tree, at: siblings });
  return positions.map((_, q) => {
    const row: bigint[] = [];
    for (const words of leaves) {
      const n = words.length / positions.length;
      for (let i = 0; i < n; i++) row.push(words[n * q + i]);
    }
    for (let i = 0; i < path; i++) row.push(above[path * q + i]);
    return row;
  });
}

/**
 * What is picked of the tree; then up to eight words of the codeword at a time, for each position in turn. If the
 * codeword was not kept it is encoded again, or as much of it as these positions take.
 */
function leafWords(k: Kernels, o: Oracle, positions: readonly number[], ofTree: Picked): BigUint64Array[] {
  const c = o.columns,
    d = o.tree.device,
    m = 2 ** c.logDomain,
    words = leafSize(c),
    rows = (from: Vec, n: number): Picked => {
      const at = new Uint32Array(n * positions.length);
      for (let i = 0; i < at.length; i++) at[i] = (i % n) * m + positions[Math.floor(i / n)];
      return { from, at };
    };
  if (o.codeword) return d.pick([ofTree, ...o.codeword.map((part) => rows(part, part.words / m))]);
  const out = d.pick([ofTree]);
  d.scope(() => {
    const twiddles = twiddlesOf(d, c.logDomain),
      buffer = d.encodedAt ? undefined : d.vector(m * Math.min(AT_ONCE, words));
    for (let w = 0; w < words; w += AT_ONCE) {
      const n = Math.min(AT_ONCE, words - w);
      if (!buffer) {
        out.push(withSource(k, d, c, twiddles, w, n, (args) => d.encodedAt!(n, args, positions)));
        continue;
      }
      encodeWords(k, d, c, twiddles, buffer, w, n);
      out.push(...d.pick([rows(buffer, n)]));
    }
  });
  return out;
}

/** The levels of an oracle's tree, outside the memory of kernels and devices. */
export const saveTree = ({ tree }: Oracle): Uint8Array => new Uint8Array(tree.device.get(tree).buffer);

/** An oracle whose tree has been made before, for the same columns. */
export function restoreTree(k: Kernels, columns: Columns, saved: Uint8Array): Oracle {
  const d = deviceOf(k),
    words = treeWords(columns.logDomain);
  if (saved.length !== 8 * words) throw new RangeError(`a tree of ${saved.length} bytes, the columns have one of ${8 * words}`);
  const tree = d.vector(words);
  d.put(tree, saved);
  return { columns, root: [...new BigUint64Array(saved.slice(-32).buffer)], tree };
}
