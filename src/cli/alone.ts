import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { jsonLine, lines } from '../io/escape.js';
import { manifestOf } from '../store/proof.js';
import { cardsFolder } from './cards-folder.js';
import { Progress } from './progress.js';
import type { VerifyOptions } from './target.js';
import { needsHand, opened, verifiedWhole, verifyOpened } from './verify-opened.js';
import { verifiedFiles, weightsOf } from './weights.js';

/*
 * The verification of one proof file, and of a small base and an adapter, in files of its own: most of what a command
 * loads is for other commands, and loading it takes longer than such a proof takes to verify. By the functions that
 * every verification calls. What is not verified here, or does not hold, is for the command: it says why, and how it
 * ends.
 */

/** What is told of a verification that holds: lines for people on the way, and its result. */
export interface Told {
  readonly err: string;
  readonly out: string;
}

/** Bytes of all that lies in a base's folder up to which it is read here. */
const SMALL_BASE = 2 ** 26;

const isSmall = (dir: string): boolean => readdirSync(dir).reduce((n, f) => n + statSync(join(dir, f)).size, 0) <= SMALL_BASE;

/** Verifies a proof file, as certune verify with these options. Undefined where the command has to be run instead. */
export async function verifyAlone(
  file: string,
  o: VerifyOptions,
  { json, quiet, tty }: { readonly json: boolean; readonly quiet: boolean; readonly tty: boolean },
): Promise<Told | undefined> {
  let err = '';
  const write = (text: string): void => {
    err += text;
  };
  try {
    // Cards are judged beside what is said here.
    if (existsSync(cardsFolder(file))) return undefined;
    const c = { progress: new Progress({ tty, quiet, write }), writes: () => {} },
      x = opened(file, o, c),
      { proof } = x.target;
    if (proof.kind !== 'folded' || (o.base !== undefined && !isSmall(o.base))) return undefined;
    // Nobody vouches for the key, and none is kept for want of a base.
    if (o.base === undefined && needsHand(x, o)) return undefined;
    const result = verifyOpened(x, o, c, o.base === undefined ? undefined : await import('./alone-hand.js'));
    if (!verifiedWhole(result)) return undefined;
    const claims = weightsOf(result, verifiedFiles(result, file, o.adapter ?? ''), () => manifestOf(proof).base.digest);
    return { err, out: `${json ? jsonLine({ ...result.data, claims }) : lines(result.text)}\n` };
  } catch {
    // The command comes to the same end, and says why.
    return undefined;
  }
}
