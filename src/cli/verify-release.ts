import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { InputError } from '../errors.js';
import { writeAtomic } from '../io/atomic.js';
import type { Result, Context } from './common.js';
import { plain } from '../io/escape.js';
import { PolicyError, UsageError } from './errors.js';
import type { Judged } from './judge.js';
import type { Signed } from './signed.js';
import { type RuleVerdict, type VerifierPolicy, admitted, parsePolicyFile } from '../provenance/policy.js';
import { manifestOf, readProofFile } from '../store/proof.js';
import { readBytes } from '../io/read-file.js';
import { type Release, SIGNED, isRelease, openRelease } from './release.js';
import { parseTime } from '../provenance/cards/card.js';
import { cardsFolder } from './cards-folder.js';
import type { VerifyOptions } from './target.js';
import { verify } from './verify.js';
import { verifiedWhole } from './verify-opened.js';
import { verifiedFiles, weightsOf } from './weights.js';

export interface ReleaseOptions extends VerifyOptions {
  /** Public keys of whom the release may be signed by. */ readonly signer?: string[];
  readonly trustedRoot?: string;
  readonly identity?: string;
  readonly issuer?: string;
  /** A verifier's policy. */ readonly policy?: string;
  /** Where the verifier's own summary goes, its key and its name. */
  readonly emitSvr?: string;
  readonly svrKey?: string;
  readonly verifierId?: string;
  /** Time of the verification, if not now. */ readonly at?: string;
}

const MARK: Readonly<Record<RuleVerdict['verdict'], string>> = {
  passed: 'passed       ',
  denied: 'DENIED       ',
  'not evaluated': 'NOT EVALUATED',
};

/** Options that cannot be meant, before anything is read. */
function checkOptions(o: ReleaseOptions): void {
  const wrong = [
    ...(o.emitSvr !== undefined && (o.svrKey === undefined || o.verifierId === undefined)
      ? ['--emit-svr: give --svr-key KEY (your own) and --verifier-id URI']
      : []),
    ...(o.emitSvr === undefined && (o.svrKey !== undefined || o.verifierId !== undefined)
      ? ['--svr-key and --verifier-id are for --emit-svr']
      : []),
    ...((o.identity === undefined) !== (o.issuer === undefined) ? ['--identity and --issuer go together'] : []),
    ...(o.trustedRoot !== undefined && o.identity === undefined && !o.signer?.length
      ? ['--trusted-root: give --identity and --issuer, or --signer: a root alone says nothing of who signed']
      : []),
    ...(o.identity !== undefined && o.trustedRoot === undefined ? ['--identity: give --trusted-root FILE'] : []),
    ...(o.identity !== undefined && o.signer?.length ? ['--signer and --identity are two ways of signing: give one'] : []),
  ];
  if (wrong.length) throw new UsageError(wrong.join('; '));
}

/** Seconds since 1970 of --at, or now. Throws UsageError. */
function timeOf(at: string | undefined): number {
  if (at === undefined) return Math.floor(Date.now() / 1000);
  const t = parseTime(at);
  if (t === undefined) throw new UsageError(`--at: "${at}" is no time such as 2026-11-28T12:00:00Z`);
  return t / 1000;
}

/**
 * Verifies a run, a release or a proof file: first the signature and every signed file, which is cheap, then the proof,
 * then the policy. Throws VerificationError, InputError, VersionError, UsageError; PolicyError with the verdict of
 * every rule.
 */
export async function verifyRelease(target: string, o: ReleaseOptions, c: Context): Promise<Result> {
  checkOptions(o);
  const now = timeOf(o.at),
    policy = o.policy === undefined ? undefined : { file: o.policy, bytes: readBytes(o.policy, 'policy') },
    rules: VerifierPolicy | undefined = policy && parsePolicyFile(policy.bytes, policy.file),
    // Signatures, cards and rules are read where there are any: who verifies a file alone waits for none of it.
    own = o.svrKey === undefined ? undefined : (await import('./verify-summary.js')).ownKey(o.svrKey),
    release: Release | undefined = isRelease(target) ? openRelease(target) : undefined,
    asked = Boolean(o.signer?.length) || o.identity !== undefined;
  if (asked && !release)
    throw new InputError(target, ['is no release: a folder with run.certune in it'], 'certune sign makes a signed one');
  let signed: Signed | undefined;
  if (asked && release) {
    if (o.adapter !== undefined && (release.adapter === undefined || resolve(o.adapter) !== resolve(release.adapter)))
      throw new UsageError('--adapter: a signed release is verified with its own adapter');
    signed = await (await import('./signed.js')).verifySigned(release, {
      signer: o.signer ?? [],
      ...(o.trustedRoot === undefined ? {} : { root: o.trustedRoot }),
      ...(o.identity === undefined ? {} : { identity: { identity: o.identity, issuer: o.issuer! } }),
    });
    if (own && signed.keys.includes(own.digest))
      throw new UsageError('--svr-key is the key that signed the release: a verifier signs with its own');
    c.progress.line(`signed: ${signed.text}`);
  }
  const proof = release?.proof ?? proofOf(target),
    result = await verify(
      release?.proof ?? target,
      { ...o, ...(o.adapter === undefined && release?.adapter !== undefined ? { adapter: release.adapter } : {}) },
      c,
    ),
    { signer: _s, policy: _p, ...rest } = o,
    // After the proof, which no card repairs.
    cardsRead = existsSync(cardsFolder(proof)) ? await import('./cards.js') : undefined,
    cards = cardsRead?.judgeCards(proof, rules?.cards, 1000 * now, c.cards) ?? [],
    judged: Judged = { target, release, result, signed, cards, now, options: rest },
    verdicts = rules && (await import('./judge.js')).judgePolicy(rules, judged),
    files = (): ReturnType<typeof verifiedFiles> =>
      verifiedFiles(result, proof, o.adapter ?? release?.adapter ?? join(target, 'out', 'adapter')),
    lines = (verdicts ?? []).map((v) => `  ${MARK[v.verdict]}  ${v.rule}: ${v.reason}`);
  if (verdicts && !admitted(verdicts)) {
    for (const l of lines) c.progress.line(plain(l), true);
    const bad = verdicts.filter((v) => v.verdict !== 'passed');
    throw new PolicyError(
      bad.map((v) => `${v.rule} ${v.verdict === 'denied' ? 'is denied' : 'could not be evaluated, which counts as denied'}: ${v.reason}`),
      verdicts,
    );
  }
  const said = [
    ...(signed
      ? [`  signed by ${signed.text}`]
      : release && existsSync(join(release.dir, SIGNED))
        ? ['  signed: not checked (give --signer key.pub)']
        : []),
    ...(cardsRead?.cardLines(cards) ?? []),
    ...(verdicts ? [`policy ${o.policy}: ${verdicts.length} rules, all passed`, ...lines] : []),
  ];
  const svr = o.emitSvr;
  if (svr !== undefined && own) {
    const { summary } = await import('./verify-summary.js');
    writeAtomic(svr, summary(judged, { verifier: o.verifierId!, key: own.key, subjects: files(), policy, verdicts, rules }));
    said.push(`wrote ${svr}, signed by the verifier's key ${own.digest}`);
  }
  return {
    data: {
      ...result.data,
      ...(signed ? { signed: { by: signed.keys, ...(signed.identity ? signed.identity : {}), files: signed.subjects.length } } : {}),
      ...(cards.length ? { cards } : {}),
      ...(verdicts ? { rules: verdicts } : {}),
      ...(verifiedWhole(result) ? { claims: weightsOf(result, files(), () => manifestOf(readProofFile(proof)).base.digest) } : {}),
      ...(svr === undefined ? {} : { svr }),
    },
    text: [result.text, ...said.map(plain)].join('\n'),
  };
}

/** The proof file of a run's folder, or the file itself. */
const proofOf = (target: string): string => {
  const inRun = join(target, 'out', 'proof', 'run.certune');
  return existsSync(inRun) ? inRun : target;
};
