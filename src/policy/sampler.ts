import { blake3 } from '@noble/hashes/blake3.js';
import { InputError } from '../errors.js';
import { SAMPLER } from '../run/schema.js';

export interface SamplerConfig {
  readonly key: string;
  readonly beacon: string;
  readonly replacement: boolean;
  readonly shortBatch: 'keep' | 'drop';
  readonly batch: number;
  readonly examples: number;
  readonly root: readonly bigint[];
}

function* words(domain: string): Generator<bigint> {
  for (let block = 0; ; block++) {
    const b = blake3(new TextEncoder().encode(`${domain}/${block}`), { dkLen: 4096 }),
      v = new DataView(b.buffer, b.byteOffset);
    for (let k = 0; k < 4096; k += 8) yield v.getBigUint64(k, true);
  }
}

/** Uniform below n by rejection. */
function below(stream: Generator<bigint>, n: number): number {
  const N = BigInt(n),
    limit = ((1n << 64n) / N) * N;
  for (;;) {
    const w = stream.next().value as bigint;
    if (w < limit) return Number(w % N);
  }
}

/**
 * Batches of all steps: per epoch the permutation by Fisher-Yates from BLAKE3-XOF over ("certune/sampler/1", key, beacon, dataset root,
 * epoch), cut into batches; a final short batch is kept or dropped. With replacement every index is drawn independently. Throws InputError
 * where no batch would ever come.
 */
export function* batches(c: SamplerConfig): Generator<{ epoch: number; indices: number[] }> {
  if (c.examples < 1 || (c.shortBatch === 'drop' && c.examples < c.batch))
    throw new InputError(
      'run.yaml',
      [`sampler.shortBatch: drop leaves nothing, ${c.examples} examples make no full batch of ${c.batch}`],
      'lower train.batch or keep short batches',
    );
  for (let epoch = 0; ; epoch++) {
    const stream = words(JSON.stringify([SAMPLER, c.key, c.beacon, c.root.map(String), epoch]));
    const order = [...Array(c.examples).keys()];
    if (c.replacement) for (let i = 0; i < c.examples; i++) order[i] = below(stream, c.examples);
    else
      for (let i = c.examples - 1; i > 0; i--) {
        const j = below(stream, i + 1);
        [order[i], order[j]] = [order[j], order[i]];
      }
    for (let at = 0; at < c.examples; at += c.batch) {
      const indices = order.slice(at, at + c.batch);
      if (indices.length === c.batch || c.shortBatch === 'keep') yield { epoch, indices };
    }
  }
}
