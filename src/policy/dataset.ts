import { log2Ceil } from '../field/log2.js';
import { P } from '../field/goldilocks.js';
import { DOMAIN, compress, hashWords } from '../hash/poseidon2.js';
import { poseidon2Rows } from '../hash/rows.js';
import type { Kernels } from '../kernels/runtime.js';
import { singleKernels } from '../kernels/single.js';
import { LEAF_VERSION } from '../run/schema.js';

/** An example as the tree holds it. Ids count from 0 in the manifest's lists of sources, licences and languages; tags are words of the user. */
export interface LeafData {
  readonly tokens: Int32Array;
  readonly mask: Uint8Array;
  readonly source: number;
  readonly license: number;
  readonly language: number;
  readonly tags?: readonly bigint[];
}

/** Four words below p from the system's generator: 255.99 bits of entropy, by rejection. */
export function drawSalt(): bigint[] {
  const out: bigint[] = [],
    w = new BigUint64Array(1);
  while (out.length < 4) {
    globalThis.crypto.getRandomValues(w);
    if (w[0] < P) out.push(w[0]);
  }
  return out;
}

/** Salt of leaf number `index`: hash of the data set's salt and the index, so that one opened leaf tells nothing of the others' salts. */
export const leafSalt = (salt: readonly bigint[], index: number): bigint[] => hashWords(DOMAIN.salt, [...salt, BigInt(index)]);

/** Words between a leaf's salt and its tokens: version, counts, ids, tags. */
const facts = (d: LeafData): bigint[] => {
  const tags = d.tags ?? [];
  return [...[LEAF_VERSION, d.tokens.length, tags.length, d.source, d.license, d.language].map(BigInt), ...tags];
};

/**
 * Leaf of an example: Poseidon2 in the domain `data` over its salt (4 words), facts, and every token with its target bit as
 * 2 token + target. The number of words is in the hash's capacity and the
 * counts are among the first words, so that no two examples have the same words.
 */
export const datasetLeaf = (salt: readonly bigint[], index: number, d: LeafData): bigint[] =>
  hashWords(DOMAIN.data, [...leafSalt(salt, index), ...facts(d), ...Array.from(d.tokens, (t, i) => 2n * BigInt(t) + BigInt(d.mask[i]))]);

/** Depth of the tree over so many examples. */
export const treeDepth = (examples: number): number => log2Ceil(Math.max(1, examples));

/**
 * Root of a data set: Merkle tree (nodes in the domain `node`) of fixed depth over the leaves, filled up with zero digests, of which nobody
 * knows a preimage; on top a hash in the domain `dataRoot` of the tree's root, the number of examples and the depth.
 */
export function datasetRoot(leaves: readonly (readonly bigint[])[]): bigint[] {
  const depth = treeDepth(leaves.length);
  let level: (readonly bigint[])[] = [...leaves];
  while (level.length < 2 ** depth) level.push([0n, 0n, 0n, 0n]);
  while (level.length > 1) level = Array.from({ length: level.length / 2 }, (_, k) => compress(level[2 * k], level[2 * k + 1]));
  return top(level[0], leaves.length, depth);
}
const top = (root: readonly bigint[], n: number, depth: number): bigint[] =>
  hashWords(DOMAIN.dataRoot, [...root, BigInt(n), BigInt(depth)]);

/** Words that are hashed in one go. */
const BLOCK = 1 << 20;

/** datasetRoot over datasetLeaf of all examples by the kernels: a microsecond or two for every eight tokens. */
export function commitDataset(salt: readonly bigint[], examples: readonly LeafData[], kernels?: Kernels): bigint[] {
  const k = kernels ?? singleKernels(),
    depth = treeDepth(examples.length);
  return k.scope(() => top(leavesRoot(k, salt, examples, depth), examples.length, depth));
}

/** Root of the tree over the leaves of all examples. */
function leavesRoot(k: Kernels, salt: readonly bigint[], examples: readonly LeafData[], depth: number): bigint[] {
  const leaves = k.zeroed(32 * 2 ** depth);
  // Rows of one length are hashed together.
  const byLength = new Map<number, number[]>();
  examples.forEach((e, i) => {
    const n = 10 + (e.tags?.length ?? 0) + e.tokens.length;
    const list = byLength.get(n);
    if (list) list.push(i);
    else byLength.set(n, [i]);
  });
  const salts = hashRows(k, DOMAIN.salt, 5, examples.length, (i, at) => {
    k.u64.set(salt, at);
    k.u64[at + 4] = BigInt(i);
  });
  for (const [words, list] of byLength)
    for (let from = 0; from < list.length; from += Math.max(1, Math.floor(BLOCK / words))) {
      const part = list.slice(from, from + Math.max(1, Math.floor(BLOCK / words)));
      k.scope(() => {
        const digests = hashRows(k, DOMAIN.data, words, part.length, (j, at) => {
          const i = part[j];
          for (let w = 0; w < 4; w++) k.u64[at + w] = k.u64[salts / 8 + 4 * i + w];
          const e = examples[i],
            f = facts(e);
          k.u64.set(f, at + 4);
          // Words below 2^32 through their lower halves: all supported machines are little-endian, as WebAssembly is.
          const u32 = k.u32;
          for (let t = 0, o = 2 * (at + 4 + f.length); t < e.tokens.length; t++, o += 2) {
            u32[o] = 2 * e.tokens[t] + e.mask[t];
            u32[o + 1] = 0;
          }
        });
        part.forEach((i, j) => {
          for (let w = 0; w < 4; w++) k.u64[leaves / 8 + 4 * i + w] = k.u64[digests / 8 + 4 * j + w];
        });
      });
    }
  let level = leaves;
  for (let n = 2 ** depth; n > 1; n /= 2) {
    const next = k.alloc(16 * n);
    poseidon2Rows.merkleLevel(k, next, level, n / 2);
    level = next;
  }
  return [...k.u64.slice(level / 8, level / 8 + 4)];
}

/** Digests of rows of equal length, filled one by one at the word index given; returns their pointer. */
function hashRows(k: Kernels, domain: bigint, words: number, rows: number, fill: (row: number, at: number) => void): number {
  const dst = k.alloc(32 * rows);
  k.scope(() => {
    const src = k.alloc(8 * words * rows);
    for (let j = 0; j < rows; j++) fill(j, src / 8 + j * words);
    const h = poseidon2Rows.rows(k, rows, words, domain);
    for (let c = 0; c < words; c += 8) h.absorb(src + 8 * c, Math.min(8, words - c), 8, 8 * words);
    h.finish(dst);
  });
  return dst;
}
