import { P } from '../field/goldilocks.js';
import type { ClassRow } from '../policy/classes/table.js';
import { classLevels } from '../policy/classes/table.js';
import { type Counters, count, counterWords, quotaWords, zeroCounters } from '../policy/classes/quotas.js';
import { blindAt, isPublic } from '../policy/order/keys.js';
import { Order, type OrderConfig, epochBatches } from '../policy/order/steps.js';
import { strataLevels, stratumWords } from '../policy/order/strata.js';
import { type Row, type RowShape, rowTargets } from '../policy/rows/digest.js';
import { rowSalt } from '../policy/rows/opening.js';
import type { RowTree } from '../policy/rows/tree.js';
import { tablePath } from '../policy/table.js';
import { type PolicyFacts, policyValues, scheduleLevels } from '../policy/values.js';
import { type PolicyValues, policyVector } from '../policy/vector.js';
import { type PublishedTotals, epochLink, totalsShown } from '../policy/epochs.js';
import type { BatchInput, EndInput, PolicyInput } from '../recursion/policy/leaf.js';
import type { StratumInput } from '../recursion/policy/order.js';
import type { RowInput } from '../recursion/policy/rows.js';
import type { Kernels } from '../kernels/runtime.js';

/** What stays with the prover. */
export interface PolicySecrets {
  /** Of salts of rows, of blinds of counters: all functions of their place. */ readonly salts: readonly bigint[];
  readonly blinds: readonly bigint[];
  /** Words of the run's manifest, to which its blinds belong. */ readonly context: readonly bigint[];
  /** Keys of the modes, and blinds of their commitments. */
  readonly keys: OrderConfig['keys'];
  readonly privateBlind: readonly bigint[];
}

/** The data as a prover holds it. */
export interface PolicyData {
  readonly shape: RowShape;
  /** In the order of the tree. */ readonly rows: readonly Row[];
  readonly tree: Pick<RowTree, 'path'>;
}

/** Where a run stands between two steps, as far as the policy goes. */
export interface PolicyState {
  readonly counters: Counters;
  /** Chain of the epochs that ended. */ readonly epochs: readonly bigint[];
}

const NOTHING = [0n, 0n, 0n, 0n];

/**
 * Witness of the policy part of leaves: every value is a function of the run and its secrets, so that leaves are proven
 * in any order, twice alike.
 */
export class PolicyWitness {
  readonly order: Order;
  readonly values: PolicyValues;
  readonly vector: readonly bigint[];
  readonly #classLevels: BigUint64Array[];
  #scheduleLevels: BigUint64Array[] | undefined;
  readonly #strataLevels?: BigUint64Array[];

  constructor(
    readonly facts: PolicyFacts,
    readonly data: PolicyData,
    readonly secrets: PolicySecrets,
    readonly kernels?: Kernels,
  ) {
    this.order = new Order({ ...facts, keys: secrets.keys }, kernels);
    this.values = policyValues(facts, kernels);
    this.vector = policyVector(this.values);
    this.#classLevels = classLevels(facts.classes, this.values.classDepth);
    if (facts.strata) this.#strataLevels = strataLevels(facts.strata, this.values.strataDepth);
  }

  /** Rows of a step's batch, in order. */
  rows(step: number): Row[] {
    return this.order.batch(step).draws.map((d) => this.data.rows[d.row]);
  }

  /** What one row of the dataset needs. */
  row(at: number): RowInput {
    const r = this.data.rows[at],
      c: ClassRow = this.facts.classes[r.class];
    return {
      salt: rowSalt(this.secrets.salts, at),
      class: r.class,
      length: r.length,
      path: this.data.tree.path(at),
      bins: c.bins,
      eligible: c.eligible,
      classPath: tablePath(this.#classLevels, r.class),
    };
  }
  #stratum(index: number): StratumInput {
    return { index, words: stratumWords(this.facts.strata![index]), path: tablePath(this.#strataLevels!, index) };
  }

  /** Input of a program with `size` rows from row `from` of the step's batch on. */
  batch(step: number, from: number, size: number): BatchInput {
    const { epoch, draws } = this.order.batch(step),
      open = isPublic(this.facts.modes, epoch),
      here = draws.slice(from, from + size),
      // An absent row stands at place 0 of the epoch's draws, in the first stratum.
      strata = this.#strataLevels && Array.from({ length: size }, (_, r) => this.#stratum(here[r]?.stratum?.index ?? 0));
    return {
      key: {
        key: this.order.modeKey(epoch),
        blind: open ? NOTHING : this.secrets.privateBlind,
      },
      rows: here.map((d) => this.row(d.row)),
      ...(strata ? { strata } : {}),
    };
  }

  /** State before the first step. */
  start(): PolicyState {
    return { counters: zeroCounters(this.facts.quotas.length), epochs: NOTHING };
  }
  /** Counters after a program with rows `from` to `from + size` of a step, and a loss. */
  drawn(c: Counters, step: number, from: number, size: number, loss: bigint): Counters {
    const draws = this.order.batch(step).draws.slice(from, from + size);
    return draws.reduce(
      (s, d) => count(s, this.facts.classes[this.data.rows[d.row].class].bins, rowTargets(this.data.shape, this.data.rows[d.row])),
      { ...c, loss: c.loss + loss },
    );
  }
  /** What is published of the epoch that ends with a step whose rows have been counted; undefined where none does. */
  totals(c: Counters, step: number): PublishedTotals | undefined {
    const { epoch, drawn } = this.order.batch(step);
    return drawn === epochBatches(this.facts) - 1 ? totalsShown(this.facts.show, epoch, c) : undefined;
  }
  /** State after a step whose rows have been counted. */
  ended(s: PolicyState, step: number): PolicyState {
    const ended = this.totals(s.counters, step);
    return ended ? { counters: zeroCounters(this.facts.quotas.length), epochs: epochLink(s.epochs, ended) } : s;
  }

  /** Blind of the counters between two steps: zero where an epoch begins. */
  blind(step: number, micro = 0): readonly bigint[] {
    const { drawn } = this.order.batch(step);
    return drawn === 0 && micro === 0 ? NOTHING : blindAt(this.secrets.blinds, this.secrets.context, 'counters', step, micro);
  }

  /** Input of a leaf that begins at a step and micro-batch with these counters and ends before another. */
  leaf(c: Counters, from: readonly [number, number], to: readonly [number, number]): PolicyInput {
    return {
      vector: this.vector,
      quotas: quotaWords(this.facts.quotas),
      counters: { words: counterWords(c), blind: this.blind(...from) },
      blindOut: this.blind(...to),
    };
  }
  /** What the end of a step needs. */
  end(step: number): EndInput {
    this.#scheduleLevels ??= scheduleLevels(this.facts.schedule, this.values.scheduleDepth, this.kernels);
    return { path: tablePath(this.#scheduleLevels, step) };
  }
}

/** A loss as a word. */
export const lossWord = (x: bigint): bigint => ((x % P) + P) % P;
