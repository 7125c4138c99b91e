import { type Circuit, type Heights, circuitProgram, compileCircuit } from '../../circuit/program.js';
import { circuitKey } from '../../circuit/prove.js';
import type { Kernels } from '../../kernels/runtime.js';
import { type Plan, type ProofOptions, makePlan } from '../../tensor/plan.js';
import { type FoldShape, type LeafShape, foldCircuit, leafCircuit } from './circuits.js';

/** Leaf and fold of one height class: one program, two sets of fixed columns. */
export interface RecursionClass {
  readonly plan: Plan;
  readonly leafShape: LeafShape;
  readonly foldShape: FoldShape;
  readonly leaf: Circuit;
  readonly fold: Circuit;
}

/**
 * The height class of a leaf: the least heights (in the order of this search) that hold the leaf and a fold of two proofs of that same class. The fold's own rows depend on the
 * heights only through logarithms, so the search ends after a few rounds.
 */
export function recursionClass(leaf: Omit<LeafShape, 'keyVars'>, options: ProofOptions): RecursionClass {
  const { baseVars } = leaf;
  let least: Heights | undefined,
    keyVars = 16;
  for (let round = 0; round < 12; round++) {
    const leafShape = { ...leaf, keyVars },
      a = compileCircuit((ch) => leafCircuit(ch, leafShape), least);
    const plan = makePlan(circuitProgram(a.heights), options);
    if (plan.frozenVars + 1 !== keyVars) {
      keyVars = plan.frozenVars + 1;
      least = a.heights;
      continue;
    }
    const foldShape = { plan, baseVars, keyVars },
      b = compileCircuit((ch) => foldCircuit(ch, foldShape), a.heights);
    if (JSON.stringify(b.heights) === JSON.stringify(a.heights)) return { plan, leafShape, foldShape, leaf: a, fold: b };
    least = b.heights;
  }
  throw new Error('no height class holds its own fold');
}

/** Verification keys of a class: digests of the fixed columns, and the stack of both, each padded to 2^vars. */
export interface RecursionKeys {
  readonly leaf: readonly bigint[];
  readonly fold: readonly bigint[];
  readonly stack: BigInt64Array;
}

export function recursionKeys(k: Kernels, c: RecursionClass): RecursionKeys {
  const a = circuitKey(k, c.plan, c.leaf.fixed),
    b = circuitKey(k, c.plan, c.fold.fixed),
    half = 2 ** c.plan.frozenVars,
    stack = new BigInt64Array(2 * half);
  stack.set(a.stack);
  stack.set(b.stack, half);
  return { leaf: a.digest, fold: b.digest, stack };
}
