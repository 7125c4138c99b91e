import { manifestDigest } from '../run/manifest.js';
import { manifestOf } from '../store/proof.js';
import { SHIPPED } from '../verify/shipped.js';
import { type GivenKey, vouched } from '../verify/trust.js';
import type { Context, Result } from './common.js';
import { UsageError } from './errors.js';
import { type Policy, parsePolicy } from './policy.js';
import { type Target, type VerifyOptions, openTarget, parseKey } from './target.js';
import { type BaseHand, proofOf, verifyFolded } from './verify-folded.js';

/** A proof that was read, and what its options say. */
interface Opened {
  readonly target: Target;
  readonly policy: Policy;
  readonly given: GivenKey | undefined;
}

/** Reads a run's folder, or a proof file, and the options. Throws InputError, UsageError, VerificationError. */
export function opened(target: string, o: VerifyOptions, c: Context): Opened {
  const policy = parsePolicy(o),
    given = parseKey(o.key),
    t = openTarget(target);
  c.progress.line(`statement: manifest ${manifestDigest(manifestOf(t.proof))}`);
  return { target: t, policy, given };
}

/**
 * Whether a verification reads a base or data, or makes circuits. Neither is done for a whole run under a key that is
 * given or shipped, whatever else is said of it.
 */
export function needsHand({ target: { proof, local }, given }: Pick<Opened, 'target' | 'given'>, o: VerifyOptions): boolean {
  if (proof.kind !== 'folded' || local) return true;
  return o.base !== undefined || o.data !== undefined || o.from !== undefined || !vouched(proof.folded.key, given, SHIPPED);
}

export function verifyOpened({ target: t, policy, given }: Opened, o: VerifyOptions, c: Context, hand: BaseHand | undefined): Result {
  if (t.proof.kind !== 'pack') return verifyFolded(t, proofOf(t.proof), { ...o, policy, given }, c, hand);
  if (given || o.recompute === false || o.baseRoot !== undefined)
    throw new UsageError('a pack of step proofs has no verification key: --key and --no-recompute are for folded proofs');
  return hand!.verifyPack!(t, t.proof.pack, policy, o, c);
}

/** Whether what was verified is a whole run. */
export const verifiedWhole = ({ data: d }: Result): boolean =>
  d['verified'] !== undefined && ['run', 'certificate', 'pack'].includes(String(d['kind']));
