import { type Artifact, KEYS, type Key, type Prediction, type Sample, wordsOf } from './artifact.js';
import { generic } from './generic.js';
import { type Auroc, auroc } from './statistics.js';

/** How well an artifact's key is told. */
export interface Verdict {
  readonly name: string;
  readonly what: string;
  readonly leaks: boolean;
  /** Artifacts under each key. */ readonly samples: number;
  readonly words: number;
  /** From what any prover of the run publishes. */ readonly publics: Auroc;
  /** From all that a verifier sees. */ readonly generic: Auroc;
  /** By who knows both witnesses, and everything but the proof's own randomness. */ readonly aware?: Auroc;
  /** Some interval lies above a half. */ readonly found: boolean;
}

/** An artifact of a key, with its score for the second key where somebody knows both witnesses. */
export interface Labelled {
  readonly seed: number;
  readonly key: Key;
  readonly sample: Sample;
  readonly score?: number;
}

/**
 * Score of a sample for the second key: words that only the second witness explains less those that only the first one
 * does.
 */
export function awareScore(words: readonly bigint[], [zero, one]: readonly [Prediction, Prediction]): number {
  let score = 0;
  words.forEach((w, i) => {
    if (zero[i] === one[i]) return;
    if (one[i] === w) score++;
    if (zero[i] === w) score--;
  });
  return score;
}

/** Makes all samples of an artifact; `kept` may have some from before. */
export function collect(a: Artifact, samples: number, kept: (seed: number, key: Key, make: () => Labelled) => Labelled): Labelled[] {
  const out: Labelled[] = [];
  for (let seed = 0; seed < samples; seed++)
    for (const key of KEYS)
      out.push(
        kept(seed, key, () => {
          const sample = a.make(seed, key);
          return {
            seed,
            key,
            sample,
            ...(a.predict ? { score: awareScore(wordsOf(sample), [a.predict(seed, 0, sample), a.predict(seed, 1, sample)]) } : {}),
          };
        }),
      );
  return out;
}

/** Judges the samples of an artifact. */
export function judge(a: Artifact, list: readonly Labelled[]): Verdict {
  const scores = (key: Key): number[] => list.filter((s) => s.key === key).map((s) => s.score!),
    publics = generic(list, (s) => s.publics, false),
    all = generic(list, wordsOf, true),
    aware = list.every((s) => s.score !== undefined) ? auroc(scores(0), scores(1)) : undefined;
  return {
    name: a.name,
    what: a.what,
    leaks: a.leaks,
    samples: list.length / 2,
    words: wordsOf(list[0].sample).length,
    publics,
    generic: all,
    ...(aware ? { aware } : {}),
    found: [all, aware].some((x) => x !== undefined && x.low > 0.5),
  };
}

/** Makes and judges an artifact in one go. */
export const distinguish = (a: Artifact, samples = a.samples): Verdict =>
  judge(
    a,
    collect(a, samples, (_, __, make) => make()),
  );
