/**
 * How a step grows: counts of the verifier for many shapes (no proof needed), and proofs of random-weight models of odd
 * sizes.
 * Options: --counts (only the first part), --threads 2.
 */
import type { LlamaShape } from 'certune/model';
import { STORIES } from '../shapes.js';
import { BITS, cellsOf, option, planOf, randomBase, say, stepProgram } from './common.js';
import { type VerifierCounts, counts } from './counts.js';
import { type StepRow, proveStep } from './step.js';

const SMALL: LlamaShape = {
  layers: 2,
  hidden: 24,
  intermediate: 40,
  kvHeads: 2,
  groups: 2,
  headDim: 6,
  vocab: 96,
  tied: true,
  bias: false,
  rmsEps: 1e-5,
};
const wide = (d: number): LlamaShape => ({ ...STORIES, hidden: d, headDim: d / 8, intermediate: Math.round(2.7 * d) });

interface Case {
  readonly label: number;
  readonly shape?: LlamaShape;
  readonly rank?: number;
  readonly sequences?: number;
}
const COUNTS: Readonly<Record<string, readonly Case[]>> = {
  layers: [1, 2, 4, 8, 16, 32].map((layers) => ({ label: layers, shape: { ...STORIES, layers } })),
  rank: [2, 4, 8, 16, 32, 64].map((rank) => ({ label: rank, rank })),
  width: [32, 64, 128, 256, 512, 1024].map((d) => ({ label: d, shape: wide(d) })),
  'sequences of 64 tokens': [1, 2, 4, 8, 16, 32].map((sequences) => ({ label: sequences, sequences })),
  'odd widths (binary pieces)': [48, 80, 112, 144, 272, 528, 576].map((d) => ({ label: d, shape: wide(d) })),
};
interface ProofCase {
  readonly shape?: Partial<LlamaShape>;
  readonly rank?: number;
  readonly sequences?: number;
  readonly tokens?: number;
}
const PROOFS: readonly (readonly [string, ProofCase])[] = [
  ['base case: 2 layers, width 24, rank 3, 2 x 12 tokens', {}],
  ['4 layers', { shape: { layers: 4 } }],
  ['9 layers', { shape: { layers: 9 } }],
  ['rank 6', { rank: 6 }],
  ['rank 12', { rank: 12 }],
  ['width 48', { shape: { hidden: 48, headDim: 12, intermediate: 80 } }],
  ['width 100, 5 heads', { shape: { hidden: 100, kvHeads: 5, groups: 1, headDim: 20, intermediate: 172 } }],
  ['4 x 12 tokens', { sequences: 4 }],
  ['8 x 12 tokens', { sequences: 8 }],
  ['2 x 24 tokens', { tokens: 24 }],
];

export interface Scaling {
  readonly verifier: Readonly<Record<string, readonly (VerifierCounts & { readonly label: number; readonly cells: number })[]>>;
  readonly proofs: readonly (StepRow & { readonly label: string })[];
}

export async function scaling(args: readonly string[]): Promise<Scaling> {
  const verifier: Record<string, Scaling['verifier'][string]> = {};
  for (const [name, list] of Object.entries(COUNTS)) {
    verifier[name] = list.map(({ label, shape = STORIES, rank = 8, sequences = 8 }) => {
      const program = stepProgram({ shape, bits: BITS }, sequences, 64, rank),
        plan = planOf(program),
        row = { label, cells: cellsOf(plan, 'witness'), ...counts(plan) };
      say(`${name} ${JSON.stringify(row)}`);
      return row;
    });
  }
  const proofs: Scaling['proofs'][number][] = [];
  if (!args.includes('--counts'))
    for (const [label, o] of PROOFS) {
      const base = randomBase({ ...SMALL, ...o.shape }),
        row = {
          label,
          ...(await proveStep(base, {
            sequences: o.sequences ?? 2,
            tokens: o.tokens ?? 12,
            rank: o.rank ?? 3,
            threads: option(args, 'threads', 2),
          })),
        };
      say(`${label} ${JSON.stringify(row)}`);
      proofs.push(row);
    }
  return { verifier, proofs };
}
