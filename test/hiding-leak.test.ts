import { describe, expect, it } from 'vitest';
import * as E from '../src/field/ext3.js';
import { P } from '../src/field/goldilocks.js';
import { hiddenMessages } from '../src/tensor/hiding-counts.js';
import { recordHiding } from '../src/tensor/verify-hiding.js';
import { HIDDEN_INVERSE } from '../src/transcript/affine.js';
import { type Ext, messageWords } from '../src/transcript/index.js';
import { FixedSponge, QUICK_HIDING, type ToyCase, Words, proveToy, toyCase, verifyToy } from './hiding-case.js';
import { newSponge } from '../src/transcript/sponge.js';
import { NotingSponge } from '../tools/leakage/sponges.js';

/*
 * A distinguisher that knows both witnesses of a statement, and everything of the prover but its masks: under the
 * challenges of a proof that it sees it proves again with each witness and masks of zero, then with the pads that this
 * leaves, and counts the words that one witness explains and the other does not, of the proof, of differences of
 * neighbouring words and of those between two proofs. It tells every planted leak each time, and of a proof as it is
 * made nothing: what is left of leaks that are no single word, a combination of many, the rank test finds
 * (src/pcs/hiding.test.ts).
 */
const cases = [toyCase(QUICK_HIDING, [7n, 5n, 9n, 2n]), toyCase(QUICK_HIDING, [5n, 7n, 9n, 13n])] as const,
  { schedule, counts } = recordHiding(cases[0].plan),
  hidden = hiddenMessages(cases[0].plan),
  [g] = cases[0].plan.whir.groups,
  tailWords = g.trees[0].parts[0].used * g.tail!.cells;

type Random = Pick<Words, 'word' | 'ext'>;
interface Seen {
  readonly proof: BigUint64Array;
  readonly challenges: readonly bigint[];
}

/** A proof of a witness under masks from this source, and the challenges that it drew. */
function seen(c: ToyCase, random: Random): Seen {
  const p = proveToy(c, { random: () => random }),
    notes: NotingSponge[] = [];
  verifyToy(c, p, (kk) => {
    notes.push(new NotingSponge(kk, newSponge(kk, 'blake3')));
    return notes[0];
  });
  return { proof: p.proof, challenges: notes[0].squeezed };
}

const zeros: Random = { word: () => 0n, ext: () => E.ZERO };

/** What a witness says of a proof with these challenges, masks taken for zero but for its pads where they are given. */
function explained(c: ToyCase, challenges: readonly bigint[], pads: readonly Ext[] = []): BigUint64Array {
  let next = 0;
  const random: Random = { ...zeros, ext: () => pads[next++] ?? E.ZERO };
  const source = (): { word(): bigint } => {
    let at = 0;
    return { word: () => challenges[at++] };
  };
  return proveToy(c, {
    random: () => random,
    sponge: (kk) => new FixedSponge(kk, source()),
  }).proof;
}

/** Places of words that a prover sends, Merkle hashes and nonces apart. */
const places = ((): number[] => {
  const out: number[] = [];
  let at = 0;
  for (const m of schedule) {
    const n = m.kind === 'ext' ? messageWords(m) : m.kind === 'opening' ? m.count : 0;
    for (let i = 0; i < n; i++) out.push(at + i);
    at += messageWords(m);
  }
  return out;
})();

/**
 * Words that are looked at: those that are sent, and how each differs from the third one before: elements are triples.
 */
function looked(proof: BigUint64Array): bigint[] {
  const words = places.map((i) => proof[i]);
  return [...words, ...words.slice(3).map((w, i) => (w - words[i] + P) % P)];
}

/** Pads that a witness's messages leave: what is sent and these add up to the messages. */
function padsOf(messages: BigUint64Array, sent: BigUint64Array): Ext[] {
  const out: Ext[] = [];
  let at = 0;
  for (const m of schedule) {
    if (m.kind === 'ext')
      for (let n = 0; n < m.count; n++)
        if (hidden(m.label, n) || m.label === HIDDEN_INVERSE) {
          const word = (w: BigUint64Array): Ext => [w[at + 3 * n], w[at + 3 * n + 1], w[at + 3 * n + 2]];
          out.push(E.sub(word(messages), word(sent)));
        }
    at += messageWords(m);
  }
  return out;
}

/**
 * Score of a proof for the second witness: by the words that each explains with pads of zero, and with the pads that
 * its own messages leave.
 */
function told(s: Seen): number {
  const clear = cases.map((c) => explained(c, s.challenges)),
    padded = cases.map((c, i) => explained(c, s.challenges, padsOf(clear[i], s.proof))),
    words = looked(s.proof);
  return [clear, padded].reduce((n, [zero, one]) => n + score(words, [looked(zero), looked(one)]), 0);
}

/** Words that only the second witness explains, less those that only the first one does. */
function score(words: readonly bigint[], [zero, one]: readonly [readonly bigint[], readonly bigint[]]): number {
  return words.reduce((s, w, i) => (zero[i] === one[i] ? s : s + (one[i] === w ? 1 : 0) - (zero[i] === w ? 1 : 0)), 0);
}

/** The prover's words with some changed: the n-th element or word that it draws. */
function changed(seed: number, ext: (n: number, e: Ext, last: Ext) => Ext, word: (n: number, w: bigint) => bigint = (_, w) => w): Random {
  const of = new Words(seed);
  let exts = 0,
    words = 0,
    last: Ext = E.ZERO;
  return {
    ext: () => {
      last = ext(exts++, of.ext(), last);
      return last;
    },
    word: () => word(words++, of.word()),
  };
}
const inMask = (n: number): boolean => n >= counts.pads + 2;

/** Masks of a prover with a fault. */
const FAULTS: readonly (readonly [string, (seed: number) => Random])[] = [
  ['a pad of zero', (seed) => changed(seed, (n, e) => (n === 7 ? E.ZERO : e))],
  ['a pad used twice', (seed) => changed(seed, (n, e, last) => (n === 7 ? last : e))],
  ['a mask column of zeros', (seed) => changed(seed, (n, e) => (inMask(n) ? E.ZERO : e))],
  ['a mask column over F', (seed) => changed(seed, (n, e) => (inMask(n) ? [e[0], 0n, 0n] : e))],
  [
    'tails of zeros',
    (seed) =>
      changed(
        seed,
        (_, e) => e,
        (n, w) => (n < tailWords ? 0n : w),
      ),
  ],
];

const RUNS = 2;

describe('a distinguisher that knows both witnesses', () => {
  const scores = (random: (seed: number) => Random): number[][] =>
    [0, 1].map((b) => Array.from({ length: RUNS }, (_, n) => told(seen(cases[b], random(100 * n + b + 1)))));

  it('learns nothing from proofs as they are made', () => {
    expect(scores((seed) => new Words(seed)).flat()).toEqual(Array(2 * RUNS).fill(0));
  });
  it.each(FAULTS)('tells %s every time', (_name, random) => {
    const [zero, one] = scores(random);
    expect(Math.max(...zero)).toBeLessThan(0);
    expect(Math.min(...one)).toBeGreaterThan(0);
  });
  it('tells pads below 2^32 every time, by how near the words are', () => {
    const small = (seed: number): Random => changed(seed, (n, e) => (n === 7 ? [e[0] >> 32n, 0n, 0n] : e));
    for (const b of [0, 1]) {
      const s = seen(cases[b], small(5 + b)),
        near = cases.map((c) => {
          const m = explained(c, s.challenges);
          return places.filter((i) => (m[i] - s.proof[i] + P) % P < 1n << 32n).length;
        });
      expect(near[b]).toBeGreaterThan(near[1 - b]);
    }
  });
  it('tells two proofs under one seed every time, by their differences: a seed is for one proof', () => {
    // Same masks, other grinding, hence other challenges: only words before the first challenge that differs have equal
    // pads, so the two proofs are of two statements with one witness each.
    const twice = [3, 3].map((seed, b) => seen(cases[b], new Words(seed))),
      zero = explained(cases[0], twice[0].challenges),
      one = explained(cases[1], twice[1].challenges),
      difference = (a: BigUint64Array, b: BigUint64Array): bigint[] => places.map((i) => (a[i] - b[i] + P) % P);
    const got = difference(twice[0].proof, twice[1].proof),
      expected = difference(zero, one);
    // Padded messages come first, all of them: their differences are those of the messages.
    expect(got.slice(0, counts.pads).filter((w, i) => w === expected[i]).length).toBeGreaterThan(counts.pads / 2);
  });
});
