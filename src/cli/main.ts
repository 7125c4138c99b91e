import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/* Where a command runs: in a thread of its own (thread.ts), or here where it is over before a thread has begun. */

/**
 * Folder of what runs: the same modules as those beside this one, which the whole build has joined to few files, for
 * hundreds of small ones are read ten times as slowly. In a working copy, where modules are compiled by themselves,
 * files that are older than these are passed over.
 */
function folder(): URL {
  const joined = new URL('../joined/', import.meta.url),
    own = new URL('./', import.meta.url),
    written = (u: URL): number => statSync(fileURLToPath(new URL('worker.js', u))).mtimeMs;
  if (!existsSync(fileURLToPath(new URL('worker.js', joined)))) return own;
  return existsSync(fileURLToPath(new URL('../../src', import.meta.url))) && written(joined) < written(own) ? own : joined;
}

/** Options of a verification that reads the proof alone, and those of them that have a value. */
const ALONE = ['--key', '--base-root', '--no-recompute', '--min-bits', '--require-beacon', '--require-base', '--json', '--quiet'],
  WITH_VALUE = ['--key', '--base-root', '--min-bits', '--require-base'];
/** Bytes of a file up to which a verification of it takes a fraction of a second. */
const SMALL = 2 ** 22;

/**
 * Whether a command line is the verification of one small file under a key that is given, or not at all. It writes
 * nothing, and a signal ends it as it ends any program. A thread takes as long to begin as the proof takes to verify.
 */
function alone(argv: readonly string[]): boolean {
  if (argv[0] !== 'verify' || !(argv.includes('--key') || argv.includes('--no-recompute'))) return false;
  const files: string[] = [];
  for (let i = 1; i < argv.length; i++) {
    if (!argv[i].startsWith('-')) files.push(argv[i]);
    else if (!ALONE.includes(argv[i])) return false;
    else if (WITH_VALUE.includes(argv[i])) i++;
  }
  const [file] = files,
    found = files.length === 1 ? statSync(file, { throwIfNoEntry: false }) : undefined;
  return found?.isFile() === true && found.size <= SMALL;
}

const argv = process.argv.slice(2);
if (alone(argv)) {
  const { runCommand } = (await import(new URL('command.js', folder()).href)) as typeof import('./command.js');
  await runCommand(
    argv,
    process.stderr.isTTY === true,
    ({ err, end, text }) => {
      if (err !== undefined) process.stderr.write(err);
      if (end !== undefined) process.exitCode = end;
      if (text) process.stdout.write(text);
    },
    () => {},
  );
} else await import(new URL('thread.js', folder()).href);
