/**
 * Verification of a program proof, in the phases of the prover (prove.ts): absorb, lookups, constraints, claims,
 * openings. Sections 4 to 7 of docs/protocol.md. Written once for native handles and circuit wires: the order of
 * operations is part of a circuit's key.
 */
import { DOMAIN } from '../hash/poseidon2.js';
import { compose } from '../pcs/queries.js';
import { type GroupClaim, powerExtension, verifyWhir } from '../pcs/verify.js';
import { eqAt } from '../poly/eq.js';
import { TrustedRoot } from '../pcs/trusted.js';
import { type Channel, type Digest, type Elem, asDigest } from '../transcript/arith.js';
import { type Points, type WeightedFactor, evalWeights } from './claims.js';
import { DeferredClaim } from './deferred.js';
import { type Plan, keyGroup, stateGroup } from './plan.js';
import { header, statementParts } from './preamble.js';
import { PublicValues } from './public-values.js';
import { commitmentLayout, isOut } from './state-layout.js';
import { type Statement, type StatementElems, statementElems } from './statement.js';
import type { TensorClass } from './types.js';
import { type OperandClaims, constraints } from './verify-constraints.js';
import { type LookupClaims, lookups } from './verify-lookups.js';

/** Verifies one program proof against a statement given by value: see verifyStatement. */
export const verifyProgram = (ch: Channel, plan: Plan, st: Statement): DeferredClaim =>
  verifyStatement(ch, plan, statementElems(ch, plan.program, plan.states, st));

/**
 * Verifies one program proof against its statement; returns the claim on frozen tensors that is still to be settled.
 * `publics`: the values of st's public words, where the caller needs their bits too.
 */
export function verifyStatement(ch: Channel, plan: Plan, st: StatementElems, publics = new PublicValues(ch, plan, st)): DeferredClaim {
  if (plan.pads) throw new Error('a proof that hides its witness is verified as one: verifyHiding');
  return openings(ch, plan, reduceStatement(ch, plan, st, publics));
}

/** The statement reduced to claims on what is committed: all but the openings. */
export interface Reduced {
  readonly st: StatementElems;
  readonly absorbed: Absorbed;
  readonly points: Points;
  readonly combined: CombinedClaims;
}

/** Reduces a statement to claims on what is committed. */
export function reduceStatement(ch: Channel, plan: Plan, st: StatementElems, publics = new PublicValues(ch, plan, st)): Reduced {
  const absorbed = absorb(ch, plan, st, publics),
    looked = lookups(ch, plan),
    reduced = constraints(ch, plan, looked, absorbed.publics),
    combined = claims(ch, absorbed, looked, reduced);
  return { st, absorbed, points: reduced.points, combined };
}

/** A state's tree, the point of its commitment and the values of its classes there. */
interface StateClaim {
  readonly root: Digest;
  readonly z: Elem;
  readonly values: readonly Elem[];
}

interface Absorbed {
  readonly publics: PublicValues;
  readonly witness: Digest;
  readonly states: readonly StateClaim[];
}

/** Program, statement and the witness's root. The point of a state that is left follows from its root. */
function absorb(ch: Channel, plan: Plan, st: StatementElems, publics: PublicValues): Absorbed {
  // A circuit has its first constants in this order.
  for (const x of [1n, 0n]) ch.constant(x);
  for (const w of header(plan)) ch.publicWords(w.label, w.words);
  for (const w of statementParts(plan, st.context, (n) => st.publics.get(n)!, st.frozen, st.roots)) ch.publicElems(w.label, w.words);
  const witness = ch.readDigest('root witness');
  const states = plan.states.map((t): StateClaim => {
    const words = st.roots[t.name],
      { point, value } = commitmentLayout(t),
      z = compose(ch, words, point);
    if (isOut(t.name)) {
      const [a, b, c] = ch.hash(DOMAIN.state, words.slice(0, point));
      ch.assertEqual(ch.compose(a, b, c), z, `state point ${t.name}`);
    }
    const [r0, r1, r2, r3] = words;
    return { root: [r0, r1, r2, r3], z, values: t.classes.map((_, i) => compose(ch, words, value(i))) };
  });
  return { publics, witness, states };
}

/** Claims on each committed class with their coefficients, powers of one challenge, and what they sum to. */
interface CombinedClaims {
  readonly of: ReadonlyMap<TensorClass, readonly WeightedFactor[]>;
  readonly totals: ReadonlyMap<TensorClass, Elem>;
  /** By state and class: coefficient of the commitment's value. */
  readonly states: readonly (readonly Elem[])[];
  readonly stateTotal: Elem;
}

function claims(ch: Channel, a: Absorbed, l: LookupClaims, c: OperandClaims): CombinedClaims {
  const alpha = ch.sample('alpha'),
    zero = ch.constant(0n);
  let power = ch.constant(1n);
  const of = new Map<TensorClass, WeightedFactor[]>(),
    totals = new Map<TensorClass, Elem>();
  for (const { factor, value } of [...l.tables, ...c.operands]) {
    const { cls } = factor.tensor;
    of.set(cls, [...(of.get(cls) ?? []), { factor, coefficient: power }]);
    totals.set(cls, ch.mulAdd(power, value, totals.get(cls) ?? zero));
    power = ch.mul(power, alpha);
  }
  let stateTotal = zero;
  const states = a.states.map(({ values }) =>
    values.map((y) => {
      const coefficient = power;
      stateTotal = ch.mulAdd(power, y, stateTotal);
      power = ch.mul(power, alpha);
      return coefficient;
    }),
  );
  return { of, totals, states, stateTotal };
}

/**
 * The frozen stack by a sumcheck down to one evaluation, which is returned; witness and state by their openings. The
 * frozen stack is among these where it is the columns of a key. `witness`: what is claimed of the witness, if not the
 * claims of the statement alone.
 */
export function openings(
  ch: Channel,
  plan: Plan,
  { st, absorbed: a, points, combined: c }: Reduced,
  witness: (claims: GroupClaim) => GroupClaim = (x) => x,
): DeferredClaim {
  const zero = ch.constant(0n),
    frozen = frozenReduction(ch, plan, points, c),
    opened: GroupClaim[] = [
      witness({
        roots: [a.witness],
        value: c.totals.get('witness') ?? zero,
        weights: (pt) => evalWeights(ch, plan, 'witness', c.of.get('witness') ?? [], points, pt),
      }),
    ];
  if (stateGroup(plan))
    opened.push({
      roots: a.states.map((x) => x.root),
      value: plan.states.flatMap((t) => t.classes).reduce((s, cls) => ch.add(s, c.totals.get(cls) ?? zero), c.stateTotal),
      weights: (pt) => stateWeights(ch, plan, a, points, c, pt),
    });
  if (keyGroup(plan))
    opened.push({
      // The frozen digest is the caller's word, never the proof's; with this option it begins with the root of a key.
      roots: [TrustedRoot.ofKey(asDigest(st.frozen))],
      value: c.totals.get('frozen') ?? zero,
      weights: (pt) => evalWeights(ch, plan, 'frozen', c.of.get('frozen') ?? [], points, pt),
    });
  verifyWhir(ch, plan.whir, opened);
  return frozen;
}

function frozenReduction(ch: Channel, plan: Plan, points: Points, c: CombinedClaims): DeferredClaim {
  const weighted = c.of.get('frozen'),
    point: Elem[] = [];
  if (!weighted || keyGroup(plan)) return new DeferredClaim(plan, point, ch.constant(0n));
  let now = c.totals.get('frozen')!;
  for (let k = 0; k < plan.frozenVars; k++) {
    const [s0, s2] = ch.read('frozen sumcheck', 2),
      r = ch.sample('frozen r');
    point.push(r);
    now = ch.mulAdd(r, ch.mulAdd(r, s2, ch.sub(ch.sub(now, ch.add(s0, s0)), s2)), s0);
  }
  const [value] = ch.read('frozen value', 1);
  ch.assertEqual(ch.mul(value, evalWeights(ch, plan, 'frozen', weighted, points, point)), now, 'frozen reduction');
  return new DeferredClaim(plan, point, value);
}

/**
 * Extension at `pt` of the weights on the stack of all state: powers of each commitment's point, and the claims on its
 * classes.
 */
function stateWeights(ch: Channel, plan: Plan, a: Absorbed, points: Points, c: CombinedClaims, pt: readonly Elem[]): Elem {
  const shape = stateGroup(plan)!;
  let sum = ch.constant(0n);
  plan.states.forEach(({ classes }, t) =>
    classes.forEach((cls, i) => {
      const { used, offset } = shape.trees[t].parts[i],
        weighted = c.of.get(cls);
      sum = ch.mulAdd(c.states[t][i], partPowers(ch, a.states[t].z, pt, shape.logColumns, used, offset), sum);
      if (weighted) sum = ch.add(sum, evalWeights(ch, plan, cls, weighted, points, pt, offset * 2 ** shape.logHeight));
    }),
  );
  return sum;
}

/**
 * Extension at `point` of the weights z^i on the cells i of one part of a tree: `used` columns from column `offset`.
 */
function partPowers(ch: Channel, z: Elem, point: readonly Elem[], logColumns: number, used: number, offset: number): Elem {
  const rows = point.slice(logColumns);
  let step = z,
    power = ch.constant(1n),
    sum = ch.constant(0n);
  rows.forEach(() => {
    step = ch.mul(step, step);
  });
  for (let j = 0; j < used; j++) {
    sum = ch.mulAdd(power, eqAt(ch, point.slice(0, logColumns), offset + j), sum);
    power = ch.mul(power, step);
  }
  return ch.mul(sum, powerExtension(ch, z, rows));
}
