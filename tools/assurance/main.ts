/**
 * npm run assurance [-- words | -- --program FILE..]: asks a solver what docs/soundness.md claims, in as many processes
 * as there are processors. With words, only the jobs whose names contain one of them; with files, the programs whose
 * canonical JSON they hold. See docs/assurance.md.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { FILE, JOBS } from './jobs.js';
import type { Report } from './worker.js';

const words = process.argv.slice(2),
  names =
    words[0] === '--program'
      ? words.slice(1).map((f) => `${FILE}${f}`)
      : [...JOBS.keys()].filter((n) => !words.length || words.some((w) => n.includes(w))),
  queue = [...names],
  reports: Report[] = [];

/** Processes at once: one per processor, or as many as ASSURANCE_PROCESSES says. */
const PROCESSES = Number(process.env['ASSURANCE_PROCESSES'] ?? availableParallelism());
if (!(Number.isInteger(PROCESSES) && PROCESSES > 0))
  throw new RangeError(`ASSURANCE_PROCESSES=${process.env['ASSURANCE_PROCESSES']}: a number of processes is meant`);

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
await Promise.all(Array.from({ length: Math.min(PROCESSES, names.length) }, serve));
const failed = reports.filter((r) => r.failures.length).length,
  missing = names.length - reports.length;
console.log(
  `${names.length} jobs, ${failed} failed${missing ? `, ${missing} without a report` : ''}, ${((performance.now() - from) / 1000).toFixed(0)} s`,
);
process.exitCode = failed || missing ? 1 : 0;
