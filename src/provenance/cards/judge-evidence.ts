import { InputError } from '../../errors.js';
import { type Anchors, type Collateral, type Evidence, type Kind, onlyCollateral } from './evidence.js';
import { verifyNitro } from './nitro.js';
import { verifyNvidia } from './nvidia.js';
import { verifySnp } from './snp.js';

/** Verifies a quote of TDX or SGX at a time (milliseconds since 1970). Throws VerificationError, InputError. */
export type DcapVerifier = (kind: 'tdx' | 'sgx', quote: Uint8Array, c: Collateral, at: number, where: string) => Evidence;

/** What evidence is verified with. */
export interface Verifiers {
  readonly anchors: Anchors;
  /** Absent: quotes of TDX and SGX are not evaluated. */ readonly dcap?: DcapVerifier;
}

/** A quote that nothing here can verify. Neither good nor bad. */
export class NotCheckedError extends InputError {
  constructor(where: string) {
    super(where, ['not checked: no verifier of TDX and SGX quotes is installed'], 'in Node: npm install @phala/dcap-qvl@0.3.9');
    this.name = 'NotCheckedError';
  }
}

/**
 * Verifies evidence of any kind at a time; a token of GPUs gives one for each. Throws VerificationError, InputError,
 * NotCheckedError.
 */
export function verifyEvidence(kind: Kind, bytes: Uint8Array, c: Collateral, v: Verifiers, at: number, where: string): Evidence[] {
  if (kind === 'sev-snp') return [verifySnp(bytes, c, v.anchors, at, where)];
  if (kind === 'nitro') onlyCollateral(c, [], where);
  if (kind === 'nitro') return [verifyNitro(bytes, v.anchors, at, where)];
  if (kind === 'nvidia-gpu') return verifyNvidia(bytes, c, v.anchors, at, where);
  if (!v.dcap) throw new NotCheckedError(where);
  return [v.dcap(kind, bytes, c, at, where)];
}
