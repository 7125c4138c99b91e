import { P } from '../field/goldilocks.js';
import { STATE_WORDS } from '../tensor/state-layout.js';
import { FederationError } from './errors.js';

/*
 * A boundary record: where a client stands between two units. 36 words, 288 bytes, little-endian.
 *
 *   pos       steps done, micro-batches and targets of the step begun, epoch, batches drawn in it, examples and targets
 *             in all
 *   s         commitment to adapter and optimiser state
 *   losses    chain of losses;  counters: chain of the policy's counters;  epochs: chain of what epochs published
 */
export interface Boundary {
  readonly pos: readonly bigint[];
  readonly s: readonly bigint[];
  readonly losses: readonly bigint[];
  readonly counters: readonly bigint[];
  readonly epochs: readonly bigint[];
}

const FIELDS = [
  ['pos', 7],
  ['s', STATE_WORDS],
  ['losses', 4],
  ['counters', 4],
  ['epochs', 4],
] as const;
export const BOUNDARY_WORDS = FIELDS.reduce((n, [, w]) => n + w, 0),
  BOUNDARY_BYTES = 8 * BOUNDARY_WORDS;

/** Words in order. Throws FederationError where a field has more or fewer, or one that is no canonical word. */
export function boundaryWords(b: Boundary, party?: string): bigint[] {
  return FIELDS.flatMap(([name, n]) => {
    const w = Array.from(b[name]);
    if (w.length !== n || w.some((x) => x < 0n || x >= P))
      throw new FederationError('boundary record', `${name} must be ${n} canonical words`, party);
    return w;
  });
}

/** The record with these words. Throws as boundaryWords. */
export function boundaryOf(words: readonly bigint[], party?: string): Boundary {
  if (words.length !== BOUNDARY_WORDS)
    throw new FederationError('boundary record', `${words.length} words, a record has ${BOUNDARY_WORDS}`, party);
  let at = 0;
  const take = (n: number): bigint[] => words.slice(at, (at += n)),
    [pos, s, losses, counters, epochs] = FIELDS.map(([, n]) => take(n)),
    b = { pos, s, losses, counters, epochs };
  boundaryWords(b, party);
  return b;
}

export function boundaryBytes(b: Boundary, party?: string): Uint8Array {
  const out = new Uint8Array(BOUNDARY_BYTES),
    v = new DataView(out.buffer);
  boundaryWords(b, party).forEach((w, i) => v.setBigUint64(8 * i, w, true));
  return out;
}

const zeros = (n: number): bigint[] => Array<bigint>(n).fill(0n);

/**
 * The record that every client begins a round with: B_0. Place (0, 0, 0, r, 0, 0, 0), chains zero, the state of the
 * global adapter with zero moments. The server computes it, nobody sends it.
 */
export const firstBoundary = (round: number, state: readonly bigint[]): Boundary => ({
  pos: [0n, 0n, 0n, BigInt(round), 0n, 0n, 0n],
  s: [...state],
  losses: zeros(4),
  counters: zeros(4),
  epochs: zeros(4),
});

export const sameBoundary = (a: Boundary, b: Boundary): boolean => {
  const x = boundaryWords(a),
    y = boundaryWords(b);
  return x.every((w, i) => w === y[i]);
};
