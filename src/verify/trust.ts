import { InputError, VersionError } from '../errors.js';
import type { Run } from '../run/facts.js';
import { programList } from '../run/programs.js';
import { type PublishedKey, RECURSION_VERSION, type VerificationKey, digestText, keyDigest } from '../recursion/key.js';
import { PROOF_VERSION } from '../tensor/statement.js';
import { VerificationError } from '../transcript/arith.js';
import { NotGivenError } from './folded.js';
import { parsePublished } from './key.js';

/**
 * Where a verifier has a verification key from. A key that comes with the proof alone is nobody's word but the
 * prover's.
 */
export type KeyOrigin =
  | { readonly from: 'recomputed'; readonly digest: string; readonly seconds: number }
  /** Recomputed before, by whoever verifies now. */
  | { readonly from: 'kept'; readonly digest: string }
  | { readonly from: 'shipped'; readonly digest: string; readonly name: string }
  | { readonly from: 'given'; readonly digest: string };

/** A key as its user gave it: its digest, or itself. */
export type GivenKey = { readonly digest: string } | { readonly key: VerificationKey };

export interface Shipped {
  readonly name: string;
  readonly digest: string;
}

const refuse = (why: string): never => {
  throw new VerificationError('verification key', why);
};

/** Digest of whatever lies beside a proof: what is nested too deep for canonical JSON is no key. */
function digestOfHostile(key: PublishedKey): string {
  try {
    return keyDigest(key);
  } catch (e) {
    if (e instanceof RangeError) return refuse('the proof holds none that could be written as canonical JSON');
    throw e;
  }
}

/**
 * The key beside a proof, once its digest is one that somebody vouches for: checked like any other. Throws
 * VerificationError.
 */
function vouchedFor(published: PublishedKey): VerificationKey {
  try {
    return parsePublished('the key beside the proof', published);
  } catch (e) {
    if (e instanceof InputError || e instanceof VersionError) return refuse(e.message);
    throw e;
  }
}

/** The parts of a key that a manifest fixes. Throws VerificationError naming those that differ. */
function fits(key: VerificationKey, run: Run): void {
  if (key.version !== RECURSION_VERSION || key.proofVersion !== PROOF_VERSION)
    refuse(
      `is one of recursion ${String(key.version)} and proof version ${String(key.proofVersion)}, this release verifies ${RECURSION_VERSION} and ${PROOF_VERSION}: use the release that proved it`,
    );
  const want = programList(run.programs).map((p) => digestText(p.digest)),
    { proof } = run.manifest.config;
  if (!Array.isArray(key.programs) || key.programs.join() !== want.join()) refuse('is that of other programs than the manifest describes');
  if (proof.hash === 'blake3') refuse('is that of a run whose proofs are hashed with BLAKE3, says the manifest: no circuit verifies those');
  if (key.proof?.bits !== proof.bits) refuse(`is one of ${key.proof?.bits} bits, the manifest says ${proof.bits}`);
  if (key.proof.programRate !== proof.rate)
    refuse(`is one of program proofs at rate 2^-${key.proof.programRate}, the manifest says 2^-${proof.rate}`);
}

/** Whether a key is given, or the one beside the proof shipped: then none is recomputed. */
export const vouched = (published: PublishedKey, given: GivenKey | undefined, shipped: readonly Shipped[]): boolean =>
  given !== undefined || shipped.some((x) => x.digest === digestOfHostile(published));

/**
 * The key under which a proof is verified, and whose word it is: given by the user, shipped with the release, or
 * recomputed from the manifest's programs. `published` is the one that lies beside the proof: it is used only where one
 * of the three has its digest. Throws VerificationError otherwise, NotGivenError where no key is at hand to compare.
 */
export function trustedKey(
  published: PublishedKey,
  run: Run,
  o: {
    readonly given?: GivenKey;
    readonly shipped: readonly Shipped[];
    /** Digest that the programs of this run gave when its key was recomputed before. */ readonly kept?: string;
    /** Absent: not to be recomputed. */
    readonly recompute?: () => { readonly key: VerificationKey; readonly seconds: number };
  },
): { key: VerificationKey; origin: KeyOrigin } {
  const digest = digestOfHostile(published);
  if (o.given) {
    const want = 'key' in o.given ? keyDigest(o.given.key) : o.given.digest;
    if (want !== digest) refuse(`the proof was made under ${digest}, the key given is ${want}`);
    const key = 'key' in o.given ? o.given.key : vouchedFor(published);
    fits(key, run);
    return { key, origin: { from: 'given', digest } };
  }
  const entry = o.shipped.find((x) => x.digest === digest);
  if (entry) {
    const key = vouchedFor(published);
    fits(key, run);
    return { key, origin: { from: 'shipped', digest, name: entry.name } };
  }
  if (o.recompute && o.kept === digest) {
    const key = vouchedFor(published);
    fits(key, run);
    return { key, origin: { from: 'kept', digest } };
  }
  if (!o.recompute)
    throw new NotGivenError(
      'verification key',
      `${digest} came with the proof alone: it is the prover's word for what was proved, so nothing is verified. Give it with --key from a source that you trust, or let it be recomputed (without --no-recompute)`,
    );
  const { key, seconds } = o.recompute(),
    recomputed = keyDigest(key);
  if (recomputed !== digest) refuse(`the proof was made under ${digest}, the programs of the manifest give ${recomputed}`);
  return { key, origin: { from: 'recomputed', digest, seconds } };
}

/** The origin in words. */
export const originText = (o: KeyOrigin): string =>
  o.from === 'recomputed'
    ? `recomputed from the programs in ${o.seconds.toFixed(1)} s`
    : o.from === 'shipped'
      ? `shipped with this release (${o.name})`
      : o.from === 'kept'
        ? 'recomputed from the programs before, by you'
        : 'given by you';
