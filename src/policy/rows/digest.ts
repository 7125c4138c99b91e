import { log2Ceil } from '../../field/log2.js';
import { InputError } from '../../errors.js';
import { DOMAIN, hashWords } from '../../hash/poseidon2.js';

/*
 * Row of a dataset, second layout. A row is padded to the run's sequence, so that its digest has a fixed shape that a
 * circuit can verify:
 *
 *   content = hashWords(content, salt(4) || T || M)
 *          T, M: packed tokens and mask, word for word what the program absorbs
 *   row     = hashWords(row, content(4) || class || targets || length || version)
 *
 * The outer half is one permutation of public kind: who is shown it learns class, number of targets and length, and
 * nothing of the text. Bit i of the mask says that token i predicts token i + 1: the last bit of a row is zero.
 */

/** Version of this layout: part of every row. */
export const ROW_VERSION = 2;

/** Bits of a word that carry packed values: below p, so that a word has one split. */
const PACKED_BITS = 62;

/** How rows of a run are packed: the vocabulary's size and the sequence decide. */
export interface RowShape {
  readonly sequence: number;
  readonly vocab: number;
  /** Bits of a token's code: its id, or 2^(bits - 1) for none. */ readonly bits: number;
  /** Tokens in a word. */ readonly perWord: number;
  readonly tokenWords: number;
  readonly maskWords: number;
}

export function rowShape(sequence: number, vocab: number): RowShape {
  const bits = log2Ceil(Math.max(2, vocab)) + 1,
    perWord = Math.floor(PACKED_BITS / bits);
  return {
    sequence,
    vocab,
    bits,
    perWord,
    tokenWords: Math.ceil(sequence / perWord),
    maskWords: Math.ceil(sequence / PACKED_BITS),
  };
}

/** A row as the model reads it. */
export interface Row {
  /** At most `sequence` ids. */ readonly tokens: Int32Array;
  /** mask[i] = 1: token i is predicted by the ones before it. */ readonly mask: Uint8Array;
  /** Number of its class in the class table. */ readonly class: number;
  /** Tokens of the whole row, also where it was cut to the sequence: a label. */ readonly length: number;
}

/** What the row's digest says openly. */
export interface RowFacts {
  readonly class: number;
  readonly targets: number;
  readonly length: number;
}

/** Positions of a row that are trained on. */
export function rowTargets(s: RowShape, r: Pick<Row, 'tokens' | 'mask'>): number {
  let n = 0;
  for (let i = 1; i < Math.min(s.sequence, r.tokens.length); i++) n += r.mask[i] ? 1 : 0;
  return n;
}

/** Packed words of a row: tokens, then mask. Throws InputError for an id outside the vocabulary. */
export function rowWords(s: RowShape, r: Pick<Row, 'tokens' | 'mask'>): { tokens: bigint[]; mask: bigint[] } {
  const tokens = Array<bigint>(s.tokenWords).fill(0n),
    mask = Array<bigint>(s.maskWords).fill(0n);
  for (let i = 0; i < Math.min(s.sequence, r.tokens.length); i++) {
    const t = r.tokens[i];
    if (!(t >= 0 && t < s.vocab)) throw new InputError('dataset', [`token ${t} is outside the vocabulary of ${s.vocab}`]);
    tokens[Math.floor(i / s.perWord)] |= BigInt(t) << BigInt(s.bits * (i % s.perWord));
    if (i > 0 && r.mask[i]) mask[Math.floor((i - 1) / PACKED_BITS)] |= 1n << BigInt((i - 1) % PACKED_BITS);
  }
  return { tokens, mask };
}

/** Content digest of a row. */
export const contentDigest = (salt: readonly bigint[], words: { readonly tokens: readonly bigint[]; readonly mask: readonly bigint[] }) =>
  hashWords(DOMAIN.content, [...salt, ...words.tokens, ...words.mask]);

/** Row digest from its content digest and facts. */
export const rowDigest = (content: readonly bigint[], f: RowFacts): bigint[] =>
  hashWords(DOMAIN.row, [...content, BigInt(f.class), BigInt(f.targets), BigInt(f.length), BigInt(ROW_VERSION)]);
