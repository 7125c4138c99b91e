import type { Kernels } from '../kernels/runtime.js';
import type { DetachedClaim } from '../tensor/deferred.js';
import { type NodeOptions, type Stack, mergeOn, proveNode } from './node.js';
import type { RecursionClass } from '../recursion/class.js';
import { foldCircuit } from '../recursion/fold.js';
import type { RecursionKeys } from '../recursion/keys.js';
import { claimOf, verifyNode } from '../verify/nodes.js';
import type { NodeProof } from '../recursion/node-words.js';

/** Proves that two neighbouring nodes hold. Throws Error naming the first check that fails. */
export function proveFold(
  k: Kernels,
  c: RecursionClass,
  keys: RecursionKeys,
  base: Stack,
  children: readonly [NodeProof, NodeProof],
  o: NodeOptions = {},
): NodeProof {
  o.onPhase?.('merge');
  const own = children.map((n) => verifyNode(k, c, n)),
    carried = (f: 'base' | 'columns'): DetachedClaim[] => children.map((n) => claimOf(c.plan, n.statement[f]));
  const { baseVars, keyVars } = c.child;
  const mergeBase = mergeOn(k, baseVars, base.digest, carried('base'), base.words),
    mergeColumns = mergeOn(k, keyVars, keys.root, [...own, ...carried('columns')], keys.stack);
  return proveNode(k, c, keys, 0, o, (ch) => foldCircuit(ch, c.child, { children, mergeBase, mergeColumns }));
}
