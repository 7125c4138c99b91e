import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { ratio, percent, toNumber } from '../federated/catch.js';
import { unitCosts } from '../federated/costs.js';
import type { ChainReport, ChainSource } from '../federated/check.js';
import { checkFolder } from '../federated/check-folder.js';
import type { Federation, StateChecks } from '../federated/checks.js';
import { readBlob, readFederation } from '../federated/folder.js';
import { beforeIn } from '../federated/head.js';
import { type Judgement, judge, parseEvidence } from '../federated/judge.js';
import { FederationError } from '../federated/errors.js';
import { type Form, type PlanChoice, type UnitCosts, choosePlan } from '../federated/planner.js';
import { type SimulationRow, parseSimulation, simulate } from '../federated/simulate.js';
import { statesOf } from '../federated/states.js';
import {
  MOST_MANIFEST,
  MOST_UNIT,
  type UnitChecks,
  checkPlanSettings,
  readManifestBlob,
  settingsDigest,
  unitChecks,
} from '../federated/units.js';
import { updateLimit, valuesOf } from '../federated/update.js';
import { readBytes } from '../io/read-file.js';
import { parseJson } from '../provenance/json.js';
import type { Kernels } from '../kernels/runtime.js';
import { singleKernels } from '../kernels/single.js';
import { checkedRun } from '../run/facts.js';
import { inputsOf } from '../setup/base.js';
import { readRun } from '../setup/runfile.js';
import { type Setup, setup } from '../setup/run.js';
import { type Context, type Result, kernels, secondsText } from './common.js';
import { UsageError } from './errors.js';
import { fedBundle } from './fed-bundle.js';
import { type HomeOptions, coverageOf, fedClient, fedEnrol, fedInit, fedServe, fedStep } from './fed-home.js';
import { findManifest } from './kept.js';

export interface FedOptions extends HomeOptions {
  readonly base?: string;
  readonly dir?: string;
  readonly round?: string;
  readonly steps?: string;
  readonly budgetKb?: string;
  readonly seconds?: string;
  readonly local?: string;
  readonly least?: string;
}

export const FED_ACTIONS = ['plan', 'check', 'judge', 'bundle', 'simulate', 'init', 'enrol', 'serve', 'client', 'step'] as const;

function whole(name: string, text: string | undefined, standard: number, most: number): number {
  if (text === undefined) return standard;
  if (!/^\d{1,9}$/.test(text) || Number(text) < 1 || Number(text) > most)
    throw new UsageError(`--${name}: "${text}" is no number from 1 to ${most}`);
  return Number(text);
}
function positive(name: string, text: string | undefined, standard: number): number {
  const x = text === undefined ? standard : Number(text);
  if (!(x > 0 && x < 1e12)) throw new UsageError(`--${name}: "${text}" is no positive number`);
  return x;
}

/** What answers a draw, as a plan's form; records alone prove nothing. */
const SHOWN: Readonly<Record<string, Form>> = { proofs: 'nodes', certificates: 'certificates' };

/**
 * Plans rounds of a run's shape: units, coverage and form from kilobytes and seconds. Predictions, nothing is promised.
 */
async function plan(run: string, o: FedOptions): Promise<Result> {
  const none = [0n, 0n, 0n, 0n],
    config = readRun(run),
    form = o.show === undefined ? undefined : SHOWN[o.show];
  if (o.show !== undefined && form === undefined) throw new UsageError(`--show: "${o.show}" is none of ${Object.keys(SHOWN).join(', ')}`);
  // Costs do not depend on which salt and key it is.
  const L = whole('steps', o.steps, config.train.steps, 4096),
    made = (): Setup =>
      setup(
        { ...config, train: { ...config.train, steps: L } },
        none,
        config.sampler.mode === 'private' ? { key: none, blind: none } : undefined,
      ),
    began = performance.now(),
    s = made(),
    // The first one of a process, as a client's is.
    cold = (performance.now() - began) / 1000,
    clients = whole('clients', o.clients, 10, 10_000),
    rounds = whole('rounds', o.rounds, 2, 1000),
    unit = o.unit === undefined ? undefined : whole('unit', o.unit, 1, 4096);
  if (s.config.proof.hash !== 'poseidon2')
    throw new UsageError('proof.hash is blake3, which no circuit verifies: units could not become nodes');
  if (unit !== undefined && L % unit) throw new UsageError(`--unit: ${L} steps are no whole units of ${unit}`);
  const k = await kernels(o);
  let costs: UnitCosts;
  try {
    costs = unitCosts(k, s, { again: () => void made(), cold }, unit);
  } finally {
    k.close();
  }
  const least = positive('least', o.least, 1);
  if (!Number.isInteger(least) || least > 100) throw new UsageError(`--least: "${o.least}" is no whole percentage`);
  const c = choosePlan({
    steps: L,
    clients,
    costs,
    kilobytes: positive('budget-kb', o.budgetKb, 400),
    seconds: positive('seconds', o.seconds, 300),
    local: positive('local', o.local, 3),
    least: ratio(BigInt(least), 100n),
    rounds,
    ...(unit === undefined ? {} : { unit }),
    ...(form === undefined ? {} : { form }),
    ...(o.coverage === undefined ? {} : { coverage: coverageOf(o.coverage) }),
  });
  return { data: planData(c, costs, rounds), text: planText(c, costs, clients, L, rounds) };
}

const planData = (c: PlanChoice, costs: UnitCosts, rounds: number): Record<string, unknown> => ({
  unit: c.unit,
  units: c.units,
  coverage: toNumber(c.coverage),
  form: c.form,
  pool: c.pool,
  drawn: c.drawn,
  localSeconds: c.localSeconds,
  proveSeconds: c.proveSeconds,
  kilobytes: c.kilobytes,
  rounds,
  caught: c.caught.map((x) => ({ bad: x.bad, probability: toNumber(x.probability) })),
  mostBad: c.mostBad,
  deposit: c.deposit ? toNumber(c.deposit) : null,
  costs,
});

/** How a drawn unit is shown, in words. */
const FORM_TEXT: Readonly<Record<Form, string>> = {
  nodes: 'each drawn unit as one node',
  certificates: 'all drawn units of a client as one certificate that hides its witness',
  steps: 'each drawn unit as proofs of its steps',
};

function planText(c: PlanChoice, k: UnitCosts, clients: number, L: number, rounds: number): string {
  return [
    `units of ${c.unit} step${c.unit === 1 ? '' : 's'}, coverage ${percent(c.coverage, 0)}, ${FORM_TEXT[c.form]}`,
    `  ${clients} clients of ${L} steps: ${c.drawn} of ${c.pool} units are drawn`,
    `  predicted for a client and round, on average: ${secondsText(c.localSeconds)} of local work (training alone ${secondsText(L * k.train)}), ${secondsText(c.proveSeconds)} of proving, ${c.kilobytes.toFixed(0)} kB sent, of which the update ${(k.updateBytes / 1000).toFixed(0)}`,
    `  besides, once a process: ${secondsText(k.circuits)} for circuits before it proves, ${secondsText(k.cold)} while its first round is compiled; a unit takes ${secondsText(k.units[c.unit])}; checking earlier rounds is not counted`,
    `  caught within ${rounds} round${rounds === 1 ? '' : 's'}: ${c.caught.map((x) => `${x.bad} bad unit${x.bad === 1 ? '' : 's'} ${percent(x.probability)}`).join(', ')}`,
    `  where all drawn units hold: at most ${c.mostBad} of ${c.pool} units are bad, with 99% confidence`,
    ...(c.deposit
      ? [`  cheating with one unit does not pay where being caught costs ${toNumber(c.deposit).toFixed(1)} times its gain`]
      : []),
    '  these are for units whose proofs are verified; a certificate of the round, made of nodes, is for whoever checks later',
  ].join('\n');
}

/** What proofs and states of a folder are checked with: programs that its charter names, and their base. */
export function checksOf(
  k: Kernels,
  dir: string,
  f: Federation,
  o: FedOptions,
): { states: StateChecks; settings: NonNullable<ChainSource['settings']>; units?: UnitChecks } | undefined {
  if (o.run === undefined && o.base === undefined) return undefined;
  const blob = (d: string): Uint8Array | undefined => readBlob(dir, d, MOST_MANIFEST),
    [first] = f.enrolments.values(),
    given = o.run === undefined ? undefined : findManifest(o.run),
    enrolled = first && blob(first.body.manifest),
    manifest = given?.manifest ?? (enrolled && readManifestBlob(enrolled, `${first.body.client}: manifest`));
  if (!manifest) throw new InputError(dir, ['holds no manifest of a client'], 'give --run, a run with the settings of the federation');
  // Nothing is built from what somebody else wrote before it has the settings that the charter names.
  const own = settingsDigest(manifest);
  if (own !== f.charter.body.program)
    throw new InputError(
      given?.file ?? `${first.body.client}: manifest`,
      [`has the settings ${own}, the charter ${f.charter.body.program}`],
      'give --run, a run with the settings of the federation',
    );
  const run = checkedRun(given?.file ?? `${first.body.client}: manifest`, manifest),
    folder = o.base ?? baseOf(o.run!),
    base = folder === undefined ? undefined : inputsOf(run, { base: folder }).base;
  return {
    states: statesOf(k, run.programs),
    settings: (c) => checkPlanSettings(c, run),
    ...(base ? { units: unitChecks({ kernels: k, base, manifest: blob }) } : {}),
  };
}

/** The base of a run folder, where it is there. */
function baseOf(run: string): string | undefined {
  if (!existsSync(join(run, 'run.yaml'))) return undefined;
  const { path } = readRun(run).base;
  return existsSync(path) ? path : undefined;
}

/** Checks every round of a folder. */
function check(dir: string, o: FedOptions): Result {
  const federation = readFederation(dir),
    k = o.run === undefined && o.base === undefined ? undefined : singleKernels();
  let report: ChainReport;
  try {
    report = checkFolder(dir, k ? checksOf(k, dir, federation, o) : {});
  } finally {
    k?.close();
  }
  return {
    data: {
      federation: report.federation,
      chain: report.chain,
      clients: report.clients,
      head: report.head,
      rounds: report.rounds.map(({ audit, ...x }) => ({
        ...x,
        audit: audit
          ? {
              pool: audit.pool,
              drawn: audit.drawn,
              verified: audit.verified,
              caught: audit.caught.map((y) => ({ bad: y.bad, probability: toNumber(y.probability) })),
              mostBad: audit.mostBad ?? null,
              deposit: audit.deposit ? toNumber(audit.deposit) : null,
            }
          : null,
      })),
      notChecked: report.notChecked,
    },
    text: [
      `what can be recomputed holds: ${report.rounds.length} round${report.rounds.length === 1 ? '' : 's'} of ${report.clients} enrolled clients; NOT CHECKED: ${report.notChecked.map((x) => x.replace(/:.*/, '')).join(', ')}`,
      `  federation ${report.federation}, last final record ${report.head ?? 'none'}`,
      ...report.rounds.flatMap((r) => [
        `  round ${r.round}: ${r.state}, ${r.included} updates summed, ${r.units} proof${r.units === 1 ? '' : 's'} of units checked here, no value moved by more than ${r.bound}${r.excluded.length ? `; left out: ${r.excluded.map((x) => `${x.client} (${x.why})`).join(', ')}` : ''}`,
        ...(r.audit?.lines ?? []).map((l) => `    ${l}`),
      ]),
      ...report.notChecked.map((x) => `  not checked: ${x}`),
    ].join('\n'),
  };
}

/** Judges evidence in a folder. Guilt is exit code 0 with `guilty`; nothing shown is exit code 1. */
function judgeFile(file: string, o: FedOptions): Result {
  if (o.dir === undefined) throw new UsageError('fed judge needs --dir, the folder of the federation');
  const dir = o.dir,
    federation = readFederation(dir),
    cells = valuesOf(federation.charter.body.tensors),
    e = parseEvidence(readBytes(file, 'envelope'), file),
    k = o.run === undefined && o.base === undefined ? undefined : singleKernels(),
    most = Math.max(MOST_UNIT, updateLimit(cells));
  let j: Judgement;
  try {
    const checks = k && checksOf(k, dir, federation, o);
    j = judge(e, {
      federation,
      before: beforeIn(dir, federation),
      blob: (d) => readBlob(dir, d, most),
      ...(checks?.units ? { units: checks.units } : {}),
    });
  } finally {
    k?.close();
  }
  if (!j.guilty) throw new FederationError('evidence', `nothing is shown against ${j.party}: ${j.finding}`);
  return { data: { ...j }, text: `${j.party} is shown to have lied (${j.charge}): ${j.finding}` };
}

function simulateFile(file: string): Result {
  const rows = simulate(parseSimulation(parseJson(readBytes(file, 'policy'), file, { bytes: 1 << 20, numbers: 'integers' }), file)),
    share = (x: SimulationRow['one']): string => `${(100 * x.least).toFixed(1)} to ${(100 * x.most).toFixed(1)}%`;
  return {
    data: { sampled: 'draws', rows: rows.map((r) => ({ ...r, formulaOne: toNumber(r.formulaOne), formulaSome: toNumber(r.formulaSome) })) },
    text: [
      'draws are sampled, nothing is trained or proved; a bad unit that is drawn counts as caught (intervals of 99%)',
      ...rows.map(
        (r) =>
          `  ${r.name}: ${r.clients} client${r.clients === 1 ? '' : 's'} with ${r.bad} bad unit${r.bad === 1 ? '' : 's'} a round: one of them caught ${share(r.one)} (formula ${percent(r.formulaOne)}), some ${share(r.some)} (${percent(r.formulaSome)}), all ${share(r.all)}`,
      ),
    ].join('\n'),
  };
}

/** What each action works on. */
const TARGETS: Readonly<Record<(typeof FED_ACTIONS)[number], string>> = {
  plan: 'a run folder',
  check: 'a folder of a federation',
  judge: 'a file',
  bundle: 'a folder of a federation',
  simulate: 'a file',
  init: 'a folder for the server',
  enrol: 'a folder for the client',
  serve: 'the folder of a server',
  client: 'the folder of a client',
  step: 'the folder of a server or a client',
};

/** The one command of federations: `action` says which. */
export async function fed(action: string, target: string | undefined, o: FedOptions, c: Context): Promise<Result> {
  const name = FED_ACTIONS.find((x) => x === action);
  if (name === undefined) throw new UsageError(`fed ${action}: is none of ${FED_ACTIONS.join(', ')}`);
  if (target === undefined) throw new UsageError(`fed ${name} needs ${TARGETS[name]}`);
  switch (name) {
    case 'plan':
      return plan(target, o);
    case 'check':
      return check(target, o);
    case 'judge':
      return judgeFile(target, o);
    case 'bundle':
      return fedBundle(target, o, c);
    case 'simulate':
      return simulateFile(target);
    case 'init':
      return fedInit(target, o);
    case 'enrol':
      return fedEnrol(target, o, c);
    case 'serve':
      return fedServe(target, o, c);
    case 'client':
      return fedClient(target, o, c);
    case 'step':
      return fedStep(target, o, c);
  }
}
