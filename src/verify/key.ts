import * as z from '../schema.js';
import { type Kind, KINDS } from '../circuit/rows.js';
import { InputError, VersionError } from '../errors.js';
import { describeIssues } from '../run/schema.js';
import { PROOF_VERSION } from '../tensor/statement.js';
import { type VerificationKey, RECURSION_VERSION } from '../recursion/key.js';
import { type FoldedLedger, foldedLedger } from './ledger.js';
import type { Run } from '../run/facts.js';

const count = (most: number, least = 1): z.NumberSchema => z.number().int().min(least).max(most),
  root = z.array(z.string().regex(/^(0|[1-9]\d{0,19})$/)).length(4),
  // Public words are made one by one: far more than any statement has, and nothing beside. A circuit without ids has
  // none of the rows that look them up.
  height = (k: Kind): z.NumberSchema => count(k === 'U' ? 2 ** 12 : 2 ** 24, k === 'T' || k === 'I' ? 0 : 1),
  heights = z.object(Object.fromEntries(KINDS.map((k) => [k, height(k)])) as Record<Kind, z.NumberSchema>);

/**
 * A published key as it may come from anyone: sizes bounded, so that whatever is made from it takes no time; not all of
 * them have plans.
 */
const schema = z.object({
  type: z.literal('certune-key'),
  version: z.literal(RECURSION_VERSION),
  proofVersion: z.literal(PROOF_VERSION),
  programs: z
    .array(z.string().regex(/^sha256:[0-9a-f]{64}$/))
    .min(1)
    .max(2),
  leaves: z
    .array(z.object({ kind: z.oneOf(['step', 'micro', 'update']), count: count(64) }))
    .min(1)
    .max(3),
  proof: z.object({
    bits: count(128),
    programRate: count(8),
    rate: count(8),
    endRate: count(8),
    settleRates: z.array(count(8)).length(3),
    grinding: z.number().int().min(0).max(32),
  }),
  heights,
  endHeights: heights,
  baseVars: count(40),
  root,
  endRoot: root,
});

/**
 * Checks the shape of a key; it is not trusted for that. Throws InputError naming every field, VersionError for another
 * version.
 */
export function parsePublished(file: string, raw: unknown): VerificationKey {
  const k = raw as Partial<VerificationKey> | null;
  if (k?.type !== 'certune-key') throw new InputError(file, ['holds no certune-key'], 'certune vk -o writes one');
  if (k.version !== RECURSION_VERSION) throw new VersionError(file, k.version, RECURSION_VERSION);
  if (k.proofVersion !== PROOF_VERSION) throw new VersionError(file, k.proofVersion, PROOF_VERSION);
  const r = schema.safeParse(raw);
  if (!r.success) throw new InputError(file, describeIssues(r.issues, 'key', raw));
  return r.data;
}

/**
 * Ledger of a folded run under a key that nobody has checked. Throws InputError where it describes no circuits, or none
 * that prove such a run.
 */
export function ledgerUnder(file: string, run: Pick<Run, 'manifest' | 'programs'>, key: VerificationKey, hides?: true): FoldedLedger {
  try {
    return foldedLedger(run, key, hides);
  } catch (e) {
    throw new InputError(
      file,
      [`its key describes no circuits for this run: ${(e as Error).message}`],
      'not a Certune proof, or a damaged one',
    );
  }
}
