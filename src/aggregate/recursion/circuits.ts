import type { CircuitChannel } from '../../circuit/channel.js';
import { DOMAIN } from '../../hash/poseidon2.js';
import type { Plan } from '../../tensor/plan.js';
import { type Statement, contextWords, frozenDigest, isOut, packPublic, packing, publicTensors } from '../../tensor/statement.js';
import type { TensorClass } from '../../tensor/types.js';
import { verifyStatement } from '../../tensor/verify.js';
import type { Elem } from '../../transcript/arith.js';
import { mergeClaims } from '../merge/verify.js';
import { type Field, type NodeStatement, chained, layout } from './statement.js';

/*
 * The two circuits of recursion. Both end by publishing a node's statement; every published word is a wire of the circuit, so that the statement is
 * what was computed.
 *
 * Leaf: verifies the program proofs of one or more steps in order. Each enters the state that the last one left (same wires), absorbs the same context
 *   and, where it has frozen tensors, the same frozen digest; chains and loss are computed from its public words; several claims on the frozen stack
 *   are merged into one. `key` is free: a claim like any other, to be settled by whoever accepts the statement.
 * Fold: verifies two proofs of circuits of its own height class, each under the leaf key or the fold key as its kind (one checked bit) says. The keys,
 *   context and frozen digest of the children are those of the parent, the right child enters where the left one ends: same wires, nothing to compare.
 *   Claims on the frozen stack are merged, and likewise the claims on keys: the two that verifying the children leaves and the two they carry.
 *   The stack of keys is the leaf key's and the fold key's, each padded to 2^vars: the kind is the first variable of a claim's point.
 */

/** What a leaf verifies: plans of its program proofs, in order, and the number of steps they make. */
export interface LeafShape {
  readonly plans: readonly Plan[];
  readonly steps: number;
  /** Commitment of zero accumulators, with which the first micro-batch begins. */ readonly zeroAcc?: readonly bigint[];
  readonly baseVars: number;
  readonly keyVars: number;
}
export interface LeafInput {
  readonly parts: readonly { readonly proof: BigUint64Array; readonly statement: Statement }[];
  /** Proof of the merge of the parts' claims, where there are several. */ readonly merge?: BigUint64Array;
  readonly leafKey: readonly bigint[];
  readonly foldKey: readonly bigint[];
  readonly from: number;
  readonly dataIn: readonly bigint[];
  readonly scalarsIn: readonly bigint[];
  /** First word of the stack of keys: a claim that holds, at the point zero. */ readonly key0: bigint;
}

type Wires = Record<Field, readonly Elem[]>;

const hints = (ch: CircuitChannel, n: number, v?: readonly bigint[]): Elem[] => Array.from({ length: n }, (_, k) => ch.word(v?.[k] ?? 0n));
const constants = (ch: CircuitChannel, v: readonly bigint[]): Elem[] => v.map((w) => ch.constant(w));

function publish(ch: CircuitChannel, wires: Wires, sizes: ReadonlyMap<Field, number>): void {
  for (const [f, n] of sizes) {
    if (wires[f].length !== n) throw new Error(`field ${f} has ${wires[f].length} words, expected ${n}`);
    for (const e of wires[f]) ch.assertEqual(ch.publicWord(ch.value(e)[0]), e, `statement ${f}`);
  }
}

/** A claim's words, and back. */
const flat = (ch: CircuitChannel, c: { point: readonly Elem[]; value: Elem }): Elem[] =>
  [...c.point, c.value].flatMap((e) => [...ch.coordinates(e)]);
function unflat(ch: CircuitChannel, w: readonly Elem[]): { point: Elem[]; value: Elem } {
  const all = Array.from({ length: w.length / 3 }, (_, k) => ch.compose(w[3 * k], w[3 * k + 1], w[3 * k + 2]));
  return { point: all.slice(0, -1), value: all[all.length - 1] };
}

/** State that a class of commitments carries. */
const part = (c: TensorClass): 'c' | 'o' | 'a' => c[0] as 'c' | 'o' | 'a';

export function leafCircuit(ch: CircuitChannel, s: LeafShape, given?: LeafInput): void {
  const first = given?.parts[0].statement,
    enter = (c: 'c' | 'o'): Elem[] => {
      const from = given?.parts.find((x) => x.statement.roots[`${c}In`])?.statement.roots[`${c}In`];
      return hints(ch, 10, from);
    };
  const context = hints(ch, 8, first && contextWords(first)),
    frozen = hints(ch, 8, given?.parts[s.plans.findIndex((p) => p.frozenVars > 0)]?.statement.frozen),
    none = constants(ch, frozenDigest(new BigInt64Array(0)));
  const cIn = enter('c'),
    oIn = enter('o'),
    from = ch.word(BigInt(given?.from ?? 0)),
    dataIn = hints(ch, 4, given?.dataIn),
    scalarsIn = hints(ch, 4, given?.scalarsIn);
  const now: Record<'c' | 'o' | 'a', readonly Elem[]> = { c: cIn, o: oIn, a: constants(ch, s.zeroAcc ?? Array<bigint>(10).fill(0n)) };
  let data: readonly Elem[] = dataIn,
    scalars: readonly Elem[] = scalarsIn,
    loss = ch.constant(0n);
  const claims: { point: readonly Elem[]; value: Elem }[] = [];
  s.plans.forEach((plan, i) => {
    const p = plan.program,
      g = given?.parts[i];
    const publics = new Map(
      publicTensors(p).map(
        (t) => [t.name, hints(ch, packing(p, t).words, g && packPublic(p, t, g.statement.publics.get(t.name)))] as const,
      ),
    );
    const roots = Object.fromEntries(plan.stateClasses.map((c) => [c, isOut(c) ? hints(ch, 10, g?.statement.roots[c]) : now[part(c)]]));
    ch.open(g?.proof);
    const { point, value } = verifyStatement(ch, plan, { context, frozen: plan.frozenVars > 0 ? frozen : none, publics, roots }).take();
    ch.finish();
    if (plan.frozenVars > 0) claims.push({ point, value });
    for (const c of plan.stateClasses) if (isOut(c)) now[part(c)] = roots[c];
    // A new step starts from zero accumulators.
    if (plan.stateClasses.includes('cOut')) now.a = constants(ch, s.zeroAcc ?? Array<bigint>(10).fill(0n));
    const link = (chain: 'data' | 'scalars', before: readonly Elem[]): Elem[] =>
      ch.hash(DOMAIN.statement, [...before, ...chained(p, chain).flatMap((n) => [...publics.get(n)!])]);
    data = link('data', data);
    scalars = link('scalars', scalars);
    const l = publics.get('loss');
    if (l) loss = ch.add(loss, l[0]);
  });
  let base = claims[0];
  if (claims.length > 1) {
    ch.open(given && (given.merge ?? new BigUint64Array(0)));
    base = mergeClaims(ch, s.baseVars, frozen, claims);
    ch.finish();
  }
  publish(
    ch,
    {
      kind: [ch.constant(0n)],
      leafKey: hints(ch, 8, given?.leafKey),
      foldKey: hints(ch, 8, given?.foldKey),
      context,
      frozen,
      cIn,
      oIn,
      cOut: now.c,
      oOut: now.o,
      from: [from],
      to: [ch.add(from, ch.constant(BigInt(s.steps)))],
      dataIn,
      dataOut: data,
      scalarsIn,
      scalarsOut: scalars,
      loss: [loss],
      base: flat(ch, base),
      key: [...constants(ch, Array<bigint>(3 * s.keyVars).fill(0n)), ch.word(given?.key0 ?? 0n), ch.constant(0n), ch.constant(0n)],
    },
    layout(s.baseVars, s.keyVars),
  );
}

/** What a fold verifies: two proofs of the plan of its own height class. */
export interface FoldShape {
  readonly plan: Plan;
  readonly baseVars: number;
  readonly keyVars: number;
}
export interface FoldInput {
  readonly children: readonly { readonly proof: BigUint64Array; readonly statement: NodeStatement }[];
  readonly mergeBase: BigUint64Array;
  readonly mergeKey: BigUint64Array;
}

export function foldCircuit(ch: CircuitChannel, s: FoldShape, given?: FoldInput): void {
  const sizes = layout(s.baseVars, s.keyVars),
    [L, R] = given?.children.map((c) => c.statement) ?? [];
  const fields = [...sizes.keys()],
    own = (list: readonly Field[], st?: NodeStatement): Partial<Wires> =>
      Object.fromEntries(list.map((f) => [f, hints(ch, sizes.get(f)!, st?.[f])]));
  const left = own(fields, L) as Wires,
    shared = {
      leafKey: left.leafKey,
      foldKey: left.foldKey,
      context: left.context,
      frozen: left.frozen,
      cIn: left.cOut,
      oIn: left.oOut,
      from: left.to,
      dataIn: left.dataOut,
      scalarsIn: left.scalarsOut,
    };
  const right = {
    ...own(
      fields.filter((f) => !(f in shared)),
      R,
    ),
    ...shared,
  } as Wires;
  const zero = ch.constant(0n),
    total = s.plan.program.axes['rowU'],
    keys: { point: readonly Elem[]; value: Elem }[] = [];
  [left, right].forEach((w, i) => {
    const [fold] = ch.split(w.kind[0], 1),
      words = fields.flatMap((f) => [...w[f]]);
    while (words.length < total) words.push(zero);
    ch.open(given?.children[i].proof);
    const { point, value } = verifyStatement(ch, s.plan, {
      context: Array<Elem>(8).fill(zero),
      publics: new Map([['public', words]]),
      frozen: w.leafKey.map((x, k) => ch.select(fold, w.foldKey[k], x)),
      roots: {},
    }).take();
    ch.finish();
    // One bit, as an element that can be taken apart into words.
    keys.push({ point: [ch.compose(fold, zero, zero), ...point], value });
  });
  keys.push(unflat(ch, left.key), unflat(ch, right.key));
  ch.open(given?.mergeBase);
  const base = mergeClaims(ch, s.baseVars, left.frozen, [unflat(ch, left.base), unflat(ch, right.base)]);
  ch.finish();
  ch.open(given?.mergeKey);
  const key = mergeClaims(ch, s.keyVars, [...left.leafKey, ...left.foldKey], keys);
  ch.finish();
  publish(
    ch,
    {
      ...left,
      kind: [ch.constant(1n)],
      cOut: right.cOut,
      oOut: right.oOut,
      to: right.to,
      dataOut: right.dataOut,
      scalarsOut: right.scalarsOut,
      loss: [ch.add(left.loss[0], right.loss[0])],
      base: flat(ch, base),
      key: flat(ch, key),
    },
    sizes,
  );
}
