/**
 * Is the validator sharp? Programs with one thing wrong, each of which must be found, and by the check that is named:
 * a format that nothing implies, an identity that wraps, a slice with two values. `at` is the tensor or constraint; of
 * slices the first in the order in which the whole program determines them.
 */
import { type RawConstraint, type RawProgram, type RawTensor, exprsOf } from './data.js';
import type { Failure } from './formats.js';
import type { CircuitInstance } from './wiring.js';

export interface Mutant {
  readonly name: string;
  readonly change: (p: RawProgram) => void;
  readonly check: Failure['check'];
  readonly at: string;
}

/** A mutant that does not apply to its program is a failure of its own. */
class MutantError extends Error {}

const constraint = (p: RawProgram, name: string): RawConstraint => {
  const c = p.constraints.find((x) => x.name === name);
  if (!c) throw new MutantError(`no constraint ${name}`);
  return c;
};
const tensor = (p: RawProgram, name: string): RawTensor => {
  const t = p.tensors.find((x) => x.name === name);
  if (!t) throw new MutantError(`no tensor ${name}`);
  return t;
};

/** The constraint and the limbs of its range are left out. */
const without = (name: string, check: Failure['check'], at: string): Mutant => ({
  name: `without ${name}`,
  check,
  at,
  change: (p) => void p.constraints.splice(p.constraints.indexOf(constraint(p, name)), 1),
});
/** The range, or its highest limb, is so many bits wider. */
const wider = (name: string, check: Failure['check'], at: string, bits = 2): Mutant => ({
  name: `${name} ${bits} bits wider`,
  check,
  at,
  change: (p) => void (constraint(p, name).bits! += bits),
});
/** The coefficient of the k-th term is doubled. */
const doubled = (name: string, k: number, check: Failure['check'], at: string, component = 0): Mutant => ({
  name: `${name}, term ${k} times two`,
  check,
  at,
  change: (p) => {
    const t = exprsOf(constraint(p, name))[component].terms[k];
    t.coef = String(2n * BigInt(t.coef));
  },
});
/** A term loses a factor. */
const unmasked = (name: string, k: number, factor: string, check: Failure['check'], at: string): Mutant => ({
  name: `${name}, term ${k} without ${factor}`,
  check,
  at,
  change: (p) => {
    const { operands } = exprsOf(constraint(p, name))[0].terms[k],
      i = operands.findIndex((o) => o.tensor === factor);
    if (i < 0) throw new MutantError(`${name} has no factor ${factor} in term ${k}`);
    operands.splice(i, 1);
  },
});
const declared = (name: string, what: 'half' | 'twice', check: Failure['check'], at: string): Mutant => ({
  name: `${name} declared ${what} as wide`,
  check,
  at,
  change: (p) => {
    const t = tensor(p, name),
      [lo, hi] = [BigInt(t.lo), BigInt(t.hi)];
    t.lo = String(what === 'half' ? lo / 2n : 2n * lo);
    t.hi = String(what === 'half' ? hi / 2n : 2n * hi + 1n);
  },
});
const elsewhere = (name: string, table: string, check: Failure['check'], at: string): Mutant => ({
  name: `${name} in another table`,
  check,
  at,
  change: (p) => {
    const other = p.tables.find((t) => t.name.startsWith(table) && t.name !== constraint(p, name).table);
    if (!other) throw new MutantError(`no other table ${table}`);
    constraint(p, name).table = other.name;
  },
});

/** Mutants by program. */
export const MUTANTS: Readonly<Record<string, readonly Mutant[]>> = {
  update: [
    // The state entered as it was before the update proved its format.
    without('C.range', 'state', 'C'),
    without('master.range', 'state', 'master'),
    without('mm.range', 'state', 'mm'),
    without('vv.split', 'state', 'vv'),
    without('acc.digits', 'state', 'acc'),
    without('master2.rem', 'unique', 'master2'),
    without('master2.range', 'format', 'master2'),
    wider('master2.rem', 'unique', 'master2'),
    without('norm.digits', 'format', 'norm'),
    without('norm.square.digits', 'unique', 'norm'),
    without('norm.rest.eq', 'unique', 'norm'),
    without('norm.upper', 'unique', 'norm'),
    without('den.larger', 'unique', 'den.second'),
    without('den.eq', 'unique', 'den'),
    without('clipC.product.digits', 'unique', 'clipC'),
    without('clipC.gap', 'unique', 'clipC'),
    without('cgl.rem', 'unique', 'cgl'),
    without('cg.rem', 'unique', 'cg'),
    without('v0.range', 'format', 'v0'),
    without('vv2.eq', 'unique', 'vv2'),
    without('sv.upper', 'unique', 'sv'),
    without('quo.gap', 'unique', 'quo'),
    doubled('quo.gap', 4, 'unique', 'quo'),
    doubled('sv.upper', 1, 'unique', 'sv'),
    without('mm2.rem', 'unique', 'mm2'),
    without('C2.rem', 'unique', 'C2'),
    declared('quo', 'half', 'format', 'quo'),
    declared('master2', 'half', 'format', 'master2'),
  ],
  micro: [
    without('acc2.eq', 'unique', 'acc2'),
    without('acc2.range', 'format', 'acc2'),
    without('du.q_proj.rem', 'unique', 'du.q_proj'),
    wider('delta.rem', 'unique', 'delta'),
    declared('dS', 'half', 'format', 'dS'),
    declared('acc2', 'half', 'format', 'acc2'),
  ],
  step: [
    without('p.exp', 'format', 's'),
    without('M.upper', 'unique', 'M'),
    without('M.lower', 'unique', 'M'),
    doubled('M.upper', 0, 'unique', 'M'),
    without('rn.lower', 'unique', 'rn'),
    without('rn.upper', 'unique', 'rn'),
    without('rinv.gap', 'unique', 'rinv'),
    without('rinv.rem', 'unique', 'rinv'),
    without('X.attn.rem', 'unique', 'X'),
    without('g.digits', 'format', 'g'),
    without('cn.gap', 'unique', 'cn'),
    without('s.rem', 'unique', 's'),
    without('loss.eq', 'unique', 'loss'),
    without('silu', 'format', 'gate'),
    unmasked('p.exp', 1, 'causal', 'unique', 'M'),
    elsewhere('silu', 'exp', 'format', 'gate'),
    elsewhere('p.exp', 'exp', 'format', 'p1'),
    declared('Xn', 'half', 'format', 'Xn'),
    wider('N.rem', 'unique', 'N'),
    doubled('qr.range', 1, 'format', 'qr'),
  ],
};

/** A circuit with one thing wrong. `at` begins what is reported. */
export interface RowMutant {
  readonly name: string;
  readonly change: (c: { program: RawProgram; constants: Map<string, readonly bigint[]> }) => void;
  readonly at: string;
}

const rowWithout = (name: string, at: string): RowMutant => ({
  name: `without ${name}`,
  at,
  change: ({ program }) => void program.constraints.splice(program.constraints.indexOf(constraint(program, name)), 1),
});
const number = (name: string, at: string, change: (x: readonly bigint[]) => bigint[]): RowMutant => ({
  name: `other numbers in ${name}`,
  at,
  change: ({ constants }) => {
    const x = constants.get(name);
    if (!x) throw new MutantError(`no numbers ${name}`);
    constants.set(name, change(x));
  },
});

export const ROW_MUTANTS: readonly RowMutant[] = [
  rowWithout('E', 'E['),
  rowWithout('F', 'F['),
  rowWithout('F.read', 'F.v['),
  rowWithout('Q', 'rowQ'),
  rowWithout('S.bit', 'S['),
  rowWithout('S.dead', 'S['),
  rowWithout('S.lo', 'S.lo'),
  rowWithout('S.word', 'S.word'),
  rowWithout('S.canonical', 'S.canonical'),
  rowWithout('P.round', 'P'),
  rowWithout('P.in', 'P'),
  rowWithout('M.in', 'M.in'),
  rowWithout('M.bit', 'M.bit'),
  rowWithout('M.capacity', 'M.capacity'),
  rowWithout('M.out', 'M['),
  rowWithout('U', 'U'),
  rowWithout('G.digest', 'rowG'),
  rowWithout('G.index', 'rowG'),
  rowWithout('G.cap', 'rowG'),
  rowWithout('B', 'B'),
  rowWithout('B.read', 'B.v['),
  rowWithout('D', 'D['),
  rowWithout('D.read', 'D.v['),
  rowWithout('T', 'T['),
  rowWithout('I.id', 'I.id'),
  rowWithout('I.entry', 'I.entry'),
  rowWithout('I.bit', 'I.edge['),
  rowWithout('I.edge', 'I.edge'),
  rowWithout('I', 'I['),
  {
    name: 'entries without the name of their table',
    at: 'I.entry',
    change: ({ program }) => {
      const entry = program.constraints.find((x) => x.name === 'I.entry')!;
      (entry as { exprs?: unknown[] }).exprs!.pop();
    },
  },
  number('out.B', 'P', (x) => x.map((v, k) => (k === 7 ? v + 1n : v))),
  number('powers', 'S.lo', (x) => x.map((v, k) => (k === 3 ? x[2] : v))),
  number('capacity', 'M.capacity', (x) => x.map((v) => v + 1n)),
  number('G.lane', 'rowG', (x) => x.map(() => 0n)),
  {
    name: 'a kind of row without an entry',
    at: 'rowX',
    change: ({ program }) => {
      program.axes['rowX'] = 1;
      program.tensors.push({ name: 'X', axes: ['rowX'], cls: 'witness', lo: '0', hi: '0' });
    },
  },
];

/** A circuit of the policy with one thing wrong. `at` occurs in what is reported. */
export interface PolicyMutant {
  readonly name: string;
  /** Its circuit, by name; that of a step where it says nothing. */ readonly of?: string;
  readonly change: (c: CircuitInstance) => CircuitInstance;
  readonly at: string;
}

/** A fixed column in which the rows of a check have another number. */
function inRows(
  c: CircuitInstance,
  kind: 'S' | 'Q',
  check: string,
  column: string,
  number: (row: number) => bigint,
): Map<string, readonly bigint[]> {
  const height = c.program.axes[`row${kind}`],
    rows = new Set(c.checks[kind].flatMap((x, k) => (x === check ? [k] : [])));
  if (!rows.size) throw new MutantError(`no row of ${kind} checks ${check}`);
  return new Map([...c.fixed, [column, c.fixed.get(column)!.map((x, k) => (rows.has(k % height) ? number(k % height) : x))]]);
}
/** All bits of the words may be one. */
const unranged = (check: string, at: string): PolicyMutant => ({
  name: `no range: ${check}`,
  at,
  change: (c) => ({ ...c, fixed: inRows(c, 'S', check, 'S.dead', () => 0n) }),
});
/** The rows compare a wire of their own with itself. */
const unequal = (check: string, at: string): PolicyMutant => ({
  name: `no equality: ${check}`,
  at,
  change: (c) => ({ ...c, fixed: inRows(c, 'Q', check, 'Q.from', (row) => c.fixed.get('Q.from')![row]) }),
});

export const POLICY_MUTANTS: readonly PolicyMutant[] = [
  unranged('mode', 'mode'),
  unranged('order digits', 'digits'),
  unranged('order quotient', 'quotient'),
  unranged('order remainder', 'quotient'),
  unranged('present', 'in cases'),
  unranged('walk from a row', 'in cases'),
  unranged('walk not ended', 'in cases'),
  unranged('clip scalar', 'clip'),
  unequal('mode', 'mode'),
  unequal('present', 'present'),
  unequal('walk slot', 'slot'),
  unequal('sampler key', 'sampler key'),
  unequal('quotas', 'quotas'),
  unequal('order digits', 'digits'),
  unequal('dataset root', 'tokens'),
  unequal('absent row', 'tokens'),
  { ...unequal('node of a path', 'tokens'), of: 'step, paths on rows of permutations' },
  unequal('class table', 'counters'),
  unequal('schedule', 'scalars'),
  unequal('clip scalar', 'clip'),
  {
    name: 'a free word without an entry',
    at: 'news',
    change: (c) => ({ ...c, words: new Map([...c.words, ['news', [0]]]) }),
  },
  {
    name: 'without a premise on quotients',
    at: 'quotient',
    change: (c) => ({ ...c, premises: [] }),
  },
];
