/**
 * Numbers of several digits. A root or quotient of a hundred bits is stated in halves with a carry, so that no single
 * fact says what it is. Substituting one identity into another, exactly, gives the statement about the number itself:
 * digits and carries cancel, and what is left is asked as usual. An eliminated cell stays as a fact: its expression is
 * in format.
 */
import type { Term } from './data.js';
import type { Fact } from './slices.js';
import { assertion, between, integers, lit, sum, times } from './smt.js';
import type { Determination } from './unique.js';

/** Coefficients by monomial: names of cells, sorted, joined by a star; the constant under ''. */
type Polynomial = Map<string, bigint>;
interface Bounded {
  readonly poly: Polynomial;
  readonly lo: bigint;
  readonly hi: bigint;
}

/** Cells that are open at once in such a statement. */
const TOGETHER = 8;

const symbols = (p: Polynomial): Set<string> => new Set([...p.keys()].flatMap((m) => (m === '' ? [] : m.split('*'))));

function addTo(p: Polynomial, monomial: readonly string[], x: bigint): void {
  const key = [...monomial].sort().join('*'),
    v = (p.get(key) ?? 0n) + x;
  if (v === 0n) p.delete(key);
  else p.set(key, v);
}

/** p with `by` in place of a symbol. */
function substitute(p: Polynomial, symbol: string, by: Polynomial): Polynomial {
  if (![...p.keys()].some((m) => m.split('*').includes(symbol))) return p;
  const out: Polynomial = new Map();
  for (const [m, x] of p) {
    let parts: [readonly string[], bigint][] = [[m === '' ? [] : m.split('*').filter((y) => y !== symbol), x]];
    for (let k = m.split('*').filter((y) => y === symbol).length; k > 0; k--)
      parts = parts.flatMap(([a, c]) =>
        [...by].map(([b, d]): [readonly string[], bigint] => [[...a, ...(b === '' ? [] : b.split('*'))], c * d]),
      );
    for (const [a, c] of parts) addTo(out, a, c);
  }
  return out;
}

/** The statement about one number: cells by name with their formats, identities, and expressions that lie in bounds. */
class Statement {
  /** Formats of cells, by name; sums over axes have none. */
  readonly formats = new Map<string, { lo: bigint; hi: bigint }>();
  readonly #names = new Map<string, string>();
  readonly open = new Set<string>();
  zeros: Polynomial[] = [];
  bounds: Bounded[] = [];

  constructor(
    readonly d: Determination,
    readonly nodes: ReadonlySet<string>,
  ) {}

  name(key: string): string {
    let n = this.#names.get(key);
    if (n === undefined) {
      n = `x${this.#names.size}`;
      this.#names.set(key, n);
    }
    return n;
  }

  has(key: string): boolean {
    return this.#names.has(key);
  }

  /** Names of a term's factors: its cells, or one for a sum over axes. */
  factors(t: Term, f: Fact): string[] {
    const { slices, formats } = this.d,
      keys = t.operands.map((o) => slices.keyOf(o, f.place));
    if (t.over.length) return [this.name(`${t.over.join()}|${keys.sort().join(' ')}`)];
    return t.operands.map((o, k) => {
      const n = this.name(keys[k]),
        b = formats.get(o.tensor.name)!;
      this.formats.set(n, b.mask && b.lo > 0n ? { lo: 0n, hi: b.hi } : b);
      if (slices.touched(o, f.place).some((x) => this.nodes.has(x))) this.open.add(n);
      return n;
    });
  }

  polynomial(f: Fact, gone: ReadonlySet<Term>): Polynomial {
    const p: Polynomial = new Map();
    addTo(p, [], f.component.constant);
    for (const t of f.component.terms) if (!gone.has(t)) addTo(p, this.factors(t, f), t.coef);
    return p;
  }

  /**
   * Takes cells out until no identity has one that stands alone with coefficient 1 or -1. Those that most identities
   * share go first.
   */
  eliminate(keep: string): void {
    for (const [n, b] of this.formats) this.bounds.push({ poly: new Map([[n, 1n]]), ...b });
    for (;;) {
      let best: { k: number; symbol: string; weight: number } | undefined;
      for (const [k, z] of this.zeros.entries()) {
        const hasOpen = [...symbols(z)].some((y) => this.open.has(y));
        for (const [m, x] of z) {
          // Both copies share what is known: an identity with open cells may take out one of those alone.
          if (hasOpen && !this.open.has(m)) continue;
          if (m === '' || m === keep || m.includes('*') || (x !== 1n && x !== -1n)) continue;
          if ([...z.keys()].some((y) => y !== m && y.split('*').includes(m))) continue;
          const shared = this.zeros.filter((y) => y !== z && symbols(y).has(m)).length,
            alike = [...z.values()].filter((y) => y > 0n === x > 0n).length,
            weight = 1000 * shared + alike;
          if (!best || weight > best.weight) best = { k, symbol: m, weight };
        }
      }
      if (!best) break;
      const { k, symbol } = best,
        [z] = this.zeros.splice(k, 1),
        unit = z.get(symbol)!,
        by: Polynomial = new Map([...z].filter(([m]) => m !== symbol).map(([m, x]) => [m, -unit * x]));
      this.zeros = this.zeros.map((p) => substitute(p, symbol, by));
      this.bounds = this.bounds.map((b) => ({ ...b, poly: substitute(b.poly, symbol, by) }));
    }
    for (const poly of this.zeros) this.bounds.push({ poly, lo: 0n, hi: 0n });
  }

  /**
   * The question whether the number may have two values, from what speaks of it, and linearly of anything else that is
   * open.
   */
  question(n: string): string {
    const usable = this.bounds.filter(
      ({ poly }) =>
        symbols(poly).size &&
        [...poly.keys()].every((m) => {
          const open = m.split('*').filter((x) => this.open.has(x));
          return open.length <= 1 || open.every((x) => x === n);
        }),
    );
    const lines: string[] = [],
      names = new Map<string, string>(),
      symbol = (key: string): string => {
        let s = names.get(key);
        if (s === undefined) {
          s = `s${names.size}`;
          names.set(key, s);
          lines.push(integers(s));
        }
        return s;
      },
      monomial = (m: string, copy: string): string => {
        if (m === '') return '1';
        const parts = m.split('*');
        if (!parts.some((x) => this.open.has(x))) return symbol(m);
        const all = parts.map((x) => symbol(this.open.has(x) ? `${x}${copy}` : x));
        return all.length === 1 ? all[0] : `(* ${all.join(' ')})`;
      },
      body = usable.flatMap(({ poly, lo, hi }) =>
        ['', "'"].map((copy) =>
          assertion(between(lo, sum([...poly].map(([m, x]) => (m === '' ? lit(x) : times(x, monomial(m, copy))))), hi)),
        ),
      ),
      differ = assertion(`(< ${symbol(n)} ${symbol(`${n}'`)})`);
    return [...lines, ...new Set(body), differ].join('\n');
  }
}

/** An identity that says that a number is the sum of its digits, all of them open. */
function digitsOf(d: Determination, n: string): Fact | undefined {
  return d.slices.uses.get(n)!.find((f) => {
    const c = f.component,
      open = d.open(f),
      isOpen = (t: Term): boolean => t.operands.some((o) => d.slices.touched(o, f.place).some((x) => open.includes(x))),
      own = c.terms.find((t) => t.operands.some((o) => d.slices.touched(o, f.place).includes(n)));
    if (c.constraint.kind !== 'zero' || open.length < 2 || !own || (own.coef !== 1n && own.coef !== -1n) || !d.linear(f, open))
      return false;
    return isUsable(d, f) && c.terms.every((t) => t === own || !isOpen(t) || t.coef > 0n !== own.coef > 0n);
  });
}

/** Entries of tables say nothing here, nor what holds under a mask alone. */
const isUsable = (d: Determination, f: Fact): boolean => !f.key && !d.isBare(f);

/** The slice `n`, if the identities around it determine it together. */
export async function wideNumber(d: Determination, n: string): Promise<string[] | undefined> {
  const mine = digitsOf(d, n);
  if (!mine) return undefined;
  const nodes = new Set(d.open(mine)),
    zeros = [mine];
  for (const f of d.slices.facts) {
    const open = d.open(f);
    if (f === mine || !isUsable(d, f) || f.component.constraint.kind !== 'zero' || !open.some((x) => nodes.has(x))) continue;
    if (new Set([...nodes, ...open]).size > TOGETHER || !(await d.without(f, new Set(open)))) continue;
    for (const x of open) nodes.add(x);
    zeros.push(f);
  }
  if (!(await d.without(mine, nodes))) return undefined;
  const s = new Statement(d, nodes);
  s.zeros = zeros.map((f) => s.polynomial(f, new Set()));
  for (const f of new Set([...nodes].flatMap((x) => d.slices.uses.get(x)!))) {
    if (zeros.includes(f) || !isUsable(d, f)) continue;
    const u = await d.without(f, nodes);
    if (u) s.bounds.push({ poly: s.polynomial(f, u.gone), lo: u.lo, hi: u.hi });
  }
  // Identities among known cells that occur here: the digits of a divisor.
  const seen = new Set([...s.zeros, ...s.bounds.map((b) => b.poly)].flatMap((p) => [...symbols(p)]));
  for (const f of d.slices.facts) {
    if (!isUsable(d, f) || f.component.constraint.kind !== 'zero' || d.open(f).length || !d.lifted.has(f.component.constraint.name))
      continue;
    const keys = f.component.terms.flatMap((x) => (x.over.length ? [''] : x.operands.map((o) => d.slices.keyOf(o, f.place))));
    if (keys.every((k) => k !== '' && s.has(k) && seen.has(s.name(k)))) s.zeros.push(s.polynomial(f, new Set()));
  }
  const cell = mine.component.terms.flatMap((t) => t.operands).find((o) => d.slices.touched(o, mine.place).includes(n))!,
    name = s.name(d.slices.keyOf(cell, mine.place));
  s.eliminate(name);
  return (await d.solver.ask('unique, wide', s.question(name))).answer === 'unsat' ? [n] : undefined;
}
