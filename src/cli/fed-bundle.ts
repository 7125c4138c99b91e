import { bundleRound } from '../federated/bundler.js';
import { readBlob, readFederation } from '../federated/folder.js';
import { MOST_MANIFEST, checkEnrolled, readManifestBlob, unitChecks } from '../federated/units.js';
import { InputError } from '../errors.js';
import { checkedRun } from '../run/facts.js';
import { inputsOf } from '../setup/base.js';
import { type Context, type ProverOptions, type Result, kernels } from './common.js';
import { UsageError } from './errors.js';

export interface BundleOptions extends ProverOptions {
  readonly base?: string;
  readonly round?: string;
}

/** Folds the proved units of a round into certificates of constant size, beside its records. */
export async function fedBundle(dir: string, o: BundleOptions, c: Context): Promise<Result> {
  if (o.base === undefined)
    throw new UsageError('fed bundle needs --base, the folder of the base: proofs are verified before they are bundled');
  if (o.round === undefined || !/^\d{1,9}$/.test(o.round)) throw new UsageError('fed bundle needs --round, the number of a round');
  const round = Number(o.round),
    f = readFederation(dir),
    [first] = f.enrolments.values(),
    manifest = (d: string): Uint8Array | undefined => readBlob(dir, d, MOST_MANIFEST),
    bytes = first && manifest(first.body.manifest);
  if (!bytes) throw new InputError(dir, ['holds no manifest of a client']);
  const where = `${first.body.client}: manifest`,
    m = readManifestBlob(bytes, where);
  // Nothing is built from what a client wrote before it has the settings that the charter names.
  checkEnrolled(f, first, m);
  const { base } = inputsOf(checkedRun(where, m), { base: o.base }),
    k = await kernels(o);
  try {
    const units = unitChecks({ kernels: k, base: base!, manifest }),
      made = bundleRound(dir, round, { kernels: k, base: base!, units }, (t) => c.progress.line(t));
    return {
      data: { round, certificates: made },
      text: made
        .map((x) => `${x.file}: ${x.units} unit${x.units === 1 ? '' : 's'} in ${x.bytes} bytes, whatever their number but for their names`)
        .join('\n'),
    };
  } finally {
    k.close();
  }
}
