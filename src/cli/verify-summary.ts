import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { bundleJson } from '../provenance/bundle.js';
import { ROLES } from '../provenance/cards/card.js';
import { byRole } from '../provenance/cards/evaluate.js';
import { keyDigest } from '../provenance/ecdsa.js';
import type { RuleVerdict, VerifierPolicy } from '../provenance/policy.js';
import { type SigningKey, cosignHint, readSigningKey, signStatement } from '../provenance/sign.js';
import type { Subject } from '../provenance/statement.js';
import { svrStatement } from '../provenance/svr.js';
import type { Judged } from './judge.js';
import { verifiedWhole } from './verify-opened.js';

/** A verifier's key, and its digest. Throws InputError. */
export function ownKey(file: string): { readonly key: SigningKey; readonly digest: string } {
  const key = readSigningKey(file);
  return { key, digest: keyDigest(key.public) };
}

/** What a verifier adds to what was judged. */
export interface Summary {
  /** What the verifier is called. */ readonly verifier: string;
  readonly key: SigningKey;
  /** What the summary is about. */ readonly subjects: readonly [Subject, ...Subject[]];
  readonly policy: { readonly file: string; readonly bytes: Uint8Array } | undefined;
  readonly verdicts: readonly RuleVerdict[] | undefined;
  readonly rules: VerifierPolicy | undefined;
}

/** Text of the verifier's own summary: a bundle over what was evaluated and held. */
export function summary(j: Judged, { verifier, key, subjects, policy, verdicts, rules }: Summary): string {
  const d = j.result.data,
    payload = svrStatement({
      // Whatever else a signer released was compared with the signature, and with nothing of the run.
      subjects,
      verifier,
      ...(policy ? { policy: { name: basename(policy.file), sha256: createHash('sha256').update(policy.bytes).digest('hex') } } : {}),
      time: 1000 * j.now,
      verified: {
        training: verifiedWhole(j.result),
        soundness: d['bits'] as number,
        base: d['base'] === 'checked',
        rows: (d['kind'] === 'run' || d['kind'] === 'certificate') && (d['data'] === 'checked' || d['data'] === 'proved'),
        data: d['data'] === 'checked',
        initial: d['initial'] === 'checked',
        adapter: d['adapter'] === 'checked',
        signed: j.signed !== undefined,
        attested: ROLES.filter((r) => byRole(j.cards, rules?.cards ?? {})[r]?.counted),
        ...(verdicts ? { policy: verdicts } : {}),
      },
    });
  return bundleJson(signStatement(payload, key), cosignHint(key.public));
}
