import type { Coordinator } from './coordinator.js';
import { type Gauges, states } from './metrics.js';
import type { Store } from './store.js';

/** What a coordinator says of itself, for `farm status`: written into the store now and then. */
export interface Status extends Gauges {
  readonly jobs: ReturnType<typeof states>;
  readonly beat: number;
  readonly engine: string;
  readonly retries: number;
  readonly stalls: number;
  readonly refused: number;
  readonly duplicates: number;
  readonly finished: boolean;
}

export const statusOf = (c: Coordinator, g: Gauges, engine: string, beat: number): Status => {
  const { retries, stalls, refused, duplicates } = c.counters;
  return { ...g, jobs: states(c), beat, engine, retries, stalls, refused, duplicates, finished: c.graph.finished };
};

export const writeStatus = (store: Store, s: Status): Promise<boolean> => store.setRecord('status', s);

/** What a store holds of a farm: status, workers, what was given up and who was refused. */
export async function readStatus(store: Store): Promise<{
  readonly status: Partial<Status>;
  readonly coordinator: unknown;
  readonly failed: readonly { readonly key: string; readonly record: unknown }[];
  readonly suspended: readonly { readonly worker: string; readonly record: unknown }[];
  readonly draining: boolean;
}> {
  const list = async (prefix: string): Promise<[string, unknown][]> =>
      Promise.all((await store.blobs.list(prefix)).map(async (n) => [n.slice(prefix.length), await store.record(n)] as [string, unknown])),
    status = await store.record('status');
  return {
    status: status && typeof status === 'object' ? (status as Partial<Status>) : {},
    coordinator: await store.record('lease'),
    failed: (await list('failed/')).map(([key, record]) => ({ key, record })),
    suspended: (await list('suspended/')).map(([worker, record]) => ({ worker, record })),
    draining: (await store.record('drain')) !== undefined,
  };
}
