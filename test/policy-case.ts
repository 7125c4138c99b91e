/** A small data set, its policy, and the policy part of a leaf without program proofs: for tests. */
import { CircuitChannel } from '../src/circuit/channel.js';
import type { RowHook } from '../src/circuit/rows.js';
import { inv } from '../src/field/goldilocks.js';
import { clipConstant, scheduleScalars } from '../src/optim/constants.js';
import { type Bin, classRows } from '../src/policy/classes/table.js';
import type { ClassFacts } from '../src/policy/classes/predicate.js';
import { FREE, type Counters } from '../src/policy/classes/quotas.js';
import { ALL_PRIVATE, beaconWords, keyCommitment, orderSeed, publicKey } from '../src/policy/order/keys.js';
import { compress } from '../src/hash/poseidon2.js';
import { type Row, contentDigest, rowDigest, rowShape, rowTargets, rowWords } from '../src/policy/rows/digest.js';
import { rowSalt } from '../src/policy/rows/opening.js';
import { emptyNode, tablePath, tableRoot } from '../src/policy/table.js';
import { RowTree } from '../src/policy/rows/tree.js';
import type { PolicyFacts } from '../src/policy/values.js';
import { type PolicyData, type PolicyState, PolicyWitness, lossWord } from '../src/prove/policy.js';
import type { Elem } from '../src/transcript/arith.js';
import { type BatchInput, type EndInput, type LeafPolicyShape, type PolicyInput, PolicyLeaf } from '../src/recursion/policy/leaf.js';

export const SHAPE = rowShape(8, 512);
const SECRETS = {
  salts: [11n, 12n, 13n, 14n],
  blinds: [15n, 16n, 17n, 18n],
  context: [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n],
  privateBlind: [5n, 6n, 7n, 8n],
};
export const KEYS = { private: [1n, 2n, 3n, 4n], public: publicKey('k') };

const row = (i: number): Row => ({
  tokens: Int32Array.from({ length: 8 }, (_, t) => (37 * i + 11 * t * t) % 512),
  mask: Uint8Array.from({ length: 8 }, (_, t) => (t > 2 + (i % 3) ? 1 : 0)),
  class: i % 3,
  length: 8 + (i % 5),
});
export const CLASSES: ClassFacts[] = [
  { source: 'a', license: 'MIT', language: 'en', tags: [] },
  { source: 'b', license: 'Apache-2.0', language: 'fr', tags: ['x'] },
  { source: 'c', license: 'LicenseRef-unknown', language: 'fr', tags: [] },
];
export const BINS: Bin[] = [
  { name: 'english', where: { language: ['en'] } },
  { name: 'known', where: { license: ['MIT', 'Apache-2.0'] } },
];

type Committed = PolicyData & { readonly tree: Pick<RowTree, 'root'> };
const data = new Map<string, Committed>();
/** Rows and their tree, kept; `order` sorts them first. */
export function dataOf(n: number, sort?: (i: number) => number): Committed {
  const key = `${n}/${sort ? 'sorted' : ''}`;
  let d = data.get(key);
  if (!d) {
    const rows = Array.from({ length: n }, (_, i) => row(i)),
      tree = new RowTree(SHAPE, SECRETS.salts);
    if (sort) rows.sort((x, y) => sort(x.class) - sort(y.class));
    for (const r of rows) tree.push(r);
    tree.root();
    d = { shape: SHAPE, rows, tree };
    data.set(key, d);
  }
  return d;
}

/** A committer who takes rows as they are: the tree of any rows, also of those that no honest one holds. */
export function forgedData(rows: readonly Row[], depth: number): Committed {
  const digests = rows.map((r, i) =>
      rowDigest(contentDigest(rowSalt(SECRETS.salts, i), rowWords(SHAPE, r)), {
        class: r.class,
        targets: rowTargets(SHAPE, r),
        length: r.length,
      }),
    ),
    levels = [digests];
  for (let d = 0; d < depth; d++)
    levels.push(
      Array.from({ length: Math.ceil(levels[d].length / 2) }, (_, k) => compress(levels[d][2 * k], levels[d][2 * k + 1] ?? emptyNode(d))),
    );
  const flat = levels.map((l) => BigUint64Array.from(l.flat()));
  return { shape: SHAPE, rows, tree: { root: () => tableRoot(flat), path: (i) => tablePath(flat, i) } };
}

/** Scalars of 60 steps; clip 0.3, which no power of two makes whole. */
export const SCHEDULE = Array.from({ length: 60 }, (_, t) => [BigInt(1000 + t), 7n, 9n]);
const CLIP_CONSTANT = clipConstant(0.3);

/** A run's policy over n rows. */
export function policyRun(n: number, change: Partial<PolicyFacts> = {}, sorted = false, own?: Committed): PolicyWitness {
  const d = own ?? dataOf(n, sorted ? (c) => c : undefined);
  const facts: PolicyFacts = {
    root: d.tree.root(),
    rows: n,
    epochExamples: n,
    batch: 4,
    shortBatch: 'keep',
    replacement: false,
    modes: ALL_PRIVATE,
    privateKey: keyCommitment(KEYS.private, SECRETS.privateBlind),
    publicKey: keyCommitment(KEYS.public),
    seed: orderSeed(Array<bigint>(8).fill(3n), beaconWords('beacon')),
    classes: classRows(CLASSES, BINS, null),
    quotas: [FREE, FREE],
    steps: SCHEDULE.length,
    schedule: SCHEDULE,
    clip: CLIP_CONSTANT,
    show: { losses: 'steps', targets: 'steps', totals: 'none' },
    sequence: 8,
    ...change,
  };
  return new PolicyWitness(facts, d, { ...SECRETS, keys: KEYS });
}

/** One program of a leaf as its prover gives it. */
export interface Part {
  rows: Row[];
  loss: bigint;
  scalars: bigint[];
  clip: bigint;
  batch: BatchInput;
  end: EndInput;
}
export type Kind = 'step' | 'micro' | 'update';
export interface LeafCase {
  input: PolicyInput;
  /** Step, micro-batches done, epoch, batches drawn, targets of the step. */ place: bigint[];
  epochs: readonly bigint[];
  parts: Part[];
}
export interface LeafOut {
  leaf: PolicyLeaf;
  counters: readonly Elem[];
  epochs: readonly Elem[];
  place: readonly Elem[];
  examples: Elem;
}

/** The policy part as the leaf calls it, program proofs apart: `size` rows in a program. */
export function policyLeaf(
  ch: CircuitChannel,
  shape: LeafPolicyShape,
  kind: Kind,
  count: number,
  size: number,
  given?: LeafCase,
  clip: 'clipN' | 'clipC' = 'clipN',
): LeafOut {
  const words = (n: number, v?: readonly bigint[]): Elem[] => Array.from({ length: n }, (_, k) => ch.word(v?.[k] ?? 0n)),
    one = ch.constant(1n),
    leaf = new PolicyLeaf(ch, shape, words(4, given?.epochs), given?.input);
  let [step, micro, epoch, drawn, targets] = words(5, given?.place),
    examples = ch.constant(0n);
  for (let i = 0; i < count; i++) {
    const g = given?.parts[i];
    if (kind !== 'update') {
      const rows = Array.from({ length: size }, (_, r) => {
        const v = g && (g.rows[r] ? rowWords(SHAPE, g.rows[r]) : { tokens: [0n, 0n], mask: [0n] }),
          mask = words(1, v?.mask);
        return { tokens: words(2, v?.tokens), mask, bits: ch.split(mask[0], 8) };
      });
      const n = leaf.batch({ step, micro, epoch, drawn }, rows, kind === 'step', g?.batch);
      targets = ch.add(targets, n.targets);
      examples = ch.add(examples, n.examples);
      micro = ch.add(micro, one);
      leaf.loss(words(1, g && [lossWord(g.loss)])[0], 52);
      if (kind === 'micro') continue;
    }
    const next = ch.add(drawn, one),
      left = ch.sub(leaf.epochBatches, next),
      e = ch.value(left)[0],
      wrap = ch.sub(one, ch.mul(left, ch.word(given && e !== 0n ? inv(e) : 0n)));
    ch.assertEqual(ch.mul(wrap, left), ch.constant(0n), 'epoch');
    const scalars = {
      scalars: words(3, g?.scalars),
      clip: { name: clip, frac: clip === 'clipN' ? 26 : 39, value: words(1, g && [g.clip])[0] },
    };
    leaf.endStep({ step, micro, epoch, drawn }, kind === 'step' ? undefined : size, targets, wrap, scalars, g?.end);
    step = ch.add(step, one);
    micro = targets = ch.constant(0n);
    epoch = ch.add(epoch, wrap);
    drawn = ch.sub(next, ch.mul(wrap, next));
  }
  const out = leaf.finish(kind === 'micro');
  return { leaf, ...out, place: [step, micro, epoch, drawn, targets], examples };
}

/** State before a step. */
export function stateAt(w: PolicyWitness, step: number): PolicyState {
  let s = w.start();
  for (let t = 0; t < step; t++) s = w.ended({ ...s, counters: w.drawn(s.counters, t, 0, w.facts.batch, lossAt(t)) }, t);
  return s;
}
export const lossAt = (step: number): bigint => BigInt(100 * step - 50);
export const targetsAt = (w: PolicyWitness, step: number, to = Number.POSITIVE_INFINITY): number =>
  w
    .rows(step)
    .slice(0, to)
    .reduce((n, r) => n + rowTargets(SHAPE, r), 0);
/** A row of a schedule, for the clip scalar alone. */
export const ROW = { lr: 0n, alpha: 0n, eps: 1n << 90n, decay: 0n, peak: { alpha: 0n, decay: 0n } };
export const clipAt = (count: number): bigint =>
  count === 0 ? 0n : scheduleScalars(ROW, count, 0.3, { parameters: 1, momentFrac: 60 }, 0).clipN;

/** An honest leaf of `count` whole steps from a step on. */
export function stepCase(w: PolicyWitness, step: number, count = 1): LeafCase {
  const s = stateAt(w, step),
    at = w.order.batch(step);
  return {
    input: w.leaf(s.counters, [step, 0], [step + count, 0]),
    place: [step, 0, at.epoch, at.drawn, 0].map(BigInt),
    epochs: s.epochs,
    parts: Array.from({ length: count }, (_, i) => ({
      rows: w.rows(step + i),
      loss: lossAt(step + i),
      scalars: [...SCHEDULE[step + i]],
      clip: clipAt(targetsAt(w, step + i)),
      batch: w.batch(step + i, 0, w.facts.batch),
      end: w.end(step + i),
    })),
  };
}

/** Counters after some micro-batches of a step. */
export function microCounters(w: PolicyWitness, step: number, micro: number, size: number): Counters {
  let c = stateAt(w, step).counters;
  for (let m = 0; m < micro; m++) c = w.drawn(c, step, m * size, size, m === 0 ? lossAt(step) : 0n);
  return c;
}
/** An honest leaf of one micro-batch, or of the update behind them all. */
export function microCase(w: PolicyWitness, step: number, micro: number, size: number, kind: 'micro' | 'update'): LeafCase {
  const at = w.order.batch(step),
    done = targetsAt(w, step, micro * size);
  return {
    input: w.leaf(microCounters(w, step, micro, size), [step, micro], kind === 'micro' ? [step, micro + 1] : [step + 1, 0]),
    place: [step, micro, at.epoch, at.drawn, done].map(BigInt),
    epochs: stateAt(w, step).epochs,
    parts: [
      {
        rows: w.rows(step).slice(micro * size, (micro + 1) * size),
        loss: micro === 0 ? lossAt(step) : 0n,
        scalars: [...SCHEDULE[step]],
        clip: clipAt(done),
        batch: w.batch(step, micro * size, size),
        end: w.end(step),
      },
    ],
  };
}

/**
 * Runs a leaf with values; `forge` changes free words of a name, from the given occurrence on, before anything reads
 * them.
 */
export function runLeaf(
  w: PolicyWitness,
  kind: Kind,
  size: number,
  given: LeafCase,
  forge?: { name: string; at: number; f: (x: bigint) => bigint },
  shape: LeafPolicyShape = w.values,
): { ch: CircuitChannel; out: LeafOut; failed: string[] } {
  const run = (hook?: RowHook) => {
    const ch = new CircuitChannel(new BigUint64Array(0), hook);
    return { ch, out: policyLeaf(ch, shape, kind, given.parts.length, size, given) };
  };
  let r = run();
  if (forge) {
    const row = r.out.leaf.w.free.get(forge.name)?.[forge.at];
    if (row === undefined) throw new Error(`no free word ${forge.name} ${forge.at}`);
    r = run((k, at, rows) => {
      if (k === 'W' && at === row) rows.W.value[row] = forge.f(rows.W.value[row]);
    });
  }
  return { ...r, failed: [...new Set(r.ch.failed)] };
}
