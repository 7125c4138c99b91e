import { type Ratio, caught, caughtOver, deposit, drawnUnits, missed, mostBad, ratio } from './catch.js';
import { FederationError } from './errors.js';

/*
 * What a round costs and what it withstands, before it is planned: units, coverage and form of the proof from kilobytes
 * and seconds. Costs are those of one machine, measured by whoever asks; seconds and bytes are averages over clients,
 * since the draw and not the plan says who is hit.
 */

/**
 * Forms in which drawn units can be shown. An answer to a draw has a node; proofs of steps are for comparison.
 */
export const FORMS = ['steps', 'nodes'] as const;
export type Form = (typeof FORMS)[number];

/** Seconds and bytes of one machine and one program. */
export interface UnitCosts {
  /** Of a step: training it, proving it, its leaf; of a fold; of a commitment to a state. */
  readonly train: number;
  readonly step: number;
  readonly leaf: number;
  readonly fold: number;
  readonly commit: number;
  /** Of the proof of a step, of a node, of an update. */
  readonly stepBytes: number;
  readonly nodeBytes: number;
  readonly updateBytes: number;
}

export interface PlanRequest {
  readonly steps: number;
  readonly clients: number;
  readonly costs: UnitCosts;
  /** Kilobytes that a client sends and seconds that it proves in a round, on average. */
  readonly kilobytes: number;
  readonly seconds: number;
  /** Most seconds that local work may take as a multiple of training alone. */ readonly local: number;
  /** Least coverage. */ readonly least: Ratio;
  /** Over so many rounds are the probabilities printed. */ readonly rounds: number;
}

export interface PlanRow {
  readonly unit: number;
  readonly units: number;
  readonly coverage: Ratio;
  readonly form: Form;
  /** Units of all clients, and drawn ones. */ readonly pool: number;
  readonly drawn: number;
  readonly localSeconds: number;
  readonly proveSeconds: number;
  readonly kilobytes: number;
}

export interface PlanChoice extends PlanRow {
  /**
   * Probability of catching so many bad units of one client within the rounds: 1, 2, one step in every unit (a
   * persistent cheat).
   */
  readonly caught: readonly { readonly bad: number; readonly probability: Ratio }[];
  readonly mostBad: number;
  readonly deposit?: Ratio;
}

/** Bytes of a commit: its fields, and the path of the last record, which is short. Measured files have 1,767. */
export const COMMIT_BYTES = 1770;

/** Bytes of an answer without its proof: two records of 36 words and their paths, in base64. */
export const responseBytes = (units: number): number => 2190 + 180 * Math.ceil(Math.log2(units + 1));

/**
 * Bytes of an update of n values after a round whose bound on movement is Z: as for values with a root mean square of
 * 0.4 Z at 2 bits more than its logarithm, which is what codes of bells take.
 */
export const predictedUpdate = (n: number, Z: number): number => Math.ceil((n * (Math.log2(Math.max(1, 0.4 * Z)) + 2)) / 8);

const UNITS = [1, 2, 4, 8],
  /** Coverages tried, in percent. */ GRID = [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 75, 100];

/** The row of a choice. */
export function planRow(r: PlanRequest, unit: number, coverage: Ratio, form: Form): PlanRow {
  const units = r.steps / unit,
    pool = units * r.clients,
    drawn = drawnUnits(coverage, pool),
    each = drawn / r.clients,
    { costs: k } = r;
  return {
    unit,
    units,
    coverage,
    form,
    pool,
    drawn,
    localSeconds: r.steps * k.train + (units + 1) * k.commit,
    proveSeconds: each * (unit * (k.step + (form === 'nodes' ? k.leaf : 0)) + (form === 'nodes' ? (unit - 1) * k.fold : 0)),
    kilobytes:
      (k.updateBytes + COMMIT_BYTES + each * (responseBytes(units) + (form === 'nodes' ? k.nodeBytes : unit * k.stepBytes))) / 1000,
  };
}

/** All rows that are within the limits, the best first: largest coverage, then least unit, then least kilobytes. */
export function planRows(r: PlanRequest): PlanRow[] {
  const rows: PlanRow[] = [];
  for (const unit of UNITS)
    if (r.steps % unit === 0)
      for (const percent of GRID) {
        const coverage = ratio(BigInt(percent), 100n),
          row = planRow(r, unit, coverage, 'nodes');
        if (coverage.num * r.least.den < r.least.num * coverage.den) continue;
        if (row.kilobytes <= r.kilobytes && row.proveSeconds <= r.seconds && row.localSeconds <= r.local * r.steps * r.costs.train)
          rows.push(row);
      }
  const share = (x: PlanRow): number => Number(x.coverage.num) / Number(x.coverage.den);
  return rows.sort((a, b) => share(b) - share(a) || a.unit - b.unit || a.kilobytes - b.kilobytes);
}

/** The choice of a request. Throws FederationError where nothing fits, with what the cheapest row would take. */
export function choosePlan(r: PlanRequest): PlanChoice {
  const [best] = planRows(r);
  if (!best) {
    const low = planRow(r, UNITS.filter((u) => r.steps % u === 0).at(-1)!, r.least, 'nodes');
    throw new FederationError(
      'plan budget',
      `nothing fits: units of ${low.unit} steps at the least coverage take ${low.kilobytes.toFixed(0)} kB, ${low.proveSeconds.toFixed(0)} s of proving and ${low.localSeconds.toFixed(0)} s of local work a client`,
    );
  }
  const bads = [...new Set([1, 2, best.unit, best.units])].filter((b) => b <= best.pool).sort((a, b) => a - b),
    x = deposit(best.pool, best.drawn);
  return {
    ...best,
    caught: bads.map((bad) => ({
      bad,
      probability:
        r.rounds === 1
          ? caught(best.pool, best.drawn, bad)
          : caughtOver(Array.from({ length: r.rounds }, () => missed(best.pool, best.drawn, bad))),
    })),
    mostBad: mostBad(best.pool, best.drawn),
    ...(x ? { deposit: x } : {}),
  };
}
