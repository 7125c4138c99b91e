import canonicalize from 'canonicalize';
import { textWords } from './order/keys.js';

/**
 * Digest of all that was fixed before the beacon: SHA-256 of the canonical JSON (RFC 8785) of a manifest whose beacon value is null, as eight words
 * of 32 bits. The key of the value is present, so that a manifest with and one without the key are not one.
 */
export function commitmentDigest<T extends { readonly sampler: { readonly beacon: { readonly value: string | null } } }>(
  manifest: T,
): bigint[] {
  const before = { ...manifest, sampler: { ...manifest.sampler, beacon: { ...manifest.sampler.beacon, value: null } } };
  return textWords(canonicalize(before)!);
}
