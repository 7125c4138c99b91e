import type { Inputs } from './coordinator.js';
import { encodeCheckpoint } from './checkpoint.js';
import type { Boundaries } from './boundaries.js';
import type { Job } from './jobs.js';
import type { Shape } from './shape.js';
import { type Store, isDigest } from './store.js';

/** Bytes of a tree that is sent to workers, at most: a larger one is made again as fast as it comes. */
const LARGEST_TREE = 2 ** 26;

/**
 * What segments begin from, put into the store when a segment is and removed when it is done, so that it holds the
 * checkpoints of the segments at hand and no others; and the objects inside of what is done.
 */
export class RunInputs implements Inputs {
  /** Objects of checkpoints, by job. */ readonly #of = new Map<string, string>();
  /** Segments that were put, whose states have no trees yet. */ readonly #bare = new Map<string, Job>();
  /** Segments by the step of the state that they enter, and that they leave. */
  readonly #beside: { readonly from: ReadonlyMap<number, string>; readonly to: ReadonlyMap<number, string> };

  constructor(
    readonly store: Store,
    readonly shape: Shape,
    readonly boundaries: Boundaries,
    /** Steps whose state is known. */ readonly trained: () => number,
    readonly keepInside = false,
  ) {
    const segments = shape.jobs.filter((j) => j.kind === 'segment');
    this.#beside = {
      from: new Map(segments.map((j) => [this.#steps(j)[0], j.key])),
      to: new Map(segments.map((j) => [this.#steps(j)[1], j.key])),
    };
  }

  /** Steps before which the states are that a segment enters and leaves. */
  #steps({ from, to }: Job): [number, number] {
    const { places } = this.shape.plan;
    return [places[from].step, places[to].step];
  }

  ready({ to }: Job): boolean {
    const place = this.shape.plan.places[to];
    return place.step + (place.part ? 1 : 0) <= this.trained();
  }

  async prepare(job: Job): Promise<void> {
    if (job.kind !== 'segment') return;
    const { step } = this.shape.ranges[job.from].from,
      start = this.boundaries.course.entered(step),
      { state } = this.boundaries.course.states.before(step),
      object = await this.store.put(encodeCheckpoint(this.shape.plan.manifest, { start, state }));
    this.#of.set(job.key, object);
    await this.store.setRecord(`checkpoints/${job.key}`, { object, step });
    this.#bare.set(job.key, job);
  }

  /**
   * Commits to a state that a segment enters or leaves, which its node is compared with anyhow, and keeps the tree: who
   * proves the two segments there need not make it again.
   */
  async ahead(): Promise<boolean> {
    for (const [key, job] of this.#bare) {
      for (const step of this.#steps(job)) {
        const made = this.boundaries.tree(step);
        if (!made) continue;
        if (made.tree.length <= LARGEST_TREE) await this.store.setTree(step, made.key, made.tree);
        return true;
      }
      this.#bare.delete(key);
    }
    return false;
  }
  /** Removes the tree of a state when neither of the segments beside it is open. */
  async #dropTrees(job: Job): Promise<void> {
    const [from, to] = this.#steps(job);
    for (const [step, other] of [
      [from, this.#beside.to.get(from)],
      [to, this.#beside.from.get(to)],
    ] as const)
      if (other === undefined || (await this.store.result(other))) await this.store.removeTree(step);
  }

  async release(job: Job): Promise<void> {
    // Of a segment that an earlier coordinator put its record knows.
    const of = this.#of.get(job.key) ?? ((await this.store.record(`checkpoints/${job.key}`)) as { object?: unknown } | undefined)?.object,
      object = isDigest(of) ? of : undefined;
    this.#of.delete(job.key);
    this.#bare.delete(job.key);
    if (job.kind === 'segment') await this.#dropTrees(job);
    await this.store.blobs.remove(`checkpoints/${job.key}`);
    if (object !== undefined && ![...this.#of.values()].includes(object)) await this.store.removeObject(object);
    // A certificate is made from the node that the end was.
    if (this.keepInside || job.kind === 'certify' || (job.kind === 'end' && this.shape.plan.certify)) return;
    for (const child of job.children) {
      const r = await this.store.result(child);
      if (r) await this.store.removeObject(r.object);
    }
  }
}
