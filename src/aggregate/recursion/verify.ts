import { P, toSigned } from '../../field/goldilocks.js';
import type { Kernels } from '../../kernels/runtime.js';
import { DetachedClaim, settleFrozen } from '../../tensor/deferred.js';
import type { Plan } from '../../tensor/plan.js';
import type { Statement } from '../../tensor/statement.js';
import { verifyProgram } from '../../tensor/verify.js';
import { type Ext, NativeChannel, VerificationError } from '../../transcript/index.js';
import type { RecursionClass, RecursionKeys } from './keys.js';
import { type NodeStatement, layout } from './statement.js';

/** A leaf or fold: its statement and the proof of it. */
export interface NodeProof {
  readonly statement: NodeStatement;
  readonly proof: BigUint64Array;
}

/** The statement of the circuit's program that a node's statement is. Throws VerificationError where it is not one. */
export function programStatement(c: RecursionClass, s: NodeStatement): Statement {
  const words: bigint[] = [];
  for (const [f, n] of layout(c.foldShape.baseVars, c.foldShape.keyVars)) {
    const w = s[f];
    if (!Array.isArray(w) || w.length !== n || w.some((x) => typeof x !== 'bigint' || x < 0n || x >= P))
      throw new VerificationError('statement', `${f} must be ${n} canonical words`);
    words.push(...w);
  }
  if (s.kind[0] > 1n) throw new VerificationError('statement', 'kind must be 0 (leaf) or 1 (fold)');
  while (words.length < c.plan.program.axes['rowU']) words.push(0n);
  return {
    roots: {},
    frozen: s.kind[0] ? s.foldKey : s.leafKey,
    publics: new Map([['public', BigInt64Array.from(words, toSigned)]]),
  };
}

/** A claim's words as elements. */
export function claimOf(plan: Plan, words: readonly bigint[]): DetachedClaim {
  const all = Array.from({ length: words.length / 3 }, (_, k) => words.slice(3 * k, 3 * k + 3) as unknown as Ext);
  return new DetachedClaim(plan, all.slice(0, -1), all[all.length - 1]);
}

/** Verifies a node's proof alone; its statement then holds under the keys it names, if the claim returned (on the stack of keys) does. */
export function verifyNode(k: Kernels, c: RecursionClass, node: NodeProof): DetachedClaim {
  const st = programStatement(c, node.statement),
    ch = new NativeChannel(k, node.proof);
  try {
    const d = verifyProgram(ch, c.plan, st);
    ch.finish();
    const { point, value } = d.detach(ch);
    return new DetachedClaim(c.plan, [[node.statement.kind[0], 0n, 0n], ...point], value);
  } finally {
    ch.close();
  }
}

/**
 * Verifies the last node of a run against published keys: the statement's keys must be these, and both claims on their stack are evaluated. Returns
 * the one claim that is left, on the frozen stack (weights and tables) of the statement's digest; the statement holds if it does.
 */
export function verifyEnd(k: Kernels, c: RecursionClass, keys: RecursionKeys, node: NodeProof): DetachedClaim {
  const { leafKey, foldKey, base, key } = node.statement,
    own = verifyNode(k, c, node);
  if (leafKey.some((w, i) => w !== keys.leaf[i]) || foldKey.some((w, i) => w !== keys.fold[i]))
    throw new VerificationError('verification key', 'the proof was made under other keys than the published ones');
  const m = k.mark(),
    at = k.alloc(8 * keys.stack.length);
  k.i64.set(keys.stack, at / 8);
  try {
    settleFrozen(k, at, keys.stack.length, [own, claimOf(c.plan, key)]);
  } catch (e) {
    if (e instanceof VerificationError) throw new VerificationError('verification key', 'a claim on the keys does not hold');
    throw e;
  } finally {
    k.release(m);
  }
  return claimOf(c.plan, base);
}
