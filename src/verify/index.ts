/**
 * certune/verify: bytes of a proof in, verdict out. Synchronous and without state; no Node module, no prover and no
 * library but hashes, canonical JSON and SPDX expressions are in its graph, so that a page verifies what the command
 * line verifies, by the same code.
 *
 *     const v = verify(bytes, { key: { digest: 'sha256:...' }, root: '64 hexadecimal digits' });
 *     if (v.accepted) console.log(v.check.losses); else console.error(v.reason.message);
 */
import { type FoldedRun, type NodeFile, FOLDED_TYPE, NODE_TYPE, decodeFolded, decodeNode } from '../artifact/folded.js';
import { decodeCertificate, isCertificate } from '../artifact/certificate.js';
import { headerLine } from '../artifact/header.js';
import { inMemory } from '../artifact/source.js';
import { InputError, UnsupportedError, VersionError } from '../errors.js';
import type { Kernels } from '../kernels/runtime.js';
import { verifierKernels } from '../kernels/verify.js';
import type { Circuits } from '../recursion/circuits.js';
import { type Run, checkedRun } from '../run/facts.js';
import { VerificationError } from '../transcript/arith.js';
import type { Held } from './certificate.js';
import { checkFirst } from './first.js';
import { type Against, type FoldedCheck, verifyFoldedRun, verifyNodeFile } from './folded.js';
import { Seeded } from './known.js';
import { type FoldedLedger, foldedLedger } from './ledger.js';
import { SHIPPED } from './shipped.js';
import { type GivenKey, type KeyOrigin, type Shipped, trustedKey } from './trust.js';

export { InputError, UnsupportedError, VersionError } from '../errors.js';
export type { Kernels } from '../kernels/runtime.js';
export { verifierKernels } from '../kernels/verify.js';
export type { Base, Data, Inputs } from '../run/inputs.js';
export { type Run, checkedRun } from '../run/facts.js';
export type { Manifest } from '../run/manifest.js';
export { VerificationError } from '../transcript/arith.js';
export type { Against, Compared, FoldedCheck, Known } from './folded.js';
export type { FoldedLedger } from './ledger.js';
export { SHIPPED } from './shipped.js';
export { type GivenKey, type KeyOrigin, type Shipped, originText } from './trust.js';
export { viewOf } from './view.js';

/** Whose word the verification key is, and what the proof is compared with beyond its manifest. */
export interface VerifyOptions extends Against {
  /** A key that the caller trusts: its digest, or itself. */ readonly key?: GivenKey;
  /** Keys that are trusted without being given; by default those of this release. */
  readonly shipped?: readonly Shipped[];
  /**
   * Makes the circuits of a run from its programs, which takes seconds and a prover's modules (recursion/circuits.ts):
   * for keys that are neither given nor shipped, and for ranges.
   */
  readonly circuits?: (run: Run) => Circuits;
  /** Digest that the circuits of this run gave when they were made before: not asked for again where a proof has it. */
  readonly kept?: (run: Run) => string | undefined;
  /** What else there is to compare with: asked for once the key is trusted. */ readonly atHand?: (run: Run) => Against;
  /** False: a key is not recomputed, so that one that is neither given nor shipped is refused. */
  readonly recompute?: boolean;
  /** Kernels to use again; by default new ones. */ readonly kernels?: Kernels;
  /** What the proof is called in messages. */ readonly file?: string;
}

/** What an accepted proof establishes, and what it was compared with. */
export interface Accepted {
  readonly accepted: true;
  /** 'certificate': a whole run too, and its proof adds nothing to what it says. */
  readonly kind: 'certificate' | 'run' | 'epoch' | 'range';
  readonly run: Run;
  readonly check: FoldedCheck;
  readonly key: KeyOrigin;
  readonly ledger: FoldedLedger;
}

/**
 * Why a proof was not accepted: it cannot be read, is of another version or a kind that is not verified here, or does
 * not hold.
 */
export interface Refused {
  readonly accepted: false;
  readonly reason: InputError | VersionError | UnsupportedError | VerificationError;
}

const keptBefore = (kept: string | undefined): { kept?: string } => (kept === undefined ? {} : { kept });

/**
 * Verifies a proof that was read: its key is one that is trusted, its statement holds, and the statement is about this
 * run, whose manifest is the proof's own. `before`: what checkFirst found of it. Throws VerificationError naming what
 * differs, UnsupportedError where the run has no circuits.
 */
export function verifyRead(run: Run, x: FoldedRun | NodeFile, o: VerifyOptions = {}, before?: Held): Accepted {
  const k = o.kernels ?? verifierKernels(),
    node = 'from' in x ? x : undefined;
  let made: Circuits | undefined;
  const circuits = (): Circuits => {
    if (!o.circuits) throw new UnsupportedError(['a range is verified by the circuits themselves: give what makes them']);
    made ??= o.circuits(run);
    return made;
  };
  const { key, origin } = trustedKey(x.key, run, {
    ...(o.key ? { given: o.key } : {}),
    shipped: o.shipped ?? SHIPPED,
    ...(o.key ? {} : keptBefore(o.kept?.(run))),
    ...(o.circuits && o.recompute !== false ? { recompute: () => ({ key: circuits().keys.published, seconds: circuits().seconds }) } : {}),
  });
  // A range is verified by the circuits themselves: the key that was said to be trusted must be theirs.
  if (node && circuits().digest !== origin.digest)
    throw new VerificationError('verification key', `the programs of the manifest give ${circuits().digest}, not ${origin.digest}`);
  // Base, data, adapter and state are read and made for a proof under a key that somebody vouches for.
  const more: Against = { ...o, ...o.atHand?.(run) },
    // A seeded start follows from the manifest.
    initial = more.initial ?? (run.manifest.config.lora.from === null ? new Seeded(run) : undefined),
    against: Against = { ...more, ...(initial ? { initial } : {}) },
    check = 'from' in x ? verifyNodeFile(k, run, x, circuits(), against) : verifyFoldedRun(k, run, x, key, against, before),
    { hides } = 'from' in x ? {} : x,
    kind = node ? (check.epoch === undefined ? 'range' : 'epoch') : hides ? 'certificate' : 'run',
    ledger = foldedLedger(run, node ? circuits().keys.published : key, hides);
  return { accepted: true, kind, run, check, key: origin, ledger };
}

/** Whatever of them the bytes say that they are. Throws InputError, VersionError. */
function decoded(file: string, proof: Uint8Array): FoldedRun | NodeFile {
  const source = inMemory(proof);
  if (isCertificate(source)) return decodeCertificate(file, source);
  const { type } = headerLine(file, source).head;
  if (type !== FOLDED_TYPE && type !== NODE_TYPE)
    throw new InputError(
      file,
      [`is neither a certificate nor ${FOLDED_TYPE} nor ${NODE_TYPE}`],
      'a pack of step proofs is verified with base and data: certune verify',
    );
  return type === NODE_TYPE ? decodeNode(file, source) : decodeFolded(file, source);
}

/**
 * Verifies the bytes of a certificate, of a folded run, or of a range of one. Whatever they are, the answer is a
 * verdict; only a fault of the verifier itself is thrown.
 */
export function verify(proof: Uint8Array, o: VerifyOptions = {}): Accepted | Refused {
  const file = o.file ?? 'proof';
  try {
    const x = decoded(file, proof),
      kernels = o.kernels ?? verifierKernels();
    // Whatever else the manifest makes one compute comes after it.
    const before = checkFirst(kernels, file, x);
    return verifyRead(checkedRun(file, x.manifest), x, { ...o, kernels }, before);
  } catch (reason) {
    if (
      reason instanceof InputError ||
      reason instanceof VersionError ||
      reason instanceof UnsupportedError ||
      reason instanceof VerificationError
    )
      return { accepted: false, reason };
    throw reason;
  }
}
