import type { RecursionClass } from '../recursion/class.js';
import { leafWork, type LeafRange } from '../prove/range.js';
import { placedLeaves } from '../prove/recursion.js';
import { type Run, epochBatches } from '../run/facts.js';
import { type Job, type Plan, jobsOf } from './jobs.js';

/** The jobs of a run with what they are about: coordinator and workers compute the same from the manifest. */
export interface Shape {
  readonly plan: Plan;
  readonly ranges: readonly LeafRange[];
  readonly jobs: readonly Job[];
}

/** Jobs of all steps of a run. `key`: digest of the published key. */
export function shapeOf(run: Run, cls: RecursionClass, key: string, perSegment: number, certify = false): Shape {
  const ranges = placedLeaves(cls, run, 0, run.manifest.config.train.steps),
    plan: Plan = {
      manifest: run.facts.digest,
      key,
      leaves: leafWork(ranges, epochBatches(run.manifest)),
      places: [...ranges.map((r) => r.from), ranges[ranges.length - 1].to],
      perSegment,
      certify,
    };
  return { plan, ranges, jobs: jobsOf(plan) };
}
