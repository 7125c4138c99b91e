import { describe, expect, it } from 'vitest';
import { STORIES, SMOLLM2, TINY } from '../../tools/shapes.js';
import type { LlamaShape } from '../model/shape.js';
import { frozenTensors } from '../model/shape.js';
import { runSchema } from '../run/schema.js';
import { witnessRate } from './rate.js';

/** The rate that is chosen for a model of this shape, with rows of 64 tokens and settings beside. */
function rateOf(shape: LlamaShape, batch: number, o: Record<string, unknown> = {}): number {
  const weightBits = Object.fromEntries(frozenTensors(shape).map((t) => [t.name, 17])),
    train = { batch, microBatch: batch, sequence: 64 };
  return witnessRate(runSchema.parse({ version: 1, base: { path: '' }, data: [{ path: '' }], train, ...o }), { shape, weightBits });
}

describe('the rate of witnesses, where run.yaml says none', () => {
  it('is 1/2 where that saves more than it costs', () => {
    expect(rateOf(STORIES, 8)).toBe(1);
    expect(rateOf(STORIES, 8, { proof: { bits: 100 } })).toBe(1);
  });
  it('is 1/4 for small programs, whose commitment is no burden', () => {
    expect(rateOf(TINY, 2, { numbers: { preset: 'small' } })).toBe(2);
  });
  it('is 1/4 where verification would pass its bound', () => {
    expect(rateOf(SMOLLM2, 1)).toBe(2);
  });
  it('is 1/4 with BLAKE3, whose proofs no circuit verifies', () => {
    expect(rateOf(STORIES, 8, { proof: { hash: 'blake3' } })).toBe(2);
  });
});
