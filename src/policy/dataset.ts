import { compress, hashWords } from '../hash/poseidon2.js';
import { DOMAIN } from '../hash/poseidon2.js';

export interface LeafData {
  readonly salt: readonly bigint[];
  readonly tokens: Int32Array;
  readonly mask: Uint8Array;
  readonly source: number;
  readonly license: number;
  readonly language: number;
}

/** Leaf of an example: salt, length, tokens with their target bit, identifiers; the word count is in the hash's capacity. */
export function datasetLeaf(d: LeafData): bigint[] {
  return hashWords(DOMAIN.data, [
    ...d.salt,
    BigInt(d.tokens.length),
    BigInt(d.source),
    BigInt(d.license),
    BigInt(d.language),
    ...[...d.tokens].map((t, i) => BigInt(t) * 2n + BigInt(d.mask[i])),
  ]);
}

/** Merkle root over the leaves, padded with zero digests to a power of two. The number of examples is absorbed on top. */
export function datasetRoot(leaves: readonly (readonly bigint[])[]): bigint[] {
  let level: (readonly bigint[])[] = [...leaves],
    size = 1;
  while (size < leaves.length) size *= 2;
  while (level.length < size) level.push([0n, 0n, 0n, 0n]);
  while (level.length > 1) level = Array.from({ length: level.length / 2 }, (_, k) => compress(level[2 * k], level[2 * k + 1]));
  return hashWords(DOMAIN.data, [...level[0], BigInt(leaves.length)]);
}
