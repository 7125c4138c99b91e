import { sha256 } from '@noble/hashes/sha2.js';
import { InputError } from '../errors.js';
import { toUtf8 } from '../provenance/bytes.js';
import * as z from '../schema.js';
import { type Ratio, caughtOver, missed, ratio, wilson } from './catch.js';
import { drawUnits } from './draw.js';

/*
 * Detection by drawing: the draw itself, over many beacons that nobody published, against strategies that make so many
 * units bad. Only the draw is sampled here: a bad unit that is drawn counts as caught, which it is where its
 * computation is verified. Nothing is trained and nothing is proved.
 */

const count = (most: number, least = 0): z.NumberSchema => z.number().int().min(least).max(most);

/** What is simulated. */
export const SIMULATION = z.object({
  clients: count(10_000, 1),
  units: count(4096, 1),
  coverage: z.array(count(1_000_000, 1)).length(2),
  each: count(1).default(0),
  rounds: count(100, 1).default(1),
  beacons: count(100_000, 1).default(1000),
  strategies: z
    .array(z.object({ name: z.string().min(1).max(100), clients: count(10_000, 1), bad: count(4096, 1) }))
    .min(1)
    .max(50),
});
export type Simulation = z.Infer<typeof SIMULATION>;

export interface Detected {
  readonly hits: number;
  readonly least: number;
  readonly most: number;
}
export interface SimulationRow {
  readonly name: string;
  readonly clients: number;
  readonly bad: number;
  /** A given dishonest client caught within the rounds, some client, all of them: sampled, with intervals of 99%. */
  readonly one: Detected;
  readonly some: Detected;
  readonly all: Detected;
  /** The formula for one client, for some client; exact where no unit is drawn for the sake of `each`. */
  readonly formulaOne: Ratio;
  readonly formulaSome: Ratio;
}

/** Reads a simulation. Throws InputError. */
export function parseSimulation(v: unknown, where: string): Simulation {
  const r = SIMULATION.safeParse(v);
  if (!r.success)
    throw new InputError(
      where,
      r.issues.map((i) => `${i.path.join('.') || 'the whole'}: ${i.message}`),
    );
  const s = r.data,
    problems: string[] = [];
  if (s.coverage[0] > s.coverage[1]) problems.push('coverage: is above 1');
  if (s.clients * s.units > 1_000_000) problems.push('clients: more than a million units');
  if (s.clients * s.units * s.rounds * s.beacons * s.coverage[0] > 2e8 * s.coverage[1])
    problems.push('beacons: more than 200 million drawn units');
  for (const x of s.strategies) {
    if (x.clients > s.clients) problems.push(`strategies: ${x.name} has more clients than there are`);
    if (x.bad > s.units) problems.push(`strategies: ${x.name} has more bad units than a client has`);
  }
  if (problems.length) throw new InputError(where, problems);
  return s;
}

/**
 * Runs a simulation: the same spec gives the same figures. Dishonest clients are the first ones, their bad units spread
 * over the round.
 */
export function simulate(s: Simulation): SimulationRow[] {
  const names = Array.from({ length: s.clients }, (_, i) => `c${i}`),
    place = new Map(names.map((n, i) => [n, i])),
    pool = names.map((client) => ({ client, units: s.units })),
    coverage = ratio(BigInt(s.coverage[0]), BigInt(s.coverage[1])),
    digest = (t: string): Uint8Array => sha256(toUtf8(t)),
    hits = s.strategies.map(() => ({ one: 0, some: 0, all: 0 })),
    bad = s.strategies.map((x) => new Set(Array.from({ length: x.bad }, (_, i) => Math.floor((i * s.units) / x.bad)))),
    drawn = Math.ceil((s.coverage[0] * s.clients * s.units) / s.coverage[1]);
  for (let b = 0; b < s.beacons; b++) {
    const caughtBy = s.strategies.map(() => new Set<number>());
    for (let round = 0; round < s.rounds; round++) {
      const d = drawUnits({
        federation: digest('simulation'),
        round,
        seal: digest(`seal ${round}`),
        beacon: digest(`beacon ${b} ${round}`),
        pool,
        coverage,
        each: s.each,
      });
      for (const u of d.units) {
        const c = place.get(u.client)!;
        s.strategies.forEach((x, i) => c < x.clients && bad[i].has(u.index) && caughtBy[i].add(c));
      }
    }
    s.strategies.forEach((x, i) => {
      if (caughtBy[i].has(0)) hits[i].one++;
      if (caughtBy[i].size) hits[i].some++;
      if (caughtBy[i].size === x.clients) hits[i].all++;
    });
  }
  const of = (n: number): Detected => ({ hits: n, ...wilson(n, s.beacons) }),
    formula = (bads: number): Ratio =>
      caughtOver(Array.from({ length: s.rounds }, () => missed(s.clients * s.units, Math.min(drawn, s.clients * s.units), bads)));
  return s.strategies.map((x, i) => ({
    ...x,
    one: of(hits[i].one),
    some: of(hits[i].some),
    all: of(hits[i].all),
    formulaOne: formula(x.bad),
    formulaSome: formula(x.bad * x.clients),
  }));
}
