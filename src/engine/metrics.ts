import { type Server, createServer } from 'node:http';
import type { Coordinator } from './coordinator.js';
import { JOB_KINDS } from './jobs.js';

/* What a farm tells Prometheus, in its text format (version 0.0.4), without a library. */

/** What is told beside what a coordinator counts. */
export interface Gauges {
  readonly workers: number;
  readonly queued: number;
  readonly active: number;
  /** Steps trained, and steps from the first on under nodes that are done without a gap. */
  readonly trained: number;
  readonly covered: number;
  /** Seconds since the oldest job that waits was put. */ readonly oldest: number;
}

/** Jobs by kind and state. */
export function states(c: Coordinator): Record<string, { done: number; put: number; ready: number; failed: number; waiting: number }> {
  const out = Object.fromEntries(JOB_KINDS.map((k) => [k, { done: 0, put: 0, ready: 0, failed: 0, waiting: 0 }])),
    on = c.outstanding;
  for (const j of c.graph.jobs) {
    const x = out[j.kind];
    if (c.graph.isDone(j.key)) x.done++;
    else if (c.poisoned.has(j.key)) x.failed++;
    else if (on.has(j.key)) x.put++;
    else if (c.graph.isReady(j.key)) x.ready++;
    else x.waiting++;
  }
  return out;
}

/** The page of a farm. */
export function metricsText(c: Coordinator, g: Gauges): string {
  const lines: string[] = [],
    metric = (name: string, type: 'gauge' | 'counter', help: string, values: readonly (readonly [string, number])[]): void => {
      lines.push(`# HELP certune_farm_${name} ${help}`, `# TYPE certune_farm_${name} ${type}`);
      for (const [labels, v] of values) lines.push(`certune_farm_${name}${labels} ${Number.isFinite(v) ? v : 0}`);
    },
    one = (v: number): [string, number][] => [['', v]],
    by = states(c),
    { counters } = c;
  metric(
    'jobs',
    'gauge',
    'Jobs of the run by kind and state.',
    Object.entries(by).flatMap(([kind, x]) => Object.entries(x).map(([state, n]) => [`{kind="${kind}",state="${state}"}`, n] as const)),
  );
  metric(
    'job_seconds_total',
    'counter',
    'Seconds that workers say accepted jobs took, by kind.',
    JOB_KINDS.map((k) => [`{kind="${k}"}`, counters.seconds[k]] as const),
  );
  metric(
    'accepted_total',
    'counter',
    'Results accepted since this coordinator began, by kind.',
    JOB_KINDS.map((k) => [`{kind="${k}"}`, counters.done[k]] as const),
  );
  metric('retries_total', 'counter', 'Jobs that were put again.', one(counters.retries));
  metric('stalls_total', 'counter', 'Jobs whose worker was not heard of any more.', one(counters.stalls));
  metric('refused_total', 'counter', 'Results that did not hold.', one(counters.refused));
  metric('duplicates_total', 'counter', 'Jobs that were put twice at the end.', one(counters.duplicates));
  metric('workers', 'gauge', 'Workers that are heard of.', one(g.workers));
  metric('queue_waiting', 'gauge', 'Jobs that wait in the queue.', one(g.queued));
  metric('queue_active', 'gauge', 'Jobs that workers hold.', one(g.active));
  metric('oldest_seconds', 'gauge', 'Age of the oldest job that was put and is not done.', one(g.oldest));
  metric('trained_steps', 'gauge', 'Steps that are trained.', one(g.trained));
  metric('lag_steps', 'gauge', 'Steps trained beyond those that are proved without a gap.', one(g.trained - g.covered));
  metric('resident_bytes', 'gauge', 'Resident memory of the coordinator.', one(process.memoryUsage().rss));
  return `${lines.join('\n')}\n`;
}

/** Steps from the first on that results cover without a gap. */
export function coveredSteps(c: Coordinator, stepAt: (leaf: number) => number): number {
  let at = 0;
  const stack = [c.graph.end];
  while (stack.length) {
    const j = stack.pop()!;
    if (c.graph.isDone(j.key)) {
      if (j.from !== at) break;
      at = j.to;
    } else if (!j.children.length) break;
    else for (const key of [...j.children].reverse()) stack.push(c.graph.job(key)!);
  }
  return stepAt(at);
}

/** Serves a page at /metrics, to this machine alone unless a host is named. */
export async function serveMetrics(at: string, page: () => Promise<string>): Promise<Server> {
  const m = /^(?:(.*):)?(\d{1,5})$/.exec(at),
    server = createServer((req, res) => {
      if (req.method !== 'GET' || req.url !== '/metrics') {
        res.writeHead(404).end();
        return;
      }
      page().then(
        (text) => res.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text),
        () => res.writeHead(500).end(),
      );
    });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(Number(m?.[2] ?? 0), m?.[1] || '127.0.0.1', resolve);
  });
  server.unref();
  return server;
}
