import { log2Ceil, log2Floor } from '../field/log2.js';
import { P } from '../field/goldilocks.js';
import { DEGREE, MOST_DEGREE } from '../sumcheck/verify.js';
import type { Expr, MemorySpec, Program, TableSpec, TensorSpec } from './types.js';

/** Interval of integers, inclusive. */
export interface Interval {
  readonly lo: bigint;
  readonly hi: bigint;
}

/** A program that cannot be built: the message names the constraint and the way out. */
export class ProgramError extends Error {
  constructor(
    readonly constraint: string,
    /** The message without the name. */
    readonly reason: string,
  ) {
    super(`${constraint}: ${reason}`);
    this.name = 'ProgramError';
  }
}

export function mulInterval(a: Interval, b: Interval): Interval {
  const c = [a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi];
  let lo = c[0],
    hi = c[0];
  for (const x of c) {
    if (x < lo) lo = x;
    if (x > hi) hi = x;
  }
  return { lo, hi };
}

/** Axes over which a term is summed: those of its operands that are not axes of the constraint. */
export function contractedAxes(axes: readonly string[], term: Expr['terms'][number]): string[] {
  const out = new Set<string>();
  for (const op of term.operands) for (const a of op.access) if ('axis' in a && !axes.includes(a.axis)) out.add(a.axis);
  return [...out];
}

/** Integer interval of an expression over all assignments within the operands' bounds (no cancellation assumed). */
export function exprInterval(
  sizes: Readonly<Record<string, number>>,
  tensors: ReadonlyMap<string, TensorSpec>,
  axes: readonly string[],
  expr: Expr,
): Interval {
  let lo = expr.constant,
    hi = expr.constant;
  for (const term of expr.terms) {
    let iv: Interval = { lo: term.coef, hi: term.coef };
    for (const op of term.operands) {
      const t = tensors.get(op.tensor);
      if (!t) throw new ProgramError(op.tensor, 'unknown tensor');
      iv = mulInterval(iv, t);
    }
    // A one-hot operand selects at most one summand along its first axis.
    const onehot = new Set<string>();
    for (const op of term.operands) {
      const a = op.access[0];
      if (tensors.get(op.tensor)!.publicKind === 'onehot' && a && 'axis' in a) onehot.add(a.axis);
    }
    let n = 1n;
    for (const c of contractedAxes(axes, term)) if (!onehot.has(c)) n *= BigInt(sizes[c]);
    if (onehot.size) iv = { lo: iv.lo < 0n ? iv.lo : 0n, hi: iv.hi > 0n ? iv.hi : 0n };
    lo += iv.lo * n;
    hi += iv.hi * n;
  }
  return { lo, hi };
}

/**
 * Refuses a program in which an identity could hold mod p without holding over the integers: for a range 0 <= e < 2^b
 * every integer value e within its interval that is congruent to one in the range must be in the range, so lo > 2^b - 1
 * - p and hi < p, and with 2^w for the widest table in the place of 2^b, which may hold it, lo > 2^w - 1 - p and hi < p
 * - 2^w; for a zero identity |e| < p. The interval counts on the declared bounds, so checkEstablished refuses
 * a tensor whose bounds nothing establishes.
 */
export function checkProgram(program: Program): void {
  const tensors = new Map(program.tensors.map((t) => [t.name, t]));
  if (tensors.size !== program.tensors.length) throw new ProgramError(program.name, 'two tensors have one name');
  for (const t of program.tensors) checkTensor(program, t);
  if (program.field && (program.tables.length || program.steps.length || program.constraints.some((c) => c.kind === 'range')))
    throw new ProgramError(program.name, 'a program over the field has no ranges, tables or steps');
  if (program.memories?.length && !program.field) throw new ProgramError(program.name, 'memories need a program over the field');
  for (const m of program.memories ?? []) checkMemory(program, tensors, m);
  for (const t of program.tables) checkTable(program, tensors, t);
  if (new Set(program.tables.map((t) => t.name)).size !== program.tables.length)
    throw new ProgramError(program.name, 'two tables have one name');
  for (const c of program.constraints) {
    if (new Set(c.axes).size !== c.axes.length) throw new ProgramError(c.name, 'an axis occurs twice');
    for (const a of c.axes) if (program.axes[a] === undefined) throw new ProgramError(c.name, `unknown axis ${a}`);
    if (c.kind === 'lookup') {
      // Fewer or more components than columns would be another tuple than the table's rows, an unknown table the tag of
      // another.
      const table = program.tables.find((t) => t.name === c.table),
        memory = program.memories?.find((t) => t.name === c.table);
      if (memory) {
        if (c.exprs.length < 2 || c.exprs.length > 1 + memory.columns)
          throw new ProgramError(c.name, `memory ${c.table} has ${memory.columns} columns`);
      } else if (!table) throw new ProgramError(c.name, `unknown table ${c.table}`);
      else if (c.exprs.length !== 1 + table.columns.length)
        throw new ProgramError(c.name, `table ${c.table} has ${1 + table.columns.length} columns with its key, got ${c.exprs.length}`);
    }
    const exprs = c.kind === 'lookup' ? c.exprs : [c.expr];
    exprs.forEach((e, k) => {
      for (const t of e.terms) checkTerm(program, tensors, c.name, t, c.axes);
      if (program.field) return;
      const iv = exprInterval(program.axes, tensors, c.axes, e);
      // A lookup's first component is compared with keys, the others with table entries below 2^32 in magnitude. A
      // range is compared with rows of the widest table, moved by less than it has.
      const top = c.kind === 'range' ? 1n << BigInt(program.rangeBits) : c.kind === 'lookup' ? 1n << 32n : 1n;
      if (iv.lo <= top - 1n - P || iv.hi >= P - (c.kind === 'zero' ? 0n : top)) {
        throw new ProgramError(
          c.name,
          `component ${k} may reach [${iv.lo}, ${iv.hi}], which wraps around the field: use narrower formats or limbs`,
        );
      }
    });
    if (c.kind === 'range' && (c.bits < 1 || c.bits > program.rangeBits))
      throw new ProgramError(c.name, `range of ${c.bits} bits needs limbs`);
  }
}

/**
 * Bounds of a tensor are an interval that no residue meets twice; public ones are of a kind that the verifier can
 * evaluate.
 */
function checkTensor(program: Program, t: TensorSpec): void {
  for (const a of t.axes) if (program.axes[a] === undefined) throw new ProgramError(t.name, `unknown axis ${a}`);
  if (program.field ? t.lo > t.hi : t.lo > t.hi || t.lo < -(1n << 62n) || t.hi > 1n << 62n)
    throw new ProgramError(t.name, `bounds [${t.lo}, ${t.hi}]`);
  if (t.cls !== 'public') return;
  if (t.publicKind === undefined) throw new ProgramError(t.name, 'public tensor of no kind');
  if (t.publicKind !== 'dense' && (t.lo > 0n || t.hi < 1n)) throw new ProgramError(t.name, 'holds zeros and ones');
  if (t.publicKind === 'onehot' && t.axes.length < 1) throw new ProgramError(t.name, 'a one-hot tensor needs an axis of values');
  if (t.publicKind === 'causal') checkCausal(program, t);
  checkNext(program, t);
}

/** Queries and keys of a causal mask: as many keys as its last query sees, and bands that start at multiples of 2^k. */
function checkCausal(program: Program, t: TensorSpec): void {
  const { first = 0 } = t,
    [queries, keys] = t.axes.map((a) => program.axes[a]);
  if (t.axes.length !== 2 || keys !== first + queries)
    throw new ProgramError(t.name, first ? 'a band of a causal mask ends with its last query' : 'a causal mask has two axes of one size');
  if (!Number.isSafeInteger(first) || first < 0 || first % 2 ** log2Ceil(queries))
    throw new ProgramError(t.name, `a band of ${queries} queries cannot begin at ${first}`);
}

/** A tensor of next ids follows from a one-hot tensor over the same axes and a dense one of bits over its positions. */
function checkNext(program: Program, t: TensorSpec): void {
  if (!t.next) return;
  const spec = (name: string): TensorSpec | undefined => program.tensors.find((x) => x.name === name),
    ids = spec(t.next.ids),
    mask = spec(t.next.mask);
  if (t.publicKind !== 'onehot' || t.axes.length < 2)
    throw new ProgramError(t.name, 'only a one-hot tensor over positions can hold next ids');
  if (ids?.publicKind !== 'onehot' || ids.next || ids.axes.join() !== t.axes.join())
    throw new ProgramError(t.name, `${t.next.ids} is no one-hot tensor over the same axes`);
  if (mask?.publicKind !== 'dense' || mask.lo !== 0n || mask.hi !== 1n || mask.axes.join() !== t.axes.slice(1).join())
    throw new ProgramError(t.name, `${t.next.mask} is no dense tensor of bits over its positions`);
}

/**
 * Keys and entries stay below 2^32 in magnitude (checkProgram's margin for lookups); rows fill a power of two (no row
 * is padding).
 */
function checkTable(program: Program, tensors: ReadonlyMap<string, TensorSpec>, t: TableSpec): void {
  const small = (lo: bigint, hi: bigint): boolean => lo > -(1n << 32n) && hi < 1n << 32n;
  if (t.size < 1 || 2 ** log2Floor(t.size) !== t.size || program.axes[t.axis] !== t.size)
    throw new ProgramError(t.name, `a table of ${t.size} rows: the size must be a power of two and that of its axis`);
  if (!small(t.lo, t.lo + BigInt(t.size))) throw new ProgramError(t.name, 'keys pass 2^32');
  if (t.columns.length > MAX_COLUMNS) throw new ProgramError(t.name, `more than ${MAX_COLUMNS} columns`);
  for (const c of t.columns) {
    const s = tensors.get(c);
    if (s?.cls !== 'frozen' || s.axes.join() !== t.axis) throw new ProgramError(t.name, `column ${c} must be frozen over ${t.axis}`);
    if (!small(s.lo, s.hi)) throw new ProgramError(t.name, `column ${c} passes 2^32`);
  }
}

/** Columns are whole boxes of committed tensors; names are unique, so that every segment has its own multiplicities. */
function checkMemory(program: Program, tensors: ReadonlyMap<string, TensorSpec>, m: MemorySpec): void {
  if (m.columns < 1 || m.columns > MAX_COLUMNS) throw new ProgramError(m.name, `more than ${MAX_COLUMNS} columns`);
  if (
    new Set((program.memories ?? []).flatMap((x) => [x.name, ...x.segments.map((s) => s.name)])).size !==
    (program.memories ?? []).reduce((n, x) => n + 1 + x.segments.length, 0)
  )
    throw new ProgramError(m.name, 'two memories or segments have one name');
  for (const s of m.segments) {
    for (const a of s.axes) if (program.axes[a] === undefined) throw new ProgramError(s.name, `unknown axis ${a}`);
    if (s.columns.length > m.columns) throw new ProgramError(s.name, `more than ${m.columns} columns`);
    for (const o of s.columns) {
      if (!o) continue;
      checkTerm(program, tensors, s.name, { coef: 1n, operands: [o] });
      if (tensors.get(o.tensor)!.cls === 'public') throw new ProgramError(s.name, 'a column must be committed');
      const used = o.access.filter((a) => 'axis' in a);
      if (
        used.map((a) => (a as { axis: string }).axis).join() !== s.axes.join() ||
        used.some((a) => 'axis' in a && ((a.stride ?? 1) !== 1 || a.offset))
      )
        throw new ProgramError(s.name, `column ${o.tensor} must run over the axes of the segment`);
      if ('index' in o.access[o.access.length - 1])
        throw new ProgramError(s.name, `the last axis of ${o.tensor} must be that of the segment`);
    }
  }
}

/** Output columns of a table: the verifier has powers of beta for so many. */
export const MAX_COLUMNS = 4;

function checkTerm(
  program: Program,
  tensors: ReadonlyMap<string, TensorSpec>,
  name: string,
  term: Expr['terms'][number],
  axes?: readonly string[],
): void {
  // A round polynomial has degree four: three operands and the eq factor of an axis of the constraint, or four along a
  // contracted axis. In a program over the field, which an S-box needs, it has degree eight.
  const times = new Map<string, number>();
  for (const op of term.operands) for (const a of op.access) if ('axis' in a) times.set(a.axis, (times.get(a.axis) ?? 0) + 1);
  const most = program.field ? MOST_DEGREE : DEGREE;
  if (
    term.operands.length > most ||
    [...times].some(([a, n]) => n >= most && (axes ?? [a]).includes(a)) ||
    (term.operands.length >= most && !axes)
  )
    throw new ProgramError(name, `more than ${most} operands, or ${most} along an axis of the constraint`);
  for (const op of term.operands) {
    const t = tensors.get(op.tensor);
    if (!t) throw new ProgramError(op.tensor, 'unknown tensor');
    if (t.axes.length !== op.access.length) throw new ProgramError(name, `operand ${op.tensor} has ${t.axes.length} axes`);
    const seen = new Set<string>();
    op.access.forEach((a, k) => {
      const size = program.axes[t.axes[k]];
      if ('index' in a) {
        if (t.cls === 'public') throw new ProgramError(name, `public operand ${op.tensor} must be accessed whole`);
        if (!Number.isSafeInteger(a.index) || a.index < 0 || a.index >= size)
          throw new ProgramError(name, `index ${a.index} outside axis ${t.axes[k]} of ${op.tensor}`);
        return;
      }
      if (seen.has(a.axis)) throw new ProgramError(name, `operand ${op.tensor} uses axis ${a.axis} twice`);
      seen.add(a.axis);
      const n = program.axes[a.axis];
      if (n === undefined) throw new ProgramError(name, `unknown axis ${a.axis}`);
      const stride = a.stride ?? 1,
        offset = a.offset ?? 0;
      // The verifier evaluates public operands over their own axes: a shorter axis would bring in cells that the
      // relation does not have.
      if (t.cls === 'public' && (stride !== 1 || offset !== 0 || n !== size))
        throw new ProgramError(name, `public operand ${op.tensor} must be accessed whole`);
      if (!Number.isSafeInteger(stride) || !Number.isSafeInteger(offset) || stride < 1 || offset < 0 || stride * (n - 1) + offset >= size)
        throw new ProgramError(name, `axis ${a.axis} runs outside axis ${t.axes[k]} of ${op.tensor}`);
    });
  }
}
