import { toSigned } from '../field/goldilocks.js';
import { circuitProgram } from '../circuit/program.js';
import { KINDS } from '../circuit/rows.js';
import type { Kernels } from '../kernels/runtime.js';
import { DetachedClaim, settleFrozen } from '../tensor/deferred.js';
import { type Plan, hashOf, makePlan } from '../tensor/plan.js';
import { scheduleOf } from '../tensor/schedule.js';
import type { Statement } from '../tensor/statement.js';
import { verifyProgram } from '../tensor/verify.js';
import { NativeChannel } from '../transcript/native.js';
import { VerificationError, asExt } from '../transcript/arith.js';
import { scheduleWords } from '../transcript/schedule.js';
import type { RecursionClass } from '../recursion/class.js';
import { endOptions } from '../recursion/end.js';
import { keyWords } from '../recursion/fold.js';
import type { RecursionKeys } from '../recursion/keys.js';
import { RECURSION_VERSION, type VerificationKey } from '../recursion/key.js';
import { type EndStatement, type NodeStatement, encode, endLayout, layout } from '../recursion/statement.js';
import type { NodeProof, EndProof } from '../recursion/node-words.js';
import { Recent } from './recent.js';

/** Number that stands for the end where a circuit's is absorbed. */
export const END_KIND = 4n;

/** Statement of a circuit's proof without state: its public words, zeros behind them, and the digest of its columns. */
export const publics = (plan: Plan, words: readonly bigint[], frozen: readonly bigint[]): Statement => {
  const all = [...words];
  while (all.length < plan.program.axes['rowU']) all.push(0n);
  return { roots: {}, frozen, publics: new Map([['public', BigInt64Array.from(all, toSigned)]]) };
};

/** What of a class a node's proof is verified with. */
export type NodeClass = Pick<RecursionClass, 'plan'> & {
  readonly circuits: { readonly length: number };
  readonly child: Pick<RecursionClass['child'], 'baseVars' | 'keyVars'>;
};

/** The statement of the circuit's program that a node's statement is. Throws VerificationError where it is not one. */
export function nodePublics(c: NodeClass, s: NodeStatement): Statement {
  const words = encode(s, layout(c.child.baseVars, c.child.keyVars));
  if (s.kind[0] >= BigInt(c.circuits.length)) throw new VerificationError('statement', 'kind is that of no circuit');
  return publics(c.plan, words, keyWords(s.key, s.kind[0], BigInt(RECURSION_VERSION), 0n));
}

/** The statement of the end's program that an end's statement is, under a key that is trusted. */
export const endPublics = (plan: Plan, key: Pick<VerificationKey, 'baseVars' | 'endRoot'>, s: EndStatement): Statement =>
  publics(plan, encode(s, endLayout(key.baseVars)), keyWords(key.endRoot.map(BigInt), END_KIND, BigInt(RECURSION_VERSION), 0n));

/** A claim's words as elements. */
export function claimOf(plan: Plan, words: readonly bigint[]): DetachedClaim {
  const all = Array.from({ length: words.length / 3 }, (_, k) => asExt(words, 3 * k));
  return new DetachedClaim(plan, all.slice(0, -1), all[all.length - 1]);
}

/** Verifies a program's proof of exactly the words that its plan has; returns the claim on its frozen stack. */
export function verified(k: Kernels, plan: Plan, st: Statement, proof: BigUint64Array): DetachedClaim {
  const words = scheduleWords(scheduleOf(plan, st));
  if (proof.length !== words) throw new VerificationError('proof length', `${proof.length} words, the circuit needs ${words}`);
  const ch = new NativeChannel(k, proof, hashOf(plan));
  try {
    const d = verifyProgram(ch, plan, st);
    ch.finish();
    return d.detach(ch);
  } finally {
    ch.close();
  }
}

/**
 * Verifies a node's proof alone; its statement then holds under the key it names, if the claim returned (on the fixed
 * columns) does.
 */
export function verifyNode(k: Kernels, c: NodeClass, node: NodeProof): DetachedClaim {
  const { point, value } = verified(k, c.plan, nodePublics(c, node.statement), node.proof),
    kind = Number(node.statement.kind[0]);
  return new DetachedClaim(c.plan, [[BigInt(kind >> 1), 0n, 0n], [BigInt(kind & 1), 0n, 0n], ...point], value);
}

/** Checks claims on a stack by direct evaluation. */
export function settleNative(k: Kernels, stack: BigInt64Array, claims: readonly DetachedClaim[], check: string, why: string): void {
  try {
    k.scope(() => {
      const at = k.alloc(8 * stack.length);
      k.i64.set(stack, at / 8);
      settleFrozen(k, at, stack.length, claims);
    });
  } catch (e) {
    if (e instanceof VerificationError) throw new VerificationError(check, why);
    throw e;
  }
}

/**
 * Verifies a node by itself against recomputed keys: its key must be theirs, both claims on the fixed columns are
 * evaluated. Returns the one claim that is left, on the frozen stack (weights and tables) of the statement's digest;
 * the statement holds if it does.
 */
export function settleNode(k: Kernels, c: RecursionClass, keys: RecursionKeys, node: NodeProof): DetachedClaim {
  const own = verifyNode(k, c, node),
    { key, base, columns } = node.statement;
  if (key.some((w, i) => w !== keys.root[i]))
    throw new VerificationError('verification key', 'the proof was made under another key than the published one');
  settleNative(k, keys.stack, [own, claimOf(c.plan, columns)], 'verification key', 'a claim on the fixed columns does not hold');
  return claimOf(c.plan, base);
}

/** All of a key that the plan of its end follows from. */
export const endName = ({ proof, endHeights }: VerificationKey): string =>
  JSON.stringify([proof.bits, proof.grinding, proof.endRate, proof.settleRates, KINDS.map((k) => endHeights[k])]);

const endPlans = new Recent<Plan>();

/** The plan of the end circuit, from a key that is trusted: shipped, given or recomputed. */
export const endPlan = (key: VerificationKey): Plan =>
  endPlans.get(endName(key), () => {
    const { endRate, settleRates } = key.proof;
    return makePlan(circuitProgram(key.endHeights), endOptions(key.proof, endRate, settleRates[2]));
  });

/**
 * Verifies an end proof under a trusted key. Its statement then holds for the base whose stack has the commitment
 * `root`, if somebody trusted says so of the root, or if the stack takes the value of `base` at its point; whether
 * that, manifest, states, data and losses are those of a run is for the caller to compare (compare.ts). Constant time,
 * whatever the number of steps.
 */
export function verifyEnd(k: Kernels, key: VerificationKey, end: EndProof): void {
  const plan = endPlan(key);
  verified(k, plan, endPublics(plan, key, end.statement), end.proof);
  if (end.statement.key.some((w, i) => w !== BigInt(key.root[i])))
    throw new VerificationError('verification key', 'the proof was made under another key than the published one');
}
