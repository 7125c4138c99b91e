import { basename, join } from 'node:path';
import { type DeployedClaims, deployedClaims } from '../provenance/deployed.js';
import { hashFile } from '../provenance/folder.js';
import type { Subject } from '../provenance/statement.js';
import type { Result } from './common.js';

/**
 * What a verification is about: the proof, and the files of the adapter's folder where that was compared with the
 * proof. Throws InputError, VerificationError.
 */
export function verifiedFiles({ data }: Result, proof: string, adapter: string): readonly [Subject, ...Subject[]] {
  const files = data['adapter'] === 'checked' ? ['adapter_config.json', 'adapter_model.safetensors'] : [];
  return [{ name: basename(proof), sha256: hashFile(proof) }, ...files.map((name) => ({ name, sha256: hashFile(join(adapter, name)) }))];
}

/** Where the weights of a whole run come from, for whoever deploys them. `base`: digest of the base in its manifest. */
export function weightsOf({ data }: Result, [proof, ...files]: readonly [Subject, ...Subject[]], base: () => string): DeployedClaims {
  const adapter = files.find((f) => f.name === 'adapter_model.safetensors');
  return deployedClaims({
    certificate: proof.sha256,
    initial: data['initial'] === 'checked',
    ...(data['base'] === 'checked' ? { base: base() } : {}),
    ...(adapter ? { adapter: adapter.sha256 } : {}),
  });
}
