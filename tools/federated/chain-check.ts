/** node chain-check.js DIR ROUNDS [BASE]: checks a federation's first rounds, and says what that took. */
import { checkChain, folderSource, readBlob, readFederation, readManifestBlob, statesOf, MOST_MANIFEST } from 'certune/federated';
import { singleKernels } from 'certune/kernels';
import { checkedRun } from 'certune/run';

const [dir, rounds, base] = process.argv.slice(2),
  began = performance.now(),
  f = readFederation(dir),
  source = folderSource(dir, f),
  k = base === undefined ? undefined : singleKernels(),
  [first] = f.enrolments.values(),
  run = checkedRun('manifest', readManifestBlob(readBlob(dir, first.body.manifest, MOST_MANIFEST)!, 'manifest')),
  report = checkChain({ ...source, rounds: source.rounds.slice(0, Number(rounds)), ...(k ? { states: statesOf(k, run.programs) } : {}) }),
  { user, system } = process.cpuUsage();
k?.close();
if (report.rounds.some((r) => r.state !== 'final')) throw new Error('a round is not final');
process.stdout.write(
  JSON.stringify({
    seconds: (user + system) / 1e6,
    wall: (performance.now() - began) / 1000,
    mebibytes: process.resourceUsage().maxRSS / 1024,
    notChecked: report.notChecked,
  }),
);
