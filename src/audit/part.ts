import type { CircuitChannel } from '../circuit/channel.js';
import { type Circuit, compileCircuit } from '../circuit/columns.js';
import { circuitKey } from '../circuit/key.js';
import { expose } from '../circuit/verifier.js';
import { log2Ceil } from '../field/log2.js';
import { DOMAIN } from '../hash/poseidon2.js';
import type { Kernels } from '../kernels/runtime.js';
import { type RowFacts, ROW_VERSION } from '../policy/rows/digest.js';
import type { Manifest } from '../run/manifest.js';
import { GRINDING } from '../run/programs.js';
import { type Plan, makePlan } from '../tensor/plan.js';
import type { Elem, Ext } from '../transcript/arith.js';

/*
 * A part of the count: 2^height leaves of the dataset's tree, from a place that the verifier knows. The circuit hashes
 * every row's content digest and facts to its leaf, leaves to the root of their subtree, and publishes
 *
 *   x          the verifier's challenge, which depends on manifest and totals
 *   root       of the subtree
 *   rows       sum over the rows of 1 / (x - class)
 *   targets    sum over the rows of targets / (x - class)
 *
 * Where N rows are in some order and the list has n_c rows of class c, the sums over all rows are sum_c n_c / (x - c)
 * and sum_c t_c / (x - c), whatever the order: a logarithmic derivative (Haböck, "Multivariate lookups based on
 * logarithmic derivatives", 2022). Rows are fixed by the dataset's root before x is, so that other totals agree for few
 * x only. The circuit depends on neither the number of classes nor the totals.
 */

/** Most leaves of a part, as a power of two: such a part takes about as long as a node of a folded proof. */
export const MOST_HEIGHT = 12;

/** What a part's circuit depends on. */
export interface PartShape {
  /** Levels of the subtree. */ readonly height: number;
  /** A row has fewer targets than 2^targetBits. */ readonly targetBits: number;
}

/** A row as the count takes it. */
export interface CountedRow extends RowFacts {
  readonly content: readonly bigint[];
}

/** Public words of a part, in the circuit's order. */
export interface PartStatement {
  readonly root: readonly bigint[];
  readonly rows: Ext;
  readonly targets: Ext;
}

/** What a prover gives for a part. Missing rows are empty leaves. */
export interface PartInput {
  readonly challenge: Ext;
  readonly rows: readonly CountedRow[];
}

/** Shape of all parts of a dataset. */
export const partShape = (m: Manifest): PartShape => ({
  height: Math.min(MOST_HEIGHT, Math.max(1, log2Ceil(m.dataset.examples))),
  targetBits: Math.max(1, log2Ceil(m.config.train.sequence)),
});

/** Parts of a dataset of so many rows: those that hold any. */
export const partCount = (rows: number, s: PartShape): number => Math.ceil(rows / 2 ** s.height);

/** Public words of a part's proof: see PartStatement. */
export const partWords = (challenge: Ext, s: PartStatement): bigint[] => [...challenge, ...s.root, ...s.rows, ...s.targets];

/** Free words of a row, by name: for tests of dishonest provers. */
export const ROW_WORDS = ['content', 'content', 'content', 'content', 'class', 'targets', 'length', 'counted'] as const;

/**
 * Free: content, class and length, bound by the row's digest and with it the root; targets, bound likewise, and in
 * range, so that no sum of them wraps; `counted`, a bit: a row that is called empty leaves an empty leaf.
 */
function leaf(ch: CircuitChannel, s: PartShape, x: Elem, row: CountedRow | undefined): { digest: Elem[]; weight: Elem; targets: Elem } {
  const word = (v: bigint | number | undefined): Elem => ch.word(BigInt(v ?? 0)),
    content = Array.from({ length: 4 }, (_, k) => word(row?.content[k])),
    cls = word(row?.class),
    targets = word(row?.targets),
    length = word(row?.length),
    counted = word(row && 1),
    digest = ch.hash(DOMAIN.row, [...content, cls, targets, length, ch.constant(BigInt(ROW_VERSION))]);
  ch.assertEqual(ch.mul(counted, counted), counted, 'row counted');
  ch.split(targets, s.targetBits, 'targets of a row');
  return {
    digest: digest.map((d) => ch.mul(counted, d)),
    weight: ch.mul(counted, ch.inverse(ch.sub(x, cls))),
    targets,
  };
}

/** The circuit of a part; `given` is absent where it is built from its shape. */
export function partCircuit(ch: CircuitChannel, s: PartShape, given?: PartInput): void {
  const [a, b, c] = [0, 1, 2].map((k) => ch.publicWord(given?.challenge[k] ?? 0n)),
    x = ch.compose(a, b, c),
    leaves = Array.from({ length: 2 ** s.height }, (_, r) => leaf(ch, s, x, given?.rows[r]));
  let level: readonly (readonly Elem[])[] = leaves.map((l) => l.digest),
    rows = ch.constant(0n),
    targets = ch.constant(0n);
  for (const l of leaves) {
    rows = ch.add(rows, l.weight);
    targets = ch.mulAdd(l.weight, l.targets, targets);
  }
  while (level.length > 1) {
    const below = level;
    level = Array.from({ length: below.length / 2 }, (_, k) => ch.compress(below[2 * k], below[2 * k + 1]));
  }
  for (const w of level[0]) ch.assertEqual(ch.publicWord(ch.value(w)[0]), w, 'root of a part');
  expose(ch, rows);
  expose(ch, targets);
}

/** Circuit, plan and fixed columns of a dataset's parts: a function of their shape. */
export interface Parts {
  readonly shape: PartShape;
  readonly plan: Plan;
  readonly circuit: Circuit;
  /** Fixed columns, and their digest. */
  readonly key: { readonly stack: BigInt64Array; readonly digest: readonly bigint[] };
}

/** `bits` of soundness are those of the run. */
export function partsOf(k: Kernels, shape: PartShape, bits: number): Parts {
  const circuit = compileCircuit((ch) => partCircuit(ch, shape)),
    plan = makePlan(circuit.program, { bits, grinding: GRINDING, rate: 2, stateRate: 2 });
  return { shape, plan, circuit, key: circuitKey(k, plan, circuit.fixed) };
}
