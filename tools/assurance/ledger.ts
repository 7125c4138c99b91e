/**
 * The soundness ledger again: every printed term from the formulas of docs/soundness.md, sections 3 and 4, in exact
 * rationals with every error rounded up. A printed number of bits must not be above what is left of it, nor may a
 * term, a round or a proof be missing.
 */
import type { Failure } from './formats.js';
import { type Rational, LOG_BITS, add, bitsOf, div, halfPower, log2Floor, mul, pow, rational, unitsOf } from './rational.js';
import { P } from './smt.js';

/**
 * An oracle of an opening: columns folded, rows, log2 of the domain, queries and the multiplicity at which they count.
 */
interface Oracle {
  readonly columns: number;
  readonly domain: number;
  readonly queries: number;
  readonly multiplicity: number;
  readonly logInvRate: number;
}
export interface OpeningData {
  readonly params: { readonly grinding: number };
  readonly groups: readonly (Omit<Oracle, 'columns' | 'multiplicity'> & {
    readonly logColumns: number;
    /**
     * Whose word the roots are, where they are trusted: such a group has one codeword, and counts at no multiplicity.
     */
    readonly trusted?: string;
    readonly multiplicity?: number;
    readonly logHeight: number;
    readonly trees: readonly { readonly parts: readonly { readonly used: number }[] }[];
  })[];
  readonly rounds: readonly (Oracle & { readonly rows: number })[];
  readonly final: number;
}
/** What of a plan enters its ledger. */
export interface PlanData {
  readonly program: {
    readonly constraints: readonly { readonly kind: string; readonly exprs?: readonly unknown[] }[];
    readonly tables: readonly { readonly columns: readonly unknown[] }[];
    readonly memories?: readonly { readonly columns: number }[];
  };
  readonly logup: { readonly vars: number };
  readonly axes: readonly { readonly axis: string; readonly vars: number }[];
  readonly terms: readonly { readonly factors: readonly number[]; readonly shared: readonly { readonly axis: string }[] }[];
  readonly tables: readonly {
    readonly kind: string;
    readonly spec?: { readonly columns: readonly unknown[] };
    readonly segment?: { readonly columns: readonly unknown[] };
  }[];
  readonly factors: readonly {
    readonly tensor: { readonly cls: string };
    readonly slots: readonly { readonly kind: string; readonly axis?: string }[];
  }[];
  readonly states: readonly { readonly name: string; readonly classes: readonly unknown[] }[];
  readonly frozenVars: number;
  readonly whir: OpeningData;
}

/** A term as it is printed. */
export interface Printed {
  readonly name: string;
  readonly bits: number;
  readonly rounds: number;
  readonly proof: string;
  readonly proofs: number;
  readonly kind: string;
}
/** A term as it ought to be: an error not below the true one, of one of `rounds` rounds. */
export interface Term {
  readonly name: RegExp;
  readonly error: Rational;
  readonly rounds: number;
}
/** Terms of one kind of proof, of which there are so many. */
export interface Proofs {
  readonly proof: string;
  readonly proofs: number;
  readonly terms: readonly Term[];
}

/** |E|. */
const E = rational(P ** 3n);

/** List size at rate 2^-r: (m + 1/2) / sqrt(rho). */
const list = (m: number, r: number): Rational => mul(rational(BigInt(2 * m + 1), 2n), halfPower(r));

/** The least c >= 0 with c^2 >= num / den. */
function rootUp(num: bigint, den: bigint): bigint {
  let low = 0n,
    high = 1n;
  while (high * high * den < num) high <<= 1n;
  while (low < high) {
    const mid = (low + high) >> 1n;
    if (mid * mid * den >= num) high = mid;
    else low = mid + 1n;
  }
  return high;
}

/**
 * Exceptional challenges of one fold: (2 mu - 1) h + theta (h + mu + 4 D mu h) + (n - D - 1) mu with T = m + 1/2,
 * mu = ceil(T / sqrt(D/n)) - 1, h = ceil(T^2 / (3 D/n)) - 1, theta = (n - D)/(A - D), A = ceil(sqrt(D n) (1 + 1/2m)).
 */
function exceptional(multiplicity: number, r: number, domain: number): Rational {
  const n = 1n << BigInt(domain),
    D = (n >> BigInt(r)) - 1n,
    m = BigInt(multiplicity),
    odd = (2n * m + 1n) ** 2n,
    mu = rootUp(odd * n, 4n * D) - 1n,
    h = (odd * n + 12n * D - 1n) / (12n * D) - 1n,
    A = rootUp(odd * D * n, 4n * m * m),
    theta = rational(n - D, A - D);
  return add(rational((2n * mu - 1n) * h + (n - D - 1n) * mu), mul(theta, rational(h + mu + 4n * D * mu * h)));
}

/** (1 - delta)^t 2^-grinding with 1 - delta = sqrt(rho) (1 + 1/2m). */
const missed = (t: number, m: number, r: number, grinding: number): Rational =>
  mul(pow(mul(halfPower(-r), rational(2 * m + 1, 2 * m)), t), rational(1n, 1n << BigInt(grinding)));

const over = (e: Rational): Rational => div(e, E);
const term = (name: RegExp, error: Rational, rounds = 1): Term => ({ name, error, rounds });

/** Terms of an opening. */
export function openingTerms(s: OpeningData): Term[] {
  const out: Term[] = [];
  const oracle = (o: Oracle): void => {
    out.push(
      term(/folding agreement$/, over(mul(rational(Math.max(1, o.columns)), exceptional(o.multiplicity, o.logInvRate, o.domain)))),
      // Degree 2 in every folded variable.
      term(/sumcheck over the list$/, over(mul(rational(2n), list(o.multiplicity, o.logInvRate))), Math.max(1, o.columns)),
      term(
        new RegExp(`queries \\(${o.queries} at rate 2\\^-${o.logInvRate}\\)$`),
        missed(o.queries, o.multiplicity, o.logInvRate, s.params.grinding),
      ),
    );
  };
  for (const g of s.groups) {
    if (g.multiplicity !== undefined && g.trusted === undefined) oracle({ ...g, multiplicity: g.multiplicity, columns: g.logColumns });
    else
      out.push(
        term(/sumcheck, trusted root$/, over(rational(2n)), Math.max(1, g.logColumns)),
        // Two polynomials of degree below 2^h agree in fewer than 2^h of 2^(h + r) points.
        term(
          new RegExp(`queries \\(${g.queries} at rate 2\\^-${g.logInvRate}, trusted root\\)$`),
          rational(1n, 1n << BigInt(g.queries * g.logInvRate + s.params.grinding)),
        ),
      );
  }
  let inherited = s.groups.reduce((n, g) => n + 1 + g.queries, 0);
  for (const r of s.rounds) {
    const l = list(r.multiplicity, r.logInvRate);
    out.push(
      term(/out-of-domain sample$/, over(mul(div(mul(l, l), rational(2n)), rational(1n << BigInt(r.rows + r.columns))))),
      term(/claim batching$/, over(mul(l, rational(inherited + 1)))),
    );
    oracle(r);
    inherited = 1 + r.queries;
  }
  if (!s.rounds.length && s.groups.length > 1) out.push(term(/end: claim batching$/, over(rational(s.groups.length - 1))));
  if (s.final > 0) out.push(term(/end: sumcheck rounds$/, over(rational(2n)), s.final));
  return out;
}

/**
 * Terms of a program's proof: what holds before the openings is charged once for every pair of codewords of the lists.
 */
export function programTerms(p: PlanData): Term[] {
  const { constraints, tables, memories } = p.program,
    lists = p.whir.groups.reduce((x, g) => (g.multiplicity === undefined ? x : mul(x, list(g.multiplicity, g.logInvRate))), rational(1n)),
    charged = (name: RegExp, errors: number | bigint, rounds = 1): Term => term(name, over(mul(rational(errors), lists)), rounds),
    n = p.logup.vars,
    width = Math.max(
      1,
      ...constraints.map((c) => c.exprs?.length ?? 1),
      ...tables.map((t) => t.columns.length + 1),
      ...(memories ?? []).map((m) => m.columns + 1),
    ),
    zeros = constraints.filter((c) => c.kind === 'zero').length,
    columns = p.tables.reduce((k, t) => k + 1 + (t.spec?.columns.length ?? t.segment?.columns.filter((c) => c).length ?? 0), 0),
    claims = columns + p.factors.filter((f) => f.tensor.cls !== 'public').length + p.states.reduce((k, s) => k + s.classes.length, 0),
    out = [
      charged(/^LogUp: sum/, BigInt(width) << BigInt(n)),
      charged(/joining numerator and denominator$/, 1, 2 * n),
      charged(/^LogUp-GKR: sumcheck/, 4, (n * (n - 1)) / 2),
      charged(new RegExp(`^joining ${zeros} zero`), Math.max(1, zeros)),
      ...roundTerms(p, charged),
      charged(new RegExp(`^joining ${claims} claims for the openings$`), claims),
    ];
  if (p.frozenVars) out.push(charged(/^frozen reduction/, 2, p.frozenVars));
  const state = statePoint(p);
  return [...out, ...(state ? [state] : []), ...openingTerms(p.whir)];
}

/** Rounds of the batched sumcheck, by the degree of their polynomials: never less than a term of the axis has. */
function roundTerms(p: PlanData, charged: (name: RegExp, errors: number, rounds: number) => Term): Term[] {
  const rounds = new Map<number, number>();
  for (const { axis, vars } of p.axes) {
    const degree = p.terms.reduce((most, t) => {
      const own = t.factors.filter((f) => p.factors[f].slots.some((s) => s.kind === 'axis' && s.axis === axis)).length;
      return Math.max(most, own + t.shared.filter((s) => s.axis === axis).length);
    }, 4);
    rounds.set(degree, (rounds.get(degree) ?? 0) + vars);
  }
  return [...rounds].map(([degree, n]) =>
    charged(degree === 4 ? /^batched sumcheck: rounds$/ : new RegExp(`^batched sumcheck: rounds of degree ${degree}$`), degree, n),
  );
}

/**
 * Two codewords of the state's list, or one and the adapter of the digest, agree at a random point in some class that
 * is left.
 */
function statePoint(p: PlanData): Term | undefined {
  const g = p.whir.groups[1],
    left = p.states.filter((s) => s.name.endsWith('Out')).length;
  if (g?.multiplicity === undefined || !left) return undefined;
  const cells = Math.max(...g.trees.flatMap((t) => t.parts.map((x) => x.used))) * 2 ** g.logHeight,
    l = list(g.multiplicity, g.logInvRate);
  return term(/^state point/, over(mul(rational(cells * left), add(div(mul(l, l), rational(2n)), l))));
}

/**
 * A codeword of the list of the state entered that is not the initial state, and has its values at the point all the
 * same.
 */
export function initialTerms(p: PlanData): Term[] {
  const g = p.whir.groups[1],
    at = p.states.findIndex((s) => s.name === 'sIn');
  if (g?.multiplicity === undefined || at < 0) throw new Error('a run enters a state');
  const cells = Math.max(...g.trees[at].parts.map((x) => x.used)) * 2 ** g.logHeight;
  return [term(/^initial state/, over(mul(list(g.multiplicity, g.logInvRate), rational(cells))))];
}

/** Terms of a merge of claims on a stack of so many variables. */
export const mergeTerms = (claims: number, vars: number): Term[] => [
  term(new RegExp(`^joining ${claims} claims on frozen`), over(rational(Math.max(1, claims)))),
  term(/^merge: sumcheck/, over(rational(2n)), vars),
];

export interface LedgerCase {
  readonly name: string;
  /** Bits that the run asks for. */ readonly asked: number;
  readonly proofs: readonly Proofs[];
  readonly printed: {
    readonly terms: readonly Printed[];
    readonly roundByRound: number;
    readonly union: number;
    readonly grinding: number;
  };
}

/**
 * What doubles may add in an expression of a few operations on numbers up to 2^8: far below every digit that is
 * printed.
 */
const SLACK = 1n << BigInt(LOG_BITS - 40);
/** How much less than the truth may be printed. */
const LOOSE = 1n << BigInt(LOG_BITS - 20);
const shown = (units: bigint): string => (Math.floor(1e9 * (Number(units >> 20n) / 2 ** (LOG_BITS - 20))) / 1e9).toFixed(9);

/** Compares a printed ledger with its terms. */
export function checkLedger(c: LedgerCase): { failures: Failure[]; line: string } {
  const failures: Failure[] = [],
    fail = (at: string, why: string): void => void failures.push({ check: 'ledger', at: `${c.name}: ${at}`, why }),
    proved = c.printed.terms.filter((t) => t.kind === 'proved'),
    due = c.proofs.flatMap((x) => x.terms.map((t) => ({ ...t, proof: x.proof, proofs: x.proofs })));
  if (proved.length !== due.length) fail('terms', `${proved.length} are printed, ${due.length} are due`);
  let union = rational(0n),
    least: bigint | undefined;
  for (const [k, t] of due.entries()) {
    const p = proved[k],
      bits = bitsOf(t.error);
    if (least === undefined || bits < least) least = bits;
    union = sumUp(union, mul(t.error, rational(t.rounds * t.proofs)));
    if (!p) continue;
    const at = `${t.proof}: ${p.name}`;
    if (p.proof !== t.proof || !t.name.test(p.name)) fail(at, `stands where ${t.proof}: ${t.name.source} is due`);
    else if (p.rounds !== t.rounds || p.proofs !== t.proofs)
      fail(at, `counts ${p.rounds} rounds in ${p.proofs} proofs, ${t.rounds} in ${t.proofs} are due`);
    else compare(fail, at, p.bits, bits);
  }
  compare(fail, 'least of all terms', c.printed.roundByRound, least ?? 0n);
  compare(fail, 'union', c.printed.union, bitsOf(union));
  if ((least ?? 0n) < unitsOf(c.asked)) fail('least of all terms', `is below the ${c.asked} bits that are asked for`);
  for (const t of c.printed.terms) if (t.kind === 'grinding' && t.bits > c.printed.grinding) fail(t.name, 'is more than the ledger says');
  return { failures, line: `${c.name}: ${due.length} terms, least ${shown(least ?? 0n)} of ${c.asked}, union ${shown(bitsOf(union))}` };
}

/** Denominators that differ grow without end: a sum is rounded up to a denominator of 2^1024 where that is shorter. */
function sumUp(a: Rational, b: Rational): Rational {
  const s = add(a, b),
    den = 1n << 1024n;
  return s.den <= den ? s : { num: (s.num * den) / s.den + 1n, den };
}

function compare(fail: (at: string, why: string) => void, at: string, printed: number, bits: bigint): void {
  const units = unitsOf(printed);
  if (units > bits + SLACK) fail(at, `${printed} bits are printed, the truth is at most ${shown(bits + 1n)}`);
  else if (units < bits - LOOSE) fail(at, `${printed} bits are printed, the truth is ${shown(bits)}`);
}

/** |E| in bits, which one constant of the library must not pass: for the report. */
export const challengeBits = (): string => shown(log2Floor(E));
