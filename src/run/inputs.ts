import type { PrivateKey } from '../policy/order/keys.js';
import type { Row } from '../policy/rows/digest.js';
import type { RowTree } from '../policy/rows/tree.js';
import type { AdapterState, Batch } from '../model/step.js';

/** Integers of a base, as the programs' frozen tensors have them: weights and rotation tables, by name. */
export interface Base {
  /** May be made when it is asked for. */ readonly frozen: ReadonlyMap<string, BigInt64Array>;
  /** Digest of the base, as a manifest has it, where whoever gives the integers knows that they are that base's. */
  readonly digest?: string;
}

/** The rows that a step takes, in the order of the sampler. */
export interface StepBatch {
  readonly epoch: number;
  /** Rows of the data set, from 0. */ readonly indices: readonly number[];
  /** Tokens and masks, cut into micro-batches. */ readonly micro: readonly Batch[];
  /** Target tokens of all micro-batches together. */ readonly targets: number;
}

/** What the data give: the batch of every step. */
export interface Data {
  readonly batches: readonly StepBatch[];
  /** Rows in the order of their tree, and the tree. */
  readonly rows: readonly Row[];
  readonly tree: RowTree;
  /** Key of the private mode. */ readonly key?: PrivateKey;
}

/** What a run is made of beside its manifest, as far as it is at hand. */
export interface Inputs {
  readonly base?: Base;
  readonly data?: Data;
  /** State that the run starts from: seeded, or an adapter's. */ readonly initial?: AdapterState;
  /** Released adapter, in the program's order. */ readonly released?: BigInt64Array;
}

/** All that a run is made of. */
export type Complete = Inputs & Required<Pick<Inputs, 'base' | 'data' | 'initial'>>;
