/**
 * Constraints, prover's side: all expressions and identities in one sumcheck, which ends in the values of its operands.
 */
import { deviceOf } from '../device/current.js';
import type { Device, Vec } from '../device/device.js';
import * as E from '../field/ext3.js';
import { mod } from '../field/goldilocks.js';
import type { Kernels } from '../kernels/runtime.js';
import { PointTables, type Slice, eqSum } from '../lookup/eq.js';
import type { SumFactor, SumTerm } from '../sumcheck/terms.js';
import { proveBatched } from '../sumcheck/prove.js';
import type { Ext } from '../transcript/arith.js';
import type { ProverChannel } from '../transcript/prover.js';
import type { IntegerReading } from './integer.js';
import { sumcheckBytes } from './memory.js';
import { type Plan, componentWeight } from './plan.js';
import { Tensors, inPlace, isInPlace, ownAxes, projector } from './project.js';
import type { LookupClaims, ValueClaim } from './prove-lookups.js';

/** Where the sumcheck ends: its point by axis, and the values of the committed operands there. */
export interface OperandClaims {
  readonly points: ReadonlyMap<string, Ext[]>;
  readonly operands: readonly ValueClaim[];
}

export function constraints(
  k: Kernels,
  ch: ProverChannel,
  plan: Plan,
  reading: IntegerReading,
  l: LookupClaims,
  address: (name: string) => number,
): OperandClaims {
  const weights = constraintWeights(ch, plan, l.rho),
    d = deviceOf(k, ch.hash),
    arrays = new Arrays(k, d, plan),
    tensors = new Tensors(d, plan, address),
    project = projector(k, plan, reading, tensors, l.rho),
    made = arrays.of(
      plan.factors.filter((f) => !isInPlace(f)).map((f) => ({ axes: ownAxes(plan, f), what: f })),
      project,
    ),
    factors = plan.factors.map((f): SumFactor => (isInPlace(f) ? { ...inPlace(plan, f, tensors), scratch: 0 } : made.shift()!)),
    terms = sumTerms(d, plan, l, weights, factors, arrays),
    { points, values } = proveBatched(k, ch, plan.axes, factors, terms),
    operands = plan.factors.flatMap((factor, i) => (factor.tensor.cls === 'public' ? [] : [{ factor, value: values[i] }]));
  ch.sendExt(
    'operand values',
    operands.map((c) => c.value),
  );
  return { points, operands };
}

/** Weight of every constraint: that of its box, or boxes, for lookups, powers of lambda for zero constraints. */
function constraintWeights(ch: ProverChannel, plan: Plan, rho: readonly Ext[]): Ext[] {
  const lambda = ch.sample('lambda'),
    place = (box: number): Ext => {
      const { vars, position } = plan.logup.boxes[box],
        pre = rho.slice(0, plan.logup.vars - vars);
      return pre.reduce<Ext>((acc, x, t) => E.mul(acc, Math.floor(position / 2 ** (pre.length - 1 - t)) % 2 ? x : E.sub(E.ONE, x)), E.ONE);
    };
  let power = lambda;
  return plan.program.constraints.map((_, j): Ext => {
    const box = plan.boxOf.get(j);
    if (box !== undefined) {
      const top = plan.topOf.get(j);
      return top ? E.add(place(box), place(top.box)) : place(box);
    }
    const w = power;
    power = E.mul(power, lambda);
    return w;
  });
}

/**
 * Arrays of the sumcheck. They are made once and stay, or, where they would not fit, large ones are made whenever a
 * term asks for them. Tensors with no axis at rho are read where they lie.
 */
class Arrays {
  readonly #all: boolean;
  constructor(
    readonly k: Kernels,
    d: Device,
    readonly plan: Plan,
  ) {
    this.#all = sumcheckBytes(plan) <= d.room;
  }
  of<T>(list: readonly { readonly axes: readonly string[]; readonly what: T }[], make: (what: readonly T[]) => Vec[]): SumFactor[] {
    const cells = (axes: readonly string[]): number => axes.reduce((n, a) => n * this.plan.program.axes[a], 1),
      stays = list.filter(({ axes }) => this.#all || 96 * cells(axes) <= this.k.far.page),
      made = new Map(make(stays.map((x) => x.what)).map((vec, i) => [stays[i], vec]));
    return list.map((x) => {
      const vec = made.get(x);
      if (vec) return { axes: x.axes, make: () => vec, scratch: 0 };
      return { axes: x.axes, make: () => make([x.what])[0], scratch: 48 * cells(x.axes) };
    });
  }
}

/** The terms of all constraints. Weights of output axes that operands share are further factors, added to `factors`. */
function sumTerms(d: Device, plan: Plan, l: LookupClaims, weights: readonly Ext[], factors: SumFactor[], arrays: Arrays): SumTerm[] {
  const weightOf = new Map<string, number>(),
    shared: { axes: readonly string[]; what: Eq }[] = [],
    size = (axis: string): number => plan.program.axes[axis];
  const terms = plan.terms.map((t): SumTerm => {
    let coef = E.mulBase(E.mul(weights[t.constraint], componentWeight(l.betas, t.component)), mod(t.coef));
    for (const f of t.free) coef = E.mul(coef, eqSum(l.rho.slice(f.from, f.to), f.size));
    const eq = t.shared.map(({ axis, from, to }) => {
      const key = `${axis} ${from}`,
        known = weightOf.get(key);
      if (known !== undefined) return known;
      const at = factors.length + shared.length;
      weightOf.set(key, at);
      shared.push({ axes: [axis], what: { slice: [from, to], n: size(axis) } });
      return at;
    });
    return { coef, axes: t.axes, factors: [...t.factors, ...eq] };
  });
  factors.push(...arrays.of(shared, (list) => eqVectors(d, l.rho, list)));
  return terms;
}

/** eq at a slice of a point for so many cells. */
interface Eq {
  readonly slice: Slice;
  readonly n: number;
}
/** These tables, in the caller's scope. */
function eqVectors(d: Device, point: readonly Ext[], list: readonly Eq[]): Vec[] {
  const tables = new PointTables(d, point);
  for (const { slice, n } of list) tables.want(slice, n);
  tables.build();
  return list.map(({ slice, n }) => tables.table(slice, n));
}
