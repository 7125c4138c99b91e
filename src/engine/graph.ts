import type { Job } from './jobs.js';

/**
 * Which jobs of a run are done, which can begin, and which wait for others. A job inside of a finished one is not
 * needed: its result may be gone.
 */
export class Graph {
  readonly #byKey: ReadonlyMap<string, Job>;
  readonly #parents = new Map<string, Job[]>();
  readonly #done = new Set<string>();
  /** Jobs that are needed and whose children are done. */ readonly #ready = new Set<Job>();
  readonly end: Job;

  constructor(
    readonly jobs: readonly Job[],
    done: Iterable<string> = [],
  ) {
    this.#byKey = new Map(jobs.map((j) => [j.key, j]));
    for (const j of jobs) for (const c of j.children) this.#parents.set(c, [...(this.#parents.get(c) ?? []), j]);
    this.end = jobs[jobs.length - 1];
    for (const key of done) if (this.#byKey.has(key)) this.#done.add(key);
    this.#walk(this.end);
  }

  /** Marks as ready what is needed for a job. Children come before parents, so that no call nests deep. */
  #walk(top: Job): void {
    for (const stack = [top]; stack.length; ) {
      const j = stack.pop()!;
      if (this.#done.has(j.key)) continue;
      const open = j.children.filter((c) => !this.#done.has(c));
      if (!open.length) this.#ready.add(j);
      else for (const c of open) stack.push(this.#byKey.get(c)!);
    }
  }

  get finished(): boolean {
    return this.#done.has(this.end.key);
  }
  job(key: string): Job | undefined {
    return this.#byKey.get(key);
  }
  isDone(key: string): boolean {
    return this.#done.has(key);
  }
  isReady(key: string): boolean {
    const j = this.#byKey.get(key);
    return j !== undefined && this.#ready.has(j);
  }
  /** Jobs that can begin, in no particular order. */
  ready(): Iterable<Job> {
    return this.#ready;
  }

  /** Takes note of a result; the job that can begin now, if any. */
  done(key: string): Job | undefined {
    const j = this.#byKey.get(key);
    if (!j || this.#done.has(key)) return undefined;
    this.#done.add(key);
    this.#ready.delete(j);
    // The certificate alone shares a child with another job, and waits for that one.
    const p = this.#parents.get(key)?.find((x) => !this.#done.has(x.key) && x.children.every((c) => this.#done.has(c)));
    if (p) this.#ready.add(p);
    return p;
  }

  /** Takes note that a result was lost: it, and what it was made of where that is gone too, is needed again. */
  lost(key: string): void {
    const j = this.#byKey.get(key);
    if (!j || !this.#done.delete(key)) return;
    const parents = this.#parents.get(key) ?? [],
      open = parents.filter((p) => !this.#done.has(p.key));
    if (parents.length && !open.length) return;
    for (const p of open) this.#ready.delete(p);
    this.#walk(j);
  }

  /** Jobs inside of a job, which nothing needs once that is done. */
  inside(key: string): readonly string[] {
    return this.#byKey.get(key)?.children ?? [];
  }
}
