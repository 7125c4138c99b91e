/*
 * Proofs that hide their witness, as artifacts. Their witness-aware distinguisher knows both witnesses and all of the
 * prover but its masks: under the challenges of a proof that it sees it proves again with either witness and masks of
 * zero, then with the pads that this leaves. Words are compared one by one, with the third one before (elements are
 * triples), and with those of a second proof where two are seen. What is left of leaks that are no word and no
 * difference, the left kernels of the masks' matrix find (src/pcs/hiding.test.ts).
 */
import { type HidingOptions, type HidingRun, type Plan, type Statement, hiddenMessages, recordHiding } from 'certune/tensor';
import { type Ext, HIDDEN_INVERSE, type SpongeOf, messageWords, newSponge } from 'certune/transcript';
import type { Artifact, Key, Prediction, Sample } from './artifact.js';
import { Random } from './random.js';
import { GivenSponge, NotingSponge } from './sponges.js';

const P = 0xffff_ffff_0000_0001n,
  ZERO: Ext = [0n, 0n, 0n];
const minus = (a: bigint, b: bigint): bigint => (a - b + P) % P;

/** Masks of a prover: the n-th element and the n-th word that it draws. */
type Masks = ReturnType<NonNullable<HidingOptions['random']>>;
type Chosen = Required<Pick<HidingOptions, 'random' | 'sponge'>>;

/** Which witness: that of a key, and of a seed where the artifact has several; `second` has another statement. */
interface Secret {
  readonly seed: number;
  readonly key: Key;
  readonly second: boolean;
}
/** A proof with its statement. */
interface Proved {
  readonly proof: BigUint64Array;
  readonly statement: Statement;
}
/** What proves: a plan, a prover of any of its witnesses, and a verifier, which throws. */
export interface Hider {
  readonly plan: Plan;
  readonly prove: (of: Secret, o: Chosen) => Proved;
  readonly verify: (x: Proved) => void;
}

/** A transcript that squeezes given challenges. */
const programmed =
  (challenges: readonly bigint[]): SpongeOf =>
  (k) => {
    let at = 0;
    return new GivenSponge(k, { word: () => challenges[at++] });
  };

/** Fresh masks from a seed, some changed: the n-th element that is drawn, with the one before; the n-th word. */
function masks(seed: number, ext: (n: number, e: Ext, last: Ext) => Ext = (_, e) => e, word = (_: number, w: bigint): bigint => w): Masks {
  const r = new Random(seed);
  let exts = 0,
    words = 0,
    last = ZERO;
  return {
    ext: () => {
      last = ext(exts++, [r.element(), r.element(), r.element()], last);
      return last;
    },
    word: () => word(words++, r.element()),
  };
}

/** A proof under masks, and the challenges that it drew. */
interface Seen {
  readonly proof: BigUint64Array;
  readonly challenges: readonly bigint[];
}

/** A fault that is planted in the masks. */
interface Fault {
  readonly name: string;
  readonly what: string;
  readonly masks?: (seed: number, run: HidingRun, tailWords: number) => Masks;
  /** Two proofs under one seed are seen. */ readonly twice?: boolean;
}

/** The element that is at fault where one is: a pad of the middle of the lookup argument. */
const AT = 7;
const inMask = (n: number, { counts }: HidingRun): boolean => n >= counts.pads + 2;
/** What docs/leakage.md has planted. */
export const FAULTS: readonly Fault[] = [
  { name: 'pad of zero', what: 'one pad is zero', masks: (seed) => masks(seed, (n, e) => (n === AT ? ZERO : e)) },
  { name: 'pad twice', what: 'one pad is that of the message before', masks: (seed) => masks(seed, (n, e, last) => (n === AT ? last : e)) },
  {
    name: 'short pad',
    what: 'one pad is below 2^32',
    masks: (seed) => masks(seed, (n, e) => (n === AT ? [e[0] >> 32n, 0n, 0n] : e)),
  },
  { name: 'no mask column', what: 'g = 0', masks: (seed, run) => masks(seed, (n, e) => (inMask(n, run) ? ZERO : e)) },
  {
    name: 'mask over F',
    what: 'the mask column is over F',
    masks: (seed, run) => masks(seed, (n, e) => (inMask(n, run) ? [e[0], 0n, 0n] : e)),
  },
  {
    name: 'no tails',
    what: 'tails of zeros',
    masks: (seed, _, tailWords) => masks(seed, undefined, (n, w) => (n < tailWords ? 0n : w)),
  },
  { name: 'seed twice', what: 'two proofs of two statements under one seed', twice: true },
];

/** A proof that hides, under test. */
class Hidden {
  readonly run: HidingRun;
  readonly #places: readonly number[];
  readonly #hidden: (label: string, index: number) => boolean;
  readonly #tailWords: number;
  constructor(readonly of: Hider) {
    this.run = recordHiding(of.plan);
    this.#hidden = hiddenMessages(of.plan);
    const [g] = of.plan.whir.groups;
    this.#tailWords = g.trees[0].parts[0].used * g.tail!.cells;
    // Words that the prover sends, Merkle hashes and nonces apart.
    const places: number[] = [];
    let at = 0;
    for (const m of this.run.schedule) {
      const n = messageWords(m);
      places.push(...Array.from({ length: m.kind === 'ext' ? n : m.kind === 'opening' ? m.count : 0 }, (_, i) => at + i));
      at += n;
    }
    this.#places = places;
  }

  /** A proof as the fault has it. Proofs of one seed have masks of their own, but where one seed is for two. */
  seen(seed: number, key: Key, fault: Fault | undefined, second = false): Seen {
    const maskSeed = 1000 * seed + (fault?.twice ? 7 : key + 1),
      random = fault?.masks?.(maskSeed, this.run, this.#tailWords) ?? masks(maskSeed),
      notes: NotingSponge[] = [],
      made = this.of.prove(
        { seed, key, second },
        {
          random: () => random,
          sponge: (k) => {
            const n = new NotingSponge(k, newSponge(k, 'blake3'));
            notes.push(n);
            return n;
          },
        },
      );
    // What is judged is what a verifier accepts, faults and all.
    this.of.verify(made);
    return { proof: made.proof, challenges: notes[0].squeezed };
  }
  /** What a witness says of a proof with these challenges: masks are zero but for pads that are given. */
  explained(of: Secret, challenges: readonly bigint[], pads: readonly Ext[] = []): BigUint64Array {
    let next = 0;
    const random: Masks = { word: () => 0n, ext: () => pads[next++] ?? ZERO };
    return this.of.prove(of, { random: () => random, sponge: programmed(challenges) }).proof;
  }
  /** Pads that a witness's messages leave: what is sent and these add up to the messages. */
  padsOf(messages: BigUint64Array, sent: BigUint64Array): Ext[] {
    const out: Ext[] = [];
    let at = 0;
    for (const m of this.run.schedule) {
      if (m.kind === 'ext')
        for (let n = 0; n < m.count; n++)
          if (m.label === HIDDEN_INVERSE || this.#hidden(m.label, n)) {
            const word = (i: number): bigint => minus(messages[at + 3 * n + i], sent[at + 3 * n + i]);
            out.push([word(0), word(1), word(2)]);
          }
      at += messageWords(m);
    }
    return out;
  }
  /** What is sent, and how each word differs from the third one before. */
  words(proof: BigUint64Array): bigint[] {
    const w = this.#places.map((i) => proof[i]);
    return [...w, ...w.slice(3).map((x, i) => minus(x, w[i]))];
  }
  /** The same of a difference of two proofs. */
  difference(a: BigUint64Array, b: BigUint64Array): bigint[] {
    return this.#places.map((i) => minus(a[i], b[i]));
  }
}

/**
 * A word as a witness has it, or the word seen where that lies less than 2^32 below: that a pad is short is seen by it.
 * By chance it happens to one word of 2^32.
 */
const nearly = (witness: readonly bigint[], seen: readonly bigint[]): bigint[] =>
  witness.map((w, i) => (minus(w, seen[i]) < 2n ** 32n ? seen[i] : w));

/**
 * A hiding prover, as it is or with a fault. What is looked at stands twice: masks of zero explain one copy, with the
 * pads that are left the other.
 */
function artifact(hidden: () => Hidden, name: string, what: string, samples: number, fault?: Fault): Artifact {
  const made = new WeakMap<Sample, { readonly first: Seen; readonly second?: Seen }>();
  return {
    name: fault ? `${name}, ${fault.name}` : name,
    what: fault?.what ?? what,
    leaks: fault !== undefined,
    samples,
    make: (seed, key): Sample => {
      const h = hidden(),
        t = performance.now(),
        first = h.seen(seed, key, fault),
        seconds = (performance.now() - t) / 1000,
        other = fault?.twice ? h.seen(seed, key, fault, true) : undefined,
        words = h.words(first.proof),
        sample = {
          publics: [],
          proof: [...words, ...words, ...(other ? h.difference(first.proof, other.proof) : [])],
          // Of a fault it says nothing: the proofs are made in one order.
          ...(fault ? {} : { seconds }),
        };
      made.set(sample, { first, ...(other ? { second: other } : {}) });
      return sample;
    },
    predict: (seed, key, seen): Prediction => {
      const h = hidden(),
        { first, second: other } = made.get(seen)!,
        own = { seed, key, second: false },
        clear = h.explained(own, first.challenges),
        padded = h.explained(own, first.challenges, h.padsOf(clear, first.proof)),
        words = nearly(
          [clear, padded].flatMap((x) => h.words(x)),
          seen.proof,
        );
      return other ? [...words, ...h.difference(clear, h.explained({ ...own, second: true }, other.challenges))] : words;
    },
  };
}

/** Artifacts of a hiding prover: as it is, and with every fault. It is made when the first of them is. */
export function hidingArtifacts(of: () => Hider, name: string, what: string, samples: number, faulty: number): Artifact[] {
  let made: Hidden | undefined;
  const h = (): Hidden => (made ??= new Hidden(of()));
  return [artifact(h, name, what, samples), ...FAULTS.map((f) => artifact(h, name, what, faulty, f))];
}
