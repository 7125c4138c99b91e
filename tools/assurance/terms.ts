/** Polynomials mod p over named atoms, and names for what is equal to what. */
import { mod } from './field.js';

/** Coefficients by monomial: names of atoms, sorted, joined by a star; the constant under ''. */
export type Poly = ReadonlyMap<string, bigint>;

export const constant = (x: bigint): Poly => (mod(x) === 0n ? new Map() : new Map([['', mod(x)]]));
export const atom = (name: string): Poly => new Map([[name, 1n]]);
export const factorsOf = (monomial: string): string[] => (monomial === '' ? [] : monomial.split('*'));

/** The number that a polynomial is, or undefined. */
export function numberOf(p: Poly): bigint | undefined {
  if (p.size === 0) return 0n;
  return p.size === 1 ? p.get('') : undefined;
}

/** The atom that a polynomial is, or undefined. */
export function atomOf(p: Poly): string | undefined {
  if (p.size !== 1) return undefined;
  const [[m, x]] = p;
  return m !== '' && !m.includes('*') && x === 1n ? m : undefined;
}

export function atomsOf(p: Poly): Set<string> {
  const out = new Set<string>();
  for (const m of p.keys()) for (const a of factorsOf(m)) out.add(a);
  return out;
}

/** factor * p added to `to`. */
function addTo(to: Map<string, bigint>, p: Poly, factor: bigint, also: readonly string[] = []): void {
  for (const [m, x] of p) {
    const key = also.length ? [...factorsOf(m), ...also].sort().join('*') : m,
      v = mod((to.get(key) ?? 0n) + factor * x);
    if (v === 0n) to.delete(key);
    else to.set(key, v);
  }
}

export function plus(a: Poly, b: Poly, factor = 1n): Poly {
  const out = new Map(a);
  addTo(out, b, factor);
  return out;
}

export function product(a: Poly, b: Poly): Poly {
  const out = new Map<string, bigint>();
  for (const [m, x] of b) addTo(out, a, x, factorsOf(m));
  return out;
}

/** p with polynomials in place of its atoms. */
export function substituted(p: Poly, by: (name: string) => Poly): Poly {
  const out = new Map<string, bigint>();
  for (const [m, x] of p)
    addTo(
      out,
      factorsOf(m).reduce<Poly>((s, a) => product(s, by(a)), constant(1n)),
      x,
    );
  return out;
}

export const textOf = (p: Poly): string =>
  [...p]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([m, x]) => `${x}${m && `*${m}`}`)
    .join('+');

/**
 * Values as expressions in what is given. Equal expressions have one name, in whatever run they occur: equal names are
 * equal values.
 */
export class Names {
  readonly #names = new Map<string, string>();
  readonly #polys = new Map<string, Poly>();

  /** The name of an expression. */
  of(expression: string): string {
    let n = this.#names.get(expression);
    if (n === undefined) {
      n = `r${this.#names.size}`;
      this.#names.set(expression, n);
    }
    return n;
  }

  /** A polynomial as a number, an atom or the name of its own. */
  poly(p: Poly): Poly {
    if (numberOf(p) !== undefined || atomOf(p) !== undefined) return p;
    const n = this.of(`poly ${textOf(p)}`);
    this.#polys.set(n, p);
    return atom(n);
  }

  /** What a name stands for, if it is that of a polynomial. */
  meaning(name: string): Poly | undefined {
    return this.#polys.get(name);
  }
}
