import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tinyRun } from '../../test/tiny-run.js';
import { type Kernels, singleKernels } from '../kernels/index.js';
import { adamConstants, scheduleScalars } from '../optim/constants.js';
import { runStep } from '../prove/step.js';
import { stateCommitment } from '../run/commitments.js';
import { numbersOf } from '../run/programs.js';
import { type Setup, setup } from '../setup/run.js';
import { checkMovement, largest, movementBound } from './bound.js';
import { statesOf, tensorsOf } from './states.js';
import { applyUpdate, decodeUpdate, difference, encodeUpdate, valuesOf } from './update.js';

/* A client that trains: the tiny base, four steps in exact integers, nothing proved. */
const STEPS = 4,
  config = tinyRun({ steps: STEPS, batch: 2, microBatch: 2, learningRate: 0.002 });

describe('an adapter that was trained', () => {
  let k: Kernels, s: Setup;
  let before: Int32Array, after: Int32Array, left: bigint[];
  beforeAll(() => {
    k = singleKernels();
    s = setup(config, [1n, 2n, 3n, 4n]);
    let state = s.inputs.initial;
    // What a round begins with: the adapter's integers, from which the master copy follows, and zero moments.
    state = { ...state, master: state.C.map((x) => x << 10n) };
    before = Int32Array.from(state.C, Number);
    for (let t = 0; t < STEPS; t++) state = runStep(k, s.run, s.inputs, t, state).after;
    after = Int32Array.from(state.C, Number);
    left = stateCommitment(k, s.run.programs, 'sIn', state);
  });
  afterAll(() => k.close());

  it('travels in at most half of float32, and is read back', () => {
    const d = difference(after, before),
      tensors = tensorsOf(s.run.programs.program),
      b = encodeUpdate(d, tensors);
    expect(d.some((x) => x !== 0)).toBe(true);
    expect(b.length).toBeLessThanOrEqual(2 * d.length);
    expect(applyUpdate(before, decodeUpdate(b, tensors), tensors)).toEqual(after);
  });
  it('has moved within the bound, and nearly as far as it allows', () => {
    const { train } = config,
      { momentFrac } = numbersOf(config),
      parameters = before.length,
      rows = Array.from({ length: STEPS }, (_, t) => {
        const x = scheduleScalars(s.run.facts.rows.at(t)!, s.inputs.data.batches[t].targets, train.clip, { parameters, momentFrac }, t);
        return { alpha: x.alpha, decay: x.decay, epsT: x.epsT };
      }),
      Z = movementBound({ ...adamConstants([train.betas[0], train.betas[1]], train.clip), momentFrac }, rows, largest(before)),
      d = difference(after, before);
    expect(() => checkMovement(d, Z, tensorsOf(s.run.programs.program))).not.toThrow();
    expect(Number(largest(d)) / Number(Z)).toBeGreaterThan(0.8);
  });
  it('is the one of the committed state, and no other is', () => {
    const states = statesOf(k, s.run.programs);
    expect(() => states.last(left, after)).not.toThrow();
    expect(() => states.last(left, after.with(5, after[5] + 1))).toThrow(/^released adapter/);
    expect(() => states.last(left, before)).toThrow(/^released adapter/);
    const first = states.first(before);
    expect(() => states.last(first, before)).not.toThrow();
    expect(states.first(before.with(0, before[0] + 1))).not.toEqual(first);
    expect(valuesOf(tensorsOf(s.run.programs.program))).toBe(before.length);
  });
});
