import { describe, expect, it } from 'vitest';
import type { Manifest } from '../manifest.js';
import { baseCommitment } from './verify.js';

describe('commitment to a base in one line', () => {
  it('binds the stack, the programs that read it, and what the manifest says of the base: formats bound the sums, so that no other may be declared', () => {
    const base = {
        digest: `sha256:${'a'.repeat(64)}`,
        shape: { layers: 2, hidden: 8, rmsEps: 1e-5 },
        weightBits: { 'W.q_proj': 20, E: 18 },
      } as unknown as Manifest['base'],
      program = [1n, 2n, 3n, 4n],
      root = [5n, 6n, 7n, 8n],
      one = baseCommitment(base, program, root),
      { weightBits, shape } = base;
    expect(one).toMatch(/^[0-9a-f]{64}$/);
    expect(baseCommitment({ ...base, weightBits: { ...weightBits } }, [...program], [...root])).toBe(one);
    for (const [what, x] of [
      ['formats', baseCommitment({ ...base, weightBits: { ...weightBits, 'W.q_proj': 19 } }, program, root)],
      ['shape', baseCommitment({ ...base, shape: { ...shape, rmsEps: 1e-6 } }, program, root)],
      ['digest', baseCommitment({ ...base, digest: `sha256:${'b'.repeat(64)}` }, program, root)],
      ['programs', baseCommitment(base, [1n, 2n, 3n, 5n], root)],
      ['stack', baseCommitment(base, program, [5n, 6n, 7n, 9n])],
    ] as const)
      expect(x, what).not.toBe(one);
  });
});
