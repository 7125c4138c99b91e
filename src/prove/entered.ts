import { partPublics } from '../recursion/leaves.js';
import { START, type Standing, advance } from '../recursion/statement.js';
import { type Run, epochBatches, stepKinds } from '../run/facts.js';
import type { Data } from '../run/inputs.js';
import type { PolicyState, PolicyWitness } from './policy.js';

/*
 * What a part of a step enters beside states. It follows from run, data and losses, so that it can be computed for any
 * place from any place before it, and stored (store/checkpoint.ts).
 */

/**
 * Where a run stands before a part of a step: place and chains, counters of the epoch at hand and the chain of those
 * that ended.
 */
export interface Entered {
  readonly step: number;
  readonly part: number;
  readonly standing: Standing;
  readonly policy: PolicyState;
}

/** What it follows from, apart from losses. */
export interface Passage {
  readonly run: Run;
  readonly data: Data;
  readonly policy: PolicyWitness;
}

/** Rows that a part of a step takes at most. */
export const rowsOfPart = ({ manifest }: Run): number => Math.min(manifest.config.train.batch, manifest.config.train.microBatch);

/** Before the first step. */
export const firstEntered = (policy: PolicyWitness): Entered => ({ step: 0, part: 0, standing: START, policy: policy.start() });

/** Counters after the rows of the part that enters `at`. */
export function countedBy({ run, policy }: Pick<Passage, 'run' | 'policy'>, at: Entered, loss: bigint): PolicyState {
  const size = rowsOfPart(run);
  if (stepKinds(run, at.step)[at.part] === 'update') return at.policy;
  return { ...at.policy, counters: policy.drawn(at.policy.counters, at.step, at.part * size, size, loss) };
}

/** What is entered after the part that enters `at`, whose standing after it is known. */
export function passTo(passage: Pick<Passage, 'run' | 'policy'>, at: Entered, standing: Standing, loss: bigint): Entered {
  const { run, policy } = passage,
    { step, part } = at,
    drawn = countedBy(passage, at, loss);
  if (part + 1 < stepKinds(run, step).length) return { step, part: part + 1, standing, policy: drawn };
  return { step: step + 1, part: 0, standing, policy: policy.ended(drawn, step) };
}

/** What is entered after the part that enters `at`; `loss` is that of its micro-batch, and not read of an update. */
export function passPart(p: Passage, at: Entered, loss: bigint): Entered {
  const { kind, program, publics } = partPublics(p.run, p.data, at.step, at.part, loss);
  return passTo(
    p,
    at,
    advance(kind, program, BigInt(epochBatches(p.run.manifest)), at.standing, publics, p.run.manifest.config.show),
    loss,
  );
}

/** What is entered at a place, from `from` on. `losses` gives those of a step's micro-batches. */
export function enteredAt(
  p: Passage,
  losses: (step: number) => readonly bigint[],
  { step, part }: { readonly step: number; readonly part: number },
  from: Entered = firstEntered(p.policy),
): Entered {
  let at = from;
  while (at.step < step || at.part < part) at = passPart(p, at, losses(at.step)[at.part] ?? 0n);
  return at;
}
