import type { Certificate } from '../artifact/certificate.js';
import type { NodeFile } from '../artifact/folded.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Circuits } from '../recursion/circuits.js';
import { type EndProof, type NodeProof, nodeOf } from '../recursion/node-words.js';
import { encode, endLayout } from '../recursion/statement.js';
import type { RecursionClass } from '../recursion/class.js';
import type { RecursionKeys } from '../recursion/keys.js';
import { hiddenEndPlan } from '../verify/certificate.js';
import { viewOf } from '../verify/view.js';
import { proveEnd } from './end.js';
import type { NodeOptions, Stack } from './node.js';

/**
 * Proves the end of a node as proveEnd does, hiding its witness and what `shows` does not:
 * src/verify/certificate.ts. No two proofs of one node are alike, and none is made again from what is kept. Throws as
 * proveEnd.
 */
export const proveHiddenEnd = (
  k: Kernels,
  c: RecursionClass,
  keys: RecursionKeys,
  base: Stack,
  of: NodeProof,
  shows: readonly bigint[],
  o: NodeOptions = {},
): EndProof => proveEnd(k, c, keys, base, of, { ...o, shows, plan: hiddenEndPlan(keys.published) });

/**
 * The certificate of a run from the node over all of its steps. `base` is the stack of the run's base. Throws Error
 * naming the first check that fails, RangeError where the end of such runs is too small to hide.
 */
export function proveCertificate(
  k: Kernels,
  { cls, keys }: Pick<Circuits, 'cls' | 'keys'>,
  base: Stack,
  n: NodeFile,
  o: NodeOptions = {},
): Certificate {
  const { statement, proof } = k.scope(() =>
    proveHiddenEnd(k, cls, keys, base, nodeOf(cls, n), viewOf({ hides: true, manifest: n.manifest }), o),
  );
  return {
    manifest: n.manifest,
    key: { ...keys.published },
    losses: n.losses,
    epochs: n.epochs,
    statement: encode(statement, endLayout(cls.child.baseVars)),
    proof,
    hides: true,
  };
}
