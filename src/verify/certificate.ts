/**
 * The end of a run, its witness hidden: same circuit, same key, same statement as the end of a folded run. The proof
 * adds nothing to its statement; what the statement says is in clear.
 */
import type { FoldedRun } from '../artifact/folded.js';
import { circuitProgram } from '../circuit/program.js';
import type { Kernels } from '../kernels/runtime.js';
import { endOptions } from '../recursion/end.js';
import { type VerificationKey, keyDigest } from '../recursion/key.js';
import { type EndProof, endProofOf } from '../recursion/node-words.js';
import type { Plan } from '../tensor/plan.js';
import { hidingPlan, hidingWords, verifyHiding } from '../tensor/verify-hiding.js';
import { VerificationError } from '../transcript/arith.js';
import { NativeChannel } from '../transcript/native.js';
import { endName, endPublics, verifyEnd } from './nodes.js';
import { Recent } from './recent.js';
import { checkView } from './view.js';

interface HiddenEnd {
  readonly plan: Plan;
  /** Words of a proof. */ readonly words: number;
}

const known = new Recent<HiddenEnd>();

function hiddenEnd(key: VerificationKey): HiddenEnd {
  const { endRate, settleRates } = key.proof;
  return known.get(endName(key), () => {
    const plan = hidingPlan(circuitProgram(key.endHeights), endOptions(key.proof, endRate, settleRates[2]));
    return { plan, words: hidingWords(plan) };
  });
}

/**
 * The plan of the end circuit's proofs that hide its witness, from a key that is trusted. Throws RangeError for a
 * circuit too small to hide.
 */
export const hiddenEndPlan = (key: VerificationKey): Plan => hiddenEnd(key).plan;
/** Words of such a proof. */
export const hiddenEndWords = (key: VerificationKey): number => hiddenEnd(key).words;

/**
 * Verifies an end proof that hides its witness, under a trusted key: as verifyEnd. Throws VerificationError; a proof of
 * another length is not looked at.
 */
export function verifyHiddenEnd(k: Kernels, key: VerificationKey, end: EndProof): void {
  const { plan, words } = hiddenEnd(key);
  if (end.proof.length !== words) throw new VerificationError('proof length', `${end.proof.length} words, the circuit needs ${words}`);
  const ch = new NativeChannel(k, end.proof, 'blake3');
  try {
    verifyHiding(ch, plan, endPublics(plan, key, end.statement));
    ch.finish();
  } finally {
    ch.close();
  }
  if (end.statement.key.some((w, i) => w !== BigInt(key.root[i])))
    throw new VerificationError('verification key', 'the proof was made under another key than the published one');
}

/**
 * An end of a run that was found to hold under a key, and what that took. Nobody else makes one, and none is changed
 * afterwards: what was verified is what is compared.
 */
export interface Held {
  readonly end: EndProof;
  readonly of: FoldedRun;
  /** Digest of the key. */ readonly key: string;
  readonly proofMs: number;
}
const found = new WeakSet<Held>();

/**
 * Verifies the end of a run, a certificate or not, under a key, and that it was made under the flags of its run.
 * Whether the key is one to trust is not asked. Throws VerificationError.
 */
export function verifyEndOf(k: Kernels, key: VerificationKey, x: FoldedRun): Held {
  const t0 = performance.now(),
    end = endProofOf(key, x);
  checkView(x, end.statement.shows);
  (x.hides ? verifyHiddenEnd : verifyEnd)(k, key, end);
  Object.values(end.statement).forEach(Object.freeze);
  const held: Held = Object.freeze({
    end: Object.freeze({ ...end, statement: Object.freeze(end.statement) }),
    of: x,
    key: keyDigest(key),
    proofMs: performance.now() - t0,
  });
  found.add(held);
  return held;
}

/** The same, but for what was found to hold under this very key before. */
export function verifyEndOnce(k: Kernels, key: VerificationKey, x: FoldedRun, before: Held | undefined): Held {
  return before && found.has(before) && before.of === x && before.key === keyDigest(key) ? before : verifyEndOf(k, key, x);
}
