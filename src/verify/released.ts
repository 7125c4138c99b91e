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
  const integers = new Map(
    [...members].map(([n, v]) => [
      `C.${n}`,
      BigInt64Array.from(v, (x) => {
        const y = x * 2 ** ADAMW.C.frac;
        if (!Number.isInteger(y)) throw new VerificationError('released adapter', `${n} holds a value that is no multiple of 2^-20`);
        // Before it becomes a word of 64 bits: 2^44 is 2^64 times 2^-20 and would be read as zero.
        if (Math.abs(y) > limit) throw new VerificationError('released adapter', `${n} holds ${x}, outside the adapter's format`);
        return BigInt(y);
      }),
    ]),
  );
  return flattenGroup(p.program, 'cIn', 'C', integers);
}
