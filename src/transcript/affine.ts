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
const DEGREE = 3;

/** Part `to`'s pads, times `by` (one where absent), subtracted if `minus`. */
interface Edge {
  readonly to: number;
  readonly by?: Elem | undefined;
  readonly minus?: boolean;
}

/**
 * An affine form: its known value, and how its linear part follows from that of earlier ones. A form without edges is
 * an atom: a cell, whose value is its linear part.
 */
interface Form {
  readonly known: Elem;
  readonly edges: readonly Edge[];
  /** Of an atom: its cell, and the pads of which it is the product. */
  readonly atom?: { readonly cell: Cell; readonly pads: readonly number[] };
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
  readonly #forms: Form[] = [];
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

  #form(f: Form): Elem {
    return -this.#forms.push(f) as Elem;
  }
  #of(a: Elem): Form {
    return this.#forms[-a - 1];
  }
  /** The known value of a handle. */
  known(a: Elem): Elem {
    return a < 0 ? this.#of(a).known : a;
  }
  #clear(a: Elem, what: string): Elem {
    if (a < 0) throw new HiddenValueError(what);
    return a;
  }

  constant(value: bigint | Ext): Elem {
    return this.base.constant(value);
  }
  #linear(known: Elem, edges: readonly Edge[]): Elem {
    return edges.length ? this.#form({ known, edges }) : known;
  }
  #edge(a: Elem, by?: Elem, minus = false): Edge[] {
    return a < 0 ? [{ to: -a - 1, by, minus }] : [];
  }
  add(a: Elem, b: Elem): Elem {
    return this.#linear(this.base.add(this.known(a), this.known(b)), [...this.#edge(a), ...this.#edge(b)]);
  }
  sub(a: Elem, b: Elem): Elem {
    return this.#linear(this.base.sub(this.known(a), this.known(b)), [...this.#edge(a), ...this.#edge(b, undefined, true)]);
  }
  mul(a: Elem, b: Elem): Elem {
    return this.#linear(this.base.mul(this.known(a), this.known(b)), this.#productEdges(a, b));
  }
  mulAdd(a: Elem, b: Elem, c: Elem): Elem {
    return this.#linear(this.base.mulAdd(this.known(a), this.known(b), this.known(c)), [...this.#productEdges(a, b), ...this.#edge(c)]);
  }
  /** (v + A)(w + B) = v w + w A + v B + A B, the last in atoms. */
  #productEdges(a: Elem, b: Elem): Edge[] {
    const out = [...this.#edge(a, this.known(b)), ...this.#edge(b, this.known(a))];
    if (a >= 0 || b >= 0) return out;
    const [l, r] = [this.#expand(-a - 1), this.#expand(-b - 1)];
    for (const [i, x] of l) for (const [j, y] of r) out.push({ to: this.#product(i, j), by: this.base.mul(x, y) });
    return out;
  }
  /** The linear part of a form in atoms. */
  #expand(form: number, by = this.base.constant(1n), into = new Map<number, Elem>()): Map<number, Elem> {
    const { atom, edges } = this.#forms[form];
    if (atom) {
      const old = into.get(form);
      into.set(form, old === undefined ? by : this.base.add(old, by));
    }
    for (const e of edges) {
      const c = e.by === undefined ? by : this.base.mul(by, e.by);
      this.#expand(e.to, e.minus ? this.base.sub(this.base.constant(0n), c) : c, into);
    }
    return into;
  }
  /** The atom that is the product of two. */
  #product(i: number, j: number): number {
    const [x, y] = [this.#forms[i].atom!, this.#forms[j].atom!],
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
    return this.#form({ known, edges: [], atom: { cell, pads } });
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
  merkleCap(label: string, root: Digest, levels: number): readonly Digest[] {
    root.forEach((w) => this.#clear(w, 'a root'));
    return this.base.merkleCap(label, root, levels);
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
      bar: (Elem | undefined)[] = Array<Elem | undefined>(this.#forms.length),
      weights: Elem[] = Array<Elem>(slotCount(counts)).fill(zero);
    let power = this.base.constant(1n),
      known = this.base.sub(zero, this.known(value));
    if (value < 0) bar[-value - 1] = this.base.constant(-1n);
    for (const a of this.#assertions) {
      power = this.base.mul(power, chi);
      bar[a] = bar[a] === undefined ? power : this.base.add(bar[a], power);
      known = this.base.mulAdd(power, this.#forms[a].known, known);
    }
    this.#sweep(bar);
    this.#forms.forEach(({ atom }, i) => {
      const b = bar[i];
      if (!atom || b === undefined) return;
      const slot = slotOf(counts, atom.cell);
      weights[slot] = this.base.add(weights[slot], b);
    });
    return { known, weights };
  }
  /** From the last form to the first: what each passes on to those it was made of. */
  #sweep(bar: (Elem | undefined)[]): void {
    for (let i = this.#forms.length - 1; i >= 0; i--) {
      const b = bar[i];
      if (b === undefined) continue;
      for (const { to, by, minus } of this.#forms[i].edges) {
        const old = bar[to],
          zero = this.base.constant(0n);
        if (minus) bar[to] = this.base.sub(old ?? zero, by === undefined ? b : this.base.mul(by, b));
        else if (by === undefined) bar[to] = old === undefined ? b : this.base.add(old, b);
        else bar[to] = old === undefined ? this.base.mul(by, b) : this.base.mulAdd(by, b, old);
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
