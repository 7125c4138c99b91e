import { type LedgerTerm, whirLedger } from '../pcs/ledger.js';
import { CHALLENGE_BITS, groupListBits } from '../pcs/params.js';
import { DEGREE } from '../sumcheck/verify.js';
import { type Plan, hashOf, keyGroup, stateGroup, tableFactors } from '../tensor/plan.js';
import { isOut } from '../tensor/state-layout.js';

/** The least number of provable bits that a run may have outside of tests. */
export const LEAST_BITS = 100;

/**
 * A term of the run's ledger: `bits` for one round of one proof, of which there are `rounds` in each of `proofs`
 * proofs.
 */
export interface RunTerm extends LedgerTerm {
  readonly proof: string;
  readonly proofs: number;
}

export interface Ledger {
  readonly terms: readonly RunTerm[];
  /**
   * Least bits of any proved term. By Fiat-Shamir every hash query of an attacker belongs to one round of one proof of
   * the run, so q queries succeed with probability at most q 2^-roundByRound, however many proofs the run has.
   */
  readonly roundByRound: number;
  /**
   * -log2 of the sum of all proved errors over all rounds of all proofs: the bound for an interactive prover who tries
   * once.
   */
  readonly union: number;
  /** Bits of work included in `roundByRound`, those of the query rounds. */
  readonly grinding: number;
}

/**
 * Terms of one program proof. Commitments are not opened before the last message, so every earlier challenge must hold
 * for all codewords in the lists of both stacks: their product is charged to each.
 */
export function programLedger(plan: Plan): Omit<RunTerm, 'proof' | 'proofs'>[] {
  const list = plan.whir.groups.reduce((n, g) => n + groupListBits(g), 0),
    at = (name: string, errors: number, rounds = 1): Omit<RunTerm, 'proof' | 'proofs'> => ({
      name,
      bits: CHALLENGE_BITS - Math.log2(errors) - list,
      rounds,
      kind: 'proved',
    });
  const width = Math.max(1, ...plan.program.constraints.map((c) => (c.kind === 'lookup' ? c.exprs.length : 1))),
    n = plan.logup.vars,
    zeros = plan.program.constraints.filter((c) => c.kind === 'zero').length,
    tableClaims = plan.tables.reduce((s, _, i) => s + tableFactors(plan, i).length, 0),
    claims =
      tableClaims + plan.factors.filter((f) => f.tensor.cls !== 'public').length + plan.states.reduce((s, t) => s + t.classes.length, 0);
  const out: Omit<RunTerm, 'proof' | 'proofs'>[] = [
    // The product of all denominators is a polynomial in gamma and beta; a tuple of `width` keys has powers of beta up
    // to `width`.
    at(`LogUp: sum of 2^${n} fractions, keys of ${width}`, 2 ** n * width),
    at('LogUp-GKR: joining numerator and denominator', 1, 2 * n),
    // Degree 2 and the factor eq; one more for the zero constraints, whose point these challenges are.
    at('LogUp-GKR: sumcheck rounds', 4, (n * (n - 1)) / 2),
    at(`joining ${zeros} zero constraints`, Math.max(1, zeros)),
    ...[...new Set(plan.axes.map((a) => a.degree))].map((degree) =>
      at(
        degree === DEGREE ? 'batched sumcheck: rounds' : `batched sumcheck: rounds of degree ${degree}`,
        degree,
        plan.axes.reduce((s, a) => s + (a.degree === degree ? a.vars : 0), 0),
      ),
    ),
    at(`joining ${claims} claims for the openings`, claims),
  ];
  if (plan.pads) {
    const products = plan.pads.products.length;
    // Assertions on hidden values: the layers, an inverse, numerators, the sumcheck, three on the products.
    if (products) out.push(at(`products of ${products} pairs of pads at a point`, 2 * products));
    out.push(at('joining the assertions on hidden values', n + 6));
  }
  if (plan.frozenVars) out.push(at('frozen reduction: rounds', 2, plan.frozenVars));
  const g = stateGroup(plan);
  if (g) {
    // Two codewords of one list differ in some class, and agree there at a random point with probability below
    // degree/|E|; so does the adapter that the digest names with a codeword of another one. Pairs of the list and of it
    // with that adapter, for every tree that is left.
    const cells = Math.max(...g.trees.flatMap((t) => t.parts.map((p) => p.used))) * 2 ** g.logHeight,
      trees = plan.states.filter((t) => isOut(t.name)).length,
      list = 2 ** groupListBits(g);
    if (trees)
      out.push({
        name: 'state point: one codeword of the list for all proofs that open it, and one adapter',
        bits: CHALLENGE_BITS - Math.log2((list * list) / 2 + list) - Math.log2(cells * trees),
        rounds: 1,
        kind: 'proved',
      });
  }
  const groups = ['witness', ...(g ? ['state'] : []), ...(keyGroup(plan) ? ['key'] : [])];
  out.push(
    ...whirLedger(
      plan.whir,
      groups.map((name) => `${name} opening`),
      'opening',
    ),
  );
  return out;
}

/**
 * The state that a run begins from, compared with its commitment by value: another one of the list agrees at the point.
 */
export function initialLedger({ whir, states }: Plan): Omit<RunTerm, 'proof' | 'proofs'>[] {
  const g = stateGroup({ whir })!,
    { parts } = g.trees[states.findIndex((t) => t.name === 'sIn')],
    cells = Math.max(...parts.map((p) => p.used)) * 2 ** g.logHeight;
  return [
    {
      name: 'initial state: its value at the point of its commitment',
      bits: CHALLENGE_BITS - groupListBits(g) - Math.log2(cells),
      rounds: 1,
      kind: 'proved',
    },
  ];
}

/** Terms of the proof that merges `claims` claims on frozen tensors of `vars` variables. */
export const mergeLedger = (claims: number, vars: number): Omit<RunTerm, 'proof' | 'proofs'>[] => [
  { name: `joining ${claims} claims on frozen tensors`, bits: CHALLENGE_BITS - Math.log2(Math.max(1, claims)), rounds: 1, kind: 'proved' },
  { name: 'merge: sumcheck rounds', bits: CHALLENGE_BITS - 1, rounds: vars, kind: 'proved' },
];

/**
 * The one ledger of a run: `plan` is that of its steps, or of its micro-batches if there is an `update`. Everything
 * that `inspect` prints and that the verifier requires comes from here.
 */
export function runLedger(run: { plan: Plan; update?: { plan: Plan } | undefined; steps: number; micros: number }): Ledger {
  const main = run.update ? run.steps * run.micros : run.steps;
  return gather([...programTerms(run, main), ...tagged(mergeLedger(main, run.plan.frozenVars), 'merge', 1), hashTerm(run.plan)]);
}

/** Terms of the program proofs of a run: `main` steps or micro-batches. */
export const programTerms = (run: { plan: Plan; update?: { plan: Plan } | undefined; steps: number }, main: number): RunTerm[] => [
  ...tagged(programLedger(run.plan), run.update ? 'micro-batch' : 'step', main),
  ...(run.update ? tagged(programLedger(run.update.plan), 'update', run.steps) : []),
];

export const tagged = (ts: readonly Omit<RunTerm, 'proof' | 'proofs'>[], proof: string, proofs: number): RunTerm[] =>
  ts.map((t) => ({ ...t, proof, proofs }));

/** What is assumed of the hash functions. */
export const hashTerm = (plan: Plan): RunTerm => ({
  name: `${hashOf(plan) === 'blake3' ? 'BLAKE3 (keyed, digests of 256 bits reduced by word)' : 'Poseidon2 (width 12, capacity and digests of 256 bits)'}: collisions, random oracle; SHA-256: collisions`,
  bits: 128,
  kind: 'assumption',
  rounds: 1,
  proof: 'run',
  proofs: 1,
});

/** Sums of a list of terms. */
export function gather(terms: readonly RunTerm[]): Ledger {
  const proved = terms.filter((t) => t.kind === 'proved');
  return {
    terms,
    roundByRound: Math.min(...proved.map((t) => t.bits)),
    union: -Math.log2(proved.reduce((s, t) => s + t.rounds * t.proofs * 2 ** -t.bits, 0)),
    grinding: Math.max(0, ...terms.filter((t) => t.kind === 'grinding').map((t) => t.bits)),
  };
}
