/** So many problems are spelled out in the message; `problems` holds all of them. */
const SHOWN = 20;

/** Unreadable or malformed input: names file, key or tensor and the way out. Exit code 3. */
export class InputError extends Error {
  constructor(
    readonly file: string,
    readonly problems: readonly string[],
    readonly remedy = '',
  ) {
    const shown = problems.slice(0, SHOWN).join('; '),
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
