import { CircuitChannel } from '../circuit/channel.js';
import { type Circuit, circuitCells } from '../circuit/columns.js';
import { proveCircuit } from '../circuit/prove.js';
import { mod } from '../field/goldilocks.js';
import type { Kernels } from '../kernels/runtime.js';
import type { DetachedClaim } from '../tensor/deferred.js';
import type { Plan } from '../tensor/plan.js';
import type { Statement } from '../tensor/statement.js';
import { verifyProgram } from '../tensor/verify.js';
import { NativeChannel } from '../transcript/native.js';
import { proveMerge } from './merge.js';
import { verifyMerge } from '../recursion/merge.js';
import { type Settled, commitStack } from '../recursion/commit.js';
import { proveSettled } from './settle.js';
import type { RecursionClass } from '../recursion/class.js';
import { endCircuit, endKeyShape } from '../recursion/end.js';
import { foldCircuit, keyWords } from '../recursion/fold.js';
import { RECURSION_VERSION } from '../recursion/key.js';
import type { RecursionKeys } from '../recursion/keys.js';
import { type Before, type LeafPolicy, leafCircuit } from '../recursion/leaf.js';
import { type EndStatement, decode, endLayout, layout } from '../recursion/statement.js';
import { END_KIND, claimOf, endPublics, verifyNode } from '../verify/nodes.js';
import type { EndProof, NodeProof } from '../recursion/node-words.js';

/** The frozen stack and its digest. */
export interface Stack {
  readonly words: BigInt64Array;
  readonly digest: readonly bigint[];
}

export interface NodeOptions {
  readonly onPhase?: (name: string) => void;
}

/** What a leaf is made from. */
export interface LeafParts {
  readonly parts: readonly { readonly proof: BigUint64Array; readonly statement: Statement }[];
  readonly before: Before;
  readonly dataset: readonly bigint[];
  readonly epoch: bigint;
  readonly policy?: LeafPolicy;
}

function prove(
  k: Kernels,
  plan: Plan,
  circuit: Circuit,
  frozen: readonly bigint[],
  o: NodeOptions,
  run: (ch: CircuitChannel) => void,
): { proof: BigUint64Array; words: bigint[] } {
  o.onPhase?.('witness');
  const ch = new CircuitChannel(new BigUint64Array(0));
  run(ch);
  if (ch.failed.length) throw new Error(`the children do not verify: ${ch.failed[0]}`);
  const { proof } = proveCircuit(k, plan, circuitCells(ch, circuit), {
    frozenDigest: frozen,
    ...(o.onPhase ? { onPhase: o.onPhase } : {}),
  });
  return { proof, words: ch.rows.U.value.map(mod) };
}

function withStack<T>(k: Kernels, words: BigInt64Array, f: (ptr: number) => T): T {
  return k.scope(() => {
    const at = k.alloc(8 * words.length);
    k.i64.set(words, at / 8);
    return f(at);
  });
}

const merge = (
  k: Kernels,
  vars: number,
  digest: readonly bigint[],
  claims: readonly DetachedClaim[],
  stack: BigInt64Array,
): BigUint64Array => withStack(k, stack, (at) => proveMerge(k, { frozenVars: vars }, digest, claims, at, stack.length));

function node(
  k: Kernels,
  c: RecursionClass,
  keys: RecursionKeys,
  kind: number,
  o: NodeOptions,
  run: (ch: CircuitChannel) => void,
): NodeProof {
  const { proof, words } = prove(k, c.plan, c.circuits[kind], keyWords(keys.root, BigInt(kind), BigInt(RECURSION_VERSION), 0n), o, run);
  return { proof, statement: decode(words, layout(c.child.baseVars, c.child.keyVars)) };
}

/** Proves leaf `kind` (1, 2, 3: the class's leaves in order) from its program proofs. Throws Error naming the first check that fails. */
export function proveLeaf(
  k: Kernels,
  c: RecursionClass,
  keys: RecursionKeys,
  base: Stack,
  kind: number,
  input: LeafParts,
  o: NodeOptions = {},
): NodeProof {
  const s = c.leaves[kind - 1];
  if (input.parts.length !== s.count)
    throw new RangeError(`a leaf of kind ${kind} has ${s.count} program proofs, not ${input.parts.length}`);
  const claims: DetachedClaim[] = [];
  if (s.plan.frozenVars && s.count > 1)
    for (const p of input.parts) {
      const ch = new NativeChannel(k, p.proof);
      try {
        claims.push(verifyProgram(ch, s.plan, p.statement).detach(ch));
      } finally {
        ch.close();
      }
    }
  const given = {
    ...input,
    ...(claims.length > 1 ? { merge: merge(k, c.run.baseVars, base.digest, claims, base.words) } : {}),
    frozen: base.digest,
    key: keys.root,
    first: [mod(base.words[0]), mod(keys.stack[0])] as const,
  };
  return node(k, c, keys, kind, o, (ch) => leafCircuit(ch, c.run, s, kind, given));
}

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
  const mergeBase = merge(k, baseVars, base.digest, carried('base'), base.words),
    mergeColumns = merge(k, keyVars, keys.root, [...own, ...carried('columns')], keys.stack);
  return node(k, c, keys, 0, o, (ch) => foldCircuit(ch, c.child, { children, mergeBase, mergeColumns }));
}

/**
 * Proves the end of a node: its claims are settled, the proof is of constant size. The commitments to the base's stack and to the columns take 4 to 16 words
 * per word of the stack while they are made. Throws Error naming the first check that fails.
 */
export function proveEnd(k: Kernels, c: RecursionClass, keys: RecursionKeys, base: Stack, of: NodeProof, o: NodeOptions = {}): EndProof {
  o.onPhase?.('merge');
  const { keyVars } = c.child,
    { keyShape, baseShape } = c.end.shape,
    claims = [verifyNode(k, c, of), claimOf(c.plan, of.statement.columns)],
    merged = merge(k, keyVars, keys.root, claims, keys.stack);
  const ch = new NativeChannel(k, merged);
  let columns: DetachedClaim;
  try {
    columns = verifyMerge(ch, { frozenVars: keyVars }, keys.root, claims).detach(ch);
  } finally {
    ch.close();
  }
  const opened = <T>(shape: Settled['shape'], words: BigInt64Array, f: (s: Settled) => T): T =>
    k.scope(() => f(commitStack(k, shape, words)));
  o.onPhase?.('settle');
  const openColumns = opened(keyShape, keys.stack, (s) => proveSettled(k, s, columns)),
    { root, openBase } = opened(baseShape, base.words, (s) => ({
      root: s.oracle.root,
      openBase: proveSettled(k, s, claimOf(c.plan, of.statement.base)),
    }));
  const { proof, words } = prove(k, c.end.plan, c.end.circuit, keyWords(keys.end.root, END_KIND, BigInt(RECURSION_VERSION), 0n), o, (x) =>
    endCircuit(x, c.end.shape, { node: of, root, merge: merged, openColumns, openBase }),
  );
  o.onPhase?.('columns');
  const statement: EndStatement = decode(words, endLayout()),
    own = new NativeChannel(k, proof);
  let claim: DetachedClaim;
  try {
    claim = verifyProgram(own, c.end.plan, endPublics(c.end.plan, statement, keys.end.root)).detach(own);
  } finally {
    own.close();
  }
  return { statement, proof, opening: opened(endKeyShape(c.end.plan), keys.end.stack, (s) => proveSettled(k, s, claim)) };
}
