import { overLimit } from '../errors.js';
import { projectionSize } from '../model/init.js';
import { MOST_CELLS, MOST_PARAMETERS, MOST_PARTS, MOST_WEIGHTS } from '../model/limits.js';
import { type LlamaShape, TARGETS } from '../model/shape.js';
import type { RunConfig } from './schema.js';

/** Micro-batches of a whole batch; 1 where none are accumulated. */
export const microBatches = ({ batch, microBatch }: Pick<RunConfig['train'], 'batch' | 'microBatch'>): number =>
  Math.ceil(batch / Math.min(batch, microBatch));

/** Draws in an epoch over so many examples: those of the strata, as many as declared, or every row once. */
export const epochDraws = ({ strata, epochExamples }: Pick<RunConfig['sampler'], 'strata' | 'epochExamples'>, examples: number): number =>
  strata.length ? strata.reduce((n, s) => n + s.perEpoch, 0) : (epochExamples ?? examples);

/**
 * What of a run is beyond every budget although each of its sizes is within its limits: products are what programs,
 * proofs and lists grow with. Known before a program is made. `draws`, those of an epoch, bound the micro-batches of a
 * batch, where they are known: strata may draw more than there are rows.
 */
export function beyondBudget(
  { train, lora }: Pick<RunConfig, 'train' | 'lora'>,
  shape: LlamaShape,
  draws = Number.POSITIVE_INFINITY,
): string[] {
  const out: string[] = [],
    check = (what: string, n: number, most: number): void => {
      out.push(...overLimit(what, n, most));
    },
    sizes = TARGETS.map((t) => ({ t, ...projectionSize(shape, t) })),
    micros = microBatches({ ...train, batch: Math.min(train.batch, Math.max(1, draws)) }),
    rows = Math.min(train.batch, train.microBatch);
  check(
    'train.steps times the micro-batches of train.batch and train.microBatch, and their updates, are the proofs of the run',
    train.steps * (train.batch > train.microBatch ? micros + 1 : 1),
    MOST_PARTS,
  );
  check(
    'lora.r and lora.targets give so many trained parameters',
    shape.layers * lora.r * sizes.filter((x) => lora.targets.includes(x.t)).reduce((n, x) => n + x.in + x.out, 0),
    MOST_PARAMETERS,
  );
  check(
    "the base's shape gives so many weights",
    shape.layers * sizes.reduce((n, x) => n + x.in * x.out, 0) + (shape.tied ? 1 : 2) * shape.vocab * shape.hidden,
    MOST_WEIGHTS,
  );
  check(
    'the smaller of train.batch and train.microBatch times train.sequence is the tokens of a proof',
    rows * train.sequence,
    MOST_CELLS.tokens,
  );
  check(
    'tokens of a proof times train.sequence times the heads of the base are its attention scores',
    rows * train.sequence ** 2 * shape.kvHeads * shape.groups,
    MOST_CELLS.scores,
  );
  return out;
}
