import { createRequire } from 'node:module';
import canonicalize from 'canonicalize';
import { CIRCUIT_VERSION } from '../circuit/program.js';
import { singleKernels } from '../kernels/single.js';
import { type Circuits, circuitsOf } from '../recursion/circuits.js';
import { RECURSION_VERSION } from '../recursion/key.js';
import type { Run } from '../run/facts.js';
import { policyOf } from '../run/policy.js';
import { programList } from '../run/programs.js';
import { Cache, cacheName } from '../store/cache.js';
import { PROOF_VERSION } from '../tensor/statement.js';

/*
 * Keys of circuits, kept between commands (store/cache.ts): their digests alone, under the digest of all that circuits
 * follow from (runClass) and of the release that made them.
 */

const KIND = 'key';

/** Name of a run's key in the cache. */
function keyName(run: Run): string {
  const { policy: _p, data: _d, ...config } = run.manifest.config,
    { version } = createRequire(import.meta.url)('../../package.json') as { version: string },
    all = {
      version,
      versions: [PROOF_VERSION, RECURSION_VERSION, CIRCUIT_VERSION],
      programs: programList(run.programs).map((p) => ({ digest: p.digest.map(String), options: p.plan.options })),
      config,
      policy: policyOf(run.manifest, singleKernels()).vector.map(String),
    };
  return cacheName(canonicalize(all)!);
}

/** Circuits of a run; the digest of their key is kept. */
export function circuitsKept(run: Run, cache = Cache.open()): Circuits {
  const made = circuitsOf(singleKernels(), run);
  cache?.put(KIND, keyName(run), Buffer.from(made.digest));
  return made;
}

/** Digest of the key of a run's circuits, if they were made before. */
export function keptKey(run: Run, cache = Cache.open()): string | undefined {
  const text = cache?.get(KIND, keyName(run));
  return text && Buffer.from(text).toString();
}
