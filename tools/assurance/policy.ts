/**
 * The policy on wires: given the policy's digest, the counters' and the chain's, the place of a program and its loss,
 * everything that a leaf computes has one value, and so have the rows that it trains on and the scalars that it takes.
 * All cases of the choices (present rows, slots of a walk) are run; two cases agree or contradict each other.
 */
import { Determined, Statement } from './determine.js';
import type { Failure } from './formats.js';
import { type Asked, type Solver, assertion, lit } from './smt.js';
import { Names, type Poly, atomsOf, numberOf, textOf } from './terms.js';
import { Impossible, Wires } from './wires.js';
import { type CircuitInstance, Wiring } from './wiring.js';

/** How a free word is held. */
type Bound = 'given' | 'choice' | 'determined' | 'present' | 'output';
interface Entry {
  readonly bound: Bound;
  readonly why: string;
}
const entry = (bound: Bound, why: string): Entry => ({ bound, why });
const HASHED = 'a word of a hash whose digest is determined',
  SOLVED = 'unique by its ranges';

/**
 * Free words of the policy by name. `determined`: in every case. `present`: where its row is present; an absent row's
 * enters nothing. `output`: what is computed from it is determined, though it is not. A name without an entry fails.
 */
export const WORDS: Readonly<Record<string, Entry>> = {
  place: entry('given', 'step, micro-batch, epoch, batches drawn: words of the statement'),
  epochs: entry('given', 'the chain of epochs that is entered: words of the statement'),
  loss: entry('given', 'a public word of the proof that is verified'),
  wrap: entry('given', 'computed by the leaf from drawn and batches in an epoch'),
  targets: entry('given', 'those of the micro-batches before: a word of the statement'),
  'policy vector': entry('determined', HASHED),
  quotas: entry('determined', HASHED),
  counters: entry('determined', HASHED),
  'counters blind': entry('determined', HASHED),
  'counters blind out': entry('given', 'hides the counters that are left: the prover may take any'),
  'sampler key': entry('determined', HASHED),
  'key blind': entry('determined', HASHED),
  mode: entry('determined', SOLVED),
  'short batch': entry('output', 'either value where the batch is all that is left: the number of examples is one'),
  present: entry('choice', 'contradicts the other value'),
  slot: entry('choice', 'which slot a row takes is free: the end of its walk is one'),
  digits: entry('determined', SOLVED),
  quotient: entry('determined', SOLVED),
  stratum: entry('given', "intervals of the table do not overlap, which is the table's own matter"),
  'stratum words': entry('determined', HASHED),
  pass: entry('determined', SOLVED),
  tokens: entry('determined', HASHED),
  mask: entry('determined', HASHED),
  salt: entry('present', HASHED),
  class: entry('present', HASHED),
  length: entry('present', HASHED),
  'class bins': entry('present', HASHED),
  'class eligible': entry('present', HASHED),
  path: entry('present', 'nodes below one that is determined, in a tree'),
  'targets inverse': entry('output', 'the inverse of the number of targets where the row is present: nothing else reads it'),
  scalars: entry('determined', HASHED),
  'clip scalar': entry('determined', SOLVED),
  'clip remainder': entry('determined', SOLVED),
};

interface Case {
  readonly label: string;
  readonly d: Determined;
}

export interface PolicyResult {
  readonly failures: Failure[];
  readonly line: string;
}

/** Checks one circuit of the policy. */
export async function checkPolicy(c: CircuitInstance, solver: Solver): Promise<PolicyResult> {
  const failures: Failure[] = [],
    fail = (at: string, why: string, asked?: Asked): void => void failures.push({ check: 'policy', at: `${c.name}: ${at}`, why, asked });
  for (const name of c.words.keys()) if (!WORDS[name]) fail(name, 'is a free word without an entry');
  if (failures.length) return { failures, line: '' };
  const wiring = new Wiring(c),
    names = new Names(),
    cases: Case[] = [];
  for (const at of notBoolean(wiring)) fail(at, 'is a choice that may be another number than zero and one');
  for (const choices of choicesOf(c)) {
    const d = await runCase(wiring, names, solver, choices);
    if (d) cases.push({ label: [...choices.values()].join(''), d });
  }
  if (!cases.length) fail('cases', 'none is possible');
  for (const x of cases) for (const [at, asked] of open(c, x.d)) fail(`${at} in case ${x.label}`, 'may have two values', asked);
  let contradictions = 0;
  if (!failures.length)
    for (const [k, a] of cases.entries())
      for (const b of cases.slice(0, k)) {
        const at = differing(c, a.d, b.d);
        if (at === undefined) continue;
        const asked = await contradiction(a.d, b.d, names, solver);
        if (asked.answer === 'unsat') contradictions++;
        else fail(`${at} in cases ${b.label} and ${a.label}`, 'may have two values', asked);
      }
  return { failures, line: `${c.name}: ${cases.length} cases, ${contradictions} pairs exclude each other, ${sizes(wiring)}` };
}

const sizes = (w: Wiring): string => ['W', 'F', 'S', 'Q', 'P', 'M'].map((k) => `${w.height(k)} ${k}`).join(' ');

/** Choices that no row makes zero or one. */
function notBoolean(wiring: Wiring): string[] {
  const { words } = wiring.of,
    { facts } = new Wires(wiring, new Map()),
    boolean = new Set(facts.flatMap((f) => (f.kind === 'boolean' ? [f.atom] : [])));
  return [...words].flatMap(([name, rows]) =>
    WORDS[name].bound === 'choice' ? rows.flatMap((r, k) => (boolean.has(Wires.word(r)) ? [] : [`${name} ${k}`])) : [],
  );
}

/** All values of the choices. */
function choicesOf(c: CircuitInstance): Map<number, bigint>[] {
  const rows = [...c.words].flatMap(([name, list]) => (WORDS[name].bound === 'choice' ? list : []));
  return Array.from({ length: 2 ** rows.length }, (_, x) => new Map(rows.map((r, k): [number, bigint] => [r, BigInt((x >> k) & 1)])));
}

/** One case, or undefined if its numbers contradict the rows. */
async function runCase(
  wiring: Wiring,
  names: Names,
  solver: Solver,
  choices: ReadonlyMap<number, bigint>,
): Promise<Determined | undefined> {
  const { of } = wiring,
    given = [...of.given].map(Wires.publicWord);
  for (const [name, rows] of of.words) if (WORDS[name].bound === 'given') given.push(...rows.map(Wires.word));
  try {
    const w = new Wires(wiring, choices);
    for (const p of of.premises) w.grant(p);
    const d = new Determined(w, names, solver, given);
    await d.run();
    return d;
  } catch (e) {
    if (e instanceof Impossible) return undefined;
    throw e;
  }
}

/** What ought to be determined in a case and is not. */
function open(c: CircuitInstance, d: Determined): [string, Asked | undefined][] {
  const out: [string, Asked | undefined][] = [];
  for (const [name, rows] of c.words)
    rows.forEach((r, k) => {
      if (WORDS[name].bound === 'determined' && !d.values.has(Wires.word(r))) out.push([`${name} ${k}`, d.refused.get(Wires.word(r))]);
    });
  for (const [row, name] of c.outputs) if (!d.values.has(Wires.publicWord(row))) out.push([name, undefined]);
  return out;
}

/** The first output or row that has other values in two cases. */
function differing(c: CircuitInstance, a: Determined, b: Determined): string | undefined {
  const other = (name: string): boolean => textOf(a.values.get(name)!) !== textOf(b.values.get(name)!);
  for (const [row, name] of c.outputs) if (other(Wires.publicWord(row))) return name;
  for (const name of ['tokens', 'mask']) if (c.words.get(name)?.some((r) => other(Wires.word(r)))) return name;
  return undefined;
}

/** Ranges that hold in one case, by value. */
function ranges(d: Determined): Map<string, { value: Poly; bits: number }> {
  const out = new Map<string, { value: Poly; bits: number }>();
  for (const f of d.wires.facts)
    if (f.kind === 'range' && d.values.has(f.atom)) {
      const value = d.values.get(f.atom)!;
      out.set(`${textOf(value)} ${f.bits}`, { value, bits: f.bits });
    }
  return out;
}

/** Whether a name stands for a sum of a few others: what tells cases apart. */
function isLinear(names: Names, n: string): boolean {
  const p = names.meaning(n);
  return p !== undefined && p.size <= 4 && ![...p.keys()].some((m) => m.includes('*'));
}

/** Whether ranges that hold in either case alone exclude each other. */
async function contradiction(a: Determined, b: Determined, names: Names, solver: Solver): Promise<Asked> {
  const [x, y] = [ranges(a), ranges(b)],
    s = new Statement(),
    name = (n: string): string => s.symbol(`1*${n}`);
  const add = ({ value, bits }: { value: Poly; bits: number }): void => {
    const number = numberOf(value);
    if (number !== undefined) return void s.lines.push(assertion(`(<= ${lit(number)} ${(1n << BigInt(bits)) - 1n})`));
    for (const n of atomsOf(value)) if (isLinear(names, n)) s.fact({ kind: 'range', atom: n, bits }, name);
  };
  for (const [k, r] of x) if (!y.has(k)) add(r);
  for (const [k, r] of y) if (!x.has(k)) add(r);
  s.meanings(names, isLinear);
  return solver.ask('wires, cases', s.lines.join('\n'));
}
