/**
 * A compiled program as data: the canonical JSON whose digest names the program. Nothing here comes from the code that
 * builds or checks programs, so that a fault there cannot hide itself.
 */

export interface Interval {
  readonly lo: bigint;
  readonly hi: bigint;
}

export interface Tensor extends Interval {
  readonly name: string;
  readonly axes: readonly string[];
  readonly cls: string;
  readonly publicKind?: string;
  readonly group?: string;
  readonly aliasOf?: string;
}

/** Which index of a tensor's axis: stride * axis + offset, or a fixed one (no axis, the index in `offset`). */
export interface Access {
  readonly axis?: string;
  readonly stride: number;
  readonly offset: number;
}

export interface Operand {
  readonly tensor: Tensor;
  readonly access: readonly Access[];
}

/** coef times the product of the operands, summed over `over`: the operands' axes that the constraint does not have. */
export interface Term {
  readonly coef: bigint;
  readonly operands: readonly Operand[];
  readonly over: readonly string[];
}

/**
 * One expression of a constraint and the integers that it may be: those of a range, zero, keys or entries of a table.
 */
export interface Component extends Interval {
  readonly constraint: Constraint;
  readonly index: number;
  readonly constant: bigint;
  readonly terms: readonly Term[];
}

export interface Constraint {
  readonly name: string;
  readonly kind: string;
  readonly axes: readonly string[];
  readonly components: readonly Component[];
  readonly table?: Table;
}

/** What the generated integers of a table are: extremes of its columns, and the facts that log-sum-exp needs. */
export interface TableFacts {
  readonly columns: readonly Interval[];
  /** The first column never rises. */ readonly falls: boolean;
  /** The second column is the first, one row later. */ readonly shifted: boolean;
  /** Both are zero in the last row. */ readonly endsInZero: boolean;
}

export interface Table {
  readonly name: string;
  readonly lo: bigint;
  readonly size: number;
  readonly facts: TableFacts;
}

export interface Program {
  readonly name: string;
  readonly axes: ReadonlyMap<string, number>;
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly constraints: readonly Constraint[];
}

/** The program's JSON does not say what a program says. */
export class DataError extends Error {
  constructor(at: string, message: string) {
    super(`${at}: ${message}`);
    this.name = 'DataError';
  }
}

/** JSON of a program, as parsed; mutants are made by changing it. */
export interface RawProgram {
  name: string;
  field?: true;
  axes: Record<string, number>;
  tensors: RawTensor[];
  tables: { name: string; lo: string; size: number; columns: string[] }[];
  memories?: { name: string; columns: number; segments: { name: string; axes: string[]; columns: (RawOperand | null)[] }[] }[];
  constraints: RawConstraint[];
}
export interface RawTensor {
  name: string;
  axes: string[];
  cls: string;
  lo: string;
  hi: string;
  publicKind?: string;
  group?: string;
  aliasOf?: string;
}
export interface RawOperand {
  tensor: string;
  access: { axis?: string; stride?: number; offset?: number; index?: number }[];
}
export interface RawExpr {
  constant: string;
  terms: { coef: string; operands: RawOperand[] }[];
}
export interface RawConstraint {
  kind: 'range' | 'zero' | 'lookup';
  name: string;
  axes: string[];
  bits?: number;
  table?: string;
  expr?: RawExpr;
  exprs?: RawExpr[];
}

/**
 * Public tensors that say what was computed. Their values are given; that no other values fit is checked as for what
 * the prover chooses.
 */
export const PUBLISHED: ReadonlySet<string> = new Set(['loss']);

/**
 * Tensors that the prover chooses, those of a state that is entered, and those that a statement or a commitment fixes.
 */
export const isChosen = (t: Tensor): boolean => ['witness', 'cOut', 'oOut', 'aOut'].includes(t.cls);
export const isEntered = (t: Tensor): boolean => ['cIn', 'oIn', 'aIn'].includes(t.cls);
/** Tensors whose cells must have one value each. */
export const isComputed = (t: Tensor): boolean => isChosen(t) || (t.cls === 'public' && PUBLISHED.has(t.name));
export const isGiven = (t: Tensor): boolean => t.cls === 'frozen' || t.cls === 'public';

/** Every cell of a public tensor of a kind is zero or one. */
export const boundsOf = (t: Tensor): Interval =>
  t.cls === 'public' && (t.publicKind === 'onehot' || t.publicKind === 'causal') ? { lo: 0n, hi: 1n } : { lo: t.lo, hi: t.hi };

export const exprsOf = (c: RawConstraint): readonly RawExpr[] => (c.kind === 'lookup' ? c.exprs! : [c.expr!]);

/** Reads a program. `facts`: what is known of a table's generated columns. Throws DataError. */
export function readProgram(raw: RawProgram, facts: (table: { name: string; lo: bigint; size: number }) => TableFacts): Program {
  const axes = new Map(Object.entries(raw.axes)),
    tensors = new Map(raw.tensors.map((t): [string, Tensor] => [t.name, { ...t, lo: BigInt(t.lo), hi: BigInt(t.hi) }])),
    tables = new Map<string, Table>();
  if (tensors.size !== raw.tensors.length) throw new DataError(raw.name, 'two tensors have one name');
  for (const t of raw.tables) {
    const table = { name: t.name, lo: BigInt(t.lo), size: t.size };
    tables.set(t.name, { ...table, facts: facts(table) });
  }
  const constraints = raw.constraints.map((c) => readConstraint(c, axes, tensors, tables));
  for (const t of tensors.values()) checkAlias(t, axes, tensors);
  return { name: raw.name, axes, tensors, constraints };
}

function readConstraint(
  c: RawConstraint,
  axes: ReadonlyMap<string, number>,
  tensors: ReadonlyMap<string, Tensor>,
  tables: ReadonlyMap<string, Table>,
): Constraint {
  const table = c.kind === 'lookup' ? tables.get(c.table!) : undefined,
    components: Component[] = [],
    out: Constraint = { name: c.name, kind: c.kind, axes: c.axes, components, ...(table ? { table } : {}) };
  if (c.kind === 'lookup' && c.exprs!.length !== 1 + (table?.facts.columns.length ?? Number.NaN))
    throw new DataError(c.name, `a lookup of ${c.exprs!.length} components in table ${c.table}`);
  exprsOf(c).forEach((e, index) => {
    components.push({
      constraint: out,
      index,
      constant: BigInt(e.constant),
      terms: e.terms.map((t) => readTerm(t, c, axes, tensors)),
      ...targetOf(c, index, table),
    });
  });
  return out;
}

function targetOf(c: RawConstraint, index: number, table: Table | undefined): Interval {
  if (c.kind === 'zero') return { lo: 0n, hi: 0n };
  if (c.kind === 'range') return { lo: 0n, hi: (1n << BigInt(c.bits!)) - 1n };
  return index === 0 ? { lo: table!.lo, hi: table!.lo + BigInt(table!.size) - 1n } : table!.facts.columns[index - 1];
}

function readTerm(
  t: RawExpr['terms'][number],
  c: RawConstraint,
  axes: ReadonlyMap<string, number>,
  tensors: ReadonlyMap<string, Tensor>,
): Term {
  const operands = t.operands.map((o) => readOperand(o, c.name, axes, tensors)),
    over = new Set(operands.flatMap((o) => o.access.flatMap((a) => (a.axis === undefined || c.axes.includes(a.axis) ? [] : [a.axis]))));
  return { coef: BigInt(t.coef), operands, over: [...over] };
}

/** An operand whose indices stay inside the tensor and whose axes differ. */
function readOperand(o: RawOperand, at: string, axes: ReadonlyMap<string, number>, tensors: ReadonlyMap<string, Tensor>): Operand {
  const tensor = tensors.get(o.tensor);
  if (!tensor || tensor.axes.length !== o.access.length) throw new DataError(at, `operand ${o.tensor}`);
  const access = o.access.map((a): Access => {
    if (a.axis === undefined) return { stride: 0, offset: a.index! };
    return { axis: a.axis, stride: a.stride ?? 1, offset: a.offset ?? 0 };
  });
  access.forEach((a, k) => {
    const last = a.offset + a.stride * (a.axis === undefined ? 0 : axes.get(a.axis)! - 1);
    if (!(a.offset >= 0 && last < axes.get(tensor.axes[k])!))
      throw new DataError(at, `operand ${o.tensor} leaves its axis ${tensor.axes[k]}`);
    if (a.axis !== undefined && access.findIndex((b) => b.axis === a.axis) !== k)
      throw new DataError(at, `operand ${o.tensor} repeats an axis`);
  });
  return { tensor, access };
}

/** An alias is the cells of its members, each once. */
function checkAlias(t: Tensor, axes: ReadonlyMap<string, number>, tensors: ReadonlyMap<string, Tensor>): void {
  if (t.aliasOf === undefined) return;
  const cells = (x: Tensor): number => x.axes.reduce((n, a) => n * axes.get(a)!, 1),
    members = membersOf(t, tensors);
  if (members.length && members.reduce((n, m) => n + cells(m), 0) !== cells(t))
    throw new DataError(t.name, 'an alias has other cells than its members');
}

/** Members of the group for which the tensor stands. */
export const membersOf = (t: Tensor, tensors: ReadonlyMap<string, Tensor>): Tensor[] =>
  t.aliasOf === undefined ? [] : [...tensors.values()].filter((m) => m.group === t.aliasOf && m.aliasOf === undefined && m.cls === t.cls);

/** Whether the access runs through all indices of the tensor's axis k. */
export const isWhole = (p: Pick<Program, 'axes'>, t: Tensor, a: Access, k: number): boolean =>
  a.axis !== undefined && a.stride === 1 && a.offset === 0 && p.axes.get(a.axis) === p.axes.get(t.axes[k]);

/** Extremes and order of a table's columns, row by row. */
export function tableFacts(columns: readonly BigInt64Array[]): TableFacts {
  const extremes = columns.map((c): Interval => {
    let lo = c[0],
      hi = c[0];
    for (const x of c) {
      if (x < lo) lo = x;
      if (x > hi) hi = x;
    }
    return { lo, hi };
  });
  const [a, b] = columns,
    last = a.length - 1;
  let falls = true,
    shifted = b !== undefined;
  for (let d = 1; d <= last; d++) {
    if (a[d] > a[d - 1]) falls = false;
    if (b && b[d] !== a[d - 1]) shifted = false;
  }
  return { columns: extremes, falls, shifted, endsInZero: a[last] === 0n && (b ? b[last] === 0n : true) };
}
