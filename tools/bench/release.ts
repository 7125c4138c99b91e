/**
 * What a signature of a release costs its verifier beside hashing the files: both signatures, every file compared, for
 * 50 files of 2 MiB each. The proof and what it is compared with are not in it.
 */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  IN_TOTO,
  MODEL_SIG,
  PREDICATE_TYPE,
  compareFiles,
  compareModel,
  fileSubjects,
  modelStatement,
  parseBundle,
  parsePublicKey,
  parseStatement,
  statementBytes,
  verifyEnvelope,
  verifyModelSignature,
} from 'certune/provenance';
import { hashFile, listFolder, readSigningKey, signedBundle, signedModel } from 'certune/provenance/node';
import { median, say } from './common.js';

const SIGNED = 'run.sigstore.json',
  ROUNDS = 9;

export interface ReleaseRow {
  readonly files: number;
  readonly MiB: number;
  /** Milliseconds: the files hashed, and everything else. */ readonly hashMs: number;
  readonly restMs: number;
  /** The same of the first round, while code is compiled. */ readonly firstMs: number;
  readonly signMs: number;
}

/** One verification: milliseconds of hashing, and of all else. */
function verified(dir: string, pem: string): { hash: number; rest: number } {
  let hash = 0;
  const start = performance.now(),
    known = new Map<string, string>(),
    // Each file is hashed once for both signatures, as the command does.
    timed = (file: string): string => {
      const t = performance.now(),
        h = known.get(file) ?? hashFile(file);
      known.set(file, h);
      hash += performance.now() - t;
      return h;
    },
    key = parsePublicKey(pem, 'key.pub'),
    { envelope } = parseBundle(readFileSync(join(dir, SIGNED)), SIGNED);
  verifyEnvelope(envelope, [key], IN_TOTO, SIGNED);
  const subjects = fileSubjects(parseStatement(envelope.payload, SIGNED), SIGNED),
    { model } = verifyModelSignature(readFileSync(join(dir, MODEL_SIG)), [key], MODEL_SIG);
  compareFiles(dir, subjects, listFolder(dir, [MODEL_SIG, SIGNED], timed).files);
  compareModel(model, listFolder(dir, model.ignored, timed), MODEL_SIG);
  return { hash, rest: performance.now() - start - hash };
}

function row(files: number, bytes: number): ReleaseRow {
  const dir = mkdtempSync(join(tmpdir(), 'certune-bench-release-')),
    keys = mkdtempSync(join(tmpdir(), 'certune-bench-key-'));
  try {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' }),
      pem = publicKey.export({ type: 'spki', format: 'pem' }) as string;
    writeFileSync(join(keys, 'key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    for (let i = 0; i < files; i++) writeFileSync(join(dir, `file-${i}.bin`), new Uint8Array(bytes).fill(i));
    const key = readSigningKey(join(keys, 'key.pem')),
      there = (ignored: string[]) => [...listFolder(dir, ignored).files].map(([name, sha256]) => ({ name, sha256 })),
      subjects = there([MODEL_SIG, SIGNED]),
      t = performance.now();
    writeFileSync(join(dir, SIGNED), signedBundle(statementBytes(subjects, PREDICATE_TYPE, {}), key));
    const signMs = performance.now() - t;
    writeFileSync(join(dir, MODEL_SIG), signedModel(modelStatement('release', there([MODEL_SIG])), key));
    const rounds = Array.from({ length: ROUNDS }, () => verified(dir, pem)),
      [first, ...rest] = rounds;
    return {
      files,
      MiB: (files * bytes) / 2 ** 20,
      hashMs: median(rest.map((r) => r.hash)),
      restMs: median(rest.map((r) => r.rest)),
      firstMs: first.rest,
      signMs,
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
    rmSync(keys, { recursive: true, force: true });
  }
}

export function releaseRows(): ReleaseRow[] {
  return [50, 500].map((files) => {
    const r = row(files, files === 50 ? 2 << 20 : 64 << 10);
    say(`${files} files: ${r.restMs.toFixed(1)} ms beside ${r.hashMs.toFixed(1)} ms of hashing`);
    return r;
  });
}
