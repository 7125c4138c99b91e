import type { Place } from '../artifact/folded.js';
import { placeText } from '../artifact/folded.js';
import type { Kernels } from '../kernels/runtime.js';
import { countersDigest } from '../policy/classes/quotas.js';
import type { Course } from '../prove/course.js';
import { type Entered, enteredAt } from '../prove/entered.js';
import type { JobInputs } from '../prove/leaf.js';
import { runStep } from '../prove/step.js';
import type { NodeStatement } from '../recursion/statement.js';
import { type StateTree, accumulatorsCommitment, accumulatorsSalt, stateSalt, stateTree } from '../run/commitments.js';
import type { Complete } from '../run/inputs.js';
import { VerificationError } from '../transcript/arith.js';

/** What a statement says of a place where it begins or ends. */
export interface Boundary {
  readonly pos: readonly bigint[];
  readonly s: readonly bigint[];
  readonly a: readonly bigint[];
  readonly losses: readonly bigint[];
  readonly targets: readonly bigint[];
  readonly counters: readonly bigint[];
  readonly epochs: readonly bigint[];
}
const PARTS = ['pos', 's', 'a', 'losses', 'targets', 'counters', 'epochs'] as const;
const NAMES: Readonly<Record<keyof Boundary, string>> = {
  pos: 'place',
  s: 'state',
  a: 'accumulators',
  losses: 'chain of the losses',
  targets: 'chain of the targets',
  counters: 'counters of the policy',
  epochs: 'chain of the epochs',
};

/** So many places are remembered: two neighbouring nodes share one. */
const KEPT = 512;

/**
 * Where a run stands at each of its places, from its own journal: what a node must enter and leave there. Nothing of it
 * comes from whoever proved the node. A state is committed to once, for both nodes at its place.
 */
export class Boundaries {
  readonly #known = new Map<string, Boundary>();
  /** Commitments to states, by step. */ readonly #states = new Map<number, readonly bigint[]>();

  constructor(
    readonly k: Kernels,
    readonly inputs: JobInputs,
    readonly complete: Pick<Complete, 'base' | 'data'>,
    readonly course: Course,
  ) {}

  /** Commits to the state before a step, and says with which tree; undefined where it is committed to already. */
  tree(step: number): StateTree | undefined {
    if (this.#states.has(step)) return undefined;
    const { k, inputs, course } = this,
      { run, data } = inputs,
      made = stateTree(k, run.programs, course.states.before(step).state, stateSalt(run, data, step));
    this.#states.set(step, made.words);
    for (const old of this.#states.keys()) if (this.#states.size > KEPT) this.#states.delete(old);
    return made;
  }
  #state(step: number): readonly bigint[] {
    return this.#states.get(step) ?? this.tree(step)!.words;
  }

  at(place: Place): Boundary {
    const name = placeText(place),
      there = this.#known.get(name);
    if (there) {
      this.#known.delete(name);
      this.#known.set(name, there);
      return there;
    }
    const made = this.#make(place);
    this.#known.set(name, made);
    for (const old of this.#known.keys()) if (this.#known.size > KEPT) this.#known.delete(old);
    return made;
  }

  #make(place: Place): Boundary {
    const { inputs, course } = this,
      { policy, circuits } = inputs,
      // The state is read before losses of later steps are.
      s = this.#state(place.step),
      inside = place.part ? this.#inside(place) : undefined,
      entered: Entered = inside?.entered ?? course.entered(place.step),
      { standing } = entered,
      { losses, targets, pos } = standing;
    return {
      pos,
      s,
      a: inside?.a ?? circuits.zeroAcc,
      losses,
      targets,
      counters: countersDigest(entered.policy.counters, policy.blind(place.step, place.part)),
      epochs: entered.policy.epochs,
    };
  }

  /** In the middle of a step: its micro-batches are run again, and what they have added up is committed to. */
  #inside({ step, part }: Place): { entered: Entered; a: readonly bigint[] } {
    const { k, inputs, complete, course } = this,
      { run, data, policy } = inputs,
      { state } = course.states.before(step),
      sums: BigInt64Array[] = [],
      { losses } = runStep(k, run, complete, step, state, (kind, _plan, r) => {
        if (kind === 'micro') sums.push(r.read('acc2'));
      });
    return {
      entered: enteredAt({ run, data, policy }, () => losses, { step, part }, course.entered(step)),
      a: accumulatorsCommitment(k, run.programs, sums[part - 1], accumulatorsSalt(run, inputs.data, step, part)),
    };
  }

  /** Checks that a statement enters and leaves what the run does. Throws VerificationError naming what differs. */
  check(st: NodeStatement, from: Place, to: Place): void {
    for (const [place, side] of [
      [from, 'In'],
      [to, 'Out'],
    ] as const) {
      const want = this.at(place);
      for (const p of PARTS) {
        const got = st[`${p}${side}` as const];
        if (got.length !== want[p].length || got.some((w, i) => w !== want[p][i]))
          throw new VerificationError(
            `${NAMES[p]} ${side === 'In' ? 'entered' : 'left'}`,
            `is not that of the run before ${place.part ? `part ${place.part} of ` : ''}step ${place.step}`,
          );
      }
    }
  }
}
