/**
 * The field's common workload: a language model of nanoGPT's size. What others publish of it is a proof of inference;
 * here a whole training step of it is proven.
 * Options: those of step.ts.
 */
import { NANO } from '../shapes.js';
import { randomBase, say } from './common.js';
import { type StepOptions, type StepRow, proveStep, stepOptions } from './step.js';

/** What somebody else has published of this workload. */
export interface Published {
  readonly system: string;
  readonly proves: string;
  readonly proveSeconds: number;
  readonly verifyMs: number;
  /** Machine and what was made before, as the source says it. */ readonly terms: string;
  readonly source: string;
}

const INFERENCE = 'inference: one pass over 64 tokens of a GPT of 4 layers and about 0.25 M parameters';
export const PUBLISHED: readonly Published[] = [
  {
    system: 'Jolt Atlas, its README of May 2026',
    proves: INFERENCE,
    proveSeconds: 2.29,
    verifyMs: 127,
    terms: 'MacBook Pro M3, threads not said; trusted setup; 0.26 s of a proving key beside',
    source: 'github.com/ICME-Lab/jolt-atlas',
  },
  {
    system: 'Jolt Atlas, its paper of February 2026',
    proves: INFERENCE,
    proveSeconds: 14,
    verifyMs: 517,
    terms: 'MacBook Pro M3, threads not said; trusted setup',
    source: 'arxiv.org/abs/2602.17452, and the README of that time',
  },
  {
    system: 'ezkl',
    proves: INFERENCE,
    proveSeconds: 237,
    verifyMs: 340,
    terms: 'machine not said by who quotes it; trusted setup; 404 s of keys beside',
    source: 'blog.ezkl.xyz/post/nanogpt, as the README of Jolt Atlas quotes it',
  },
];

/**
 * One row of 64 tokens, LoRA of rank 8 on all seven projections. Fractions are those of every run; tables of the
 * exponentials end at 2^18 rows (logits 32 apart, scores 128) and that of SiLU at 2^17 (16 either way), for with few
 * tokens their multiplicities are most of what is committed.
 */
export const NANO_OPTIONS: StepOptions = {
  sequences: 1,
  tokens: 64,
  rank: 8,
  runs: 5,
  numbers: { expBits: 18, siluBits: 17 },
};

/**
 * A proof that stands alone, as the published ones do (`proof.hash: blake3`, which is not folded), and one that goes
 * into a fold, with the rate that is best for the step alone.
 */
const KINDS: readonly Partial<StepOptions>[] = [{ hash: 'blake3' }, { rate: 1 }];

/** Parameters of the model. */
export function parameters(): number {
  const { layers, hidden: d, intermediate: f, kvHeads, groups, headDim, vocab, tied } = NANO,
    heads = kvHeads * groups * headDim;
  return layers * (2 * d * heads + 2 * d * kvHeads * headDim + 3 * d * f) + (2 * layers + 1) * d + (tied ? 1 : 2) * vocab * d;
}

export async function nano(args: readonly string[]): Promise<StepRow[]> {
  const out: StepRow[] = [];
  for (const kind of KINDS) {
    const row = await proveStep(randomBase(NANO), stepOptions(args, { ...NANO_OPTIONS, ...kind }));
    say(JSON.stringify(row));
    out.push(row);
  }
  return out;
}
