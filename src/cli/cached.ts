import { createRequire } from 'node:module';
import { canonicalJson } from '../hash/canonical.js';
import { CIRCUIT_VERSION } from '../circuit/program.js';
import type { Kernels } from '../kernels/runtime.js';
import { singleKernels } from '../kernels/single.js';
import { type Circuits, circuitsOf } from '../recursion/circuits.js';
import { RECURSION_VERSION } from '../recursion/key.js';
import type { Run } from '../run/facts.js';
import { policyOf } from '../run/policy.js';
import { programList } from '../run/programs.js';
import { Cache, cacheName } from '../store/cache.js';
import type { BaseFacts, GivenInputs } from '../setup/base.js';
import { PROOF_VERSION } from '../tensor/statement.js';
import type { Known } from '../verify/folded.js';

/*
 * What commands keep for those that follow (store/cache.ts), each under the digest of all that it follows from and of
 * the release that found it. Keys of circuits: their digests alone. Facts of a base: what a manifest says of it, under
 * the digests of its files. Facts that a verification found: that a base, or a seed, gives what a statement says.
 */

const KIND = 'key',
  BASE = 'base',
  HELD = 'held';

const release = (): string => (createRequire(import.meta.url)('../../package.json') as { version: string }).version;

/** Name of a run's key in the cache. */
function keyName(run: Run, k: Kernels): string {
  const { policy: _p, data: _d, ...config } = run.manifest.config,
    all = {
      version: release(),
      versions: [PROOF_VERSION, RECURSION_VERSION, CIRCUIT_VERSION],
      programs: programList(run.programs).map((p) => ({ digest: p.digest.map(String), options: p.plan.options })),
      config,
      policy: policyOf(run.manifest, k).vector.map(String),
    };
  return cacheName(canonicalJson(all));
}

/** Circuits of a run; the digest of their key is kept. */
export function circuitsKept(run: Run, cache = Cache.open()): Circuits {
  const k = singleKernels(),
    made = circuitsOf(k, run);
  cache?.put(KIND, keyName(run, k), Buffer.from(made.digest));
  return made;
}

/** Digest of the key of a run's circuits, if they were made before. */
export function keptKey(k: Kernels, run: Run, cache = Cache.open()): string | undefined {
  const text = cache?.get(KIND, keyName(run, k));
  return text && Buffer.from(text).toString();
}

/** Facts of a base from its files, or as they were found of the same files, and for the same template, before. */
export const keptFacts =
  (template: string | null, cache = Cache.open()): NonNullable<GivenInputs['facts']> =>
  (files, make) => {
    const name = cacheName(release(), JSON.stringify(template), ...files),
      text = cache?.get(BASE, name);
    // Under this user's own MAC: nobody else's text is read.
    if (text) return JSON.parse(Buffer.from(text).toString()) as BaseFacts;
    const facts = make();
    cache?.put(BASE, name, Buffer.from(canonicalJson(facts)));
    return facts;
  };

/** Facts that verifications of this user found. */
export function keptKnown(cache = Cache.open()): Known {
  const name = (fact: string): string => cacheName(release(), fact);
  return {
    has: (fact) => cache?.get(HELD, name(fact)) !== undefined,
    add: (fact) => cache?.put(HELD, name(fact), Buffer.from(fact)),
  };
}
