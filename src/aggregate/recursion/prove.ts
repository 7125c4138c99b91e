import { CircuitChannel } from '../../circuit/channel.js';
import { type Circuit, circuitCells } from '../../circuit/program.js';
import { proveCircuit } from '../../circuit/prove.js';
import { mod } from '../../field/goldilocks.js';
import type { Kernels } from '../../kernels/runtime.js';
import type { DetachedClaim } from '../../tensor/deferred.js';
import type { Plan } from '../../tensor/plan.js';
import type { Statement } from '../../tensor/statement.js';
import { verifyProgram } from '../../tensor/verify.js';
import { NativeChannel } from '../../transcript/index.js';
import { proveMerge } from '../merge/prove.js';
import { type LeafInput, foldCircuit, leafCircuit } from './circuits.js';
import type { RecursionClass, RecursionKeys } from './keys.js';
import { decode } from './statement.js';
import { type NodeProof, claimOf, verifyNode } from './verify.js';

/** A stack of signed words and its digest. */
export interface Stack {
  readonly words: BigInt64Array;
  readonly digest: readonly bigint[];
}

export interface NodeOptions {
  readonly onPhase?: (name: string) => void;
}

function prove(
  k: Kernels,
  c: RecursionClass,
  circuit: Circuit,
  digest: readonly bigint[],
  o: NodeOptions,
  run: (ch: CircuitChannel) => void,
): NodeProof {
  o.onPhase?.('witness');
  const ch = new CircuitChannel(new BigUint64Array(0));
  run(ch);
  if (ch.failed.length) throw new Error(`the children do not verify: ${ch.failed[0]}`);
  const { proof } = proveCircuit(k, c.plan, circuitCells(ch, circuit), {
    frozenDigest: digest,
    ...(o.onPhase ? { onPhase: o.onPhase } : {}),
  });
  return { proof, statement: decode(ch.rows.U.value.map(mod), c.foldShape.baseVars, c.foldShape.keyVars) };
}

function withStack<T>(k: Kernels, words: BigInt64Array, f: (ptr: number) => T): T {
  const m = k.mark(),
    at = k.alloc(8 * words.length);
  k.i64.set(words, at / 8);
  const out = f(at);
  k.release(m);
  return out;
}

const merge = (
  k: Kernels,
  vars: number,
  digest: readonly bigint[],
  claims: readonly DetachedClaim[],
  stack: BigInt64Array,
): BigUint64Array => withStack(k, stack, (at) => proveMerge(k, { frozenVars: vars } as Plan, digest, claims, at, stack.length));

/** Proves a leaf from the program proofs of its steps. Throws Error naming the first check that fails. */
export function proveLeaf(
  k: Kernels,
  c: RecursionClass,
  keys: RecursionKeys,
  base: Stack,
  input: {
    readonly parts: readonly { readonly proof: BigUint64Array; readonly statement: Statement }[];
    readonly from: number;
    readonly dataIn: readonly bigint[];
    readonly scalarsIn: readonly bigint[];
  },
  o: NodeOptions = {},
): NodeProof {
  const s = c.leafShape,
    claims: DetachedClaim[] = [];
  s.plans.forEach((plan, i) => {
    if (!plan.frozenVars) return;
    const ch = new NativeChannel(k, input.parts[i].proof);
    claims.push(verifyProgram(ch, plan, input.parts[i].statement).detach(ch));
    ch.close();
  });
  const given: LeafInput = {
    ...input,
    ...(claims.length > 1 ? { merge: merge(k, s.baseVars, base.digest, claims, base.words) } : {}),
    leafKey: keys.leaf,
    foldKey: keys.fold,
    key0: mod(keys.stack[0]),
  };
  return prove(k, c, c.leaf, keys.leaf, o, (ch) => leafCircuit(ch, s, given));
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
    carried = (f: 'base' | 'key'): DetachedClaim[] => children.map((n) => claimOf(c.plan, n.statement[f]));
  const { baseVars, keyVars } = c.foldShape;
  const mergeBase = merge(k, baseVars, base.digest, carried('base'), base.words),
    mergeKey = merge(k, keyVars, [...keys.leaf, ...keys.fold], [...own, ...carried('key')], keys.stack);
  return prove(k, c, c.fold, keys.fold, o, (ch) => foldCircuit(ch, c.foldShape, { children, mergeBase, mergeKey }));
}
