import canonicalize from 'canonicalize';
import { createHash } from 'node:crypto';
import { sealedHeader } from '../src/artifact/header.js';

/*
 * What somebody who changes a proof file does next: every digest in it again. Digests guard against accidents alone,
 * and a test that leaves them would try nothing else.
 */
const sha256 = (b: Uint8Array): string => createHash('sha256').update(b).digest('hex');

/**
 * The file of a header and a body, with the digests that they have. A header that is no canonical JSON, and one whose
 * parts leave the body, stay as they are.
 */
export function resealed(head: string, body: Uint8Array): Buffer {
  const plain = Buffer.concat([Buffer.from(`${head}\n`), body]);
  let h: Record<string, unknown>;
  try {
    h = JSON.parse(head) as Record<string, unknown>;
    if (canonicalize(h) !== head) return plain;
  } catch {
    return plain;
  }
  if (h['type'] !== 'certune-run-proof') return Buffer.concat([Buffer.from(sealedHeader(h, body)), body]);
  if (!Array.isArray(h['steps'])) return plain;
  let at = 0;
  const next = (words: unknown): string => sha256(body.subarray(at, (at += 8 * Number(words))));
  const steps = (h['steps'] as unknown[]).map((s) =>
      Array.isArray(s) ? s.map((p: unknown) => ({ ...(p as object), sha256: next((p as { words: unknown }).words) })) : s,
    ),
    merged = next(h['merge']);
  return Buffer.concat([Buffer.from(sealedHeader({ ...h, steps, merged })), body]);
}
