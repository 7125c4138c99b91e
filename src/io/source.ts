import { InputError } from '../errors.js';
import { withFile } from './read-file.js';

/** Bytes from which a proof is read: of memory, or of a file that is opened for each piece, so that no piece is held longer than it is used. */
export interface Source {
  readonly size: number;
  bytes(from: number, n: number): Uint8Array;
}

export const inMemory = (b: Uint8Array): Source => ({ size: b.length, bytes: (from, n) => b.subarray(from, from + n) });

/** Throws InputError where it cannot be read, or where it has become another one in the meantime. */
export function inFile(file: string): Source {
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
