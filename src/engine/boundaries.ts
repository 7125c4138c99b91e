import type { Place } from '../artifact/folded.js';
import { placeText } from '../artifact/folded.js';
import type { Kernels } from '../kernels/runtime.js';
import { countersDigest } from '../policy/classes/quotas.js';
import type { Course } from '../prove/course.js';
import { type Entered, enteredAt } from '../prove/entered.js';
import type { JobInputs } from '../prove/leaf.js';
import { runStep } from '../prove/step.js';
import type { NodeStatement } from '../recursion/statement.js';
import { accumulatorsCommitment, accumulatorsSalt, commitsTo, stateCommitment, stateSalt } from '../run/commitments.js';
import type { Complete } from '../run/inputs.js';
import { VerificationError } from '../transcript/arith.js';

/** What a statement says of a place where it begins or ends. */
export interface Boundary {
  readonly pos: readonly bigint[];
  /** Not of own processes: they are compared by values. */ readonly s?: readonly bigint[];
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
 * comes from whoever proved the node.
 *
 * A state is compared by its commitment, word for word, for which it is committed to. `ownProcesses`: whoever proves is
 * a child process of this one. Then digest, point and values of a commitment that a node names are compared with those
 * of the journal's state (commitsTo), and its words with those that the other node at this place named. That the root
 * has this run's salt is left to the two nodes, which are equal there or do not fold; of the last state, which has one
 * node, nobody compares it. The salt is this program's own: no stranger wrote the node.
 */
export class Boundaries {
  readonly #known = new Map<string, Boundary>();
  /** Commitments to states that nodes of own processes named, by step. */
  readonly #named = new Map<number, readonly bigint[]>();

  constructor(
    readonly k: Kernels,
    readonly inputs: JobInputs,
    readonly complete: Pick<Complete, 'base' | 'data'>,
    readonly course: Course,
    readonly ownProcesses = false,
  ) {}

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
    const { k, inputs, course } = this,
      { run, policy, circuits } = inputs,
      // The state is read before losses of later steps are.
      { state } = course.states.before(place.step),
      salt = stateSalt(run, inputs.data, place.step),
      s = this.ownProcesses ? undefined : k.scope(() => stateCommitment(k, run.programs, 'sIn', state, salt)),
      inside = place.part ? this.#inside(place) : undefined,
      entered: Entered = inside?.entered ?? course.entered(place.step),
      { standing } = entered,
      { losses, targets, pos } = standing;
    return {
      pos,
      ...(s ? { s } : {}),
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

  /** Of a node of one's own process: see the class. */
  #checkState(got: readonly bigint[], place: Place, side: 'In' | 'Out'): void {
    const { k, inputs, course } = this,
      what = `${NAMES.s} ${side === 'In' ? 'entered' : 'left'}`,
      named = this.#named.get(place.step);
    if (named?.length === got.length && named.every((w, i) => w === got[i])) return;
    if (!commitsTo(k, inputs.run.programs, got, course.states.before(place.step).state))
      throw new VerificationError(what, `is not that of the run before step ${place.step}`);
    if (named) throw new VerificationError(what, `is the run's before step ${place.step} under another root than its neighbour has`);
    this.#named.set(place.step, got);
    for (const old of this.#named.keys()) if (this.#named.size > KEPT) this.#named.delete(old);
  }

  /** Checks that a statement enters and leaves what the run does. Throws VerificationError naming what differs. */
  check(st: NodeStatement, from: Place, to: Place): void {
    for (const [place, side] of [
      [from, 'In'],
      [to, 'Out'],
    ] as const) {
      const want = this.at(place);
      for (const p of PARTS) {
        const got = st[`${p}${side}` as const],
          own = want[p];
        if (!own) this.#checkState(got, place, side);
        else if (got.length !== own.length || got.some((w, i) => w !== own[i]))
          throw new VerificationError(
            `${NAMES[p]} ${side === 'In' ? 'entered' : 'left'}`,
            `is not that of the run before ${place.part ? `part ${place.part} of ` : ''}step ${place.step}`,
          );
      }
    }
  }
}
