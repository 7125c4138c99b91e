import type { Kernels } from '../kernels/runtime.js';
import type { AdapterState } from '../model/step.js';
import { stateCommitment, stateSalt } from '../run/commitments.js';
import type { Run } from '../run/facts.js';
import type { Complete } from '../run/inputs.js';
import { type Entered, type Passage, enteredAt, firstEntered } from './entered.js';
import type { LeafStart } from './leaf.js';
import { runStep } from './step.js';

/*
 * The course of a run from step to step: the states, and what leaves enter beside them. What a journal does not hold is
 * computed from the nearest checkpoint before it. What was last asked for is remembered, which makes the next answer
 * faster and no other.
 */

/** State before a step, and the losses of the micro-batches of the step that led to it (none for the first). */
export interface Trained {
  readonly state: AdapterState;
  readonly losses: readonly bigint[];
}

/** What a journal holds of a run. */
export interface Journal {
  /** State before a step, where it is kept. */ state(step: number): Trained | undefined;
  /** What is entered at the last checkpoint at or before a step; the state there is kept too, if it is not lost. */
  checkpoint(step: number): Entered | undefined;
  /** Losses of a step, where they are known without the state after it. */
  losses?(step: number): readonly bigint[] | undefined;
  /** Told that the state of a checkpoint is lost: an earlier one is used. */ lost?(step: number): void;
  /** Throws an error that says how the state before a step comes to be kept. */ missing(step: number): never;
}

/** States of a run. */
export class States {
  #last: (Trained & { readonly step: number }) | undefined;
  #trained = 0;

  constructor(
    readonly k: Kernels,
    readonly run: Run,
    readonly inputs: Pick<Complete, 'base' | 'data'>,
    readonly journal: Journal,
  ) {}

  /** Steps that were trained again so far. */
  get trained(): number {
    return this.#trained;
  }

  /** Takes note of a state that was just made. */
  reached(step: number, t: Trained): void {
    this.#last = { step, ...t };
  }

  /**
   * State before a step: kept, or trained again from the nearest checkpoint whose state is there. Throws what `missing`
   * of the journal throws, OverflowError.
   */
  before(step: number): Trained {
    if (this.#last?.step === step) return this.#last;
    const kept = this.journal.state(step);
    if (!kept) return this.#trainTo(step);
    this.reached(step, kept);
    return kept;
  }

  /** The last state at hand before a step: what was last asked for, or that of a checkpoint. */
  #nearest(step: number): Trained & { readonly step: number } {
    const last = this.#last;
    for (let limit = step; limit >= 0; ) {
      const at = this.journal.checkpoint(limit)?.step ?? -1;
      if (last && last.step < step && last.step >= at) return last;
      if (at < 0) break;
      const kept = at < step ? this.journal.state(at) : undefined;
      if (kept) return { step: at, ...kept };
      this.journal.lost?.(at);
      limit = at - 1;
    }
    return this.journal.missing(step);
  }

  #trainTo(step: number): Trained {
    let now = this.#nearest(step);
    while (now.step < step) {
      const { step: t, state }: { step: number; state: AdapterState } = now,
        { after, losses } = runStep(this.k, this.run, this.inputs, t, state);
      this.#trained++;
      now = { step: t + 1, state: after, losses };
    }
    this.#last = now;
    return now;
  }
}

/** What the leaves of a run enter. */
export class Course {
  #last: Entered | undefined;

  constructor(
    readonly states: States,
    readonly passage: Passage,
  ) {}

  /** What is entered at the beginning of a step. */
  entered(step: number): Entered {
    const { journal } = this.states,
      checkpoint = journal.checkpoint(step) ?? firstEntered(this.passage.policy),
      last = this.#last,
      from = last && last.step <= step && last.step >= checkpoint.step ? last : checkpoint,
      losses = (t: number): readonly bigint[] => journal.losses?.(t) ?? this.states.before(t + 1).losses;
    this.#last = enteredAt(this.passage, losses, { step, part: 0 }, from);
    return this.#last;
  }

  /** What a leaf enters that begins with a step. */
  start(step: number): LeafStart {
    const entered = this.entered(step),
      { k, run, inputs } = this.states,
      salt = stateSalt(run, inputs.data, step);
    return { ...entered, s: stateCommitment(k, run.programs, 'sIn', this.states.before(step).state, salt) };
  }
}
