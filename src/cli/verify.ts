import type { Context, Result } from './common.js';
import type { VerifyOptions } from './target.js';
import { needsHand, opened, verifyOpened } from './verify-opened.js';

/**
 * Verifies a run: a folder, or a proof file with --base, --data and --adapter. Throws VerificationError, InputError,
 * PolicyError.
 */
export async function verify(target: string, o: VerifyOptions, c: Context): Promise<Result> {
  const x = opened(target, o, c);
  return verifyOpened(x, o, c, needsHand(x, o) ? await import('./at-hand.js') : undefined);
}
