/*
 * What the leakage test is about. An artifact is made again and again under one of two sampler keys, with fresh secrets
 * each time; what a verifier sees of it must not tell which key it was.
 */

/** Which of the two sampler keys an artifact was made under. */
export type Key = 0 | 1;
export const KEYS: readonly Key[] = [0, 1];

/** One artifact as a verifier sees it. */
export interface Sample {
  /** Words that any prover of the same run publishes: statement, manifest, files. */
  readonly publics: readonly bigint[];
  /** Words of the proof itself. */ readonly proof: readonly bigint[];
  /** How long it took to make. */ readonly seconds?: number;
}

/** What a distinguisher believes the words of a proof to be; undefined where it cannot know. */
export type Prediction = readonly (bigint | undefined)[];

/**
 * An artifact under test. `seed` fixes every secret but the key: salts, blinds, commitments. The acceptance test of a
 * hiding proof is this interface: `make` proves with fresh masks, `predict` computes what the witness says about the
 * words of `seen`, under its challenges. A prover that uses no randomness of its own predicts by proving again.
 */
export interface Artifact {
  readonly name: string;
  /** What leaves the prover's hands, in a few words. */ readonly what: string;
  /** A leak is expected: planted, or known. */ readonly leaks: boolean;
  /** Artifacts to make under each key. */ readonly samples: number;
  make(seed: number, key: Key): Sample;
  /**
   * Words of the proof (publics first, then proof) of `seen` as the witness under a key has them, from everything but
   * the proof's own randomness.
   */
  predict?(seed: number, key: Key, seen: Sample): Prediction;
}

/** All that a verifier sees. */
export const wordsOf = (s: Sample): readonly bigint[] => [...s.publics, ...s.proof];
