import { canonicalJson } from '../hash/canonical.js';
import { textWords } from './order/keys.js';

/**
 * Digest of all that was fixed before the beacon: SHA-256 of the canonical JSON (RFC 8785) of a manifest whose beacon
 * is empty, as eight words of 32 bits. The key of the value is present, so that a manifest with and one without the key
 * are not one.
 */
export function commitmentDigest<T extends { readonly config: { readonly sampler: { readonly beacon: string } } }>(manifest: T): bigint[] {
  const { config } = manifest,
    before = { ...manifest, config: { ...config, sampler: { ...config.sampler, beacon: '' } } };
  return textWords(canonicalJson(before));
}
