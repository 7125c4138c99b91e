import type { Inputs } from './coordinator.js';
import { encodeCheckpoint } from './checkpoint.js';
import type { Boundaries } from './boundaries.js';
import type { Job } from './jobs.js';
import type { Shape } from './shape.js';
import type { Store } from './store.js';

/**
 * What segments begin from, put into the store when a segment is and removed when it is done, so that it holds the
 * checkpoints of the segments at hand and no others; and the objects inside of what is done.
 */
export class RunInputs implements Inputs {
  /** Objects of checkpoints, by job. */ readonly #of = new Map<string, string>();

  constructor(
    readonly store: Store,
    readonly shape: Shape,
    readonly boundaries: Boundaries,
    /** Steps whose state is known. */ readonly trained: () => number,
    readonly keepInside = false,
  ) {}

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
  }

  async release(job: Job): Promise<void> {
    const object = this.#of.get(job.key);
    this.#of.delete(job.key);
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
