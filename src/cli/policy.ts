import { createRequire } from 'node:module';
import type { Ledger } from '../run/ledger.js';
import type { Manifest } from '../run/manifest.js';
import { CLAIMS, type ClaimName, type ClaimRecord, unmet } from '../verify/claims.js';
import { bitsText } from './common.js';
import { PolicyError, UsageError } from './errors.js';

/** Read where licences are asked for. */
const satisfies = (expression: string, approved: string[]): boolean =>
  (createRequire(import.meta.url)('spdx-satisfies') as (e: string, a: string[]) => boolean)(expression, approved);

export interface PolicyOptions {
  readonly allowLicense?: string[];
  readonly requireBeacon?: boolean;
  readonly minBits?: string;
  readonly requireBase?: string;
  /** Claims that must have been checked, separated by commas; repeatable. */ readonly require?: string[];
}

/** What a caller demands of a run beyond its proofs. */
export interface Policy {
  readonly licenses?: readonly string[];
  readonly beacon: boolean;
  readonly bits?: number;
  readonly base?: string;
  readonly require?: readonly ClaimName[];
}

/** Whether a licence expression is satisfied by a list of SPDX identifiers; a LicenseRef is compared as it is. */
export const admits = (expression: string, approved: readonly string[]): boolean => {
  if (approved.includes(expression)) return true;
  try {
    return satisfies(
      expression,
      approved.filter((x) => !x.startsWith('LicenseRef-')),
    );
  } catch {
    return false;
  }
};

const known = (license: string): boolean => {
  try {
    return satisfies(license, [license]);
  } catch {
    return false;
  }
};

/** Reads the policy options; throws UsageError for what cannot be meant. */
export function parsePolicy(o: PolicyOptions): Policy {
  for (const l of o.allowLicense ?? [])
    if (!/^LicenseRef-[0-9A-Za-z.-]+$/.test(l) && !known(l))
      throw new UsageError(`--allow-license: "${l}" is not one SPDX identifier; repeat the option for several`);
  if (o.minBits !== undefined && !/^\d{1,3}$/.test(o.minBits)) throw new UsageError(`--min-bits: "${o.minBits}" is not a number`);
  if (o.requireBase !== undefined && !/^sha256:[0-9a-f]{64}$/.test(o.requireBase))
    throw new UsageError('--require-base: give sha256: and 64 hexadecimal digits');
  const require = [...new Set((o.require ?? []).flatMap((x) => x.split(',').map((y) => y.trim())))],
    strange = require.filter((x) => !(CLAIMS as readonly string[]).includes(x));
  if (strange.length) throw new UsageError(`--require: ${strange.join(', ')} is none of ${CLAIMS.join(', ')}`);
  return {
    ...(require.length ? { require: require as ClaimName[] } : {}),
    ...(o.allowLicense ? { licenses: o.allowLicense } : {}),
    beacon: o.requireBeacon === true,
    ...(o.minBits === undefined ? {} : { bits: Number(o.minBits) }),
    ...(o.requireBase === undefined ? {} : { base: o.requireBase }),
  };
}

/**
 * Throws PolicyError with every reason for which a verified run is not admitted. Licences are those declared: no proof
 * covers them.
 */
export function checkPolicy(
  p: Policy,
  m: Manifest,
  ledger: Ledger,
  claims: readonly Pick<ClaimRecord, 'claim' | 'status' | 'option'>[],
): void {
  const reasons: string[] = unmet(p.require ?? [], claims),
    checked = (name: ClaimName): boolean => claims.some((x) => x.claim === name && x.status === 'checked'),
    // Rows, their classes and their order are proved against the manifest, whoever has the files.
    rows = claims.some((x) => x.claim === 'data' && (x.status === 'checked' || x.status === 'proved'));
  if (p.licenses) {
    for (const l of m.dataset.licenses)
      if (!admits(l, p.licenses)) reasons.push(`licence ${l} of the data is not among ${p.licenses.join(', ')}`);
    // Licences are declared for data, and a manifest that names others than its rows do is found by nobody else.
    if (!rows) reasons.push('the data were not checked, so that the licences are those of no data in particular: give --base and --data');
  }
  if (p.beacon && m.config.sampler.beacon === '') reasons.push('the run has no beacon: the prover chose the order of the data');
  else if (p.beacon && !rows)
    reasons.push('the data were not checked, so that their order need not be the one that follows from the beacon: give --base and --data');
  if (p.bits !== undefined && ledger.roundByRound < p.bits)
    reasons.push(`${bitsText(ledger.roundByRound)} provable bits are fewer than ${p.bits}`);
  if (p.base !== undefined && p.base !== m.base.digest) reasons.push(`the base is ${m.base.digest}, not ${p.base}`);
  else if (p.base !== undefined && !checked('base')) reasons.push('the base was not checked: give --base');
  if (reasons.length) throw new PolicyError(reasons);
}
