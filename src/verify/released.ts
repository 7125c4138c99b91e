import { type AdapterMeta, configDifference } from '../io/adapter.js';
import { flattenGroup } from '../model/step.js';
import { ADAMW } from '../optim/adamw.js';
import type { Manifest } from '../run/manifest.js';
import type { Programs } from '../run/programs.js';
import { VerificationError } from '../transcript/arith.js';

/** What the manifest says of a released adapter. */
export const metaOf = ({ config: { lora, base }, base: { digest } }: Manifest): AdapterMeta => ({
  r: lora.r,
  alpha: lora.alpha,
  targets: lora.targets,
  rslora: lora.scaling === 'rslora',
  base: base.name ?? digest,
  revision: base.revision,
});

/** Words of 64 bits, written as two halves: no integer of any length is made for one. `limit` is at most 2^31. */
function integersOf(name: string, values: Float64Array, limit: number): BigInt64Array {
  const out = new BigInt64Array(values.length),
    halves = new Int32Array(out.buffer);
  for (let i = 0; i < values.length; i++) {
    const y = values[i] * 2 ** ADAMW.C.frac;
    if (!Number.isInteger(y)) throw new VerificationError('released adapter', `${name} holds a value that is no multiple of 2^-20`);
    // Before it becomes a word: 2^44 is 2^64 times 2^-20 and would be read as zero.
    if (Math.abs(y) > limit) throw new VerificationError('released adapter', `${name} holds ${values[i]}, outside the adapter's format`);
    halves[2 * i] = y;
    halves[2 * i + 1] = y < 0 ? -1 : 0;
  }
  return out;
}

/**
 * Integers of a released adapter in the program's order, from what was read of its files: its configuration must be the
 * manifest's, its values multiples of 2^-20 in the format of the adapter. Throws VerificationError.
 */
export function releasedOf(
  p: Programs,
  m: Manifest,
  { config, members }: { readonly config: Readonly<Record<string, unknown>>; readonly members: ReadonlyMap<string, Float64Array> },
): BigInt64Array {
  const differs = configDifference(config, metaOf(m)),
    limit = 2 ** (ADAMW.C.bits - 1);
  if (differs.length) throw new VerificationError('released adapter', `adapter_config.json differs in ${differs.join(', ')}`);
  const integers = new Map([...members].map(([n, v]) => [`C.${n}`, integersOf(n, v, limit)]));
  return flattenGroup(p.program, 'cIn', 'C', integers);
}
