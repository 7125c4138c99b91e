import type { RunConfig } from './schema.js';
import type { BaseModel } from '../io/hf.js';
import type { DataResult, TextCodec } from '../io/data.js';
import type { Program } from '../tensor/types.js';
import type { Plan } from '../tensor/plan.js';
import type { ScheduleRow } from '../optim/constants.js';
import type { Batch, AdapterState } from '../model/step.js';
import type { Manifest } from './manifest.js';

/** Everything that both trainer and verifier derive from configuration, base and data. */
export interface Setup {
  readonly config: RunConfig;
  readonly base: BaseModel;
  readonly data: DataResult;
  readonly program: Program;
  readonly plan: Plan;
  /** With accumulation `program` is the micro program and this the update; otherwise `program` is the whole step. */
  readonly update?: { readonly program: Program; readonly plan: Plan };
  readonly frozen: Map<string, BigInt64Array>;
  readonly rows: ScheduleRow[];
  readonly batches: { epoch: number; indices: number[]; micro: Batch[]; targets: number }[];
  readonly root: bigint[];
  readonly initial: AdapterState;
  readonly codec: TextCodec;
  readonly manifest: Manifest;
  /** Values of lora.from that were no multiples of 2^-30. */
  readonly inexact?: number;
}
