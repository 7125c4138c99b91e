/**
 * Constraints, verifier's side: all expressions and identities in one sumcheck, which ends in the values of its
 * operands.
 */
import { log2Ceil } from '../field/log2.js';
import { eqLess, lessThan } from '../poly/eq.js';
import { verifyBatched } from '../sumcheck/verify.js';
import type { Channel, Elem } from '../transcript/arith.js';
import type { Points } from './claims.js';
import { type Plan, componentWeight } from './plan.js';
import { type PublicValues, evalPublic } from './public-values.js';
import type { LookupClaims, ValueClaim } from './verify-lookups.js';

/** Where the sumcheck ends: its point, and the claimed values of the committed operands there. */
export interface OperandClaims {
  readonly points: Points;
  readonly operands: readonly ValueClaim[];
}

/** Joins the claim on lookups with the zero constraints and reduces both to operands. */
export function constraints(ch: Channel, plan: Plan, l: LookupClaims, publics: PublicValues): OperandClaims {
  const weights = constraintWeights(ch, plan, l),
    claim = withoutConstants(ch, plan, l, weights),
    { points: axes, final } = verifyBatched(ch, plan.axes, claim),
    points: Points = { rho: l.rho, axes };
  const sent = ch.read('operand values', plan.factors.filter((f) => f.tensor.cls !== 'public').length);
  let next = 0;
  const values = plan.factors.map((f) => (f.tensor.cls === 'public' ? evalPublic(ch, plan, f, publics, points) : sent[next++]));
  ch.assertEqual(sumOfTerms(ch, plan, l, weights, values, points), final, 'batched sumcheck');
  return {
    points,
    operands: plan.factors.flatMap((factor, i) => (factor.tensor.cls === 'public' ? [] : [{ factor, value: values[i] }])),
  };
}

/** Weight of every constraint: that of its box, or boxes, for lookups, powers of lambda for zero constraints. */
function constraintWeights(ch: Channel, plan: Plan, l: LookupClaims): Elem[] {
  const lambda = ch.sample('lambda');
  let power = lambda;
  return plan.program.constraints.map((_, j) => {
    const box = plan.boxOf.get(j);
    const top = plan.topOf.get(j);
    if (box !== undefined) return top ? ch.add(l.weight[box], l.weight[top.box]) : l.weight[box];
    const w = power;
    power = ch.mul(power, lambda);
    return w;
  });
}

/** The claim less the constants of all expressions, each summed over the cells of its constraint. */
function withoutConstants(ch: Channel, plan: Plan, l: LookupClaims, weights: readonly Elem[]): Elem {
  const p = plan.program;
  let claim = l.claim;
  p.constraints.forEach((c, j) => {
    const exprs = c.kind === 'lookup' ? c.exprs : [c.expr],
      box = plan.boxOf.get(j);
    exprs.forEach((e, i) => {
      if (e.constant === 0n) return;
      let cells = box === undefined ? ch.constant(1n) : l.indicator[box];
      if (box === undefined) {
        let at = plan.logup.vars - c.axes.reduce((s, a) => s + log2Ceil(p.axes[a]), 0);
        for (const a of c.axes) {
          const vars = log2Ceil(p.axes[a]);
          cells = ch.mul(cells, lessThan(ch, l.rho.slice(at, at + vars), p.axes[a]));
          at += vars;
        }
      }
      claim = ch.sub(claim, ch.mul(ch.mul(ch.mul(weights[j], componentWeight(l.betas, i)), cells), ch.constant(e.constant)));
    });
  });
  return claim;
}

/** The sumcheck's polynomial at its point, from the operands' values. */
function sumOfTerms(ch: Channel, plan: Plan, l: LookupClaims, weights: readonly Elem[], values: readonly Elem[], points: Points): Elem {
  const one = ch.constant(1n),
    absent = plan.axes.map((a) => points.axes.get(a.axis)!.reduce((acc, r) => ch.mul(acc, ch.sub(one, r)), one)),
    known = new Map<string, Elem>();
  const memo = (key: string, make: () => Elem): Elem => {
    const old = known.get(key);
    if (old !== undefined) return old;
    const x = make();
    known.set(key, x);
    return x;
  };
  let sum = ch.constant(0n);
  for (const t of plan.terms) {
    let w = ch.mul(ch.mul(weights[t.constraint], componentWeight(l.betas, t.component)), ch.constant(t.coef));
    for (const f of t.free)
      w = ch.mul(
        w,
        memo(`free ${f.from}-${f.to}-${f.size}`, () => lessThan(ch, l.rho.slice(f.from, f.to), f.size)),
      );
    for (const s of t.shared)
      w = ch.mul(
        w,
        memo(`shared ${s.axis}-${s.from}`, () =>
          eqLess(ch, l.rho.slice(s.from, s.to), points.axes.get(s.axis)!, plan.program.axes[s.axis]),
        ),
      );
    for (const f of t.factors) w = ch.mul(w, values[f]);
    // Axes that the term lacks: it stands at their origin.
    const rest = memo(`without ${t.axes.join()}`, () =>
      plan.axes.reduce((acc, a, i) => (t.axes.includes(a.axis) ? acc : ch.mul(acc, absent[i])), one),
    );
    sum = ch.mulAdd(w, rest, sum);
  }
  return sum;
}
