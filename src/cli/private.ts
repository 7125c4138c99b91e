import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomic } from '../io/atomic.js';
import { keepToOwner } from '../store/secret.js';
import { out } from './kept.js';

/** Files of a run, from its folder on, and what they tell of it. */
export interface Kept {
  readonly files: string;
  readonly tells: string;
}

/** What stays with the prover of a run in the private mode. */
export const STAYS: readonly Kept[] = [
  { files: 'secret/sampler.json', tells: 'salt and sampler key: the order of the rows, and a test of every guess of a row' },
  { files: 'out/journal/', tells: 'states before every step, losses: the rows of each step can be tested against them' },
  { files: 'out/proof/step-*.bin', tells: 'proofs over tokens and masks, which are not zero-knowledge' },
  {
    files: 'out/proof/nodes/',
    tells:
      'proofs whose witness has indices, key, salts and blinds, which are not zero-knowledge; certificates are made from the one over the whole run',
  },
  { files: 'out/proof/epochs/', tells: 'the same, of whole epochs' },
  { files: 'out/proof/steps-*.certune', tells: 'the same, of ranges' },
  { files: 'out/proof/farm/', tells: 'the same, of jobs that are not finished; states among what they begin from' },
  {
    files: 'out/proof/run.certune',
    tells:
      'what show publishes, and its proof hides nothing: whoever has candidates for all rows may test them against its words. What may be published is made by certune certify',
  },
  {
    files: 'files of certune audit open and audit count',
    tells: 'what they open; a count also tells of single rows: for the auditor alone',
  },
];

/** What is made to be handed on, and what it tells all the same. */
export const LEAVES: readonly Kept[] = [
  { files: 'out/manifest.json', tells: 'all that is declared, the root of the rows, a commitment to the key' },
  {
    files: 'out/certificate.certune',
    tells:
      'of certune certify, where it is made: what show publishes, unless it says otherwise sums of losses and targets of epochs and the commitment to the adapter; its proof adds nothing to that',
  },
  { files: 'out/adapter/', tells: 'what the rows have taught' },
];

/** Name of the file under out/ that says so. */
export const PRIVATE_NAME = 'PRIVATE.txt';

const list = (kept: readonly Kept[]): string => kept.map((k) => `  ${k.files}\n      ${k.tells}\n`).join('');

/**
 * Marks the folder of a run in the private mode: readable for its owner alone, with a file that names what stays.
 * Throws NotWritableError, DiskFullError.
 */
export function markPrivate(run: string): void {
  const file = join(out(run), PRIVATE_NAME),
    text = `PRIVATE: this run is in the private mode (sampler.mode: private).\n\nStays with the prover:\n\n${list(STAYS)}\nMay be handed on, and tells:\n\n${list(LEAVES)}\nNo proof but a certificate is zero-knowledge. See docs/leakage.md.\n`;
  keepToOwner(out(run));
  if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeAtomic(file, text);
}
