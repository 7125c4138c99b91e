import type { Kernels } from '../kernels/runtime.js';
import { proveEnd } from '../prove/end.js';
import type { NodeOptions, Stack } from '../prove/node.js';
import type { RecursionClass } from '../recursion/class.js';
import type { RecursionKeys } from '../recursion/keys.js';
import type { EndProof, NodeProof } from '../recursion/node-words.js';
import { hiddenEndPlan } from './verify.js';

/**
 * Proves the end of a node as proveEnd does, hiding its witness: verify.ts. No two proofs of one node are alike, and
 * none is made again from what is kept. Throws as proveEnd.
 */
export const proveHiddenEnd = (
  k: Kernels,
  c: RecursionClass,
  keys: RecursionKeys,
  base: Stack,
  of: NodeProof,
  o: NodeOptions = {},
): EndProof => proveEnd(k, c, keys, base, of, { ...o, plan: hiddenEndPlan(keys.published) });
