import { InputError } from '../errors.js';
import { difference } from '../run/manifest.js';
import { whyDiffers } from '../setup/line-ends.js';
import { type Setup, setup } from '../setup/run.js';
import { readRun } from '../setup/runfile.js';
import { secretOf } from '../store/secret.js';
import { manifestFile, readManifest } from './common.js';

/** The setup of a committed run: refuses when run.yaml, base or data no longer match the manifest. */
export function committed(run: string): { s: Setup; digest: string } {
  const m = readManifest(run),
    config = readRun(run),
    secret = secretOf(run, m),
    s = setup(config, secret.salt, secret.key),
    differs = difference(s.run.manifest, m);
  if (differs.length) {
    const why = whyDiffers(
      m,
      s.run.manifest,
      config.base.path,
      config.data.map((d) => d.path),
    );
    throw new InputError(
      manifestFile(run),
      [`does not match run.yaml, base or data: ${differs.join(', ')}`, ...(why === '' ? [] : [why])],
      'restore them, or delete the out folder and run certune commit again',
    );
  }
  return { s, digest: s.run.facts.digest };
}
