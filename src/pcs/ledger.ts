import { JOHNSON_M, type WhirShape, listBits, queryBits } from './params.js';

/** Bits of a fold of so many columns at rate 2^-r over a domain of 2^domain points: see whirLedger. */
export function foldBits(r: number, domain: number, columns: number): number {
  const rho = 2 ** -r,
    m = JOHNSON_M + 0.5,
    agreement = ((2 * m ** 5 + 3 * m * rho) / (3 * rho ** 1.5)) * 2 ** domain + m / Math.sqrt(rho);
  return CHALLENGE - Math.log2(agreement) - Math.log2(Math.max(1, columns));
}

/** log2 |E|, rounded down by less than 2^-31. */
const CHALLENGE = 192;

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
    term = (name: string, bits: number, kind: LedgerTerm['kind'] = 'proved'): void => void out.push({ name, bits, kind });
  const oracle = (name: string, o: { columns: number; domain: number; logInvRate: number; queries: number }): void => {
    term(`${name}: folding agreement`, foldBits(o.logInvRate, o.domain, o.columns));
    term(`${name}: sumcheck over the list`, CHALLENGE - 1 - listBits(o.logInvRate));
    term(`${name}: queries (${o.queries} at rate 2^-${o.logInvRate})`, o.queries * queryBits(o.logInvRate) + s.params.grinding);
  };
  s.groups.forEach((g, i) => oracle(`${labels[i]} round 0`, { ...g, columns: g.logColumns }));
  term(`${chain} round 0: of these ground`, s.params.grinding, 'grinding');
  let claims = s.groups.length + s.groups.reduce((n, g) => n + g.queries, 0);
  s.rounds.forEach((r, i) => {
    const name = `${chain} round ${i + 1}`,
      l = listBits(r.logInvRate);
    // The claims that this oracle inherits: those before it, its own value out of the domain, one a query.
    term(`${name}: out-of-domain sample`, CHALLENGE - (2 * l - 1) - (r.rows + r.columns));
    term(`${name}: claim batching`, CHALLENGE - l - Math.log2(claims + 1));
    oracle(name, r);
    term(`${name}: of these ground`, s.params.grinding, 'grinding');
    claims = 1 + r.queries;
  });
  // The last vector is known, so that there is no list: claims of groups that none joined before, a sumcheck over what is left.
  if (!s.rounds.length && s.groups.length > 1) term(`${chain} end: claim batching`, CHALLENGE - Math.log2(s.groups.length - 1));
  if (s.final > 0) term(`${chain} end: sumcheck rounds`, CHALLENGE - 1 - Math.log2(s.final));
  return out;
}
