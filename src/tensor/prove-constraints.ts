/**
 * Constraints, prover's side: all expressions and identities in one sumcheck, which ends in the values of its operands.
 */
import * as E from '../field/ext3.js';
import { mod } from '../field/goldilocks.js';
import type { Kernels } from '../kernels/runtime.js';
import { eqTableKernel } from '../lookup/eq.js';
import type { SumFactor, SumTerm } from '../sumcheck/terms.js';
import { proveBatched } from '../sumcheck/prove.js';
import type { Ext } from '../transcript/arith.js';
import type { ProverChannel } from '../transcript/prover.js';
import type { IntegerReading } from './integer.js';
import { sumcheckBytes } from './memory.js';
import { type Plan, componentWeight } from './plan.js';
import { inPlace, ownAxes, projector } from './project.js';
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
    arrays = new Arrays(k, plan),
    project = projector(k, plan, reading, address, l.rho),
    factors = plan.factors.map((f): SumFactor => {
      const words = inPlace(plan, f, address);
      return words ? { ...words, scratch: 0 } : arrays.of(ownAxes(plan, f), () => project(f));
    }),
    terms = sumTerms(k, plan, l, weights, factors, arrays),
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
    readonly plan: Plan,
  ) {
    this.#all = sumcheckBytes(plan) <= k.room;
  }
  of(axes: readonly string[], make: () => number): SumFactor {
    const cells = axes.reduce((n, a) => n * this.plan.program.axes[a], 1);
    if (!this.#all && 96 * cells > this.k.far.page) return { axes, make, scratch: 48 * cells };
    const ptr = make();
    return { axes, make: () => ptr, scratch: 0 };
  }
}

/** The terms of all constraints. Weights of output axes that operands share are further factors, added to `factors`. */
function sumTerms(k: Kernels, plan: Plan, l: LookupClaims, weights: readonly Ext[], factors: SumFactor[], arrays: Arrays): SumTerm[] {
  const weightOf = new Map<string, number>();
  return plan.terms.map((t): SumTerm => {
    let coef = E.mulBase(E.mul(weights[t.constraint], componentWeight(l.betas, t.component)), mod(t.coef));
    for (const f of t.free) coef = E.mul(coef, sumOfEq(k, l.rho.slice(f.from, f.to), f.size));
    const eq = t.shared.map(({ axis, from, to }) => {
      const key = `${axis} ${from}`,
        known = weightOf.get(key);
      if (known !== undefined) return known;
      weightOf.set(key, factors.length);
      return factors.push(arrays.of([axis], () => eqTableKernel(k, l.rho.slice(from, to), plan.program.axes[axis]))) - 1;
    });
    return { coef, axes: t.axes, factors: [...t.factors, ...eq] };
  });
}

/** Sum of eq(point, i) over i < size. */
const sumOfEq = (k: Kernels, point: readonly Ext[], size: number): Ext =>
  k.scope(() => {
    const e = eqTableKernel(k, point, size);
    let s: Ext = E.ZERO;
    for (let i = 0; i < size; i++) s = E.add(s, k.readExt(e + 24 * i));
    return s;
  });
