import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Kernels, singleKernels } from '../src/kernels/index.js';
import { llamaProgram } from '../src/model/llama.js';
import { DEFAULT_NUMBERS, TARGETS } from '../src/model/shape.js';
import { batchInputs } from '../src/model/step.js';
import { adamConstants } from '../src/optim/constants.js';
import { FloatReading } from '../src/tensor/float.js';
import { fixture } from './fixtures.js';
import { STORIES, freeBits, merged, realFrozen, storiesBase, storiesWeights } from './stories.js';

const path = fixture('data/stories260k/golden.json');
interface Golden {
  prompt_ids: number[];
  last_position_top10: { id: number; logit: number }[];
  greedy_from_bos_200_ids: number[];
  sample_story_ids: number[];
  sample_story_mean_nll_nats: number;
}

describe.skipIf(!path || !storiesBase)('float reading against the golden values of stories260K (fixture data/stories260k)', () => {
  let k: Kernels;
  beforeAll(() => {
    k = singleKernels();
  });
  afterAll(() => k.close());
  const golden = (): Golden => JSON.parse(readFileSync(path!, 'utf8'));

  /** Logits [position][token] and the mean loss of a sequence of which every token after the first is a target. */
  function evaluate(ids: number[]): { logit: (at: number, id: number) => number; mean: number } {
    const S = ids.length,
      weights = storiesWeights(),
      m = k.mark();
    const program = llamaProgram({
      shape: STORIES,
      numbers: DEFAULT_NUMBERS,
      weightBits: freeBits(weights),
      batch: 1,
      sequence: S,
      lora: { r: 1, targets: TARGETS, scaling: 1 },
      adam: adamConstants([0.9, 0.999], 0),
      kind: 'eval',
    });
    const zero = new Map(
      program.tensors
        .filter((t) => t.group === 'C' && t.aliasOf === undefined)
        .map((t) => [t.name, new Float64Array(t.axes.reduce((n, a) => n * program.axes[a], 1))]),
    );
    const reading = new FloatReading(
      k,
      program,
      merged(
        realFrozen(STORIES, weights, S),
        zero,
        batchInputs({ tokens: [Int32Array.from(ids)], mask: [new Uint8Array(S).fill(1)] }, 1, S),
      ),
    );
    reading.run();
    const logits = reading.read('logits'),
      loss = reading.read('loss')[0];
    k.release(m);
    return { logit: (at, id) => logits[id * S + at], mean: loss / (S - 1) };
  }

  it('logits of the prompt, to the printed digits; their order', () => {
    const g = golden(),
      { logit } = evaluate(g.prompt_ids),
      last = g.prompt_ids.length - 1;
    const worst = Math.max(...g.last_position_top10.map((x) => Math.abs(logit(last, x.id) - x.logit)));
    console.log('golden logits: largest difference', worst);
    // Half a unit of the sixth decimal, and the float64 evaluations of both sides.
    expect(worst).toBeLessThan(5.001e-7);
    const order = [...Array(STORIES.vocab).keys()].sort((a, b) => logit(last, b) - logit(last, a)).slice(0, 10);
    expect(order).toEqual(g.last_position_top10.map((x) => x.id));
  });

  it('the largest logit at each of 199 positions is the next greedy token', () => {
    const ids = golden().greedy_from_bos_200_ids,
      { logit } = evaluate(ids);
    const best = (at: number): number => {
      let b = 0;
      for (let v = 1; v < STORIES.vocab; v++) if (logit(at, v) > logit(at, b)) b = v;
      return b;
    };
    expect(ids.slice(0, -1).map((_, at) => best(at))).toEqual(ids.slice(1));
  });

  it('mean loss of the sample story, to the printed digits', () => {
    const g = golden();
    expect(Math.abs(evaluate(g.sample_story_ids).mean - g.sample_story_mean_nll_nats)).toBeLessThan(5.001e-7);
  });
});
