/**
 * What a verifier spends, counted by running it on a recording channel. No proof is needed: the shape of the program
 * decides.
 */
import { blankStatement } from 'certune/estimate';
import { type Plan, PublicValues, evalPublic, statementElems, verifyStatement } from 'certune/tensor';
import { type Elem, RecordingChannel } from 'certune/transcript';

/** Work of a verifier. */
export interface VerifierCounts {
  /** Poseidon2 permutations. */ readonly permutations: number;
  /** Multiplications in E. */ readonly multiplications: number;
  /** Of these, the evaluation of the public inputs (one-hot, masks), linear in tokens. */
  readonly publicMultiplications: number;
  readonly otherMultiplications: number;
  readonly messages: number;
}

/** Counts of a plan's verifier, for a statement of its shape. */
export function counts(plan: Plan, statement = blankStatement(plan)): VerifierCounts {
  const all = new RecordingChannel(),
    part = new RecordingChannel(),
    st = statementElems(all, plan.program, plan.states, statement);
  verifyStatement(all, plan, st);
  const publics = new PublicValues(part, plan, st),
    zeros = (n: number): Elem[] => Array.from({ length: n }, () => part.constant(0n)),
    axes = new Map(plan.axes.map((a) => [a.axis, zeros(a.vars)])),
    points = { rho: zeros(plan.logup.vars), axes };
  for (const f of plan.factors) if (f.tensor.cls === 'public') evalPublic(part, plan, f, publics, points);
  return {
    permutations: all.permutations,
    multiplications: all.muls,
    publicMultiplications: part.muls,
    otherMultiplications: all.muls - part.muls,
    messages: all.schedule.length,
  };
}
