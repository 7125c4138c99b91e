/** Rows of a circuit by kind, and the wires that they write. */
import type { Elem, Ext } from '../transcript/arith.js';

/**
 * Kinds of rows. Each but Q and G writes wires: constant, word (free base element), hint (free element of E), composed
 * (E from three words), fused (a b + c; F in E, B in the base field), dot (c and four products in E), bit (64 of a
 * word), permutation (12 words), Merkle level (4 words), public word, product of the two table entries that an id
 * selects. Q asserts equality, G that a digest is in a cap, T is an entry of a table. A circuit without ids has no rows
 * of T and I, and its program does not know these kinds.
 */
export const KINDS = ['K', 'W', 'H', 'E', 'F', 'S', 'P', 'M', 'U', 'Q', 'G', 'B', 'D', 'T', 'I'] as const;
export type Kind = (typeof KINDS)[number];

/** A record of all kinds, in their order. */
export const byKind = <T>(f: (k: Kind) => T): Record<Kind, T> => ({
  K: f('K'),
  W: f('W'),
  H: f('H'),
  E: f('E'),
  F: f('F'),
  S: f('S'),
  P: f('P'),
  M: f('M'),
  U: f('U'),
  Q: f('Q'),
  G: f('G'),
  B: f('B'),
  D: f('D'),
  T: f('T'),
  I: f('I'),
});

/** Wires that a row of a kind writes. */
export const OUTPUTS: Readonly<Record<Kind, number>> = {
  K: 1,
  W: 1,
  H: 1,
  E: 1,
  F: 1,
  S: 64,
  P: 12,
  M: 4,
  U: 1,
  Q: 0,
  G: 0,
  B: 1,
  D: 1,
  T: 0,
  I: 1,
};

/** Products of a row of D. */
export const TERMS = 4;

/** Wires of a kind. */
export const SPAN = 2 ** 40;
const FIRST = byKind((k) => KINDS.indexOf(k) * SPAN);
/** A wire: kind and output number (row * outputs + lane). */
export const wire = (kind: Kind, index: number): Elem => (FIRST[kind] + index) as Elem;
export const wireKind = (e: Elem): Kind => KINDS[Math.floor(e / SPAN)];
export const wireIndex = (e: Elem): number => e % SPAN;

/** Rows by kind: wires read, and values (absent when built from the shape). */
export interface CircuitRows {
  readonly K: { readonly value: Ext[] };
  readonly W: { readonly value: bigint[] };
  readonly H: { readonly value: Ext[] };
  readonly U: { readonly value: bigint[] };
  readonly E: { readonly from: Elem[]; readonly value: Ext[] };
  readonly F: { readonly from: Elem[]; readonly value: Ext[] };
  readonly B: { readonly from: Elem[]; readonly value: bigint[] };
  /** Four factors, their four others, what is added. */
  readonly D: { readonly from: Elem[]; readonly value: Ext[] };
  readonly Q: { readonly from: Elem[]; readonly value: Ext[] };
  /** Word, bits that must be zero, and the word's integer. */
  readonly S: { readonly from: Elem[]; readonly dead: bigint[]; readonly value: bigint[] };
  readonly P: { readonly from: Elem[]; readonly input: bigint[][]; readonly out: bigint[][] };
  /** Current digest (four), direction bit; input after the swap. */
  readonly M: { readonly from: Elem[]; readonly input: bigint[][]; readonly bit: bigint[]; readonly out: bigint[][] };
  /** Digest (four), index; first word of the cap. */
  readonly G: { readonly from: Elem[]; readonly base: Elem[]; readonly index: bigint[]; readonly value: bigint[][] };
  /** Wire of the entry; first row of its table; whether it is marked (IdTables). */
  readonly T: { readonly from: Elem[]; readonly table: number[]; readonly edge: boolean[]; readonly value: Ext[] };
  /** Wire of the id; first rows of its tables, high and low, and what a high digit counts; both digits. */
  readonly I: {
    readonly from: Elem[];
    readonly base: (readonly [number, number])[];
    readonly scale: number[];
    readonly digit: (readonly [bigint, bigint])[];
    readonly value: Ext[];
  };
}

/** Rows of each kind so far. */
export const rowCount = (r: CircuitRows, k: Kind): number =>
  k === 'S' ? r.S.from.length : k === 'P' || k === 'M' ? r[k].out.length : r[k].value.length;

/** Hook of a dishonest prover in tests: may change the values of a row before anything reads them. */
export type RowHook = (kind: Kind, row: number, rows: CircuitRows) => void;

const mix = (h: number, e: Elem): number => Math.imul(h ^ (e | 0) ^ ((e / SPAN) << 26), 0x9e3779b1) ^ (h >>> 15);
/** Wires e, e + 1, ... */
export function following(e: Elem, n: number): Elem[] {
  const out = new Array<Elem>(n);
  for (let k = 0; k < n; k++) out[k] = (e + k) as Elem;
  return out;
}

/** Rows by the three wires that each reads: open addressing over row numbers. */
export class RowIndex {
  #slots: Int32Array;
  /** `slots`: how many there are at first, a power of two; twice the rows that are expected. */
  constructor(
    readonly from: readonly Elem[],
    slots = 2 ** 12,
  ) {
    this.#slots = new Int32Array(slots);
  }
  /** The row that reads these wires, or -1; then a row with them is to be pushed, as number from.length / 3. */
  row(a: Elem, b: Elem, c: Elem): number {
    const n = this.from.length / 3;
    if (2 * n > this.#slots.length) {
      this.#slots = new Int32Array(2 * this.#slots.length);
      for (let r = 0; r < n; r++) this.#slots[this.#find(this.from[3 * r], this.from[3 * r + 1], this.from[3 * r + 2])] = r + 1;
    }
    const at = this.#find(a, b, c),
      r = this.#slots[at];
    if (r) return r - 1;
    this.#slots[at] = n + 1;
    return -1;
  }
  /** Slot of a row, or the free one that it would take. */
  #find(a: Elem, b: Elem, c: Elem): number {
    const { from } = this,
      mask = this.#slots.length - 1;
    let h = mix(mix(mix(0, a), b), c);
    for (h = (h ^ (h >>> 16)) & mask; ; h = (h + 1) & mask) {
      const r = this.#slots[h] - 1;
      if (r < 0 || (from[3 * r] === a && from[3 * r + 1] === b && from[3 * r + 2] === c)) return h;
    }
  }
}
