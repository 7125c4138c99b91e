import { CHALLENGE_BITS, type WhirShape, groupListBits, listBits, queryBits } from './params.js';

/**
 * Exceptional challenges of one fold of a Reed-Solomon code of 2^rows coefficients at rate 2^-r, at agreement
 * sqrt(D/n)(1 + 1/(2 m)): for every other challenge, a codeword that agrees with f + z g there is the fold of codewords
 * that agree with f and with g on the same positions. With n points, degree D = k - 1, T = m + 1/2:
 *   (2 mu - 1) h + theta (h + mu + 4 D mu h) + (n - D - 1) mu,
 *   mu = ceil(T / sqrt(D/n)) - 1, h = ceil(T^2 / (3 D/n)) - 1, theta = (n - D)/(A - D), A the positions that agree.
 * Source: eprint 2026/2056, proved in Lean in ArkLib (`johnson_mcaError_le`), over any field; the rate's agreement
 * sqrt(k/n) is above sqrt(D/n).
 */
export function exceptional(m: number, r: number, domain: number, coefficients = 2 ** (domain - r)): number {
  const n = 2 ** domain,
    D = coefficients - 1,
    T = m + 0.5,
    rho = D / n;
  if (D < 1) throw new RangeError('a code of one coefficient has no bound on agreement');
  const mu = Math.ceil(T / Math.sqrt(rho)) - 1,
    h = Math.ceil(T ** 2 / (3 * rho)) - 1,
    A = Math.ceil(Math.sqrt(rho) * (1 + 1 / (2 * m)) * n),
    theta = (n - D) / (A - D);
  return (2 * mu - 1) * h + theta * (h + mu + 4 * D * mu * h) + (n - D - 1) * mu;
}

/** Bits of the folds of so many columns over a domain of 2^domain points: see whirLedger. */
export const foldBits = (m: number, r: number, domain: number, columns: number, coefficients?: number): number =>
  CHALLENGE_BITS - Math.log2(exceptional(m, r, domain, coefficients)) - Math.log2(Math.max(1, columns));

export interface LedgerTerm {
  readonly name: string;
  readonly bits: number;
  readonly kind: 'proved' | 'grinding' | 'assumption';
  /** Rounds of this error. */
  readonly rounds: number;
}

/**
 * Round-by-round soundness of one opening in the Johnson regime, every oracle at its own multiplicity m. List size at
 * agreement sqrt(rho)(1 + 1/2m): (m + 1/2)/sqrt(rho). Mutual correlated agreement per folded variable: `exceptional`.
 * Round 0 folds the groups, each within its own list; a cheat is caught by the queries of the group whose fold is
 * wrong, so that no sum over groups is due. A group whose roots are trusted has one codeword: no agreement, no list,
 * and a wrong fold agrees with it in less than rho of the positions. The claims are joined over the list of the second
 * oracle, as those of a round are over that of the next; the last vector is known.
 */
export function whirLedger(s: WhirShape, labels: readonly string[] = ['whir'], chain = labels[0]): LedgerTerm[] {
  const out: LedgerTerm[] = [],
    term = (name: string, bits: number, kind: LedgerTerm['kind'] = 'proved', rounds = 1): void =>
      void out.push({ name, bits, kind, rounds });
  const oracle = (
    name: string,
    o: { columns: number; domain: number; logInvRate: number; queries: number; multiplicity: number },
    coefficients?: number,
  ): void => {
    const m = o.multiplicity,
      r = coefficients === undefined ? o.logInvRate : o.domain - Math.log2(coefficients);
    term(`${name}: folding agreement`, foldBits(m, r, o.domain, o.columns, coefficients));
    // Degree 2 in every folded variable.
    term(`${name}: sumcheck over the list`, CHALLENGE_BITS - 1 - listBits(m, r), 'proved', Math.max(1, o.columns));
    term(
      `${name}: queries (${o.queries} at rate 2^-${o.logInvRate}${coefficients === undefined ? '' : ', tails counted'})`,
      o.queries * queryBits(m, r) + s.params.grinding,
    );
  };
  s.groups.forEach((g, i) => {
    const name = `${labels[i]} round 0`;
    if (g.multiplicity === undefined) {
      term(`${name}: sumcheck, trusted root`, CHALLENGE_BITS - 1, 'proved', Math.max(1, g.logColumns));
      term(`${name}: queries (${g.queries} at rate 2^-${g.logInvRate}, trusted root)`, g.queries * g.logInvRate + s.params.grinding);
      return;
    }
    const group = { ...g, columns: g.logColumns, multiplicity: g.multiplicity };
    if (!g.tail) return oracle(name, group);
    // One more combination, with the mask column. What is said before F is known is charged to the group's list.
    oracle(name, { ...group, columns: g.logColumns + 1 }, 2 ** g.logHeight + 2 ** g.tail.log);
    term(`${name}: claim on the tails`, CHALLENGE_BITS - groupListBits(g));
    term(`${name}: blend with the mask`, CHALLENGE_BITS - groupListBits(g));
  });
  term(`${chain} round 0: of these ground`, s.params.grinding, 'grinding');
  let claims = s.groups.length + s.groups.reduce((n, g) => n + g.queries, 0);
  s.rounds.forEach((r, i) => {
    const name = `${chain} round ${i + 1}`,
      l = listBits(r.multiplicity, r.logInvRate);
    // The claims that this oracle inherits: those before it, its own value out of the domain, one a query.
    term(`${name}: out-of-domain sample`, CHALLENGE_BITS - (2 * l - 1) - (r.rows + r.columns));
    term(`${name}: claim batching`, CHALLENGE_BITS - l - Math.log2(claims + 1));
    oracle(name, r);
    term(`${name}: of these ground`, s.params.grinding, 'grinding');
    claims = 1 + r.queries;
  });
  // The last vector is known, so that there is no list: claims of groups that none joined before, a sumcheck over what
  // is left.
  if (!s.rounds.length && s.groups.length > 1) term(`${chain} end: claim batching`, CHALLENGE_BITS - Math.log2(s.groups.length - 1));
  if (s.final > 0) term(`${chain} end: sumcheck rounds`, CHALLENGE_BITS - 1, 'proved', s.final);
  return out;
}
