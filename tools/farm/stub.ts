/** Jobs that cost nothing, for what measures a farm: the result of one follows from its key. */
import { createHash } from 'node:crypto';
import {
  Coordinator,
  type CoordinatorLease,
  type Dispatcher,
  JOB_KINDS,
  type Job,
  MEMORY_CLASSES,
  type Runner,
  type Store,
  jobsOf,
} from 'certune/engine';

export const FARM_KEY = new Uint8Array(32).fill(1);
/** A worker that takes every job. */
export const WORKER = { name: 'stub', classes: MEMORY_CLASSES, kinds: JOB_KINDS };

/** Jobs of a run of so many steps, a segment each, in one epoch. */
export const stubJobs = (manifest: string, steps: number): readonly Job[] =>
  jobsOf({
    manifest,
    key: 'sha256:00',
    leaves: Array.from({ length: steps }, (_, t) => ({ steps: [t], epoch: 0, first: t === 0, last: t === steps - 1 })),
    places: Array.from({ length: steps + 1 }, (_, step) => ({ step, part: 0 })),
    perSegment: 1,
  });

const resultOf = (key: string): Uint8Array => createHash('sha256').update(key).digest();

/** Makes results, each after some milliseconds. */
export const stubRunner = (store: Store, ms = 0): Runner => ({
  run: async ({ key }) => {
    if (ms) await new Promise((r) => setTimeout(r, ms));
    const bytes = resultOf(key);
    return { object: await store.put(bytes), size: bytes.length, seconds: ms / 1000 || 0.001 };
  },
  close: async () => {},
});

/** Coordinates such jobs; a result that is another one is refused. */
export const stubCoordinator = (
  store: Store,
  dispatcher: Dispatcher,
  lease: CoordinatorLease,
  jobs: readonly Job[],
  workers: number,
  onDone: () => void = () => {},
): Promise<Coordinator> =>
  Coordinator.begin({
    store,
    dispatcher,
    jobs,
    farmKey: FARM_KEY,
    lease,
    acceptor: {
      accept: (j, bytes) => {
        if (Buffer.compare(bytes, resultOf(j.key))) throw new Error('another result');
      },
    },
    inputs: { ready: () => true, prepare: async () => {}, release: async () => {} },
    stepOf: (j) => j.from,
    nameOf: (j) => j.kind,
    memoryOf: () => 's',
    workers: () => workers,
    onEvent: (e) => {
      if (e.what === 'done') onDone();
    },
  });
