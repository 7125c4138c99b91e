/**
 * What of a circuit's wires is determined, in one case of its choices. A value is determined if it is an expression in
 * what is given; expressions are named (terms.ts), so that values of different cases are compared by name.
 *
 * - An identity gives an atom that occurs in it alone and with a number for coefficient.
 * - A hash whose digest is determined gives its words, and a level of a tree whose node is gives the two below: two
 *   preimages would be a collision. These values are "the words of the hash with this digest".
 * - A question to the solver: two copies of a few free words, all facts about them, and they cannot differ. The value
 *   is
 *   then "the solution of these facts", which is one name wherever the same facts hold of equal values.
 */
import { P, type Asked, type Solver, assertion, integers, lit, sum, times } from './smt.js';
import { mod } from './field.js';
import {
  type Names,
  type Poly,
  atom,
  atomOf,
  atomsOf,
  constant,
  factorsOf,
  numberOf,
  plus,
  product,
  substituted,
  textOf,
} from './terms.js';
import { type Fact, type LevelRow, type PermutationRow, type Wires, atomsIn } from './wires.js';

/** Monomials of a polynomial whose name is explained in a question. */
const SHORT = 4;

/** Free words that are asked about together. */
const TOGETHER = 3;

const inverse = (x: bigint): bigint => {
  let out = 1n,
    b = mod(x);
  for (let e = P - 2n; e; e >>= 1n) {
    if (e & 1n) out = mod(out * b);
    b = mod(b * b);
  }
  return out;
};

export class Determined {
  /** Values of atoms: numbers, or names of expressions in what is given. */
  readonly values = new Map<string, Poly>();
  readonly #support = new Map<string, ReadonlySet<string>>();
  /** The last answer about a free word that was no proof. */
  readonly refused = new Map<string, Asked>();

  constructor(
    readonly wires: Wires,
    readonly names: Names,
    readonly solver: Solver,
    given: Iterable<string>,
  ) {
    for (const a of given) this.values.set(a, atom(names.of(`given ${a}`)));
  }

  known(p: Poly): boolean {
    return [...p.keys()].every((m) => factorsOf(m).every((a) => this.values.has(a)));
  }

  /** A determined polynomial as a number or a name. */
  resolve(p: Poly): Poly {
    return this.names.poly(substituted(p, (a) => this.values.get(a)!));
  }

  #learn(name: string, v: Poly): boolean {
    if (this.values.has(name)) return false;
    this.values.set(name, v);
    return true;
  }

  /** Determines until nothing helps. */
  async run(): Promise<void> {
    do this.#propagate();
    while (await this.#askAll());
  }

  #propagate(): void {
    for (let changed = true; changed; ) {
      changed = false;
      for (const [name, p] of this.wires.definitions) if (this.#identity(plus(p, atom(name), -1n))) changed = true;
      for (const f of this.wires.facts) {
        if (f.kind === 'equal' && this.#identity(plus(f.a, f.b, -1n))) changed = true;
        if (f.kind === 'bits' && this.values.has(f.atom))
          for (const [k, b] of f.used) if (this.#learn(b, this.#part(`bit ${k}`, this.values.get(f.atom)!))) changed = true;
      }
      for (const r of this.wires.permutations) if (this.#permutation(r)) changed = true;
      for (const r of this.wires.levels) if (this.#level(r)) changed = true;
    }
  }

  #part(what: string, of: Poly): Poly {
    return atom(this.names.of(`${what} of ${textOf(of)}`));
  }

  /** The one atom that is open in p = 0, if its coefficient is a number. */
  #identity(p: Poly): boolean {
    let open: [string, bigint] | undefined;
    for (const [m, x] of p)
      if (!factorsOf(m).every((a) => this.values.has(a))) {
        if (open || m.includes('*')) return false;
        open = [m, x];
      }
    if (!open) return false;
    const rest = new Map(p);
    rest.delete(open[0]);
    return this.#learn(open[0], this.resolve(product(rest, constant(-inverse(open[1])))));
  }

  #permutation(r: PermutationRow): boolean {
    let changed = false;
    if (!this.values.has(r.outputs[0]) || !this.values.has(r.outputs[11])) {
      if (r.inputs.every((p) => this.known(p))) {
        const inputs = r.inputs.map((p) => textOf(this.resolve(p))).join();
        r.outputs.forEach((o, l) => {
          if (this.#learn(o, atom(this.names.of(`permutation ${l} of ${inputs}`)))) changed = true;
        });
      }
    }
    return this.#preimage(r) || changed;
  }

  /** Words of a hash whose digest is determined. Capacities lead back to the first permutation, whose are numbers. */
  #preimage(last: PermutationRow): boolean {
    if (!last.outputs.slice(0, 4).every((o) => this.values.has(o)) || last.inputs.every((p) => this.known(p))) return false;
    const chain = [last];
    for (;;) {
      const first = chain[0],
        before = this.wires.permutations.find((r) => [8, 9, 10, 11].every((l) => atomOf(first.inputs[l]) === r.outputs[l]));
      if (!before) break;
      chain.unshift(before);
    }
    const capacity = chain[0].inputs.slice(8).map(numberOf);
    if (capacity.includes(undefined)) return false;
    // A hash has its number of words in the second lane; a node of a tree is one permutation of eight.
    const isNode = chain.length === 1 && capacity.every((x, q) => x === this.wires.wiring.of.fixed.get('capacity')![q]),
      count = isNode ? 8 : Number(capacity[1]);
    // Lanes that carry the state on are no words; of the first permutation those behind the words are zero.
    const words = chain.flatMap((r, k) =>
        r.inputs.slice(0, 8).filter((p, l) => (k ? atomOf(p) !== chain[k - 1].outputs[l] : numberOf(p) !== 0n || l < count)),
      ),
      digest = last.outputs
        .slice(0, 4)
        .map((o) => textOf(this.values.get(o)!))
        .join();
    if (words.length !== count) return false;
    let changed = false;
    words.forEach((p, k) => {
      const name = atomOf(p);
      if (name && this.#learn(name, atom(this.names.of(`word ${k} of ${capacity.join()} of ${digest}`)))) changed = true;
    });
    return changed;
  }

  #level(r: LevelRow): boolean {
    const bit = this.known(r.bit) ? textOf(this.resolve(r.bit)) : undefined;
    if (bit === undefined) return false;
    let changed = false;
    const below = [...r.current, ...r.sibling.map(atom)];
    if (r.outputs.every((o) => this.values.has(o))) {
      const node = `${r.outputs.map((o) => textOf(this.values.get(o)!)).join()} at ${bit}`;
      below.forEach((p, k) => {
        const name = atomOf(p);
        if (name && this.#learn(name, atom(this.names.of(`below ${k} of ${node}`)))) changed = true;
      });
    } else if (below.every((p) => this.known(p))) {
      const inputs = `${below.map((p) => textOf(this.resolve(p))).join()} at ${bit}`;
      r.outputs.forEach((o, l) => {
        if (this.#learn(o, atom(this.names.of(`node ${l} of ${inputs}`)))) changed = true;
      });
    }
    return changed;
  }

  /** Open atoms without a definition on which an open atom depends. */
  #basis(name: string): ReadonlySet<string> {
    const hit = this.#support.get(name);
    if (hit) return hit;
    const d = this.wires.definitions.get(name),
      out = new Set(d ? [...atomsOf(d)].filter((a) => !this.values.has(a)).flatMap((a) => [...this.#basis(a)]) : [name]);
    this.#support.set(name, out);
    return out;
  }

  /** All facts; the definition of an atom that is known, by an equality, is one of its other atoms. */
  facts(): Fact[] {
    const out = [...this.wires.facts];
    for (const [name, p] of this.wires.definitions)
      if (this.values.has(name) && !this.known(p)) out.push({ kind: 'equal', a: p, b: atom(name) });
    return out;
  }

  #basisOf(f: Fact): Set<string> {
    return new Set([...atomsIn(f)].filter((a) => !this.values.has(a)).flatMap((a) => [...this.#basis(a)]));
  }

  /** Asks about sets of free words, the smallest first, until one answer helps. */
  async #askAll(): Promise<boolean> {
    this.#support.clear();
    const sets = new Map<string, string[]>();
    for (const f of this.facts()) {
      const s = [...this.#basisOf(f)].sort();
      if (s.length && s.length <= TOGETHER && s.every((a) => /^W\d+$/.test(a))) sets.set(s.join(), s);
    }
    let helped = false;
    for (const s of [...sets.values()].sort((a, b) => a.length - b.length)) {
      if (s.some((a) => this.values.has(a))) continue;
      if (await this.#ask(s)) helped = true;
    }
    return helped;
  }

  /** Asks about free words, and if they may differ about what is computed from them. */
  async #ask(words: readonly string[]): Promise<boolean> {
    const within = (a: string): boolean => this.values.has(a) || [...this.#basis(a)].every((x) => words.includes(x)),
      defined = [...this.wires.definitions.keys()].filter((a) => !this.values.has(a) && within(a)),
      open = new Set([...words, ...defined]),
      core = this.facts()
        .filter((f) => [...atomsIn(f)].some((a) => open.has(a)) && [...atomsIn(f)].every(within))
        .map((f) => ({ f, far: Math.max(...[...atomsIn(f)].map((a) => this.#distance(a))) }))
        .sort((a, b) => a.far - b.far)
        .map(({ f }) => f);
    // The nearest facts that suffice: what is computed from a value later has no part in its name.
    for (const targets of [words, ...defined.map((d) => [d])])
      for (let n = 1; n <= core.length; n++) {
        const some = core.slice(0, n),
          used = new Set(some.flatMap((f) => [...atomsIn(f)])),
          definitions = closure(used, defined, this.wires.definitions);
        if (!targets.every((t) => used.has(t))) continue;
        const q = new Question(this, some, definitions, targets),
          asked = await this.solver.ask('wires', q.text);
        if (asked.answer === 'unsat') {
          for (const [k, t] of targets.entries()) this.#learn(t, atom(this.names.of(`solution ${k} of ${q.signature}`)));
          return true;
        }
        for (const t of targets) this.refused.set(t, asked);
      }
    return false;
  }

  /** Definitions between an open atom and the free words that it depends on. */
  #distance(name: string): number {
    const d = this.values.has(name) ? undefined : this.wires.definitions.get(name);
    return d ? 1 + Math.max(0, ...[...atomsOf(d)].map((a) => this.#distance(a))) : 0;
  }
}

/** Definitions that occur in facts, those of their atoms included. */
function closure(used: Set<string>, defined: readonly string[], definitions: ReadonlyMap<string, Poly>): string[] {
  for (let size = -1; size !== used.size; ) {
    size = used.size;
    for (const d of defined) if (used.has(d)) for (const a of atomsOf(definitions.get(d)!)) used.add(a);
  }
  return defined.filter((d) => used.has(d));
}

/** Symbols, products and facts of a question, as integers. */
export class Statement {
  readonly lines: string[] = [];
  readonly #symbols = new Map<string, string>();
  readonly #products = new Map<string, readonly [string, string]>();
  readonly #most = new Map<string, bigint>();
  readonly #booleans = new Set<string>();
  #multiples = 0;

  get symbols(): readonly string[] {
    return [...this.#symbols.keys()];
  }

  /** A residue mod p. */
  symbol(key: string, prefix = 's'): string {
    let s = this.#symbols.get(key);
    if (s === undefined) {
      s = `${prefix}${this.#symbols.size}`;
      this.#symbols.set(key, s);
      this.lines.push(integers(s), assertion(`(and (<= 0 ${s}) (< ${s} ${P}))`));
    }
    return s;
  }

  /** A product is an unknown of its own; what holds of products is added by `lemmas`. */
  #product(factors: readonly string[]): string {
    return factors.slice(1).reduce((a, b) => {
      const [x, y] = [a, b].sort(),
        s = `m_${x}_${y}`;
      if (!this.#products.has(s)) {
        this.#products.set(s, [x, y]);
        this.lines.push(integers(s));
      }
      return s;
    }, factors[0]);
  }

  term(p: Poly, name: (a: string) => string | bigint): string {
    const parts: string[] = [];
    for (const [m, x] of p) {
      let coef = x > P / 2n ? x - P : x;
      const symbols: string[] = [];
      for (const a of factorsOf(m)) {
        const n = name(a);
        if (typeof n === 'bigint') coef *= n;
        else symbols.push(n);
      }
      parts.push(symbols.length ? times(coef, this.#product(symbols.sort())) : lit(coef));
    }
    return sum(parts);
  }

  /** p = 0 mod p. */
  zero(p: Poly, name: (a: string) => string | bigint): void {
    const k = `k${this.#multiples++}`;
    this.lines.push(integers(k), assertion(`(= ${this.term(p, name)} (* ${P} ${k}))`));
  }

  fact(f: Fact, name: (a: string) => string | bigint): void {
    switch (f.kind) {
      case 'equal':
        return this.zero(plus(f.a, f.b, -1n), name);
      case 'premise':
        return void this.lines.push(assertion(`(<= 0 ${this.term(f.least, name)})`));
      case 'range': {
        const s = name(f.atom),
          most = (1n << BigInt(f.bits)) - 1n;
        this.lines.push(assertion(`(<= ${typeof s === 'bigint' ? lit(s) : s} ${most})`));
        if (typeof s === 'string') this.#most.set(s, most);
        return;
      }
      case 'boolean': {
        const s = name(f.atom);
        if (typeof s === 'string') {
          this.lines.push(assertion(`(or (= ${s} 0) (= ${s} 1))`));
          this.#booleans.add(s);
        }
        return;
      }
      case 'bits':
        return this.#bits(f, name);
    }
  }

  /** A word is its bits; those that nothing reads are taken together. */
  #bits(f: Fact & { kind: 'bits' }, name: (a: string) => string | bigint): void {
    const parts: string[] = [],
      text = (x: string | bigint): string => (typeof x === 'bigint' ? lit(x) : x);
    for (let k = 0; k < 64; ) {
      const b = f.used.get(k);
      let n = 1;
      if (b) {
        const s = name(b);
        if (typeof s === 'string') {
          this.lines.push(assertion(`(<= ${s} 1)`));
          this.#booleans.add(s);
        }
        parts.push(times(1n << BigInt(k), text(s)));
      } else {
        while (k + n < 64 && !f.used.has(k + n)) n++;
        const s = `l${this.#multiples++}`;
        this.lines.push(integers(s), assertion(`(<= 0 ${s} ${(1n << BigInt(n)) - 1n})`));
        parts.push(times(1n << BigInt(k), s));
      }
      k += n;
    }
    this.lines.push(assertion(`(= ${text(name(f.atom))} ${sum(parts)})`));
  }

  /** What names of short polynomials stand for. */
  meanings(names: Names, which: (names: Names, name: string) => boolean = () => true): void {
    for (const [key] of this.#symbols) {
      const name = key.replace(/^1\*/, ''),
        p = names.meaning(name);
      if (p && p.size <= SHORT && which(names, name)) this.zero(plus(p, atom(name), -1n), (a) => this.symbol(`1*${a}`));
    }
  }

  /** What holds of all products of integers that are not negative (lemmas.ts: "products keep an order"). */
  lemmas(): void {
    const list = [...this.#products].map(([s, [x, y]]) => ({ s, x, y }));
    for (const { s, x, y } of list) {
      this.lines.push(assertion(`(<= 0 ${s})`));
      for (const [a, b] of x === y
        ? [[x, y]]
        : [
            [x, y],
            [y, x],
          ]) {
        if (this.#booleans.has(a)) this.lines.push(assertion(`(=> (= ${a} 0) (= ${s} 0))`), assertion(`(=> (= ${a} 1) (= ${s} ${b}))`));
        const most = this.#most.get(a);
        if (most !== undefined) this.lines.push(assertion(`(<= ${s} ${times(most, b)})`));
      }
    }
    for (const p of list)
      for (const q of list) {
        if (p.s === q.s) continue;
        for (const [a, b] of [
          [p.x, p.y],
          [p.y, p.x],
        ])
          for (const [c, d] of [
            [q.x, q.y],
            [q.y, q.x],
          ])
            if (b === d && a !== c)
              this.lines.push(
                assertion(`(=> (<= ${a} ${c}) (<= ${p.s} ${q.s}))`),
                assertion(`(=> (< ${a} ${c}) (<= (+ ${p.s} ${b}) ${q.s}))`),
              );
      }
  }
}

/** Two copies of free words with all facts about them. */
class Question {
  readonly text: string;
  /** The facts as said of one copy, and the values that they are about. */
  readonly signature: string;

  constructor(d: Determined, core: readonly Fact[], definitions: readonly string[], targets: readonly string[]) {
    const { wires } = d,
      s = new Statement(),
      order = new Map<string, string>(),
      name =
        (copy: string) =>
        (a: string): string | bigint => {
          const v = d.values.get(a);
          if (v) return numberOf(v) ?? s.symbol(textOf(v));
          if (!order.has(a)) order.set(a, `u${order.size}`);
          return s.symbol(`${copy}${order.get(a)}`, copy);
        },
      body = (copy: string): void => {
        for (const t of targets) name(copy)(t);
        for (const a of definitions) s.zero(plus(wires.definitions.get(a)!, atom(a), -1n), name(copy));
        for (const f of core) s.fact(f, name(copy));
      };
    body('u');
    const single = s.lines.join('\n'),
      shared = s.symbols.filter((x) => x.startsWith('1*'));
    this.signature = `${targets.map((t) => order.get(t)).join()} in ${single} with ${shared.join()}`;
    body('w');
    // What is known of the shared values.
    const told = new Set<Fact>();
    for (const f of wires.facts)
      if ([...atomsIn(f)].every((a) => d.values.has(a)) && this.#touches(f, d, shared)) {
        told.add(f);
        s.fact(f, name('u'));
      }
    s.meanings(d.names);
    this.#bounds(d, s, name('u'), told);
    s.lemmas();
    this.text = [...s.lines, assertion(`(or ${targets.map((t) => `(not (= ${name('u')(t)} ${name('w')(t)}))`).join(' ')})`)].join('\n');
  }

  /**
   * Ranges and premises of values that are short expressions in those of the question, as a bound on a factor is.
   * Twice, since the bound may itself be a value that a premise bounds.
   */
  #bounds(d: Determined, s: Statement, name: (a: string) => string | bigint, told: Set<Fact>): void {
    for (let round = 0; round < 2; round++) {
      const here = new Set(s.symbols),
        near = (a: string): boolean => {
          const v = d.values.get(a)!,
            own = atomOf(v),
            means = own === undefined ? undefined : d.names.meaning(own);
          return here.has(textOf(v)) || (means !== undefined && means.size <= SHORT && [...atomsOf(means)].some((x) => here.has(`1*${x}`)));
        },
        more = d.wires.facts.filter(
          (f) =>
            (f.kind === 'range' || f.kind === 'premise') &&
            !told.has(f) &&
            [...atomsIn(f)].every((a) => d.values.has(a)) &&
            [...atomsIn(f)].some(near),
        );
      for (const f of more) {
        told.add(f);
        s.fact(f, name);
      }
      s.meanings(d.names, (_, x) => !here.has(`1*${x}`));
    }
  }

  #touches(f: Fact, d: Determined, shared: readonly string[]): boolean {
    return [...atomsIn(f)].some((a) => shared.includes(textOf(d.values.get(a)!)));
  }
}
