import { type Ratio, caught, caughtOver, deposit, drawnUnits, missed, mostBad, ratio } from './catch.js';
import { FederationError } from './errors.js';

/*
 * What a round costs and what it withstands, before it is planned: units, coverage and form of the proof from kilobytes
 * and seconds. Costs are those of one machine, measured by whoever asks; seconds and bytes are averages over clients,
 * since the draw and not the plan says who is hit.
 */

/**
 * Forms in which drawn units can be shown: each by its node, all of a client by one certificate. Proofs of steps are
 * for comparison, no answer has them.
 */
export const FORMS = ['nodes', 'certificates', 'steps'] as const;
export type Form = (typeof FORMS)[number];

/** Seconds and bytes of one machine and one program. */
export interface UnitCosts {
  /** Of beginning a round: base, rows, programs, first state; of beginning to prove in it. */
  readonly round: number;
  readonly prepare: number;
  /** Once a process: what its first round takes longer, since the engine compiles; circuits and keys before proving. */
  readonly cold: number;
  readonly circuits: number;
  /**
   * Of a step: training it, passing its rows through chains and counters, proving it; of a leaf, a fold, a commitment
   * to a state.
   */
  readonly train: number;
  readonly pass: number;
  readonly step: number;
  readonly leaf: number;
  readonly fold: number;
  readonly commit: number;
  /** Of proving a unit as one node, by its number of steps. */ readonly units: Readonly<Record<number, number>>;
  /** Of a certificate: settling a node, a bundle of two, the end. Absent where the run's nodes cannot be bundled. */
  readonly certificate?: { readonly settle: number; readonly bundle: number; readonly end: number };
  readonly certificateBytes?: number;
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
  /** Where they are chosen already: steps of a unit, coverage, form. */
  readonly unit?: number;
  readonly coverage?: Ratio;
  readonly form?: Form;
  /** Over so many rounds are the probabilities printed. */ readonly rounds: number;
}

export interface PlanRow {
  readonly unit: number;
  readonly units: number;
  readonly coverage: Ratio;
  readonly form: Form;
  /** Units of all clients, and drawn ones. */ readonly pool: number;
  readonly drawn: number;
  /** Of a client in a round, on average over draws, without what a process does once. */
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

/** JSON before the words of a node and of a certificate, with the statement of a node: measured files have so many. */
export const NODE_HEADER = 5_500,
  CERTIFICATE_HEADER = 700;

export const UNITS = [1, 2, 4, 8],
  /** Coverages tried, in percent. */ GRID = [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 75, 100];

/**
 * Probabilities of so many drawn units of one client's m, of a pool of M from which A are drawn: hypergeometric, from
 * logarithms of the quotients of neighbours.
 */
export function drawnOfClient(M: number, m: number, A: number): number[] {
  const least = Math.max(0, A - (M - m)),
    most = Math.min(m, A),
    logs = [0];
  for (let k = least; k < most; k++) logs.push(logs[logs.length - 1] + Math.log(((m - k) * (A - k)) / ((k + 1) * (M - m - A + k + 1))));
  const top = Math.max(...logs),
    weights = logs.map((x) => Math.exp(x - top)),
    sum = weights.reduce((a, b) => a + b, 0);
  return [...Array<number>(least).fill(0), ...weights.map((w) => w / sum)];
}

/**
 * Seconds of proving k of m drawn units in one go. Units come in order, so that steps are trained again up to the last
 * one, those of proved units apart: of k places among m the last is at k (m + 1) / (k + 1) on average.
 */
function proving(k: number, m: number, unit: number, form: Form, c: UnitCosts): number {
  if (k === 0) return 0;
  const again = unit * ((k * (m + 1)) / (k + 1) - k) * c.train,
    made = k * (form === 'steps' ? unit * c.step : c.units[unit]),
    x = c.certificate;
  return c.prepare + again + made + (form === 'certificates' && x ? k * x.settle + (k - 1) * x.bundle + x.end : 0);
}

/** The row of a choice. Throws RangeError for certificates of a run whose nodes cannot be bundled. */
export function planRow(r: PlanRequest, unit: number, coverage: Ratio, form: Form): PlanRow {
  const units = r.steps / unit,
    pool = units * r.clients,
    drawn = drawnUnits(coverage, pool),
    each = drawn / r.clients,
    { costs: c } = r,
    odds = drawnOfClient(pool, units, drawn),
    { certificateBytes } = c;
  if (form === 'certificates' && (!c.certificate || certificateBytes === undefined))
    throw new RangeError('nodes of this run cannot be bundled');
  // A client of whom nothing is drawn sends no certificate.
  const proofs = form === 'certificates' ? (1 - odds[0]) * certificateBytes! : each * (form === 'nodes' ? c.nodeBytes : unit * c.stepBytes);
  return {
    unit,
    units,
    coverage,
    form,
    pool,
    drawn,
    localSeconds: c.round + r.steps * (c.train + c.pass) + (units + 1) * c.commit,
    proveSeconds: odds.reduce((sum, p, k) => sum + p * proving(k, units, unit, form, c), 0),
    kilobytes: (c.updateBytes + COMMIT_BYTES + each * responseBytes(units) + proofs) / 1000,
  };
}

/** Forms that a request leaves open: certificates only where a run's nodes can be bundled. */
const formsOf = (r: PlanRequest): Form[] =>
  r.form === undefined ? (r.costs.certificate ? ['nodes', 'certificates'] : ['nodes']) : [r.form];

/**
 * All rows that are within the limits, the best first: largest coverage, then least unit, then least kilobytes.
 * Certificates come after nodes of equal coverage and unit, unless nothing else fits: they cost seconds, and hide.
 */
export function planRows(r: PlanRequest): PlanRow[] {
  const rows: PlanRow[] = [],
    own = r.coverage ? [r.coverage] : GRID.map((x) => ratio(BigInt(x), 100n));
  for (const unit of r.unit === undefined ? UNITS : [r.unit])
    if (r.steps % unit === 0)
      for (const coverage of own) {
        if (coverage.num * r.least.den < r.least.num * coverage.den) continue;
        for (const form of formsOf(r)) {
          const row = planRow(r, unit, coverage, form);
          if (row.kilobytes <= r.kilobytes && row.proveSeconds <= r.seconds && row.localSeconds <= r.local * r.steps * r.costs.train)
            rows.push(row);
        }
      }
  const share = (x: PlanRow): number => Number(x.coverage.num) / Number(x.coverage.den);
  return rows.sort(
    (a, b) => share(b) - share(a) || a.unit - b.unit || FORMS.indexOf(a.form) - FORMS.indexOf(b.form) || a.kilobytes - b.kilobytes,
  );
}

/** The choice of a request. Throws FederationError where nothing fits, with what the cheapest row would take. */
export function choosePlan(r: PlanRequest): PlanChoice {
  const [best] = planRows(r);
  if (!best) {
    const low = planRow(r, r.unit ?? UNITS.filter((u) => r.steps % u === 0).at(-1)!, r.coverage ?? r.least, formsOf(r)[0]);
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
