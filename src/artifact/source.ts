/**
 * Bytes from which a proof is read: of memory, or of a file that is opened for each piece (io/source.ts), so that no
 * piece is held longer than it is used.
 */
export interface Source {
  readonly size: number;
  bytes(from: number, n: number): Uint8Array;
}

export const inMemory = (b: Uint8Array): Source => ({ size: b.length, bytes: (from, n) => b.subarray(from, from + n) });
