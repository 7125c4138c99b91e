import type { CircuitChannel } from '../../circuit/channel.js';
import type { PolicyShape } from '../../policy/vector.js';
import type { Elem } from '../../transcript/arith.js';
import {
  type CountersInput,
  type ShownElems,
  checkLimits,
  countRow,
  endStep,
  enterCounters,
  leaveCounters,
  openQuotas,
  openShow,
} from './counters.js';
import { type KeyInput, epochKeyOf, modeKey } from './key.js';
import { type StratumInput, drawRows } from './order.js';
import { type RowElems, type RowInput, absentRow, memberRow } from './rows.js';
import { type ScheduleElems, checkComplete, checkMicro, checkSchedule, stepExamples } from './schedule.js';
import { openPolicy } from './vector.js';
import { type Paths, Wires } from './wires.js';

/*
 * Policy of a leaf: every row that its programs absorb is the row of the dataset that the committed key prescribes at
 * its position, of a class that may be trained on; the counters of the epoch stay within the quotas; scalars are those
 * of the schedule; a step has all of its micro-batches. The vector that fixes all this is bound by its digest, which
 * the statement holds.
 */

/** What a prover gives for a leaf. */
export interface PolicyInput {
  readonly vector: readonly bigint[];
  readonly quotas: readonly bigint[];
  readonly counters: CountersInput;
  /** Blind of the counters that are left. */ readonly blindOut: readonly bigint[];
}

/** What a prover gives for the end of a step. */
export interface EndInput {
  /** Path of the schedule's row. */ readonly path: readonly (readonly bigint[])[];
}

/** What a prover gives for a program with rows. */
export interface BatchInput {
  readonly key: KeyInput;
  /** Missing rows are absent. */ readonly rows: readonly RowInput[];
  readonly strata?: readonly StratumInput[];
}

/** Where a program stands. */
export interface PolicyPlace {
  readonly step: Elem;
  readonly micro: Elem;
  readonly epoch: Elem;
  readonly drawn: Elem;
}

/** Shape of a leaf's policy, and the rows of its paths: by itself those of M. */
export interface LeafPolicyShape extends PolicyShape {
  readonly paths?: Paths;
}

export class PolicyLeaf {
  readonly w: Wires;
  readonly digest: readonly Elem[];
  readonly countersIn: readonly Elem[];
  /** Batches of an epoch: the last one ends it. */ readonly epochBatches: Elem;
  /** What the statement says of losses and targets; the rest of it is zero. */ readonly show: ShownElems;
  readonly #pi: ReturnType<typeof openPolicy>['pi'];
  readonly #quotas: readonly Elem[];
  #counters: Elem[];
  #epochs: readonly Elem[];
  #wrapped: Elem;

  /** Opens vector, quotas and counters. `epochs`: chain of the epochs that ended before. */
  constructor(
    ch: CircuitChannel,
    readonly shape: LeafPolicyShape,
    epochs: readonly Elem[],
    readonly given?: PolicyInput,
  ) {
    this.w = new Wires(ch, shape.paths);
    const { digest, pi } = openPolicy(this.w, shape, given?.vector),
      counters = enterCounters(this.w, shape, given?.counters);
    this.digest = digest;
    this.#pi = pi;
    this.#quotas = openQuotas(this.w, shape, pi, given?.quotas);
    this.#counters = counters.counters;
    this.countersIn = counters.digest;
    this.epochBatches = pi.epochBatches[0];
    this.show = openShow(this.w, pi);
    this.#epochs = epochs;
    this.#wrapped = this.w.zero;
  }

  /** Rows of a program: returns the targets and examples that it adds. `whole`: the program has a whole step's rows. */
  batch(at: PolicyPlace, rows: readonly RowElems[], whole: boolean, given?: BatchInput): { targets: Elem; examples: Elem } {
    const { w, shape } = this,
      pi = this.#pi,
      size = w.constant(rows.length),
      offset = w.ch.mul(at.micro, size),
      examples = stepExamples(w, pi, at.drawn);
    if (whole) w.ch.assertEqual(pi.batch[0], size, 'batch');
    else checkMicro(w, examples, offset);
    const key = modeKey(w, pi, at.epoch, given?.key),
      first = w.ch.mul(at.drawn, pi.batch[0]),
      place = { key, epochKey: epochKeyOf(w, pi, key, at.epoch), epoch: at.epoch, first, offset, examples },
      { present, index } = drawRows(w, shape, pi, place, rows.length, given?.strata);
    let targets = w.zero;
    rows.forEach((row, r) => {
      const input = given && (given.rows[r] ?? absentRow()),
        found = memberRow(w, shape, pi, row, present[r], index[r], input);
      countRow(w, this.#counters, found.bins, found.targets);
      targets = w.ch.add(targets, found.targets);
    });
    return { targets, examples: w.sum(present) };
  }

  /**
   * Adds a program's loss, at least -2^(bits - 1) and below 2^(bits - 1): a verifier that is not shown it does not see
   * its format.
   */
  loss(x: Elem, bits: number): void {
    const { ch } = this.w,
      last = this.#counters.length - 1;
    ch.split(ch.add(x, this.w.constant(1n << BigInt(bits - 1))), bits, 'loss format');
    this.#counters[last] = ch.add(this.#counters[last], x);
  }

  /**
   * End of a step: `micro` micro-batches of `rows` rows are done (undefined where one program had them all), with so
   * many targets. `wrap`: this was the last batch of the epoch.
   */
  endStep(at: PolicyPlace, rows: number | undefined, targets: Elem, wrap: Elem, scalars: ScheduleElems, given?: EndInput): void {
    const { w, shape } = this;
    if (rows !== undefined) checkComplete(w, this.#pi, at.drawn, at.micro, rows);
    checkSchedule(w, shape, this.#pi, at.step, targets, scalars, given?.path);
    checkLimits(w, this.#quotas, this.#counters, wrap);
    const end = endStep(w, this.show, { counters: this.#counters, epochs: this.#epochs }, at.epoch, wrap);
    this.#counters = end.counters;
    this.#epochs = end.epochs;
    this.#wrapped = wrap;
  }

  /** What the leaf leaves: digest of its counters, chain of epochs. `stepBegun`: the last program was a micro-batch. */
  finish(stepBegun: boolean): { counters: Elem[]; epochs: readonly Elem[] } {
    const wrapped = stepBegun ? this.w.zero : this.#wrapped;
    return { counters: leaveCounters(this.w, this.#counters, wrapped, this.given?.blindOut), epochs: this.#epochs };
  }
}
