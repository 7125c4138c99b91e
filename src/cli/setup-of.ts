import { type Manifest, difference } from '../run/manifest.js';
import { whyDiffers } from '../setup/line-ends.js';
import { type RunSecret, type Setup, setup } from '../setup/run.js';
import { VerificationError } from '../transcript/arith.js';
import { UsageError } from './errors.js';
import { rowsComparable } from './target.js';

/**
 * Setup of what base and data give, compared with the manifest. A run in the private mode needs its secret too. Throws
 * VerificationError, InputError, UsageError.
 */
export function setupOf(m: Manifest, base: string, data: readonly string[], from: string | null | undefined, secret?: RunSecret): Setup {
  if (!rowsComparable(m, secret))
    throw new UsageError(
      '--data: the run is in the private mode, whose rows are compared by whoever has its secret alone: give the run folder, or leave --data away',
    );
  const { salt, key } = secret ?? { salt: m.dataset.salt!.map(BigInt) };
  const s = setup(
      {
        ...m.config,
        base: { ...m.config.base, path: base },
        data: m.config.data.map((d, i) => ({ ...d, path: data[i] })),
        lora: { ...m.config.lora, from: m.config.lora.from === null ? null : from! },
      },
      salt,
      key,
    ),
    differs = difference(s.run.manifest, m);
  if (differs.length) {
    const why = whyDiffers(m, s.run.manifest, base, data);
    throw new VerificationError('manifest', `differs from what base and data give: ${differs.join(', ')}${why === '' ? '' : ` (${why})`}`);
  }
  return s;
}
