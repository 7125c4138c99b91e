import type { CircuitChannel } from '../circuit/channel.js';
import type { Plan } from '../tensor/plan.js';
import { verifyStatement } from '../tensor/verify.js';
import type { Elem } from '../transcript/arith.js';
import { RECURSION_VERSION } from './key.js';
import { mergeClaims } from './merge.js';
import { ENTER, type Field, LEAVE, type NodeStatement, SHARED, layout, recordOf } from './statement.js';
import { type Claim, flat, hints, publish, unflat } from './wires.js';

/*
 * Fold: verifies two proofs of the plan of its own height class, each under the circuit that its kind names. Key,
 * programs, context, dataset, frozen digest and batches in an epoch are the parent's, the right child begins where the
 * left one ends: same wires, nothing to compare. Claims on the frozen stack are merged (one of each child), and
 * likewise those on the fixed columns: the two that verifying the children leaves and the two they carry.
 *
 * The stack of fixed columns is that of every circuit of the class in turn, each padded to 2^(keyVars - 2): kind = 2 b1
 * + b0 is checked by a split, and (b1, b0) are the first variables of a claim's point. A kind that no circuit has is
 * refused; its slot holds the fold (slotsOf).
 */

/** What a fold or an end verifies. */
export interface ChildShape {
  readonly plan: Plan;
  /** Number of circuits in the class: the fold and one to three leaves. */ readonly circuits: number;
  readonly baseVars: number;
  readonly keyVars: number;
}
export type NodeWires = Record<Field, readonly Elem[]>;

/** Variables that a kind takes in front of a point of the fixed columns. */
export const KIND_BITS = 2;

/** Bits of a child's kind, of which only those pass that `s` has circuits for. */
export type KindBits = (ch: CircuitChannel, s: ChildShape, kind: Elem) => readonly [b0: Elem, b1: Elem];

/** A fold or a leaf: the only children that a fold has, and an end of a run. */
const rangeKind: KindBits = (ch, s, kind) => {
  const zero = ch.constant(0n),
    [b0, b1] = ch.split(kind, s.circuits > 2 ? KIND_BITS : 1),
    high = b1 ?? zero;
  if (s.circuits === 3) ch.assertEqual(ch.mul(b0, high), zero, 'kind');
  return [b0, high];
};

/**
 * Verifies a child's proof under the circuit that its kind names; the claim on the fixed columns that this leaves.
 */
export function verifyChild(ch: CircuitChannel, s: ChildShape, w: NodeWires, proof?: BigUint64Array, kinds: KindBits = rangeKind): Claim {
  const zero = ch.constant(0n),
    words = [...layout(s.baseVars, s.keyVars).keys()].flatMap((f) => [...w[f]]),
    total = s.plan.program.axes['rowU'];
  const [b0, high] = kinds(ch, s, w.kind[0]);
  while (words.length < total) words.push(zero);
  ch.open(proof);
  const { point, value } = verifyStatement(ch, s.plan, {
    context: Array<Elem>(8).fill(zero),
    publics: new Map([['public', words]]),
    frozen: keyWords(w.key, w.kind[0], ch.constant(BigInt(RECURSION_VERSION)), zero),
    roots: {},
  }).take();
  ch.finish();
  // Bits as elements that can be taken apart into words.
  return { point: [ch.compose(high, zero, zero), ch.compose(b0, zero, zero), ...point], value };
}

/** Frozen digest of a circuit's program: root of all fixed columns, number of the circuit, version of the recursion. */
export const keyWords = <T>(root: readonly T[], kind: T, version: T, zero: T): T[] => [...root, kind, version, zero, zero];

export interface FoldInput {
  readonly children: readonly { readonly proof: BigUint64Array; readonly statement: NodeStatement }[];
  readonly mergeBase: BigUint64Array;
  readonly mergeColumns: BigUint64Array;
}

export function foldCircuit(ch: CircuitChannel, s: ChildShape, given?: FoldInput): void {
  const sizes = layout(s.baseVars, s.keyVars),
    [L, R] = given?.children.map((c) => c.statement) ?? [],
    all = [...sizes.keys()];
  const own = (f: Field, st?: NodeStatement): readonly Elem[] => hints(ch, sizes.get(f)!, st?.[f]);
  const left: NodeWires = recordOf(all, (f) => own(f, L)),
    same = new Map<Field, readonly Elem[]>([
      ...SHARED.map((f) => [f, left[f]] as const),
      ...ENTER.map((f, i) => [f, left[LEAVE[i]]] as const),
    ]),
    right: NodeWires = recordOf(all, (f) => same.get(f) ?? own(f, R));
  const verified = [left, right].map((w, i) => verifyChild(ch, s, w, given?.children[i].proof));
  const columns = [...verified, unflat(ch, left.columns), unflat(ch, right.columns)];
  ch.open(given?.mergeBase);
  const base = mergeClaims(ch, s.baseVars, left.frozen, [unflat(ch, left.base), unflat(ch, right.base)]);
  ch.finish();
  ch.open(given?.mergeColumns);
  const merged = mergeClaims(ch, s.keyVars, left.key, columns);
  ch.finish();
  publish(
    ch,
    {
      ...left,
      ...Object.fromEntries(LEAVE.map((f) => [f, right[f]])),
      kind: [ch.constant(0n)],
      loss: [ch.add(left.loss[0], right.loss[0])],
      base: flat(ch, base),
      columns: flat(ch, merged),
    },
    sizes,
  );
}
