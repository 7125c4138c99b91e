import { join } from 'node:path';
import { InputError } from '../errors.js';
import type { Kernels } from '../kernels/runtime.js';
import { type Journal, States, type Trained } from '../prove/course.js';
import type { Setup } from '../setup/run.js';
import { checkpoints, readCheckpoint } from '../store/checkpoint.js';
import { orTorn, readState } from '../store/journal.js';
import type { StepProof } from '../run/parts.js';
import type { Context } from './common.js';

/** What a run's proving works on. */
export interface Work {
  readonly s: Setup;
  readonly digest: string;
  /** Folder of journal and proofs. */ readonly dir: string;
  /** The file to be written. */ readonly file: string;
}

/** Losses of a step's micro-batches. */
export const lossesOf = (p: StepProof): bigint[] => p.parts.filter((x) => x.kind !== 'update').map((x) => x.loss);

const stateOf = ({ s, digest, dir }: Work, step: number): Trained | undefined =>
  orTorn(() => readState(dir, digest, step, s.run.programs.program.axes['P']));

function missing({ dir }: Work, step: number): never {
  throw new InputError(join(dir, 'journal'), [`the state before step ${step} is missing or damaged`], 'run certune train');
}

/**
 * Refuses a run that is not trained to its end: its proof would be of an adapter that nobody has. Throws InputError.
 */
export function requireTrained(w: Work): void {
  const { steps } = w.s.config.train;
  if (!stateOf(w, steps)) missing(w, steps);
}

/** States of a run from its journal; `packed` are step proofs that lie elsewhere already. */
export function statesOf(k: Kernels, w: Work, c: Context, packed?: readonly StepProof[]): States {
  const { s, digest, dir } = w,
    torn = (e: Error): void => c.progress.line(`${e.message}: the checkpoint before it is used`);
  let known = checkpoints(dir),
    looked = performance.now();
  const journal: Journal = {
    state: (step) => stateOf(w, step),
    checkpoint: (step) => {
      // Training may be on its way.
      if (step > (known.at(-1) ?? -1) && performance.now() - looked > 1000) {
        known = checkpoints(dir);
        looked = performance.now();
      }
      for (const at of known.filter((t) => t <= step).reverse()) {
        const found = orTorn(() => readCheckpoint(dir, digest, at), torn);
        if (found) return found.entered;
      }
      return undefined;
    },
    losses: (step) => packed && lossesOf(packed[step]),
    lost: (step) => c.progress.line(`the state before step ${step} is missing or damaged: the checkpoint before it is used`),
    missing: (step) => missing(w, step),
  };
  return new States(k, s.run, s.inputs, journal);
}
