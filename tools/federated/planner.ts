/**
 * What `certune fed plan` predicts for a client of the experiment end to end, in bytes and seconds, beside what one
 * client takes that trains a round and proves units right after it, in the same run on the same machine.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { CircuitCache, UnitProver, commitBody, trainRound } from 'certune/federated';
import type { Kernels } from 'certune/kernels';
import { root } from '../fixtures.js';
import { E2E_SIZE } from './endtoend.js';
import { people } from './people.js';
import { ownOf, roundOf } from './scale.js';

export interface Planned {
  /** Bytes that were predicted. */ readonly updateBytes: number;
  readonly nodeBytes: number;
  /** Seconds of local work in a round and of proving a unit of one step: predicted, and the least that was measured. */
  readonly local: { readonly said: number; readonly is: number };
  readonly prove: { readonly said: number; readonly is: number };
  readonly machine: string;
}

/** What of the command's answer is read. */
interface Said {
  readonly unit: number;
  readonly drawn: number;
  readonly localSeconds: number;
  readonly proveSeconds: number;
  readonly costs: { readonly updateBytes: number; readonly nodeBytes: number };
}

const least = (times: number, f: (i: number) => void): number =>
  Math.min(
    ...Array.from({ length: times }, (_, i) => {
      const t = performance.now();
      f(i);
      return (performance.now() - t) / 1000;
    }),
  );

export function planner(k: Kernels, dir: string): Planned {
  const list = people(join(dir, 'data'), 6, 0.3, E2E_SIZE, 77),
    c = roundOf(k, list),
    own = ownOf(c, list[0]),
    run = join(dir, 'run.yaml');
  mkdirSync(dir, { recursive: true });
  writeFileSync(run, JSON.stringify(list[0].config));
  const args = ['--clients', '6', '--rounds', '2', '--least', '25', '--budget-kb', '2000', '--seconds', '3000', '--local', '50'],
    text = execFileSync(process.execPath, [join(root, 'bin/certune.js'), 'fed', 'plan', dir, '--json', '--workers', '1', ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
    data = JSON.parse(text) as Said;
  if (data.unit !== 1) throw new Error(`units of ${data.unit} steps were planned, those of one are measured`);
  let trained = trainRound(k, own);
  const local = least(3, () => {
      trained = trainRound(k, own);
      commitBody(own, trained);
    }),
    prover = new UnitProver(k, own, new CircuitCache(k).of(own.run), trained.losses),
    prove = least(2, (i) => prover.prove(i));
  const [cpu] = cpus();
  return {
    updateBytes: data.costs.updateBytes,
    nodeBytes: data.costs.nodeBytes,
    local: { said: data.localSeconds, is: local },
    prove: { said: data.proveSeconds / (data.drawn / 6), is: prove },
    machine: `${cpus().length} cores, ${cpu.model}, one thread`,
  };
}
