import { readRun } from '../setup/runfile.js';
import { commit } from './commit.js';
import { locked } from './kept.js';
import type { Context, Result } from './common.js';
import { type ProveOptions, prove } from './prove.js';
import { train } from './train.js';
import { verifyNow } from './verify-now.js';

/** Commit, train, prove, verify: each goes on where it stood. */
export async function runAll(run: string, o: ProveOptions, c: Context): Promise<Result> {
  // Not before there is something to work on: a folder that is none gets no lock.
  readRun(run);
  return locked(run, 'run', c, () => allParts(run, o, c));
}

async function allParts(run: string, o: ProveOptions, c: Context): Promise<Result> {
  const parts: [string, Result][] = [];
  const add = (name: string, r: Result): void => {
    parts.push([name, r]);
    for (const line of r.text.split('\n')) c.progress.line(line);
  };
  add('commit', commit(run, c));
  add('train', await train(run, o, c));
  add('prove', await prove(run, o, c));
  const v = verifyNow(run, {}, c);
  return { data: { ...Object.fromEntries(parts.map(([n, r]) => [n, r.data])), verify: v.data }, text: v.text };
}
