/** A process with a solver of its own: a job at a time, by name. */
import { jobOf } from './jobs.js';
import { Solver, record } from './smt.js';

export interface Report {
  readonly job: string;
  readonly failures: readonly string[];
  readonly lines: readonly string[];
  readonly statistics: string;
  readonly seconds: number;
}

const solver = await Solver.start(),
  folder = process.env['ASSURANCE_FAILURES'] ?? 'tmp/assurance';

async function perform(job: string): Promise<Report> {
  const from = performance.now(),
    done = (failures: readonly string[], lines: readonly string[] = []): Report => ({
      job,
      failures,
      lines,
      statistics: solver.summary(),
      seconds: (performance.now() - from) / 1000,
    });
  try {
    const { failures, lines } = await jobOf(job)!(solver);
    return done(
      failures.map((f) => `${f.check} ${f.at}: ${f.why}${f.asked ? `; ${f.asked.answer}, ${record(folder, f.asked)}` : ''}`),
      lines,
    );
  } catch (e) {
    // Whatever breaks is a failure of the job, never a pass.
    return done([`${(e as Error).name}: ${(e as Error).message}`]);
  }
}

process.on('message', (job: string) => {
  void perform(job).then((r) => process.send!(r));
});
process.on('disconnect', () => process.exit(0));
