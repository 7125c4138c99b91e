import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { digestText } from '../hash/sha256.js';
import { writeAtomic } from '../io/atomic.js';
import { CLAIM_FACTS, CLAIMS, comparedOf } from '../verify/claims.js';
import { reportHtml } from '../web/report.js';
import type { GivenFile } from '../web/view.js';
import { type Context, type Result, version } from './common.js';
import { UsageError } from './errors.js';
import { type VerifyOptions, openTarget, parseKey } from './target.js';
import { needsHand } from './verify-opened.js';
import { findFolded, proofOf } from './verify-folded.js';

export interface ReportOptions extends Omit<VerifyOptions, 'commitBase'> {
  /** Where the document goes. */ readonly output: string;
}

/** A file as a report names it: by its name, not by the folder that it lay in. */
const given = (role: string, file: string): GivenFile => {
  const bytes = readFileSync(file);
  return { role, name: basename(file), bytes: bytes.length, digest: digestText(bytes) };
};

/**
 * Verifies a certificate, a folded run, or a range of one, and writes what was found as a static document. Nothing is
 * written where the proof is not accepted. Throws what verify throws.
 */
export async function report(target: string, o: ReportOptions, c: Context): Promise<Result> {
  const key = parseKey(o.key),
    t = openTarget(target),
    { proof } = t;
  if (proof.kind === 'pack')
    throw new UsageError(`${t.file} is a pack of step proofs: a report is made of a certificate, a folded run or a range`);
  const hand = needsHand({ target: t, given: key }, o) ? await import('./at-hand.js') : undefined,
    { verdict, claims, adapter } = findFolded(t, proofOf(proof), { ...o, given: key }, c, hand),
    html = reportHtml(
      {
        verdict,
        claims,
        files: [
          given('Proof', t.file),
          ...(adapter === undefined
            ? []
            : [
                given('Adapter, values', join(adapter, 'adapter_model.safetensors')),
                given('Adapter, configuration', join(adapter, 'adapter_config.json')),
              ]),
        ],
        how: Object.fromEntries(CLAIMS.map((k) => [k, `certune verify compares it with ${CLAIM_FACTS[k].option}.`])),
        open: true,
      },
      version(),
    );
  writeAtomic(o.output, html);
  return {
    data: { file: o.output, kind: verdict.kind, verified: { proof: 'checked', ...comparedOf(claims) }, bits: verdict.ledger.roundByRound },
    text: `wrote ${o.output}`,
  };
}
