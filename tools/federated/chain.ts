/**
 * 200 clients in some rounds, all of them real but for their proofs: training, commitments, commits, server, seals,
 * draws, opened records, records. What a check of the whole chain takes, in seconds and memory. The federation's folder
 * stays under .federated, so that what was cut short goes on.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Coordinator,
  type Federation,
  type PlacedRound,
  MOST_MANIFEST,
  commitBody,
  coordinate,
  drawOf,
  drawnOf,
  enrolmentOf,
  finished,
  hand,
  isDone,
  manifestBlob,
  openRound,
  readBlob,
  readFederation,
  readHead,
  responseBody,
  signMessage,
  statesOf,
  trainRound,
  unitChecks,
  updateLimit,
  writeBlob,
  writeMessage,
  writeSeed,
} from 'certune/federated';
import type { Kernels } from 'certune/kernels';
import { root } from '../fixtures.js';
import { KeptItems } from './kept.js';
import { type Person, type Size, SEED_ROUND, TINY_SIZE, beacon, found, people, serverKey } from './people.js';
import { type HandedIn, ownOf } from './scale.js';

export interface Chain {
  readonly clients: number;
  readonly rounds: number;
  readonly steps: number;
  readonly values: number;
  /** Units that were drawn and opened in all rounds, files and bytes of the folder. */ readonly opened: number;
  readonly files: number;
  readonly bytes: number;
  /** Seconds of processor time of a check in a process of its own, and the most memory that it had. */
  readonly check: {
    readonly seconds: number;
    readonly wall: number;
    readonly mebibytes: number;
    /** The same without the commitments to states, for which no base is needed. */ readonly without: number;
    /** Of the first half of the rounds, rounded down: what grows with the square shows. */ readonly half: number;
  };
  readonly notChecked: readonly string[];
}

/** Rounds as short as they come: what is measured is what comes of many messages. */
export const CHAIN_SIZE: Size = { ...TINY_SIZE, steps: 2, sequence: 16 };

/** Messages of all clients that are due in a round. */
function handInRound(k: Kernels, dir: string, f: Federation, list: readonly Person[], r: PlacedRound, now: number): number {
  const { files } = r,
    plan = files.plan.body,
    blob = readBlob(dir, plan.global.adapter, updateLimit(2 ** 20))!;
  let sent = 0;
  const c = openRound(f, files.plan, r.before, blob),
    items = new KeptItems(files.plan.digest),
    draw = files.seal && files.beacon ? drawOf(c, files.seal, files.beacon) : undefined;
  for (const p of list) {
    const due = draw ? drawnOf(draw, p.name).filter((u) => !files.responses.has(`${p.name}-${u}`)) : [];
    if (files.seal ? !due.length : files.receipts.has(p.name) || now > plan.deadlines.commit) continue;
    const own = ownOf(c, p),
      t = items.once(p.name, (): HandedIn => {
        const { records, adapter } = trainRound(k, own);
        return { records, adapter };
      }).value;
    if (!files.seal) {
      const { body, blob: update } = commitBody(own, t);
      writeBlob(dir, update);
      hand(dir, f, signMessage('commit', body, p.key));
      sent++;
    }
    for (const u of due) {
      hand(dir, f, signMessage('response', responseBody(own, t.records, u), p.key));
      sent++;
    }
  }
  return sent;
}

const folderSize = (dir: string): { files: number; bytes: number } =>
  readdirSync(dir, { withFileTypes: true }).reduce(
    (n, e) => {
      const at = join(dir, e.name);
      if (!e.isDirectory()) return { files: n.files + 1, bytes: n.bytes + statSync(at).size };
      const x = folderSize(at);
      return { files: n.files + x.files, bytes: n.bytes + x.bytes };
    },
    { files: 0, bytes: 0 },
  );

/** What a check in a process of its own takes, of the first `rounds` rounds. */
function checked(
  dir: string,
  run: string | null,
  rounds: number,
): { seconds: number; wall: number; mebibytes: number; notChecked: string[] } {
  const program = join(root, 'dist-tools/federated/chain-check.js'),
    r = spawnSync(process.execPath, [program, dir, String(rounds), ...(run === null ? [] : [run])], {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    });
  if (r.status !== 0) throw new Error(r.stderr);
  return JSON.parse(r.stdout) as ReturnType<typeof checked>;
}

export function chain(k: Kernels, dir: string, clients: number, rounds: number, say: (t: string) => void): Chain {
  const list = people(join(dir, 'data'), clients, 0.1, CHAIN_SIZE, 4242),
    { charter, blob } = found(k, list),
    at = join(root, '.federated', `chain-${charter.digest.slice(7, 23)}`),
    now = { at: 1_000_050 };
  if (!existsSync(join(at, 'charter.json'))) {
    writeSeed(at, beacon(SEED_ROUND));
    writeBlob(at, blob);
    writeMessage(at, charter);
  }
  const co: Coordinator = {
    dir: at,
    key: serverKey,
    settings: {
      rounds,
      unit: 1,
      select: clients,
      cap: 2 ** 20,
      aggregate: { rule: 'mean', clip: 0, trim: 0 },
      audit: { coverage: [1, 10], each: 0, mode: 'before', show: 'records' },
      commitSeconds: 30,
      responseSeconds: 30,
      clients,
    },
    kernels: k,
    run: list[0].setup.run,
    states: statesOf(k, list[0].setup.run.programs),
    units: unitChecks({ kernels: k, base: list[0].setup.inputs.base, manifest: (d) => readBlob(at, d, MOST_MANIFEST) }),
    now: () => now.at,
    beacon,
  };
  let f = readFederation(at);
  for (const p of list)
    if (!f.enrolments.has(p.name)) {
      const { manifest } = p.setup.run;
      writeBlob(at, manifestBlob(manifest));
      hand(at, f, enrolmentOf(charter.digest, p.name, p.key, manifest));
    }
  for (let i = 0; i < 40 * rounds && !finished(co); i++) {
    for (const x of coordinate(co)) if (!/commit of|is enrolled/.test(x)) say(x);
    f = readFederation(at);
    const open = readHead(at, f).rounds.find((r) => !isDone(r.files));
    // The time goes on between rounds: a plan that was made when this was cut short has its own.
    if (open) now.at = Math.max(now.at, open.files.plan.body.deadlines.commit - 29);
    if (!open || !handInRound(k, at, f, list, open, now.at)) now.at++;
    if (open?.files.beacon) now.at = Math.max(now.at, open.files.plan.body.deadlines.response - 29);
  }
  const run = join(root, 'test/data/tiny'),
    whole = checked(at, run, rounds),
    audits = readHead(at, f).rounds.flatMap((r) => (r.files.record ? [r.files.record.body.audit] : []));
  return {
    clients,
    rounds,
    steps: CHAIN_SIZE.steps,
    values: co.run.programs.program.axes['P'],
    opened: audits.reduce((n, a) => n + a.opened, 0),
    ...folderSize(at),
    check: {
      ...{ seconds: whole.seconds, wall: whole.wall, mebibytes: whole.mebibytes },
      without: checked(at, null, rounds).seconds,
      half: checked(at, run, rounds >> 1).seconds,
    },
    notChecked: whole.notChecked,
  };
}
