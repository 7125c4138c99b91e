import { type Job, rankOf } from './jobs.js';
import { Queue } from './queue.js';

/*
 * How long a run takes with so many workers: its own jobs, dealt out as a coordinator deals them, with the seconds of
 * the estimate. Nothing is left out but the way of bytes over the net.
 */

/** Seconds of what a run is made of, on one worker. */
export interface Pace {
  /** Training a step: steps are trained one after another. */ readonly train: number;
  readonly seconds: (j: Job) => number;
  /** Last step that a segment needs trained, plus one. */ readonly needs: (j: Job) => number;
}

export interface Forecast {
  readonly workers: number;
  /** From the beginning to the end of the run. */ readonly seconds: number;
  /** After the last step was trained. */ readonly lag: number;
  /** Share of the workers' time in which they work. */ readonly busy: number;
}

/** What so many workers make of the jobs of a run; `trained`: its journal is there already. */
export function forecast(jobs: readonly Job[], pace: Pace, workers: number, trained: boolean): Forecast {
  const left = new Map<string, number>(),
    parent = new Map<string, Job>(),
    waiting: { job: Job; at: number }[] = [],
    ready = new Queue<Job>((j) => rankOf({ kind: j.kind, step: j.from })),
    ends = new Queue<{ at: number; job: Job }>((x) => x.at);
  let steps = 0;
  for (const j of jobs) {
    left.set(j.key, j.children.length);
    for (const c of j.children) parent.set(c, j);
    if (j.kind !== 'segment') continue;
    steps = Math.max(steps, pace.needs(j));
    waiting.push({ job: j, at: trained ? 0 : pace.needs(j) * pace.train });
  }
  waiting.sort((a, b) => a.at - b.at || a.job.from - b.job.from);
  let now = 0,
    free = workers,
    next = 0,
    work = 0;
  for (let done = 0; done < jobs.length; ) {
    while (next < waiting.length && waiting[next].at <= now) ready.push(waiting[next++].job);
    while (free > 0 && ready.size) {
      const job = ready.pop()!,
        t = pace.seconds(job);
      free--;
      work += t;
      ends.push({ at: now + t, job });
    }
    const at = ends.first()?.at,
      arrives = free > 0 ? waiting[next]?.at : undefined;
    if (arrives !== undefined && (at === undefined || arrives < at)) {
      now = arrives;
      continue;
    }
    const e = ends.pop();
    if (!e) break;
    now = e.at;
    free++;
    done++;
    const p = parent.get(e.job.key);
    if (!p) continue;
    const n = left.get(p.key)! - 1;
    left.set(p.key, n);
    if (n === 0) ready.push(p);
  }
  const all = trained ? 0 : steps * pace.train;
  return { workers, seconds: now, lag: Math.max(0, now - all), busy: work / (workers * Math.max(now, 1e-9)) };
}
