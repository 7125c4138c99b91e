import { decodeCount, encodeCount } from '../audit/file.js';
import type { Count } from '../audit/count.js';
import { proveCount } from '../audit/prove-count.js';
import { verifyCount } from '../audit/verify-count.js';
import { inFile } from '../io/source.js';
import { writeAtomic } from '../io/atomic.js';
import { singleKernels } from '../kernels/single.js';
import { rowShape } from '../policy/rows/digest.js';
import { gather, programLedger, tagged } from '../run/ledger.js';
import type { Manifest } from '../run/manifest.js';
import { type Context, type ProverOptions, type Result, bitsText, bytesText, kernels, plain, secondsText } from './common.js';
import { committed } from './committed.js';

export interface CountOptions extends ProverOptions {
  readonly output: string;
}

/** Totals as the commands say them: numbers are proved, what a class is called is declared. */
const said = (m: Manifest, c: Pick<Count, 'totals'>): { class: number; rows: number; targets: number; declared: object }[] =>
  c.totals.map((t, i) => ({ class: i, ...t, declared: m.dataset.classes[i] }));
const lines = (m: Manifest, c: Pick<Count, 'totals'>): string[] =>
  c.totals.map((t, i) => {
    const d = m.dataset.classes[i];
    return `  class ${i}: ${t.rows} rows, ${t.targets} targets; declared: source ${plain(d.source)}, licence ${plain(d.license)}, language ${plain(d.language)}`;
  });

/**
 * Proves how many rows and targets every class has over the whole dataset. Throws InputError, UsageError.
 */
export async function auditCount(run: string, o: CountOptions, c: Context): Promise<Result> {
  const { s, digest } = committed(run),
    { manifest } = s.run,
    k = await kernels(o),
    t0 = performance.now();
  try {
    const count = proveCount(k, manifest, rowShape(manifest.config.train.sequence, manifest.base.shape.vocab), s.inputs.data, (p, of) =>
        c.progress.line(`part ${p + 1} of ${of}`),
      ),
      bytes = encodeCount(count);
    writeAtomic(o.output, bytes);
    c.progress.line(
      'the file is not zero-knowledge: it says the totals of every class, and its proof tells more of the classes and targets of single rows; it holds no text',
    );
    return {
      data: { file: o.output, manifest: digest, bytes: bytes.length, parts: count.parts.length, classes: said(manifest, count) },
      text: [
        `counted ${manifest.dataset.examples} rows in ${count.parts.length} parts: ${o.output}, ${bytesText(bytes.length)}, ${secondsText((performance.now() - t0) / 1000)}`,
        ...lines(manifest, count),
      ].join('\n'),
    };
  } finally {
    k.close();
  }
}

/** Checks a file of audit count against a manifest, alone. Throws VerificationError, InputError. */
export function checkCount(file: string, m: Manifest): Result {
  const count = decodeCount(file, inFile(file)),
    { plan } = verifyCount(singleKernels(), m, count),
    bits = gather(tagged(programLedger(plan), 'part', count.parts.length)).roundByRound;
  return {
    data: { verified: true, manifest: count.manifest, rows: m.dataset.examples, bits, classes: said(m, count) },
    text: [`verified: totals of all ${m.dataset.examples} rows of the dataset (${bitsText(bits)} bits)`, ...lines(m, count)].join('\n'),
  };
}
