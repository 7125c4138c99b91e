import { DOMAIN } from '../../hash/poseidon2.js';
import { rowDigests } from '../../hash/rows.js';
import { InputError } from '../../errors.js';
import { rowsDepth } from './depth.js';
import type { Kernels } from '../../kernels/runtime.js';
import { singleKernels } from '../../kernels/single.js';
import { emptyNode, levelAbove } from '../table.js';
import { ROW_VERSION, type Row, type RowFacts, type RowShape, rowTargets } from './digest.js';

/** Bytes of words that are hashed in one go: bounds the memory whatever the number of rows. */
const BLOCK = 1 << 24;

/** Writes the words of a row at an index of the arena. */
type Fill = (u64: BigUint64Array, u32: Uint32Array, at: number, row: number) => void;

/** Bytes of digests that the list of rows first takes. */
const FIRST = 1 << 16;

/**
 * Commitment to rows in order, taken one at a time: 32 bytes a row are kept, and a block of packed words. Where a root
 * is asked for, the inner nodes are computed, another 32 bytes a row. Salts: hashes of the secret and the row's number,
 * so that one opened row tells nothing of another's.
 */
export class RowTree {
  #digests = new BigUint64Array(FIRST / 8);
  #contents = 0;
  #count = 0;
  /** Rows in the block begun: words of the content hash, facts. */
  readonly #block: { words: BigUint64Array; halves: Uint32Array; facts: RowFacts[] };
  readonly #perBlock: number;
  readonly #words: number;
  #levels?: BigUint64Array[];

  constructor(
    readonly shape: RowShape,
    readonly secret: readonly bigint[],
    readonly kernels: Kernels = singleKernels(),
  ) {
    this.#words = 4 + shape.tokenWords + shape.maskWords;
    this.#perBlock = Math.max(1, Math.floor(BLOCK / (8 * this.#words)));
    const words = new BigUint64Array(this.#perBlock * this.#words);
    // Halves of words: bigint arithmetic for every token would take longer than the hash. All supported machines are
    // little-endian.
    this.#block = { words, halves: new Uint32Array(words.buffer), facts: [] };
  }

  /** Rows so far. */
  get count(): number {
    return this.#count;
  }

  /** Takes the next row. Throws InputError for an id outside the vocabulary, and for a row that trains nothing. */
  push(r: Row): void {
    const s = this.shape,
      b = this.#block,
      at = this.#words * b.facts.length,
      out = b.halves,
      targets = rowTargets(s, r);
    // No leaf counts such a row: it could fill a minimum and teach nothing.
    if (targets === 0) throw new InputError('dataset', [`row ${this.#count} has no target token: it would train nothing`]);
    out.fill(0, 2 * at, 2 * (at + this.#words));
    for (let i = 0; i < Math.min(s.sequence, r.tokens.length); i++) {
      const t = r.tokens[i];
      if (!(t >= 0 && t < s.vocab))
        throw new InputError('dataset', [`row ${this.#count}: token ${t} is outside the vocabulary of ${s.vocab}`]);
      orBits(out, 2 * (at + 4 + Math.floor(i / s.perWord)), s.bits * (i % s.perWord), t);
      if (i > 0 && r.mask[i]) orBits(out, 2 * (at + 4 + s.tokenWords + Math.floor((i - 1) / 62)), (i - 1) % 62, 1);
    }
    b.facts.push({ class: r.class, targets, length: r.length });
    this.#count++;
    this.#levels = undefined;
    if (b.facts.length === this.#perBlock) this.#flush();
  }

  #flush(): void {
    const k = this.kernels,
      { words, facts } = this.#block,
      n = facts.length,
      first = this.#contents;
    if (n === 0) return;
    k.scope(() => {
      const // Numbers below 2^32 go through the lower halves of words that are zero.
        salts = this.#hash(DOMAIN.salt, 5, n, (u64, u32, at, j) => {
          for (let w = 0; w < 4; w++) u64[at + w] = this.secret[w];
          u32[2 * at + 8] = first + j;
          u32[2 * at + 9] = 0;
        }),
        contents = this.#hash(DOMAIN.content, this.#words, n, (u64, _, at, j) => {
          u64.set(words.subarray(j * this.#words, (j + 1) * this.#words), at);
          u64.copyWithin(at, salts / 8 + 4 * j, salts / 8 + 4 * j + 4);
        }),
        rows = this.#hash(DOMAIN.row, 8, n, (u64, u32, at, j) => {
          u64.copyWithin(at, contents / 8 + 4 * j, contents / 8 + 4 * j + 4);
          const f = facts[j],
            o = 2 * at + 8;
          u32.fill(0, o, o + 8);
          u32[o] = f.class;
          u32[o + 2] = f.targets;
          u32[o + 4] = f.length;
          u32[o + 6] = ROW_VERSION;
        });
      if (4 * this.#count > this.#digests.length) {
        const larger = new BigUint64Array(Math.max(4 * this.#count, 2 * this.#digests.length));
        larger.set(this.#digests);
        this.#digests = larger;
      }
      this.#digests.set(k.u64.subarray(rows / 8, rows / 8 + 4 * n), 4 * first);
    });
    this.#contents = this.#count;
    facts.length = 0;
  }

  /** Digests of n rows of so many words; pointer to them. */
  #hash(domain: bigint, words: number, n: number, fill: Fill): number {
    const k = this.kernels,
      dst = k.alloc(32 * n);
    k.scope(() => {
      const src = k.alloc(8 * words * n),
        { u64, u32 } = k;
      for (let j = 0; j < n; j++) fill(u64, u32, src / 8 + words * j, j);
      rowDigests(k, dst, domain, src, words, n);
    });
    return dst;
  }

  /**
   * All levels above rows, leaves first. Node j of a level covers rows j 2^level and on; behind the last row are zero
   * digests.
   */
  #tree(): BigUint64Array[] {
    if (this.#levels) return this.#levels;
    this.#flush();
    const levels: BigUint64Array[] = [this.#digests.subarray(0, 4 * this.#count)],
      depth = rowsDepth(this.#count);
    for (let d = 0; d < depth; d++) levels.push(levelAbove(this.kernels, levels[d], emptyNode(d)));
    this.#levels = levels;
    return levels;
  }

  /** Root of the tree of depth rowsDepth(count). Throws InputError for no rows. */
  root(): bigint[] {
    if (this.#count === 0) throw new InputError('dataset', ['has no rows']);
    const levels = this.#tree();
    return [...levels[levels.length - 1]];
  }

  /** Digest of a row. */
  digest(row: number): bigint[] {
    return [...this.#tree()[0].subarray(4 * row, 4 * row + 4)];
  }

  /** Siblings of a row from the leaf up. */
  path(row: number): bigint[][] {
    if (!(Number.isInteger(row) && row >= 0 && row < this.#count)) throw new RangeError(`row ${row} of ${this.#count}`);
    return this.#tree()
      .slice(0, -1)
      .map((level, d) => {
        const at = 4 * (Math.floor(row / 2 ** d) ^ 1);
        return at < level.length ? [...level.subarray(at, at + 4)] : [...emptyNode(d)];
      });
  }
}

/** Sets bits of a number below 2^31 from bit `shift` of a 64-bit word on, given as two halves. */
function orBits(halves: Uint32Array, at: number, shift: number, value: number): void {
  if (shift >= 32) halves[at + 1] |= value << (shift - 32);
  else {
    halves[at] |= value << shift;
    if (shift > 0) halves[at + 1] |= value >>> (32 - shift);
  }
}
