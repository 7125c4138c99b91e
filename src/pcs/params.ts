import type { HashName } from '../hash/rows.js';

/** Parameters of one WHIR opening. All integers; the ledger derives the bits they buy. */
export interface WhirParams {
  readonly bits: number;
  readonly grinding: number;
  /** How much more than usual a permutation of the verifier weighs against the prover's hashes: more than one for proofs that travel. */
  readonly weight?: number;
  /** Hash of trees and transcript; Poseidon2 where a circuit will verify the proof. */
  readonly hash?: HashName;
}

/** One Merkle tree of a group: its leaves are the used columns of its parts in turn, which stand at their offsets in the group's stack. */
export interface WhirTree {
  readonly parts: readonly { readonly used: number; readonly offset: number }[];
}

/** Columns of a tree. */
export const usedColumns = (t: WhirTree): number => t.parts.reduce((n, p) => n + p.used, 0);

/** Cells of a group's stack up to its last column. */
export const groupCells = (g: GroupSpec): number =>
  Math.max(...g.trees.flatMap((t) => t.parts.map((p) => p.offset + p.used))) * 2 ** g.logHeight;

/** A committed matrix: log2 of its columns and rows, of its inverse rate, and the trees that hold its columns. */
export interface GroupSpec {
  readonly logColumns: number;
  readonly logHeight: number;
  readonly logInvRate: number;
  readonly trees: readonly WhirTree[];
}

/** A group as it is opened. `at`: where its folded vector begins in the vector of the second oracle. */
export interface WhirGroup extends GroupSpec {
  readonly domain: number;
  readonly queries: number;
  readonly cap: number;
  readonly at: number;
}

/** One later oracle: the vector of `cells` entries as `used` of 2^columns columns of 2^rows. */
export interface WhirRound {
  /** log2 of columns folded, of rows, of the domain. */ readonly columns: number;
  readonly rows: number;
  readonly used: number;
  readonly domain: number;
  readonly queries: number /** Levels of the cap of its tree. */;
  readonly cap: number;
  readonly logInvRate: number;
}

/**
 * Groups are folded each on its own; their folded vectors, one behind the other in order of falling size, are the vector of the second oracle, and one chain of
 * rounds goes on from there.
 */
export interface WhirShape {
  readonly params: WhirParams;
  readonly groups: readonly WhirGroup[];
  /** Entries of the second vector, and variables: the least that hold them. */ readonly cells: number;
  readonly vars: number;
  readonly rounds: readonly WhirRound[];
  /** log2 of the last vector, sent in clear. */ readonly final: number;
}

/** Multiplicity parameter of the Johnson bound: the list decoding radius is 1 - sqrt(rho)(1 + 1/(2 m)). */
export const JOHNSON_M = 30;

/** Bits that one query buys at rate 2^-r: -log2(sqrt(rho) (1 + 1/(2m))). */
export const queryBits = (r: number): number => r / 2 - Math.log2(1 + 1 / (2 * JOHNSON_M));

/** Queries for `bits` bits of which `grinding` are ground; the margin of 0.25 covers the union over the rounds. */
export const queriesFor = (bits: number, r: number, grinding: number): number => Math.ceil((bits + 0.25 - grinding) / queryBits(r));

/**
 * Levels of a tree below its root that an opening sends once, so that the paths of q positions end there: one level more costs 2^c hashes and saves q,
 * so that c is the least with 2^c >= q.
 */
export const capLevels = (queries: number, domain: number): number => Math.min(domain, log2Ceil(queries));

const log2Ceil = (n: number): number => (n <= 1 ? 0 : 32 - Math.clz32(n - 1));

/** Bits of a fold of so many columns at rate 2^-r over a domain of 2^domain points: see whirLedger. */
export function foldBits(r: number, domain: number, columns: number): number {
  const rho = 2 ** -r,
    m = JOHNSON_M + 0.5,
    agreement = ((2 * m ** 5 + 3 * m * rho) / (3 * rho ** 1.5)) * 2 ** domain + m / Math.sqrt(rho);
  return CHALLENGE - Math.log2(agreement) - Math.log2(Math.max(1, columns));
}

/** log2 |E|, rounded down by less than 2^-31. */
const CHALLENGE = 192;

/** Permutations to open q rows of so many words: leaves, paths and the cap. */
export function openPermutations(queries: number, domain: number, words: number): number {
  const cap = capLevels(queries, domain);
  return queries * (Math.ceil(words / 8) + domain - cap) + 2 ** cap - 1;
}

/** Cells of a permutation and of a product in the circuit that verifies an opening. */
const CELLS_PER_PERMUTATION = 250,
  CELLS_PER_PRODUCT = 13;

/**
 * Hashes of the prover that a permutation of the verifier is worth: about four times as many as it takes to prove that permutation; for large stacks so many that as many hashes as those of the
 * first oracles are worth 8,000 permutations, which keeps the verifier within 10,000.
 */
const hashesPerPermutation = (first: number): number => Math.max(1000, first / 8000);

/** Bits above those asked for that every later fold keeps: room for a bound on agreement that is looser by 2^5, as for curves instead of lines. */
const ROOM = 6;

/** Largest last vector, least and most columns of a later oracle, least rate (all log2). */
const FINAL = 9,
  LEAST_FOLD = 3,
  MOST_FOLD = 6,
  LEAST_RATE = 12;

interface Chain {
  readonly score: number;
  readonly rounds: readonly WhirRound[];
  readonly final: number;
}

/**
 * Later rounds of an opening. Each commits the folded vector at a domain smaller than the one before and a rate no higher, until the vector is sent. Of all such chains the one whose verification
 * in a circuit is cheapest is taken, by dynamic programming: permutations and products of the verifier, and the prover's hashes at the price of
 * hashesPerPermutation. Choices whose fold would not keep ROOM bits above `bits` are left out.
 */
function laterRounds(p: WhirParams, cells: number, domain: number, rate: number, queries: number, hashes: number): Chain {
  const known = new Map<string, Chain | undefined>(),
    price = hashesPerPermutation(hashes) * (p.weight ?? 1);
  const best = (n: number, d0: number, r0: number, q0: number): Chain | undefined => {
    const key = `${n} ${d0} ${r0}`;
    if (known.has(key)) return known.get(key);
    const vars = log2Ceil(n);
    let out: Chain | undefined;
    if (vars <= FINAL) {
      const products = n * q0 + 2 * n + 6 * vars;
      out = { score: CELLS_PER_PERMUTATION * (Math.ceil((3 * n) / 8) + vars) + CELLS_PER_PRODUCT * products, rounds: [], final: vars };
    }
    for (let columns = LEAST_FOLD; columns <= Math.min(MOST_FOLD, vars - LEAST_FOLD); columns++) {
      const rows = vars - columns,
        used = Math.ceil(n / 2 ** rows);
      for (let d = Math.max(rows + r0, d0 - 6); d < d0 && d - rows <= LEAST_RATE; d++) {
        const logInvRate = d - rows,
          q = queriesFor(p.bits, logInvRate, p.grinding);
        if (foldBits(logInvRate, d, columns) < p.bits + ROOM) continue;
        const rest = best(2 ** rows, d, logInvRate, q);
        if (!rest) continue;
        const permutations = openPermutations(q, d, 3 * used) + columns + 3,
          products = q * (1.3 * used + 2 * rows + 2 * d + 2) + 6 * columns + 2 ** columns,
          work = (3 * used) / 8 + 1;
        const score = CELLS_PER_PERMUTATION * (permutations + (work * 2 ** d) / price) + CELLS_PER_PRODUCT * products + rest.score;
        if (out && score >= out.score) continue;
        const round = { columns, rows, used, domain: d, queries: q, cap: capLevels(q, d), logInvRate };
        out = { score, rounds: [round, ...rest.rounds], final: rest.final };
      }
    }
    known.set(key, out);
    return out;
  };
  const chain = best(cells, domain, rate, queries);
  if (!chain) throw new RangeError(`no rounds of ${p.bits} bits for a vector of ${cells}`);
  return chain;
}

/** Shape of the opening of one or more groups. Throws RangeError for trees outside their stack and domains that the field does not have. */
export function whirShape(params: WhirParams, specs: readonly GroupSpec[]): WhirShape {
  const order = specs.map((_, i) => i).sort((a, b) => specs[b].logHeight - specs[a].logHeight || a - b),
    at = new Map<number, number>();
  let cells = 0;
  for (const i of order) {
    at.set(i, cells);
    cells += 2 ** specs[i].logHeight;
  }
  const groups = specs.map((g, i): WhirGroup => {
    for (const t of g.trees)
      for (const x of t.parts) if (x.used < 1 || x.offset + x.used > 2 ** g.logColumns) throw new RangeError('tree outside the stack');
    const domain = g.logHeight + g.logInvRate;
    if (domain > 32) throw new RangeError('domain exceeds the two-adicity of the field');
    const queries = queriesFor(params.bits, g.logInvRate, params.grinding);
    return { ...g, domain, queries, cap: capLevels(queries, domain), at: at.get(i)! };
  });
  const hashes = groups.reduce((n, g) => n + g.trees.reduce((m, t) => m + (usedColumns(t) / 8 + 1) * 2 ** g.domain, 0), 0),
    most = (f: (g: WhirGroup) => number): number => Math.max(...groups.map(f));
  const { rounds, final } = laterRounds(
    params,
    cells,
    most((g) => g.domain),
    -most((g) => -g.logInvRate),
    groups.reduce((n, g) => n + g.queries, 0),
    hashes,
  );
  return { params, groups, cells, vars: log2Ceil(cells), rounds, final };
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
 * Round 0 folds the groups, each within its own list; a cheat is caught by the queries of the group whose fold is wrong, so that no sum over groups is due. Its claims are joined over the
 * list of the second oracle, as those of a round are over that of the next; the last vector is known.
 */
export function whirLedger(s: WhirShape, labels: readonly string[] = ['whir'], chain = labels[0]): LedgerTerm[] {
  const out: LedgerTerm[] = [],
    list = (r: number): number => Math.log2((JOHNSON_M + 0.5) / Math.sqrt(2 ** -r)),
    term = (name: string, bits: number, kind: LedgerTerm['kind'] = 'proved'): void => void out.push({ name, bits, kind });
  const oracle = (name: string, o: { columns: number; domain: number; logInvRate: number; queries: number }): void => {
    term(`${name}: folding agreement`, foldBits(o.logInvRate, o.domain, o.columns));
    term(`${name}: sumcheck over the list`, CHALLENGE - 1 - list(o.logInvRate));
    term(`${name}: queries (${o.queries} at rate 2^-${o.logInvRate})`, o.queries * queryBits(o.logInvRate) + s.params.grinding);
  };
  s.groups.forEach((g, i) => oracle(`${labels[i]} round 0`, { ...g, columns: g.logColumns }));
  term(`${chain} round 0: of these ground`, s.params.grinding, 'grinding');
  let claims = s.groups.length + s.groups.reduce((n, g) => n + g.queries, 0);
  s.rounds.forEach((r, i) => {
    const name = `${chain} round ${i + 1}`,
      l = list(r.logInvRate);
    // The claims that this oracle inherits: those before it, its own value out of the domain, one a query.
    term(`${name}: out-of-domain sample`, CHALLENGE - (2 * l - 1) - (r.rows + r.columns));
    term(`${name}: claim batching`, CHALLENGE - l - Math.log2(claims + 1));
    oracle(name, r);
    term(`${name}: of these ground`, s.params.grinding, 'grinding');
    claims = 1 + r.queries;
  });
  return out;
}
