/** Unreadable or malformed input: names file, key or tensor and the way out. Exit code 3. */
export class InputError extends Error {
  constructor(
    readonly file: string,
    readonly problems: readonly string[],
    readonly remedy = '',
  ) {
    super(`${file}: ${problems.join('; ')}${remedy ? ` (${remedy})` : ''}`);
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
