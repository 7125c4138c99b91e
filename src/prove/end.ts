import type { Kernels } from '../kernels/runtime.js';
import type { DetachedClaim } from '../tensor/deferred.js';
import { NativeChannel } from '../transcript/native.js';
import { type Chosen, type LaidOut, type NodeOptions, type Stack, layOut, mergeOn, proveLaidOut } from './node.js';
import { verifyMerge } from '../recursion/merge.js';
import { type Settled, commitStack } from '../recursion/commit.js';
import { proveSettled } from './settle.js';
import type { RecursionClass } from '../recursion/class.js';
import { endCircuit } from '../recursion/end.js';
import { keyWords } from '../recursion/fold.js';
import { RECURSION_VERSION } from '../recursion/key.js';
import type { RecursionKeys } from '../recursion/keys.js';
import { VIEW_ALL, decode, endLayout } from '../recursion/statement.js';
import { END_KIND, claimOf, verifyNode } from '../verify/nodes.js';
import type { EndProof, NodeProof } from '../recursion/node-words.js';
import type { Plan } from '../tensor/plan.js';

type EndOptions = NodeOptions & { readonly shows?: readonly bigint[]; readonly circuit?: typeof endCircuit };

/**
 * The end of a node with its witness: its claims are settled. The commitments to the base's stack and to the columns
 * take 4 to 16 words per word of the stack while they are made. `shows`: the flags of its view, by default all;
 * `circuit`: that of bundles, for their class. Throws Error naming the first check that fails.
 */
export function layOutEnd(k: Kernels, c: RecursionClass, keys: RecursionKeys, base: Stack, of: NodeProof, o: EndOptions = {}): LaidOut {
  o.onPhase?.('merge');
  const { keyVars } = c.child,
    { keyShape, baseShape } = c.end.shape,
    claims = [verifyNode(k, c, of), claimOf(c.plan, of.statement.columns)],
    merged = mergeOn(k, keyVars, keys.root, claims, keys.stack);
  const ch = new NativeChannel(k, merged);
  let columns: DetachedClaim;
  try {
    columns = verifyMerge(ch, { frozenVars: keyVars }, keys.root, claims).detach(ch);
  } finally {
    ch.close();
  }
  const opened = <T>(shape: Settled['shape'], words: BigInt64Array, f: (s: Settled) => T, tree?: Uint8Array): T =>
    k.scope(() => f(commitStack(k, shape, words, tree)));
  o.onPhase?.('settle');
  const openColumns = opened(keyShape, keys.stack, (s) => proveSettled(k, s, columns), keys.tree),
    { root, openBase } = opened(baseShape, base.words, (s) => ({
      root: s.oracle.root,
      openBase: proveSettled(k, s, claimOf(c.plan, of.statement.base)),
    }));
  o.onPhase?.('witness');
  return layOut(c.end.circuit, (x) =>
    (o.circuit ?? endCircuit)(x, c.end.shape, { node: of, root, shows: o.shows ?? VIEW_ALL, merge: merged, openColumns, openBase }),
  );
}

/** Proves an end that is laid out. `plan`: another one of the end's program, whose proof hides its witness. */
export const proveLaidOutEnd = (
  k: Kernels,
  c: RecursionClass,
  keys: RecursionKeys,
  laid: LaidOut,
  o: NodeOptions & Chosen & { readonly plan?: Plan } = {},
): EndProof => ({
  statement: decode(laid.words, endLayout(c.child.baseVars)),
  proof: proveLaidOut(k, o.plan ?? c.end.plan, laid, keyWords(keys.end.root, END_KIND, BigInt(RECURSION_VERSION), 0n), o, keys.end.tree),
});

/**
 * Proves the end of a node: its claims are settled, the proof is of constant size. Options and errors as of layOutEnd
 * and proveLaidOutEnd.
 */
export const proveEnd = (
  k: Kernels,
  c: RecursionClass,
  keys: RecursionKeys,
  base: Stack,
  of: NodeProof,
  o: EndOptions & Chosen & { readonly plan?: Plan } = {},
): EndProof => proveLaidOutEnd(k, c, keys, layOutEnd(k, c, keys, base, of, o), o);
