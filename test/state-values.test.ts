import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { frozenOf, noFrozen } from '../src/run/commitments.js';
import { runStep } from '../src/prove/step.js';
import { type Setup, setup } from '../src/setup/run.js';
import * as E from '../src/field/ext3.js';
import { type Kernels, singleKernels, threadedKernels } from '../src/kernels/index.js';
import { proveProgram } from '../src/tensor/prove.js';
import { VerificationError } from '../src/transcript/index.js';
import { verifyProof } from './kit.js';
import { tinyRun } from './tiny-run.js';

/*
 * Dishonest provers of state commitments, who lie before anything is absorbed, so that proof and statement are of one
 * mind: a value that the state does not have at its point, for each class in turn, also one that the program does not
 * use (a micro-batch's optimiser state, an update's adapter); a point of the prover's own choice, where all values are
 * true.
 */
const lie = vi.hoisted(() => ({ value: -1, point: -1, values: 0, points: 0 }));
vi.mock('../src/tensor/stack.js', async (original) => {
  const stack = await original<typeof import('../src/tensor/stack.js')>();
  const powerSum: typeof stack.powerSum = (...a) => {
    const y = stack.powerSum(...a);
    return lie.values++ === lie.value ? E.add(y, E.ONE) : y;
  };
  return { ...stack, powerSum };
});
vi.mock('../src/tensor/statement.js', async (original) => {
  const statement = await original<typeof import('../src/tensor/statement.js')>();
  const statePoint: typeof statement.statePoint = (...a) => (lie.points++ === lie.point ? [5n, 0n, 0n] : statement.statePoint(...a));
  return { ...statement, statePoint };
});

const config = tinyRun({ steps: 1, batch: 3, microBatch: 2 });

describe('what a state commitment says of its state', () => {
  let k: Kernels, s: Setup;
  const vk = singleKernels();
  beforeAll(async () => {
    k = await threadedKernels({ threads: 2 });
    s = setup(config, [1n, 2n, 3n, 4n]);
  });
  afterAll(() => k.close());

  it('holds in every class and at the point of its root; the point of a state that is entered was checked where it was left', () => {
    const { digest } = frozenOf(k, s.run.programs, s.inputs.base),
      seen: string[] = [];
    let first = true;
    runStep(k, s.run, s.inputs, 0, s.inputs.initial, (kind, plan, r) => {
      if (kind === 'micro' && !first) return;
      first = false;
      const check = (o: { value?: number; point?: number }): (() => void) => {
        Object.assign(lie, { value: -1, point: -1, values: 0, points: 0 }, o);
        const { proof, statement } = proveProgram(k, plan, r, { frozenDigest: kind === 'update' ? noFrozen() : digest });
        // Every class, every state, once.
        expect([lie.values, lie.points]).toEqual([plan.states.flatMap((t) => t.classes).length, plan.states.length]);
        Object.assign(lie, { value: -1, point: -1 });
        return () => verifyProof(vk, { plan, statement, proof });
      };
      const classes = plan.states.flatMap((t) => t.classes),
        tried = kind === 'micro' ? ['oIn', 'aOut'] : classes;
      expect(check({}), kind).not.toThrow();
      for (const c of tried) {
        seen.push(c);
        expect(check({ value: classes.indexOf(c as (typeof classes)[number]) }), `${kind} ${c}`).toThrow('WHIR final sum');
      }
      if (kind === 'micro') return;
      plan.states.forEach(({ name }, point) => {
        const run = check({ point });
        if (name.endsWith('In')) expect(run, name).not.toThrow();
        else {
          expect(run, name).toThrow(VerificationError);
          expect(run, name).toThrow(`state point ${name}`);
        }
      });
    });
    expect(seen).toEqual(['oIn', 'aOut', 'cIn', 'oIn', 'aIn', 'cOut', 'oOut']);
  });
});
