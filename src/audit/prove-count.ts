import type { Kernels } from '../kernels/runtime.js';
import { type RowShape, contentDigest, rowTargets, rowWords } from '../policy/rows/digest.js';
import { rowSalt } from '../policy/rows/opening.js';
import { layOut, proveLaidOut } from '../prove/node.js';
import { digestWords, manifestDigest, type Manifest } from '../run/manifest.js';
import type { Data } from '../run/inputs.js';
import { type ClassTotal, type Count, type CountPart, countChallenge } from './count.js';
import { type CountedRow, type PartInput, type Parts, partCircuit, partCount, partShape, partsOf } from './part.js';

/** Totals of every class. */
export function classTotals(classes: number, rows: Iterable<Pick<CountedRow, 'class' | 'targets'>>): ClassTotal[] {
  const out = Array.from({ length: classes }, () => ({ rows: 0, targets: 0 }));
  for (const r of rows) {
    out[r.class].rows++;
    out[r.class].targets += r.targets;
  }
  return out;
}

/** A row of a dataset as the count takes it. */
export function countedRow(shape: RowShape, data: Pick<Data, 'rows' | 'tree'>, row: number): CountedRow {
  const r = data.rows[row];
  return {
    content: contentDigest(rowSalt(data.tree.secret, row), rowWords(shape, r)),
    class: r.class,
    targets: rowTargets(shape, r),
    length: r.length,
  };
}

/** Proves one part. Throws Error naming the first check that fails. */
export function provePart(k: Kernels, parts: Parts, context: readonly bigint[], input: PartInput): CountPart {
  const laid = layOut(parts.circuit, (ch) => partCircuit(ch, parts.shape, input)),
    proof = proveLaidOut(k, parts.plan, laid, parts.key.digest, { context }),
    { words } = laid;
  return {
    root: words.slice(3, 7),
    rows: [words[7], words[8], words[9]],
    targets: [words[10], words[11], words[12]],
    proof,
  };
}

/** Proves the totals of every class over all rows of a dataset, part by part. */
export function proveCount(
  k: Kernels,
  m: Manifest,
  shape: RowShape,
  data: Pick<Data, 'rows' | 'tree'>,
  onPart: (part: number, of: number) => void = () => {},
  part = partShape(m),
): Count {
  const manifest = manifestDigest(m),
    context = digestWords(manifest),
    totals = classTotals(
      m.dataset.classes.length,
      data.rows.map((r) => ({ class: r.class, targets: rowTargets(shape, r) })),
    ),
    challenge = countChallenge(manifest, totals),
    parts = partsOf(k, part, m.config.proof.bits),
    size = 2 ** part.height,
    of = partCount(data.rows.length, part);
  return {
    manifest,
    totals,
    parts: Array.from({ length: of }, (_, p) => {
      onPart(p, of);
      const from = p * size,
        rows = Array.from({ length: Math.min(size, data.rows.length - from) }, (_, i) => countedRow(shape, data, from + i));
      return provePart(k, parts, context, { challenge, rows });
    }),
  };
}
