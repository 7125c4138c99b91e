/**
 * npm run assurance [-- words]: asks a solver what docs/soundness.md claims, in as many processes as there are
 * processors. With words, only the jobs whose names contain one of them. See docs/assurance.md.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { JOBS } from './jobs.js';
import type { Report } from './worker.js';

const words = process.argv.slice(2),
  names = [...JOBS.keys()].filter((n) => !words.length || words.some((w) => n.includes(w))),
  queue = [...names],
  reports: Report[] = [];

/** Failures of one job that are printed. */
const SHOWN = 12;

/** Runs jobs in one process until none is left. A process that dies fails the job that it had. */
function serve(): Promise<void> {
  return new Promise((resolve) => {
    let child: ChildProcess | undefined, job: string | undefined;
    const next = (): void => {
      job = queue.shift();
      if (job === undefined) {
        child?.disconnect();
        resolve();
        return;
      }
      child ??= start();
      child.send(job);
    };
    const start = (): ChildProcess => {
      const c = fork(fileURLToPath(new URL('./worker.js', import.meta.url)));
      c.on('message', (r: Report) => {
        report(r);
        next();
      });
      c.on('exit', (code, signal) => {
        if (c !== child) return;
        child = undefined;
        if (job === undefined) return;
        report({ job, failures: [`the process ended (${signal ?? code})`], lines: [], statistics: '', seconds: 0 });
        next();
      });
      return c;
    };
    next();
  });
}

function report(r: Report): void {
  reports.push(r);
  console.log(`${r.failures.length ? 'FAIL' : 'ok  '} ${r.job}  ${r.seconds.toFixed(1)} s`);
  for (const l of r.lines) console.log(`     ${l}`);
  for (const f of r.failures.slice(0, SHOWN)) console.log(`     ! ${f}`);
  if (r.failures.length > SHOWN) console.log(`     ! and ${r.failures.length - SHOWN} more`);
  if (process.env['ASSURANCE_STATISTICS']) console.log(`     ${r.statistics}`);
}

if (!names.length) throw new Error(`no job of that name; there are: ${[...JOBS.keys()].join(', ')}`);
const from = performance.now();
await Promise.all(Array.from({ length: Math.min(availableParallelism(), names.length) }, serve));
const failed = reports.filter((r) => r.failures.length).length,
  missing = names.length - reports.length;
console.log(
  `${names.length} jobs, ${failed} failed${missing ? `, ${missing} without a report` : ''}, ${((performance.now() - from) / 1000).toFixed(0)} s`,
);
process.exitCode = failed || missing ? 1 : 0;
