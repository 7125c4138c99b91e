/** Verification without a proof: what it takes follows from the plan alone. */
import { RecordingChannel } from '../transcript/schedule.js';
import type { Plan } from './plan.js';
import { commitmentLayout } from './state-layout.js';
import { type Statement, packing, publicTensors } from './statement.js';
import { verifyProgram } from './verify.js';

/** A statement with the plan's shapes and no values, for dry runs. */
export function blankStatement(plan: Plan): Statement {
  const p = plan.program,
    zeros = (n: number): bigint[] => Array<bigint>(n).fill(0n);
  return {
    roots: Object.fromEntries(plan.states.map((t) => [t.name, zeros(commitmentLayout(t).words)])),
    frozen: zeros(8),
    publics: new Map(
      publicTensors(p).map((t) => {
        const { cells } = packing(p, t);
        return [t.name, t.publicKind === 'onehot' ? new Int32Array(cells) : new BigInt64Array(cells).fill(t.lo > 0n ? t.lo : 0n)];
      }),
    ),
  };
}

/** Permutations of verifying a proof of the plan: what a circuit that verifies it has rows for. */
export function verifierPermutations(plan: Plan): number {
  const ch = new RecordingChannel();
  verifyProgram(ch, plan, blankStatement(plan));
  return ch.permutations;
}
