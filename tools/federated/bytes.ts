/**
 * What travels: bytes of the updates of clients that trained, as the files are, beside float32 of the same values and
 * float32 compressed; what the server's checks of an update take. Nothing is proved.
 */
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { beginRound, commitBody, difference, messageFile, signMessage, stepRound } from 'certune/federated';
import type { Kernels } from 'certune/kernels';
import { KeptItems } from './kept.js';
import { type Size, people } from './people.js';
import { handedIn, ownOf, roundOf } from './scale.js';

export interface BytesRow {
  readonly base: string;
  readonly values: number;
  readonly steps: number;
  readonly learningRate: number;
  readonly clients: number;
  /** Of the updates: mean and greatest. */ readonly update: number;
  readonly most: number;
  /** The same values as float32, as 25 bits each, as float32 under brotli. */
  readonly float32: number;
  readonly bits25: number;
  readonly brotli: number;
  readonly commit: number;
  /** The bound on movement. */ readonly bound: number;
  /** Largest movement as a share of the bound, root mean square likewise: greatest of the clients. */
  readonly movement: number;
  readonly rms: number;
  /** Milliseconds that the server's checks of a commit take, least of the clients. */ readonly checkMs: number;
}

const UNIT = 2 ** 20;

export function bytesRow(k: Kernels, dir: string, base: string, clients: number, size: Size): BytesRow {
  const list = people(join(dir, 'data'), clients, 0.3, size, 31),
    c = roundOf(k, list),
    items = new KeptItems(c.plan.digest),
    now = c.plan.body.deadlines.commit - 1,
    values = c.global.length,
    sums = { update: 0, most: 0, brotli: 0, commit: 0, movement: 0, rms: 0, checkMs: Number.POSITIVE_INFINITY };
  let state = beginRound(c);
  for (const p of list) {
    const own = ownOf(c, p),
      { value: t } = handedIn(k, items, own),
      { body, blob } = commitBody(own, t),
      message = signMessage('commit', body, p.key),
      d = difference(t.adapter, c.global),
      floats = Float32Array.from(d, (x) => x / UNIT),
      began = performance.now();
    state = stepRound(state, { kind: 'commit', message, blob, now }).state;
    sums.checkMs = Math.min(sums.checkMs, performance.now() - began);
    sums.update += blob.length / clients;
    sums.most = Math.max(sums.most, blob.length);
    sums.brotli += brotliCompressSync(new Uint8Array(floats.buffer)).length / clients;
    sums.commit += messageFile(message.envelope).length / clients;
    sums.movement = Math.max(sums.movement, Math.max(...d.map(Math.abs)) / Number(c.bound));
    sums.rms = Math.max(sums.rms, Math.sqrt(d.reduce((a, x) => a + x * x, 0) / values) / Number(c.bound));
  }
  const { steps, learningRate } = size;
  return {
    base,
    values,
    steps,
    learningRate,
    clients,
    bound: Number(c.bound),
    ...sums,
    float32: 4 * values,
    bits25: Math.ceil((25 * values) / 8),
  };
}
