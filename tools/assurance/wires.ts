/**
 * A circuit's wires as expressions. Every wire that several rows read has an atom of its own, with the polynomial that
 * defines it; rows that compare, split and hash give facts about atoms. Free words that are choices (bits that a prover
 * may set either way) are numbers here: a run is one case of them.
 */
import { DataError } from './data.js';
import { mod } from './field.js';
import { type Poly, atom, atomOf, atomsOf, constant, numberOf, plus, product, textOf } from './terms.js';
import type { Wiring } from './wiring.js';

/** a = b; a in [0, 2^bits); word = its bits; a square, hence 0 or 1; p >= 0 over the integers. */
export type Fact =
  | { readonly kind: 'equal'; readonly a: Poly; readonly b: Poly }
  | { readonly kind: 'range'; readonly atom: string; readonly bits: number }
  | { readonly kind: 'bits'; readonly atom: string; readonly used: ReadonlyMap<number, string> }
  | { readonly kind: 'boolean'; readonly atom: string }
  | { readonly kind: 'premise'; readonly least: Poly };

export interface PermutationRow {
  readonly inputs: readonly Poly[];
  readonly outputs: readonly string[];
}
export interface LevelRow {
  readonly current: readonly Poly[];
  readonly bit: Poly;
  readonly sibling: readonly string[];
  readonly outputs: readonly string[];
}

/** A case in which rows contradict each other by numbers alone. */
export class Impossible extends Error {}

const ALL = (1n << 64n) - 1n;

export class Wires {
  readonly definitions = new Map<string, Poly>();
  readonly facts: Fact[] = [];
  readonly permutations: PermutationRow[] = [];
  readonly levels: LevelRow[] = [];
  readonly #values = new Map<number, Poly>();
  readonly #bits = new Map<string, Map<number, string>>();

  /** `choices`: numbers of free words by row. Throws Impossible, DataError. */
  constructor(
    readonly wiring: Wiring,
    readonly choices: ReadonlyMap<number, bigint>,
  ) {
    this.#splits();
    this.#permutations();
    this.#levels();
    this.#equalities();
    this.#caps();
    for (const [name, used] of this.#bits) if (used.size) this.facts.push({ kind: 'bits', atom: name, used });
  }

  /** The word of a row, the public word of a row. */
  static word = (row: number): string => `W${row}`;
  static publicWord = (row: number): string => `U${row}`;

  /** Value at an address. */
  value(address: number): Poly {
    const known = this.#values.get(address);
    if (known) return known;
    const v = this.#evaluate(address);
    this.#values.set(address, v);
    return v;
  }

  #evaluate(address: number): Poly {
    const { wiring } = this,
      { tensor, lane, row } = wiring.wire(address);
    switch (tensor) {
      case 'K':
        if (wiring.fixed('K', 1, row) !== 0n || wiring.fixed('K', 2, row) !== 0n) throw new DataError(`K ${row}`, 'is no base element');
        return constant(mod(wiring.fixed('K', 0, row)));
      case 'W': {
        const choice = this.choices.get(row);
        return choice === undefined ? atom(Wires.word(row)) : constant(choice);
      }
      case 'U':
        return atom(Wires.publicWord(row));
      case 'F':
      case 'B': {
        const [a, b, c] = wiring.from(`${tensor}.from`, 3, row).map((x) => this.value(x)),
          p = plus(product(a, b), c);
        return (wiring.reads.get(address) ?? 0) > 1 ? this.#named(`${tensor}${row}`, p) : p;
      }
      case 'D': {
        const v = wiring.from('D.from', 9, row).map((x) => this.value(x)),
          p = [0, 1, 2, 3].reduce((s, i) => plus(s, product(v[i], v[i + 4])), v[8]);
        return (wiring.reads.get(address) ?? 0) > 1 ? this.#named(`D${row}`, p) : p;
      }
      case 'S':
        return this.#bit(this.#word(row), lane);
      case 'P':
        return atom(`P${row}.${lane}`);
      case 'M':
        return atom(`M${row}.${lane}`);
      default:
        throw new DataError(tensor, 'is a wire of a kind that is not read here');
    }
  }

  /** An atom for a polynomial that is neither a number nor an atom. */
  #named(name: string, p: Poly): Poly {
    if (numberOf(p) !== undefined || atomOf(p) !== undefined) return p;
    this.definitions.set(name, p);
    return atom(name);
  }

  /** The word that a row of S splits. */
  #word(row: number): Poly {
    return this.#named(`S${row}`, this.value(Number(this.wiring.fixed('S.from', 0, row))));
  }

  #bit(word: Poly, k: number): Poly {
    const number = numberOf(word);
    if (number !== undefined) return constant((number >> BigInt(k)) & 1n);
    const name = atomOf(word)!,
      bits = this.#bits.get(name) ?? new Map<number, string>();
    this.#bits.set(name, bits);
    if (!bits.has(k)) bits.set(k, `${name}.bit${k}`);
    return atom(bits.get(k)!);
  }

  /** Dead bits above the n-th: the word is below 2^n. Dead bits below leave it to them all. */
  #splits(): void {
    for (let row = 0; row < this.wiring.height('S'); row++) {
      let dead = 0n;
      for (let k = 0; k < 64; k++) dead |= this.wiring.fixed('S.dead', k, row) << BigInt(k);
      const word = this.#word(row),
        number = numberOf(word);
      let bits = 64;
      while (bits > 0 && (dead >> BigInt(bits - 1)) & 1n) bits--;
      if (number !== undefined) {
        if ((number & dead & ALL) !== 0n) throw new Impossible();
        continue;
      }
      const name = atomOf(word)!;
      if (!this.#bits.has(name)) this.#bits.set(name, new Map());
      if (bits < 64) this.facts.push({ kind: 'range', atom: name, bits });
    }
  }

  #permutations(): void {
    const { wiring } = this;
    for (let row = 0; row < wiring.height('P'); row++)
      this.permutations.push({
        inputs: wiring.from('P.from', 12, row).map((a) => this.value(a)),
        outputs: Array.from({ length: 12 }, (_, l) => `P${row}.${l}`),
      });
  }

  #levels(): void {
    const { wiring } = this,
      four = [0, 1, 2, 3];
    for (let row = 0; row < wiring.height('M'); row++)
      this.levels.push({
        current: wiring.from('M.from', 4, row).map((a) => this.value(a)),
        bit: this.value(Number(wiring.fixed('M.fromBit', 0, row))),
        sibling: four.map((q) => `M${row}.sibling${q}`),
        outputs: four.map((q) => `M${row}.${q}`),
      });
  }

  #equalities(): void {
    const { wiring } = this;
    for (let row = 0; row < wiring.height('Q'); row++) {
      const [a, b] = wiring.from('Q.from', 2, row).map((x, k) => this.#named(`Q${row}.${k}`, this.value(x))),
        [m, n] = [numberOf(a), numberOf(b)];
      if (textOf(a) === textOf(b)) continue;
      if (m !== undefined && n !== undefined) throw new Impossible();
      this.facts.push({ kind: 'equal', a, b });
      for (const [x, y] of [
        [a, b],
        [b, a],
      ]) {
        // y = x x, and equal to x: zero or one, p being prime.
        const name = atomOf(x),
          d = atomOf(y) && this.definitions.get(atomOf(y)!);
        if (name && d && d.size === 1 && d.get(`${name}*${name}`) === 1n) this.facts.push({ kind: 'boolean', atom: name });
      }
    }
  }

  /** A cap of one, whose entry is the digest itself: what fills the rows of G. Others are not read here. */
  #caps(): void {
    const { wiring } = this;
    for (let row = 0; row < wiring.height('G'); row++) {
      const base = Number(wiring.fixed('G.base', 0, row)),
        index = numberOf(this.value(Number(wiring.fixed('G.fromIndex', 0, row))));
      if (index !== 0n || wiring.from('G.from', 4, row).some((a, l) => a !== base + l))
        throw new DataError(`G ${row}`, 'compares a digest with a cap, which is not read here');
    }
  }

  /** Adds what is taken for granted. */
  grant(least: Poly): void {
    this.facts.push({ kind: 'premise', least });
  }
}

/** Atoms of a fact. */
export function atomsIn(f: Fact): Set<string> {
  switch (f.kind) {
    case 'equal':
      return new Set([...atomsOf(f.a), ...atomsOf(f.b)]);
    case 'premise':
      return atomsOf(f.least);
    case 'bits':
      return new Set([f.atom, ...f.used.values()]);
    default:
      return new Set([f.atom]);
  }
}
