import { CircuitChannel } from '../circuit/channel.js';
import { type Circuit, circuitCells } from '../circuit/columns.js';
import { proveCircuit } from '../circuit/prove.js';
import { mod } from '../field/goldilocks.js';
import type { Kernels } from '../kernels/runtime.js';
import type { DetachedClaim } from '../tensor/deferred.js';
import type { Plan } from '../tensor/plan.js';
import type { HidingOptions } from '../tensor/prove-hiding.js';
import { proveMerge } from './merge.js';
import type { RecursionClass } from '../recursion/class.js';
import { keyWords } from '../recursion/fold.js';
import { RECURSION_VERSION } from '../recursion/key.js';
import type { RecursionKeys } from '../recursion/keys.js';
import { decode, layout } from '../recursion/statement.js';
import type { NodeProof } from '../recursion/node-words.js';

/* What leaf, fold and end have in common: each is a function of its arguments, and keeps nothing. */

/** The frozen stack and its digest. */
export interface Stack {
  readonly words: BigInt64Array;
  readonly digest: readonly bigint[];
}

export interface NodeOptions {
  readonly onPhase?: (name: string) => void;
  /** Context of the statement; zeros where a circuit has its own. */ readonly context?: readonly bigint[];
}
/** Masks and challenges of a proof that hides its witness: for tests alone, a certificate draws its own. */
export interface Chosen {
  readonly chosen?: Pick<HidingOptions, 'random' | 'sponge'>;
}

/** Cells of a circuit with its witness, and the words that it publishes. */
export interface LaidOut {
  readonly cells: ReadonlyMap<string, BigInt64Array>;
  readonly words: bigint[];
}

/** Runs a verifier over its proofs. Throws Error naming the first check that fails. */
export function layOut(circuit: Circuit, run: (ch: CircuitChannel) => void): LaidOut {
  const ch = new CircuitChannel(new BigUint64Array(0));
  run(ch);
  if (ch.failed.length) throw new Error(`the children do not verify: ${ch.failed[0]}`);
  return { cells: circuitCells(ch, circuit), words: ch.rows.U.value.map(mod) };
}

/**
 * Proves what is laid out. `keyTree`: the tree of the circuit's fixed columns, where these are opened with the witness.
 */
export const proveLaidOut = (
  k: Kernels,
  plan: Plan,
  { cells }: LaidOut,
  frozen: readonly bigint[],
  o: NodeOptions & Chosen,
  keyTree?: Uint8Array,
): BigUint64Array =>
  proveCircuit(k, plan, cells, {
    frozenDigest: frozen,
    ...(o.context ? { context: o.context } : {}),
    ...(o.onPhase ? { onPhase: o.onPhase } : {}),
    ...(keyTree ? { keyTree } : {}),
    ...o.chosen,
  }).proof;

function withStack<T>(k: Kernels, words: BigInt64Array, f: (ptr: number) => T): T {
  return k.scope(() => {
    const at = k.alloc(8 * words.length);
    k.i64.set(words, at / 8);
    return f(at);
  });
}

/** Proves the merge of claims on a stack. */
export const mergeOn = (
  k: Kernels,
  vars: number,
  digest: readonly bigint[],
  claims: readonly DetachedClaim[],
  stack: BigInt64Array,
): BigUint64Array => withStack(k, stack, (at) => proveMerge(k, { frozenVars: vars }, digest, claims, at, stack.length));

/** Proves a circuit of the class: a leaf or the fold. */
export function proveNode(
  k: Kernels,
  c: RecursionClass,
  keys: RecursionKeys,
  kind: number,
  o: NodeOptions & Chosen,
  run: (ch: CircuitChannel) => void,
): NodeProof {
  o.onPhase?.('witness');
  const laid = layOut(c.circuits[kind], run),
    proof = proveLaidOut(k, c.plan, laid, keyWords(keys.root, BigInt(kind), BigInt(RECURSION_VERSION), 0n), o);
  return { proof, statement: decode(laid.words, layout(c.child.baseVars, c.child.keyVars)) };
}
