import type { ReleaseFacts } from '../predicate.js';
import type { Subject } from '../statement.js';

/** What an export is written from: the proof file, the released files, and counts that the proof's statement holds. */
export interface ExportFacts extends ReleaseFacts {
  /** Released files by name, where they are there. */ readonly files: readonly Subject[];
  /** Trained (target) tokens, from the list that the proof binds. */ readonly targets?: number;
  /** Mean loss per target of the first and the last step. */
  readonly losses?: { readonly first: number; readonly last: number };
}

/** The hub's form of names of data sets and models: owner/name. */
export const hubName = (s: string): boolean => /^[\w][\w.-]{0,95}\/[\w][\w.-]{0,95}$/.test(s);

export const unique = <T>(xs: readonly T[]): T[] => [...new Set(xs)];

/**
 * Most positions that the run has trained on: steps, sequences and their length are the program's and the schedule's.
 */
export const positions = ({ manifest: { config } }: ReleaseFacts): number =>
  config.train.steps * config.train.batch * config.train.sequence;
