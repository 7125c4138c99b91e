import { CircuitChannel } from '../circuit/channel.js';
import { fixedColumns } from '../circuit/columns.js';
import { heightsOf } from '../circuit/heights.js';
import { circuitProgram } from '../circuit/program.js';
import { KINDS, byKind, rowCount } from '../circuit/rows.js';
import { UnsupportedError } from '../errors.js';
import { DOMAIN, hashWords } from '../hash/poseidon2.js';
import { makePlan } from '../tensor/plan.js';
import type { Elem } from '../transcript/arith.js';
import type { RecursionClass } from './class.js';
import { type EndInput, type EndShape, endOptions, settledChild } from './end.js';
import { type ChildShape, type FoldInput, KIND_BITS, type KindBits, type NodeWires, verifyChild } from './fold.js';
import { slotsOf } from './key.js';
import { mergeClaims } from './merge.js';
import { settleShape } from './settle-shape.js';
import { type Field, type NodeStatement, endLayout, layout, recordOf } from './statement.js';
import { constants, flat, hints, publish, unflat } from './wires.js';

/*
 * Bundle: verifies two nodes that need not be neighbours, nor of one run: units that were drawn here and there. Each is
 * a range (a leaf, a fold) or a bundle; key, programs and frozen digest are the same, nothing else is.
 *
 *   d(range)   hash in the domain `unit` of the words of UNIT: whose run, which rows, from which place, state and
 *              chains to which
 *   d(bundle)  the word field `dataset` of its statement
 *   dataset    hash in the domain `bundle` of d(left) and d(right)
 *
 * All other words of a range are zero in a bundle's statement. A bundle stands in the last slot of a class, which has
 * kind 3. That of a run's class is the fold, and kind 3 is refused there (fold.ts): so a bundle is a child of no fold
 * and of no end of a run, and its key is another one than the run's. The end of a bundle takes one node, either kind,
 * and publishes its digest in the place of whatever a range says.
 *
 * What no record of a federated round says is no word of UNIT either: the chain of targets and the sum of losses.
 */
export const BUNDLE_KIND = 3;

/** Words of a range that a bundle binds, in this order. */
export const UNIT = [
  'context',
  'dataset',
  'epoch',
  'policy',
  'posIn',
  'posOut',
  'sIn',
  'aIn',
  'sOut',
  'aOut',
  'lossesIn',
  'lossesOut',
  'countersIn',
  'countersOut',
  'epochsIn',
  'epochsOut',
] as const;
export type UnitStatement = Pick<NodeStatement, (typeof UNIT)[number]>;

/** Where a bundle's statement has its digest. */
export const BUNDLE_FIELD = 'dataset';

/** What is the same in both children, and in what comes of them. */
const SAME: readonly Field[] = ['key', 'program', 'frozen'];

/** Digest of a unit, and of two digests: what the circuit computes. */
export const unitDigest = (st: UnitStatement): bigint[] =>
  hashWords(
    DOMAIN.unit,
    UNIT.flatMap((f) => [...st[f]]),
  );
export const pairDigest = (left: readonly bigint[], right: readonly bigint[]): bigint[] => hashWords(DOMAIN.bundle, [...left, ...right]);

/** Where a list of so many is cut in two: the left part is the largest power of two that leaves something. */
export function bundleCut(n: number): number {
  let left = 1;
  while (2 * left < n) left *= 2;
  return left;
}

/** What a list of units comes to, in their order. Throws RangeError for none. */
export function bundleOf<T>(list: readonly T[], join: (left: T, right: T) => T): T {
  if (list.length === 0) throw new RangeError('there is nothing to bundle');
  if (list.length === 1) return list[0];
  const at = bundleCut(list.length);
  return join(bundleOf(list.slice(0, at), join), bundleOf(list.slice(at), join));
}

/** A range or a bundle: of two range circuits the class has no kind 2. */
const anyKind: KindBits = (ch, s, kind) => {
  const [b0, b1] = ch.split(kind, KIND_BITS);
  if (s.circuits === 2) ch.assertEqual(b1, ch.mul(b0, b1), 'kind');
  return [b0, b1];
};

/** Digest of a child, by the bits of its kind: a bundle's stands in its statement. */
function digestOf(ch: CircuitChannel, w: NodeWires, [b0, b1]: readonly [Elem, Elem]): Elem[] {
  const bundle = ch.mul(b0, b1),
    unit = ch.hash(
      DOMAIN.unit,
      UNIT.flatMap((f) => [...w[f]]),
    );
  return unit.map((d, i) => ch.select(bundle, w[BUNDLE_FIELD][i], d));
}

/** Words of a bundle: those that its children share and its digest, zeros everywhere else. */
function bundleWires<F extends string>(
  ch: CircuitChannel,
  sizes: ReadonlyMap<F, number>,
  w: NodeWires,
  digest: readonly Elem[],
  own: Partial<Record<F, readonly Elem[]>>,
): Record<F, readonly Elem[]> {
  const shared: Readonly<Record<string, readonly Elem[]>> = {
    ...Object.fromEntries(SAME.map((f) => [f, w[f]])),
    [BUNDLE_FIELD]: digest,
  };
  return recordOf(sizes.keys(), (f) => own[f] ?? shared[f] ?? constants(ch, Array<bigint>(sizes.get(f)!).fill(0n)));
}

export function bundleCircuit(ch: CircuitChannel, s: ChildShape, given?: FoldInput): void {
  const sizes = layout(s.baseVars, s.keyVars),
    [L, R] = given?.children.map((c) => c.statement) ?? [],
    own = (f: Field, st?: NodeStatement): readonly Elem[] => hints(ch, sizes.get(f)!, st?.[f]),
    left: NodeWires = recordOf(sizes.keys(), (f) => own(f, L)),
    right: NodeWires = recordOf(sizes.keys(), (f) => (SAME.includes(f) ? left[f] : own(f, R)));
  const done = [left, right].map((w, i) => {
    const bits = anyKind(ch, s, w.kind[0]);
    return { claim: verifyChild(ch, s, w, given?.children[i].proof, () => bits), digest: digestOf(ch, w, bits) };
  });
  ch.open(given?.mergeBase);
  const base = mergeClaims(ch, s.baseVars, left.frozen, [unflat(ch, left.base), unflat(ch, right.base)]);
  ch.finish();
  ch.open(given?.mergeColumns);
  const columns = mergeClaims(ch, s.keyVars, left.key, [...done.map((d) => d.claim), unflat(ch, left.columns), unflat(ch, right.columns)]);
  ch.finish();
  publish(
    ch,
    bundleWires(
      ch,
      sizes,
      left,
      ch.hash(
        DOMAIN.bundle,
        done.flatMap((d) => d.digest),
      ),
      {
        kind: [ch.constant(BigInt(BUNDLE_KIND))],
        base: flat(ch, base),
        columns: flat(ch, columns),
      },
    ),
    sizes,
  );
}

/** End of a bundle, or of one unit alone. */
export function bundleEndCircuit(ch: CircuitChannel, s: EndShape, given?: EndInput): void {
  const sizes = endLayout(s.baseVars);
  let digest: readonly Elem[] = [];
  const { w, root } = settledChild(ch, s, given, (x, shape, kind, node) => {
    const bits = anyKind(x, shape, kind);
    digest = digestOf(x, node, bits);
    return bits;
  });
  publish(ch, bundleWires(ch, sizes, w, digest, { base: w.base, root }), sizes);
}

/**
 * The class of a run with a circuit more, that bundles its nodes: fold and leaves are the run's own, the end is that of
 * bundles. Its key is another one, and its nodes are proved under that. Throws UnsupportedError where no slot is left,
 * or the class is too small.
 */
export function bundleClass(c: RecursionClass): RecursionClass {
  const ranges = c.circuits.length;
  if (ranges > BUNDLE_KIND)
    throw new UnsupportedError([`bundles: the run has ${ranges} circuits of its own, one too many: use batch = microBatch`]);
  const { plan, child } = c,
    { heights } = c.circuits[0],
    { bits, grinding } = plan.options,
    bundle = recorded((ch) => bundleCircuit(ch, child)),
    large = KINDS.filter((x) => heightsOf(bundle)[x] > heights[x]);
  if (large.length) throw new UnsupportedError([`bundles: a node of this run is too small for one (rows ${large.join(', ')})`]);
  // A slot between, where the run has one leaf circuit, holds the fold as it does in the run's own key.
  const slots = [...c.circuits, ...c.circuits.slice(0, BUNDLE_KIND - ranges)],
    shape: EndShape = {
      ...c.end.shape,
      keyShape: settleShape(
        child.keyVars,
        (slotsOf(slots.length + 1) - 1) * 2 ** plan.frozenVars + plan.layouts.get('frozen')!.cells,
        { bits, grinding },
        'key',
      ),
    },
    end = recorded((ch) => bundleEndCircuit(ch, shape)),
    endHeights = heightsOf(end),
    circuit = { heights: endHeights, program: circuitProgram(endHeights), fixed: fixedColumns(end, endHeights) };
  return {
    ...c,
    circuits: [...slots, { heights, program: plan.program, fixed: fixedColumns(bundle, heights) }],
    end: { plan: makePlan(circuit.program, endOptions(plan.options)), shape, circuit },
    rows: [bundle, end].map((ch) => byKind((x) => rowCount(ch.rows, x))),
  };
}

const recorded = (f: (ch: CircuitChannel) => void): CircuitChannel => {
  const ch = new CircuitChannel();
  f(ch);
  return ch;
};
