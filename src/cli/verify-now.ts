import * as hand from './at-hand.js';
import type { Context, Result } from './common.js';
import type { VerifyOptions } from './target.js';
import { opened, verifyOpened } from './verify-opened.js';

/** The same as verify, at once, with all that it may need. */
export const verifyNow = (target: string, o: VerifyOptions, c: Context): Result => verifyOpened(opened(target, o, c), o, c, hand);
