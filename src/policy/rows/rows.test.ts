import { beforeAll, describe, expect, it } from 'vitest';
import { compress } from '../../hash/poseidon2.js';
import { InputError } from '../../errors.js';
import type { Kernels } from '../../kernels/runtime.js';
import { singleKernels } from '../../kernels/single.js';
import { VerificationError } from '../../transcript/arith.js';
import { emptyNode } from '../table.js';
import { type Row, contentDigest, rowDigest, rowShape, rowTargets, rowWords } from './digest.js';
import { checkOpening, openRow, rowSalt } from './opening.js';
import { rowsDepth } from './depth.js';
import { RowTree } from './tree.js';

const SECRET = [11n, 12n, 13n, 14n],
  SHAPE = rowShape(8, 512);
let k: Kernels;
beforeAll(() => {
  k = singleKernels();
});
const row = (i: number, n = 8): Row => ({
  tokens: Int32Array.from({ length: n }, (_, t) => (37 * i + 11 * t) % 512),
  mask: Uint8Array.from({ length: n }, (_, t) => (t > 2 ? 1 : 0)),
  class: i % 3,
  length: n + (i % 2),
});
const grow = (rows: number, n?: (i: number) => number): RowTree => {
  const t = new RowTree(SHAPE, SECRET, k);
  for (let i = 0; i < rows; i++) t.push(row(i, n?.(i)));
  return t;
};
const refusal = (f: () => void): string => {
  try {
    f();
  } catch (e) {
    expect(e).toBeInstanceOf(VerificationError);
    return (e as VerificationError).check;
  }
  return 'accepted';
};

describe('row of a dataset', () => {
  it('is packed as the program reads it: six ids of ten bits, bit i for target i + 1', () => {
    expect(SHAPE).toEqual({ sequence: 8, vocab: 512, bits: 10, perWord: 6, tokenWords: 2, maskWords: 1 });
    const r = { tokens: Int32Array.of(1, 2, 3, 4, 5, 6, 7, 511), mask: Uint8Array.of(1, 0, 0, 1, 1, 0, 0, 1) };
    const w = rowWords(SHAPE, r);
    expect(w.tokens).toEqual([1n + (2n << 10n) + (3n << 20n) + (4n << 30n) + (5n << 40n) + (6n << 50n), 7n + (511n << 10n)]);
    // The first token is nobody's target; the last position predicts nothing.
    expect(w.mask).toEqual([(1n << 2n) + (1n << 3n) + (1n << 6n)]);
    expect(rowTargets(SHAPE, r)).toBe(3);
    expect(rowShape(2048, 128_256)).toMatchObject({ bits: 18, perWord: 3, tokenWords: 683, maskWords: 34 });
    expect(() => rowWords(SHAPE, { tokens: Int32Array.of(512), mask: Uint8Array.of(0) })).toThrow(InputError);
    expect(() => rowWords(SHAPE, { tokens: Int32Array.of(-1), mask: Uint8Array.of(0) })).toThrow(InputError);
    expect(() => new RowTree(SHAPE, SECRET, k).push({ ...row(0, 4), tokens: Int32Array.of(1, 2, 3, 512) })).toThrow('row 0: token 512');
    // Position 0 alone: no token predicts it.
    expect(() => new RowTree(SHAPE, SECRET, k).push({ ...row(0), mask: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0) })).toThrow(
      /would train nothing/,
    );
  });
  it('cuts what is longer than the sequence, and pads what is shorter', () => {
    const long = row(1, 12),
      cut = { tokens: long.tokens.subarray(0, 8), mask: long.mask.subarray(0, 8) };
    expect(rowWords(SHAPE, long)).toEqual(rowWords(SHAPE, cut));
    expect(rowTargets(SHAPE, long)).toBe(5);
    expect(rowWords(SHAPE, row(1, 3)).tokens[1]).toBe(0n);
  });
  it('has this digest for ever', () => {
    const w = rowWords(SHAPE, row(5)),
      c = contentDigest(rowSalt(SECRET, 5), w);
    expect(c.map(String)).toMatchInlineSnapshot(`
      [
        "3565134440015954335",
        "12215304514922003104",
        "8487427768902694174",
        "11322136699134898724",
      ]
    `);
    expect(rowDigest(c, { class: 2, targets: 5, length: 9 }).map(String)).toMatchInlineSnapshot(`
      [
        "9520725133034538763",
        "8461465323065264222",
        "1767889587609094673",
        "9175104398035676831",
      ]
    `);
  });
});

describe('tree of rows', () => {
  it('is the definition, for any number of rows, with any length of rows', () => {
    expect([1, 256, 257, 4096, 4097, 2 ** 28].map(rowsDepth)).toEqual([8, 8, 12, 12, 16, 28]);
    expect(() => rowsDepth(2 ** 28 + 1)).toThrow(InputError);
    for (const n of [1, 2, 3, 5, 257]) {
      const t = grow(n, (i) => 4 + (i % 8)),
        leaves = Array.from({ length: n }, (_, i) => {
          const r = row(i, 4 + (i % 8));
          return rowDigest(contentDigest(rowSalt(SECRET, i), rowWords(SHAPE, r)), {
            class: r.class,
            targets: rowTargets(SHAPE, r),
            length: r.length,
          });
        });
      let level = leaves;
      for (let d = 0; d < rowsDepth(n); d++)
        level = Array.from({ length: Math.ceil(level.length / 2) }, (_, j) => compress(level[2 * j], level[2 * j + 1] ?? emptyNode(d)));
      expect(t.root()).toEqual(level[0]);
      expect(t.digest(n - 1)).toEqual(leaves[n - 1]);
    }
    expect(() => new RowTree(SHAPE, SECRET, k).root()).toThrow(InputError);
  });
  it('has this root for ever, at depth 12', () => {
    expect(grow(300).root().map(String)).toMatchInlineSnapshot(`
      [
        "17016415572700418313",
        "7560875864471951483",
        "2109567100315653885",
        "16902710857726115189",
      ]
    `);
  });
  it('depends on every row, on their order, on the secret, and grows', () => {
    const t = grow(5),
      five = t.root();
    t.push(row(5));
    expect(t.root()).toEqual(grow(6).root());
    const other = new RowTree(SHAPE, [11n, 12n, 13n, 15n], k);
    for (let i = 0; i < 5; i++) other.push(row(i));
    const swapped = new RowTree(SHAPE, SECRET, k);
    for (const i of [1, 0, 2, 3, 4]) swapped.push(row(i));
    expect(new Set([five, t.root(), other.root(), swapped.root()].map((r) => r.join())).size).toBe(4);
  });
  it('hashes many blocks of rows', () => {
    // 16 MiB of words at a time: 2,048 tokens make 2,700 rows a block.
    const wide = rowShape(2048, 128_256),
      t = new RowTree(wide, SECRET, k),
      n = 3000,
      tokens = Int32Array.from({ length: 2048 }, (_, i) => i),
      mask = new Uint8Array(2048).fill(1);
    for (let i = 0; i < n; i++) t.push({ tokens, mask, class: 0, length: i });
    t.root();
    const facts = { class: 0, targets: 2047, length: n - 1 };
    expect(t.digest(n - 1)).toEqual(rowDigest(contentDigest(rowSalt(SECRET, n - 1), rowWords(wide, { tokens, mask })), facts));
  });
});

describe('opening of a row', () => {
  it('shows facts alone or the text, and every change is refused by name', () => {
    const t = grow(300),
      root = t.root(),
      at = 259,
      open = openRow(SHAPE, SECRET, at, row(at), t.path(at), true),
      check = (o: object): string => refusal(() => checkOpening(SHAPE, root, 12, 300, { ...open, ...o }));
    expect(check({})).toBe('accepted');
    expect(check({ text: undefined })).toBe('accepted');
    expect(openRow(SHAPE, SECRET, at, row(at), t.path(at), false).text).toBeUndefined();
    expect(check({ row: 258 })).toBe('dataset root');
    expect(check({ row: 300 })).toBe('row number');
    expect(check({ row: 259 + 4096 })).toBe('row number');
    expect(check({ class: open.class + 1 })).toBe('dataset root');
    expect(check({ length: open.length + 1 })).toBe('dataset root');
    expect(check({ length: -1 })).toBe('row facts');
    expect(check({ targets: open.targets + 1 })).toBe('row facts');
    expect(check({ targets: open.targets + 1, text: undefined })).toBe('dataset root');
    expect(check({ content: [1n, 2n, 3n] })).toBe('content digest');
    expect(check({ path: t.path(at).slice(1) })).toBe('path');
    expect(check({ path: t.path(at ^ 1) })).toBe('dataset root');
    const text = open.text!;
    expect(check({ text: { ...text, tokens: text.tokens.map((x, i) => (i ? x : x ^ 1)) } })).toBe('content digest');
    expect(check({ text: { ...text, mask: text.mask.map((x, i) => (i === 4 ? 0 : x)) } })).toBe('content digest');
    expect(check({ text: { ...text, salt: rowSalt(SECRET, 1) } })).toBe('content digest');
    expect(check({ text: { ...text, tokens: text.tokens.map(() => 512) } })).toBe('tokens');
    expect(check({ text: { ...text, mask: [2] } })).toBe('mask');
    // A row that ends in id 0 has the digest of one without it: its length says which.
    const short: Row = { tokens: Int32Array.of(5, 7, 0), mask: Uint8Array.of(0, 1, 0), class: 0, length: 3 },
      one = new RowTree(SHAPE, SECRET, k);
    one.push(short);
    const root1 = one.root(),
      shown = openRow(SHAPE, SECRET, 0, short, one.path(0), true),
      said = (n: number): string =>
        refusal(() =>
          checkOpening(SHAPE, root1, shown.path.length, 1, {
            ...shown,
            text: { salt: shown.text!.salt, tokens: [5, 7, 0, 0].slice(0, n), mask: [0, 1, 0, 0].slice(0, n) },
          }),
        );
    expect([2, 3, 4].map(said)).toEqual(['row facts', 'accepted', 'row facts']);
    // biome-ignore lint/suspicious/noSparseArray: a hole is passed over by every method of arrays.
    expect(check({ content: [1n, , 3n, 4n] })).toBe('content digest');
  });
  it('does not take an inner node for a row', () => {
    // A node of the tree as a row would need a preimage in the row's domain: here the claimed row is the pair of
    // digests below it.
    const t = grow(300),
      o = openRow(SHAPE, SECRET, 0, row(0), t.path(0), false);
    expect(refusal(() => checkOpening(SHAPE, t.root(), 11, 300, { ...o, content: t.digest(1), path: o.path.slice(1) }))).toBe(
      'dataset root',
    );
    // The zero digest behind the last row is no row.
    expect(refusal(() => checkOpening(SHAPE, t.root(), 12, 301, { ...o, row: 300, content: [0n, 0n, 0n, 0n] }))).toBe('dataset root');
  });
});
