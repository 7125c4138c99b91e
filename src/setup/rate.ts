import { usedColumns } from '../pcs/params.js';
import { type BaseShape, committedPrograms, programList } from '../run/programs.js';
import type { RunConfig } from '../run/schema.js';
import { verifierPermutations } from '../tensor/dry-run.js';
import type { Plan } from '../tensor/plan.js';

/** Hashes of the prover that a permutation of its verifier is worth: four times as many as it takes to prove one. */
const HASHES_PER_PERMUTATION = 1000;

/** Permutations that verifying a program proof may take at 128 and at 100 bits, and between the two in proportion. */
const mostPermutations = (bits: number): number => 10_000 - ((128 - bits) * 1500) / 28;

/** Permutations of committing to the witness: its rows and the nodes above them. */
function witnessHashes(plan: Plan): number {
  const [{ trees, domain }] = plan.whir.groups;
  return trees.reduce((n, t) => n + (Math.ceil(usedColumns(t) / 8) + 1) * 2 ** domain, 0);
}

/**
 * log2 of the inverse rate of witnesses where run.yaml leaves it open: 1 where that saves the prover of every program
 * more than the larger openings cost whoever folds its proofs, and verification stays within its bound; otherwise 2.
 * From shapes alone. Throws what committedPrograms throws.
 */
export function witnessRate(config: RunConfig, base: BaseShape): number {
  const at = (rate: number): Plan[] =>
    programList(committedPrograms({ ...config, proof: { ...config.proof, rate } }, base)).map((p) => p.plan);
  if (config.proof.hash !== 'poseidon2') return 2;
  const quarter = at(2),
    saved = quarter.map((p) => witnessHashes(p) / 2);
  // No opening at rate 1/2 takes less than a thousand permutations more.
  if (saved.some((n) => n < 1000 * HASHES_PER_PERMUTATION)) return 2;
  const worth = at(1).every((half, i) => {
    const permutations = verifierPermutations(half),
      more = permutations - verifierPermutations(quarter[i]);
    return permutations <= mostPermutations(config.proof.bits) && HASHES_PER_PERMUTATION * more <= saved[i];
  });
  return worth ? 1 : 2;
}
