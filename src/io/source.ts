import { InputError } from '../errors.js';
import { withFile } from './read-file.js';

/**
 * A file, opened for each piece. Throws InputError where it cannot be read, or where it has become another one in the
 * meantime.
 */
export function inFile(file: string): { readonly size: number; bytes(from: number, n: number): Uint8Array } {
  const size = withFile(file, 'proof', (f) => f.size);
  return {
    size,
    bytes: (from, n) =>
      withFile(file, 'proof', (f) => {
        if (f.size !== size) throw new InputError(file, ['was changed while it was being read'], 'run the command again');
        return f.bytes(from, n);
      }),
  };
}
