import { createHash } from 'node:crypto';
import { writeAtomic } from '../io/atomic.js';
import { jsonDocument } from '../io/json-text.js';
import { cyclonedx } from '../provenance/exports/cyclonedx.js';
import type { ExportFacts } from '../provenance/exports/facts.js';
import { hfCard } from '../provenance/exports/hf-card.js';
import { trainingSummaryJson, trainingSummaryText } from '../provenance/exports/training-summary.js';
import type { Result } from './common.js';
import { UsageError } from './errors.js';
import { type ManifestExportOptions, croissantOf } from './manifest.js';
import { exportFacts } from './release.js';

/**
 * Documents that are written from a run's proof: the same bytes for the same facts. `file` is where one goes, if it
 * goes into a file.
 */
const FORMATS: Readonly<Record<string, (f: ExportFacts, file: string | undefined, o: ExportOptions) => string>> = {
  cyclonedx,
  croissant: ({ manifest }, _file, o) => jsonDocument(croissantOf(manifest, o)),
  'hf-card': hfCard,
  'training-summary': (f, file) => (file?.endsWith('.md') ? trainingSummaryText(f) : trainingSummaryJson(f)),
};

/** For Croissant, what that format asks for and no manifest holds. */
export interface ExportOptions extends ManifestExportOptions {
  readonly format: string;
}

/** Writes a document about a run, a release or a proof file. Verifies nothing. Throws UsageError, InputError. */
export function exportRun(target: string, o: ExportOptions): Result {
  const write = Object.hasOwn(FORMATS, o.format) ? FORMATS[o.format] : undefined;
  if (!write) throw new UsageError(`--format: "${o.format}" is none of ${Object.keys(FORMATS).join(', ')}`);
  const text = write(exportFacts(target), o.output, o),
    sha256 = createHash('sha256').update(text).digest('hex');
  if (o.output === undefined) return { data: { format: o.format, sha256, document: text }, text: text.trimEnd() };
  writeAtomic(o.output, text);
  return { data: { format: o.format, sha256, file: o.output }, text: `wrote ${o.output}` };
}
