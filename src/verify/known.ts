/**
 * What a verifier may remember of a comparison that held: everything that it depends on, in one text. A fact is about
 * nothing that is not in its text, so that it holds for whatever file says the same.
 */
import { canonicalJson } from '../hash/canonical.js';
import type { Kernels } from '../kernels/runtime.js';
import type { AdapterState } from '../model/step.js';
import type { EndStatement, NodeStatement } from '../recursion/statement.js';
import { type Run, initialOf } from '../run/facts.js';
import { programList } from '../run/programs.js';
import { PROOF_VERSION } from '../tensor/statement.js';

/** The state that a run starts from where its manifest gives a seed. */
export class Seeded {
  constructor(readonly run: Run) {}
  state(k: Kernels): AdapterState {
    return initialOf(this.run, k);
  }
}

type Words = Partial<Record<'frozen' | 'base' | 'sIn' | 'aIn', readonly bigint[]>>;

/** Programs by their digests, what their proofs are made with, and words of a statement. */
const factOf = (what: string, { programs, manifest: { config } }: Run, more: object, words: Words): string =>
  canonicalJson({
    what,
    version: PROOF_VERSION,
    programs: programList(programs).map((p) => p.digest.map(String)),
    proof: config.proof,
    ...more,
    words: Object.fromEntries(Object.entries(words).map(([n, w]) => [n, w.map(String)])),
  })!;

/**
 * That the base of this digest, read for rows of so many positions, has the stack of a statement's digest, which takes
 * the value of its claim.
 */
export const baseFact = (run: Run, { frozen, base }: Pick<EndStatement & NodeStatement, 'frozen' | 'base'>): string =>
  factOf('base', run, { base: run.manifest.base, sequence: run.manifest.config.train.sequence }, { frozen, base });

/** That a statement's commitments are those of the state that a seed gives. */
export const startFact = (run: Run, { sIn, aIn }: Pick<EndStatement & NodeStatement, 'sIn' | 'aIn'>): string =>
  factOf('start', run, { lora: run.manifest.config.lora, shape: run.manifest.base.shape }, { sIn, aIn });
