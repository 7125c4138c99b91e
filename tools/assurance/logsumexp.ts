/**
 * The least M with sum_j T[M - s_j] <= c. M is looked up in a box that is larger than its own, and the entries are
 * summed, so that no fact about one cell determines it. Three steps instead:
 *
 * 1. Rows of the table, checked one by one: the first column A never rises, the second is B(d) = A(d - 1), and where
 *    keys may be excluded both are zero in the last row.
 * 2. One cell: for M < N and any s, an excluded key or not, both keys in the table: B(key of N) <= A(key of M).
 * 3. Sums: by 2 the sum of B at N is at most that of A at M (lemma: sums keep an order); by their ranges the first is
 *    above c and the second is not. So there are no two M. The entries follow, as they are columns at a known key.
 */
import type { Component, Operand, Term } from './data.js';
import { bareOf, underMask } from './formats.js';
import type { Fact } from './slices.js';
import { assertion, between, integers, lit, sum, times } from './smt.js';
import type { Determination } from './unique.js';

/** A sum over a slice's cells in a range: constant + coef * sum lies in [0, ..), other terms only take away. */
interface SumFact {
  readonly constant: bigint;
  readonly coef: bigint;
  /** What is summed, with the axes over which. */
  readonly cell: Operand;
  readonly over: readonly string[];
}

/** The slice `n`, if it is such an M and everything else is known. */
export async function leastOfSums(d: Determination, n: string): Promise<string[] | undefined> {
  for (const f of d.slices.uses.get(n)!) {
    const { constraint } = f.component,
      { table } = constraint;
    if (f.component.index !== 0 || constraint.components.length !== 3 || !table || !d.lifted.has(constraint.name)) continue;
    if (!table.facts.falls || !table.facts.shifted || table.lo !== 0n || d.open(f).some((x) => x !== n)) continue;
    const [, first, second] = constraint.components,
      a = onlyCell(first),
      b = onlyCell(second),
      cell = mOf(d, f, n);
    if (!a || !b || !cell || !sameAccess(a, b) || !(await oneCell(d, f, cell))) continue;
    const low = sumOf(d, f, a),
      high = sumOf(d, f, b);
    if (!low || !high || !sameAccess(low.cell, high.cell) || low.over.join() !== high.over.join() || !oneM(cell, a, low)) continue;
    if (await sums(d, low, high)) return [n];
  }
  return undefined;
}

/** The cell that is a component's value. */
function onlyCell(c: Component): Operand | undefined {
  const [t] = c.terms;
  return c.constant === 0n && c.terms.length === 1 && t.coef === 1n && t.operands.length === 1 && !t.over.length
    ? t.operands[0]
    : undefined;
}

const sameAccess = (a: Operand, b: Operand): boolean => JSON.stringify(a.access) === JSON.stringify(b.access);

/** The operand of the key that is M, once and through all its cells. */
function mOf(d: Determination, f: Fact, n: string): Operand | undefined {
  const own = f.component.terms.filter((t) => t.operands.some((o) => d.slices.touched(o, f.place).includes(n))),
    cells = own.flatMap((t) => t.operands.filter((o) => d.slices.touched(o, f.place).includes(n)));
  return cells.length === 1 && !own[0].over.length && d.slices.covers(cells[0], f.component.constraint.axes) ? cells[0] : undefined;
}

/** Whether all entries that are summed are those of one M: M's axes are axes of an entry that are not summed. */
function oneM(m: Operand, entry: Operand, s: SumFact): boolean {
  return m.access.every((a) => {
    if (a.axis === undefined) return true;
    const k = entry.access.findIndex((b) => b.axis === a.axis),
      at = k < 0 ? undefined : s.cell.access[k];
    return at !== undefined && (at.axis === undefined || !s.over.includes(at.axis));
  });
}

/** Step 2. */
async function oneCell(d: Determination, f: Fact, m: Operand): Promise<boolean> {
  const c = f.component,
    term = c.terms.find((t) => t.operands.includes(m))!,
    factors = term.operands.filter((o) => o !== m);
  // M's factors are the 0/1 factors that exclude keys. What is free under them enters nothing here.
  if (factors.some((o) => o.tensor.cls !== 'public' || o.tensor.lo < 0n || o.tensor.hi > 1n) || bareOf(d.formats, c) !== undefined)
    return false;
  const names: string[] = [],
    rest = c.terms.filter((t) => t !== term).map((t) => times(t.coef, known(t, factors, names)));
  if (rest.includes('')) return false;
  const { size, facts } = c.constraint.table!,
    last = BigInt(size) - 1n,
    key = (m: string): string => sum([lit(c.constant), times(term.coef, factors.length ? `(ite excluded 0 ${m})` : m), ...rest]);
  const text = [
    '(declare-fun A (Int) Int)\n(declare-fun B (Int) Int)\n(declare-const excluded Bool)',
    integers('M', 'N', 'x', 'y', ...names),
    assertion('(< M N)'),
    assertion(`(= x ${key('M')})`),
    assertion(`(= y ${key('N')})`),
    assertion(between(0n, 'x', last)),
    assertion(between(0n, 'y', last)),
    // What the rows say at these keys.
    assertion('(=> (>= y 1) (= (B y) (A (- y 1))))'),
    assertion('(=> (and (<= x (- y 1)) (>= y 1)) (>= (A x) (A (- y 1))))'),
    ...(facts.endsInZero ? [assertion(`(and (= (A ${last}) 0) (= (B ${last}) 0))`)] : []),
    assertion('(> (B y) (A x))'),
  ].join('\n');
  return (await d.solver.ask('log-sum-exp, cell', text)).answer === 'unsat';
}

/**
 * A term of the key without M: an unknown, which the same factors may take away. Empty where it has other factors of
 * M's.
 */
function known(t: Term, factors: readonly Operand[], names: string[]): string {
  const carried = factors.every((f) =>
    t.operands.some((o) => underMask({ ...t, operands: [o] }, f, [{ tensor: f.tensor.name, at: f.access.map((_, k) => k) }])),
  );
  const others = t.operands.filter((o) => !factors.some((f) => f.tensor === o.tensor));
  if (others.length === t.operands.length) {
    names.push(`s${names.length}`);
    return names[names.length - 1];
  }
  if (!carried) return '';
  if (!others.length) return '(ite excluded 0 1)';
  names.push(`s${names.length}`);
  return `(ite excluded 0 ${names[names.length - 1]})`;
}

/** The range in which the entries of a fact occur summed, with nothing else but limbs that only take away. */
function sumOf(d: Determination, f: Fact, entry: Operand): SumFact | undefined {
  const nodes = d.slices.touched(entry, f.place);
  for (const g of nodes.length === 1 ? d.slices.uses.get(nodes[0])! : []) {
    const c = g.component,
      own = c.terms.filter((t) => t.operands.some((o) => d.slices.touched(o, g.place).includes(nodes[0]))),
      [t] = own;
    if (c.constraint.kind !== 'range' || !d.lifted.has(c.constraint.name)) continue;
    if (own.length !== 1 || t.operands.length !== 1 || !t.over.length || !d.slices.covers(t.operands[0], [...c.constraint.axes, ...t.over]))
      continue;
    const takeAway = c.terms.every((x) => {
      const b = x.operands.length === 1 ? d.formats.get(x.operands[0].tensor.name) : undefined;
      return x === t || (b !== undefined && x.coef < 0n && b.lo >= 0n);
    });
    if (takeAway) return { constant: c.constant, coef: t.coef, cell: t.operands[0], over: t.over };
  }
  return undefined;
}

/** Step 3: E is the sum of A at M, F that of B at N. */
async function sums(d: Determination, low: SumFact, high: SumFact): Promise<boolean> {
  const text = [
    integers('E', 'F'),
    assertion('(<= F E)'),
    assertion(`(<= 0 ${sum([lit(low.constant), times(low.coef, 'E')])})`),
    assertion(`(<= 0 ${sum([lit(high.constant), times(high.coef, 'F')])})`),
  ].join('\n');
  return (await d.solver.ask('log-sum-exp, sums', text)).answer === 'unsat';
}
