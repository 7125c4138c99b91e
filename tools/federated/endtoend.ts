/**
 * Six clients, three of them dishonest in three ways, two rounds, over a folder or HTTPS: everything that is drawn is
 * proved, and replayed beside that. A copy of the records is checked from the charter on.
 */
import { cpSync, existsSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import {
  type Coordinator,
  type Participant,
  type RoundContext,
  type ServerAddress,
  type Signed,
  CircuitCache,
  MOST_MANIFEST,
  MOST_UNIT,
  UnitProver,
  bundleRound,
  checkFolder,
  commitBody,
  coordinate,
  drawOf,
  drawnOf,
  finished,
  folderTransport,
  httpsTransport,
  mirror,
  openRound,
  participate,
  readBlob,
  readFederation,
  readHead,
  readRound,
  responseBody,
  roundNumbers,
  serveFolder,
  signMessage,
  statesOf,
  unitChecks,
  updateLimit,
  writeBlob,
  writeMessage,
  writeSeed,
} from 'certune/federated';
import { decodeNode } from 'certune/artifact';
import type { Kernels } from 'certune/kernels';
import { nodeOf } from 'certune/recursion';
import { root } from '../fixtures.js';
import { type Strategy, type Transcript, cheat, honest, replay } from './cheats.js';
import { type Person, SEED_ROUND, TINY_SIZE, beacon, found, participantOf, people, serverKey } from './people.js';
import { ownOf } from './scale.js';

export interface EndToEnd {
  readonly transport: 'folder' | 'https';
  readonly clients: number;
  readonly steps: number;
  readonly coverage: string;
  readonly cheats: readonly { readonly client: string; readonly strategy: string }[];
  readonly rounds: readonly {
    readonly round: number;
    readonly drawn: number;
    readonly pool: number;
    readonly proved: number;
    readonly failed: number;
    readonly unanswered: number;
    readonly excluded: readonly string[];
  }[];
  /** Units whose proof was verified and that were replayed as well: how often both verdicts agree. */
  readonly replayed: {
    readonly units: number;
    readonly agree: number;
    readonly bad: number;
    /**
     * Units that hold by replay and whose proof was refused, because it is that of another run: it enters the state of
     * an honest run of the client, word for word, and not the one that was committed to. Any other difference of the
     * verdicts is an error.
     */
    readonly others: number;
  };
  readonly check: { readonly units: number; readonly seconds: number; readonly notChecked: readonly string[] };
  readonly bytes: {
    readonly update: number;
    readonly commit: number;
    readonly response: number;
    readonly proof: number;
    readonly record: number;
  };
  /** Certificates made of the proved units of every round, and the check of a copy that has no other proof of them. */
  readonly certificates?: {
    readonly rounds: readonly { readonly units: number; readonly bytes: number; readonly seconds: number }[];
    readonly check: { readonly units: number; readonly seconds: number };
  };
  readonly seconds: { readonly prove: number; readonly proofs: number; readonly all: number };
}

/** Rounds that are proved are shorter than those that are replayed. */
export const E2E_SIZE = { ...TINY_SIZE, sequence: 16 };

/** What three clients do, whatever is drawn of them is answered with what they have. */
const CHEATS: readonly (readonly [number, Strategy])[] = [
  [3, 'skipped steps'],
  [4, 'foreign rows'],
  [5, 'false counters'],
];

interface Liar {
  readonly p: Participant;
  readonly person: Person;
  readonly strategy: Strategy;
  readonly other: Person;
}

/** Mean size of the files of a folder, 0 where there is none. */
const mean = (dir: string): number => {
  const list = existsSync(dir) ? readdirSync(dir) : [];
  return list.length ? list.reduce((n, f) => n + statSync(join(dir, f)).size, 0) / list.length : 0;
};

class Experiment {
  readonly transcripts = new Map<string, Transcript>();
  proveSeconds = 0;
  proofs = 0;
  constructor(
    readonly k: Kernels,
    readonly at: string,
    readonly circuits: CircuitCache,
  ) {}

  context(round: number): RoundContext {
    const f = readFederation(this.at),
      r = readHead(this.at, f).rounds.find((x) => x.round === round)!;
    return openRound(f, r.files.plan, r.before, readBlob(this.at, r.files.plan.body.global.adapter, updateLimit(2 ** 20))!);
  }
  /** The transcript of a client in a round: honest, or of its strategy. */
  transcript(round: number, person: Person, lie?: Liar): Transcript {
    const at = `${round} ${person.name}`;
    let t = this.transcripts.get(at);
    if (!t) {
      const c = this.context(round),
        own = ownOf(c, person);
      t = lie ? cheat(this.k, own, lie.strategy, ownOf(c, lie.other)) : honest(this.k, own);
      this.transcripts.set(at, t);
    }
    return t;
  }

  /** What a dishonest client does at its turn. */
  async lie(x: Liar): Promise<void> {
    const f = readFederation(this.at),
      { k } = this;
    if (!f.enrolments.has(x.person.name)) {
      await participate(x.p);
      return;
    }
    for (const r of readHead(this.at, f).rounds) {
      if (r.files.record || !r.files.plan.body.enrolled.some((e) => e.client === x.person.name)) continue;
      const c = this.context(r.round),
        own = ownOf(c, x.person),
        t = this.transcript(r.round, x.person, x);
      if (!r.files.seal) {
        const { body, blob } = commitBody(own, t);
        if (!r.files.commits.has(x.person.name)) await x.p.transport.send(signMessage('commit', body, x.p.key), [blob]);
        continue;
      }
      const due = drawnBy(c, r.files, x.person.name).filter((u) => !r.files.responses.has(`${x.person.name}-${u}`));
      if (!due.length) continue;
      // The best that it has: the proof of an honest run of its own, between the records that it committed to.
      const fair = honest(k, own),
        prover = new UnitProver(k, own, this.circuits.of(own.run), fair.losses);
      for (const u of due) {
        const proof = this.timed(() => prover.prove(u));
        await x.p.transport.send(signMessage('response', responseBody(own, t.records, u, proof), x.p.key), [proof]);
      }
    }
  }
  timed<T>(f: () => T): T {
    const t = performance.now(),
      x = f();
    this.proveSeconds += (performance.now() - t) / 1000;
    this.proofs++;
    return x;
  }
}

const drawnBy = (c: RoundContext, { seal, beacon }: ReturnType<typeof readRound>, client: string): number[] =>
  seal && beacon ? drawnOf(drawOf(c, seal, beacon), client) : [];

/** Whether the proof of an answer enters the state of an honest run of the client, and its committed record another. */
function ofAnotherRun(x: Experiment, round: number, person: Person, t: Transcript, unit: number): boolean {
  const f = readFederation(x.at),
    own = ownOf(x.context(round), person),
    answer = readRound(x.at, f, round).responses.get(`${person.name}-${unit}`)!.body,
    { statement } = nodeOf(x.circuits.of(own.run).cls, decodeNode('proof', readBlob(x.at, answer.proof!, MOST_UNIT)!)),
    fair = honest(x.k, own).records[unit],
    same = (a: readonly bigint[], b: readonly bigint[]): boolean => a.every((w, i) => w === b[i]);
  return same(statement.sIn, fair.s) && !same(statement.sIn, t.records[unit].s);
}

/** Verdicts of the proofs beside those of replay. Throws Error where they differ and nothing says why. */
function compareReplay(x: Experiment, list: readonly Person[], liars: ReadonlyMap<string, Liar>): EndToEnd['replayed'] {
  const f = readFederation(x.at);
  let units = 0,
    agree = 0,
    bad = 0,
    others = 0;
  for (const n of roundNumbers(x.at)) {
    const c = x.context(n);
    for (const { body: v } of readRound(x.at, f, n).verdicts) {
      if (v.how !== 'proved') continue;
      const person = list.find((p) => p.name === v.client)!,
        t = x.transcript(n, person, liars.get(v.client)),
        found = replay(x.k, ownOf(c, person), t, v.unit);
      units++;
      if (found !== undefined) bad++;
      if ((found === undefined) === v.holds) agree++;
      else if (found === undefined && ofAnotherRun(x, n, person, t, v.unit)) others++;
      else
        throw new Error(
          `unit ${v.unit} of ${v.client}: replay says ${found ?? 'that it holds'}, the proof ${v.refusal ?? 'that it holds'}`,
        );
    }
  }
  return { units, agree, bad, others };
}

export async function endToEnd(k: Kernels, dir: string, transport: 'folder' | 'https', say: (t: string) => void): Promise<EndToEnd> {
  const started = performance.now(),
    at = join(dir, 'public'),
    list = people(join(dir, 'data'), 6, 0.3, E2E_SIZE, 77),
    clock = { at: 1_000_050 },
    circuits = new CircuitCache(k);
  rmSync(at, { recursive: true, force: true });
  const { charter, blob } = found(k, list);
  writeMessage(at, charter);
  writeSeed(at, beacon(SEED_ROUND));
  writeBlob(at, blob);
  const pem = (n: string): string => readFileSync(join(root, `test/data/localhost-${n}.pem`), 'utf8'),
    server = transport === 'https' ? serveFolder(at, { cert: pem('cert'), key: pem('key') }) : undefined;
  if (server) await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address: ServerAddress = { url: `https://localhost:${server ? (server.address() as AddressInfo).port : 0}`, ca: pem('cert') },
    now = (): number => clock.at,
    base = list[0].setup.inputs.base,
    units = unitChecks({ kernels: k, base, manifest: (d) => readBlob(at, d, MOST_MANIFEST) }),
    co: Coordinator = {
      dir: at,
      key: serverKey,
      settings: {
        rounds: 2,
        unit: 1,
        select: 6,
        cap: 2 ** 20,
        aggregate: { rule: 'mean', clip: 0, trim: 0 },
        audit: { coverage: [1, 4], each: 0, mode: 'before', show: 'proofs' },
        commitSeconds: 600,
        responseSeconds: 600,
        clients: 6,
      },
      kernels: k,
      run: list[0].setup.run,
      states: statesOf(k, list[0].setup.run.programs),
      units,
      now,
      beacon,
    },
    x = new Experiment(k, at, circuits);
  const parts = list.map((p): { p: Participant; person: Person; lie?: Liar } => {
    const home = join(dir, p.name);
    rmSync(home, { recursive: true, force: true });
    const t = server ? httpsTransport(address, join(home, 'mirror')) : folderTransport(at),
      own = participantOf(home, charter.digest, p, k, t, now, circuits),
      as = CHEATS.find(([n]) => n === p.number);
    return { p: own, person: p, ...(as ? { lie: { p: own, person: p, strategy: as[1], other: list[0] } } : {}) };
  });
  try {
    for (let i = 0; i < 200 && !finished(co); i++) {
      for (const { p, lie } of parts)
        if (lie) await x.lie(lie);
        else {
          const t = performance.now(),
            said = await participate(p),
            answers = said.filter((l) => /answered unit/.test(l)).length;
          if (answers) {
            x.proveSeconds += (performance.now() - t) / 1000;
            x.proofs += answers;
          }
          for (const l of said) say(`${p.files.client}: ${l}`);
        }
      for (const l of coordinate(co)) say(l);
      clock.at++;
    }
    const copy = join(dir, 'copy');
    rmSync(copy, { recursive: true, force: true });
    if (server) await mirror(address, copy, true);
    else cpSync(at, copy, { recursive: true });
    return measure(x, copy, co, list, new Map(parts.flatMap((y) => (y.lie ? [[y.person.name, y.lie] as const] : []))), transport, started);
  } finally {
    server?.close();
    server?.closeAllConnections();
  }
}

/** Folds the proved units of every round, takes their proofs away, and checks again. */
function certified(x: Experiment, copy: string, list: readonly Person[], co: Coordinator): NonNullable<EndToEnd['certificates']> {
  const { base } = list[0].setup.inputs,
    federation = readFederation(copy),
    units = unitChecks({ kernels: x.k, base, manifest: (d) => readBlob(copy, d, MOST_MANIFEST), circuits: x.circuits });
  const rounds = roundNumbers(copy).flatMap((round) => {
    const t = performance.now(),
      made = bundleRound(copy, round, { kernels: x.k, base, units }),
      files = readRound(copy, federation, round);
    for (const { body: v } of files.verdicts) {
      const proof = v.holds ? files.responses.get(`${v.client}-${v.unit}`)?.body.proof : undefined;
      if (proof) rmSync(join(copy, 'blobs', proof.slice(7)), { force: true });
    }
    return made.map((m) => ({ units: m.units, bytes: m.bytes, seconds: (performance.now() - t) / 1000 }));
  });
  const t = performance.now(),
    report = checkFolder(copy, { states: co.states, units });
  return { rounds, check: { units: report.rounds.reduce((n, r) => n + r.units, 0), seconds: (performance.now() - t) / 1000 } };
}

function measure(
  x: Experiment,
  copy: string,
  co: Coordinator,
  list: readonly Person[],
  liars: ReadonlyMap<string, Liar>,
  transport: 'folder' | 'https',
  started: number,
): EndToEnd {
  const federation = readFederation(copy),
    t = performance.now(),
    units = unitChecks({ kernels: x.k, base: list[0].setup.inputs.base, manifest: (d) => readBlob(copy, d, MOST_MANIFEST) }),
    report = checkFolder(copy, { states: co.states, units }),
    checkSeconds = (performance.now() - t) / 1000,
    rounds = roundNumbers(copy).map((n) => readRound(copy, federation, n)),
    r0 = join(copy, 'rounds/0'),
    size = (d: string): number => readBlob(copy, d, MOST_UNIT)?.length ?? 0,
    average = (a: readonly number[]): number => (a.length ? a.reduce((p, q) => p + q, 0) / a.length : 0),
    proofs = rounds.flatMap((r) =>
      [...r.responses.values()].flatMap((m: Signed<'response'>) => (m.body.proof === null ? [] : [size(m.body.proof)])),
    );
  return {
    transport,
    clients: list.length,
    steps: E2E_SIZE.steps,
    coverage: '25%',
    cheats: CHEATS.map(([n, strategy]) => ({ client: list[n].name, strategy })),
    rounds: rounds.map((r) => ({
      round: r.plan.body.round,
      drawn: r.record!.body.audit.drawn,
      pool: r.record!.body.audit.pool,
      proved: r.record!.body.audit.proved,
      failed: r.record!.body.audit.failed,
      unanswered: r.record!.body.audit.unanswered,
      excluded: r.record!.body.excluded.map((e) => `${e.client}: ${e.why}`),
    })),
    replayed: compareReplay(x, list, liars),
    check: { units: report.rounds.reduce((n, r) => n + r.units, 0), seconds: checkSeconds, notChecked: report.notChecked },
    bytes: {
      update: average(rounds.flatMap((r) => [...r.commits.values()].map((m) => m.body.update.bytes))),
      commit: mean(join(r0, 'commits')),
      response: mean(join(r0, 'responses')),
      proof: average(proofs),
      record: statSync(join(r0, 'record.json')).size,
    },
    certificates: certified(x, copy, list, co),
    seconds: { prove: x.proveSeconds, proofs: x.proofs, all: (performance.now() - started) / 1000 },
  };
}
