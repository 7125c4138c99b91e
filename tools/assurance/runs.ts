/** Ledgers as the package prints them, with what they are ledgers of. */
import { fileURLToPath } from 'node:url';
import { foldedLedger, programsOf, setup } from 'certune';
import { singleKernels } from 'certune/kernels';
import { circuitsOf } from 'certune/recursion';
import { runLedger } from 'certune/run';
import { type LedgerCase, type Proofs, initialTerms, mergeTerms, openingTerms, programTerms } from './ledger.js';
import { STORIES } from '../shapes.js';
import { configuration, weightBits } from './programs.js';

/** Runs of every kind. */
export function ledgers(): LedgerCase[] {
  const runs: [string, Record<string, unknown>][] = [
    ['defaults', {}],
    ['100 bits, rate 1/2', { proof: { bits: 100, rate: 1 } }],
    ['accumulated, rate 1/16', { train: { batch: 16, microBatch: 2, sequence: 64 }, proof: { rate: 4 } }],
    ['small preset', { train: { batch: 2, microBatch: 2, sequence: 12 }, numbers: { preset: 'small' } }],
  ];
  return [
    ...runs.map(([name, o]) => stepsLedger(name, o)),
    folded('folded', {}),
    folded('folded, accumulated', { batch: 8, microBatch: 4 }),
  ];
}

const tag = (proof: string, proofs: number, terms: Proofs['terms']): Proofs[] => (proofs ? [{ proof, proofs, terms }] : []);

/** The ledger of a run as a pack of proofs. */
function stepsLedger(name: string, o: Record<string, unknown>): LedgerCase {
  const c = configuration(o),
    made = programsOf(c, { shape: STORIES, weightBits: weightBits(STORIES, 20) }),
    steps = 100,
    micros = made.update ? Math.ceil(c.train.batch / c.train.microBatch) : 1;
  return {
    name,
    asked: c.proof.bits,
    proofs: [
      ...tag(made.update ? 'micro-batch' : 'step', steps * micros, programTerms(made.plan)),
      ...(made.update ? tag('update', steps, programTerms(made.update.plan)) : []),
      ...tag('merge', 1, mergeTerms(steps * micros, made.plan.frozenVars)),
    ],
    printed: runLedger({ plan: made.plan, update: made.update, steps, micros }),
  };
}

const example = (path: string): string => fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));

/** The ledger of a folded run of the example's base and data. */
function folded(name: string, train: Record<string, unknown>): LedgerCase {
  const c = configuration({
      base: { path: example('base') },
      data: [{ path: example('data/translate.jsonl') }],
      train: { steps: 8, batch: 4, microBatch: 4, sequence: 32, ...train },
      numbers: { preset: 'small' },
    }),
    { run } = setup(c, [1n, 2n, 3n, 4n]),
    { plan, update } = run.programs,
    { cls, keys } = circuitsOf(singleKernels(), run),
    printed = foldedLedger(run, keys.published),
    { steps } = c.train,
    { leaves } = printed,
    most = Math.max(...cls.leaves.filter((l) => l.kind !== 'update').map((l) => l.count)),
    // A folded stack of keys has the fixed columns of every circuit, told apart by two bits.
    keyVars = cls.end.shape.keyShape.groups[0].logColumns + cls.end.shape.keyShape.groups[0].logHeight,
    { baseShape, keyShape } = cls.end.shape,
    baseVars = baseShape.groups[0].logColumns + baseShape.groups[0].logHeight;
  return {
    name,
    asked: c.proof.bits,
    proofs: [
      ...tag(update ? 'micro-batch' : 'step', update ? steps * 2 : steps, programTerms(plan)),
      ...(update ? tag('update', steps, programTerms(update.plan)) : []),
      ...tag('initial state', 1, initialTerms(plan)),
      ...tag('leaf or fold', 2 * leaves - 1, programTerms(cls.plan)),
      ...(most > 1 ? tag('merge of a leaf', leaves, mergeTerms(most, baseVars)) : []),
      ...tag('merge of base claims', leaves - 1, mergeTerms(2, baseVars)),
      ...tag('merge of key claims', leaves - 1, mergeTerms(4, keyVars)),
      ...tag('end', 1, programTerms(cls.end.plan)),
      ...tag('merge of the end', 1, mergeTerms(2, keyVars)),
      ...tag('opening of the columns', 1, openingTerms(keyShape)),
      ...tag('opening of the base', 1, openingTerms(baseShape)),
    ],
    printed,
  };
}
