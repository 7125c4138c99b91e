import { DOMAIN, compress, hashWords } from '../../hash/poseidon2.js';
import { P } from '../../field/goldilocks.js';
import { VerificationError } from '../../transcript/arith.js';
import { type Row, type RowFacts, type RowShape, contentDigest, rowDigest, rowTargets, rowWords } from './digest.js';

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

/** Salt of a row, from the secret of the dataset: four words; five words hashed. */
export const rowSalt = (secret: readonly bigint[], row: number): bigint[] => hashWords(DOMAIN.salt, [...secret, BigInt(row)]);

/** One row shown to an auditor: its facts alone, or also its text. */
export interface Opening extends RowFacts {
  readonly row: number;
  readonly content: readonly bigint[];
  readonly path: readonly (readonly bigint[])[];
  /** Only where the text is shown. */
  readonly text?: { readonly salt: readonly bigint[]; readonly tokens: readonly number[]; readonly mask: readonly number[] };
}

/** Opens a row. */
export function openRow(
  shape: RowShape,
  secret: readonly bigint[],
  row: number,
  r: Row,
  path: readonly (readonly bigint[])[],
  text: boolean,
): Opening {
  const salt = rowSalt(secret, row),
    tokens = [...r.tokens.subarray(0, shape.sequence)];
  return {
    row,
    class: r.class,
    targets: rowTargets(shape, r),
    length: r.length,
    content: contentDigest(salt, rowWords(shape, r)),
    path,
    ...(text ? { text: { salt, tokens, mask: [...r.mask.subarray(0, tokens.length)] } } : {}),
  };
}

const word = (x: unknown): x is bigint => typeof x === 'bigint' && x >= 0n && x < P;
const whole = (x: unknown, most: number): x is number => typeof x === 'number' && Number.isInteger(x) && x >= 0 && x < most;
const digest = (x: unknown): boolean => Array.isArray(x) && x.length === 4 && Array.from(x).every(word);

/**
 * Checks a hostile opening against the root of a dataset of so many rows: text (if shown) to content, content and facts
 * to the row's digest, path to the root. Throws VerificationError that names what does not hold.
 */
export function checkOpening(shape: RowShape, root: readonly bigint[], depth: number, rows: number, o: Opening): void {
  if (!whole(o.row, rows)) throw new VerificationError('row number', `${o.row} is not one of ${rows} rows`);
  for (const [name, x] of [
    ['class', o.class],
    ['targets', o.targets],
    ['length', o.length],
  ] as const)
    if (!whole(x, 2 ** 32)) throw new VerificationError('row facts', `${name} is not a number of 32 bits`);
  if (!digest(o.content)) throw new VerificationError('content digest', 'must be four canonical words');
  if (!Array.isArray(o.path) || o.path.length !== depth || !Array.from(o.path).every(digest))
    throw new VerificationError('path', `must be ${depth} digests`);
  if (o.text) {
    const { salt, tokens, mask } = o.text;
    if (!digest(salt)) throw new VerificationError('salt', 'must be four canonical words');
    if (!Array.isArray(tokens) || tokens.length > shape.sequence || !Array.from(tokens).every((t) => whole(t, shape.vocab)))
      throw new VerificationError('tokens', `must be at most ${shape.sequence} ids of the vocabulary`);
    if (!Array.isArray(mask) || mask.length !== tokens.length || !Array.from(mask).every((m) => whole(m, 2)))
      throw new VerificationError('mask', 'must be a bit for every token');
    // Behind the last token a row is padded with zeros: the digest alone does not say where the text ends.
    if (tokens.length !== Math.min(o.length, shape.sequence))
      throw new VerificationError('row facts', `length is ${o.length}, the text has ${tokens.length} tokens`);
    const r = { tokens: Int32Array.from(tokens), mask: Uint8Array.from(mask) },
      content = contentDigest(salt, rowWords(shape, r));
    if (content.some((w, k) => w !== o.content[k])) throw new VerificationError('content digest', `the text is not that of row ${o.row}`);
    if (rowTargets(shape, r) !== o.targets) throw new VerificationError('row facts', `targets are not those of the text`);
  }
  let d = rowDigest(o.content, o);
  o.path.forEach((sibling, level) => {
    d = Math.floor(o.row / 2 ** level) % 2 ? compress(sibling, d) : compress(d, sibling);
  });
  if (d.some((w, k) => w !== root[k])) throw new VerificationError('dataset root', `row ${o.row} is not a row of this dataset`);
}
