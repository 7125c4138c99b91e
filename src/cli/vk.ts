import canonicalize from 'canonicalize';
import { existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Manifest } from '../run/manifest.js';
import { SHIPPED } from '../verify/shipped.js';
import { manifestOf, readProofFile } from '../store/proof.js';
import { circuitsOf } from '../recursion/circuits.js';
import { keyDigest } from '../recursion/key.js';
import { writeAtomic } from '../io/atomic.js';
import { InputError } from '../errors.js';
import { KINDS } from '../circuit/rows.js';
import { singleKernels } from '../kernels/single.js';
import { checkFirst } from '../verify/first.js';
import { VerificationError } from '../transcript/arith.js';
import { type Context, type Result, manifestFile, readManifest, secondsText } from './common.js';
import { packFile } from './kept.js';
import { parseKey } from './target.js';
import { plain } from '../io/escape.js';
import { checkedRun } from '../run/facts.js';

/** The manifest of a run or of a proof, and the key that lies beside the proof, if it is folded. */
function source(target: string): { file: string; manifest: Manifest; key?: Readonly<Record<string, unknown>> } {
  if (!existsSync(target)) throw new InputError(target, ['does not exist'], 'give a run folder or a proof (run.certune)');
  const folder = statSync(target).isDirectory(),
    file = folder ? packFile(target) : target,
    proof = existsSync(file) ? readProofFile(file) : undefined,
    manifest = folder ? readManifest(target) : manifestOf(proof!);
  // Whatever else the manifest of a proof makes one compute comes after it.
  if (proof && proof.kind !== 'pack') checkFirst(singleKernels(), file, proof.kind === 'folded' ? proof.folded : proof.node);
  const key = proof?.kind === 'folded' ? proof.folded.key : proof?.kind === 'node' ? proof.node.key : undefined;
  return { file: folder ? manifestFile(target) : file, manifest, ...(key ? { key } : {}) };
}

/**
 * Computes the verification key of a run from its programs, without base or data, and compares it with that of the
 * proof, with the shipped ones and with --key. Throws VerificationError where they differ.
 */
export function vk(target: string, o: { readonly key?: string; readonly output?: string }, c: Context): Result {
  const given = parseKey(o.key),
    { file, manifest, key } = source(target),
    run = checkedRun(file, manifest),
    k = singleKernels();
  c.progress.line('circuits of the verifier and their columns, from the programs');
  const { cls, keys, digest, seconds } = circuitsOf(k, run),
    names = ['fold', ...cls.leaves.map((l) => `leaf of ${l.count} ${l.kind}${l.count > 1 ? 's' : ''}`), 'end'],
    circuits = names.map((name, i) => ({
      name,
      digest: keys.digests[i],
      rows: KINDS.reduce((n, kind) => n + cls.rows[i][kind], 0),
      permutations: cls.rows[i].P + cls.rows[i].M,
      byKind: cls.rows[i],
    })),
    shipped = SHIPPED.find((x) => x.digest === digest)?.name,
    differs: string[] = [];
  const of = key === undefined ? undefined : keyDigest(key),
    own = given === undefined ? undefined : 'key' in given ? keyDigest({ ...given.key }) : given.digest;
  if (of !== undefined && of !== digest) differs.push(`the proof was made under ${of}`);
  if (own !== undefined && own !== digest) differs.push(`the key given is ${own}`);
  if (differs.length) throw new VerificationError('verification key', `the programs of the manifest give ${digest}; ${differs.join('; ')}`);
  if (o.output !== undefined) {
    c.writes(dirname(resolve(o.output)));
    writeAtomic(o.output, `${canonicalize(keys.published)!}\n`);
  }
  const compared = [
    `proof: ${of === undefined ? 'none to compare with' : 'the same'}`,
    `shipped with this release: ${shipped === undefined ? 'not among them' : `the same (${shipped})`}`,
    ...(own === undefined ? [] : ['given: the same']),
  ];
  return {
    data: {
      digest,
      published: keys.published,
      circuits,
      seconds,
      proof: of === undefined ? null : 'same',
      shipped: shipped ?? null,
      ...(own === undefined ? {} : { given: 'same' }),
      ...(o.output === undefined ? {} : { file: o.output }),
    },
    text: [
      `${digest}, computed from the programs in ${secondsText(seconds)}`,
      ...circuits.map(
        (x) =>
          `  ${x.name.padEnd(Math.max(...names.map((n) => n.length)))}  ${x.digest}  ${x.rows} rows, ${x.permutations} of them permutations`,
      ),
      ...compared.map((x) => `  ${x}`),
      ...(o.output === undefined ? [] : [`  written to ${o.output}`]),
    ]
      .map(plain)
      .join('\n'),
  };
}
