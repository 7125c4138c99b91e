import { boxIndicator, boxPoint, boxWeight, verifyLogUp } from '../lookup/index.js';
import { compose, powerExtension } from '../pcs/verify.js';
import { type GroupClaim, verifyWhir } from '../pcs/index.js';
import { causal, eqAt, eqLess, eqTable, lessThan } from '../poly/eq.js';
import { verifyBatched } from '../sumcheck/index.js';
import type { Channel, Digest, Elem } from '../transcript/arith.js';
import { type Points, type WeightedFactor, evalWeights } from './claims.js';
import { DeferredClaim } from './deferred.js';
import { DOMAIN } from '../hash/poseidon2.js';
import { type Factor, type Plan, hashOf, stateGroup, tableFactors, tableTag } from './plan.js';
import {
  PROOF_VERSION,
  type Statement,
  type StatementElems,
  packPublic,
  contextWords,
  packing,
  programDigest,
  publicTensors,
  statementElems,
} from './statement.js';
import { commitmentLayout, isOut } from './state-layout.js';
import type { TensorClass, TensorSpec } from './types.js';

const digests = new WeakMap<object, bigint[]>();

/** What is absorbed first and follows from the program and the parameters: versions, program digest, shapes. */
function header(plan: Plan): { label: string; words: bigint[] }[] {
  let d = digests.get(plan);
  if (!d) {
    d = programDigest(plan.program);
    digests.set(plan, d);
  }
  const { params, groups, rounds, final } = plan.whir;
  const shape = [
    params.bits,
    params.grinding,
    groups.length,
    ...groups.flatMap((g) => [
      g.logInvRate,
      g.logColumns,
      g.logHeight,
      g.trees.length,
      ...g.trees.flatMap((t) => [t.parts.length, ...t.parts.flatMap((x) => [x.used, x.offset])]),
    ]),
    rounds.length,
    ...rounds.flatMap((r) => [r.columns, r.logInvRate]),
    final,
  ];
  return [
    // The hash by name, but for Poseidon2, whose transcripts circuits reproduce.
    { label: 'protocol', words: [BigInt(PROOF_VERSION), ...d, ...(hashOf(plan) === 'blake3' ? [2n] : [])] },
    {
      label: 'shape',
      words: [plan.logup.vars, plan.logup.boxes.length, plan.factors.length, plan.terms.length, plan.frozenVars, ...shape].map(BigInt),
    },
  ];
}

/** What is absorbed next: context, public inputs, frozen digest, state commitments. */
function statementParts<T>(
  plan: Plan,
  context: readonly T[],
  publics: (name: string) => readonly T[],
  frozen: readonly T[],
  roots: Readonly<Record<string, readonly T[]>>,
): { label: string; words: readonly T[] }[] {
  return [
    { label: 'context', words: context },
    { label: 'public inputs', words: publicTensors(plan.program).flatMap((t) => [...publics(t.name)]) },
    { label: 'frozen digest', words: frozen },
    ...plan.states.map(({ name }) => ({ label: `state ${name}`, words: roots[name] })),
  ];
}

/** All words absorbed before the first message, for the prover. */
export function preamble(plan: Plan, st: Statement): { label: string; words: readonly bigint[] }[] {
  const p = plan.program,
    packed = new Map(publicTensors(p).map((t) => [t.name, packPublic(p, t, st.publics.get(t.name))]));
  return [...header(plan), ...statementParts(plan, contextWords(st), (n) => packed.get(n)!, st.frozen, st.roots)];
}

/** Verifies one program proof against a statement given by value: see verifyStatement. */
export const verifyProgram = (ch: Channel, plan: Plan, st: Statement): DeferredClaim =>
  verifyStatement(ch, plan, statementElems(ch, plan.program, plan.states, st));

/**
 * Verifies one program proof against its statement; returns the claim on frozen tensors that is still to be settled. Sections 4 to 7 of
 * docs/protocol.md. Written once for native handles and circuit wires.
 */
export function verifyStatement(ch: Channel, plan: Plan, st: StatementElems): DeferredClaim {
  const p = plan.program,
    one = ch.constant(1n),
    zero = ch.constant(0n);
  for (const w of header(plan)) ch.publicWords(w.label, w.words);
  for (const w of statementParts(plan, st.context, (n) => st.publics.get(n)!, st.frozen, st.roots)) ch.publicElems(w.label, w.words);
  const publics = new PublicValues(ch, plan, st);
  const witness = ch.readDigest('root witness');
  // Point and values of the state's commitments; the point of a state that is left follows from its root.
  const states = plan.states.map((t) => {
    const words = st.roots[t.name],
      { point, value } = commitmentLayout(t),
      z = compose(ch, words, point);
    if (isOut(t.name)) {
      const [a, b, c] = ch.hash(DOMAIN.state, words.slice(0, point));
      ch.assertEqual(ch.compose(a, b, c), z, `state point ${t.name}`);
    }
    return { root: words.slice(0, 4) as unknown as Digest, z, values: t.classes.map((_, i) => compose(ch, words, value(i))) };
  });
  const gamma = ch.sample('gamma'),
    beta = ch.sample('beta');
  const { rho, num, den } = verifyLogUp(ch, plan.logup);
  const betas: Elem[] = [one, beta];
  for (let i = 2; i < 6; i++) betas.push(ch.mul(betas[i - 1], beta));

  // Leaf layer: numerators from indicators and multiplicities, denominators give one claim on all expressions.
  const tableClaims: { factor: Factor; value: Elem }[] = [];
  const indicator: Elem[] = plan.logup.boxes.map((b) => boxIndicator(ch, b, boxPoint(plan.logup, b, rho)));
  const weight: Elem[] = plan.logup.boxes.map((b) => boxWeight(ch, plan.logup, b, rho));
  let n = zero,
    v = one;
  plan.lookups.forEach((j, i) => {
    n = ch.mulAdd(weight[i], indicator[i], n);
    const inside = ch.sub(ch.sub(gamma, ch.mul(beta, ch.constant(BigInt(plan.tableOf.get(j)!)))), one);
    v = ch.mulAdd(ch.mul(weight[i], indicator[i]), inside, v);
  });
  plan.tables.forEach((t, i) => {
    const box = plan.tableBox + i,
      b = plan.logup.boxes[box],
      pt = rho.slice(plan.logup.vars - b.vars);
    const factors = tableFactors(plan, i),
      values = ch.read(`table ${i} claims`, factors.length);
    factors.forEach(({ factor }, c) => tableClaims.push({ factor, value: values[c] }));
    n = ch.sub(n, ch.mul(weight[box], values[0]));
    // Key column: lo + index, whose extension over a table of a power of two rows is a sum over bits.
    if (t.size !== 2 ** b.vars) throw new Error('tables have a power of two rows');
    let key = t.kind === 'table' ? ch.constant(t.spec.lo) : t.kind === 'segment' ? ch.constant(BigInt(t.lo)) : zero;
    pt.forEach((x, k) => {
      key = ch.mulAdd(x, ch.constant(1n << BigInt(b.vars - 1 - k)), key);
    });
    let row = ch.mulAdd(beta, ch.constant(BigInt(tableTag(t, i))), key);
    factors.forEach(({ column }, c) => {
      if (column >= 0) row = ch.mulAdd(betas[column + 2], values[c], row);
    });
    v = ch.mulAdd(weight[box], ch.sub(ch.sub(gamma, row), one), v);
  });
  ch.assertEqual(n, num, 'LogUp numerators');
  let claim = ch.sub(v, den);

  // Weights of constraints; constants move to the other side.
  const lambda = ch.sample('lambda');
  let power = lambda;
  const weights: Elem[] = p.constraints.map((c, j) => {
    const box = plan.boxOf.get(j);
    if (box !== undefined) return weight[box];
    const w = power;
    power = ch.mul(power, lambda);
    void c;
    return w;
  });
  p.constraints.forEach((c, j) => {
    const exprs = c.kind === 'lookup' ? c.exprs : [c.expr],
      box = plan.boxOf.get(j);
    exprs.forEach((e, i) => {
      if (e.constant === 0n) return;
      let ind = box === undefined ? one : indicator[box];
      if (box === undefined) {
        let at = plan.logup.vars - c.axes.reduce((s, a) => s + Math.ceil(Math.log2(p.axes[a])), 0);
        for (const a of c.axes) {
          const vars = Math.ceil(Math.log2(p.axes[a]));
          ind = ch.mul(ind, lessThan(ch, rho.slice(at, at + vars), p.axes[a]));
          at += vars;
        }
      }
      claim = ch.sub(claim, ch.mul(ch.mul(ch.mul(weights[j], componentWeight(betas, i)), ind), ch.constant(e.constant)));
    });
  });

  const { points: axes, final } = verifyBatched(ch, plan.axes, claim);
  const points: Points = { rho, axes };
  const sent = ch.read('operand values', plan.factors.filter((f) => f.tensor.cls !== 'public').length);
  let next = 0;
  const values = plan.factors.map((f) => (f.tensor.cls === 'public' ? evalPublic(ch, plan, f, publics, points) : sent[next++]));

  // Final check of the sumcheck.
  const absent = plan.axes.map((a) => axes.get(a.axis)!.reduce((acc, r) => ch.mul(acc, ch.sub(one, r)), one));
  const without = new Map<string, Elem>();
  const eqs = new Map<string, Elem>(),
    frees = new Map<string, Elem>();
  let sum = zero;
  for (const t of plan.terms) {
    let w = ch.mul(ch.mul(weights[t.constraint], componentWeight(betas, t.component)), ch.constant(t.coef));
    for (const f of t.free) {
      const key = `${f.from}-${f.to}-${f.size}`;
      let x = frees.get(key);
      if (x === undefined) {
        x = lessThan(ch, rho.slice(f.from, f.to), f.size);
        frees.set(key, x);
      }
      w = ch.mul(w, x);
    }
    for (const s of t.shared) {
      const key = `${s.axis}-${s.from}`;
      let x = eqs.get(key);
      if (x === undefined) {
        x = eqLess(ch, rho.slice(s.from, s.to), axes.get(s.axis)!, p.axes[s.axis]);
        eqs.set(key, x);
      }
      w = ch.mul(w, x);
    }
    for (const f of t.factors) w = ch.mul(w, values[f]);
    const key = t.axes.join();
    let rest = without.get(key);
    if (rest === undefined) {
      rest = plan.axes.reduce((acc, a, i) => (t.axes.includes(a.axis) ? acc : ch.mul(acc, absent[i])), one);
      without.set(key, rest);
    }
    sum = ch.mulAdd(w, rest, sum);
  }
  ch.assertEqual(sum, final, 'batched sumcheck');

  // Claims by commitment, with powers of one challenge.
  const alpha = ch.sample('alpha');
  let a = one;
  const claims = new Map<TensorClass, WeightedFactor[]>(),
    totals = new Map<TensorClass, Elem>();
  const add = (factor: Factor, value: Elem): void => {
    const cls = factor.tensor.cls;
    claims.set(cls, [...(claims.get(cls) ?? []), { factor, coefficient: a }]);
    totals.set(cls, ch.mulAdd(a, value, totals.get(cls) ?? zero));
    a = ch.mul(a, alpha);
  };
  for (const c of tableClaims) add(c.factor, c.value);
  plan.factors.forEach((f, i) => {
    if (f.tensor.cls !== 'public') add(f, values[i]);
  });
  let stateTotal = zero;
  const single = states.map(({ z, values }) => ({
    z,
    coefficients: values.map((y) => {
      const coefficient = a;
      stateTotal = ch.mulAdd(a, y, stateTotal);
      a = ch.mul(a, alpha);
      return coefficient;
    }),
  }));

  // Frozen: a sumcheck down to one evaluation, which is returned.
  const frozenPoint: Elem[] = [];
  let frozenValue = zero;
  if (claims.has('frozen')) {
    let now = totals.get('frozen')!;
    for (let k = 0; k < plan.frozenVars; k++) {
      const [s0, s2] = ch.read('frozen sumcheck', 2),
        r = ch.sample('frozen r');
      frozenPoint.push(r);
      now = ch.mulAdd(r, ch.mulAdd(r, s2, ch.sub(ch.sub(now, ch.add(s0, s0)), s2)), s0);
    }
    [frozenValue] = ch.read('frozen value', 1);
    ch.assertEqual(
      ch.mul(frozenValue, evalWeights(ch, plan, 'frozen', claims.get('frozen')!, points, frozenPoint)),
      now,
      'frozen reduction',
    );
  }
  const shape = stateGroup(plan),
    opened: GroupClaim[] = [
      {
        roots: [witness],
        value: totals.get('witness') ?? zero,
        weights: (pt) => evalWeights(ch, plan, 'witness', claims.get('witness') ?? [], points, pt),
      },
    ];
  if (shape)
    opened.push({
      roots: states.map((x) => x.root),
      value: plan.states.flatMap((t) => t.classes).reduce((s, c) => ch.add(s, totals.get(c) ?? zero), stateTotal),
      weights: (pt) =>
        plan.states.reduce(
          (sum, { classes }, t) =>
            classes.reduce((s, c, i) => {
              const { used, offset } = shape.trees[t].parts[i],
                w = ch.mulAdd(single[t].coefficients[i], partPowers(ch, single[t].z, pt, shape.logColumns, used, offset), s);
              return claims.has(c) ? ch.add(w, evalWeights(ch, plan, c, claims.get(c)!, points, pt, offset * 2 ** shape.logHeight)) : w;
            }, sum),
          zero,
        ),
    });
  verifyWhir(ch, plan.whir, opened);
  return new DeferredClaim(plan, frozenPoint, frozenValue);
}

/** Extension at `point` of the weights z^i on the cells i of one part of a tree: `used` columns from column `offset`. */
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

/** Component 0 of a tuple has weight 1, component i weight beta^(i+1); beta itself carries the table's tag. */
const componentWeight = (betas: readonly Elem[], i: number): Elem => betas[i === 0 ? 0 : i + 1];

/** Values of the public tensors as handles; packed ones are split once. */
export class PublicValues {
  readonly #bits = new Map<string, Elem[][]>();
  readonly #selected = new Map<string, Elem[]>();
  constructor(
    readonly ch: Channel,
    readonly plan: Plan,
    readonly st: StatementElems,
  ) {}
  /** Bits of every value, least significant first. */
  bits(t: TensorSpec): Elem[][] {
    let out = this.#bits.get(t.name);
    if (!out) {
      const { cells, bits, perWord } = packing(this.plan.program, t);
      out = this.st.publics.get(t.name)!.flatMap((w, k) => {
        const n = Math.min(perWord, cells - k * perWord),
          all = this.ch.split(w, n * bits);
        return Array.from({ length: n }, (_, i) => all.slice(i * bits, (i + 1) * bits));
      });
      this.#bits.set(t.name, out);
    }
    return out;
  }
  /** eq(point, id) for every position of a one-hot tensor, a product over the id's bits; zero where its highest bit is set. */
  selected(t: TensorSpec, slot: string, point: readonly Elem[]): Elem[] {
    const key = `${t.name}@${slot}`,
      ch = this.ch,
      hit = this.#selected.get(key);
    if (hit) return hit;
    const z = [...point].reverse(),
      one = ch.constant(1n),
      not = z.map((x) => ch.sub(one, x));
    const out = this.bits(t).map((bits) =>
      z.reduce((e, x, v) => ch.mul(e, ch.select(bits[v], x, not[v])), ch.select(bits[z.length], ch.constant(0n), one)),
    );
    this.#selected.set(key, out);
    return out;
  }
  dense(t: TensorSpec): readonly Elem[] {
    return packing(this.plan.program, t).bits ? this.bits(t).map(([b]) => b) : this.st.publics.get(t.name)!;
  }
}

/**
 * Extension of a public operand: closed form for the causal mask, linear in positions for one-hot, in cells for dense ones.
 */
export function evalPublic(ch: Channel, plan: Plan, f: Factor, publics: PublicValues, points: Points): Elem {
  const t = f.tensor,
    sizes = t.axes.map((x) => plan.program.axes[x]);
  const point = f.slots.map((s) => {
    if (s.kind === 'index' || s.stride !== 1 || s.offset !== 0) throw new Error(`public tensor ${t.name} must be accessed whole`);
    return s.kind === 'rho' ? points.rho.slice(s.from, s.to) : points.axes.get(s.axis)!;
  });
  if (t.publicKind === 'causal') return causal(ch, point[0], point[1], sizes[0]);
  const first = t.publicKind === 'onehot' ? 1 : 0,
    zero = ch.constant(0n);
  let eq: Elem[] = [ch.constant(1n)];
  for (let d = first; d < sizes.length; d++) {
    const table = eqTable(ch, point[d], sizes[d]);
    eq = eq.flatMap((x) => table.map((y) => ch.mul(x, y)));
  }
  if (t.publicKind !== 'onehot') return publics.dense(t).reduce((sum, x, k) => ch.mulAdd(eq[k], x, sum), zero);
  return publics.selected(t, slotName(f.slots[0]), point[0]).reduce((sum, e, k) => ch.mulAdd(eq[k], e, sum), zero);
}

const slotName = (s: Factor['slots'][number]): string => (s.kind === 'rho' ? `${s.from}-${s.to}` : s.kind === 'axis' ? s.axis : '');
