/** The jobs of a run, each independent of the others, and what comes out of one. */
import { checkCircuit } from './circuit.js';
import { type RawProgram, readProgram } from './data.js';
import { exceptionsOf } from './exceptions.js';
import { isCubicField, isPrime, seventhPowerIsInjective } from './field.js';
import type { Failure } from './formats.js';
import { LEMMAS } from './lemmas.js';
import { MUTANTS, type Mutant } from './mutants.js';
import { PROGRAM_NAMES, circuit, factsOf, programOf } from './programs.js';
import type { Solver } from './smt.js';
import { type Verdict, validate } from './validate.js';

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
  const data = circuit(),
    times = data.constants.get('times') ?? [],
    table = [0, 1, 2].map((j) => [0, 1, 2].map((a) => times.slice(9 * j + 3 * a, 9 * j + 3 * a + 3))),
    failures = await checkCircuit(data, solver),
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

const check = (raw: RawProgram, solver: Solver): Promise<Verdict> => validate(readProgram(raw, factsOf), solver, exceptionsOf(raw.name));

async function program(name: string, solver: Solver): Promise<Outcome> {
  const v = await check(programOf(name), solver);
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

/** What a report names: of open slices the first that the whole program determines, else what the mutant names if it is there. */
function firstFailure(v: Verdict, order: readonly string[], m: Mutant): Failure | undefined {
  const named = v.failures.find((f) => f.check === m.check && f.check !== 'unique' && f.at === m.at);
  if (named) return named;
  const rank = new Map(order.map((n, k) => [n, k]));
  return [...v.failures].sort((a, b) => (rank.get(a.at) ?? 0) - (rank.get(b.at) ?? 0))[0];
}

export type Job = (solver: Solver) => Promise<Outcome>;

/** Jobs by name, the longest first. */
export const JOBS: ReadonlyMap<string, Job> = new Map<string, Job>([
  ...Object.keys(MUTANTS).map((n): [string, Job] => [`mutants of ${n}`, (s) => mutants(n, s)]),
  ...PROGRAM_NAMES.map((n): [string, Job] => [`program ${n}`, (s) => program(n, s)]),
  ['rows', rows],
  ['lemmas', lemmas],
]);
