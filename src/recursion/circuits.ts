import type { Kernels } from '../kernels/runtime.js';
import type { RecursionClass } from './class.js';
import { type RecursionKeys, recursionKeys } from './keys.js';
import { type VerificationKey, keyDigest } from './key.js';
import type { Run } from '../run/facts.js';
import { runClass } from './leaves.js';
import { zeroAccumulators } from '../run/commitments.js';

/** Circuits and keys of a run: they follow from its programs. */
export interface Circuits {
  readonly cls: RecursionClass;
  readonly keys: RecursionKeys;
  readonly zeroAcc: readonly bigint[];
  readonly digest: string;
  readonly seconds: number;
}

/** Circuits of a run and their keys: a few seconds. Throws UnsupportedError where the run cannot be folded. */
export function circuitsOf(k: Kernels, run: Run): Circuits {
  const t0 = performance.now(),
    zeroAcc = zeroAccumulators(run.programs),
    cls = runClass(run, zeroAcc),
    keys = recursionKeys(k, cls);
  return { cls, keys, zeroAcc, digest: keyDigest(keys.published), seconds: (performance.now() - t0) / 1000 };
}

/** Digest of a key as it lies in a file. */
export const digestOf = (key: Readonly<Record<string, unknown>>): string => keyDigest(key as unknown as VerificationKey);
