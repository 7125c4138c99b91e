/**
 * Looks for what artifacts of a run in the private mode tell of the sampler's key.
 *
 *     npm run leakage [-- planted toys files step leaf end certificates bundles] [--samples N] [--keep DIR] [--json]
 *
 * Without names all of them. Samples lie in the folder that --keep names (default: certune-leakage in the system's
 * folder for temporary files): an interrupted run goes on where it was. Exit code 1 where a leak that is expected is
 * not found, or one is found where none is expected.
 */
import { mkdirSync, readFileSync, writeFileSync, existsSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Artifact, Key } from './artifact.js';
import { bundles, certificates, toyArtifacts } from './certificate.js';
import { collect, judge, type Labelled, type Verdict } from './distinguish.js';
import { PLANTED } from './planted.js';
import { todays } from './proofs.js';
import { CONFIDENCE, type Auroc } from './statistics.js';

const args = process.argv.slice(2),
  option = (name: string): string | undefined => {
    const at = args.indexOf(`--${name}`);
    return at < 0 ? undefined : args[at + 1];
  },
  folder = option('keep') ?? join(tmpdir(), 'certune-leakage'),
  asked = args.filter((a, i) => !a.startsWith('--') && !['--samples', '--keep'].includes(args[i - 1])),
  say = (text: string): void => void process.stderr.write(`${text}\n`);

/** Samples on disk, one file each, written whole or not at all. */
const kept =
  (a: Artifact) =>
  (seed: number, key: Key, make: () => Labelled): Labelled => {
    const file = join(folder, `${a.name}-${seed}-${key}.json`);
    if (existsSync(file))
      return JSON.parse(readFileSync(file, 'utf8'), (_, x: unknown) => (typeof x === 'string' ? BigInt(x) : x)) as Labelled;
    const made = make();
    writeFileSync(
      `${file}.tmp`,
      JSON.stringify(made, (_, x: unknown) => (typeof x === 'bigint' ? String(x) : x)),
    );
    renameSync(`${file}.tmp`, file);
    say(`${a.name}: seed ${seed}, key ${key}, ${made.sample.seconds?.toFixed(1) ?? '-'} s`);
    return made;
  };

const shown = (x: Auroc | undefined): string => (x ? `${x.auroc.toFixed(3)} (${x.low.toFixed(3)} to ${x.high.toFixed(3)})` : '-');
function table(list: readonly Verdict[]): string {
  return [
    `| artifact | what is seen | under each key | words | public words | generic | witness-aware | leak |`,
    `| --- | --- | --- | --- | --- | --- | --- | --- |`,
    ...list.map(
      (v) =>
        `| ${v.name} | ${v.what} | ${v.samples} | ${v.words} | ${shown(v.publics)} | ${shown(v.generic)} | ${shown(v.aware)} | ${v.found ? 'found' : 'none found'} |`,
    ),
  ].join('\n');
}

mkdirSync(folder, { recursive: true });
const groups: Readonly<Record<string, readonly Artifact[]>> = {
    planted: PLANTED,
    toys: toyArtifacts(60, 12),
    certificates: certificates(folder, 200, 30),
    bundles: bundles(folder, 100, 30),
  },
  all = [...Object.values(groups).flat(), ...todays(folder)],
  names = [...Object.keys(groups), ...all.map((a) => a.name)],
  unknown = asked.filter((n) => !names.includes(n));
if (unknown.length) {
  say(`no artifact ${unknown.join(', ')}: ${names.join(', ')}`);
  process.exit(2);
}
const chosen = all.filter((a) => !asked.length || asked.some((n) => n === a.name || groups[n]?.includes(a))),
  verdicts = chosen.map((a) => {
    const samples = Number(option('samples') ?? a.samples),
      // What is planted, and toys, are made in no time: nothing is kept of them.
      list = collect(a, samples, [...groups['planted'], ...groups['toys']].includes(a) ? (_, __, make) => make() : kept(a)),
      v = judge(a, list);
    say(`${v.name}: ${v.found ? 'a leak' : 'no leak'}, generic ${shown(v.generic)}, witness-aware ${shown(v.aware)}`);
    return v;
  }),
  wrong = verdicts.filter((v) => v.found !== v.leaks);
console.log(args.includes('--json') ? JSON.stringify({ confidence: CONFIDENCE, verdicts }, null, 1) : table(verdicts));
for (const v of wrong) say(v.leaks ? `${v.name}: the leak was not found` : `${v.name}: a leak was found`);
process.exitCode = wrong.length ? 1 : 0;
