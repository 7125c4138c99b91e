export * from './types.js';
export { ProgramBuilder, expr, operand, realTerm, term } from './builder.js';
export { ProgramError } from './bounds.js';
export type { Box } from './einsum.js';
export { type Plan, type ProofOptions, makePlan } from './plan.js';
export {
  type Publics,
  PROOF_VERSION,
  type Statement,
  type StatementElems,
  frozenDigest,
  programDigest,
  programJson,
  statePoint,
  statementElems,
} from './statement.js';
export { PublicValues, evalPublic } from './public-values.js';
export { DeferredClaim, DetachedClaim, evaluateStack, settleFrozen } from './deferred.js';
export { scheduleOf } from './schedule.js';
export { tableColumns } from './tables.js';
export { verifyProgram, verifyStatement } from './verify.js';
export { type ProveOptions, proveProgram } from './prove.js';
export { hiddenMessages } from './hiding-counts.js';
export { type HidingRun, hidingPlan, recordHiding, verifyHiding } from './verify-hiding.js';
export { type HidingOptions, proveHiding } from './prove-hiding.js';
export { fillStack, fillWords } from './stack.js';
export { frozenStack } from './state-commit.js';
export { stateRate } from './state-layout.js';
export { StateTrees } from './state-trees.js';
export { type ReadingInput, type ReadingInputs, outputsOf } from './reading.js';
export { type Inputs, IntegerReading, OverflowError } from './integer.js';
export { FloatReading } from './float.js';
