/**
 * Certune as a library: set up a run from its configuration, base and data, train and prove its steps, pack and verify
 * them. The floors below are subpaths: certune/tensor, certune/pcs and so on.
 */
export { type FoldedRun, type NodeFile, decodeFolded, decodeNode } from './artifact/folded.js';
export { PACK_VERSION, type Pack, decodePack, encodePack } from './artifact/pack.js';
export { DiskFullError, InputError, UnsupportedError, VersionError } from './errors.js';
export { type Units, calibrate } from './estimate/calibrate.js';
export { type Counts, countPlan } from './estimate/counts.js';
export { type FoldEstimate, estimateFold, foldSeconds } from './estimate/fold.js';
export { type Estimate, estimateRun, runMemory } from './estimate/steps.js';
export { type Kernels, OutOfMemoryError, singleKernels, threadedKernels } from './kernels/index.js';
export { type Recursion, proveRange } from './prove/range.js';
export { baseStack, folding, recursionOf } from './prove/recursion.js';
export { mergeRun, proveStep, runStep } from './prove/step.js';
export { type Circuits, circuitsOf } from './recursion/circuits.js';
export { MERGE_VERSION, verifyMerge } from './recursion/merge.js';
export * from './run/commitments.js';
export { type Facts, type Run, checkedRun, runOf } from './run/facts.js';
export type { Base, Complete, Data, Inputs } from './run/inputs.js';
export { type Ledger, LEAST_BITS, type RunTerm, programLedger, runLedger } from './run/ledger.js';
export { type Manifest, MANIFEST_VERSION, manifestDigest, manifestJson, parseManifest } from './run/manifest.js';
export * from './run/parts.js';
export { type BaseShape, type Programs, programsOf } from './run/programs.js';
export { type RunConfig, runSchema } from './run/schema.js';
export { inputsOf } from './setup/base.js';
export { type Setup, setup } from './setup/run.js';
export { readRun } from './setup/runfile.js';
export { type AnyProof, readPack, readProofFile, writePack } from './store/proof.js';
export { VerificationError } from './transcript/arith.js';
export { type FoldedLedger, foldedLedger } from './verify/ledger.js';
export { type Against, type FoldedCheck, verifyFoldedRun, verifyNodeFile } from './verify/folded.js';
export { type ChainCheck, type RunCheck, checkMerge, checkSteps, verifyRun } from './verify/steps.js';
export { type KeyOrigin, trustedKey } from './verify/trust.js';
export { verifyEnd } from './verify/nodes.js';
