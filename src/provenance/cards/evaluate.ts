import { sha384 } from '@noble/hashes/sha2.js';
import { concatBytes, fromHex, sameBytes, toHex } from '../bytes.js';
import { InputError, reason } from '../../errors.js';
import { VerificationError } from '../../transcript/arith.js';
import { type Card, type Constants, ROLES, type Role, bindingHash, checkParts, digestOfJson, gpuNonce, timeText } from './card.js';
import type { Anchors, Collateral, Evidence } from './evidence.js';
import { type DcapVerifier, NotCheckedError, verifyEvidence } from './judge-evidence.js';
import type { CardRules } from './rules.js';
import { verifyTimeStamp } from './time-stamp.js';
import { parseCertificates } from './x509.js';

/* Cards are verified against the run that they name, then judged by what the verifier's policy expects. */

/** The run that a card must be about, as the verifier found it. */
export interface CardSubject {
  /** Digest of the manifest. */ readonly manifest: string;
  /** Digest of the proof file. */ readonly statement: string;
  /** Constants of the run; a card need not name the key. */ readonly constants: Omit<Constants, 'seedSource'>;
}

export interface CardContext {
  readonly anchors: Anchors;
  readonly dcap?: DcapVerifier;
  /** Milliseconds since 1970 of this verification. */ readonly now: number;
}

/** What is known of when the evidence was made. */
export interface CardTime {
  /** Milliseconds since 1970, both attested or known to the verifier; absent where nothing says it. */
  readonly from?: number;
  readonly to?: number;
  readonly says: string;
}

export interface VerifiedCard {
  readonly card: Card;
  readonly evidence: readonly Evidence[];
  readonly time: CardTime;
}

function refuseCard(check: 'card binding' | 'card time' | 'card log', what: string): never {
  throw new VerificationError(check, what);
}

/** The card must be about this run. Throws VerificationError ('card binding'). */
export function checkSubject(c: Card, s: CardSubject, where: string): void {
  if (c.binding.manifest !== s.manifest)
    refuseCard('card binding', `${where}: it is about the manifest ${c.binding.manifest}, the run has ${s.manifest}`);
  if (c.binding.statement !== undefined && c.binding.statement !== s.statement)
    refuseCard('card binding', `${where}: it is about the proof file ${c.binding.statement}, this one is ${s.statement}`);
  for (const name of ['program', 'parameters', 'soundnessBits'] as const)
    if (c.constants[name] !== s.constants[name])
      refuseCard('card binding', `${where}: its ${name} is ${c.constants[name]}, the run has ${s.constants[name]}`);
  const key = c.constants.verificationKey;
  if (key !== undefined && key !== s.constants.verificationKey)
    refuseCard('card binding', `${where}: its verification key is ${key}, the run has ${s.constants.verificationKey ?? 'none'}`);
}

/**
 * Registers that a log extends, replayed from zero, must be those of the evidence. Throws VerificationError ('card
 * log').
 */
function replay(c: Card, e: Evidence, where: string): void {
  const log = c.codeIdentity.eventLog;
  if (!log) return;
  const prefix =
      c.kind === 'tdx'
        ? 'rtmr'
        : c.kind === 'nitro'
          ? 'pcr'
          : refuseCard('card log', `${where}: evidence of ${c.kind} has no registers that a log extends`),
    registers = new Map<number, Uint8Array>();
  for (const x of log) {
    if (x.digest.length !== 96) refuseCard('card log', `${where}: an event has ${x.digest.length / 2} bytes, the registers have 48`);
    registers.set(x.register, sha384(concatBytes(registers.get(x.register) ?? new Uint8Array(48), fromHex(x.digest, where))));
  }
  for (const [i, v] of registers)
    if (e.measurement[`${prefix}${i}`] !== toHex(v)) refuseCard('card log', `${where}: the log does not give the register ${prefix}${i}`);
}

/** What the hardware was told must be the whole of the binding's hash. */
function checkReportData(c: Card, e: Evidence, parent: Card | undefined, where: string): void {
  const want = c.kind === 'nvidia-gpu' ? (parent ? gpuNonce(c.binding, parent.binding) : undefined) : bindingHash(c.binding);
  if (!want) return refuseCard('card binding', `${where}: its parent is not there`);
  if (!sameBytes(e.reportData, want))
    refuseCard('card binding', `${where}: what the hardware signed is not the hash of the binding (all ${want.length} bytes are compared)`);
}

/**
 * Between a bound below, from a challenge of the verifier's or the evidence's own clock, and one above, from a
 * time-stamping authority, `verifiedAt` must lie. Throws VerificationError ('card time').
 */
function checkTime(c: Card, e: Evidence, r: CardRules | undefined, now: number, where: string): CardTime {
  const known = r?.challenges?.find((x) => x.value === c.binding.challenge),
    extra = c.collateral['tsa'] ? parseCertificates(c.collateral['tsa'], `${where}: collateral.tsa`) : [],
    roots = r?.timestampAuthorities ?? [],
    // Without an authority that the verifier names, a token says nothing.
    stamps = roots.length
      ? c.timestamps.map((t, i) => verifyTimeStamp(t, c.evidence.bytes, { roots, more: extra }, `${where}: timestamps.${i}`))
      : [],
    below = [...(known ? [known.notBefore] : []), ...(e.signedAt === undefined ? [] : [e.signedAt])],
    above = [...stamps.map((s) => s.by), ...(e.signedAt === undefined ? [] : [e.signedAt])],
    from = below.length ? Math.max(...below) : undefined,
    to = above.length ? Math.min(...above) : undefined,
    at = c.verifiedAt;
  if (at > now) refuseCard('card time', `${where}: verifiedAt ${timeText(at)} is after the time of this verification`);
  // The clock of the evidence has more digits than the card's.
  if (from !== undefined && at < Math.floor(from / 1000) * 1000)
    refuseCard('card time', `${where}: verifiedAt ${timeText(at)} is before ${timeText(from)}, when its nonce could be known`);
  const upper = stamps.length ? Math.min(...stamps.map((s) => s.by)) : undefined;
  if (upper !== undefined && at > upper)
    refuseCard('card time', `${where}: verifiedAt ${timeText(at)} is after ${timeText(upper)}, by which the evidence existed`);
  if (from !== undefined && to !== undefined && from > to + 1000)
    refuseCard('card time', `${where}: its nonce could be known ${timeText(from)}, after the evidence existed (${timeText(to)})`);
  const says =
    from !== undefined && to !== undefined
      ? `made between ${timeText(from)} and ${timeText(to)}`
      : `${from === undefined ? '' : `made after ${timeText(from)}; `}${to === undefined ? '' : `made before ${timeText(to)}; `}time declared (${timeText(at)})`;
  return { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }), says };
}

/** The verifier's roots: those of the vendors, and what the policy names for those that publish none. */
const anchorsFor = (a: Anchors, r: CardRules | undefined): Anchors => ({ ...a, nvidia: [...a.nvidia, ...(r?.nvidiaKeys ?? [])] });

/**
 * Verifies a card: its parts, the run that it is about, its evidence at verifiedAt, the 64 bytes, measurements and log,
 * and its time. The rules give challenges, authorities and keys; whether what is attested is expected is judgeCard's
 * question. Throws VerificationError, InputError, NotCheckedError.
 */
export function verifyCard(
  c: Card,
  s: CardSubject,
  o: CardContext & { readonly rules?: CardRules; readonly parent?: Card; readonly collateral?: Collateral; readonly at?: number },
  where: string,
): VerifiedCard {
  checkParts(c, where);
  checkSubject(c, s, where);
  const evidence = verifyEvidence(
    c.kind,
    c.evidence.bytes,
    o.collateral ?? c.collateral,
    { anchors: anchorsFor(o.anchors, o.rules), ...(o.dcap ? { dcap: o.dcap } : {}) },
    o.at ?? c.verifiedAt,
    where,
  );
  if (c.kind === 'nvidia-gpu' && c.binding.parent !== (o.parent && digestOfJson(o.parent.binding)))
    refuseCard('card binding', `${where}: its parent is another card than the one of the CPU`);
  for (const e of evidence) {
    checkReportData(c, e, o.parent, where);
    if (digestOfJson(e.measurement) !== digestOfJson(c.codeIdentity.measurement))
      refuseCard('card binding', `${where}: the card's measurement is not that of the evidence`);
    replay(c, e, where);
  }
  // Reports and quotes begin with their version; nothing signs what the card calls them.
  const named = /-v(\d)$/.exec(c.evidence.format);
  if (named && Number(named[1]) !== c.evidence.bytes[0])
    throw new InputError(where, [`evidence.format is ${c.evidence.format}, the evidence has version ${c.evidence.bytes[0]}`]);
  return { card: c, evidence, time: checkTime(c, evidence[0], o.rules, o.now, where) };
}

const meets = (want: Readonly<Record<string, string>>, have: Readonly<Record<string, string>>): boolean =>
  Object.entries(want).every(([k, v]) => have[k] === v);

/** Least versions must be reached by every version that the platform shows. */
function tcbReasons(e: Evidence, r: CardRules): string[] {
  if (!e.tcb || r.allow.includes('any-tcb')) return [];
  const least = r.leastTcb[e.product!];
  if (!least) return [`the policy names no least TCB for ${e.product} (leastTcb, or allow "any-tcb")`];
  return Object.entries(least).flatMap(([part, want]) =>
    e.tcb!.flatMap((t) =>
      // Bits of mitigations must all be there; versions may be higher.
      part === 'mitigations'
        ? ((t[part] ?? 0) & want) === want
          ? []
          : [`a mitigation of ${want} is not in force`]
        : (t[part] ?? -1) >= want
          ? []
          : [`its ${part} is ${t[part] ?? 'none'}, at least ${want} is asked for`],
    ),
  );
}

/** Why a verified card is not admitted; empty where it is. */
export function judgeCard(v: VerifiedCard, r: CardRules, now: number): string[] {
  const { card, evidence } = v,
    [e] = evidence,
    gpu = card.kind === 'nvidia-gpu',
    expected = gpu ? (r.gpus?.measurements ?? []) : r.measurements,
    { package: p, image } = card.codeIdentity,
    listed = gpu ? r.gpus?.machines : r.machines;
  const out = [
    ...(r.kinds && !gpu && !r.kinds.includes(card.kind)
      ? [`the kind ${card.kind} is not among ${r.kinds.join(', ') || 'those allowed: none is'}`]
      : []),
    ...evidence.flatMap((x) =>
      expected?.some((want) => meets(want, x.measurement))
        ? []
        : [`its measurement is not among the ${expected?.length ?? 0} that the policy expects`],
    ),
    ...(r.packages && !r.packages.includes(p.integrity) ? ['its package is not among those allowed'] : []),
    ...(r.images && !(image !== undefined && r.images.includes(image)) ? ['its image is not among those allowed'] : []),
    ...evidence.flatMap((x) => [
      ...(listed && !(x.machine !== undefined && listed.includes(x.machine))
        ? [`the machine ${x.machine ?? 'without a name'} is not among those allowed`]
        : []),
      ...(r.deniedMachines?.some((d) => d === x.machine) ? [`the machine ${x.machine} is denied`] : []),
      ...x.findings.filter((f) => !r.allow.includes(f.relax)).map((f) => `${f.says} (allow "${f.relax}" admits it)`),
    ]),
    ...(e.product !== undefined && !r.products.includes(e.product)
      ? [`the product ${e.product} is denied${e.product === 'Milan' ? ': its root of keys was taken by software alone (2026)' : ''}`]
      : []),
    ...tcbReasons(e, r),
    ...(e.status !== undefined && !r.statuses.includes(e.status) ? [`its status is ${e.status}`] : []),
    ...(e.advisories ?? []).filter((a) => !r.advisories.includes(a)).map((a) => `the advisory ${a} is open`),
    // A GPU is asked with the hash of its CPU's binding, which holds the challenge.
    ...(r.challenges && !gpu && !r.challenges.some((x) => x.value === card.binding.challenge)
      ? [`its nonce comes from none of the ${r.challenges.length} challenges that the policy names`]
      : []),
    ...(r.timestampAuthorities && v.time.to === undefined ? ['no authority that the policy names says by when it existed'] : []),
    ...(r.seedSource && !r.seedSource.includes(card.constants.seedSource) ? [`its seed is ${card.constants.seedSource}`] : []),
  ];
  if (r.greatestAgeDays !== undefined) {
    const { from } = v.time;
    if (from === undefined)
      out.push('nothing says that it is not older than the policy allows: its nonce comes from no challenge that the policy names');
    else if (now - from > r.greatestAgeDays * 86400_000)
      out.push(`it may be ${((now - from) / 86400_000).toFixed(1)} days old, at most ${r.greatestAgeDays} are allowed`);
  }
  return out;
}

/** A card that was looked at: counted, or why not. */
export interface CardVerdict {
  readonly file: string;
  readonly kind?: string;
  readonly role?: Role;
  readonly counted: boolean;
  /** Names of the machines of a counted card. */ readonly machines?: readonly string[];
  /** Whether it was refused as false, malformed, not admitted, or not looked at. */ readonly status:
    | 'attested'
    | 'refused'
    | 'denied'
    | 'not evaluated';
  readonly says: readonly string[];
}

/** What an attested card says, in words that do not say more. */
export function attestedText(v: VerifiedCard): string[] {
  const { card, evidence, time } = v,
    [e] = evidence,
    measured = Object.entries(e.measurement)
      .slice(0, 2)
      .map(([k, x]) => `${k} ${x.slice(0, 16)}${x.length > 16 ? '..' : ''}`)
      .join(', ');
  return [
    `attested: the key of ${e.vendor} (root ${e.root.slice(0, 23)}..) says that the code ${measured} ran ${e.product ? `on ${e.product}` : ''} ${e.machine ? `machine ${e.machine.slice(0, 16)}` : 'on a machine without a name'}, ${time.says}`.replace(
      / {2,}/g,
      ' ',
    ),
    `assumes that nobody had physical access to the machine, and that the vendor's keys are its own; that the measured code is ${card.codeIdentity.package.name} ${card.codeIdentity.package.version} is declared unless it was rebuilt`,
    ...(card.role === 'prover' ? ['a prover needs no trust: this card adds nothing to what the proof shows'] : []),
    ...evidence.flatMap((x) => x.says),
  ];
}

/** A card file, read or not. */
export interface CardFile {
  readonly file: string;
  readonly card: Card | Error;
}

/** Where each binding stands first. */
function firstOf(files: readonly CardFile[]): Map<string, number> {
  const out = new Map<string, number>();
  files.forEach(({ card }, i) => {
    if (card instanceof Error) return;
    const d = digestOfJson(card.binding);
    if (!out.has(d)) out.set(d, i);
  });
  return out;
}

/**
 * Verifies and judges all cards of a run under a policy. A card never repairs a proof: what is not counted is said with
 * its reason.
 */
export function evaluateCards(
  files: readonly CardFile[],
  s: CardSubject,
  rules: Partial<Record<Role, CardRules>>,
  c: CardContext,
): CardVerdict[] {
  const first = firstOf(files),
    verdicts = new Map<string, CardVerdict>(),
    counted: Card[] = [];
  const look = ({ file, card }: CardFile, i: number): CardVerdict => {
    if (card instanceof Error) return { file, counted: false, status: 'refused', says: [card.message] };
    const base = { file, kind: card.kind, role: card.role },
      r = rules[card.role],
      parent = counted.find((p) => p.role === card.role && digestOfJson(p.binding) === card.binding.parent);
    if (!r) return { ...base, counted: false, status: 'not evaluated', says: [`the policy asks nothing of the role ${card.role}`] };
    // One run of one machine is one card: signatures have two forms, so that evidence is no name.
    if (first.get(digestOfJson(card.binding)) !== i)
      return { ...base, counted: false, status: 'refused', says: ['the same binding is there twice'] };
    if (card.kind === 'nvidia-gpu' && !parent)
      return { ...base, counted: false, status: 'denied', says: ['a GPU counts only below a counted card of the CPU that asked it'] };
    try {
      const v = verifyCard(card, s, { ...c, rules: r, ...(parent ? { parent } : {}) }, file),
        against = judgeCard(v, r, c.now);
      if (against.length) return { ...base, counted: false, status: 'denied', says: against };
      counted.push(card);
      return { ...base, counted: true, status: 'attested', says: attestedText(v), machines: v.evidence.flatMap((x) => x.machine ?? []) };
    } catch (e) {
      if (!(e instanceof InputError || e instanceof VerificationError)) throw e;
      return { ...base, counted: false, status: e instanceof NotCheckedError ? 'not evaluated' : 'refused', says: [reason(e)] };
    }
  };
  const gpu = (f: CardFile): boolean => !(f.card instanceof Error) && f.card.kind === 'nvidia-gpu';
  files.forEach((f, i) => gpu(f) || verdicts.set(f.file, look(f, i)));
  files.forEach((f, i) => gpu(f) && verdicts.set(f.file, look(f, i)));
  return files.map((f) => verdicts.get(f.file)!);
}

/** Distinct devices of the counted cards of a role's GPUs. */
export const gpusOf = (verdicts: readonly CardVerdict[], role: Role): number =>
  new Set(verdicts.flatMap((v) => (v.counted && v.role === role && v.kind === 'nvidia-gpu' ? (v.machines ?? []) : []))).size;

/** What a role comes to: whether a card of it counts, and the words for it. A role without a card is not there. */
export function byRole(
  verdicts: readonly CardVerdict[],
  rules: Partial<Record<Role, CardRules>>,
): Partial<Record<Role, { readonly counted: boolean; readonly says: string }>> {
  const out: Partial<Record<Role, { readonly counted: boolean; readonly says: string }>> = {};
  for (const role of ROLES) {
    const own = verdicts.filter((v) => v.role === role && v.kind !== 'nvidia-gpu'),
      good = own.find((v) => v.counted),
      want = rules[role]?.gpus?.count,
      have = gpusOf(verdicts, role);
    if (!own.length || !rules[role]) continue;
    if (!good) out[role] = { counted: false, says: own.map((v) => `${v.file}: ${v.says.join('; ')}`).join('; ') };
    else if (want !== undefined && have < want)
      out[role] = { counted: false, says: `${have} GPUs have a card that counts, the policy asks for ${want}` };
    else out[role] = { counted: true, says: `${good.file}: ${good.says[0]}` };
  }
  return out;
}
