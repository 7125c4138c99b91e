import { InputError } from '../../errors.js';
import type { Kernels } from '../../kernels/runtime.js';
import { type Modes, epochKey, isPublic, passKey } from './keys.js';
import { Permutation, drawn } from './feistel.js';
import { type OrderShape, orderShape } from './radices.js';
import type { Stratum } from './strata.js';

/** Name and version of this sampler, for the manifest. */
export const SAMPLER_2 = 'certune/sampler/2';

/** Order of a run: what public rules and committed values fix. */
export interface OrderConfig {
  /** Rows of the dataset. */ readonly rows: number;
  /** Draws in an epoch: at most `rows`, or with strata the sum of their draws. */ readonly epochExamples: number;
  readonly batch: number;
  readonly shortBatch: 'keep' | 'drop';
  readonly replacement: boolean;
  readonly modes: Modes;
  /** Keys of the modes; one that no epoch uses may be absent. */
  readonly keys: { readonly public?: readonly bigint[]; readonly private?: readonly bigint[] };
  readonly seed: readonly bigint[];
  readonly strata?: readonly Stratum[];
}

/** Batches of an epoch. */
export const epochBatches = (c: Pick<OrderConfig, 'epochExamples' | 'batch' | 'shortBatch'>): number =>
  c.shortBatch === 'keep' ? Math.ceil(c.epochExamples / c.batch) : Math.floor(c.epochExamples / c.batch);

/** Shape of the permutation of an epoch's draws: over all rows, or with strata over the draws. */
export const outerShape = (c: Pick<OrderConfig, 'rows' | 'epochExamples' | 'strata'>): OrderShape =>
  orderShape(c.strata ? c.epochExamples : c.rows);

/** Checks an order but for its keys. Throws InputError with every problem. */
export function checkOrder(c: Omit<OrderConfig, 'keys'>): void {
  const problems: string[] = [],
    drawnAll = c.strata?.reduce((n, s) => n + s.perEpoch, 0);
  if (drawnAll !== undefined && drawnAll !== c.epochExamples)
    problems.push(`sampler.epochExamples: ${c.epochExamples} draws an epoch, the strata have ${drawnAll}`);
  if (drawnAll === undefined && c.epochExamples > c.rows)
    problems.push(`sampler.epochExamples: ${c.epochExamples} draws an epoch of ${c.rows} rows`);
  if (c.strata && c.replacement) problems.push('sampler.replacement: strata are drawn without replacement');
  // A pass over a stratum may begin in one epoch and end in the next: under two keys it would be no permutation.
  if (c.strata && c.modes.period !== 1) problems.push('sampler.strata: modes cannot alternate where strata are drawn');
  if (epochBatches(c) < 1)
    problems.push(`sampler.shortBatch: drop leaves nothing, ${c.epochExamples} examples make no full batch of ${c.batch}`);
  if (problems.length) throw new InputError('run.yaml', problems);
}

/** Checks that the modes that an order has epochs in have keys. Throws InputError. */
function checkKeys({ keys, modes }: OrderConfig): void {
  for (const mode of ['public', 'private'] as const)
    if (!keys[mode] && Array.from({ length: modes.period }, (_, e) => isPublic(modes, e)).includes(mode === 'public'))
      throw new InputError('run.yaml', [`sampler.mode: epochs in the ${mode} mode have no key`]);
}

/** Where a draw lands, and by which values: what a prover of the draw needs. */
export interface Draw {
  /** Position in the epoch. */ readonly position: number;
  /** Row of the dataset. */ readonly row: number;
  readonly stratum?: { readonly index: number; readonly pass: number; readonly place: number };
}

/** Order of a run, seekable by step. Permutations of the epoch at hand, and of its strata's passes, are kept. */
export class Order {
  readonly #outer: OrderShape;
  #epoch = -1;
  #permutation?: Permutation;
  #passes = new Map<string, Permutation>();
  constructor(
    readonly config: OrderConfig,
    readonly kernels?: Kernels,
  ) {
    checkOrder(config);
    checkKeys(config);
    this.#outer = outerShape(config);
  }

  /** Key of the mode of an epoch. */
  modeKey(epoch: number): readonly bigint[] {
    return this.config.keys[isPublic(this.config.modes, epoch) ? 'public' : 'private']!;
  }
  #enter(epoch: number): void {
    if (epoch === this.#epoch) return;
    this.#epoch = epoch;
    this.#permutation = new Permutation(this.#outer, epochKey(this.modeKey(epoch), this.config.seed, epoch), this.kernels);
    this.#passes = new Map();
  }

  /** The permutation of an epoch. */
  permutation(epoch: number): Permutation {
    this.#enter(epoch);
    return this.#permutation!;
  }
  /** The permutation of a stratum's pass under the key of an epoch's mode. */
  pass(epoch: number, stratum: number, pass: number): Permutation {
    this.#enter(epoch);
    const at = `${stratum}/${pass}`,
      { seed, strata } = this.config;
    let p = this.#passes.get(at);
    if (!p) {
      p = new Permutation(strata![stratum].shape, passKey(this.modeKey(epoch), seed, stratum, pass), this.kernels);
      this.#passes.set(at, p);
    }
    return p;
  }

  /** The draw at a position below epochExamples of an epoch. */
  draw(epoch: number, position: number): Draw {
    const { rows, replacement, strata } = this.config,
      outer = this.permutation(epoch);
    if (replacement) return { position, row: drawn(outer.key, rows, position) };
    const u = outer.at(position);
    if (!strata) return { position, row: u };
    const index = strata.findIndex((s) => u < s.start + s.perEpoch),
      s = strata[index],
      q = epoch * s.perEpoch + u - s.start,
      pass = Math.floor(q / s.rows),
      place = q - pass * s.rows;
    return { position, row: s.offset + this.pass(epoch, index, pass).at(place), stratum: { index, pass, place } };
  }

  /** Batch of a step: its epoch, how many batches of it came before, and its draws. */
  batch(step: number): { epoch: number; drawn: number; draws: Draw[] } {
    const c = this.config,
      E = epochBatches(c),
      epoch = Math.floor(step / E),
      before = step - epoch * E,
      from = before * c.batch,
      count = Math.min(c.batch, c.epochExamples - from);
    return { epoch, drawn: before, draws: Array.from({ length: count }, (_, r) => this.draw(epoch, from + r)) };
  }
}
