import { CircuitChannel } from '../circuit/channel.js';
import { type Circuit, fixedColumns } from '../circuit/columns.js';
import { type Heights, heightsOf, highest } from '../circuit/heights.js';
import { circuitProgram } from '../circuit/program.js';
import { KINDS, byKind, rowCount } from '../circuit/rows.js';
import { type Plan, type ProofOptions, hashOf, makePlan } from '../tensor/plan.js';
import { settleShape } from './settle-shape.js';
import { type EndShape, endCircuit, endOptions } from './end.js';
import { type ChildShape, KIND_BITS, foldCircuit } from './fold.js';
import { slotsOf } from './key.js';
import { type LeafShape, type RunShape, leafCircuit } from './leaf.js';

/** Most program proofs in one leaf. */
const MOST = 16;

/** Fold, leaves and end of a run: the nodes share one program (heights, columns, constraints), the end has its own. */
export interface RecursionClass {
  readonly plan: Plan;
  readonly run: RunShape;
  readonly leaves: readonly LeafShape[];
  readonly child: ChildShape;
  /** By kind: the fold, then the leaves. */ readonly circuits: readonly Circuit[];
  readonly end: { readonly plan: Plan; readonly shape: EndShape; readonly circuit: Circuit };
  /** Rows in use, by circuit and kind, the end last; permutations are P and M. */ readonly rows: readonly Heights[];
}

/**
 * One kind of program proof of a run, and the lengths of the rows in which they come (steps of an epoch, micro-batches
 * of a step).
 */
export interface LeafWish {
  readonly kind: LeafShape['kind'];
  readonly plan: Plan;
  readonly rows: readonly number[];
}

const record = (f: (ch: CircuitChannel) => void): CircuitChannel => {
  const ch = new CircuitChannel();
  f(ch);
  return ch;
};
const fits = (a: Heights, b: Heights): boolean => KINDS.every((k) => a[k] <= b[k]);
const exact = (ch: CircuitChannel): Heights => byKind((k) => rowCount(ch.rows, k));

/** Leaves and folds when rows of these lengths are cut into pieces of `count`, and what is left one by one. */
const nodes = (rows: readonly number[], count: number): number => 2 * rows.reduce((n, x) => n + Math.floor(x / count) + (x % count), 0) - 1;

/**
 * Committed cells per row of each kind, multiplicities included (docs/protocol.md, section 10): what a node's proof
 * costs grows with them.
 */
const CELLS: Heights = { K: 1, W: 2, H: 4, E: 4, F: 13, S: 131, P: 142, M: 127, U: 2, Q: 3, G: 5, B: 5, D: 31, T: 4, I: 14 };
export const nodeCells = (h: Heights): number => KINDS.reduce((n, k) => n + CELLS[k] * h[k], 0);

/**
 * The height class of a run: the least heights (in the order of this search) that hold a leaf of one program proof of
 * every kind and a fold of two proofs of that same class; the fold's own rows depend on the heights only through
 * logarithms, so that the search ends after a few rounds. It is made for either kind of rows for ids and for a policy's
 * paths. Then so many program proofs share a leaf that cells per node times number of nodes is least. Poseidon2 only.
 */
export function recursionClass(run: Omit<RunShape, 'keyVars'>, wishes: readonly LeafWish[], options: ProofOptions): RecursionClass {
  if (wishes.some((w) => hashOf(w.plan) !== 'poseidon2')) throw new RangeError('circuits verify proofs whose hash is Poseidon2');
  let leaves: LeafShape[] = wishes.map(({ kind, plan }) => ({ kind, plan, count: 1 })),
    found = least(run, leaves, options);
  const shared = wishes.flatMap((w, i): LeafShape[] => {
    let count = 1,
      cost = nodeCells(found.heights) * nodes(w.rows, 1);
    for (let n = 2; n <= w.rows.reduce((a, x) => Math.max(a, Math.min(MOST, x)), 0); n++) {
      const shape = { ...leaves[i], count: n },
        cells = nodeCells(highest(found.heights, heightsOf(record((ch) => leafCircuit(ch, found.run, shape, 1)))));
      // Every fold pays for what a leaf needs beyond it, in time and in memory.
      if (cells > 1.25 * nodeCells(found.heights)) break;
      if (cells * nodes(w.rows, n) >= cost) continue;
      count = n;
      cost = cells * nodes(w.rows, n);
    }
    return count > 1 ? [{ ...leaves[i], count }] : [];
  });
  if (shared.length) {
    leaves = leaves.flatMap((l) => [...shared.filter((x) => x.kind === l.kind), l]);
    found = search(found.run, leaves, options, found.heights);
  }
  const { plan, heights, channels } = found,
    circuits = channels.map((ch) => ({ heights, program: plan.program, fixed: fixedColumns(ch, heights) }));
  const child: ChildShape = { plan, circuits: circuits.length, baseVars: run.baseVars, keyVars: found.run.keyVars };
  const main = wishes.find((w) => w.plan.frozenVars > 0)!.plan,
    shape: EndShape = {
      ...child,
      keyShape: settleShape(
        child.keyVars,
        (slotsOf(circuits.length) - 1) * 2 ** plan.frozenVars + plan.layouts.get('frozen')!.cells,
        options,
        'key',
      ),
      baseShape: settleShape(run.baseVars, main.layouts.get('frozen')!.cells, options, 'base'),
    };
  const end = record((ch) => endCircuit(ch, shape)),
    endHeights = heightsOf(end),
    circuit = { heights: endHeights, program: circuitProgram(endHeights), fixed: fixedColumns(end, endHeights) };
  return {
    plan,
    run: found.run,
    leaves,
    child,
    circuits,
    end: { plan: makePlan(circuit.program, endOptions(options)), shape, circuit },
    rows: [...channels, end].map(exact),
  };
}

/** What a search ends with. */
interface Found {
  readonly run: RunShape;
  readonly plan: Plan;
  readonly heights: Heights;
  readonly channels: readonly CircuitChannel[];
}

/**
 * Of two ways in which a leaf may do something the one that leaves the class fewer cells, first for its ids (products
 * of their bits, or rows that look them up), then for the paths of its policy (rows of M or of P); the first named
 * where both leave as many. A class is searched for where the fold at hand and such leaves would have fewer cells.
 */
function least(run: Omit<RunShape, 'keyVars'>, leaves: readonly LeafShape[], options: ProofOptions): Found {
  let found = search(run, leaves, options);
  const tried = (change: Partial<RunShape>): void => {
    const fold = heightsOf(found.channels[0]);
    if (fits(found.heights, fold)) return;
    const shape: RunShape = { ...found.run, ...change },
      own = leaves.map((l, i) => heightsOf(record((ch) => leafCircuit(ch, shape, l, i + 1))));
    if (nodeCells(own.reduce(highest, fold)) >= nodeCells(found.heights)) return;
    const other = search(shape, leaves, options);
    if (nodeCells(other.heights) < nodeCells(found.heights)) found = other;
  };
  tried({ lookUp: true });
  if (run.policy) tried({ policy: { ...run.policy, paths: 'permutations' } });
  return found;
}

function search(shape: Omit<RunShape, 'keyVars'>, leaves: readonly LeafShape[], options: ProofOptions, least?: Heights): Found {
  let keyVars = 16,
    heights = least;
  for (let round = 0; round < 12; round++) {
    const run: RunShape = { ...shape, keyVars },
      channels = leaves.map((l, i) => record((ch) => leafCircuit(ch, run, l, i + 1)));
    for (const ch of channels) heights = heights ? highest(heights, heightsOf(ch)) : heightsOf(ch);
    for (;;) {
      const now: Heights = heights!,
        plan = makePlan(circuitProgram(now), options);
      if (plan.frozenVars + KIND_BITS !== keyVars) {
        keyVars = plan.frozenVars + KIND_BITS;
        break;
      }
      const fold = record((ch) => foldCircuit(ch, { plan, circuits: leaves.length + 1, baseVars: run.baseVars, keyVars }));
      heights = highest(now, heightsOf(fold));
      if (fits(heights, now)) return { run, plan, heights, channels: [fold, ...channels] };
    }
  }
  throw new Error('no height class holds its own fold');
}
