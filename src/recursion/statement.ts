import { P } from '../field/goldilocks.js';
import { DOMAIN, hashWords } from '../hash/poseidon2.js';
import { type Shown, SHOW_ALL } from '../policy/vector.js';
import { type Publics, packPublic, programDigest } from '../tensor/statement.js';
import { ACC_WORDS, STATE_WORDS, commitmentLayout } from '../tensor/state-layout.js';
import type { Program } from '../tensor/types.js';
import { VerificationError } from '../transcript/arith.js';
import type { PartKind } from '../run/parts.js';

/*
 * Statement of a node (leaf or fold), words in the order of `layout`. It says: the programs `program`, run on the
 * states sIn (adapter, optimiser) and aIn (accumulators) from the place posIn on, lead to the states sOut and aOut at
 * posOut; their losses and numbers of targets extend the two chains, and their losses add up to `loss`; provided that
 * the stack `frozen` takes the value of `base` at its point, and the stack of fixed columns committed in `key` that of
 * `columns`.
 *
 *   losses    h(chain, step, micro, loss)   per program that has one
 *   targets   h(chain, step, targets of the step)
 *   pos       steps done, micro-batches and targets of the step begun, epoch, batches drawn in it, examples and targets
 *             in all
 *
 * What the policy does not show is zero: a chain that is not shown of every step stays what it was, loss and targets in
 * all count nothing where they are not even shown of epochs.
 *
 *   policy    hash of the vector that the manifest gives (src/policy/vector.ts): every row is the one of the dataset
 *             that its key prescribes, within the quotas
 *   counters  blinded digest of what the epoch at hand has drawn from every bin; epochs h(chain, epoch, its totals)
 *
 * h = hashWords in the domain of statements. Places and chains are recomputed by whoever holds data and losses
 * (`advance`). That of the end node has no claim on the columns, and the root of the base's stack beside the claim on
 * it.
 */
export interface NodeStatement {
  /** Circuit of the class: 0 the fold, then the leaves. */ readonly kind: readonly bigint[];
  readonly key: readonly bigint[];
  readonly program: readonly bigint[];
  readonly context: readonly bigint[];
  readonly dataset: readonly bigint[];
  readonly frozen: readonly bigint[];
  /** Batches in an epoch. */ readonly epoch: readonly bigint[];
  /** Digest of the policy vector. */ readonly policy: readonly bigint[];
  readonly posIn: readonly bigint[];
  readonly posOut: readonly bigint[];
  readonly sIn: readonly bigint[];
  readonly aIn: readonly bigint[];
  readonly sOut: readonly bigint[];
  readonly aOut: readonly bigint[];
  readonly lossesIn: readonly bigint[];
  readonly lossesOut: readonly bigint[];
  readonly targetsIn: readonly bigint[];
  readonly targetsOut: readonly bigint[];
  /** Digest of the counters of the epoch at hand. */
  readonly countersIn: readonly bigint[];
  readonly countersOut: readonly bigint[];
  /** Chain of the totals of the epochs that ended. */
  readonly epochsIn: readonly bigint[];
  readonly epochsOut: readonly bigint[];
  readonly loss: readonly bigint[];
  readonly base: readonly bigint[];
  readonly columns: readonly bigint[];
}
export type Field = keyof NodeStatement;

/**
 * The end node's statement: the claims are settled, that on the base against `root`. It is published all the same, for
 * whoever has the base. `shows` are the flags of its view: words under a flag of zero are zero.
 */
export type EndStatement = Omit<NodeStatement, 'kind' | 'columns'> & {
  readonly shows: readonly bigint[];
  readonly root: readonly bigint[];
};
export type EndField = keyof EndStatement;

/**
 * Flags of an end's view, in order. `adapter`: digest, point and value of the adapter that is left; `rest`: what else
 * is left and is for nobody but who goes on from here, the root of the state and the value of the optimiser's,
 * accumulators and counters.
 */
export const VIEW = ['adapter', 'rest'] as const;
/** All of an end's words: of one that hides nothing. */
export const VIEW_ALL: readonly bigint[] = VIEW.map(() => 1n);

const LEFT_STATE = commitmentLayout({ name: 'sOut', classes: ['cOut', 'oOut'] });

/** The flag under which a word of an end stands; undefined for those that are always there. */
export function flagOf(f: EndField, word: number): (typeof VIEW)[number] | undefined {
  if (f === 'aOut' || f === 'countersOut') return 'rest';
  if (f !== 'sOut') return undefined;
  // Root, digest, point, value of the adapter, value of the optimiser.
  return word >= 4 && word < LEFT_STATE.value(1) ? 'adapter' : 'rest';
}

/** The same in every node of a run. */
export const SHARED = ['key', 'program', 'context', 'dataset', 'frozen', 'epoch', 'policy'] as const;
/** Where a node begins, and where it ends: the right child begins where the left one ends. */
export const ENTER = ['posIn', 'sIn', 'aIn', 'lossesIn', 'targetsIn', 'countersIn', 'epochsIn'] as const;
export const LEAVE = ['posOut', 'sOut', 'aOut', 'lossesOut', 'targetsOut', 'countersOut', 'epochsOut'] as const;

const COMMON: readonly (readonly [Exclude<Field, 'kind' | 'base' | 'columns'>, number])[] = [
  ['key', 4],
  ['program', 4],
  ['context', 8],
  ['dataset', 4],
  ['frozen', 8],
  ['epoch', 1],
  ['policy', 4],
  ['posIn', 7],
  ['posOut', 7],
  ['sIn', STATE_WORDS],
  ['aIn', ACC_WORDS],
  ['sOut', STATE_WORDS],
  ['aOut', ACC_WORDS],
  ['lossesIn', 4],
  ['lossesOut', 4],
  ['targetsIn', 4],
  ['targetsOut', 4],
  ['countersIn', 4],
  ['countersOut', 4],
  ['epochsIn', 4],
  ['epochsOut', 4],
  ['loss', 1],
];

/** Number of words of every field of a node: points of `baseVars` and `keyVars` elements, then a value. */
export function layout(baseVars: number, keyVars: number): ReadonlyMap<Field, number> {
  return new Map<Field, number>([['kind', 1], ...COMMON, ['base', 3 * (baseVars + 1)], ['columns', 3 * (keyVars + 1)]]);
}

/** The same of the end node. */
export const endLayout = (baseVars: number): ReadonlyMap<EndField, number> =>
  new Map<EndField, number>([['shows', VIEW.length], ...COMMON, ['base', 3 * (baseVars + 1)], ['root', 4]]);

/** A record with these keys, made in their order. */
export function recordOf<F extends string, T>(keys: Iterable<F>, of: (key: F) => T): Record<F, T> {
  const out: Partial<Record<F, T>> = {};
  for (const f of keys) out[f] = of(f);
  return out as Record<F, T>;
}

/**
 * Splits the public words of a proof by a layout. Throws VerificationError where there are more or fewer: surplus words
 * would be nobody's.
 */
export function decode<F extends string>(words: readonly bigint[], sizes: ReadonlyMap<F, number>): Record<F, readonly bigint[]> {
  const total = [...sizes.values()].reduce((a, b) => a + b, 0);
  if (words.length !== total) throw new VerificationError('statement', `${words.length} words, the circuit has ${total}`);
  let at = 0;
  return recordOf(sizes.keys(), (f) => {
    const from = at;
    at += sizes.get(f)!;
    return words.slice(from, at);
  });
}

/** Words of a hostile statement, in order. Throws VerificationError where a field is not so many canonical words. */
export function encode<F extends string>(s: Readonly<Record<F, unknown>>, sizes: ReadonlyMap<F, number>): bigint[] {
  return [...sizes].flatMap(([f, n]) => {
    const w: unknown = s?.[f],
      // A hole of a sparse array would be passed over by every method: it must not shift the words behind it.
      words: unknown[] = Array.isArray(w) && w.length === n ? Array.from(w) : [];
    if (words.length !== n || words.some((x) => typeof x !== 'bigint' || x < 0n || x >= P))
      throw new VerificationError('statement', `${f} must be ${n} canonical words`);
    return words as bigint[];
  });
}

/** Digest of the run's programs, in the order of the manifest. */
export const programsDigest = (programs: readonly Program[]): bigint[] => hashWords(DOMAIN.statement, programs.flatMap(programDigest));

/** Where a run stands between two program proofs. */
export interface Standing {
  /**
   * Steps done, micro-batches and targets of the step begun, epoch, batches drawn in it, examples and targets in all.
   */
  readonly pos: readonly bigint[];
  readonly losses: readonly bigint[];
  readonly targets: readonly bigint[];
}

/** Chain of epochs before the first one ends. */
export const NO_EPOCHS: readonly bigint[] = [0n, 0n, 0n, 0n];

/** Before the first step. */
export const START: Standing = {
  pos: Array<bigint>(7).fill(0n),
  losses: [0n, 0n, 0n, 0n],
  targets: [0n, 0n, 0n, 0n],
};

/**
 * Standing after one program proof: what its leaf computes on wires. `epoch` is the number of batches in an epoch,
 * `show` what the policy publishes.
 */
export function advance(
  kind: PartKind,
  p: Program,
  epoch: bigint,
  at: Standing,
  publics: Publics,
  show: Pick<Shown, 'losses' | 'targets'> = SHOW_ALL,
): Standing {
  let [step, micro, targets, round, drawn, examples, total] = at.pos,
    { losses } = at,
    chain = at.targets;
  const link = (before: readonly bigint[], ...words: readonly bigint[]): readonly bigint[] =>
      hashWords(DOMAIN.statement, [...before, ...words]),
    loss = p.tensors.find((t) => t.name === 'loss' && t.cls === 'public');
  if (loss && show.losses === 'steps') losses = link(losses, step, micro, ...packPublic(p, loss, publics.get('loss')));
  if (kind !== 'update') {
    const mask = publics.get('mask'),
      count = maskCounts(p, mask instanceof BigInt64Array ? mask : new BigInt64Array(0));
    micro += 1n;
    targets += count.targets;
    if (show.targets !== 'none') total += count.targets;
    examples += count.examples;
  }
  if (kind !== 'micro') {
    if (show.targets === 'steps') chain = link(chain, step, targets);
    step += 1n;
    micro = 0n;
    targets = 0n;
    drawn += 1n;
    if (drawn === epoch) {
      round += 1n;
      drawn = 0n;
    }
  }
  return { pos: [step, micro, targets, round, drawn, examples, total], losses, targets: chain };
}

/** Positions that the mask selects, and rows of it that have any. A program without mask has none. */
export function maskCounts(p: Program, mask: BigInt64Array): { targets: bigint; examples: bigint } {
  const width = rowWidth(p);
  let targets = 0n,
    examples = 0n;
  for (let at = 0; at < mask.length; at += width) {
    const n = mask.subarray(at, at + width).reduce((x, y) => x + y, 0n);
    targets += n;
    if (n > 0n) examples += 1n;
  }
  return { targets, examples };
}

/** Cells in a row of the mask. */
export function rowWidth(p: Program): number {
  const t = p.tensors.find((x) => x.name === 'mask');
  return t ? p.axes[t.axes[t.axes.length - 1]] : 1;
}
