/**
 * A verifier of messages under one-time pads. The prover has committed pads K and sends s = m - K in place of a message
 * m that is to stay hidden. AffineChannel runs a verifier unchanged over what it then knows of m: the value s, and that
 * K belongs to it. Every number of that verifier is an affine form, a known value plus a linear form in the pads and in
 * products of pads, and so is the difference of the two sides of every assertion. `join` turns all of them, under
 * challenges drawn after the messages, into one linear claim on the cells that hold pads and products; those of the
 * stack's opening prove it.
 *
 * Products of pads: the p-th product met is that of two atoms (a pad, or an earlier product), x_p y_p, and has a cell
 * q_p. That q_p = x_p y_p for all n of them is proved at a random point: x, y are the polynomials of degree n through
 * these at 0 .. n - 1 and through two cells of their own at n, q the one of degree 2n through q_0 .. q_2n, and q(tau) =
 * x(tau) y(tau). The values at n are uniform, so that x(tau) and y(tau), which are sent, say nothing of the others.
 * Argument and errors: docs/soundness.md, section 9.
 */
import { lagrangeScales } from '../field/lagrange.js';
import type { Channel, Digest, Elem, Ext } from './arith.js';
import { type Cell, type PadCounts, slotCount, slotOf } from './pad-cells.js';

/** A verifier that asks of a hidden value what only a known one can answer. */
export class HiddenValueError extends Error {
  constructor(what: string) {
    super(`${what} of a hidden value`);
    this.name = 'HiddenValueError';
  }
}

/** Label of the inverse of a hidden element, which the prover sends. */
export const HIDDEN_INVERSE = 'inverse of a hidden element';

/** Most pads in a product. */
const DEGREE = 7;

/** An atom: a form whose linear part is the value of one cell. */
interface Atom {
  readonly cell: Cell;
  /** The pads of which it is the product. */ readonly pads: readonly number[];
}

/** In the place of an edge's factor: one. */
const ONE = -1 as Elem;

/**
 * Affine forms: the known value of each, and how its linear part follows from that of earlier ones: by edges, each that
 * form's part times a factor, subtracted if `minus`. Edges of a form lie together; a form without edges that is no atom
 * does not exist. (One list of numbers for each property, for there are thousands of both.)
 */
class Forms {
  readonly known: Elem[] = [];
  readonly atoms = new Map<number, Atom>();
  /** Edges of form i: those from first[i] up to first[i + 1]. */ readonly first: number[] = [0];
  readonly to: number[] = [];
  readonly by: Elem[] = [];
  readonly minus: boolean[] = [];

  edge(to: number, by: Elem = ONE, minus = false): void {
    this.to.push(to);
    this.by.push(by);
    this.minus.push(minus);
  }
  /** Ends a form with the edges since the last one. */
  end(known: Elem): number {
    this.first.push(this.to.length);
    return this.known.push(known) - 1;
  }
  /** Whether edges wait for their form's end. */
  get open(): boolean {
    return this.to.length > this.first[this.first.length - 1];
  }
}

/** A linear claim: known + sum over slots of weight times cell = 0. */
export interface LinearForm {
  readonly known: Elem;
  /** By slot. */ readonly weights: readonly Elem[];
}

/** Labels of the products' values at tau, of tau and of what joins the assertions. */
export const PRODUCTS = { values: 'pad products', point: 'tau', join: 'chi' };

/**
 * Handles of the channel below are known values; negative ones are forms. `hidden` says which elements of a message are
 * under pads; pads are counted in the order in which they are read.
 */
export class AffineChannel implements Channel {
  readonly #forms = new Forms();
  readonly #assertions: number[] = [];
  readonly #products: [Cell, Cell][] = [];
  /** Atom of a product, by its pads. */ readonly #atoms = new Map<string, number>();
  readonly #names: string[] = [];
  #pads = 0;

  constructor(
    readonly base: Channel,
    readonly hidden: (label: string, index: number) => boolean,
  ) {}

  /** What has been met so far. */
  get counts(): PadCounts {
    return { pads: this.#pads, products: [...this.#products] };
  }
  /** Names of the assertions that hidden values are in. */
  get assertions(): readonly string[] {
    return this.#names;
  }

  /** The known value of a handle. */
  known(a: Elem): Elem {
    return a < 0 ? this.#forms.known[-a - 1] : a;
  }
  #clear(a: Elem, what: string): Elem {
    if (a < 0) throw new HiddenValueError(what);
    return a;
  }

  constant(value: bigint | Ext): Elem {
    return this.base.constant(value);
  }
  /** A form of the edges that wait; a known value where none do. */
  #ended(known: Elem): Elem {
    return this.#forms.open ? ((-this.#forms.end(known) - 1) as Elem) : known;
  }
  #edge(a: Elem, by?: Elem, minus = false): void {
    if (a < 0) this.#forms.edge(-a - 1, by, minus);
  }
  add(a: Elem, b: Elem): Elem {
    const known = this.base.add(this.known(a), this.known(b));
    this.#edge(a);
    this.#edge(b);
    return this.#ended(known);
  }
  sub(a: Elem, b: Elem): Elem {
    const known = this.base.sub(this.known(a), this.known(b));
    this.#edge(a);
    this.#edge(b, undefined, true);
    return this.#ended(known);
  }
  mul(a: Elem, b: Elem): Elem {
    const known = this.base.mul(this.known(a), this.known(b));
    this.#multiply(a, b);
    return this.#ended(known);
  }
  mulAdd(a: Elem, b: Elem, c: Elem): Elem {
    const known = this.base.mulAdd(this.known(a), this.known(b), this.known(c));
    this.#multiply(a, b);
    this.#edge(c);
    return this.#ended(known);
  }
  /** (v + A)(w + B) = v w + w A + v B + A B, the last in atoms, which are made before any edge. */
  #multiply(a: Elem, b: Elem): void {
    const products: [atom: number, by: Elem][] = [];
    if (a < 0 && b < 0) {
      const [l, r] = [this.#expand(-a - 1), this.#expand(-b - 1)];
      for (const [i, x] of l) for (const [j, y] of r) products.push([this.#product(i, j), this.base.mul(x, y)]);
    }
    this.#edge(a, this.known(b));
    this.#edge(b, this.known(a));
    for (const [atom, by] of products) this.#forms.edge(atom, by);
  }
  /** The linear part of a form in atoms. */
  #expand(form: number, by = this.base.constant(1n), into = new Map<number, Elem>()): Map<number, Elem> {
    const f = this.#forms;
    if (f.atoms.has(form)) {
      const old = into.get(form);
      into.set(form, old === undefined ? by : this.base.add(old, by));
    }
    for (let e = f.first[form]; e < f.first[form + 1]; e++) {
      const c = f.by[e] === ONE ? by : this.base.mul(by, f.by[e]);
      this.#expand(f.to[e], f.minus[e] ? this.base.sub(this.base.constant(0n), c) : c, into);
    }
    return into;
  }
  /** The atom that is the product of two. */
  #product(i: number, j: number): number {
    const [x, y] = [this.#forms.atoms.get(i)!, this.#forms.atoms.get(j)!],
      pads = [...x.pads, ...y.pads].sort((p, q) => p - q),
      name = pads.join(),
      old = this.#atoms.get(name);
    if (old !== undefined) return old;
    if (pads.length > DEGREE) throw new HiddenValueError(`a product of degree ${pads.length}`);
    const index = this.#products.push([x.cell, y.cell]) - 1,
      at = -this.#atom({ kind: 'product', index }, pads) - 1;
    this.#atoms.set(name, at);
    return at;
  }
  #atom(cell: Cell, pads: readonly number[], known = this.base.constant(0n)): Elem {
    const form = this.#forms.end(known);
    this.#forms.atoms.set(form, { cell, pads });
    return (-form - 1) as Elem;
  }
  #padded(value: Elem): Elem {
    const index = this.#pads++;
    return this.#atom({ kind: 'pad', index }, [index], value);
  }

  /** A hidden element has its inverse sent, hidden too, and the product is asserted to be one. */
  inverse(a: Elem): Elem {
    if (a >= 0) return this.base.inverse(a);
    const [sent] = this.base.read(HIDDEN_INVERSE, 1),
      inverse = this.#padded(sent);
    this.assertEqual(this.mul(a, inverse), this.constant(1n), 'inverse');
    return inverse;
  }
  compose(a: Elem, b: Elem, c: Elem): Elem {
    return this.base.compose(this.#clear(a, 'composition'), this.#clear(b, 'composition'), this.#clear(c, 'composition'));
  }
  coordinates(a: Elem): readonly [Elem, Elem, Elem] {
    return this.base.coordinates(this.#clear(a, 'coordinates'));
  }
  select(bit: Elem, a: Elem, b: Elem): Elem {
    return this.base.select(this.#clear(bit, 'a choice'), this.#clear(a, 'a choice'), this.#clear(b, 'a choice'));
  }
  assertEqual(a: Elem, b: Elem, check: string): void {
    if (a >= 0 && b >= 0) return this.base.assertEqual(a, b, check);
    this.#assertions.push(-this.sub(a, b) - 1);
    this.#names.push(check);
  }
  publicWords(label: string, words: readonly bigint[]): void {
    this.base.publicWords(label, words);
  }
  publicElems(label: string, elems: readonly Elem[]): void {
    this.base.publicElems(
      label,
      elems.map((e) => this.#clear(e, 'a public word')),
    );
  }
  read(label: string, n: number): Elem[] {
    return this.base.read(label, n).map((v, i) => (this.hidden(label, i) ? this.#padded(v) : v));
  }
  readBase(label: string, n: number): Elem[] {
    return this.base.readBase(label, n);
  }
  readDigest(label: string): Digest {
    return this.base.readDigest(label);
  }
  split(word: Elem, n: number): Elem[] {
    return this.base.split(this.#clear(word, 'bits'), n);
  }
  hash(domain: bigint, words: readonly Elem[]): Elem[] {
    return this.base.hash(
      domain,
      words.map((w) => this.#clear(w, 'a hash')),
    );
  }
  sample(label: string): Elem {
    return this.base.sample(label);
  }
  sampleBits(label: string, n: number): Elem[] {
    return this.base.sampleBits(label, n);
  }
  grind(label: string, bits: number): void {
    this.base.grind(label, bits);
  }
  merkleCap(label: string, root: Digest, levels: number, salted = false): readonly Digest[] {
    root.forEach((w) => this.#clear(w, 'a root'));
    return this.base.merkleCap(label, root, levels, salted);
  }
  merkleOpen(label: string, cap: readonly Digest[], bits: readonly Elem[], words: number): Elem[] {
    return this.base.merkleOpen(label, cap, bits, words);
  }

  /**
   * Reads what proves the products, and joins with powers of a challenge all assertions on hidden values, these claims,
   * and -(the linear part of `value`), where <w, f> = value is what is claimed of the rest of the stack: <w, f> + sum
   * of weights times cells = -known is left. Nothing hidden may be read or asserted afterwards.
   */
  join(value: Elem): LinearForm {
    this.#proveProducts();
    const counts = this.counts,
      chi = this.sample(PRODUCTS.join),
      zero = this.base.constant(0n),
      bar: (Elem | undefined)[] = Array<Elem | undefined>(this.#forms.known.length).fill(undefined),
      weights: Elem[] = Array<Elem>(slotCount(counts)).fill(zero);
    let power = this.base.constant(1n),
      known = this.base.sub(zero, this.known(value));
    if (value < 0) bar[-value - 1] = this.base.constant(-1n);
    for (const a of this.#assertions) {
      power = this.base.mul(power, chi);
      bar[a] = bar[a] === undefined ? power : this.base.add(bar[a], power);
      known = this.base.mulAdd(power, this.#forms.known[a], known);
    }
    this.#sweep(bar);
    for (const [form, { cell }] of this.#forms.atoms) {
      const b = bar[form];
      if (b === undefined) continue;
      const slot = slotOf(counts, cell);
      weights[slot] = this.base.add(weights[slot], b);
    }
    return { known, weights };
  }
  /** From the last form to the first: what each passes on to those it was made of. */
  #sweep(bar: (Elem | undefined)[]): void {
    const { first, to, by, minus } = this.#forms,
      zero = this.base.constant(0n);
    for (let i = bar.length - 1; i >= 0; i--) {
      const b = bar[i];
      if (b === undefined) continue;
      for (let e = first[i]; e < first[i + 1]; e++) {
        const old = bar[to[e]],
          one = by[e] === ONE;
        if (minus[e]) bar[to[e]] = this.base.sub(old ?? zero, one ? b : this.base.mul(by[e], b));
        else if (one) bar[to[e]] = old === undefined ? b : this.base.add(old, b);
        else bar[to[e]] = old === undefined ? this.base.mul(by[e], b) : this.base.mulAdd(by[e], b, old);
      }
    }
  }
  /** x(tau) and y(tau) against the cells, and q(tau) against their product. */
  #proveProducts(): void {
    const n = this.#products.length;
    if (!n) return;
    const tau = this.sample(PRODUCTS.point),
      [x, y] = this.base.read(PRODUCTS.values, 2),
      own = (kind: 'x' | 'y'): Elem => this.#atom({ kind }, []),
      cells = (of: (p: readonly [Cell, Cell]) => Cell, last: Elem): Elem[] => [...this.#products.map((p) => this.#cell(of(p))), last],
      at = (values: readonly Elem[]): Elem => {
        const weights = lagrangeAt(this.base, tau, values.length - 1);
        return values.reduce((s, v, i) => this.mulAdd(weights[i], v, s), this.constant(0n));
      };
    const xs = at(cells(([a]) => a, own('x'))),
      ys = at(cells(([, b]) => b, own('y'))),
      qs = at(Array.from({ length: 2 * n + 1 }, (_, index) => this.#cell({ kind: 'product', index })));
    this.assertEqual(xs, x, 'first factors of the products of pads');
    this.assertEqual(ys, y, 'second factors of the products of pads');
    this.assertEqual(qs, this.mul(x, y), 'products of pads');
  }
  /** A cell by itself: the same cell's atom may have a known value beside it. */
  #cell(cell: Cell): Elem {
    return this.#atom(cell, []);
  }
}

/** Weights of the values at 0 .. degree in that at x of the polynomial through them. */
function lagrangeAt(ch: Channel, x: Elem, degree: number): Elem[] {
  const one = ch.constant(1n),
    diff = Array.from({ length: degree + 1 }, (_, j) => ch.sub(x, ch.constant(BigInt(j)))),
    pre = [one],
    suf = [one];
  for (let j = 0; j < degree; j++) {
    pre.push(ch.mul(pre[j], diff[j]));
    suf.push(ch.mul(suf[j], diff[degree - j]));
  }
  return lagrangeScales(degree).map((s, i) => ch.mul(ch.constant(s), ch.mul(pre[i], suf[degree - i])));
}
