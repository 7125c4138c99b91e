/** So many problems are spelled out in the message; `problems` holds all of them. */
const SHOWN = 20;

/** So many characters of a problem are spelled out: what a file holds may be as long as the file. */
const CLIP = 1000;

/** The beginning of a text, and how much there is of it where it is longer. */
export const clip = (text: string, most = CLIP): string =>
  text.length <= most ? text : `${text.slice(0, most)}... (${text.length} characters)`;

/** What is said of a number above its limit; nothing below. */
export const overLimit = (what: string, n: number, most: number): string[] => (n > most ? [`${what}: ${n}, the limit is ${most}`] : []);

/** Unreadable or malformed input: names file, key or tensor and the way out. Exit code 3. */
export class InputError extends Error {
  constructor(
    readonly file: string,
    readonly problems: readonly string[],
    readonly remedy = '',
  ) {
    const shown = problems
        .slice(0, SHOWN)
        .map((p) => clip(p))
        .join('; '),
      rest = problems.length > SHOWN ? `; and ${problems.length - SHOWN} more` : '';
    super(`${file}: ${shown}${rest}${remedy ? ` (${remedy})` : ''}`);
    this.name = 'InputError';
  }
}

/** The disk has no room: names the file, the bytes that it needs and those that are left. Exit code 6. */
export class DiskFullError extends Error {
  constructor(
    readonly file: string,
    readonly needed: number,
    readonly free?: number,
  ) {
    super(
      `${file}: no room on the disk for ${needed} bytes${free === undefined ? '' : `, ${free} are free`} (make room and run the same command again: finished work is kept)`,
    );
    this.name = 'DiskFullError';
  }
}
/** Text of anything thrown, for the end of a sentence. */
export const reason = (e: unknown): string => (e instanceof Error ? e.message : String(e));

/** A configuration that this release cannot prove: all reasons at once. */
export class UnsupportedError extends Error {
  constructor(readonly reasons: readonly string[]) {
    super(reasons.join('; '));
    this.name = 'UnsupportedError';
  }
}

/** An artifact of a version that this release does not read. Exit code 5. */
export class VersionError extends Error {
  constructor(
    readonly file: string,
    readonly version: unknown,
    readonly supported: number,
    readonly remedy = 'use the release of Certune that wrote it',
  ) {
    super(
      `${file}: version ${clip(typeof version === 'object' ? 'of no number' : String(version), 40)} is not supported, this release reads version ${supported} (${remedy})`,
    );
    this.name = 'VersionError';
  }
}
