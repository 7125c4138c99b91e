import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomic } from '../io/atomic.js';
import { readBytes } from '../io/read-file.js';
import { InputError, reason } from '../errors.js';
import {
  type Card,
  bindingHash,
  cardText,
  checkParts,
  digestOfJson,
  parseCollateral,
  parseTime,
  timeText,
} from '../provenance/cards/card.js';
import { type VerifiedCard, attestedText, checkSubject, judgeCard, verifyCard } from '../provenance/cards/evaluate.js';
import type { Collateral } from '../provenance/cards/evidence.js';
import type { CardRules } from '../provenance/cards/rules.js';
import { toHex } from '../provenance/bytes.js';
import { Members, parseJson } from '../provenance/json.js';
import { parsePolicyFile } from '../provenance/policy.js';
import { type AnyProof, readProofFile } from '../store/proof.js';
import { cardsFolder } from './cards-folder.js';
import { cardContext, readCard, subjectOf } from './cards.js';
import { type Context, type Result, plain } from './common.js';
import { PolicyError, UsageError } from './errors.js';
import { isRelease, openRelease } from './release.js';
import { openTarget } from './target.js';

/** The proof of a run's folder, a release or a proof file. Throws InputError. */
function proofOf(target: string): { readonly file: string; readonly proof: AnyProof } {
  if (!isRelease(target)) return openTarget(target);
  const { proof: file } = openRelease(target);
  return { file, proof: readProofFile(file) };
}

/** Milliseconds since 1970 of an option. Throws UsageError. */
function timeOption(name: string, text: string | undefined): number {
  if (text === undefined) return Date.now();
  const t = parseTime(text);
  if (t === undefined) throw new UsageError(`${name}: "${text}" is no time such as 2026-11-28T12:00:00Z`);
  return t;
}

/** Newer collateral: a JSON object of base64 by name. Throws InputError. */
export const readCollateral = (file: string): Collateral =>
  parseCollateral(Members.of(parseJson(readBytes(file, 'card'), file, { bytes: 1 << 20 }), file));

export interface VerifyCardOptions {
  readonly certificate: string;
  readonly policy: string;
  /** Time of this verification, if not now. */ readonly at?: string;
  /** Newer collateral, by which the same evidence is judged too. */ readonly collateral?: string;
  /** The card of the CPU, for that of a GPU. */ readonly parent?: string;
}

/** How the same evidence fares by other collateral, at another time. */
function byNewer(
  c: Card,
  verify: (x: { collateral: Collateral; at: number }) => VerifiedCard,
  file: string,
  at: number,
  rules: CardRules,
): string {
  try {
    const v = verify({ collateral: readCollateral(file), at }),
      against = judgeCard(v, rules, at),
      status = v.evidence[0].status;
    return `by ${file} at ${timeText(at)}: ${against.length ? against.join('; ') : `still admitted${status === undefined ? '' : ` (${status})`}`}; at ${timeText(c.verifiedAt)} it was judged by its own`;
  } catch (e) {
    return `by ${file} at ${timeText(at)}: ${reason(e)}`;
  }
}

/**
 * Verifies one card against a run and a policy. Throws VerificationError, InputError, VersionError; PolicyError with
 * every reason.
 */
export function verifyCardFile(file: string, o: VerifyCardOptions, c: Pick<Context, 'cards'> = {}): Result {
  const now = timeOption('--at', o.at),
    rules = parsePolicyFile(readBytes(o.policy, 'policy'), o.policy).cards,
    card = readCard(file),
    own = rules?.[card.role],
    parent = o.parent === undefined ? undefined : readCard(o.parent),
    t = proofOf(o.certificate),
    subject = subjectOf(t.file, t.proof);
  if (!own) throw new PolicyError([`cards.${card.role}: the policy asks nothing of this role, so that nothing is expected of the card`]);
  const context = { ...(c.cards ?? cardContext)(now), rules: own };
  if (card.kind === 'nvidia-gpu') {
    if (!parent) throw new UsageError('--parent: give the card of the CPU that asked the GPU');
    const v = verifyCard(parent, subject, context, o.parent!),
      against = judgeCard(v, own, now);
    if (against.length) throw new PolicyError(against.map((x) => `${o.parent}: ${x}`));
  }
  const verify = (x: { collateral?: Collateral; at?: number }): VerifiedCard =>
      verifyCard(card, subject, { ...context, ...(parent ? { parent } : {}), ...x }, file),
    v = verify({}),
    against = judgeCard(v, own, now),
    newer = o.collateral === undefined ? [] : [byNewer(card, verify, o.collateral, now, own)];
  if (against.length) throw new PolicyError([...against, ...newer]);
  const says = [...attestedText(v), ...newer];
  return {
    data: {
      card: 'attested',
      kind: card.kind,
      role: card.role,
      binding: toHex(bindingHash(card.binding)),
      manifest: subject.manifest,
      certificate: subject.statement,
      verifiedAt: timeText(card.verifiedAt),
      machines: v.evidence.map((e) => e.machine ?? null),
      measurement: v.evidence[0].measurement,
      time: { status: v.time.from !== undefined && v.time.to !== undefined ? 'attested' : 'declared', says: v.time.says },
      // What a deployed model may name as where its weights come from.
      model_weights_provenance: subject.statement,
      says,
    },
    text: [`card ${file} (${card.kind}, ${card.role}) of ${subject.manifest}`, ...says.map((s) => `  ${s}`)].map(plain).join('\n'),
  };
}

/**
 * Puts cards beside a proof, whose bytes do not change. Each must be about it; their evidence is not verified. Throws
 * InputError, VerificationError.
 */
export function attachCards(target: string, files: readonly string[]): Result {
  const t = proofOf(target),
    subject = subjectOf(t.file, t.proof),
    dir = cardsFolder(t.file),
    cards = files.map((f) => {
      const c = readCard(f);
      checkParts(c, f);
      checkSubject(c, subject, f);
      return { c, at: join(dir, `${digestOfJson(c.binding).slice(7, 23)}.json`), from: f };
    });
  const twice = cards.find((x, i) => cards.findIndex((y) => y.at === x.at) !== i) ?? cards.find((x) => existsSync(x.at));
  if (twice) throw new InputError(twice.from, ['has the same binding as a card that is there'], `see ${twice.at}`);
  mkdirSync(dir, { recursive: true });
  for (const { c, at } of cards) writeAtomic(at, cardText(c));
  return {
    data: { attached: cards.map((x) => x.at), certificate: subject.statement },
    text: [...cards.map((x) => `wrote ${x.at}`), 'their evidence was not verified: certune card verify, or certune verify --policy']
      .map(plain)
      .join('\n'),
  };
}

/** What a card says of itself; nothing is verified. Throws InputError, VersionError. */
export function inspectCard(file: string): Result {
  const c = readCard(file),
    { package: p, image, measurement } = c.codeIdentity;
  return {
    data: {
      kind: c.kind,
      role: c.role,
      binding: { ...c.binding },
      bindingHash: toHex(bindingHash(c.binding)),
      codeIdentity: c.codeIdentity,
      constants: c.constants,
      evidence: { format: c.evidence.format, bytes: c.evidence.bytes.length },
      collateral: Object.fromEntries(Object.entries(c.collateral).map(([k, b]) => [k, b.length])),
      verifiedAt: timeText(c.verifiedAt),
      timestamps: c.timestamps.length,
      verified: false,
    },
    text: [
      `card of ${c.kind} for the role ${c.role}; nothing of it is verified`,
      `  manifest         ${c.binding.manifest}`,
      ...(c.binding.statement === undefined ? [] : [`  proof file       ${c.binding.statement}`]),
      `  asked with       ${toHex(bindingHash(c.binding)).slice(0, 32)}.. (declared until the evidence is verified)`,
      `  package          ${p.name} ${p.version}, ${p.integrity.slice(0, 24)}.. (declared until it is rebuilt${image === undefined ? '' : `; image ${image}`})`,
      ...Object.entries(measurement).map(([k, v]) => `  ${k.padEnd(16)} ${v}`),
      `  nonce            ${c.binding.challenge === undefined ? `${c.binding.nonce.slice(0, 32)}.. of nobody's challenge` : `of the challenge ${JSON.stringify(c.binding.challenge)}`}`,
      `  evidence         ${c.evidence.format}, ${c.evidence.bytes.length} bytes; collateral ${Object.keys(c.collateral).join(', ') || 'none'}`,
      `  to be judged at  ${timeText(c.verifiedAt)} (declared), ${c.timestamps.length} time stamps`,
      '  believing it means believing the maker of the hardware, and that nobody had physical access to the machine',
    ]
      .map(plain)
      .join('\n'),
  };
}
