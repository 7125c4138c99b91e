import { blake3 } from '@noble/hashes/blake3.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '../hash/sha256.js';
import { concatBytes, toUtf8 } from '../provenance/bytes.js';
import { MOST_POOL, type Ratio, drawnUnits } from './catch.js';

/*
 * Draws from a beacon: streams of words from BLAKE3, numbers below n by rejection, partial Fisher-Yates. Whoever holds
 * seal and beacon computes the same.
 */

/** Words of 64 bits from a seed, as many as are asked for. */
function* words(seed: Uint8Array): Generator<bigint> {
  for (let block = 0; ; block++) {
    const at = new Uint8Array(8);
    new DataView(at.buffer).setBigUint64(0, BigInt(block), true);
    const b = blake3(concatBytes(seed, at), { dkLen: 512 }),
      v = new DataView(b.buffer, b.byteOffset);
    for (let k = 0; k < 512; k += 8) yield v.getBigUint64(k, true);
  }
}

/** Uniform below n: words beyond the last multiple of n are thrown away. */
export function below(stream: Iterator<bigint>, n: number): number {
  const N = BigInt(n),
    limit = ((1n << 64n) / N) * N;
  for (;;) {
    const w = stream.next().value as bigint;
    if (w < limit) return Number(w % N);
  }
}

/**
 * `count` different numbers below `pool`, uniform among all ordered choices: the first places of a Fisher-Yates
 * shuffle. Memory grows with `count` alone.
 */
export function choose(stream: Iterator<bigint>, pool: number, count: number): number[] {
  if (!(Number.isSafeInteger(pool) && pool >= 0 && pool <= MOST_POOL && count >= 0 && count <= pool))
    throw new RangeError(`${count} of ${pool}`);
  const moved = new Map<number, number>(),
    at = (i: number): number => moved.get(i) ?? i,
    out: number[] = [];
  for (let i = 0; i < count; i++) {
    const j = i + below(stream, pool - i);
    out.push(at(j));
    moved.set(j, at(i));
  }
  return out;
}

const u64 = (n: number): Uint8Array => {
  const b = new Uint8Array(8);
  new DataView(b.buffer).setBigUint64(0, BigInt(n), false);
  return b;
};

/** A unit of a client's round: `index` counts from 0. */
export interface DrawnUnit {
  readonly client: string;
  readonly index: number;
}

/** What a draw is computed from. */
export interface DrawInput {
  /** SHA-256 of the charter, 32 bytes. */ readonly federation: Uint8Array;
  readonly round: number;
  /** Root over the sealed commits, 32 bytes. */ readonly seal: Uint8Array;
  /** Value of the beacon, 32 bytes. */ readonly beacon: Uint8Array;
  /** Clients in the order of the seal, each with its units. */
  readonly pool: readonly { readonly client: string; readonly units: number }[];
  readonly coverage: Ratio;
  /** At least so many units of every client, drawn after the others: 0 or 1. */ readonly each: number;
}

/** Seed of a round's draw: SHA-256 of its name, charter, round, root of the seal and value of the beacon. */
export const drawSeed = (d: Pick<DrawInput, 'federation' | 'round' | 'seal' | 'beacon'>): Uint8Array =>
  sha256(concatBytes(toUtf8('certune/fed/draw/1'), d.federation, u64(d.round), d.seal, d.beacon));

/**
 * Units of a client that a draw hit, in order; and how many units were drawn from the whole pool, which is what the
 * formulas count.
 */
export interface Draw {
  readonly units: readonly DrawnUnit[];
  /** Units of the pool. */ readonly pool: number;
  /** Units drawn uniformly from the pool, those of `each` left out. */ readonly drawn: number;
}

/**
 * The draw: ceil(coverage M) of all M units without replacement; then, where `each` is 1, a unit of every client that
 * was not hit.
 */
export function drawUnits(d: DrawInput): Draw {
  const pool = d.pool.reduce((n, c) => n + c.units, 0),
    drawn = drawnUnits(d.coverage, pool),
    stream = words(drawSeed(d)),
    starts: number[] = [];
  let at = 0;
  for (const c of d.pool) {
    starts.push(at);
    at += c.units;
  }
  const hits = new Map<number, number[]>();
  const add = (client: number, index: number): void => {
    const list = hits.get(client);
    if (list) list.push(index);
    else hits.set(client, [index]);
  };
  for (const n of choose(stream, pool, drawn)) {
    // The last client that begins at or before n; clients without units begin where the next one does.
    let low = 0,
      high = starts.length - 1;
    while (low < high) {
      const mid = (low + high + 1) >> 1;
      if (starts[mid] <= n) low = mid;
      else high = mid - 1;
    }
    add(low, n - starts[low]);
  }
  if (d.each > 0) d.pool.forEach((c, i) => !hits.has(i) && c.units > 0 && add(i, below(stream, c.units)));
  const units = d.pool.flatMap((c, i) => (hits.get(i) ?? []).sort((a, b) => a - b).map((index) => ({ client: c.client, index })));
  return { units, pool, drawn };
}

/** Drawn units of a client, in the order of the draw. */
export const drawnOf = (draw: Pick<Draw, 'units'>, client: string): number[] =>
  draw.units.filter((u) => u.client === client).map((u) => u.index);

/**
 * Participants of a round: the first `count` of the enrolled in order of SHA-256 of the last round's beacon and their
 * name. Nobody chooses them; who enrols more names is drawn more often, which an allow-list of keys bounds and nothing
 * else.
 */
export function participants(beacon: Uint8Array, round: number, enrolled: readonly string[], count: number): string[] {
  const order = enrolled.map((client) => {
    const h = sha256(concatBytes(toUtf8('certune/fed/select/1'), beacon, u64(round), toUtf8(client)));
    return { client, h: BigInt(`0x${hex(h)}`) };
  });
  order.sort((a, b) => (a.h < b.h ? -1 : a.h > b.h ? 1 : a.client < b.client ? -1 : 1));
  return order
    .slice(0, count)
    .map((x) => x.client)
    .sort();
}
