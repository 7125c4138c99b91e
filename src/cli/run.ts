import { commit } from './commit.js';
import type { Context, Result } from './common.js';
import { type ProveOptions, prove } from './prove.js';
import { train } from './train.js';
import { verify } from './verify.js';

/** Commit, train, prove, verify: each goes on where it stood. */
export async function runAll(run: string, o: ProveOptions, c: Context): Promise<Result> {
  const parts: [string, Result][] = [];
  const add = (name: string, r: Result): void => {
    parts.push([name, r]);
    for (const line of r.text.split('\n')) c.progress.line(line);
  };
  add('commit', commit(run, c));
  add('train', await train(run, o, c));
  add('prove', await prove(run, o, c));
  const v = verify(run, {}, c);
  return { data: { ...Object.fromEntries(parts.map(([n, r]) => [n, r.data])), verify: v.data }, text: v.text };
}
