import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Coordinator, RoundSettings } from '../src/federated/coordinator.js';
import { readBlob, writeBlob, writeMessage, writeSeed } from '../src/federated/folder.js';
import { charterOf } from '../src/federated/found.js';
import type { Signed } from '../src/federated/messages.js';
import type { Participant, Transport } from '../src/federated/participant.js';
import { signMessage } from '../src/federated/signing.js';
import { statesOf } from '../src/federated/states.js';
import { CircuitCache, MOST_MANIFEST, unitChecks } from '../src/federated/units.js';
import type { Kernels } from '../src/kernels/index.js';
import { keyDigest } from '../src/provenance/ecdsa.js';
import type { RunConfig } from '../src/run/schema.js';
import { runSchema } from '../src/run/schema.js';
import { type RunSecret, type Setup, setup } from '../src/setup/run.js';
import { CHAIN, beacon, newKey } from './federated-case.js';

/*
 * A federation that trains: clients of the smallest base, each with rows and secrets of its own, whose units are
 * proved.
 */

const file = (p: string): string => fileURLToPath(new URL(`./data/${p}`, import.meta.url));
const ROWS = 4;

/** Settings that all clients have: the smallest run, one epoch of two steps. */
const settings = (data: string): RunConfig =>
  runSchema.parse({
    version: 1,
    base: { path: file('tiny') },
    data: [{ path: data }],
    lora: { r: 1, alpha: 2, targets: ['v_proj'] },
    train: { steps: 2, batch: 2, microBatch: 2, sequence: 16, learningRate: 0.003, warmup: 0, schedule: 'constant' },
    sampler: { mode: 'private' },
    proof: { bits: 100 },
    numbers: { preset: 'small' },
  });

export interface Trainee {
  readonly name: string;
  readonly number: number;
  readonly config: RunConfig;
  readonly secret: RunSecret;
  readonly setup: Setup;
}

/** A client with the rows from `number` on, in a file under `dir`. */
export function trainee(dir: string, name: string, number: number): Trainee {
  const lines = readFileSync(file('pairs.jsonl'), 'utf8').split('\n').filter(Boolean),
    data = join(dir, `${name}.jsonl`),
    word = BigInt(number + 1);
  mkdirSync(dir, { recursive: true });
  writeFileSync(data, `${Array.from({ length: ROWS }, (_, i) => lines[(number * 3 + i) % lines.length]).join('\n')}\n`);
  const config = settings(data),
    secret: RunSecret = { salt: [word, 2n, 3n, 4n], key: { key: [5n, word, 7n, 8n], blind: [9n, 10n, word, 12n] } };
  return { name, number, config, secret, setup: setup(config, secret.salt, secret.key) };
}

export const participantKey = (t: Pick<Trainee, 'number'>) => newKey(400 + t.number);
export const coordinatorKey = newKey(399);

/** Charter of a federation of these clients, its start in a folder. */
export function foundIn(dir: string, k: Kernels, clients: readonly Trainee[]): Signed<'charter'> {
  const { run, inputs } = clients[0].setup,
    { body, blob } = charterOf(k, run, inputs.initial, {
      name: 'test',
      server: coordinatorKey.public,
      chain: CHAIN,
      seedRound: 1,
      allow: clients.map((t) => keyDigest(participantKey(t).public)),
    }),
    charter = signMessage('charter', body, coordinatorKey);
  writeMessage(dir, charter);
  writeSeed(dir, beacon(1));
  writeBlob(dir, blob);
  return charter;
}

/** A clock that is set by hand. */
export interface Clock {
  at: number;
}

export const ROUND_SETTINGS: RoundSettings = {
  rounds: 2,
  unit: 1,
  select: 3,
  cap: 1000,
  aggregate: { rule: 'mean', clip: 0, trim: 0 },
  audit: { coverage: [1, 3], each: 0, mode: 'before', show: 'proofs' },
  commitSeconds: 30,
  responseSeconds: 30,
  clients: 3,
};

export const coordinatorIn = (
  dir: string,
  k: Kernels,
  of: Trainee,
  clock: Clock,
  more: Partial<RoundSettings> = {},
  circuits = new CircuitCache(k),
): Coordinator => ({
  dir,
  key: coordinatorKey,
  settings: { ...ROUND_SETTINGS, ...more },
  kernels: k,
  run: of.setup.run,
  states: statesOf(k, of.setup.run.programs),
  units: unitChecks({ kernels: k, base: of.setup.inputs.base, manifest: (d) => readBlob(dir, d, MOST_MANIFEST), circuits }),
  now: () => clock.at,
  beacon,
});

export const participantOf = (
  home: string,
  charter: string,
  t: Trainee,
  k: Kernels,
  transport: Transport,
  clock: Clock,
  circuits = new CircuitCache(k),
): Participant => ({
  home,
  key: participantKey(t),
  files: { client: t.name, config: t.config, run: t.secret, salts: new Uint8Array(32).fill(t.number + 1) },
  manifest: t.setup.run.manifest,
  charter,
  transport,
  kernels: k,
  circuits,
  states: statesOf(k, t.setup.run.programs),
  now: () => clock.at,
});
