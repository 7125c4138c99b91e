import { type Stats, closeSync, constants, fstatSync, openSync, opendirSync, readSync, statSync } from 'node:fs';
import { InputError, reason } from '../errors.js';

/*
 * The one way in which files are read. A file comes from anyone: it may be a device, a pipe or a folder behind a link,
 * larger than memory, or it may grow while it is read. Links are followed, because the hub's own cache is made of them;
 * what they lead to must be a regular file.
 */

const MIB = 2 ** 20;

/** What a file is read as, with the most bytes that one may have: several times what the largest real one has. */
export const MOST_BYTES = {
  'run.yaml': MIB,
  manifest: 16 * MIB,
  config: 4 * MIB,
  index: 16 * MIB,
  tokenizer: 64 * MIB,
  template: MIB,
  key: MIB,
  envelope: 8 * MIB,
  policy: MIB,
  card: MIB,
  openings: 64 * MIB,
  lock: 2 ** 16,
  proof: 2 ** 31 - 1,
  journal: 2 ** 40,
  weights: 2 ** 43,
  data: 2 ** 43,
} as const;
export type FileKind = keyof typeof MOST_BYTES;

const TYPES: readonly [keyof Stats & `is${string}`, string][] = [
  ['isDirectory', 'a folder'],
  ['isCharacterDevice', 'a device'],
  ['isBlockDevice', 'a device'],
  ['isFIFO', 'a pipe'],
  ['isSocket', 'a socket'],
];

/** Throws InputError where a name does not lead to a regular file of at most the bytes of its kind. */
function checkRegular(file: string, s: Stats, kind: FileKind): void {
  if (!s.isFile()) {
    const what = TYPES.find(([is]) => (s[is] as () => boolean).call(s))?.[1] ?? 'something else';
    throw new InputError(file, [`cannot be read: it is ${what}, not a file`]);
  }
  if (s.size > MOST_BYTES[kind])
    throw new InputError(file, [`cannot be read: it has ${s.size} bytes, a file of this kind (${kind}) at most ${MOST_BYTES[kind]}`]);
}

/** Sentence for an error of the file system. */
function unreadable(file: string, e: unknown): InputError {
  if (e instanceof InputError) return e;
  const code = (e as { code?: string } | null)?.code;
  return new InputError(file, [
    `cannot be read: ${code === 'ENOENT' || code === 'ENOTDIR' ? 'it does not exist' : code === 'ELOOP' ? 'its links lead in a circle' : reason(e)}`,
  ]);
}

/** An open regular file of a kind, read from any place on. Throws InputError, as all its methods do. */
export class OpenFile {
  readonly #fd: number;
  /** Bytes when it was opened. */ readonly size: number;

  constructor(
    readonly file: string,
    kind: FileKind,
  ) {
    let fd: number | undefined;
    try {
      // Looked at before it is opened, since opening a device or a pipe may do something; and after, since the name may
      // lead elsewhere by then.
      checkRegular(file, statSync(file), kind);
      fd = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
      const s = fstatSync(fd);
      checkRegular(file, s, kind);
      this.size = s.size;
      this.#fd = fd;
    } catch (e) {
      if (fd !== undefined) closeSync(fd);
      throw unreadable(file, e);
    }
  }

  /** Up to so many bytes into `b`; 0 at the end of the file. */
  some(b: Uint8Array, from: number, offset = 0, length = b.length - offset): number {
    try {
      return readSync(this.#fd, b, offset, length, from);
    } catch (e) {
      throw unreadable(this.file, e);
    }
  }

  /** Exactly the bytes from .. from + n - 1. */
  bytes(from: number, n: number): Uint8Array<ArrayBuffer> {
    if (from + n > this.size) throw new InputError(this.file, ['ends before what should be read of it']);
    const b = new Uint8Array(n);
    for (let o = 0; o < n; ) {
      const got = this.some(b, from + o, o);
      if (!got) throw new InputError(this.file, ['ends while it is being read']);
      o += got;
    }
    return b;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** What `f` makes of an open file, which is closed whatever comes. */
export function withFile<T>(file: string, kind: FileKind, f: (x: OpenFile) => T): T {
  const x = new OpenFile(file, kind);
  try {
    return f(x);
  } finally {
    x.close();
  }
}

/** All bytes of a file, those that it had when it was opened. Throws InputError. */
export const readBytes = (file: string, kind: FileKind): Uint8Array<ArrayBuffer> => withFile(file, kind, (x) => x.bytes(0, x.size));

/** UTF-8 text of a file, a byte order mark included. Throws InputError. */
export function readText(file: string, kind: FileKind): string {
  const b = readBytes(file, kind);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(b);
  } catch {
    throw new InputError(file, ['is not UTF-8']);
  }
}

/** Most names of a folder that are listed. */
export const MOST_NAMES = 10_000;

/**
 * Names in a folder in order, those of folders with a slash behind. Throws InputError where it is none, or holds more
 * than MOST_NAMES.
 */
export function listFolder(dir: string): string[] {
  const out: string[] = [];
  try {
    const d = opendirSync(dir);
    try {
      for (let e = d.readSync(); e; e = d.readSync()) {
        if (out.length === MOST_NAMES) throw new InputError(dir, [`holds more than ${MOST_NAMES} files`]);
        out.push(e.isDirectory() ? `${e.name}/` : e.name);
      }
    } finally {
      d.closeSync();
    }
  } catch (e) {
    throw unreadable(dir, e);
  }
  return out.sort();
}
