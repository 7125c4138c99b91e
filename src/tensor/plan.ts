import type { HashName } from '../hash/rows.js';
import { type LogUpShape, logUpShape, varsOf } from '../lookup/shape.js';
import type { GroupSpec, WhirGroup, WhirParams, WhirShape } from '../pcs/params.js';
import { whirShape } from '../pcs/rounds.js';
import { DEGREE, type SumcheckAxis } from '../sumcheck/verify.js';
import { type PadCounts, slotCount } from '../transcript/pad-cells.js';
import { contractedAxes } from './bounds.js';
import { type StackLayout, layoutClass, stackShape } from './layout.js';
import { type StateTree, STATES, stateClasses, stateStack } from './state-layout.js';
import {
  type Access,
  type Constraint,
  type Operand,
  type Program,
  type Segment,
  type TableSpec,
  type TensorClass,
  type TensorSpec,
  type Term,
  COMMIT_CLASSES,
} from './types.js';

/**
 * How one axis of a tensor enters a claim: fixed, weighted by eq at a slice of rho (projected), or at the sumcheck
 * point of an axis.
 */
export type Slot =
  | { readonly kind: 'index'; readonly index: number }
  | {
      readonly kind: 'rho';
      readonly from: number;
      readonly to: number;
      readonly size: number;
      readonly stride: number;
      readonly offset: number;
    }
  | { readonly kind: 'axis'; readonly axis: string; readonly size: number; readonly stride: number; readonly offset: number };

/** A linear functional of a tensor: product over its axes. Equal factors of several terms are one claim. */
export interface Factor {
  readonly key: string;
  readonly tensor: TensorSpec;
  readonly slots: readonly Slot[];
}

/** One product term of one constraint's component. */
export interface PlannedTerm {
  readonly constraint: number;
  readonly component: number;
  readonly coef: bigint;
  /** Axes of the constraint in no operand: factor lessThan(rho slice, size). */
  readonly free: readonly { readonly from: number; readonly to: number; readonly size: number }[];
  /** Output axes shared by operands: extra factor eq(rho slice, .), truncated. */
  readonly shared: readonly { readonly axis: string; readonly from: number; readonly to: number }[];
  /** Sumcheck axes in global order. */
  readonly axes: readonly string[];
  readonly factors: readonly number[];
}

/** A table of the lookup argument: an integer range 0 .. 2^bits - 1, or a public table. */
export type LookupTable =
  | { readonly kind: 'range'; readonly bits: number; readonly size: number }
  | { readonly kind: 'table'; readonly spec: TableSpec; readonly size: number }
  | {
      readonly kind: 'segment';
      readonly segment: Segment;
      readonly lo: number;
      readonly size: number;
      readonly axisVars: readonly number[];
      /** Table number of the memory's first segment, which stands for the memory; rows of all its segments. */
      readonly first: number;
      readonly rows: number;
    };

/** Tag of table i in the keys: segments of one memory share one. */
export const tableTag = (t: LookupTable, i: number): number => (t.kind === 'segment' ? t.first : i);

/**
 * Component 0 of a tuple has weight 1, component i weight beta^(i+1), given powers of beta; beta itself carries the
 * table's tag.
 */
export const componentWeight = <T>(betas: readonly T[], i: number): T => betas[i === 0 ? 0 : i + 1];

const tableName = (t: LookupTable): string => (t.kind === 'range' ? `range:${t.bits}` : t.kind === 'table' ? t.spec.name : t.segment.name);

/**
 * Claims that the leaf layer leaves on table i: its multiplicities (column -1) and its committed columns at the point
 * of its box.
 */
export function tableFactors(plan: PlanParts, i: number): { factor: Factor; column: number }[] {
  const t = plan.tables[i],
    b = plan.logup.boxes[plan.tableBox + i],
    spec = (name: string): TensorSpec => plan.extended.tensors.find((x) => x.name === name)!;
  let at = plan.logup.vars - b.vars;
  const slots = new Map<string, Slot>();
  if (t.kind === 'segment')
    t.segment.axes.forEach((a, d) => {
      slots.set(a, { kind: 'rho', from: at, to: at + t.axisVars[d], size: plan.program.axes[a], stride: 1, offset: 0 });
      at += t.axisVars[d];
    });
  else slots.set('', { kind: 'rho', from: at, to: plan.logup.vars, size: t.size, stride: 1, offset: 0 });
  const whole = (name: string): Factor => ({ key: `${name}@table`, tensor: spec(name), slots: [...slots.values()] });
  const out = [{ factor: whole(plan.multNames[i]), column: -1 }];
  if (t.kind === 'table') t.spec.columns.forEach((c, k) => out.push({ factor: whole(c), column: k }));
  if (t.kind === 'segment')
    t.segment.columns.forEach((o, k) => {
      if (!o) return;
      out.push({
        factor: {
          key: `${JSON.stringify(o)}@${t.segment.name}`,
          tensor: spec(o.tensor),
          slots: o.access.map((a): Slot => ('index' in a ? { kind: 'index', index: a.index } : slots.get(a.axis)!)),
        },
        column: k,
      });
    });
  return out;
}

/** Parameters of a proof: of the opening, and log2 of the inverse rates of witness and state. */
export interface ProofOptions extends WhirParams {
  readonly rate: number;
  readonly stateRate: number;
  /**
   * Set where the frozen stack is the fixed columns of a circuit whose key is trusted: it is opened with the witness,
   * at this rate, against the root with which the frozen digest begins, and no claim on it is left.
   */
  readonly keyRate?: number;
}

/**
 * Hash of all trees and of the transcript of a plan's proofs; Poseidon2 where nothing is said, as for what circuits
 * will verify.
 */
export const hashOf = (plan: { readonly options?: ProofOptions }): HashName => plan.options?.hash ?? 'poseidon2';

/** Everything about a proof that follows from the program and the parameters alone. */
export interface Plan {
  readonly program: Program;
  readonly options: ProofOptions;
  readonly tables: readonly LookupTable[];
  /**
   * Constraint of every box of lookups. Box of constraint j is boxes[boxOf[j]]; table t's box is boxes[tableBox + t].
   */
  readonly lookups: readonly number[];
  readonly boxOf: ReadonlyMap<number, number>;
  /**
   * Of a range that is proved in a wider table: its second box, and what is added to its expression there
   * (planLookups).
   */
  readonly topOf: ReadonlyMap<number, { readonly box: number; readonly shift: bigint }>;
  readonly tableBox: number;
  readonly logup: LogUpShape;
  /** Table index of a range or lookup constraint. */
  readonly tableOf: ReadonlyMap<number, number>;
  readonly multNames: readonly string[];
  readonly extended: Program;
  readonly layouts: ReadonlyMap<TensorClass, StackLayout>;
  readonly axes: readonly SumcheckAxis[];
  readonly factors: readonly Factor[];
  readonly terms: readonly PlannedTerm[];
  /** Opening of the witness and, as further groups, of the state and of the columns of a key. */
  readonly whir: WhirShape;
  /** Trees of the state, in the order of the group's. */
  readonly states: readonly StateTree[];
  /** Variables of the frozen stack on which a claim is left; none where it is opened here. */
  readonly frozenVars: number;
  /** Of a proof that hides its witness: the cells of its pads (PADS). */ readonly pads?: PadCounts;
}

/** A plan but for what is committed and opened. */
export type PlanParts = Omit<Plan, 'layouts' | 'whir' | 'states' | 'frozenVars' | 'pads'>;

/**
 * Tensor of the pads of a proof that hides its witness: coordinate, then slot. It is in no constraint and no lookup.
 */
export const PADS = 'pads';

/** What a plan is told of proofs that hide their witness. */
export interface HidingParts {
  /** Its pads, counted. */ readonly pads: (plan: PlanParts) => PadCounts;
  /** The witness's group with its tails. */
  readonly group: (p: WhirParams, g: GroupSpec) => GroupSpec;
}

/** Slots of the tensor of pads: its cells are one block. */
export const padSlots = (pads: PadCounts): number => 2 ** varsOf(slotCount(pads));

/** Places for the coordinates of an element of E; the last one is empty. */
export const COORDINATES = 4;

/** A program's tensors with those of its pads. */
function withPads(program: Program, pads: PadCounts | undefined): Program {
  if (!pads) return program;
  const axes = [`${PADS} coordinate`, `${PADS} slot`],
    tensor: TensorSpec = { name: PADS, axes, cls: 'witness', lo: 0n, hi: 0n, frac: 0 };
  return {
    ...program,
    axes: { ...program.axes, [axes[0]]: COORDINATES, [axes[1]]: padSlots(pads) },
    tensors: [...program.tensors, tensor],
  };
}

/**
 * Slice of rho that belongs to axis number `at` of constraint j: its box's, or the low variables for a zero constraint.
 */
function slices(
  plan: { logup: LogUpShape; boxOf: ReadonlyMap<number, number> },
  program: Program,
  j: number,
  c: Constraint,
): { from: number; to: number }[] {
  const vars = c.axes.map((a) => varsOf(program.axes[a])),
    box = plan.boxOf.get(j);
  const total = vars.reduce((x, y) => x + y, 0);
  let at = box === undefined ? plan.logup.vars - total : plan.logup.vars - plan.logup.boxes[box].vars;
  if (at < 0) throw new Error(`constraint ${c.name} is larger than all lookups`);
  return vars.map((v) => {
    const s = { from: at, to: at + v };
    at += v;
    return s;
  });
}

/** The group of the state, if there is one. */
export const stateGroup = (p: Pick<Plan, 'whir'>): WhirGroup | undefined => p.whir.groups.slice(1).find((g) => !g.trusted);

/** The group of the frozen stack, where that is opened with the witness (ProofOptions.keyRate). */
export const keyGroup = (p: Pick<Plan, 'whir'>): WhirGroup | undefined => p.whir.groups.find((g) => g.trusted);

/**
 * All tables of a program: its ranges by width, its public tables, the segments of its memories; and the table of a
 * lookup.
 */
function lookupTables(
  program: Program,
  wide: ReadonlySet<number>,
): { tables: LookupTable[]; tableOf: (c: Exclude<Constraint, { kind: 'zero' }>) => number } {
  const bits = rangesOf(program).filter((b) => !wide.has(b)),
    tables: LookupTable[] = [
      ...bits.map((b) => ({ kind: 'range' as const, bits: b, size: 2 ** b })),
      ...program.tables.map((spec) => ({ kind: 'table' as const, spec, size: spec.size })),
    ],
    byName = new Map(program.tables.map((t, i) => [t.name, bits.length + i]));
  for (const m of program.memories ?? []) {
    const first = tables.length,
      sizes = m.segments.map((s) => s.axes.map((a) => varsOf(program.axes[a]))),
      size = (v: readonly number[]): number => 2 ** v.reduce((x, y) => x + y, 0),
      rows = sizes.reduce((n, v) => n + size(v), 0);
    let lo = 0;
    byName.set(m.name, first);
    m.segments.forEach((segment, k) => {
      tables.push({ kind: 'segment', segment, lo, size: size(sizes[k]), axisVars: sizes[k], first, rows });
      lo += size(sizes[k]);
    });
  }
  return {
    tables,
    tableOf: (c) => (c.kind === 'range' ? bits.indexOf(wide.has(c.bits) ? bits[bits.length - 1] : c.bits) : byName.get(c.table)!),
  };
}

/** Widths of the ranges of a program, ascending. */
const rangesOf = (program: Program): number[] =>
  [...new Set(program.constraints.flatMap((c) => (c.kind === 'range' ? [c.bits] : [])))].sort((a, b) => a - b);

/** log2 of the least table that is worth leaving out. */
const LEAST_TABLE = 12;

/**
 * Widths whose tables are left out: those that are looked up less than twice a row. Each of their lookups is two in the
 * widest table instead (planLookups), and a row of a table costs about four times what a lookup costs, for its
 * multiplicity is committed.
 */
function withoutTable(program: Program): ReadonlySet<number> {
  const cells = new Map<number, number>();
  for (const c of program.constraints)
    if (c.kind === 'range') cells.set(c.bits, (cells.get(c.bits) ?? 0) + c.axes.reduce((n, a) => n * program.axes[a], 1));
  return new Set(
    rangesOf(program)
      .slice(0, -1)
      .filter((b) => b >= LEAST_TABLE && cells.get(b)! <= 2 ** (b + 1)),
  );
}

/** The lookup argument: boxes for every range and lookup constraint, then one for every table. */
type LookupPlan = Pick<Plan, 'tables' | 'lookups' | 'boxOf' | 'topOf' | 'tableOf' | 'tableBox' | 'logup'>;

/**
 * A range of b bits without a table of its own is two lookups in the widest one, of w bits: 0 <= e < 2^w, and 0 <= e +
 * 2^w - 2^b < 2^w, that is e < 2^b.
 */
function planLookups(program: Program): LookupPlan {
  const wide = withoutTable(program),
    { tables, tableOf: of } = lookupTables(program, wide),
    lookups: number[] = [],
    boxOf = new Map<number, number>(),
    topOf = new Map<number, { box: number; shift: bigint }>(),
    tableOf = new Map<number, number>();
  let zeros = 0;
  program.constraints.forEach((c, j) => {
    if (c.kind === 'zero') {
      zeros = Math.max(
        zeros,
        c.axes.reduce((n, a) => n + varsOf(program.axes[a]), 0),
      );
      return;
    }
    const table = of(c);
    boxOf.set(j, lookups.length);
    lookups.push(j);
    tableOf.set(j, table);
    if (c.kind !== 'range' || !wide.has(c.bits)) return;
    topOf.set(j, { box: lookups.length, shift: BigInt(tables[table].size) - (1n << BigInt(c.bits)) });
    lookups.push(j);
  });
  const boxes = lookups.map((j, box) => {
    const { name, axes } = program.constraints[j];
    return {
      name: topOf.get(j)?.box === box ? `${name}.top` : name,
      dims: axes.map((a) => program.axes[a]),
      kind: 'lookup' as const,
    };
  });
  const logup = logUpShape(
    [...boxes, ...tables.map((t) => ({ name: tableName(t), dims: [t.size], kind: 'table' as const }))],
    program.field ? zeros : 0,
  );
  return { tables, lookups, boxOf, topOf, tableOf, tableBox: lookups.length, logup };
}

/** The program with the multiplicities of its tables, which are committed with the witness. */
function withMultiplicities(program: Program, tables: readonly LookupTable[]): { multNames: string[]; extended: Program } {
  const multNames = tables.map((t) => `mult:${tableName(t)}`),
    ownAxes = tables.flatMap((t, i) => (t.kind === 'segment' ? [] : [[multNames[i], t.size] as const])),
    hi = (1n << 32n) - 1n,
    mult = tables.map((t, i): TensorSpec => {
      const axes = t.kind === 'segment' ? t.segment.axes : [multNames[i]];
      return { name: multNames[i], axes, cls: 'witness', lo: 0n, hi, frac: 0 };
    });
  return {
    multNames,
    extended: { ...program, axes: { ...program.axes, ...Object.fromEntries(ownAxes) }, tensors: [...program.tensors, ...mult] },
  };
}

/** Terms, factors and the axes that the batched sumcheck needs, in a fixed global order: that of the program's axes. */
function planTerms(program: Program, lookup: LookupPlan, extended: Program): Pick<Plan, 'terms' | 'factors' | 'axes'> {
  const specs = new Map(extended.tensors.map((t) => [t.name, t])),
    factors: Factor[] = [],
    index = new Map<string, number>(),
    terms: PlannedTerm[] = [],
    used = new Set<string>(),
    order = Object.keys(program.axes);
  const factorOf = (o: Operand, slots: readonly Slot[]): number => {
    const key = `${o.tensor}|${JSON.stringify(slots)}`;
    let id = index.get(key);
    if (id === undefined) {
      id = factors.push({ key, tensor: specs.get(o.tensor)!, slots }) - 1;
      index.set(key, id);
    }
    return id;
  };
  program.constraints.forEach((c, constraint) => {
    const at = slices(lookup, program, constraint, c);
    (c.kind === 'lookup' ? c.exprs : [c.expr]).forEach((e, component) => {
      for (const t of e.terms) {
        const { free, shared, slot } = roles(program, c, t, at),
          ids = t.operands.map((o) => factorOf(o, o.access.map(slot))),
          own = new Set([...shared.map((s) => s.axis), ...contractedAxes(c.axes, t)]),
          axes = order.filter((a) => own.has(a));
        for (const a of axes) used.add(a);
        terms.push({ constraint, component, coef: t.coef, free, shared, axes, factors: ids });
      }
    });
  });
  const axes = order
    .filter((a) => used.has(a))
    .map((axis) => ({
      axis,
      size: program.axes[axis],
      vars: varsOf(program.axes[axis]),
      degree: terms.reduce((n, t) => Math.max(n, degreeIn(axis, t, factors)), DEGREE),
    }));
  return { terms, factors, axes };
}

/** Degree of a term along an axis: its operands over the axis, and factors of eq. */
const degreeIn = (axis: string, t: PlannedTerm, factors: readonly Factor[]): number =>
  t.factors.filter((f) => factors[f].slots.some((s) => s.kind === 'axis' && s.axis === axis)).length +
  t.shared.filter((s) => s.axis === axis).length;

/**
 * What each axis of the constraint is to a term: free where no operand has it, projected at rho where one has, and
 * summed with a factor of eq where several do. Contracted axes are summed as they are.
 */
function roles(
  program: Program,
  c: Constraint,
  t: Term,
  at: readonly { from: number; to: number }[],
): Pick<PlannedTerm, 'free' | 'shared'> & { slot: (a: Access) => Slot } {
  const uses = (a: string): number => t.operands.filter((o) => o.access.some((x) => 'axis' in x && x.axis === a)).length,
    free: PlannedTerm['free'][number][] = [],
    shared: PlannedTerm['shared'][number][] = [],
    projected = new Map<string, { from: number; to: number }>();
  c.axes.forEach((a, n) => {
    const u = uses(a);
    if (u === 0) free.push({ ...at[n], size: program.axes[a] });
    else if (u === 1) projected.set(a, at[n]);
    else shared.push({ axis: a, ...at[n] });
  });
  const slot = (a: Access): Slot => {
    if ('index' in a) return { kind: 'index', index: a.index };
    const p = projected.get(a.axis),
      rest = { size: program.axes[a.axis], stride: a.stride ?? 1, offset: a.offset ?? 0 };
    return p ? { kind: 'rho', ...p, ...rest } : { kind: 'axis', axis: a.axis, ...rest };
  };
  return { free, shared, slot };
}

/** log2 of the columns of a stack that is opened as the columns of a key: few, for its rows travel. */
const KEY_COLUMNS = 4;

/** The openings: of the witness, of all states as a second group, of the frozen stack where it is a key's. */
function planOpenings(
  program: Program,
  options: ProofOptions,
  layouts: ReadonlyMap<TensorClass, StackLayout>,
  hiding: HidingParts | undefined,
): Pick<Plan, 'whir' | 'states' | 'frozenVars'> {
  const { used, ...main } = stackShape(layouts.get('witness')!.cells),
    witness = { ...main, logInvRate: options.rate, trees: [{ parts: [{ used, offset: 0 }] }] },
    groups: GroupSpec[] = [hiding ? hiding.group(options, witness) : witness],
    states = STATES.flatMap((name): StateTree[] => {
      const classes = stateClasses(name).filter((c) => layouts.has(c));
      return classes.length ? [{ name, classes }] : [];
    }),
    frozen = layouts.get('frozen');
  if (states.length) groups.push(stateStack(program, layouts, states, options.stateRate));
  if (options.keyRate === undefined || !frozen)
    return { whir: whirShape(options, groups), states, frozenVars: frozen ? Math.max(1, varsOf(frozen.cells)) : 0 };
  const { used: fixed, ...columns } = stackShape(frozen.cells, KEY_COLUMNS);
  groups.push({ ...columns, logInvRate: options.keyRate, trees: [{ parts: [{ used: fixed, offset: 0 }] }], trusted: 'key' });
  return { whir: whirShape(options, groups), states, frozenVars: 0 };
}

/**
 * Everything about the proofs of a program that follows from it and the parameters. `hiding`: of a proof that hides its
 * witness, see hidingPlan.
 */
export function makePlan(program: Program, options: ProofOptions, hiding?: HidingParts): Plan {
  const lookup = planLookups(program),
    counted = withMultiplicities(program, lookup.tables),
    parts: PlanParts = { program, options, ...lookup, ...counted, ...planTerms(program, lookup, counted.extended) },
    pads = hiding?.pads(parts),
    extended = withPads(counted.extended, pads),
    layouts = new Map<TensorClass, StackLayout>();
  for (const cls of COMMIT_CLASSES) {
    const l = layoutClass(extended, cls);
    if (l.cells) layouts.set(cls, l);
  }
  return { ...parts, extended, layouts, ...planOpenings(program, options, layouts, hiding), ...(pads ? { pads } : {}) };
}
