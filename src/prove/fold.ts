import type { Kernels } from '../kernels/runtime.js';
import type { DetachedClaim } from '../tensor/deferred.js';
import { type NodeOptions, type Stack, mergeOn, proveNode } from './node.js';
import { BUNDLE_KIND, bundleCircuit } from '../recursion/bundle.js';
import type { RecursionClass } from '../recursion/class.js';
import { foldCircuit } from '../recursion/fold.js';
import type { RecursionKeys } from '../recursion/keys.js';
import { claimOf, verifyNode } from '../verify/nodes.js';
import type { NodeProof } from '../recursion/node-words.js';

/** Proves that two neighbouring nodes hold. Throws Error naming the first check that fails. */
export const proveFold = (
  k: Kernels,
  c: RecursionClass,
  keys: RecursionKeys,
  base: Stack,
  children: readonly [NodeProof, NodeProof],
  o: NodeOptions = {},
): NodeProof => proveJoin(k, c, keys, base, children, o, 0, foldCircuit);

/**
 * Proves two nodes of a class whose circuits have `bundleCircuit` (bundleClass), neighbours or not. Throws Error naming
 * the first check that fails.
 */
export const proveBundle = (
  k: Kernels,
  c: RecursionClass,
  keys: RecursionKeys,
  base: Stack,
  children: readonly [NodeProof, NodeProof],
  o: NodeOptions = {},
): NodeProof => proveJoin(k, c, keys, base, children, o, BUNDLE_KIND, bundleCircuit);

/** Proves a circuit that verifies two nodes: their claims are merged, whatever else it says of them. */
function proveJoin(
  k: Kernels,
  c: RecursionClass,
  keys: RecursionKeys,
  base: Stack,
  children: readonly [NodeProof, NodeProof],
  o: NodeOptions,
  kind: number,
  circuit: typeof foldCircuit,
): NodeProof {
  o.onPhase?.('merge');
  const own = children.map((n) => verifyNode(k, c, n)),
    carried = (f: 'base' | 'columns'): DetachedClaim[] => children.map((n) => claimOf(c.plan, n.statement[f]));
  const { baseVars, keyVars } = c.child;
  const mergeBase = mergeOn(k, baseVars, base.digest, carried('base'), base.words),
    mergeColumns = mergeOn(k, keyVars, keys.root, [...own, ...carried('columns')], keys.stack);
  return proveNode(k, c, keys, kind, o, (ch) => circuit(ch, c.child, { children, mergeBase, mergeColumns }));
}
