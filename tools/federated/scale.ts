/**
 * 50 and 200 clients that train for real, eleven strategies of cheating, 1,000 beacons. What a drawn unit comes to is
 * found by native replay in the place of its proof; draws are sampled over one sealed transcript.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import {
  type OwnRound,
  type RoundContext,
  type Signed,
  beginning,
  beginRound,
  caught,
  checkUpdate,
  commitBody,
  drawUnits,
  drawnUnits,
  messageFile,
  ownRound,
  ratio,
  sealBody,
  signMessage,
  stepRound,
  toNumber,
  wilson,
} from 'certune/federated';
import type { Kernels } from 'certune/kernels';
import { STRATEGIES, type Strategy, type Transcript, cheat, honest, replay } from './cheats.js';
import { KeptItems } from './kept.js';
import { type Person, type Size, beacon, found, openedRound, people, serverKey } from './people.js';

export interface ScaleRow {
  readonly strategy: Strategy;
  /** Bad units of the client, found by replaying all of its units. */ readonly bad: number;
  /** What the server's native checks say of the commit, with no audit at all. */ readonly native: string;
  readonly coverage: readonly {
    readonly percent: number;
    readonly drawn: number;
    readonly formula: number;
    readonly hits: number;
    readonly least: number;
    readonly most: number;
  }[];
}
export interface Scale {
  readonly clients: number;
  readonly alpha: number;
  readonly size: Omit<Size, 'base'>;
  readonly units: number;
  readonly beacons: number;
  readonly rows: readonly ScaleRow[];
  /** Share of the most frequent language of a client: least, middle, greatest of all clients. */
  readonly skew: readonly number[];
  /** Units of honest clients that were replayed, and how many of them hold. */ readonly honest: {
    readonly replayed: number;
    readonly hold: number;
  };
  /** Bytes of the real files, on average: update, float32 of the same, commit. */
  readonly bytes: {
    readonly update: number;
    readonly float32: number;
    readonly commit: number;
    readonly seal: number;
    /** True where it was measured with another code of updates than the present one. */ readonly before?: boolean;
  };
  /** Largest movement of honest updates as a share of the bound: least and greatest. */
  readonly movement: readonly number[];
  readonly seconds: {
    readonly train: number;
    readonly commit: number;
    readonly check: number;
    readonly replay: number;
    readonly draw: number;
  };
}

/** What a client hands in, without the states: enough for its commit. */
export type HandedIn = Pick<Transcript, 'records' | 'adapter'>;

/** The honest transcript of a client, trained or kept from before; with the seconds that training took. */
export function handedIn(k: Kernels, kept: KeptItems, own: OwnRound): { readonly value: HandedIn; readonly seconds: number } {
  return kept.once(own.client, () => {
    const { records, adapter } = honest(k, own);
    return { records, adapter };
  });
}

const COVERAGES = [5, 10, 20];

/** A round of these clients, opened. */
export function roundOf(k: Kernels, list: readonly Person[]): RoundContext {
  const f = found(k, list);
  return openedRound(k, f, list, { before: beginning(f.federation, beacon(1)), round: 0, at: 10_000, blob: f.blob });
}

export const ownOf = (c: RoundContext, p: Person): OwnRound =>
  ownRound(c, { client: p.name, config: p.config, run: p.secret, salts: p.salts });

const seconds = <T>(into: { at: number }, f: () => T): T => {
  const t = performance.now(),
    x = f();
  into.at += (performance.now() - t) / 1000;
  return x;
};

/** What a strategy of one client comes to, over draws from one sealed transcript. */
function strategyRow(
  k: Kernels,
  {
    c,
    seal,
    own,
    other,
    p,
    size,
    beacons,
    M,
  }: {
    readonly c: RoundContext;
    readonly seal: Signed<'seal'>;
    readonly own: OwnRound;
    readonly other: OwnRound;
    readonly p: Person;
    readonly size: Size;
    readonly beacons: number;
    readonly M: number;
  },
  strategy: Strategy,
): { readonly row: ScaleRow; readonly time: { readonly replay: { at: number }; readonly draw: { at: number } } } {
  const time = { replay: { at: 0 }, draw: { at: 0 } },
    t = cheat(k, own, strategy, other),
    found = Array.from({ length: size.steps }, (_, u) => seconds(time.replay, () => replay(k, own, t, u))),
    bad = found.flatMap((x, u) => (x === undefined ? [] : [u])),
    { body, blob } = commitBody(own, t);
  let native = 'passes';
  try {
    checkUpdate(c, signMessage('commit', body, p.key), blob);
  } catch (e) {
    native = `refused: ${(e as Error).message.split(':')[0]}`;
  }
  const hit = new Set(bad);
  const row: ScaleRow = {
    strategy,
    bad: bad.length,
    native,
    coverage: COVERAGES.map((percent) => {
      const coverage = ratio(BigInt(percent), 100n);
      let hits = 0;
      for (let b = 0; b < beacons; b++) {
        const d = seconds(time.draw, () =>
          drawUnits({
            federation: sha256(new TextEncoder().encode(c.charter.digest)),
            round: 0,
            seal: sha256(new TextEncoder().encode(seal.body.root)),
            beacon: sha256(new TextEncoder().encode(`beacon ${b} of ${strategy} at ${percent}`)),
            pool: seal.body.commits.map((x) => ({ client: x.client, units: size.steps })),
            coverage,
            each: 0,
          }),
        );
        if (d.units.some((u) => u.client === p.name && hit.has(u.index))) hits++;
      }
      const drawn = drawnUnits(coverage, M);
      return { percent, drawn, formula: toNumber(caught(M, drawn, bad.length)), hits, ...wilson(hits, beacons) };
    }),
  };
  return { row, time };
}

/** Runs the experiment; `say` is told how far it is. */
export function scale(
  k: Kernels,
  dir: string,
  clients: number,
  alpha: number,
  size: Size,
  beacons: number,
  say: (t: string) => void,
): Scale {
  const list = people(dir, clients, alpha, size, 1000 * clients + 10 * alpha),
    c = roundOf(k, list),
    items = new KeptItems(c.plan.digest),
    time = { train: { at: 0 }, commit: { at: 0 }, check: { at: 0 }, replay: { at: 0 }, draw: { at: 0 } },
    now = c.plan.body.deadlines.commit - 1;
  let state = beginRound(c);
  const bytes = { update: 0, commit: 0 },
    movement: number[] = [],
    kept: { readonly own: OwnRound; readonly p: Person }[] = [];
  let replayed = 0,
    hold = 0;
  for (const p of list) {
    const own = ownOf(c, p),
      { value: t, seconds: trained } = handedIn(k, items, own),
      { body, blob } = seconds(time.commit, () => commitBody(own, t)),
      m = signMessage('commit', body, p.key);
    state = seconds(time.check, () => stepRound(state, { kind: 'commit', message: m, blob, now })).state;
    time.train.at += trained;
    bytes.update += blob.length / clients;
    bytes.commit += messageFile(m.envelope).length / clients;
    movement.push(Math.max(...t.adapter.map((x, i) => Math.abs(x - c.global[i]))) / Number(c.bound));
    // One unit of every tenth honest client.
    if (p.number % 10 === 0) {
      replayed++;
      const r = items.once(`${own.client} replayed`, () => {
        const at = { at: 0 },
          whole = honest(k, own);
        return { why: seconds(at, () => replay(k, own, whole, p.number % size.steps)), seconds: at.at };
      }).value;
      time.replay.at += r.seconds;
      if (r.why === undefined) hold++;
    }
    if (kept.length < 2) kept.push({ own, p });
    if ((p.number + 1) % 10 === 0) say(`${p.number + 1} of ${clients} clients trained`);
  }
  const seal = signMessage('seal', sealBody(state, now), serverKey),
    M = clients * size.steps;
  const [{ own, p }, { own: other }] = kept;
  const rows = STRATEGIES.map((x) => {
    const { value } = items.once(x, () => strategyRow(k, { c, seal, own, other, p, size, beacons, M }, x));
    time.replay.at += value.time.replay.at;
    time.draw.at += value.time.draw.at;
    say(`${x}: ${value.row.bad} bad units`);
    return value.row;
  });
  const skew = list.map((x) => Math.max(...x.rows) / x.rows.reduce((a, b) => a + b, 0)).sort((a, b) => a - b);
  const { base: _, ...rest } = size;
  return {
    clients,
    alpha,
    size: rest,
    units: M,
    beacons,
    rows,
    skew: [skew[0], skew[skew.length >> 1], skew[skew.length - 1]],
    honest: { replayed, hold },
    bytes: { ...bytes, float32: 4 * c.global.length, seal: messageFile(seal.envelope).length },
    movement: [Math.min(...movement), Math.max(...movement)],
    seconds: { train: time.train.at, commit: time.commit.at, check: time.check.at, replay: time.replay.at, draw: time.draw.at },
  };
}
