/**
 * Artifacts without a proof: words as uniform as those of a hiding proof would be, with one leak planted in each, and
 * one without any. A test of leakage that misses one of these says nothing about a proof.
 */
import { countersDigest, epochKey, Permutation, orderShape, rowSalt, contentDigest, rowShape, rowWords } from 'certune/policy';
import type { Artifact, Key, Prediction, Sample } from './artifact.js';
import { Random } from './random.js';

const ROWS = 97,
  WORDS = 40,
  SAMPLES = 200,
  KEY_WORDS = [
    [1n, 2n, 3n, 4n],
    [5n, 6n, 7n, 8n],
  ] as const,
  SHAPE = rowShape(8, 512);

const known = new Map<string, number>();
/** Row that a key draws first under the seed of a run. */
function drawn(seed: number, key: Key): number {
  const at = `${seed}/${key}`,
    row = known.get(at) ?? new Permutation(orderShape(ROWS), epochKey(KEY_WORDS[key], new Random(seed).elements(4), 0)).at(0);
  known.set(at, row);
  return row;
}
/** Row that a key draws first where every run has the same seed. */
const fixedOrder = (key: Key): number => drawn(0, key);

/** Text of a row, which a distinguisher knows. */
const textOf = (row: number): { tokens: Int32Array; mask: Uint8Array } => ({
  tokens: Int32Array.from({ length: 8 }, (_, i) => (row * 37 + i * 11) % 512),
  mask: new Uint8Array(8).fill(1),
});

/** Words of which some are what the key makes of them; the others are uniform. */
interface Plant {
  readonly name: string;
  readonly what: string;
  readonly leaks?: boolean;
  /** Places in the proof with words that the witness fixes; the rest are masks. */
  readonly words?: (seed: number, key: Key) => readonly bigint[];
  /** Changes what is sent in another way. */
  readonly shape?: (words: bigint[], key: Key, random: Random) => bigint[];
  readonly seconds?: (key: Key, random: Random) => number;
}

const plant = (p: Plant): Artifact => ({
  name: p.name,
  what: p.what,
  leaks: p.leaks ?? true,
  samples: SAMPLES,
  make: (seed, key): Sample => {
    const random = new Random(1000 * seed + 2 * key + 11),
      words = random.elements(WORDS),
      fixed = p.words?.(seed, key) ?? [];
    fixed.forEach((w, i) => {
      words[3 + i] = w;
    });
    const proof = p.shape?.(words, key, random) ?? words;
    return { publics: random.elements(4), proof, ...(p.seconds ? { seconds: p.seconds(key, random) } : {}) };
  },
  ...(p.words
    ? {
        predict: (seed: number, key: Key, seen: Sample): Prediction => {
          const out: (bigint | undefined)[] = Array<undefined>(seen.publics.length + seen.proof.length).fill(undefined);
          p.words!(seed, key).forEach((w, i) => {
            out[seen.publics.length + 3 + i] = w;
          });
          return out;
        },
      }
    : {}),
});

export const PLANTED: readonly Artifact[] = [
  plant({ name: 'index', what: 'index of a row in a public word', words: (seed, key) => [BigInt(drawn(seed, key))] }),
  plant({ name: 'fixed index', what: 'the same where all runs draw in one order', words: (_, key) => [BigInt(fixedOrder(key))] }),
  plant({
    name: 'salt of the index',
    what: 'content digest of a row whose salt is a hash of its index alone',
    words: (seed, key) => {
      const row = drawn(seed, key);
      return contentDigest(rowSalt([0n, 0n, 0n, 0n], row), rowWords(SHAPE, textOf(row)));
    },
  }),
  plant({
    name: 'counters without blind',
    what: 'digest of counters that a distinguisher can guess',
    words: (seed, key) => {
      const targets = 7 + (drawn(seed, key) % 89);
      return countersDigest({ examples: [1, 1], targets: [targets, 7], allTargets: targets, loss: 0n });
    },
  }),
  plant({
    name: 'mask of zero',
    what: 'a word of the witness without its mask',
    words: (seed, key) => new Random(seed + 7919 * (key + 1)).elements(1),
  }),
  plant({
    name: 'mask twice',
    what: 'the difference of two words under one mask',
    shape: (words, key) => words.map((w, i) => (i === 9 ? (words[8] + BigInt(5 + 2 * key)) % 0xffff_ffff_0000_0001n : w)),
  }),
  plant({
    name: 'short mask',
    what: 'a word under a mask below 2^32 under one of the keys',
    shape: (words, key) => words.map((w, i) => (i === 5 && key === 1 ? w & 0xffff_ffffn : w)),
  }),
  plant({
    name: 'bias',
    what: 'a word that three divides under one of the keys',
    shape: (words, key) => words.map((w, i) => (i === 12 && key === 1 ? w - (w % 3n) : w)),
  }),
  plant({
    name: 'length',
    what: 'one word more under one of the keys, every other time',
    shape: (words, key, random) => (key === 1 && random.below(2) ? [...words, random.element()] : words),
  }),
  plant({
    name: 'time',
    what: 'proofs under one of the keys take longer by a spread',
    seconds: (key, random) => 10 + random.below(1000) / 1000 + 0.4 * key,
  }),
  plant({ name: 'no leak', what: 'uniform words, nothing planted', leaks: false }),
];
