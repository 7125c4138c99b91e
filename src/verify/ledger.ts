import { log2Ceil } from '../field/log2.js';
import { circuitProgram } from '../circuit/program.js';
import { whirLedger } from '../pcs/ledger.js';
import type { Provenance } from '../pcs/trusted.js';
import { type Plan, makePlan } from '../tensor/plan.js';
import {
  type Ledger,
  type RunTerm,
  gather,
  hashTerm,
  initialLedger,
  mergeLedger,
  programLedger,
  programTerms,
  tagged,
} from '../run/ledger.js';
import { settleShape } from '../recursion/settle-shape.js';
import { KIND_BITS } from '../recursion/fold.js';
import { type VerificationKey, slotsOf } from '../recursion/key.js';
import { leafCounts } from '../recursion/leaves.js';
import type { Run } from '../run/facts.js';
import { hiddenEndPlan } from './certificate.js';
import { endPlan } from './nodes.js';

/** A folded run's ledger, and what it is composed of. */
export interface FoldedLedger extends Ledger {
  readonly leaves: number;
  readonly folds: number;
  /**
   * Levels of proofs verified inside proofs: program proof, leaf, folds of a balanced tree over epochs or worse, end.
   */
  readonly depth: number;
}

const nodePlan = (key: VerificationKey): Plan => {
  const { bits, rate, grinding } = key.proof;
  return makePlan(circuitProgram(key.heights), { bits, grinding, rate, stateRate: rate });
};

/**
 * Ledger of a folded run. An accepted end yields, by its extractor, the wires of the node it verified and openings of
 * both stacks; that node those of its children; and so on down to the program proofs. Errors add up over all proofs
 * that this walk meets: program proofs, leaves, folds, merges, openings, end. Round by round the least term counts, as
 * without folding: every query of an attacker belongs to one round of one of these proofs. The walk itself (an
 * extractor that runs the one above it again) is argued for constant depth only; beyond it composition is an
 * assumption, as for every recursive proof whose circuit hashes concretely. `hides`: the end is that of a certificate.
 */
export function foldedLedger(run: Pick<Run, 'manifest' | 'programs'>, key: VerificationKey, hides?: true): FoldedLedger {
  const { plan, update } = run.programs,
    node = nodePlan(key),
    end = hides ? hiddenEndPlan(key) : endPlan(key),
    { steps } = run.manifest.config.train,
    counts = leafCounts(key, run, steps),
    leaves = counts.leaves.reduce((a, b) => a + b, 0),
    folds = leaves - 1,
    keyVars = node.frozenVars + KIND_BITS,
    { main } = counts,
    most = Math.max(...key.leaves.filter((l) => l.kind !== 'update').map((l) => l.count));
  const settle = (vars: number, cells: number, of: Provenance) => whirLedger(settleShape(vars, cells, node.options, of));
  const terms: RunTerm[] = [
    ...programTerms({ plan, update, steps }, main),
    ...tagged(initialLedger(plan), 'initial state', 1),
    ...tagged(programLedger(node), 'leaf or fold', leaves + folds),
    ...(most > 1 ? tagged(mergeLedger(most, key.baseVars), 'merge of a leaf', leaves) : []),
    ...(folds ? tagged(mergeLedger(2, key.baseVars), 'merge of base claims', folds) : []),
    ...(folds ? tagged(mergeLedger(4, keyVars), 'merge of key claims', folds) : []),
    ...tagged(programLedger(end), 'end', 1),
    ...tagged(mergeLedger(2, keyVars), 'merge of the end', 1),
    ...tagged(
      settle(keyVars, (slotsOf(key.leaves.length + 1) - 1) * 2 ** node.frozenVars + node.layouts.get('frozen')!.cells, 'key'),
      'opening of the columns',
      1,
    ),
    ...tagged(settle(key.baseVars, plan.layouts.get('frozen')!.cells, 'base'), 'opening of the base', 1),
    hashTerm(plan),
    hashTerm(end),
    {
      name: 'composition: extraction through a tree of proofs, argued for constant depth',
      bits: 128,
      kind: 'assumption',
      rounds: 1,
      proof: 'run',
      proofs: 1,
    },
  ];
  return { ...gather(terms), leaves, folds, depth: 3 + log2Ceil(leaves) };
}
