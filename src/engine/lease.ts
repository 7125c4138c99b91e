import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { LeaseError } from './errors.js';
import type { Store } from './store.js';

/*
 * One coordinator at a time holds a farm. Its record in the store counts upwards while it is alive: whoever finds one
 * waits whether it still counts, so that no clock is compared with another machine's.
 */

interface Held {
  readonly id: string;
  readonly pid: number;
  readonly host: string;
  readonly since: string;
  readonly beat: number;
}

/** Milliseconds between two beats, and without one after which a lease is nobody's. */
export const BEAT = 5_000,
  PATIENCE = 20_000;

function heldOf(x: unknown): Held | undefined {
  if (!x || typeof x !== 'object') return undefined;
  const { id, pid, host, since, beat } = x as Record<string, unknown>;
  if (typeof id !== 'string' || typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return undefined;
  if (typeof host !== 'string' || typeof since !== 'string' || typeof beat !== 'number') return undefined;
  return { id, pid, host, since, beat };
}

/** Whether the holder is a process of this machine that has ended. */
function gone({ host, pid }: Held): boolean {
  if (host !== hostname()) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (e) {
    return (e as { code?: string }).code !== 'EPERM';
  }
}

const wait = (ms: number): Promise<void> => new Promise((r) => setTimeout(r, ms));

export class CoordinatorLease {
  #timer: ReturnType<typeof setInterval> | undefined;
  #beat = 0;
  /** Set when another one has taken the lease. */ lost: LeaseError | undefined;

  private constructor(
    readonly store: Store,
    readonly me: Omit<Held, 'beat'>,
  ) {}

  /** Takes the lease of a store. Throws LeaseError where another coordinator is alive. */
  static async take(store: Store, patience = PATIENCE, beat = BEAT): Promise<CoordinatorLease> {
    const lease = new CoordinatorLease(store, {
      id: randomBytes(16).toString('hex'),
      pid: process.pid,
      host: hostname(),
      since: new Date().toISOString(),
    });
    for (let tries = 0; !(await store.setRecord('lease', { ...lease.me, beat: 0 }, true)); tries++) {
      const h = heldOf(await store.record('lease'));
      if (h && !gone(h)) {
        await wait(patience);
        const now = heldOf(await store.record('lease'));
        if (tries > 3 || (now && (now.id !== h.id || now.beat !== h.beat))) throw new LeaseError(store.name, now ?? h);
      }
      await store.blobs.remove('lease');
    }
    lease.#timer = setInterval(() => void lease.#renew(), beat);
    lease.#timer.unref();
    return lease;
  }
  async #renew(): Promise<void> {
    try {
      const h = heldOf(await this.store.record('lease'));
      if (h && h.id !== this.me.id) this.lost = new LeaseError(this.store.name, h);
      else await this.store.setRecord('lease', { ...this.me, beat: ++this.#beat });
    } catch {
      // The store cannot be reached for the moment: the next beat tells.
    }
  }
  async release(): Promise<void> {
    clearInterval(this.#timer);
    if (heldOf(await this.store.record('lease'))?.id === this.me.id) await this.store.blobs.remove('lease');
  }
}
