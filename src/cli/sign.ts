import { mkdirSync } from 'node:fs';
import { basename, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { InputError } from '../errors.js';
import { writeAtomic } from '../io/atomic.js';
import { IN_TOTO, pae } from '../provenance/dsse.js';
import { keyDigest } from '../provenance/ecdsa.js';
import { hashOnce, listFolder } from '../provenance/folder.js';
import { ALWAYS_IGNORED, MODEL_SIG, byCodePoint, modelStatement } from '../provenance/oms.js';
import { PREDICATE_TYPE, predicateOf } from '../provenance/predicate.js';
import { cosignHint, modelHint, readSigningKey, signStatement } from '../provenance/sign.js';
import { bundleJson } from '../provenance/bundle.js';
import { type Subject, collisions, nameProblem, statementBytes } from '../provenance/statement.js';
import { readProofFile } from '../store/proof.js';
import { PACK_NAME } from '../artifact/pack.js';
import type { Result } from './common.js';
import { releasedCards } from './cards.js';
import { UsageError } from './errors.js';
import { plain } from '../io/escape.js';
import { SIGNED, checkManifestFile, factsOfProof, openRelease } from './release.js';

export interface SignOptions {
  readonly key: string;
  /** Folder for what openssl needs: pae.bin, sig.der, key.pub. */ readonly pae?: string;
}

/**
 * Files that a statement is over: all but the two signatures and what belongs to a repository. The proof comes first.
 */
export function releasedFiles(dir: string, hash: (file: string) => string): Subject[] {
  const { files } = listFolder(dir, [...ALWAYS_IGNORED, MODEL_SIG, SIGNED], hash),
    names = [...files.keys()].sort((a, b) => Number(b === PACK_NAME) - Number(a === PACK_NAME) || byCodePoint(a, b)),
    problems = [
      ...names.flatMap((n) => {
        const bad =
          nameProblem(n) ?? (n === n.normalize('NFC') ? undefined : 'is not in Unicode form NFC, so that other systems store another name');
        return bad === undefined ? [] : [`${JSON.stringify(n)} ${bad}`];
      }),
      ...collisions(names).map((x) => `${x} are one name on some disks`),
    ];
  if (problems.length) throw new InputError(dir, problems, 'rename them');
  return names.map((name) => ({ name, sha256: files.get(name)! }));
}

/**
 * Signs a release, offline: run.sigstore.json, an in-toto statement about the run with every released file as a
 * subject, and model.sig over the whole folder as OpenSSF Model Signing has it. Nothing is verified here. Throws
 * UsageError, InputError, VerificationError.
 */
export function signRelease(dir: string, o: SignOptions): Result {
  // A release is published whole.
  const at = relative(resolve(dir), resolve(o.key));
  if (!isAbsolute(at) && at.split(sep)[0] !== '..')
    throw new UsageError(`--key: ${o.key} lies in the release, and would be released with it: move it elsewhere`);
  const key = readSigningKey(o.key),
    hash = hashOnce(),
    release = openRelease(dir),
    facts = factsOfProof(release.proof, readProofFile(release.proof));
  checkManifestFile(release, facts.manifest);
  const subjects = releasedFiles(dir, hash),
    payload = statementBytes(subjects, PREDICATE_TYPE, predicateOf({ ...facts, cards: releasedCards(subjects) })),
    envelope = signStatement(payload, key),
    signed = join(dir, SIGNED),
    model = join(dir, MODEL_SIG);
  writeAtomic(signed, bundleJson(envelope, cosignHint(key.public)));
  const all = [...listFolder(dir, [...ALWAYS_IGNORED, MODEL_SIG], hash).files].map(([name, sha256]): Subject => ({ name, sha256 }));
  writeAtomic(model, bundleJson(signStatement(modelStatement(basename(resolve(dir)), all), key), modelHint(key.pem)));
  const written = [signed, model];
  if (o.pae !== undefined) {
    mkdirSync(o.pae, { recursive: true });
    for (const [name, bytes] of [
      ['pae.bin', pae(IN_TOTO, payload)],
      ['sig.der', envelope.signature],
      ['key.pub', key.pem],
    ] as const) {
      writeAtomic(join(o.pae, name), bytes);
      written.push(join(o.pae, name));
    }
  }
  const digest = keyDigest(key.public);
  return {
    data: { signed: written, key: digest, files: subjects.length, predicateType: PREDICATE_TYPE, bytes: payload.length },
    text: [
      `signed ${subjects.length} files of ${dir} with the key ${digest}`,
      ...written.map((f) => `  wrote ${f}`),
      '  not in a transparency log; nothing of the proof was verified: certune verify does that',
    ]
      .map(plain)
      .join('\n'),
  };
}
