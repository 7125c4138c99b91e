import { sha256 } from '@noble/hashes/sha2.js';
import { type Bundle, offlineOnly, parseBundle } from './bundle.js';
import { concatBytes, fromHex, toHex } from './bytes.js';
import { IN_TOTO, verifyEnvelope } from './dsse.js';
import type { PublicKey } from './ecdsa.js';
import { InputError } from '../errors.js';
import { VerificationError } from '../transcript/arith.js';
import { Members, canonicalBytes } from './json.js';
import { type Subject, STATEMENT, collisions, compareFiles, nameProblem, parseStatement } from './statement.js';

/** Predicate type of OpenSSF Model Signing v1.0. */
export const MODEL_SIGNATURE = 'https://model_signing/signature/v1.0';

/** What every signer of the format leaves out, at the top of the folder. */
export const ALWAYS_IGNORED: readonly string[] = ['.git', '.gitattributes', '.github', '.gitignore'];

/** Name under which the signature of a folder lies in it. */
export const MODEL_SIG = 'model.sig';

/** Most bytes of a statement over a folder: some 20,000 files. */
const MAX_PAYLOAD = 4 << 20;

/**
 * Names that may be left out of a signature where they are there all the same: nothing that a loader of models reads
 * ends like this.
 */
const HARMLESS = /(^|\/)LICENSE[^/]*$|\.(md|log|png|jpe?g|gif|svg|pdf|sig|sigstore\.json)$/i;

/** A folder as its signer saw it. */
export interface SignedModel {
  readonly name: string;
  readonly files: readonly Subject[];
  /** Paths that were left out: a file, or a folder with all that is in it. */
  readonly ignored: readonly string[];
}

/**
 * A folder as it is: digest of every file that is not left out, and names of what is left out, the usual four and the
 * signature apart.
 */
export interface Listing {
  readonly files: ReadonlyMap<string, string>;
  readonly leftOut: readonly string[];
}

/** Order of code points, which differs from that of UTF-16 above U+FFFF. */
export function byCodePoint(a: string, b: string): number {
  const x = [...a],
    y = [...b],
    n = Math.min(x.length, y.length);
  for (let i = 0; i < n; i++) if (x[i] !== y[i]) return x[i].codePointAt(0)! - y[i].codePointAt(0)!;
  return x.length - y.length;
}

/** Root of a folder: SHA-256 over the raw digests of its files, in the order of the list. */
export const modelRoot = (files: readonly Subject[]): string => toHex(sha256(concatBytes(...files.map((f) => fromHex(f.sha256, f.name)))));

/** Whether a path is one of those left out, or lies below one. */
export const isIgnored = (path: string, ignored: readonly string[]): boolean => ignored.some((i) => path === i || path.startsWith(`${i}/`));

/** Canonical bytes of the statement over a folder: names in code point order, no symbolic link followed. */
export function modelStatement(name: string, files: readonly Subject[], signature = MODEL_SIG): Uint8Array {
  const sorted = [...files].sort((a, b) => byCodePoint(a.name, b.name));
  return canonicalBytes({
    _type: STATEMENT,
    subject: [{ name, digest: { sha256: modelRoot(sorted) } }],
    predicateType: MODEL_SIGNATURE,
    predicate: {
      resources: sorted.map((f) => ({ name: f.name, algorithm: 'sha256', digest: f.sha256 })),
      serialization: {
        method: 'files',
        hash_type: 'sha256',
        allow_symlinks: false,
        ignore_paths: [...ALWAYS_IGNORED, signature],
      },
    },
  });
}

/**
 * Reads the statement over a folder: whole files, SHA-256, no symbolic links, every name a plain relative path and
 * there once, the root that of the list. Throws InputError; VerificationError for another predicate or root.
 */
export function parseModel(payload: Uint8Array, where: string): SignedModel {
  const s = parseStatement(payload, where, MAX_PAYLOAD),
    problems: string[] = [];
  if (s.predicateType !== MODEL_SIGNATURE)
    throw new VerificationError(
      'predicate type',
      `${where} has the predicate type ${JSON.stringify(s.predicateType.slice(0, 100))}, not ${MODEL_SIGNATURE}`,
    );
  if (s.subject.length !== 1) throw new InputError(where, [`subject holds ${s.subject.length} entries, one folder is signed`]);
  const p = Members.of(s.predicate, where, 'predicate'),
    files = p.list('resources').map((r, i): Subject => {
      const one = Members.of(r, where, `predicate.resources.${i}`),
        name = one.string('name'),
        algorithm = one.string('algorithm'),
        sha256 = one.string('digest'),
        bad = nameProblem(name);
      if (algorithm !== 'sha256') problems.push(`${one.at('algorithm')} is ${JSON.stringify(algorithm.slice(0, 40))}, sha256 is read`);
      else if (!/^[0-9a-f]{64}$/.test(sha256)) problems.push(`${one.at('digest')} is no SHA-256`);
      if (bad) problems.push(`${one.at('name')}: ${JSON.stringify(name.slice(0, 100))} ${bad}`);
      return { name, sha256 };
    }),
    ignored = parseSerialization(p.child('serialization'), problems);
  p.end();
  const names = files.map((f) => f.name);
  if (new Set(names).size !== names.length) problems.push('predicate.resources names a file twice');
  problems.push(...collisions([...new Set(names)]).map((x) => `predicate.resources: ${x} are one name on some disks`));
  problems.push(...names.filter((n) => isIgnored(n, ignored)).map((n) => `${JSON.stringify(n)} is signed and left out at once`));
  if (!files.length) problems.push('predicate.resources is empty');
  if (problems.length) throw new InputError(where, problems);
  const root = modelRoot(files),
    { name = '', digest } = s.subject[0];
  if (digest['sha256'] !== root)
    throw new VerificationError(
      'root of the folder',
      `${where} names the root ${String(digest['sha256']).slice(0, 64)}, its files give ${root}`,
    );
  return { name, files, ignored };
}

/** Paths that were left out; everything else must be what is read here. Problems are added to the list. */
function parseSerialization(z: Members, problems: string[]): string[] {
  const method = z.string('method'),
    hash = z.string('hash_type');
  if (method !== 'files') problems.push(`${z.at('method')} is ${JSON.stringify(method.slice(0, 40))}, whole files are read`);
  if (hash !== 'sha256') problems.push(`${z.at('hash_type')} is ${JSON.stringify(hash.slice(0, 40))}, sha256 is read`);
  if (z.bool('allow_symlinks')) problems.push(`${z.at('allow_symlinks')} is true: symbolic links are never followed`);
  const ignored = z.has('ignore_paths') ? z.list('ignore_paths') : [];
  z.end();
  return ignored.flatMap((x, i) => {
    const bad = typeof x === 'string' ? nameProblem(x) : 'is no string';
    if (bad) problems.push(`${z.at(`ignore_paths.${i}`)} ${bad}`);
    return typeof x === 'string' ? [x] : [];
  });
}

/**
 * Verifies model.sig under the keys that the verifier gives: which key, and what it signs. Throws VerificationError,
 * InputError, VersionError.
 */
export function verifyModelSignature(bytes: Uint8Array, keys: readonly PublicKey[], where: string): { model: SignedModel; key: PublicKey } {
  const b: Bundle = parseBundle(bytes, where);
  offlineOnly(b, where);
  const key = verifyEnvelope(b.envelope, keys, IN_TOTO, where);
  return { model: parseModel(b.envelope.payload, where), key };
}

/**
 * Compares a signed folder with what is there. A signer may leave out whatever it likes, so that what is left out and
 * there all the same must be of a kind that no loader reads. Throws VerificationError naming every difference.
 */
export function compareModel(model: SignedModel, there: Listing, where: string): void {
  compareFiles(where, model.files, there.files);
  const risky = there.leftOut.filter((n) => !HARMLESS.test(n));
  if (risky.length)
    throw new VerificationError(
      'signed files',
      `${where}: left out by the signer, and a loader may read it: ${risky
        .slice(0, 20)
        .map((n) => JSON.stringify(n))
        .join(', ')}`,
    );
}
