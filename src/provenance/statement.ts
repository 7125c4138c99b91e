import { InputError } from '../errors.js';
import { VerificationError } from '../transcript/arith.js';
import { type JsonObject, Members, canonicalBytes, parseJson } from './json.js';

export const STATEMENT = 'https://in-toto.io/Statement/v1';

/** Most bytes of a statement of this project: digests, not contents. */
export const MAX_STATEMENT = 64 << 10;

/** An in-toto Statement v1 of any predicate type. */
export interface Statement {
  readonly subject: readonly { readonly name?: string; readonly digest: Readonly<Record<string, string>> }[];
  readonly predicateType: string;
  readonly predicate: JsonObject;
}

/** A released file: its name relative to the release, and its SHA-256 in hexadecimal digits. */
export interface Subject {
  readonly name: string;
  readonly sha256: string;
}

/** Reads a statement of any predicate type; its predicate is not looked into. Throws InputError. */
export function parseStatement(bytes: Uint8Array, where: string, most = MAX_STATEMENT): Statement {
  const m = Members.of(parseJson(bytes, where, { bytes: most, numbers: 'all' }), where),
    type = m.string('_type');
  if (type !== STATEMENT) m.fail('_type', `is ${JSON.stringify(type.slice(0, 100))}, not ${STATEMENT}`);
  const subject = m.list('subject').map((s, i) => {
      const one = Members.of(s, where, `subject.${i}`),
        digest = one.child('digest'),
        names = one.has('name') ? { name: one.string('name') } : {};
      const entries = digest.keys().map((k) => [k, digest.string(k)] as const);
      if (!entries.length) digest.fail('', 'is empty');
      // Members of a ResourceDescriptor that this release does not use.
      for (const k of ['uri', 'content', 'downloadLocation', 'mediaType', 'annotations']) one.any(k);
      one.end();
      return { ...names, digest: Object.fromEntries(entries) };
    }),
    predicateType = m.string('predicateType');
  if (!subject.length) m.fail('subject', 'is empty');
  if (!/^[a-z][a-z0-9+.-]*:\S+$/i.test(predicateType)) m.fail('predicateType', 'is no URI');
  const predicate = m.any('predicate');
  if (predicate !== undefined && (typeof predicate !== 'object' || predicate === null || Array.isArray(predicate)))
    m.fail('predicate', 'is no object');
  m.end();
  return { subject, predicateType, predicate: (predicate ?? {}) as JsonObject };
}

/**
 * What is wrong with a name of a file inside a folder, if anything: relative, forward slashes, no step up, nothing that
 * a reader cannot see.
 */
export function nameProblem(name: string): string | undefined {
  if (name === '' || name.length > 1024) return 'is empty or too long';
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(name)) return 'holds a character that cannot be seen';
  if (name.includes('\\') || name.startsWith('/') || /^[a-z]:/i.test(name)) return 'is no relative path with forward slashes';
  if (name.split('/').some((p) => p === '' || p === '.' || p === '..')) return 'holds an empty part, "." or ".."';
  return undefined;
}

/**
 * The released files that a statement names. Throws InputError for a name that is no plain relative path, twice there,
 * without a SHA-256 or with another digest beside it.
 */
export function fileSubjects(s: Statement, where: string): Subject[] {
  const problems: string[] = [],
    seen = new Set<string>();
  const out = s.subject.map(({ name = '', digest }, i) => {
    const sha256 = Object.hasOwn(digest, 'sha256') ? digest['sha256'] : '',
      bad = nameProblem(name);
    if (bad) problems.push(`subject ${i}: the name ${JSON.stringify(name.slice(0, 100))} ${bad}`);
    if (seen.has(name)) problems.push(`subject ${i}: ${JSON.stringify(name)} is there twice`);
    if (!/^[0-9a-f]{64}$/.test(sha256)) problems.push(`subject ${i}: ${JSON.stringify(name.slice(0, 100))} has no SHA-256`);
    // Another reader may compare another digest, and find another file.
    else if (Object.keys(digest).length > 1)
      problems.push(`subject ${i}: ${JSON.stringify(name.slice(0, 100))} has digests beside SHA-256, which nothing here compares`);
    seen.add(name);
    return { name, sha256 };
  });
  if (problems.length) throw new InputError(where, problems);
  return out;
}

/**
 * Files whose names differ for a program and not for a reader, or not on every disk: equal but for case or Unicode
 * form.
 */
export function collisions(names: readonly string[]): string[] {
  const by = new Map<string, string>(),
    out: string[] = [];
  for (const n of names) {
    const key = n.normalize('NFC').toLowerCase(),
      other = by.get(key);
    if (other !== undefined) out.push(`${JSON.stringify(other)} and ${JSON.stringify(n)}`);
    by.set(key, n);
  }
  return out;
}

/** Canonical bytes of a statement over files. Throws InputError where it is larger than any reader would take. */
export function statementBytes(subjects: readonly Subject[], predicateType: string, predicate: Record<string, unknown>): Uint8Array {
  const bytes = canonicalBytes({
    _type: STATEMENT,
    subject: subjects.map(({ name, sha256 }) => ({ name, digest: { sha256 } })),
    predicateType,
    predicate,
  });
  if (bytes.length > MAX_STATEMENT)
    throw new InputError(
      'statement',
      [`has ${bytes.length} bytes, at most ${MAX_STATEMENT} are read`],
      'release fewer files, or sign the folder with model.sig alone',
    );
  return bytes;
}

/**
 * Compares released files with what is there: every subject with its digest, and no file that is not a subject. `there`
 * maps names to SHA-256. Throws VerificationError naming every difference.
 */
export function compareFiles(what: string, subjects: readonly Subject[], there: ReadonlyMap<string, string>): void {
  const named = new Map(subjects.map((s) => [s.name, s.sha256])),
    differs = [
      ...subjects
        .filter((s) => there.get(s.name) !== s.sha256)
        .map((s) => `${JSON.stringify(s.name)} ${there.has(s.name) ? 'has other bytes' : 'is not there'}`),
      ...[...there.keys()].filter((n) => !named.has(n)).map((n) => `${JSON.stringify(n)} is not among the signed files`),
    ];
  if (differs.length)
    throw new VerificationError(
      'signed files',
      `${what}: ${differs.slice(0, 20).join('; ')}${differs.length > 20 ? `; and ${differs.length - 20} more` : ''}`,
    );
}
