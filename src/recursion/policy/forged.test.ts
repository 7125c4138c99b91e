import { describe, expect, it } from 'vitest';
import { CircuitChannel } from '../../circuit/channel.js';
import { circuitCells, compileCircuit } from '../../circuit/columns.js';
import { circuitKey } from '../../circuit/key.js';
import { proveCircuit } from '../../circuit/prove.js';
import type { RowHook } from '../../circuit/rows.js';
import { inv } from '../../field/goldilocks.js';
import { singleKernels } from '../../kernels/index.js';
import { makePlan } from '../../tensor/plan.js';
import { VerificationError } from '../../transcript/arith.js';
import {
  type Kind,
  type LeafCase,
  type LeafOut,
  SCHEDULE,
  clipAt,
  microCase,
  policyLeaf,
  policyRun,
  stepCase,
  targetsAt,
} from '../../../test/policy-case.js';
import { QUICK, verifyCase } from '../../../test/kit.js';

/*
 * Provers of a leaf's policy who go on with a lie: they fill the cells, commit to them, and answer the challenges that
 * follow from their own transcript. Which check the cells violate is read off the wires; the
 * verifier, who sees no wires, refuses the proof because the sum over all constraints is not zero.
 */
const k = singleKernels(),
  SIZE: Readonly<Record<Kind, number>> = { step: 4, micro: 2, update: 2 },
  whole = policyRun(101),
  parts = policyRun(97, { batch: 6 }),
  AT = 7;

/** A witness: what a prover would like to pass off, and a free word that it fills in another way. */
interface Lie {
  readonly given: LeafCase;
  readonly word?: { readonly name: string; readonly value: bigint };
}

/** The policy of a leaf as a circuit of its own, which publishes where it ends. */
function circuitOf(kind: Kind) {
  const shape = (kind === 'step' ? whole : parts).values,
    build = (ch: CircuitChannel, given?: LeafCase): LeafOut => {
      const out = policyLeaf(ch, shape, kind, 1, SIZE[kind], given);
      for (const w of out.place) ch.assertEqual(ch.publicWord(given ? ch.value(w)[0] : 0n), w, 'place');
      return out;
    },
    circuit = compileCircuit((ch) => void build(ch)),
    plan = makePlan(circuit.program, QUICK),
    key = circuitKey(k, plan, circuit.fixed),
    run = ({ given, word }: Lie): CircuitChannel => {
      const filled = (hook?: RowHook): { ch: CircuitChannel; out: LeafOut } => {
          const ch = new CircuitChannel(new BigUint64Array(0), hook);
          return { ch, out: build(ch, given) };
        },
        honest = filled();
      if (!word) return honest.ch;
      const row = honest.out.leaf.w.free.get(word.name)![0];
      return filled((kind, at, rows) => {
        if (kind === 'W' && at === row) rows.W.value[row] = word.value;
      }).ch;
    };
  return {
    failed: (x: Lie): string[] => [...new Set(run(x).failed)],
    /** Proves the cells, whatever they say; returns the verifier's answer. */
    verdict: (x: Lie): string => {
      const p = proveCircuit(k, plan, circuitCells(run(x), circuit), { frozenDigest: key.digest });
      try {
        verifyCase(k, { plan, ...p, frozen: key.stack });
        return 'accepted';
      } catch (e) {
        if (e instanceof VerificationError) return e.check;
        throw e;
      }
    },
  };
}
const step = circuitOf('step'),
  micro = circuitOf('micro'),
  update = circuitOf('update');

/** The honest case with a change. */
function changed(given: LeafCase, change: (g: LeafCase) => void): Lie {
  const g = structuredClone(given);
  change(g);
  return { given: g };
}
/** The check that the cells violate, and that the proof of them is refused. */
function refused(circuit: ReturnType<typeof circuitOf>, lie: Lie, check: string): void {
  expect(circuit.failed(lie)).toContain(check);
  expect(circuit.verdict(lie), check).toBe('batched sumcheck');
}

describe('a prover of a leaf who goes on', () => {
  it('is believed where nothing is violated', () => {
    expect(step.verdict({ given: stepCase(whole, AT) })).toBe('accepted');
    expect(micro.verdict({ given: microCase(parts, 0, 1, 2, 'micro') })).toBe('accepted');
    expect(update.verdict({ given: microCase(parts, 0, 3, 2, 'update') })).toBe('accepted');
  });
  it('with scalars of the next step, a clip scalar of other targets, more targets than a step has', () => {
    const honest = stepCase(whole, AT),
      next = changed(honest, (g) => {
        g.parts[0].scalars = [...SCHEDULE[AT + 1]];
        g.parts[0].end = whole.end(AT + 1);
      });
    expect(step.failed(next)).toEqual(['schedule']);
    refused(step, next, 'schedule');
    for (const by of [1, -1])
      refused(
        step,
        changed(honest, (g) => {
          g.parts[0].clip = clipAt(targetsAt(whole, AT) + by);
        }),
        'clip scalar',
      );
    refused(
      step,
      changed(honest, (g) => {
        g.place[4] = 33n;
      }),
      'target count',
    );
  });
  it('with a micro-batch left out, one too many, a last batch called a full one', () => {
    refused(update, { given: microCase(parts, 0, 2, 2, 'update') }, 'micro-batch left out');
    refused(
      micro,
      changed(microCase(parts, 16, 0, 2, 'micro'), (g) => {
        g.place[1] = 1n;
      }),
      'micro-batch too many',
    );
    const short = microCase(parts, 16, 1, 2, 'update');
    expect(update.verdict({ given: short })).toBe('accepted');
    for (const value of [0n, inv(2n)]) refused(update, { given: short, word: { name: 'short batch', value } }, 'short batch');
  });
});
