import { existsSync, readFileSync, renameSync, rmSync, rmdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { linkAbsent, makeFolder, writeAtomic } from '../io/atomic.js';
import { readText } from '../io/read-file.js';

/*
 * One command at a time writes to a run's folder: its journal and its proofs are found again by name, and two that
 * write would take turns at the same names. The lock is a file that says who holds it. It is made by a link, so that it
 * is there whole or not at all, and a holder that has ended without removing it holds nothing.
 */

/** Who holds a folder. */
export interface Holder {
  readonly command: string;
  readonly pid: number;
  readonly host: string;
  /** When it began, ISO 8601. */ readonly since: string;
  /** When the system says that this process began: another one may have its number by now. */
  readonly born: string | null;
}

/** Another command works on the folder. */
export class InUseError extends Error {
  constructor(
    readonly file: string,
    readonly holder: Holder,
  ) {
    const elsewhere = holder.host !== hostname();
    super(
      `${file}: certune ${holder.command} (process ${holder.pid} on ${holder.host}, since ${holder.since}) works on this folder: ${
        elsewhere ? 'wait until it has ended; if that machine is gone, delete the file' : 'wait until it has ended, or end it'
      }`,
    );
    this.name = 'InUseError';
  }
}

export const lockFile = (out: string): string => join(out, 'lock');

/** Boot and start time of a process, where the system tells: the pair names one process for good. */
function bornOf(pid: number): string | null {
  try {
    // The system's own files, which have no length: not what the reader of files is for.
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
      stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command's name is in parentheses and may hold anything; the start time is the 20th field behind it.
    return `${boot}/${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch {
    return null;
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (e) {
    return (e as { code?: string }).code === 'EPERM';
  }
}

/** The holder that a lock names; undefined where there is none, or none that could be held to. */
function holderOf(file: string): Holder | undefined {
  try {
    const x = JSON.parse(readText(file, 'lock')) as Partial<Holder> | null;
    if (
      typeof x?.command === 'string' &&
      typeof x.host === 'string' &&
      typeof x.since === 'string' &&
      Number.isSafeInteger(x.pid) &&
      x.pid! > 0
    )
      return { command: x.command, pid: x.pid!, host: x.host, since: x.since, born: typeof x.born === 'string' ? x.born : null };
  } catch {
    // A lock is written whole: what cannot be read is not one.
  }
  return undefined;
}

/** Whether a holder may still be at work: on another machine nobody can tell. */
function holds(h: Holder): boolean {
  if (h.host !== hostname()) return true;
  return alive(h.pid) && (h.born === null || bornOf(h.pid) === h.born);
}

const mine = new Map<string, number>();

/**
 * Takes the lock of a run's out folder, which is made where it is missing, and returns what gives it back. A command
 * that is part of another one takes it again. Throws InUseError naming the holder; NotWritableError, DiskFullError
 * where nothing can be written.
 */
export function lockFolder(out: string, command: string): () => void {
  const there = existsSync(out);
  makeFolder(out);
  const file = resolve(lockFile(out)),
    release = (): void => {
      const left = (mine.get(file) ?? 1) - 1;
      if (left > 0) mine.set(file, left);
      else {
        mine.delete(file);
        rmSync(file, { force: true });
        if (there) return;
        // A command that has written nothing leaves no folder either.
        try {
          rmdirSync(out);
        } catch {
          // It holds something by now.
        }
      }
    },
    held = mine.get(file);
  if (held !== undefined) {
    mine.set(file, held + 1);
    return release;
  }
  const tmp = `${file}.tmp-${process.pid}`,
    me: Holder = { command, pid: process.pid, host: hostname(), since: new Date().toISOString(), born: bornOf(process.pid) };
  try {
    writeAtomic(tmp, `${JSON.stringify(me)}\n`);
    for (let tries = 0; !linkAbsent(tmp, file); tries++) {
      const h = holderOf(file);
      if (h && (holds(h) || tries > 8)) throw new InUseError(file, h);
      // Moved away rather than removed: whoever took it over in the meantime would lose it.
      const old = `${file}.old.tmp-${process.pid}`;
      try {
        renameSync(file, old);
      } catch {
        continue;
      }
      const taken = holderOf(old);
      if (taken && holds(taken)) {
        linkAbsent(old, file);
        rmSync(old, { force: true });
        throw new InUseError(file, taken);
      }
      rmSync(old, { force: true });
    }
  } finally {
    rmSync(tmp, { force: true });
  }
  mine.set(file, 1);
  return release;
}

/** Removes the lock of a folder where a process of this number holds it: for one that ends in the middle. */
export function dropLock(out: string, pid: number): void {
  const h = holderOf(lockFile(out));
  if (h?.pid === pid && h.host === hostname()) rmSync(lockFile(out), { force: true });
}
