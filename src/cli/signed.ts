import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { offlineOnly, parseBundle } from '../provenance/bundle.js';
import { IN_TOTO, verifyEnvelope } from '../provenance/dsse.js';
import { type PublicKey, keyDigest, parsePublicKey } from '../provenance/ecdsa.js';
import { hashOnce, listFolder } from '../provenance/folder.js';
import { type Identity, type KeylessOptions, verifyKeyless } from '../provenance/keyless.js';
import { ALWAYS_IGNORED, MODEL_SIG, compareModel, parseModel, verifyModelSignature } from '../provenance/oms.js';
import { PREDICATE_TYPE, comparePredicate } from '../provenance/predicate.js';
import { type Subject, compareFiles, fileSubjects, parseStatement } from '../provenance/statement.js';
import { readProofFile } from '../store/proof.js';
import { VerificationError } from '../transcript/arith.js';
import { createHash } from 'node:crypto';
import { readBytes, readText } from '../io/read-file.js';
import { releasedCards } from './cards.js';
import { type Release, SIGNED, checkManifestFile, factsOfProof } from './release.js';

/** Who may have signed, as the verifier says it. */
export interface SignerOptions {
  /** Files of public keys. */ readonly signer: readonly string[];
  /** trusted_root.json, the only root that is believed. */ readonly root?: string;
  readonly identity?: Identity;
}

/** A release whose signature and files were verified. */
export interface Signed {
  /** Digest of the key that signed; none for a short-lived certificate. */ readonly keys: readonly string[];
  readonly identity?: Identity & { readonly trustedRoot: string };
  readonly subjects: readonly Subject[];
  /** Seconds since 1970 of the earliest signed time, where there is one. */ readonly signedAt?: number;
  readonly text: string;
}

/** A verified statement: its bytes, and under which of the keys. */
interface Opened {
  readonly payload: Uint8Array;
  readonly key?: PublicKey;
  readonly logged: number;
  readonly signedAt?: number;
}

/** Verifies a bundle under the verifier's keys, without a root or with one, or under an identity. */
async function open(file: string, keys: readonly PublicKey[], o: SignerOptions): Promise<Opened> {
  const bytes = readBytes(file, 'envelope');
  if (o.root === undefined) {
    const b = parseBundle(bytes, file);
    offlineOnly(b, file);
    return { key: verifyEnvelope(b.envelope, keys, IN_TOTO, file), payload: b.envelope.payload, logged: 0 };
  }
  const root = readBytes(o.root, 'envelope'),
    check = (signer: KeylessOptions['signer']): ReturnType<typeof verifyKeyless> => verifyKeyless(bytes, file, { root, signer });
  if (o.identity) return { ...payloadOf(await check(o.identity), file) };
  let last: unknown;
  for (const key of keys)
    try {
      return { ...payloadOf(await check({ keys: [key] }), file), key };
    } catch (e) {
      last = e;
    }
  throw last;
}

function payloadOf(r: Awaited<ReturnType<typeof verifyKeyless>>, file: string): { payload: Uint8Array; logged: number; signedAt: number } {
  if (!r.payload) throw new InputError(file, ['signs a file as a whole: a statement in a DSSE envelope is read']);
  return { payload: r.payload, logged: r.logEntries, signedAt: r.signedAt };
}

/**
 * Verifies the signatures of a release and compares every file with them, and the statement with what the proof file
 * says of itself. The proof is not verified here. Throws VerificationError, InputError, VersionError.
 */
export async function verifySigned(release: Release, o: SignerOptions): Promise<Signed> {
  const file = join(release.dir, SIGNED),
    model = join(release.dir, MODEL_SIG),
    keys = o.signer.map((f) => parsePublicKey(readText(f, 'key'), f));
  if (!existsSync(file)) throw new InputError(file, ['does not exist: the release is not signed'], 'certune sign RELEASE --key key.pem');
  const opened = await open(file, keys, o),
    s = parseStatement(opened.payload, file);
  if (s.predicateType !== PREDICATE_TYPE)
    throw new VerificationError(
      'predicate type',
      `${file} has the predicate type ${JSON.stringify(s.predicateType.slice(0, 200))}, not ${PREDICATE_TYPE}`,
    );
  const subjects = fileSubjects(s, file),
    hash = hashOnce(),
    there = listFolder(release.dir, [...ALWAYS_IGNORED, MODEL_SIG, SIGNED], hash);
  compareFiles(release.dir, subjects, there.files);
  let also = '';
  if (existsSync(model)) {
    const signed =
      o.root === undefined
        ? verifyModelSignature(readBytes(model, 'envelope'), keys, model).model
        : parseModel((await open(model, keys, o)).payload, model);
    compareModel(signed, listFolder(release.dir, signed.ignored, hash), model);
    also = `, ${MODEL_SIG} over ${signed.files.length} files`;
  }
  const facts = factsOfProof(release.proof, readProofFile(release.proof));
  checkManifestFile(release, facts.manifest);
  comparePredicate(s.predicate, { ...facts, cards: releasedCards(subjects) }, file);
  const by = opened.key ? `the key ${keyDigest(opened.key)}` : `${o.identity!.identity} (${o.identity!.issuer})`;
  return {
    keys: opened.key ? [keyDigest(opened.key)] : [],
    ...(o.identity && o.root !== undefined
      ? { identity: { ...o.identity, trustedRoot: `sha256:${createHash('sha256').update(readBytes(o.root, 'envelope')).digest('hex')}` } }
      : {}),
    subjects,
    ...(opened.signedAt === undefined ? {} : { signedAt: opened.signedAt }),
    text: `${by}: ${subjects.length} files${also}; ${opened.logged ? `${opened.logged} log entries under the trusted root` : 'not in a log'}`,
  };
}
