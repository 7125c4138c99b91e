import type { HashName } from '../hash/rows.js';
import { type LogUpShape, logUpShape, varsOf } from '../lookup/index.js';
import { type GroupSpec, type WhirGroup, type WhirParams, type WhirShape, whirShape } from '../pcs/index.js';
import type { SumcheckAxis } from '../sumcheck/index.js';
import { contractedAxes } from './bounds.js';
import { type StackLayout, layoutClass, stackShape } from './layout.js';
import { STATES, type StateTree, stateClasses, stateStack } from './state-layout.js';
import {
  COMMIT_CLASSES,
  type Access,
  type Constraint,
  type Program,
  type Segment,
  type TableSpec,
  type TensorClass,
  type TensorSpec,
} from './types.js';

/** How one axis of a tensor enters a claim: fixed, weighted by eq at a slice of rho (projected), or at the sumcheck point of an axis. */
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
      /** Table number of the memory's first segment, which stands for the memory; rows of all its segments. */ readonly first: number;
      readonly rows: number;
    };

/** Tag of table i in the keys: segments of one memory share one. */
export const tableTag = (t: LookupTable, i: number): number => (t.kind === 'segment' ? t.first : i);

/** Component 0 of a tuple has weight 1, component i weight beta^(i+1), given powers of beta; beta itself carries the table's tag. */
export const componentWeight = <T>(betas: readonly T[], i: number): T => betas[i === 0 ? 0 : i + 1];

const tableName = (t: LookupTable): string => (t.kind === 'range' ? `range:${t.bits}` : t.kind === 'table' ? t.spec.name : t.segment.name);

/** Claims that the leaf layer leaves on table i: its multiplicities (column -1) and its committed columns at the point of its box. */
export function tableFactors(plan: Plan, i: number): { factor: Factor; column: number }[] {
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
}

/** Hash of all trees and of the transcript of a plan's proofs; Poseidon2 where nothing is said, as for what circuits will verify. */
export const hashOf = (plan: { readonly options?: ProofOptions }): HashName => plan.options?.hash ?? 'poseidon2';

/** Everything about a proof that follows from the program and the parameters alone. */
export interface Plan {
  readonly program: Program;
  readonly options: ProofOptions;
  readonly tables: readonly LookupTable[];
  /** Box of constraint j is boxes[boxOf[j]]; table t's box is boxes[tableBox + t]. */
  readonly lookups: readonly number[];
  readonly boxOf: ReadonlyMap<number, number>;
  readonly tableBox: number;
  readonly logup: LogUpShape;
  /** Table index of a range or lookup constraint. */ readonly tableOf: ReadonlyMap<number, number>;
  readonly multNames: readonly string[];
  readonly extended: Program;
  readonly layouts: ReadonlyMap<TensorClass, StackLayout>;
  readonly axes: readonly SumcheckAxis[];
  readonly factors: readonly Factor[];
  readonly terms: readonly PlannedTerm[];
  /** Opening of the witness and, as a second group, of the state. */
  readonly whir: WhirShape;
  /** Trees of the state, in the order of the group's. */
  readonly states: readonly StateTree[];
  readonly frozenVars: number;
}

/** Slice of rho that belongs to axis number `at` of constraint j: its box's, or the low variables for a zero constraint. */
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
export const stateGroup = (p: Pick<Plan, 'whir'>): WhirGroup | undefined => p.whir.groups[1];

const segmentAxes = (t: LookupTable): readonly string[] | undefined => (t.kind === 'segment' ? t.segment.axes : undefined);

export function makePlan(program: Program, options: ProofOptions): Plan {
  const bits = [...new Set(program.constraints.flatMap((c) => (c.kind === 'range' ? [c.bits] : [])))].sort((a, b) => a - b);
  const tables: LookupTable[] = [
    ...bits.map((b) => ({ kind: 'range' as const, bits: b, size: 2 ** b })),
    ...program.tables.map((spec) => ({ kind: 'table' as const, spec, size: spec.size })),
  ];
  const memories = new Map<string, number>();
  for (const m of program.memories ?? []) {
    const first = tables.length,
      sizes = m.segments.map((s) => s.axes.map((a) => varsOf(program.axes[a])));
    const size = (v: readonly number[]): number => 2 ** v.reduce((x, y) => x + y, 0),
      rows = sizes.reduce((n, v) => n + size(v), 0);
    let lo = 0;
    memories.set(m.name, first);
    m.segments.forEach((segment, k) => {
      tables.push({ kind: 'segment', segment, lo, size: size(sizes[k]), axisVars: sizes[k], first, rows });
      lo += size(sizes[k]);
    });
  }
  const lookups: number[] = [],
    boxOf = new Map<number, number>(),
    tableOf = new Map<number, number>();
  program.constraints.forEach((c, j) => {
    if (c.kind === 'zero') return;
    boxOf.set(j, lookups.length);
    lookups.push(j);
    const t =
      c.kind === 'range'
        ? bits.indexOf(c.bits)
        : (memories.get(c.table) ?? bits.length + program.tables.findIndex((x) => x.name === c.table));
    tableOf.set(j, t);
  });
  const zeros = program.constraints.map((c) => (c.kind === 'zero' ? c.axes.reduce((n, a) => n + varsOf(program.axes[a]), 0) : 0));
  const logup = logUpShape(
    [
      ...lookups.map((j) => ({
        name: program.constraints[j].name,
        dims: program.constraints[j].axes.map((a) => program.axes[a]),
        kind: 'lookup' as const,
      })),
      ...tables.map((t) => ({ name: tableName(t), dims: [t.size], kind: 'table' as const })),
    ],
    program.field ? Math.max(...zeros) : 0,
  );
  const tableBox = lookups.length;
  const multNames = tables.map((t) => `mult:${tableName(t)}`);
  const extended: Program = {
    ...program,
    axes: { ...program.axes, ...Object.fromEntries(tables.flatMap((t, i) => (t.kind === 'segment' ? [] : [[multNames[i], t.size]]))) },
    tensors: [
      ...program.tensors,
      ...multNames.map(
        (name, i): TensorSpec => ({ name, axes: segmentAxes(tables[i]) ?? [name], cls: 'witness', lo: 0n, hi: (1n << 32n) - 1n, frac: 0 }),
      ),
    ],
  };
  const layouts = new Map<TensorClass, StackLayout>();
  for (const cls of COMMIT_CLASSES) {
    const l = layoutClass(extended, cls);
    if (l.cells) layouts.set(cls, l);
  }
  const specs = new Map(extended.tensors.map((t) => [t.name, t]));

  // Terms, factors and the axes that the batched sumcheck needs, in a fixed global order: that of the program's axes.
  const factors: Factor[] = [],
    index = new Map<string, number>(),
    terms: PlannedTerm[] = [],
    used = new Set<string>();
  const order = Object.keys(program.axes);
  program.constraints.forEach((c, j) => {
    const at = slices({ logup, boxOf }, program, j, c);
    const exprs = c.kind === 'lookup' ? c.exprs : [c.expr];
    exprs.forEach((e, component) =>
      e.terms.forEach((t) => {
        const uses = (a: string): number => t.operands.filter((o) => o.access.some((x) => 'axis' in x && x.axis === a)).length;
        const free: PlannedTerm['free'][number][] = [],
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
        const ids = t.operands.map((o) => {
          const slots = o.access.map(slot),
            key = `${o.tensor}|${JSON.stringify(slots)}`;
          let id = index.get(key);
          if (id === undefined) {
            id = factors.length;
            index.set(key, id);
            factors.push({ key, tensor: specs.get(o.tensor)!, slots });
          }
          return id;
        });
        const axes = [...new Set([...shared.map((s) => s.axis), ...contractedAxes(c.axes, t)])].sort(
          (x, y) => order.indexOf(x) - order.indexOf(y),
        );
        for (const a of axes) used.add(a);
        terms.push({ constraint: j, component, coef: t.coef, free, shared, axes, factors: ids });
      }),
    );
  });
  const axes = order.filter((a) => used.has(a)).map((axis) => ({ axis, size: program.axes[axis], vars: varsOf(program.axes[axis]) }));

  const { used: columns, ...main } = stackShape(layouts.get('witness')!.cells),
    groups: GroupSpec[] = [{ ...main, logInvRate: options.rate, trees: [{ parts: [{ used: columns, offset: 0 }] }] }];
  const states = STATES.flatMap((name): StateTree[] => {
    const classes = stateClasses(name).filter((c) => layouts.has(c));
    return classes.length ? [{ name, classes }] : [];
  });
  if (states.length) groups.push(stateStack(program, layouts, states, options.stateRate));
  const whir = whirShape(options, groups);
  const frozen = layouts.get('frozen');
  return {
    program,
    options,
    tables,
    lookups,
    boxOf,
    tableBox,
    logup,
    tableOf,
    multNames,
    extended,
    layouts,
    axes,
    factors,
    terms,
    whir,
    states,
    frozenVars: frozen ? Math.max(1, varsOf(frozen.cells)) : 0,
  };
}
