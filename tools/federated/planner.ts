/**
 * What `certune fed plan` predicts of a round, beside what a real client takes in it: one server and one client, by
 * commands alone, in bytes of the files and seconds of processor time of one thread.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { readBlob, readFederation, readRound } from 'certune/federated';
import type { RunConfig } from 'certune/run';
import { root } from '../fixtures.js';
import { E2E_SIZE } from './endtoend.js';
import { DEMO_SIZE, type Size, people } from './people.js';

/** A configuration: a client's run, and how its units are drawn and shown. */
interface Case {
  readonly name: string;
  readonly size: Size;
  readonly micro?: number;
  readonly unit: number;
  readonly coverage: number;
  readonly show: 'proofs' | 'certificates';
}
/** Units of proving are those of `certune estimate`; terms of local work were added with the first two at hand. */
const CASES: readonly Case[] = [
  { name: 'smallest base, 8 steps', size: E2E_SIZE, unit: 1, coverage: 25, show: 'proofs' },
  {
    name: 'smallest base, 4 steps of two micro-batches',
    size: { ...E2E_SIZE, steps: 4, batch: 4 },
    micro: 2,
    unit: 2,
    coverage: 50,
    show: 'proofs',
  },
  { name: 'base of the demonstration, 4 steps', size: { ...DEMO_SIZE, steps: 4 }, unit: 2, coverage: 100, show: 'certificates' },
];

export interface Compared {
  readonly what: string;
  readonly said: number;
  readonly is: number;
}
export interface PlannedCase {
  readonly name: string;
  readonly unit: number;
  readonly units: number;
  readonly proved: number;
  readonly show: string;
  readonly seconds: readonly Compared[];
  readonly bytes: readonly Compared[];
}
export interface Planned {
  readonly cases: readonly PlannedCase[];
  readonly machine: string;
  /** What of it is not of one run. */ readonly note?: string;
}

/** What of the command's answer is read. */
interface Said {
  readonly localSeconds: number;
  readonly proveSeconds: number;
  readonly kilobytes: number;
  readonly costs: {
    readonly circuits: number;
    readonly cold: number;
    readonly updateBytes: number;
    readonly nodeBytes: number;
    readonly certificateBytes?: number;
  };
}

/** A command in a process of its own, on one thread, by the processor's clock. */
const certune = <T>(...args: string[]): T =>
  JSON.parse(
    execFileSync(
      process.execPath,
      ['--import', join(root, 'dist-tools/federated/clock.js'), join(root, 'bin/certune.js'), ...args, '--json'],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
    ),
  ) as T;

/** A client's run folder, committed. */
function committed(dir: string, config: RunConfig): string {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'run.yaml'), JSON.stringify(config));
  certune('commit', dir);
  return dir;
}

const sizes = (dir: string): number[] => readdirSync(dir).map((f) => statSync(join(dir, f)).size);
const mean = (a: readonly number[]): number => a.reduce((p, q) => p + q, 0) / a.length;

function planned(dir: string, x: Case): PlannedCase {
  const [p] = people(join(dir, 'data'), 1, 0.3, x.size, 77),
    config: RunConfig = x.micro === undefined ? p.config : { ...p.config, train: { ...p.config.train, microBatch: x.micro } },
    run = committed(join(dir, 'run'), config),
    server = join(dir, 'server'),
    client = join(dir, 'client'),
    how = ['--unit', String(x.unit), '--coverage', String(x.coverage), '--show', x.show],
    most = ['--budget-kb', '1e9', '--seconds', '1e9', '--local', '1e9'],
    said = certune<Said>('fed', 'plan', run, '--workers', '1', '--clients', '1', ...how, ...most),
    { key } = certune<{ key: string }>('fed', 'enrol', client, '--run', run, '--client', p.name);
  certune('fed', 'init', server, '--run', run, '--allow', key, ...how);
  certune('fed', 'enrol', client, '--server', join(server, 'public'));
  const lines: string[] = [],
    step = (home: string): string[] => certune<{ said: string[] }>('fed', 'step', home, '--workers', '1').said;
  for (let i = 0; i < 60 && !lines.some((l) => /: record of/.test(l)); i++) lines.push(...step(server), ...step(client));
  const took = (re: RegExp): number[] => lines.flatMap((l) => (re.test(l) ? [Number(/, ([\d.]+) s$/.exec(l)![1])] : [])),
    answers = took(/answered unit/),
    at = join(server, 'public'),
    files = readRound(at, readFederation(at), 0),
    blobs = [...files.responses.values()].map((r) => readBlob(at, r.body.proof!, 1 << 26)!.length),
    [c] = files.commits.values(),
    k = said.costs,
    sent = c.body.update.bytes + sum(sizes(join(at, 'rounds/0/commits'))) + sum(sizes(join(at, 'rounds/0/responses')));
  return {
    name: x.name,
    unit: x.unit,
    units: x.size.steps / x.unit,
    proved: answers.length,
    show: x.show,
    seconds: [
      { what: 'local work, compiling included', said: said.localSeconds + k.cold, is: sum(took(/trained/)) },
      { what: 'proving, circuits included', said: said.proveSeconds + k.circuits, is: sum(answers) },
    ],
    bytes: [
      { what: 'the update', said: k.updateBytes, is: c.body.update.bytes },
      {
        what: x.show === 'proofs' ? 'a proof' : 'the certificate',
        said: x.show === 'proofs' ? k.nodeBytes : k.certificateBytes!,
        is: mean(blobs),
      },
      { what: 'all that is sent', said: 1000 * said.kilobytes, is: sent + (x.show === 'proofs' ? sum(blobs) : blobs[0]) },
    ],
  };
}
const sum = (a: readonly number[]): number => a.reduce((p, q) => p + q, 0);

export function planner(dir: string, say: (t: string) => void): Planned {
  const cases = CASES.map((x, i) => {
      const c = planned(join(dir, String(i)), x);
      for (const y of [...c.seconds, ...c.bytes])
        say(`${x.name}: ${y.what}: ${y.said.toPrecision(4)} predicted, ${y.is.toPrecision(4)} measured`);
      return c;
    }),
    [cpu] = cpus();
  return { cases, machine: `${cpus().length} cores, ${cpu.model}` };
}
