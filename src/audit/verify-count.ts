import * as E from '../field/ext3.js';
import type { Kernels } from '../kernels/runtime.js';
import { rowsDepth } from '../policy/rows/depth.js';
import { emptyNode, levelAbove } from '../policy/table.js';
import { digestWords, type Manifest, manifestDigest } from '../run/manifest.js';
import type { DetachedClaim } from '../tensor/deferred.js';
import type { Plan } from '../tensor/plan.js';
import { type Ext, VerificationError } from '../transcript/arith.js';
import { publics, settleNative, verified } from '../verify/nodes.js';
import { type ClassTotal, type Count, countChallenge, expectedSums } from './count.js';
import { type PartShape, partCount, partShape, partWords, partsOf } from './part.js';

/** Root of the dataset's tree above the roots of its first parts; the others are empty. */
function rootAbove(k: Kernels, roots: readonly (readonly bigint[])[], height: number, depth: number): BigUint64Array {
  let level: BigUint64Array = BigUint64Array.from(roots.flat());
  for (let d = height; d < depth; d++) level = levelAbove(k, level, emptyNode(d));
  return level;
}

/** What can be told without a proof: sizes, number of rows, root, sums. Returns the challenge. */
function checkTotals(k: Kernels, m: Manifest, c: Count, part: PartShape): Ext {
  const { examples, classes, root } = m.dataset,
    manifest = manifestDigest(m),
    parts = partCount(examples, part);
  if (c.manifest !== manifest)
    throw new VerificationError('manifest of the count', `${c.manifest.slice(0, 80)}, not ${manifest}: it counts another dataset or run`);
  if (c.totals.length !== classes.length || c.parts.length !== parts)
    throw new VerificationError(
      'parts of the count',
      `${c.totals.length} classes in ${c.parts.length} parts, the manifest has ${classes.length} in ${parts}`,
    );
  const rows = c.totals.reduce((n, t) => n + t.rows, 0);
  if (rows !== examples) throw new VerificationError('number of rows', `the totals have ${rows} rows, the dataset ${examples}`);
  const above = rootAbove(
    k,
    c.parts.map((p) => p.root),
    part.height,
    rowsDepth(examples),
  );
  if (root.some((w, i) => BigInt(w) !== above[i]))
    throw new VerificationError('dataset root', 'the parts counted are not the rows of this dataset');
  const x = countChallenge(manifest, c.totals),
    want = expectedSums(x, c.totals),
    sum = (of: 'rows' | 'targets'): Ext => c.parts.reduce<Ext>((s, p) => E.add(s, p[of]), E.ZERO);
  for (const of of ['rows', 'targets'] as const)
    if (!E.eq(sum(of), want[of])) throw new VerificationError('class totals', `the ${of} by class are not those of the rows`);
  return x;
}

/**
 * Verifies the totals of every class over all rows under the manifest's root. Takes a few seconds for the circuit,
 * which follows from the manifest, and then some milliseconds a part. Throws VerificationError.
 */
export function verifyCount(
  k: Kernels,
  m: Manifest,
  c: Count,
  part = partShape(m),
): { readonly totals: readonly ClassTotal[]; readonly plan: Plan } {
  const x = checkTotals(k, m, c, part),
    { plan, key } = partsOf(k, part, m.config.proof.bits),
    context = digestWords(c.manifest),
    claims = c.parts.map((p): DetachedClaim => verified(k, plan, { ...publics(plan, partWords(x, p), key.digest), context }, p.proof));
  settleNative(k, key.stack, claims, 'circuit of the count', 'a claim on the fixed columns does not hold');
  return { totals: c.totals, plan };
}
