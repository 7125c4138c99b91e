import { InputError } from '../errors.js';
import { type RuleVerdict, admitted } from './policy.js';
import { type Subject, statementBytes } from './statement.js';

/** Predicate type of in-toto's Simple Verification Result. */
export const SVR = 'https://in-toto.io/attestation/svr/v0.2';

/** What a verification found. A property is there only where it was evaluated and held. */
export interface Verified {
  /** The run's proof, and whether it is of the whole run. */ readonly training: boolean;
  readonly soundness: number;
  readonly base: boolean;
  /** Every row is one that the manifest commits to, in the order that it prescribes: by the proof. */
  readonly rows: boolean;
  /** The data files were compared with the manifest. */ readonly data: boolean;
  /** The adapter that the run began with is the one that the manifest names. */ readonly initial: boolean;
  readonly adapter: boolean;
  /** The release is signed by a signer that the verifier named. */ readonly signed: boolean;
  /** Roles whose cards were evaluated under a policy and counted. */ readonly attested: readonly string[];
  /** Verdicts of the policy, where there was one. */ readonly policy?: readonly RuleVerdict[];
}

/** Steps of soundness that have a name. */
const BITS = [100, 128];

/** Names of what was evaluated and held, in a fixed order. */
export function properties(v: Verified): string[] {
  return [
    ...(v.training ? ['CERTUNE_PROVED_TRAINING_V1'] : []),
    ...(v.training ? BITS.filter((b) => v.soundness >= b).map((b) => `CERTUNE_SOUNDNESS_${b}`) : []),
    ...(v.base ? ['CERTUNE_BASE_CHECKED'] : []),
    ...(v.rows ? ['CERTUNE_ROWS_PROVED'] : []),
    ...(v.data ? ['CERTUNE_DATA_CHECKED'] : []),
    ...(v.initial ? ['CERTUNE_INITIAL_CHECKED'] : []),
    ...(v.adapter ? ['CERTUNE_ADAPTER_CHECKED'] : []),
    ...(v.signed ? ['CERTUNE_SIGNED_RELEASE'] : []),
    ...v.attested.map((r) => `CERTUNE_ATTESTED_${r.toUpperCase().replaceAll('-', '_')}`),
    ...(v.policy?.length && admitted(v.policy) ? ['CERTUNE_POLICY_PASSED'] : []),
  ];
}

/** Canonical bytes of a verification result over what was verified. Throws InputError where there is nothing to say. */
export function svrStatement(o: {
  readonly subjects: readonly Subject[];
  /** URI of whoever verified, with the version of what verified. */ readonly verifier: string;
  /** Digest of the policy, where there was one: 64 hexadecimal digits. */ readonly policy?: {
    readonly name: string;
    readonly sha256: string;
  };
  /** Milliseconds since 1970. */ readonly time: number;
  readonly verified: Verified;
}): Uint8Array {
  if (!/^[a-z][a-z0-9+.-]*:[^\s\p{Cc}]{1,1000}$/iu.test(o.verifier)) throw new InputError('--verifier-id', ['is no URI']);
  const names = properties(o.verified);
  if (!names.length) throw new InputError('verification result', ['nothing was evaluated that could be summed up']);
  return statementBytes(o.subjects, SVR, {
    verifier: {
      id: o.verifier,
      policies: o.policy ? [{ name: o.policy.name, digest: { sha256: o.policy.sha256 } }] : [],
    },
    timeCreated: new Date(o.time).toISOString().replace(/\.\d{3}Z$/, 'Z'),
    properties: names,
  });
}
