/**
 * Lookups, verifier's side: LogUp-GKR down to its leaves, the claims on tables, and one claim on the expressions of all
 * constraints.
 */
import { boxIndicator, boxPoint, boxWeight } from '../lookup/shape.js';
import { verifyLogUp } from '../lookup/verify.js';
import type { Channel, Elem } from '../transcript/arith.js';
import { type Factor, type Plan, tableFactors, tableTag } from './plan.js';

/** A claimed value of a linear functional of a tensor. */
export interface ValueClaim {
  readonly factor: Factor;
  readonly value: Elem;
}

/** What the lookup argument leaves behind. */
export interface LookupClaims {
  /** The point of the leaves. */
  readonly rho: readonly Elem[];
  /** Powers of beta: one, beta, beta^2, ... */
  readonly betas: readonly Elem[];
  /** By box: extension of its cells' indicator, and weight of its place among the leaves. */
  readonly indicator: readonly Elem[];
  readonly weight: readonly Elem[];
  readonly tables: readonly ValueClaim[];
  /** Weighted sum of all looked-up expressions at rho. */
  readonly claim: Elem;
}

/**
 * The leaf layer: numerators follow from indicators and multiplicities; denominators are gamma minus keys, of which
 * tables are known by the claims on their columns, so that what is left is a claim on the expressions.
 */
export function lookups(ch: Channel, plan: Plan): LookupClaims {
  const one = ch.constant(1n),
    gamma = ch.sample('gamma'),
    beta = ch.sample('beta'),
    { rho, num, den } = verifyLogUp(ch, plan.logup),
    betas: Elem[] = [one, beta];
  for (let i = 2; i < 6; i++) betas.push(ch.mul(betas[i - 1], beta));
  const indicator = plan.logup.boxes.map((b) => boxIndicator(ch, b, boxPoint(plan.logup, b, rho))),
    weight = plan.logup.boxes.map((b) => boxWeight(ch, plan.logup, b, rho));
  let n = ch.constant(0n),
    v = one;
  plan.lookups.forEach((j, i) => {
    n = ch.mulAdd(weight[i], indicator[i], n);
    const top = plan.topOf.get(j),
      known = ch.add(one, ch.mul(beta, ch.constant(BigInt(plan.tableOf.get(j)!)))),
      inside = ch.sub(gamma, top?.box === i ? ch.add(known, ch.constant(top.shift)) : known);
    v = ch.mulAdd(ch.mul(weight[i], indicator[i]), inside, v);
  });
  const tables: ValueClaim[] = [];
  plan.tables.forEach((_, i) => {
    const box = plan.tableBox + i,
      factors = tableFactors(plan, i),
      values = ch.read(`table ${i} claims`, factors.length);
    factors.forEach(({ factor }, c) => tables.push({ factor, value: values[c] }));
    n = ch.sub(n, ch.mul(weight[box], values[0]));
    const row = tableRow(ch, plan, i, rho, values, betas);
    v = ch.mulAdd(weight[box], ch.sub(ch.sub(gamma, row), one), v);
  });
  ch.assertEqual(n, num, 'LogUp numerators');
  return { rho, betas, indicator, weight, tables, claim: ch.sub(v, den) };
}

/** Extension of the rows of table i at its part of rho: tag, key column and the claimed columns in one element. */
function tableRow(ch: Channel, plan: Plan, i: number, rho: readonly Elem[], values: readonly Elem[], betas: readonly Elem[]): Elem {
  const t = plan.tables[i],
    { vars } = plan.logup.boxes[plan.tableBox + i];
  // Key column: lo + index, whose extension over a table of a power of two rows is a sum over bits.
  if (t.size !== 2 ** vars) throw new Error('tables have a power of two rows');
  let key = ch.constant(t.kind === 'table' ? t.spec.lo : t.kind === 'segment' ? BigInt(t.lo) : 0n);
  rho.slice(plan.logup.vars - vars).forEach((x, k) => {
    key = ch.mulAdd(x, ch.constant(1n << BigInt(vars - 1 - k)), key);
  });
  let row = ch.mulAdd(betas[1], ch.constant(BigInt(tableTag(t, i))), key);
  tableFactors(plan, i).forEach(({ column }, c) => {
    if (column >= 0) row = ch.mulAdd(betas[column + 2], values[c], row);
  });
  return row;
}
