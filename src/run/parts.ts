import { STATE_WORDS, ACC_WORDS } from '../tensor/state-layout.js';

/** Kinds of program proofs. */
export type PartKind = 'step' | 'micro' | 'update';

/** One program proof of a step: words, roots of the state it leaves, loss summed over its targets (0 for an update). */
export interface ProofPart {
  readonly kind: 'step' | 'micro' | 'update';
  readonly proof: BigUint64Array;
  readonly roots: Readonly<Record<string, readonly bigint[]>>;
  readonly loss: bigint;
}

/** One step's proof as it travels: a single 'step', or one 'micro' per micro-batch and an 'update'. */
export interface StepProof {
  readonly step: number;
  readonly parts: readonly ProofPart[];
}

/** States that a part leaves. */
export const LEFT = { step: ['sOut'], micro: ['aOut'], update: ['sOut'] } as const;

/** Words of each. */
export const LEFT_WORDS = { sOut: STATE_WORDS, aOut: ACC_WORDS } as const;

/** A run's proof as it travels: its steps, and the merge of their claims on frozen tensors. */
export interface RunProof {
  readonly steps: readonly StepProof[];
  readonly merge: BigUint64Array;
}

export interface Frozen {
  readonly digest: readonly bigint[];
  readonly ptr: number;
  readonly cells: number;
}
