import { log2Ceil } from '../field/log2.js';
import { foldBits } from './ledger.js';
import {
  type GroupSpec,
  type WhirGroup,
  type WhirParams,
  type WhirRound,
  type WhirShape,
  capLevels,
  leafWords,
  openPermutations,
  queriesFor,
  trustedQueries,
} from './params.js';

/** Cells of a permutation and of a product in the circuit that verifies an opening. */
const CELLS_PER_PERMUTATION = 250,
  CELLS_PER_PRODUCT = 13;

/**
 * Hashes of the prover that a permutation of the verifier is worth: about four times as many as it takes to prove that
 * permutation; for large stacks so many that as many hashes as those of the first oracles are worth 8,000 permutations,
 * which keeps the verifier within 10,000.
 */
const hashesPerPermutation = (first: number): number => Math.max(1000, first / 8000);

/** Bits above those asked for that every later fold keeps, so that beside the queries its error does not show. */
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

/** What the rounds of an opening cost, in a unit of its own: the last vector, and one round. */
interface Costs {
  readonly final: (entries: number, vars: number, queries: number) => number;
  readonly round: (r: WhirRound, hashes: number) => number;
}

/**
 * In cells of the circuit that verifies it: permutations and products, and hashes of the prover at so many a
 * permutation.
 */
const circuitCosts = (first: number): Costs => ({
  final: (n, vars, q) => CELLS_PER_PERMUTATION * (Math.ceil((3 * n) / 8) + vars) + CELLS_PER_PRODUCT * (n * q + 2 * n + 6 * vars),
  round: ({ columns, rows, used, domain, queries: q }, hashes) => {
    const permutations = openPermutations(q, domain, 3 * used) + columns + 3,
      products = q * (1.3 * used + 2 * rows + 2 * domain + 2) + 6 * columns + 2 ** columns;
    return CELLS_PER_PERMUTATION * (permutations + hashes / hashesPerPermutation(first)) + CELLS_PER_PRODUCT * products;
  },
});

/** In bytes that travel, and hashes of the prover at so many a byte. */
const byteCosts = (perByte: number): Costs => ({
  final: (n, vars) => 24 * n + 8 + 48 * vars,
  round: ({ columns, used, domain, queries, cap }, hashes) =>
    queries * (24 * used + 32 * (domain - cap)) + 32 * 2 ** cap + 48 * columns + 64 + hashes / perByte,
});

/**
 * Later rounds of an opening. Each commits the folded vector at a domain smaller than the one before and a rate no
 * higher, until the vector is sent. Of all such chains the cheapest is taken, by dynamic programming: for whoever
 * verifies it in a circuit, or by what travels. Choices whose fold would not keep ROOM bits above `bits` are left out.
 */
function laterRounds(p: WhirParams, cells: number, domain: number, rate: number, queries: number, hashes: number): Chain {
  const known = new Map<string, Chain | undefined>(),
    costs = p.byteHashes === undefined ? circuitCosts(hashes) : byteCosts(p.byteHashes);
  const best = (n: number, d0: number, r0: number, q0: number): Chain | undefined => {
    const key = `${n} ${d0} ${r0}`;
    if (known.has(key)) return known.get(key);
    const vars = log2Ceil(n);
    let out: Chain | undefined = vars <= FINAL ? { score: costs.final(n, vars, q0), rounds: [], final: vars } : undefined;
    for (let columns = LEAST_FOLD; columns <= Math.min(MOST_FOLD, vars - LEAST_FOLD); columns++) {
      const rows = vars - columns,
        used = Math.ceil(n / 2 ** rows);
      for (let d = Math.max(rows + r0, d0 - 6); d < d0 && d - rows <= LEAST_RATE; d++) {
        const logInvRate = d - rows,
          { queries: q, multiplicity } = queriesFor(p.bits, logInvRate, p.grinding);
        if (foldBits(multiplicity, logInvRate, d, columns) < p.bits + ROOM) continue;
        const rest = best(2 ** rows, d, logInvRate, q);
        if (!rest) continue;
        const round = { columns, rows, used, domain: d, queries: q, multiplicity, cap: capLevels(q, d), logInvRate },
          score = costs.round(round, ((3 * used) / 8 + 1) * 2 ** d) + rest.score;
        if (!out || score < out.score) out = { score, rounds: [round, ...rest.rounds], final: rest.final };
      }
    }
    known.set(key, out);
    return out;
  };
  const chain = best(cells, domain, rate, queries);
  if (!chain) throw new RangeError(`no rounds of ${p.bits} bits for a vector of ${cells}`);
  return chain;
}

/** A part of the second vector: cells or tail of group i. */
interface Part {
  readonly group: number;
  readonly log: number;
  readonly tail: boolean;
}

/** Where parts begin in the second vector, longest first, so that each is aligned to its length; and its entries. */
function placed(parts: readonly Part[]): { at: (group: number, tail: boolean) => number; cells: number } {
  const order = [...parts].sort((a, b) => b.log - a.log || a.group - b.group || Number(a.tail) - Number(b.tail)),
    starts = new Map<string, number>();
  let cells = 0;
  for (const { group, log, tail } of order) {
    starts.set(`${group} ${tail}`, cells);
    cells += 2 ** log;
  }
  return { at: (group, tail) => starts.get(`${group} ${tail}`)!, cells };
}

/**
 * Shape of the opening of one or more groups. Throws RangeError for trees outside their stack and domains that the
 * field does not have.
 */
export function whirShape(params: WhirParams, specs: readonly GroupSpec[]): WhirShape {
  const { at, cells } = placed(
    specs.flatMap((g, group) => [{ group, log: g.logHeight, tail: false }, ...(g.hides ? [{ group, log: g.hides.log, tail: true }] : [])]),
  );
  const groups = specs.map((g, i): WhirGroup => {
    for (const t of g.trees)
      for (const x of t.parts) if (x.used < 1 || x.offset + x.used > 2 ** g.logColumns) throw new RangeError('tree outside the stack');
    const domain = g.logHeight + g.logInvRate;
    if (domain > 32) throw new RangeError('domain exceeds the two-adicity of the field');
    const counted =
        g.hides?.counted ??
        (g.trusted
          ? { queries: trustedQueries(params.bits, g.logInvRate, params.grinding) }
          : queriesFor(params.bits, g.logInvRate, params.grinding)),
      tail = g.hides && { ...g.hides, at: at(i, true) };
    return { ...g, domain, ...counted, cap: capLevels(counted.queries, domain), at: at(i, false), ...(tail ? { tail } : {}) };
  });
  const hashes = groups.reduce((n, g) => n + g.trees.reduce((m, t) => m + (leafWords(g, t) / 8 + 1) * 2 ** g.domain, 0), 0),
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
