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
