import { type ChainReport, type ChainSource, checkChain } from './check.js';
import { readBlob, readEvidence, readFederation, readRound, readSeed, roundNumbers } from './folder.js';

/** What a folder has for checking its chain. Throws InputError, VerificationError. */
export function folderSource(dir: string, federation = readFederation(dir)): ChainSource {
  return {
    federation,
    rounds: roundNumbers(dir),
    round: (n) => readRound(dir, federation, n),
    blob: (d, most) => readBlob(dir, d, most),
    evidence: readEvidence(dir),
    seed: readSeed(dir),
  };
}

/**
 * Checks every round of a federation's folder, with programs and base as far as they are at hand. Throws
 * FederationError, InputError, VerificationError.
 */
export const checkFolder = (dir: string, more: Pick<ChainSource, 'states' | 'settings' | 'units'> = {}): ChainReport =>
  checkChain({ ...folderSource(dir), ...more });
