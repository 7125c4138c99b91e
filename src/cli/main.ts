import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { VerifyOptions } from './target.js';

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

/** Options of a verification that takes a moment, by the names of their values, or as what they say. */
const VALUES = {
    '--key': 'key',
    '--base': 'base',
    '--adapter': 'adapter',
    '--base-root': 'baseRoot',
    '--min-bits': 'minBits',
    '--require-base': 'requireBase',
  } as const,
  FLAGS: Readonly<Record<string, Pick<VerifyOptions, 'recompute' | 'requireBeacon'>>> = {
    '--no-recompute': { recompute: false },
    '--require-beacon': { requireBeacon: true },
    '--json': {},
    '--quiet': {},
  };
/** Bytes of a file up to which a verification of it takes a fraction of a second. */
const SMALL = 2 ** 22;

/**
 * The file and the options of a command line that verifies one small file under a key that is given or kept, or not at
 * all. It writes nothing beside the cache. A thread takes as long to begin as the proof takes to verify.
 */
function alone(argv: readonly string[]): { readonly file: string; readonly o: VerifyOptions } | undefined {
  if (argv[0] !== 'verify' || !['--key', '--no-recompute', '--base'].some((x) => argv.includes(x))) return undefined;
  let o: VerifyOptions = {};
  const files: string[] = [];
  for (let i = 1; i < argv.length; i++) {
    const arg = argv[i];
    if (!arg.startsWith('-')) files.push(arg);
    else if (Object.hasOwn(FLAGS, arg)) o = { ...o, ...FLAGS[arg] };
    else if (Object.hasOwn(VALUES, arg) && i + 1 < argv.length) o = { ...o, [VALUES[arg as keyof typeof VALUES]]: argv[++i] };
    else return undefined;
  }
  const [file] = files,
    found = files.length === 1 ? statSync(file, { throwIfNoEntry: false }) : undefined;
  return found?.isFile() === true && found.size <= SMALL ? { file, o } : undefined;
}

const argv = process.argv.slice(2),
  from = folder(),
  json = argv.includes('--json'),
  tty = process.stderr.isTTY === true,
  read = async <T>(name: string): Promise<T> => (await import(new URL(name, from).href)) as T;

/**
 * Lets a signal that has come be seen: none is while a verification computes. Of the loop's turn in which that ended,
 * what has come is taken already, so that the next one sees it.
 */
const turn = (): Promise<void> => new Promise((done) => setImmediate(() => setImmediate(done)));

let stopped = false;
/** Says that a signal ended the command, and ends it. */
async function stop(signal: string): Promise<void> {
  if (stopped) process.exit(130);
  stopped = true;
  process.exitCode = 130;
  const { interrupted } = await import('./interrupted.js'),
    { err, out, exit } = interrupted(signal, json);
  if (out) process.stdout.write(out);
  process.stderr.write(err, () => process.exit(exit));
}

/** Verifies a small file here. Returns whether that is all that there is to do. */
async function verifiedHere(file: string, o: VerifyOptions): Promise<boolean> {
  // All of it in one file, where the whole build has made that and code of it can be kept: to compile it takes longer
  // than to read what is asked for of the modules, and where it is kept less.
  const one = fileURLToPath(new URL('alone.cjs', from)),
    kept =
      process.env['CERTUNE_CACHE'] !== 'off' && existsSync(one)
        ? (await read<typeof import('./compiled.js')>('compiled.js')).compiledHere<typeof import('./alone.js')>(one)
        : undefined,
    { exports, keep } = kept ?? { exports: await read<typeof import('./alone.js')>('alone.js'), keep: () => {} },
    told = await exports.verifyAlone(file, o, { json, quiet: argv.includes('--quiet'), tty });
  await turn();
  if (stopped) return true;
  if (told) {
    process.stderr.write(told.err);
    process.stdout.write(told.out);
    keep();
    return true;
  }
  if (o.base !== undefined) return false;
  let last: { readonly end?: number; readonly text?: string } = {};
  const { runCommand } = await read<typeof import('./command.js')>('command.js');
  await runCommand(
    argv,
    tty,
    ({ err, end, text }) => {
      if (err !== undefined) process.stderr.write(err);
      if (end !== undefined) last = { end, ...(text === undefined ? {} : { text }) };
    },
    () => {},
  );
  await turn();
  if (stopped) return true;
  process.exitCode = last.end;
  if (last.text) process.stdout.write(last.text);
  return true;
}

const small = alone(argv),
  signals = ['SIGINT', 'SIGTERM'] as const;
if (small) for (const s of signals) process.on(s, stop);
const done = small !== undefined && (await verifiedHere(small.file, small.o));
for (const s of signals) process.removeListener(s, stop);
if (!done) await read('thread.js');
