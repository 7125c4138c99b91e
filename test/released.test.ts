import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { mergeRun, proveStep } from '../src/prove/step.js';
import type { RunProof } from '../src/run/parts.js';
import { checkReleased, frozenOf, stateCommitment } from '../src/run/commitments.js';
import { verifyRun } from '../src/verify/steps.js';
import { type Setup, setup } from '../src/setup/run.js';
import { readReleased } from '../src/cli/target.js';
import * as E from '../src/field/ext3.js';
import { P, inv, mod, toSigned } from '../src/field/goldilocks.js';
import { adapterKey } from '../src/io/adapter.js';
import { writeAdapter } from '../src/io/peft.js';
import { readSafetensors, writeSafetensors } from '../src/io/safetensors.js';
import { type Kernels, singleKernels, threadedKernels } from '../src/kernels/index.js';
import { unflattenGroup } from '../src/model/step.js';
import { statePoint } from '../src/tensor/statement.js';
import type { Ext } from '../src/transcript/index.js';
import { tinyRun } from './tiny-run.js';

/*
 * A state commitment names its adapter by a digest that no circuit checks. These are the provers who make use of that:
 * one who names another adapter than the state has, one who looks for another adapter of the value that the state has
 * at its point.
 */
const forged = vi.hoisted(() => ({ pair: undefined as { of: string; as: bigint[] } | undefined }));
// The digest of an adapter is the root of a tree: that of one adapter is replaced.
vi.mock('../src/pcs/commit.js', async (original) => {
  const pcs = await original<typeof import('../src/pcs/commit.js')>();
  const commitBase: typeof pcs.commitBase = (...a) => {
    const o = pcs.commitBase(...a);
    return forged.pair?.of === o.root.join() ? { ...o, root: forged.pair.as } : o;
  };
  return { ...pcs, commitBase };
});

const config = tinyRun({ steps: 1, batch: 2, microBatch: 2, learningRate: 0.002 });
// Words of a commitment to adapter and optimiser state: root, digest, point, values.
const DIGEST = 4,
  POINT = 8,
  VALUE = 11;
const ext = (w: readonly bigint[], at: number): Ext => w.slice(at, at + 3) as unknown as Ext;
const valueAt = (C: readonly bigint[], z: Ext): Ext => [...C].reverse().reduce<Ext>((acc, x) => E.add(E.mul(acc, z), E.embed(x)), E.ZERO);

/**
 * Words d_0 .. d_3, not all zero, with sum d_j z^j = 0: z has degree 3 over the field, so that 1, z, z^2, z^3 are
 * dependent.
 */
function vanishing(z: Ext): bigint[] {
  const z2 = E.mul(z, z),
    rows = [0, 1, 2].map((c) => [E.ONE[c], z[c], z2[c], mod(-E.mul(z2, z)[c])]);
  for (let c = 0; c < 3; c++) {
    const at = rows.findIndex((r, i) => i >= c && r[c] !== 0n);
    [rows[c], rows[at]] = [rows[at], rows[c]];
    const scale = inv(rows[c][c]);
    rows[c] = rows[c].map((x) => (x * scale) % P);
    rows.forEach((r, i) => {
      if (i !== c) rows[i] = r.map((x, j) => mod(x - r[c] * rows[c][j]));
    });
  }
  return [...rows.map((r) => r[3]), 1n];
}

describe('the released adapter', () => {
  let k: Kernels, s: Setup, C: BigInt64Array, run: RunProof;
  const vk = singleKernels(),
    fz = (): ReturnType<typeof frozenOf> => frozenOf(k, s.run.programs, s.inputs.base);
  const left = (r: RunProof): readonly bigint[] => r.steps[0].parts[0].roots['sOut'];
  const prove = (): { run: RunProof; C: BigInt64Array } => {
    const m = k.mark(),
      f = fz(),
      { proof, after } = proveStep(k, s.run, s.inputs, 0, s.inputs.initial, f.digest),
      out = { run: { steps: [proof], merge: mergeRun(k, s.run, s.inputs, [proof], f) }, C: after.C };
    k.release(m);
    return out;
  };
  const digestOf = (C: BigInt64Array): bigint[] =>
    stateCommitment(vk, s.run.programs, 'sIn', { ...s.inputs.initial, C }).slice(DIGEST, POINT);
  beforeAll(async () => {
    k = await threadedKernels({ threads: 2 });
    s = setup(config, [1n, 2n, 3n, 4n]);
    ({ run, C } = prove());
  });
  afterAll(() => k.close());

  it('is the one of the last state', () => {
    expect(verifyRun(vk, s.run, { ...s.inputs, released: C }, run).steps).toBe(1);
    expect(left(run).slice(DIGEST, POINT)).toEqual(digestOf(C));
    expect(ext(left(run), VALUE)).toEqual(valueAt([...C], ext(left(run), POINT)));
  });
  it('is not another one of the same value at the point, which takes one linear equation to find', () => {
    const z = ext(left(run), POINT),
      d = vanishing(z);
    const other = C.map((x, i) => (i >= 7 && i < 11 ? toSigned(mod(x + d[i - 7])) : x));
    expect(other).not.toEqual(C);
    expect(valueAt([...other], z)).toEqual(valueAt([...C], z));
    expect(() => verifyRun(vk, s.run, { ...s.inputs, released: other }, run)).toThrow(/released adapter.*its digest/);
    // Named in the commitment, it moves the point.
    const named = [...left(run)];
    named.splice(DIGEST, 4, ...digestOf(other));
    expect(() => checkReleased(vk, s.run.programs, named, other)).toThrow(/its point/);
    named.splice(POINT, 3, ...statePoint(named.slice(0, POINT)));
    expect(() => checkReleased(vk, s.run.programs, named, other)).toThrow(/its value/);
  });
  it('is read from its file as it is: nothing is reduced to 64 bits on the way', () => {
    const dir = mkdtempSync(join(tmpdir(), 'certune-released-')),
      { lora, base } = config,
      meta = {
        r: lora.r,
        alpha: lora.alpha,
        targets: ['q_proj', 'down_proj'] as const,
        rslora: false,
        base: s.model.digest,
        revision: base.revision,
      };
    try {
      const members = new Map([...unflattenGroup(s.run.programs.program, 'cIn', 'C', C)].map(([n, v]) => [n.slice(2), v]));
      writeAdapter(dir, s.model.shape, meta, members, '');
      expect(readReleased(s.run.programs, s.run.manifest, dir)).toEqual(C);
      const file = join(dir, 'adapter_model.safetensors'),
        tensors = readSafetensors(file),
        { data } = tensors.get(adapterKey(0, 'q_proj', 'B'))!,
        kept = data[0];
      // Times 2^20 these are multiples of 2^64: as words they would be zero.
      for (const x of [2 ** 44, -(2 ** 44), 2 ** 50, 2 ** 100, 2 ** 5]) {
        data[0] = x;
        writeSafetensors(file, tensors);
        expect(() => readReleased(s.run.programs, s.run.manifest, dir), String(x)).toThrow(/outside the adapter's format/);
      }
      data[0] = kept + 2 ** -21;
      writeSafetensors(file, tensors);
      expect(() => readReleased(s.run.programs, s.run.manifest, dir)).toThrow(/no multiple/);
    } finally {
      rmSync(dir, { recursive: true });
    }
    for (const x of [C.slice(1), C.slice(0, -1), BigInt64Array.of(...C, 0n), new BigInt64Array(0)])
      expect(() => verifyRun(vk, s.run, { ...s.inputs, released: x }, run)).toThrow(/values instead of/);
  });
  it('is not another one that the prover named before the point was drawn', () => {
    const other = C.slice();
    other[5] += 1n;
    forged.pair = { of: digestOf(C).join(), as: digestOf(other) };
    let bad: ReturnType<typeof prove>;
    try {
      bad = prove();
    } finally {
      forged.pair = undefined;
    }
    // The state is the honest one, and its proof holds: the digest in its commitment is nobody's business until an
    // adapter is released.
    expect(bad.C).toEqual(C);
    expect(left(bad.run).slice(0, DIGEST)).toEqual(left(run).slice(0, DIGEST));
    expect(left(bad.run).slice(DIGEST, POINT)).toEqual(digestOf(other));
    expect(() => verifyRun(vk, s.run, { ...s.inputs, released: other }, bad.run)).toThrow(/released adapter.*its value/);
    expect(() => verifyRun(vk, s.run, { ...s.inputs, released: C }, bad.run)).toThrow(/released adapter.*its digest/);
  });
});
