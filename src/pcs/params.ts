import type { HashName } from '../hash/rows.js';

/** Parameters of one WHIR opening. All integers; the ledger derives the bits they buy. */
export interface WhirParams {
  readonly bits: number;
  readonly logInvRate: number;
  readonly grinding: number;
  /** Hash of trees and transcript; Poseidon2 where a circuit will verify the proof. */
  readonly hash?: HashName;
}

/** One committed oracle and what is asked of it. */
export interface WhirRound {
  /** log2 of columns folded, of rows, of the domain. */ readonly columns: number;
  readonly rows: number;
  readonly domain: number;
  readonly queries: number /** Levels of the cap of each of its trees. */;
  readonly cap: number;
  readonly logInvRate: number;
}

export interface WhirShape {
  readonly params: WhirParams;
  /** log2 columns and rows of the committed matrix. */ readonly logColumns: number;
  readonly logHeight: number;
  /** Trees of the first oracle: used columns and where they stand in the virtual stack. */ readonly trees: readonly {
    readonly used: number;
    readonly offset: number;
  }[];
  readonly rounds: readonly WhirRound[];
  /** log2 of the last vector, sent in clear. */ readonly final: number;
}

/** Multiplicity parameter of the Johnson bound: the list decoding radius is 1 - sqrt(rho)(1 + 1/(2 m)). */
export const JOHNSON_M = 30;

/** Bits that one query buys at rate 2^-r: -log2(sqrt(rho) (1 + 1/(2m))). */
export const queryBits = (r: number): number => r / 2 - Math.log2(1 + 1 / (2 * JOHNSON_M));

/** Queries for `bits` bits of which `grinding` are ground; the margin of 0.25 covers the union over the rounds. */
export const queriesFor = (bits: number, r: number, grinding: number): number => Math.ceil((bits + 0.25 - grinding) / queryBits(r));

/** Levels of a tree below its root that an opening sends once, so that the paths of q positions end there: about as many nodes as paths. */
export const capLevels = (queries: number, domain: number): number => Math.min(domain, Math.floor(Math.log2(queries)));

/** Later folds take 5 variables (32 columns); the rate falls by 2^-2 each time, so that a domain is eight times smaller than the one before. */
const FOLD = 5,
  RATE_STEP = 2,
  FINAL = 8;

/** The first fold takes all columns, later ones FOLD variables, until at most 2^FINAL rows are left, which are sent. */
export function whirShape(params: WhirParams, logColumns: number, logHeight: number, trees: WhirShape['trees']): WhirShape {
  for (const t of trees) if (t.used < 1 || t.offset + t.used > 2 ** logColumns) throw new RangeError('tree outside the stack');
  const rounds: WhirRound[] = [];
  let r = params.logInvRate,
    columns = logColumns,
    rows = logHeight;
  for (;;) {
    if (rows + r > 32) throw new RangeError('domain exceeds the two-adicity of the field');
    const queries = queriesFor(params.bits, r, params.grinding);
    rounds.push({ columns, rows, domain: rows + r, queries, cap: capLevels(queries, rows + r), logInvRate: r });
    if (rows <= FINAL) return { params, logColumns, logHeight, trees, rounds, final: rows };
    columns = Math.min(FOLD, rows - 3);
    rows -= columns;
    r += RATE_STEP;
  }
}

export interface LedgerTerm {
  readonly name: string;
  readonly bits: number;
  readonly kind: 'proved' | 'grinding' | 'assumption';
}

/**
 * Round-by-round soundness of one opening in the Johnson regime. List size at distance 1 - sqrt(rho)(1 + 1/2m): (m + 1/2)/sqrt(rho).
 * Mutual correlated agreement of a fold of a code of length n (eprint 2025/2055):
 * ((2 (m + 1/2)^5 + 3 (m + 1/2) rho) / (3 rho^(3/2)) n + (m + 1/2)/sqrt(rho)) / |E| per folding variable.
 */
export function whirLedger(s: WhirShape, label = 'whir'): LedgerTerm[] {
  const E = 192,
    m = JOHNSON_M + 0.5,
    out: LedgerTerm[] = [];
  s.rounds.forEach((round, i) => {
    const rho = 2 ** -round.logInvRate,
      n = 2 ** round.domain;
    const list = Math.log2(m / Math.sqrt(rho));
    const agreement = ((2 * m ** 5 + 3 * m * rho) / (3 * rho ** 1.5)) * n + m / Math.sqrt(rho);
    out.push({
      name: `${label} round ${i}: folding agreement`,
      bits: E - Math.log2(agreement) - Math.log2(Math.max(1, round.columns)),
      kind: 'proved',
    });
    out.push({ name: `${label} round ${i}: sumcheck over the list`, bits: E - 1 - list, kind: 'proved' });
    if (i > 0)
      out.push({
        name: `${label} round ${i}: out-of-domain sample`,
        bits: E - (2 * list - 1) - (round.rows + round.columns),
        kind: 'proved',
      });
    out.push({ name: `${label} round ${i}: claim batching`, bits: E - list - Math.log2(round.queries + 1), kind: 'proved' });
    out.push({
      name: `${label} round ${i}: queries (${round.queries} at rate 2^-${round.logInvRate})`,
      bits: round.queries * queryBits(round.logInvRate) + s.params.grinding,
      kind: 'proved',
    });
    out.push({ name: `${label} round ${i}: of these ground`, bits: s.params.grinding, kind: 'grinding' });
  });
  return out;
}
