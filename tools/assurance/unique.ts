/**
 * (b) At most one value for every slice, given the slices before it.
 *
 * Two copies of a slice's cell, both in format, both satisfying the facts about it, with equal values in everything
 * that is already determined: if they cannot differ, the cell has at most one value. Facts are about integers here,
 * (a) has shown that they are. What is known enters as unknowns that both copies share; a sum over axes is one of
 * them. Other slices that are still open may occur linearly, as limbs do: then the fact is weakened to what it says
 * without them.
 */
import type { Component, Program, Term } from './data.js';
import { type Failure, type Formats, type Known, bareOf, underMask } from './formats.js';
import { leastOfSums } from './logsumexp.js';
import { type Fact, type Place, Slices } from './slices.js';
import { wideNumber } from './wide.js';
import { type Asked, type Solver, assertion, between, integers, lit, sum, times } from './smt.js';

/** A fact as a question uses it: without the terms in `gone`, and then with other bounds. */
export interface Used {
  readonly fact: Fact;
  readonly gone: ReadonlySet<Term>;
  readonly lo: bigint;
  readonly hi: bigint;
}

export interface UniqueResult {
  readonly failures: Failure[];
  /** Slices in the order in which they were determined. */ readonly order: readonly string[];
  readonly slices: number;
  /** Tensors whose cells are determined where their mask is one. */ readonly masked: readonly string[];
}

/** More open slices than this are not asked about together. */
const TOGETHER = 4;

export class Determination {
  readonly slices: Slices;
  readonly done = new Set<string>();
  readonly order: string[] = [];
  /** The last answer about a slice that was no proof. */
  readonly #refused = new Map<string, Asked>();
  /** Slices determined by a fact that holds only where a mask is one, with the tensor of that mask. */
  readonly #under = new Map<string, string>();
  readonly #bare = new Map<Component, string>();

  constructor(
    readonly program: Program,
    readonly solver: Solver,
    readonly formats: Formats,
    readonly lifted: ReadonlySet<string>,
  ) {
    this.slices = new Slices(program);
    for (const c of program.constraints)
      for (const x of c.components) {
        const bare = bareOf(formats, x);
        if (bare !== undefined) this.#bare.set(x, bare);
      }
  }

  /** Open slices of a fact. */
  open(f: Fact): string[] {
    return [...f.nodes].filter((n) => !this.done.has(n));
  }

  /** Whether a fact holds only where the mask of a tensor is one that it names without. */
  isBare(f: Fact): boolean {
    return this.#bare.has(f.component);
  }

  /** Determines slices until no question helps. */
  async run(): Promise<void> {
    let pending = new Set(this.slices.uses.keys());
    for (;;) {
      while (pending.size) {
        const round = pending;
        pending = new Set();
        for (const n of round) {
          if (this.done.has(n)) continue;
          for (const x of await this.#single(n)) for (const f of this.slices.uses.get(x)!) for (const y of this.open(f)) pending.add(y);
        }
      }
      const wide = await this.#wide(),
        got = wide.length ? wide : await this.#together();
      if (!got.length) return;
      for (const x of got) for (const f of this.slices.uses.get(x)!) for (const y of this.open(f)) pending.add(y);
    }
  }

  /**
   * One slice from the facts in which nothing else is open but limbs; else limbs together. Returns what was
   * determined.
   */
  async #single(n: string): Promise<string[]> {
    const alone = await this.#group([n]);
    if (alone.length) return alone;
    for (const f of this.slices.uses.get(n)!) {
      const open = this.open(f);
      if (open.length < 2 || open.length > TOGETHER || !this.linear(f, open)) continue;
      const got = await this.#group(open);
      if (got.length) return got;
    }
    const found = await leastOfSums(this, n);
    return found ? this.#learn(new Set(found), []) : [];
  }

  /** The first number of several digits that identities determine. */
  async #wide(): Promise<string[]> {
    for (const n of this.slices.uses.keys()) {
      const found = this.done.has(n) ? undefined : await wideNumber(this, n);
      if (found) return this.#learn(new Set(found), []);
    }
    return [];
  }

  /** Several slices at once, whatever the facts about them: two halves of a square root. */
  async #together(): Promise<string[]> {
    const got: string[] = [];
    for (const f of this.slices.facts) {
      const open = this.open(f);
      if (open.length >= 2 && open.length <= TOGETHER) got.push(...(await this.#group(open)));
    }
    return got;
  }

  /** Determines the slices of a group from the facts about them. */
  async #group(nodes: readonly string[]): Promise<string[]> {
    const group = new Set(nodes),
      used: Used[] = [];
    for (const f of new Set(nodes.flatMap((n) => this.slices.uses.get(n)!))) {
      const u = await this.without(f, group);
      if (u) used.push(u);
    }
    return used.length && (await this.#ask(group, used)) ? this.#learn(group, used) : [];
  }

  /** Whether open slices occur alone in their terms, one cell each. */
  linear(f: Fact, open: readonly string[]): boolean {
    return (
      !f.key &&
      f.component.terms.every(
        (t) =>
          (t.operands.length === 1 && !t.over.length) ||
          !t.operands.some((o) => this.slices.touched(o, f.place).some((n) => open.includes(n))),
      )
    );
  }

  /**
   * A fact about the group alone, or undefined. Other open slices must occur linearly, and are taken out: the rest
   * then lies in the target less what they can add.
   */
  async without(f: Fact, group: ReadonlySet<string>): Promise<Used | undefined> {
    const c = f.component;
    if (!this.lifted.has(c.constraint.name)) return undefined;
    const others = new Set(this.open(f).filter((n) => !group.has(n)));
    if (![...group].some((n) => f.nodes.has(n)) || (f.key && others.size)) return undefined;
    const gone = new Set<Term>();
    for (const t of [...c.terms, ...(f.key?.terms ?? [])]) {
      const touched = t.operands.map((o) => this.slices.touched(o, f.place)),
        mine = touched.map((ns) => ns.some((n) => group.has(n))),
        other = touched.some((ns) => ns.some((n) => others.has(n)));
      if (!other && !mine.includes(true)) continue;
      if (t.over.length || (other && t.operands.length !== 1)) return undefined;
      if (other) gone.add(t);
      else if (t.operands.some((o, k) => mine[k] && !this.slices.covers(o, c.constraint.axes))) return undefined;
    }
    if (!gone.size) return { fact: f, gone, lo: c.lo, hi: c.hi };
    return (await this.#weakened(c, gone)) ? { fact: f, gone, ...this.#rest(c, gone) } : undefined;
  }

  /** Bounds of what is left of a component without some of its linear terms. */
  #rest(c: Component, gone: ReadonlySet<Term>): { lo: bigint; hi: bigint } {
    let { lo, hi } = c;
    for (const t of gone) {
      const b = this.formats.get(t.operands[0].tensor.name)!,
        [x, y] = [t.coef * b.lo, t.coef * b.hi];
      lo -= x > y ? x : y;
      hi -= x < y ? x : y;
    }
    return { lo, hi };
  }

  /** Proves these bounds. */
  async #weakened(c: Component, gone: ReadonlySet<Term>): Promise<boolean> {
    const { lo, hi } = this.#rest(c, gone),
      terms = [...gone].map((t, k) => ({ t, name: `h${k}`, b: this.formats.get(t.operands[0].tensor.name) }));
    if (terms.some((x) => !x.b)) return false;
    const text = [
      integers('e', ...terms.map((x) => x.name)),
      ...terms.map((x) => assertion(between(x.b!.lo, x.name, x.b!.hi))),
      assertion(between(c.lo, sum(['e', ...terms.map((x) => times(x.t.coef, x.name))]), c.hi)),
      assertion(`(not ${between(lo, 'e', hi)})`),
    ];
    return (await this.solver.ask('limbs', text.join('\n'))).answer === 'unsat';
  }

  /**
   * Whether two copies of the group's cells cannot differ. Products of known cells are first one unknown each: then
   * the question is linear.
   */
  async #ask(group: ReadonlySet<string>, used: readonly Used[]): Promise<boolean> {
    const linear = new Question(this, group, used, true),
      asked = await this.solver.ask('unique', linear.text);
    if (asked.answer === 'unsat') return true;
    let last = asked;
    if (linear.merged) {
      last = await this.solver.ask('unique, products', new Question(this, group, used, false).text);
      if (last.answer === 'unsat') return true;
    }
    for (const n of group) this.#refused.set(n, last);
    return false;
  }

  #learn(group: ReadonlySet<string>, used: readonly Used[]): string[] {
    const got: string[] = [],
      add = (n: string): void => {
        if (this.done.has(n)) return;
        this.done.add(n);
        this.order.push(n);
        got.push(n);
      };
    const bare = used.map((u) => this.#bare.get(u.fact.component)).find((x) => x !== undefined);
    for (const n of group) {
      add(n);
      const own = this.slices.tensorOf.get(n)!.name,
        mask = bare ?? (this.formats.get(own)?.mask ? own : undefined);
      if (mask !== undefined) this.#under.set(n, mask);
    }
    for (const { alias, members } of this.slices.shared) {
      if (alias.every((n) => this.done.has(n))) members.forEach(add);
      if (members.every((n) => this.done.has(n))) alias.forEach(add);
    }
    return got;
  }

  /** What is open, and cells that are used where they may be free. */
  failures(): Failure[] {
    const out: Failure[] = [];
    for (const n of this.slices.uses.keys())
      if (!this.done.has(n)) {
        const asked = this.#refused.get(n);
        out.push({ check: 'unique', at: n, why: asked ? 'may have two values' : 'no constraint determines it', asked });
      }
    for (const [n, masked] of this.#under) {
      const tensor = this.slices.tensorOf.get(n)!;
      for (const f of this.slices.uses.get(n)!)
        if (!this.#harmless(f, n, masked))
          out.push({ check: 'mask', at: tensor.name, why: `${f.component.constraint.name} uses it where ${masked} may be free` });
    }
    return out;
  }

  /**
   * A use of a slice that is determined where a mask is one alone: under that mask, in the very fact that determines
   * it, or in a range of its own.
   */
  #harmless(f: Fact, n: string, masked: string): boolean {
    if (this.#bare.get(f.component) === masked || f.nodes.size === 1) return true;
    const mask = this.formats.get(masked)!.mask!;
    return [f.component, ...(f.key ? [f.key] : [])].every((c) =>
      c.terms.every((t) => t.operands.every((o) => !this.slices.touched(o, f.place).includes(n) || underMask(t, o, mask))),
    );
  }

  masked(): string[] {
    return [...new Set([...this.#under.keys()].map((n) => this.slices.tensorOf.get(n)!.name))];
  }
}

/** The text of one question. */
class Question {
  readonly #known = new Map<string, string>();
  readonly #unknown = new Map<string, string>();
  readonly #lines: string[] = [];
  readonly #functions = new Set<string>();
  /** Whether some product of known cells became one unknown. */ merged = false;
  readonly text: string;

  constructor(
    readonly of: Determination,
    readonly group: ReadonlySet<string>,
    used: readonly Used[],
    readonly linear: boolean,
  ) {
    const body: string[] = [];
    for (const u of used)
      for (const copy of ['', "'"]) {
        const { component: c, key, place } = u.fact,
          e = this.#expr(c, place, u.gone, copy);
        body.push(assertion(between(u.lo, e, u.hi)));
        if (key) body.push(assertion(`(= ${e} (${this.#column(c)} ${this.#expr(key, place, u.gone, copy)}))`));
      }
    const names = [...this.#unknown.values()],
      // The copies are alike, so that one unknown may be taken to be the smaller one in the first.
      differ =
        names.length === 1
          ? `(< ${names[0]} ${quote(names[0], "'")})`
          : `(or ${names.map((u) => `(not (= ${u} ${quote(u, "'")}))`).join(' ')})`;
    this.text = [...[...this.#functions].map((f) => `(declare-fun ${f} (Int) Int)`), ...this.#lines, ...body, assertion(differ)].join('\n');
  }

  /** A column of a table: one entry for every key, whatever it is. */
  #column(c: Component): string {
    const name = `T${c.index}_${c.constraint.table!.name.replaceAll(/\W/g, '_')}`;
    this.#functions.add(name);
    return name;
  }

  #expr(c: Component, place: Place, gone: ReadonlySet<Term>, copy: string): string {
    const parts = c.constant === 0n ? [] : [lit(c.constant)];
    for (const t of c.terms) if (!gone.has(t)) parts.push(times(t.coef, this.#term(t, place, copy)));
    return sum(parts);
  }

  #term(t: Term, place: Place, copy: string): string {
    const { slices } = this.of,
      isMine = (k: number): boolean => slices.touched(t.operands[k], place).some((n) => this.group.has(n)),
      mine = t.operands.some((_, k) => isMine(k)),
      one = t.operands.length === 1 && !t.over.length;
    if (!mine && !one && (this.linear || t.over.length)) {
      if (!t.over.length) this.merged = true;
      return this.#symbol(
        `${t.over.join()}|${t.operands
          .map((o) => slices.keyOf(o, place))
          .sort()
          .join(' ')}`,
        undefined,
      );
    }
    const factors = t.operands.map((o, k) => {
      const key = slices.keyOf(o, place),
        known = this.of.formats.get(o.tensor.name)!;
      return isMine(k) ? this.#cell(key, known, copy) : this.#symbol(key, known);
    });
    return factors.length === 0 ? '1' : factors.length === 1 ? factors[0] : `(* ${factors.join(' ')})`;
  }

  /** What both copies share. */
  #symbol(key: string, bounds: Known | undefined): string {
    let name = this.#known.get(key);
    if (name === undefined) {
      name = `s${this.#known.size}`;
      this.#known.set(key, name);
      this.#lines.push(integers(name));
      // A cell that is free where its mask is zero counts there as zero: it is multiplied by the mask.
      if (bounds) this.#lines.push(assertion(between(bounds.mask && bounds.lo > 0n ? 0n : bounds.lo, name, bounds.hi)));
    }
    return name;
  }

  /** A cell of the group, of which there are two. */
  #cell(key: string, bounds: Known, copy: string): string {
    let name = this.#unknown.get(key);
    if (name === undefined) {
      name = `u${this.#unknown.size}`;
      this.#unknown.set(key, name);
      for (const x of [name, quote(name, "'")]) this.#lines.push(integers(x), assertion(between(bounds.lo, x, bounds.hi)));
    }
    return quote(name, copy);
  }
}

/** Name of a cell in the second copy. */
const quote = (name: string, copy: string): string => (copy ? name.replace('u', 'w') : name);

/** (b) for a whole program. */
export async function checkUnique(p: Program, solver: Solver, formats: Formats, lifted: ReadonlySet<string>): Promise<UniqueResult> {
  const d = new Determination(p, solver, formats, lifted);
  await d.run();
  return { failures: d.failures(), order: d.order, slices: d.slices.uses.size, masked: d.masked() };
}
