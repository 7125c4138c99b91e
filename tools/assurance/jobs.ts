/** The jobs of a run, each independent of the others, and what comes out of one. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { checkCircuit } from './circuit.js';
import { type RawProgram, readProgram } from './data.js';
import { exceptionsOf } from './exceptions.js';
import { isCubicField, isPrime, seventhPowerIsInjective } from './field.js';
import type { Failure } from './formats.js';
import { LEMMAS } from './lemmas.js';
import { type LedgerCase, challengeBits, checkLedger } from './ledger.js';
import { MUTANTS, type Mutant, POLICY_MUTANTS, ROW_MUTANTS } from './mutants.js';
import { checkPolicy } from './policy.js';
import { POLICIES, policyCircuit } from './policy-circuit.js';
import { PROGRAM_NAMES, circuit, factsOf, programOf } from './programs.js';
import { ledgers } from './runs.js';
import type { Solver } from './smt.js';
import { checkStates } from './states.js';
import { type Verdict, validate } from './validate.js';
import { otherRows } from './wiring.js';

export interface Outcome {
  readonly failures: readonly Failure[];
  readonly lines: readonly string[];
}

async function lemmas(solver: Solver): Promise<Outcome> {
  const failures: Failure[] = [];
  for (const l of LEMMAS) {
    const asked = await solver.ask('lemma', l.text),
      twin = await solver.ask('twin', l.twin);
    if (asked.answer !== 'unsat') failures.push({ check: 'lemma', at: l.name, why: 'does not hold', asked });
    if (twin.answer !== 'sat') failures.push({ check: 'lemma', at: l.name, why: 'its blunted twin has no model', asked: twin });
  }
  return { failures, lines: [`${LEMMAS.length} lemmas, each with a twin that has a model`] };
}

async function rows(solver: Solver): Promise<Outcome> {
  const data = circuit(true),
    times = data.constants.get('times') ?? [],
    table = [0, 1, 2].map((j) => [0, 1, 2].map((a) => times.slice(9 * j + 3 * a, 9 * j + 3 * a + 3))),
    failures = [...(await checkCircuit(data, solver)), ...(await checkCircuit(circuit(), solver))],
    field = (holds: boolean, why: string): void => {
      if (!holds) failures.push({ check: 'row', at: 'field', why });
    };
  field(isPrime(), 'p is not shown to be prime');
  field(seventhPowerIsInjective(), 'x^7 is no permutation');
  field(isCubicField(table), 'the products of F rows are not those of a field of p^3 elements');
  return {
    failures,
    lines: [`${data.program.constraints.length} constraints of all kinds of rows; p prime, x^7 a permutation, E a field`],
  };
}

/** The policy of leaves, on rows that are those which "rows" checks. */
async function policy(solver: Solver): Promise<Outcome> {
  const failures: Failure[] = [],
    lines: string[] = [];
  for (const p of POLICIES) {
    const c = policyCircuit(p),
      other = otherRows(circuit(), c),
      r = await checkPolicy(c, solver);
    if (other) failures.push({ check: 'policy', at: p.name, why: `its ${other} are not those of the circuit whose rows are checked` });
    failures.push(...r.failures);
    lines.push(r.line);
  }
  return { failures, lines };
}

/** Circuits of the policy with one thing wrong. */
async function policyMutants(solver: Solver): Promise<Outcome> {
  const failures: Failure[] = [],
    lines: string[] = [],
    whole = (name: string): ReturnType<typeof policyCircuit> => policyCircuit(POLICIES.find((p) => p.name === name)!);
  failures.push(...(await checkPolicy(whole('step'), solver)).failures);
  for (const m of failures.length ? [] : POLICY_MUTANTS) {
    const found = (await checkPolicy(m.change(whole(m.of ?? 'step')), solver)).failures.find(
      (f) => f.at.includes(m.at) && (!f.asked || f.asked.answer === 'sat'),
    );
    if (!found) failures.push({ check: 'policy', at: `policy: ${m.name}`, why: `is not found at ${m.at}` });
    lines.push(`${m.name} -- ${found ? `${found.at} ${found.why}` : 'NOT FOUND'}`);
  }
  return { failures, lines };
}

/** Circuits with one thing wrong. */
async function rowMutants(solver: Solver): Promise<Outcome> {
  const failures: Failure[] = [],
    lines: string[] = [];
  for (const m of ROW_MUTANTS) {
    const data = circuit(true),
      changed = { ...data, constants: new Map(data.constants) };
    m.change(changed);
    const found = (await checkCircuit(changed, solver)).find((f) => f.at.startsWith(m.at) && (!f.asked || f.asked.answer === 'sat'));
    if (!found) failures.push({ check: 'row', at: `rows: ${m.name}`, why: `is not found at ${m.at}` });
    lines.push(`${m.name} -- ${found ? `${found.at} ${found.why}` : 'NOT FOUND'}`);
  }
  return { failures, lines };
}

/** Programs of one run by name. */
const RUNS: readonly (readonly string[])[] = [['step'], ['micro', 'update'], ['step of stories260k']];

/** States between the programs of a run; and with a tensor that is left, or entered, in another format. */
function states(): Outcome {
  const failures = RUNS.flatMap((names) => checkStates(names.map(programOf))),
    lines = [`${RUNS.length} runs`];
  for (const [name, tensor, factor] of [
    ['update', 'master2', 2n],
    ['update', 'C2', 2n],
    ['micro', 'acc2', 2n],
    ['step', 'mm2', 2n],
  ] as const) {
    const run = RUNS.find((r) => r.includes(name))!.map(programOf),
      t = run.flatMap((p) => p.tensors).find((x) => x.name === tensor)!;
    t.hi = String(factor * BigInt(t.hi));
    const found = checkStates(run).find((f) => f.at === tensor);
    if (!found) failures.push({ check: 'state', at: `${name}: ${tensor} left in a wider format`, why: 'the mutant is not found' });
    lines.push(`${name}: ${tensor} left in a wider format -- ${found ? found.why : 'NOT FOUND'}`);
  }
  return { failures, lines };
}

/** Ledgers, and ledgers with one thing wrong. */
function ledger(): Outcome {
  const cases = ledgers(),
    checked = cases.map(checkLedger),
    failures = checked.flatMap((c) => c.failures),
    [first] = cases,
    folded = cases.find((c) => c.name === 'folded')!,
    change = (f: (t: LedgerCase['printed']['terms'][number]) => object | undefined, of = first): LedgerCase => ({
      ...of,
      printed: { ...of.printed, terms: of.printed.terms.flatMap((t) => (f(t) ? [{ ...t, ...f(t) }] : [])) },
    }),
    trusted = /queries \((\d+) at rate 2\^-(\d+), trusted root\)/,
    isLast = (t: { name: string }): boolean => t.name.startsWith('merge: sumcheck'),
    wrong: readonly (readonly [string, LedgerCase])[] = [
      ['a term too high by 2^-24', change((t) => (isLast(t) ? { bits: t.bits + 2 ** -24 } : {}))],
      ['a term left out', change((t) => (isLast(t) ? undefined : {}))],
      ['rounds left out', change((t) => (isLast(t) ? { rounds: 1 } : {}))],
      ['proofs left out', change((t) => (t.name.startsWith('LogUp: sum') ? { proofs: 1 } : {}))],
      [
        'one query more under a trusted root',
        change((t) => {
          const [, , r] = trusted.exec(t.name) ?? [];
          return r === undefined ? {} : { bits: t.bits + Number(r) };
        }, folded),
      ],
      [
        'the witness of the end under a trusted root',
        change((t) => {
          const [, q, r] = /^witness opening.*queries \((\d+) at rate 2\^-(\d+)/.exec(t.name) ?? [];
          return r === undefined || t.proof !== 'end' ? {} : { bits: Number(q) * Number(r) };
        }, folded),
      ],
      ['the initial state left out', change((t) => (t.name.startsWith('initial state') ? undefined : {}), folded)],
      ['union too high', { ...first, printed: { ...first.printed, union: first.printed.union + 2 ** -24 } }],
    ];
  for (const [name, c] of wrong)
    if (!checkLedger(c).failures.length) failures.push({ check: 'ledger', at: `ledger with ${name}`, why: 'the mutant is not found' });
  return {
    failures,
    lines: [`log2 |E| = ${challengeBits()}, rounded down`, ...checked.map((c) => c.line), `${wrong.length} ledgers with one thing wrong`],
  };
}

const check = (raw: RawProgram, solver: Solver): Promise<Verdict> => validate(readProgram(raw, factsOf), solver, exceptionsOf(raw.name));

async function program(name: string, solver: Solver): Promise<Outcome> {
  const v = await check(programOf(name), solver);
  return { failures: v.failures, lines: [v.summary] };
}

/** The canonical JSON of a program in a file, which may be compressed (gzip). */
export function programFile(path: string | URL): RawProgram {
  const bytes = readFileSync(path);
  return JSON.parse((bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString('utf8')) as RawProgram;
}

/**
 * Compiled programs of commit ede24a1, in which an update took the formats of the state that it enters for granted.
 * What is found must be that, in these tensors.
 */
const EARLIER: Readonly<Record<string, readonly string[]>> = { update: ['C', 'acc', 'master', 'mm'], step: ['C', 'master', 'mm'] };

async function earlier(solver: Solver): Promise<Outcome> {
  const failures: Failure[] = [],
    lines: string[] = [];
  for (const [name, open] of Object.entries(EARLIER)) {
    const raw = programFile(new URL(`../../tools/assurance/earlier/${name}.json.gz`, import.meta.url)),
      v = await check(raw, solver),
      found = v.failures.map((f) => `${f.check} ${f.at}`).sort(),
      due = open.map((t) => `state ${t}`);
    if (found.join() !== due.join()) failures.push({ check: 'state', at: name, why: `${due.join()} is due, found is ${found.join()}` });
    lines.push(`${name}: ${found.join(', ')}`);
  }
  return { failures, lines };
}

async function file(path: string, solver: Solver): Promise<Outcome> {
  const v = await check(programFile(path), solver);
  return { failures: v.failures, lines: [v.summary] };
}

/** The unmutated program passes, every mutant is found by the check that it names. */
async function mutants(name: string, solver: Solver): Promise<Outcome> {
  const base = await check(programOf(name), solver),
    failures: Failure[] = [...base.failures],
    lines: string[] = [];
  for (const m of base.failures.length ? [] : MUTANTS[name]) {
    const raw = programOf(name);
    m.change(raw);
    const first = firstFailure(await check(raw, solver), base.order, m),
      at = `${name}: ${m.name}`,
      found = first && `${first.check} ${first.at}: ${first.why}${first.asked ? ` (${first.asked.answer})` : ''}`;
    if (!first) failures.push({ check: m.check, at, why: 'the mutant is not found' });
    else if (first.check !== m.check || first.at.split('#')[0] !== m.at)
      failures.push({ check: m.check, at, why: `found elsewhere than at ${m.at}: ${found}` });
    else if (first.asked && first.asked.answer !== 'sat')
      failures.push({ check: m.check, at, why: `found only for want of an answer: ${found}` });
    lines.push(`${m.name} -- ${found ?? 'NOT FOUND'}`);
  }
  return { failures, lines };
}

/**
 * What a report names: of open slices the first that the whole program determines, else what the mutant names if it is
 * there.
 */
function firstFailure(v: Verdict, order: readonly string[], m: Mutant): Failure | undefined {
  const named = v.failures.find((f) => f.check === m.check && f.check !== 'unique' && f.at === m.at);
  if (named) return named;
  const rank = new Map(order.map((n, k) => [n, k]));
  return [...v.failures].sort((a, b) => (rank.get(a.at) ?? 0) - (rank.get(b.at) ?? 0))[0];
}

export type Job = (solver: Solver) => Promise<Outcome>;

/** What begins the name of a job that checks the program in a file. */
export const FILE = 'file ';

/** The job of a name. */
export const jobOf = (name: string): Job | undefined =>
  name.startsWith(FILE) ? (s): Promise<Outcome> => file(name.slice(FILE.length), s) : JOBS.get(name);

/** Jobs by name, the longest first. */
export const JOBS: ReadonlyMap<string, Job> = new Map<string, Job>([
  ...Object.keys(MUTANTS).map((n): [string, Job] => [`mutants of ${n}`, (s) => mutants(n, s)]),
  ...PROGRAM_NAMES.map((n): [string, Job] => [`program ${n}`, (s) => program(n, s)]),
  ['policy', policy],
  ['mutants of the policy', policyMutants],
  ['mutants of rows', rowMutants],
  ['earlier programs', earlier],
  ['ledger', () => Promise.resolve(ledger())],
  ['states', () => Promise.resolve(states())],
  ['rows', rows],
  ['lemmas', lemmas],
]);
