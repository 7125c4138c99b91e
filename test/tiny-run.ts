import { fileURLToPath } from 'node:url';
import { type RunConfig, runSchema } from '../src/run/schema.js';

const path = (p: string): string => fileURLToPath(new URL(`./data/${p}`, import.meta.url));

/**
 * A run of the smallest base on two projections, 100 bits; `train` beside sequences of 12 tokens and no warm-up, `file`
 * beside the path of its data.
 */
export const tinyRun = (train: Readonly<Record<string, unknown>>, file: Readonly<Record<string, unknown>> = {}): RunConfig =>
  runSchema.parse({
    version: 1,
    base: { path: path('tiny') },
    data: [{ path: path('pairs.jsonl'), ...file }],
    lora: { r: 2, alpha: 4, targets: ['q_proj', 'down_proj'] },
    train: { sequence: 12, warmup: 0, ...train },
    proof: { bits: 100 },
    numbers: { preset: 'small' },
  });
