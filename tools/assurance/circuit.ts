/**
 * The rows of the verifier's circuit: outputs are functions of the wires read, or free by name. See rows.ts for how a
 * row's polynomials are extracted. Linear steps are exact elimination mod p; the bits of a word and the equality of
 * wires are questions to the solver.
 */
import type { RawProgram } from './data.js';
import { determined, mod, solve } from './field.js';
import type { Failure } from './formats.js';
import { type Constants, type Equation, type Polynomial, type Row, cellName, rowsOf } from './rows.js';
import { P, type Solver, assertion, integers, lit, sum, times } from './smt.js';

/** What the checks need of a circuit: program, numbers of its fixed tables, the permutation that P rows are to be. */
export interface CircuitData {
  readonly program: RawProgram;
  readonly constants: Constants;
  readonly permute: (state: readonly bigint[]) => bigint[];
  /** First word of the capacity where two digests are hashed into one. */
  readonly node: bigint;
}

interface Context extends CircuitData {
  readonly solver: Solver;
  readonly failures: Failure[];
}

const fail = (c: Context, at: string, why: string, asked?: Failure['asked']): void =>
  void c.failures.push({ check: 'row', at, why, asked });

/** How a kind of row is shown to have one solution; what stays free, and why it may. A kind without an entry fails. */
interface Kind {
  readonly free?: Readonly<Record<string, string>>;
  readonly check?: (c: Context, row: Row) => Promise<ReadonlySet<string>>;
}
const KINDS: Readonly<Record<string, Kind>> = {
  rowK: {},
  rowW: { free: { W: 'a word of the message' } },
  rowH: { free: { H: 'a hint: its product with a wire is compared with one' } },
  rowU: {},
  rowE: {},
  rowF: {},
  rowB: {},
  rowD: {},
  rowQ: { check: wiresEqual },
  rowS: { free: { 'S.inv': 'shows that the high half is not all ones; no row reads it' }, check: wordBits },
  rowP: { check: permutation },
  rowM: { check: merkleLevel },
  rowG: { check: wiresEqual },
  rowT: {},
  rowI: { check: selectedEntries },
};
/** Kinds of rows of circuits alone that look up ids. */
const OF_IDS: readonly string[] = ['rowT', 'rowI'];

/** Checks all rows and the memory. */
export async function checkCircuit(data: CircuitData, solver: Solver): Promise<Failure[]> {
  const c: Context = { ...data, solver, failures: [] },
    rows = rowsOf(data.program, data.constants, (a) => /^row/.test(a)),
    unique = new Set<string>();
  for (const [axis, row] of rows) {
    const kind = KINDS[axis];
    if (!kind) {
      fail(c, axis, 'is a kind of row without an entry here');
      continue;
    }
    const known = kind.check ? await kind.check(c, row) : determine(row.equations, row, new Set());
    for (const cell of row.cells) {
      const tensor = cell.split('[')[0];
      if (known.has(cell)) unique.add(tensor);
      else if (!kind.free?.[tensor]) fail(c, cell, 'is not determined by the wires that its row reads');
    }
  }
  const ids = (data.program.memories ?? []).length > 1;
  for (const k of Object.keys(KINDS)) if (!rows.has(k) && (ids || !OF_IDS.includes(k))) fail(c, k, 'has an entry here and no rows');
  memory(c, unique);
  return c.failures;
}

/** Every column of the memories, wires and tables, is fixed, determined by its row, or a free word or hint. */
function memory(c: Context, unique: ReadonlySet<string>): void {
  const names = (c.program.memories ?? []).map((m) => m.name).join();
  if (names !== 'wires' && names !== 'wires,tables') return fail(c, c.program.name, 'has other memories than wires and tables');
  const table = c.program.memories![1]?.segments.map((s) => s.columns[3]?.tensor).join();
  if (names !== 'wires' && (table !== 'T.table' || c.program.tensors.find((t) => t.name === table)?.cls !== 'frozen'))
    fail(c, 'tables', 'has entries that are not named by a fixed column');
  for (const s of c.program.memories!.flatMap((m) => m.segments))
    for (const o of s.columns) {
      const t = o && c.program.tensors.find((x) => x.name === o.tensor);
      if (t && t.cls !== 'frozen' && !unique.has(t.name) && t.name !== 'W' && t.name !== 'H')
        fail(c, s.name, `holds ${t.name}, which is free`);
    }
}

/**
 * Cells that equations and reads determine. Each round takes the equations in which open cells occur linearly with a
 * number as coefficient; elimination tells which of them have one solution.
 */
function determine(equations: readonly Equation[], row: Row, given: ReadonlySet<string>): Set<string> {
  const known = new Set([...row.fixed, ...row.public, ...given]);
  for (;;) {
    const linear = linearIn(equations, row, known),
      open = [...new Set(linear.flatMap((q) => [...q.keys()]))],
      { columns } = determined(linear.map((q) => open.map((cell) => q.get(cell) ?? 0n)));
    if (!columns.length) return known;
    for (const k of columns) known.add(open[k]);
  }
}

/** Coefficients of the open cells of every usable equation. A value that is read at a known address is known. */
function linearIn(equations: readonly Equation[], row: Row, known: ReadonlySet<string>): Map<string, bigint>[] {
  const isKnown = (monomial: string): boolean => monomial === '' || monomial.split('*').every((x) => known.has(x)),
    polys = [
      ...equations.map((e) => e.zero),
      ...row.reads.filter((r) => [...r.address.keys()].every(isKnown)).flatMap((r) => [...r.values]),
    ];
  return polys.flatMap((p) => {
    const open = [...p].filter(([m]) => !isKnown(m));
    return open.length && open.every(([m]) => !m.includes('*')) ? [new Map(open)] : [];
  });
}

const isSame = (a: Polynomial, b: Polynomial): boolean => a.size === b.size && [...a].every(([m, x]) => b.get(m) === x);

/** A polynomial as an integer term; `name` renames cells. */
const termOf = (p: Polynomial, name: (cell: string) => string): string =>
  sum([...p].map(([m, x]) => (m === '' ? lit(x) : times(x, m.includes('*') ? `(* ${m.split('*').map(name).join(' ')})` : name(m)))));

/**
 * Rows that compare wires. Q: both wires have the same three columns. G: word l of the digest is word l of the entry
 * that the index wire selects, and none of these wires has further columns.
 */
async function wiresEqual(c: Context, row: Row): Promise<ReadonlySet<string>> {
  const known = determine(row.equations, row, new Set()),
    names = new Map([...row.cells, ...row.fixed].map((x, k) => [x, `x${k}`])),
    name = (x: string): string => names.get(x)!,
    facts = row.reads.flatMap((r) =>
      [0, 1, 2].map((j) =>
        assertion(`(= (W${j} (mod ${termOf(r.address, name)} ${P})) (mod ${r.values[j] ? termOf(r.values[j], name) : '0'} ${P}))`),
      ),
    ),
    wire = (j: number, address: string): string => `(W${j} (mod ${address} ${P}))`,
    digits = Array.from({ length: 4 }, (_, l) => l),
    goal =
      row.axis === 'rowQ'
        ? [0, 1, 2].map((j) => `(= ${wire(j, name('Q.from[0]'))} ${wire(j, name('Q.from[1]'))})`)
        : digits.flatMap((l) => [
            `(= ${wire(0, name(`G.from[${l}]`))} ${wire(0, `(+ ${name('G.base')} (* 4 ${wire(0, name('G.fromIndex'))}) ${l})`)})`,
            `(= 0 ${wire(1, name(`G.from[${l}]`))} ${wire(2, name(`G.from[${l}]`))})`,
          ]),
    cells = [...names.values()],
    asked = await c.solver.ask(
      'rows, wires equal',
      [
        '(declare-fun W0 (Int) Int)\n(declare-fun W1 (Int) Int)\n(declare-fun W2 (Int) Int)',
        integers(...cells),
        ...cells.map((x) => assertion(`(and (<= 0 ${x}) (< ${x} ${P}))`)),
        ...facts,
        assertion(`(not (and ${goal.join(' ')}))`),
      ].join('\n'),
    );
  if (asked.answer !== 'unsat') fail(c, row.axis, 'does not say that its wires are equal', asked);
  return known;
}

const HALF = 1n << 32n;

/**
 * Bits of a word: boolean, zero where dead, their sum the word, and of the two representatives below 2^64 the one
 * below p.
 */
async function wordBits(c: Context, row: Row): Promise<ReadonlySet<string>> {
  const bits = Array.from({ length: 64 }, (_, k) => `S[${k}]`),
    equation = (p: Polynomial): boolean => row.equations.some((e) => isSame(e.zero, p)),
    ask = async (at: string, why: string, lines: readonly string[]): Promise<void> => {
      const asked = await c.solver.ask('rows, bits', lines.join('\n'));
      if (asked.answer !== 'unsat') fail(c, at, why, asked);
    };
  for (const [k, b] of bits.entries()) {
    const square = `${b}*${b}`,
      dead = [`S.dead[${k}]`, b].sort().join('*');
    if (
      !equation(
        new Map([
          [square, 1n],
          [b, P - 1n],
        ]),
      )
    )
      fail(c, b, 'may be another number than zero and one');
    if (!equation(new Map([[dead, 1n]]))) fail(c, b, 'may be one where it is dead');
  }
  // b (b - 1) = 0 mod p. Euclid's lemma for the prime p is given as the instance that is needed.
  await ask('S', 'a bit may be another number than zero and one', [
    integers('b', 'k'),
    assertion(`(and (<= 0 b) (< b ${P}))`),
    assertion(`(= (* b (- b 1)) (* k ${P}))`),
    assertion(`(or (= 0 (mod b ${P})) (= 0 (mod (- b 1) ${P})))`),
    assertion('(not (or (= b 0) (= b 1)))'),
  ]);
  for (const [half, from] of [
    ['S.lo', 0],
    ['S.hi', 32],
  ] as const)
    await halfOf(c, row, half, bits.slice(from, from + 32), ask);
  await canonical(c, row, ask);
  return new Set([...bits, 'S.lo', 'S.hi']);
}

type Ask = (at: string, why: string, lines: readonly string[]) => Promise<void>;

/** A half is the sum of its bits over the integers, below 2^32, and determines them. */
async function halfOf(c: Context, row: Row, half: string, bits: readonly string[], ask: Ask): Promise<void> {
  const e = row.equations.find((x) => x.zero.has(half) && [...x.zero.keys()].every((m) => m === half || bits.includes(m)));
  if (e?.zero.get(half) !== 1n) return fail(c, half, 'is not said to be a sum of bits');
  const weight = bits.map((b) => mod(-(e.zero.get(b) ?? 0n))),
    names = (x: string): string[] => bits.map((_, k) => `${x}${k}`),
    total = (x: string): string => sum(names(x).map((b, k) => times(weight[k], b))),
    boolean = (x: string): string[] => [integers(...names(x)), ...names(x).map((b) => assertion(`(<= 0 ${b} 1)`))];
  await ask(half, 'may be another number than the sum of its bits', [
    ...boolean('b'),
    integers('h', 'k'),
    assertion(`(and (<= 0 h) (< h ${P}))`),
    assertion(`(= h (+ ${total('b')} (* k ${P})))`),
    assertion(`(not (and (= h ${total('b')}) (< h ${HALF})))`),
  ]);
  await ask(half, 'may have two sequences of bits', [
    ...boolean('b'),
    ...boolean('d'),
    assertion(`(= ${total('b')} ${total('d')})`),
    assertion(
      `(or ${names('b')
        .map((b, k) => `(not (= ${b} d${k}))`)
        .join(' ')})`,
    ),
  ]);
}

/**
 * lo q = 0 with q a constant other than zero at hi = 2^32 - 1: then lo is zero. With that a word has one pair of
 * halves.
 */
async function canonical(c: Context, row: Row, ask: Ask): Promise<void> {
  const others = new Set(['S.lo', 'S.hi', 'S.inv']),
    e = row.equations.find(
      (x) => [...x.zero.keys()].every((m) => m.split('*').includes('S.lo') && m.split('*').every((y) => others.has(y))) && x.zero.size,
    ),
    at = new Map<string, bigint>();
  for (const [m, x] of e?.zero ?? []) {
    const rest = m.split('*');
    rest.splice(rest.indexOf('S.lo'), 1);
    const left = rest.filter((y) => y !== 'S.hi').join('*');
    at.set(left, mod((at.get(left) ?? 0n) + x * (HALF - 1n) ** BigInt(rest.length - (left ? left.split('*').length : 0))));
  }
  const constant = at.get('') ?? 0n;
  at.delete('');
  if (!e || constant === 0n || [...at.values()].some((x) => x !== 0n)) return fail(c, 'S.canonical', 'admits a word of p or more');
  const word = row.reads.find(
    (r) => r.values.length === 1 && [...r.values[0].keys()].sort().join() === 'S.hi,S.lo' && r.address.has('S.from'),
  );
  if (!word) return fail(c, 'S.word', 'the halves are not compared with the wire');
  const value = (lo: string, hi: string): string => termOf(word.values[0], (x) => (x === 'S.lo' ? lo : hi));
  await ask('S.word', 'a word may have two pairs of halves', [
    integers('a', 'b', 'd', 'e', 'k'),
    ...['a', 'b', 'd', 'e'].map((x) => assertion(`(and (<= 0 ${x}) (< ${x} ${HALF}))`)),
    ...[
      ['a', 'b'],
      ['d', 'e'],
    ].map(([lo, hi]) => assertion(`(or (= ${lo} 0) (not (= ${hi} ${HALF - 1n})))`)),
    assertion(`(= ${value('a', 'b')} (+ ${value('d', 'e')} (* k ${P})))`),
    assertion('(not (and (= a d) (= b e)))'),
  ]);
}

/**
 * I: two digits, each by an entry at its base of a table named 2 (base + 1), or one more where it is marked; the two
 * marks are bits and not both one; the id is scale d_0 + d_1, and the wire the product of what was read. A name holds
 * of the rows of one table alone, so that a digit is below its table's length; with the lower one below `scale` an id
 * has one pair, which is asked; with the pair everything else is read or computed.
 */
async function selectedEntries(c: Context, row: Row): Promise<ReadonlySet<string>> {
  const p = (...terms: readonly [string, bigint][]): Polynomial => new Map(terms),
    has = (zero: Polynomial): boolean => row.equations.some((e) => isSame(e.zero, zero)),
    of = (memory: string): typeof row.reads => row.reads.filter((r) => r.memory === memory),
    [id, ...others] = of('wires'),
    entries = of('tables');
  const sum = p(['I.digit[0]*I.scale', 1n], ['I.digit[1]', 1n]);
  if (!id || others.length || id.values.length !== 1 || !isSame(id.values[0], sum) || !isSame(id.address, p(['I.from', 1n])))
    fail(c, 'I.id', 'the digits are not those of the wire that is read');
  for (const d of [0, 1]) {
    const r = entries[d],
      edge = `I.edge[${d}]`;
    if (!r || !isSame(r.address, p([`I.base[${d}]`, 1n], [`I.digit[${d}]`, 1n])))
      fail(c, 'I.entry', `digit ${d} does not select what is read`);
    else if (
      r.values.length !== 4 ||
      [0, 1, 2].some((j) => !isSame(r.values[j], p([`I.v[${d},${j}]`, 1n]))) ||
      !isSame(r.values[3], p([`I.base[${d}]`, 2n], [edge, 1n], ['', 2n]))
    )
      fail(c, 'I.entry', `an entry of another table than that of digit ${d} may be read`);
    if (!has(p([`${edge}*${edge}`, 1n], [edge, P - 1n]))) fail(c, edge, 'may be another number than zero and one');
  }
  if (entries.length !== 2) fail(c, 'I.entry', 'are not two');
  if (!has(p(['I.edge[0]*I.edge[1]', 1n]))) fail(c, 'I.edge', 'both digits may be marked');
  // s a + b = s e + f over the integers, all below 2^31, b and f below s. With q = a - e >= 1 it would be s q = f - b.
  const asked = await c.solver.ask(
    'rows, digits of an id',
    [
      integers('s', 'q', 'b', 'f', 't'),
      assertion('(and (<= 1 s) (<= 0 b) (< b s) (<= 0 f) (< f s) (<= 1 q))'),
      // t = s q, of which this is needed: it is at least s.
      assertion('(and (= t (- f b)) (>= t s))'),
    ].join('\n'),
  );
  if (asked.answer !== 'unsat') fail(c, 'I.id', 'an id may have two pairs of digits', asked);
  return determine(
    row.equations,
    row,
    new Set(['I.digit[0]', 'I.digit[1]', 'I.edge[0]', 'I.edge[1]', ...[0, 1].flatMap((d) => [0, 1, 2].map((j) => `I.v[${d},${j}]`))]),
  );
}

/** Input lane l of the permutation in terms of the inputs of the first S-boxes. */
function lane(c: Context, kind: string, l: number): Map<string, bigint> {
  const width = c.program.axes['u'],
    back = c.constants.get('first.back')!,
    out = new Map<string, bigint>();
  const constant = mod(c.constants.get('first.const')![l]);
  if (constant) out.set('', constant);
  for (let u = 0; u < width; u++) {
    const x = mod(back[l * width + u]);
    if (x) out.set(cellName(`${kind}.x`, [u]), x);
  }
  return out;
}

/** P: the wires read are the twelve lanes; everything else follows, and is the permutation. */
async function permutation(c: Context, row: Row): Promise<ReadonlySet<string>> {
  const lanes = row.reads.map((r) => r.values);
  lanes.forEach((v, l) => {
    if (v.length !== 1 || !isSame(v[0], lane(c, 'P', l))) fail(c, 'P.in', `reads something else than lane ${l}`);
  });
  for (let k = 0; k < 20; k++) {
    const state = Array.from({ length: 12 }, (_, l) => power7(BigInt(1 + 12 * k + l))),
      out = c.permute(state),
      got = follow(c, row, 'P', state);
    if (out.some((x, l) => got.get(cellName('P', [l])) !== mod(x)))
      return (fail(c, 'P', 'is another function than the permutation'), new Set());
  }
  return determine(row.equations, row, new Set());
}

/** Numbers that look like none in particular, the same in every run. */
const power7 = (x: bigint): bigint => mod(x ** 7n * 0x9e3779b97f4a7c15n + x);

/** Values of a permutation row's cells from its input lanes, equation by equation. */
function follow(c: Context, row: Row, kind: string, state: readonly bigint[]): Map<string, bigint> {
  const width = c.program.axes['u'],
    first = Array.from({ length: width }, (_, l) => lane(c, kind, l)),
    x = solve(
      first.map((p) => Array.from({ length: width }, (_, u) => p.get(cellName(`${kind}.x`, [u])) ?? 0n)),
      first.map((p, l) => state[l] - (p.get('') ?? 0n)),
    ),
    values = new Map(x.map((v, u) => [cellName(`${kind}.x`, [u]), v])),
    value = (m: string): bigint | undefined =>
      m === ''
        ? 1n
        : m.split('*').reduce<bigint | undefined>((a, y) => (a === undefined || !values.has(y) ? undefined : mod(a * values.get(y)!)), 1n);
  for (let before = -1; before !== values.size; ) {
    before = values.size;
    for (const { zero } of row.equations) {
      const open = [...zero].filter(([m]) => value(m) === undefined);
      if (open.length !== 1 || open[0][0].includes('*')) continue;
      const [[cell, coef]] = open,
        rest = [...zero].reduce((s, [m, v]) => (m === cell ? s : s + v * value(m)!), 0n);
      values.set(cell, solve([[coef]], [-rest])[0]);
    }
  }
  return values;
}

/** A polynomial with a number in place of a cell. */
function substitute(p: Polynomial, cell: string, number: bigint): Polynomial {
  const out = new Map<string, bigint>();
  for (const [m, x] of p) {
    const parts = m.split('*'),
      rest = parts.filter((y) => y !== cell),
      v = mod((out.get(rest.join('*')) ?? 0n) + x * number ** BigInt(parts.length - rest.length));
    if (v) out.set(rest.join('*'), v);
    else out.delete(rest.join('*'));
  }
  return out;
}

/**
 * M: for either bit the four wires read are the current node's lanes, the capacity is that of a node, and given the
 * four words of the sibling, which are free, everything follows. The bit is a wire that an S row made boolean.
 */
async function merkleLevel(c: Context, row: Row): Promise<ReadonlySet<string>> {
  let known: ReadonlySet<string> | undefined;
  if (!row.reads.some((r) => r.values.length === 1 && isSame(r.values[0], new Map([['M.bit', 1n]]))))
    fail(c, 'M.bit', 'is not read from a wire');
  for (const bit of [0, 1]) {
    const at = (p: Polynomial): Polynomial => substitute(p, 'M.bit', BigInt(bit)),
      one: Row = { ...row, reads: row.reads.map((r) => ({ ...r, values: r.values.map(at) })) },
      equations = row.equations.map((e) => ({ ...e, zero: at(e.zero) })),
      reads = one.reads.filter((r) => r.constraint === 'M.in');
    for (let q = 0; q < 4; q++) {
      if (!reads[q] || !isSame(reads[q].values[0], lane(c, 'M', q + 4 * bit)))
        fail(c, 'M.in', `bit ${bit}: word ${q} of the current node is not where it belongs`);
      const capacity = lane(c, 'M', q + 8),
        constant = mod((capacity.get('') ?? 0n) - (q === 0 ? c.node : 0n));
      if (constant) capacity.set('', constant);
      else capacity.delete('');
      if (!equations.some((e) => isSame(e.zero, capacity))) fail(c, 'M.capacity', `word ${q} is not fixed`);
    }
    // The sibling's words as given: lanes of the other side.
    const sibling = [0, 1, 2, 3].map((q): Equation => ({ constraint: 'sibling', zero: lane(c, 'M', q + 4 * (1 - bit)) })),
      now = determine([...equations, ...sibling], one, new Set(['M.bit']));
    known = known ? new Set([...now].filter((x) => known!.has(x))) : now;
  }
  return known!;
}
