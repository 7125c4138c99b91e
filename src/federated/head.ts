import { type Beacon, beaconValue } from './beacon.js';
import type { Before, Federation } from './checks.js';
import { type RoundFiles, readRound, readSeed, roundNumbers } from './folder.js';

/*
 * Where a federation stands, from its folder: what the next plan follows, and which rounds are still open. Nothing is
 * checked here but what one cannot go on without; check.ts checks everything.
 */

/** What the first plan follows. */
export function beginning(f: Federation, seed: Beacon): Before {
  const { chain, seedRound, start } = f.charter.body;
  return { record: null, round: -1, beaconRound: seedRound, beacon: beaconValue(chain, seedRound, seed), global: start };
}

/** A round with what its plan follows. */
export interface PlacedRound {
  readonly round: number;
  readonly files: RoundFiles;
  readonly before: Before;
}

export interface Head {
  /** What the next plan follows. */ readonly next: Before;
  /** Rounds in order that stand on no void record. */ readonly rounds: readonly PlacedRound[];
  /** Highest number of a round, -1 where there is none. */ readonly last: number;
}

/** Whether nothing of a round is due any more: a final record, or a settled one. */
export const isDone = ({ record, settlement }: RoundFiles): boolean =>
  record !== undefined && (!record.body.provisional || settlement !== undefined);

/** Reads where a folder's federation stands. Throws InputError, VerificationError. */
export function readHead(dir: string, f: Federation): Head {
  const { chain } = f.charter.body,
    first = beginning(f, readSeed(dir)),
    known = new Map<string | null, Before>([[null, first]]),
    rounds: PlacedRound[] = [];
  let next = first,
    last = -1;
  for (const round of roundNumbers(dir)) {
    last = round;
    const files = readRound(dir, f, round),
      { record, beacon, settlement, plan } = files,
      before = known.get(plan.body.previous);
    // On a record that is void, or on none that is here.
    if (!before) continue;
    rounds.push({ round, files, before });
    if (!record || !beacon) continue;
    if (settlement && !settlement.body.holds) {
      // Whatever stands on it goes with it: the next plan follows what its own followed.
      next = before;
      continue;
    }
    next = {
      record: record.digest,
      round,
      beaconRound: plan.body.beacon,
      beacon: beaconValue(chain, plan.body.beacon, beacon),
      global: record.body.global,
    };
    known.set(record.digest, next);
  }
  return { next, rounds, last };
}

/** What the plan of a digest follows, for whoever judges evidence in a folder. */
export const beforeIn =
  (dir: string, f: Federation) =>
  (digest: string): Before | undefined =>
    readHead(dir, f).rounds.find((r) => r.files.plan.digest === digest)?.before;
