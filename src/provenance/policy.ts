import type { Role } from './cards/card.js';
import { type CardRules, parseAllRules } from './cards/rules.js';
import { type Json, Members, parseJson } from './json.js';
import { VersionError } from '../errors.js';
import type { AdapterResult, Bounds } from './result.js';

/*
 * A verifier's policy: what it demands of a run beyond its proof. A file of the verifier's, read as strictly as one of
 * the prover's.
 */

export const POLICY_TYPE = 'certune-policy';
export const POLICY_VERSION = 1;

/**
 * Who may have signed: a key, or the identity in a short-lived certificate and who vouches for it, under one trusted
 * root.
 */
export type Signer = { readonly key: string } | { readonly identity: string; readonly issuer: string; readonly trustedRoot: string };

/** Bounds on what the adapter does to its base. */
export interface ResultRules {
  /** Most Frobenius norm of the update over all modules. */ readonly updateNorm?: number;
  /** The same in every layer alone. */ readonly updateNormPerLayer?: number;
  /** Most norm of the update over the norm of what it is added to, in every touched module. */
  readonly distanceToBase?: number;
  readonly rank?: number;
  /** Projections or full paths of modules that may differ from the base. */ readonly modules?: readonly string[];
}

/** A bin of the data and how much of it every epoch must, or may, have. */
export interface QuotaRule {
  readonly bin: string;
  readonly min?: number;
  readonly max?: number;
}

/** Absent: not asked. An empty list: nothing is allowed. */
export interface VerifierPolicy {
  readonly bases?: readonly string[];
  readonly licenses?: readonly string[];
  readonly programs?: readonly string[];
  readonly keys?: readonly string[];
  readonly minSoundness?: number;
  readonly quotas?: readonly QuotaRule[];
  readonly beacon?: { readonly values?: readonly string[] };
  readonly signers?: readonly Signer[];
  /** What a card of each role must show. */ readonly cards?: Readonly<Partial<Record<Role, CardRules>>>;
  readonly time?: { readonly greatestAgeDays: number };
  readonly result?: ResultRules;
}

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** A list of strings of one form, each there once. */
function strings(m: Members, key: string, form: RegExp, what: string): string[] | undefined {
  if (!m.has(key)) return undefined;
  const list = m.list(key);
  return list.map((x, i) => {
    if (typeof x !== 'string' || !form.test(x)) return m.fail(`${key}.${i}`, `is no ${what}`);
    if (list.indexOf(x) !== i) return m.fail(`${key}.${i}`, 'is there twice');
    return x;
  });
}

/** A number within limits. */
function number(m: Members, key: string, least: number, most: number, whole: boolean): number | undefined {
  if (!m.has(key)) return undefined;
  const v = m.any(key);
  if (typeof v !== 'number' || !(v >= least && v <= most) || (whole && !Number.isInteger(v)))
    return m.fail(key, `is no ${whole ? 'whole ' : ''}number from ${least} to ${most}`);
  return v;
}

const put = <K extends string, V>(key: K, v: V | undefined): { [k in K]?: V } =>
  v === undefined ? {} : ({ [key]: v } as { [k in K]?: V });

function parseSigner(x: Json, m: Members, i: number): Signer {
  const s = Members.of(x, m.where, m.at(`signers.${i}`));
  const text = (key: string, form: RegExp, what: string): string => {
    const v = s.string(key);
    return form.test(v) ? v : s.fail(key, `is no ${what}`);
  };
  const out: Signer = s.has('key')
    ? { key: text('key', DIGEST, 'digest of a key (sha256: and 64 hexadecimal digits)') }
    : {
        identity: text('identity', /^[^\p{Cc}]{1,1000}$/u, 'identity'),
        issuer: text('issuer', /^[^\p{Cc}]{1,1000}$/u, 'issuer'),
        trustedRoot: text('trustedRoot', DIGEST, 'digest of a trusted root'),
      };
  s.end();
  return out;
}

function parseQuota(x: Json, m: Members, i: number): QuotaRule {
  const q = Members.of(x, m.where, m.at(`quotas.${i}`)),
    bin = q.string('bin'),
    min = number(q, 'min', 0, 2 ** 40, true),
    max = number(q, 'max', 0, 2 ** 40, true);
  if (!/^[^\p{Cc}]{1,200}$/u.test(bin)) q.fail('bin', 'is no name of a bin');
  if (min === undefined && max === undefined) q.fail('bin', 'has neither min nor max');
  q.end();
  return { bin, ...put('min', min), ...put('max', max) };
}

function parseResult(r: Members): ResultRules {
  const out: ResultRules = {
    ...put('updateNorm', number(r, 'updateNorm', 0, 1e12, false)),
    ...put('updateNormPerLayer', number(r, 'updateNormPerLayer', 0, 1e12, false)),
    ...put('distanceToBase', number(r, 'distanceToBase', 0, 1e12, false)),
    ...put('rank', number(r, 'rank', 1, 65536, true)),
    ...put('modules', strings(r, 'modules', /^[A-Za-z0-9_.]{1,200}$/, 'name of a module')),
  };
  r.end();
  return out;
}

/**
 * Reads a policy. Unknown keys are refused: a rule that is misspelt would otherwise not be asked. Throws InputError,
 * VersionError.
 */
export function parsePolicyFile(bytes: Uint8Array, where: string): VerifierPolicy {
  const m = Members.of(parseJson(bytes, where, { bytes: 1 << 20, numbers: 'all' }), where);
  if (m.string('type') !== POLICY_TYPE) m.fail('type', `is not ${POLICY_TYPE}`);
  const version = m.any('version');
  if (version !== POLICY_VERSION) throw new VersionError(where, version, POLICY_VERSION);
  if (m.has('name') && m.string('name').length > 200) m.fail('name', 'is longer than 200 characters');
  const quotas = m.has('quotas') ? m.list('quotas').map((x, i) => parseQuota(x, m, i)) : undefined,
    signers = m.has('signers') ? m.list('signers').map((x, i) => parseSigner(x, m, i)) : undefined;
  let beacon: VerifierPolicy['beacon'], cards: VerifierPolicy['cards'], time: VerifierPolicy['time'];
  if (m.has('beacon')) {
    const b = m.child('beacon');
    beacon = put('values', strings(b, 'values', /^[^\p{Cc}]{1,1000}$/u, 'value of a beacon'));
    b.end();
  }
  if (m.has('cards')) cards = parseAllRules(m.child('cards'));
  if (m.has('time')) {
    const t = m.child('time');
    time = { greatestAgeDays: number(t, 'greatestAgeDays', 0, 36525, false) ?? t.fail('greatestAgeDays', 'is missing') };
    t.end();
  }
  const out: VerifierPolicy = {
    ...put('bases', strings(m, 'bases', DIGEST, 'digest of a base')),
    // One identifier each, as SPDX lists them: an expression is what a run declares.
    ...put('licenses', strings(m, 'licenses', /^[A-Za-z0-9.+-]{1,100}$/, 'SPDX identifier')),
    ...put('programs', strings(m, 'programs', DIGEST, 'digest of a program')),
    ...put('keys', strings(m, 'keys', DIGEST, 'digest of a verification key')),
    ...put('minSoundness', number(m, 'minSoundness', 1, 256, true)),
    ...put('quotas', quotas),
    ...put('beacon', beacon),
    ...put('signers', signers),
    ...put('cards', cards),
    ...put('time', time),
    ...put('result', m.has('result') ? parseResult(m.child('result')) : undefined),
  };
  m.end();
  return out;
}

/** Something that a rule is judged by: known, and by what; or unknown, and why. */
export type Fact<T> = { readonly known: true; readonly value: T; readonly by: string } | { readonly known: false; readonly why: string };

export const fact = <T>(value: T, by: string): Fact<T> => ({ known: true, value, by });
export const unknown = (why: string): Fact<never> => ({ known: false, why });

/** What a verifier has found out about a run. */
export interface PolicyFacts {
  readonly base: Fact<string>;
  /** Licence expressions of the data: declared, no proof covers them. */ readonly licenses: Fact<readonly string[]>;
  readonly programs: Fact<readonly string[]>;
  readonly key: Fact<string>;
  readonly soundness: Fact<number>;
  /** Bins of the data with their limits per epoch, as the proof enforces them. */
  readonly quotas: Fact<readonly { readonly bin: string; readonly min?: number; readonly max?: number }[]>;
  readonly beacon: Fact<string>;
  /** Whose signature over the release holds. */ readonly signer: Fact<Signer>;
  /** What the evaluation of the cards found, by role: whether one counts. */
  readonly cards: Readonly<Partial<Record<Role, Fact<{ readonly counted: boolean; readonly says: string }>>>>;
  /** Seconds since 1970 of something that proves when it was signed. */ readonly signedAt: Fact<number>;
  readonly now: number;
  readonly result: Fact<AdapterResult>;
  /** Norms of the base's matrices by path. */ readonly baseNorms: Fact<ReadonlyMap<string, Bounds>>;
}

export interface RuleVerdict {
  readonly rule: string;
  readonly verdict: 'passed' | 'denied' | 'not evaluated';
  /** What was found, and what it was judged by; or why it could not be judged. */ readonly reason: string;
}

/**
 * Whether a licence expression is satisfied by a list of identifiers. Given by the caller: its table of licences is
 * large.
 */
export type Admits = (expression: string, approved: readonly string[]) => boolean;

/** Judges every rule of a policy. A rule whose fact is unknown is not evaluated, which counts as denied. */
export function evaluatePolicy(p: VerifierPolicy, f: PolicyFacts, admits: Admits): RuleVerdict[] {
  const out: RuleVerdict[] = [];
  const judge: Judge = (rule, x, test, passed) => {
    if (!x.known) {
      out.push({ rule, verdict: 'not evaluated', reason: x.why });
      return;
    }
    const against = test(x.value);
    out.push(
      against.length
        ? { rule, verdict: 'denied', reason: against.join('; ') }
        : { rule, verdict: 'passed', reason: `${passed(x.value)} (${x.by})` },
    );
  };
  judgeAmong('bases', p.bases, f.base, judge);
  if (p.licenses) judgeLicenses(p.licenses, f, admits, judge);
  if (p.programs) judgePrograms(p.programs, f, judge);
  judgeAmong('keys', p.keys, f.key, judge);
  if (p.minSoundness !== undefined) judgeSoundness(p.minSoundness, f, judge);
  if (p.quotas) judgeQuotas(p.quotas, f, judge);
  if (p.beacon) judgeBeacon(p.beacon, f, judge);
  if (p.signers) judgeSigners(p.signers, f, judge);
  for (const role of Object.keys(p.cards ?? {}) as Role[])
    judge(
      `cards.${role}`,
      f.cards[role] ?? unknown(`no card of the role ${role} was evaluated`),
      (v) => (v.counted ? [] : [v.says]),
      (v) => v.says,
    );
  if (p.time) judgeAge(p.time.greatestAgeDays, f, judge);
  judgeResult(p.result ?? {}, f, judge);
  return out;
}

/** Judges one rule: `test` gives the reasons against, `passed` says what was found. */
type Judge = <T>(rule: string, x: Fact<T>, test: (v: T) => readonly string[], passed: (v: T) => string) => void;

/** A fact that must be in a list, where one is given. */
function judgeAmong(rule: string, list: readonly string[] | undefined, x: Fact<string>, judge: Judge): void {
  if (list)
    judge(
      rule,
      x,
      (v) => (list.includes(v) ? [] : [`${v} is not among the ${list.length} allowed`]),
      (v) => v,
    );
}

function judgeLicenses(allowed: readonly string[], f: PolicyFacts, admits: Admits, judge: Judge): void {
  judge(
    'licenses',
    f.licenses,
    (v) => [
      ...v.filter((l) => !admits(l, allowed)).map((l) => `${l} is not among ${allowed.join(', ') || 'those allowed: none is'}`),
      ...(v.length ? [] : ['the run declares no licence']),
    ],
    (v) => v.join(', '),
  );
}

function judgePrograms(allowed: readonly string[], f: PolicyFacts, judge: Judge): void {
  judge(
    'programs',
    f.programs,
    (v) => v.filter((d) => !allowed.includes(d)).map((d) => `${d} is not among the ${allowed.length} allowed`),
    (v) => v.join(', '),
  );
}

function judgeSoundness(least: number, f: PolicyFacts, judge: Judge): void {
  const down = (v: number): number => Math.floor(v * 10) / 10;
  judge(
    'minSoundness',
    f.soundness,
    (v) => (v >= least ? [] : [`${down(v)} provable bits are fewer than ${least}`]),
    (v) => `${down(v)} bits`,
  );
}

function judgeBeacon({ values }: NonNullable<VerifierPolicy['beacon']>, f: PolicyFacts, judge: Judge): void {
  judge(
    'beacon',
    f.beacon,
    (v) => [
      ...(v === '' ? ['the run has no beacon: the prover chose the order of the data'] : []),
      ...(values && v !== '' && !values.includes(v) ? [`${JSON.stringify(v)} is not among the ${values.length} allowed`] : []),
    ],
    (v) => JSON.stringify(v),
  );
}

function judgeSigners(allowed: readonly Signer[], f: PolicyFacts, judge: Judge): void {
  judge(
    'signers',
    f.signer,
    (v) => (allowed.some((s) => sameSigner(s, v)) ? [] : [`${signerText(v)} is not among the ${allowed.length} allowed`]),
    signerText,
  );
}

function judgeAge(days: number, f: PolicyFacts, judge: Judge): void {
  judge(
    'time.greatestAgeDays',
    f.signedAt,
    (v) => {
      const age = (f.now - v) / 86400;
      if (age < 0) return [`it was signed ${(-age).toFixed(1)} days after the time of this verification`];
      return age <= days ? [] : [`it was signed ${age.toFixed(1)} days ago, at most ${days} are allowed`];
    },
    (v) => `signed ${new Date(1000 * v).toISOString()}`,
  );
}

/** Limits that the run enforces must be at least as narrow as those asked for. */
function judgeQuotas(rules: readonly QuotaRule[], f: PolicyFacts, judge: Judge): void {
  if (!rules.length)
    judge(
      'quotas',
      f.quotas,
      () => ['the policy allows no bin'],
      () => '',
    );
  for (const q of rules)
    judge(
      `quotas.${q.bin}`,
      f.quotas,
      (v) => {
        const own = v.find((x) => x.bin === q.bin);
        if (!own) return ['the run has no such bin'];
        return [
          ...(q.min !== undefined && !(own.min !== undefined && own.min >= q.min)
            ? [`its least is ${own.min ?? 'none'}, ${q.min} is asked for`]
            : []),
          ...(q.max !== undefined && !(own.max !== undefined && own.max <= q.max)
            ? [`its most is ${own.max ?? 'none'}, ${q.max} is asked for`]
            : []),
        ];
      },
      () => 'enforced',
    );
}

function judgeResult(r: ResultRules, f: PolicyFacts, judge: Judge): void {
  const short = (x: number): string => x.toPrecision(6),
    { updateNorm, updateNormPerLayer, distanceToBase, rank, modules } = r;
  if (updateNorm !== undefined)
    judge(
      'result.updateNorm',
      f.result,
      (v) => (v.norm.most <= updateNorm ? [] : [`${short(v.norm.most)} is above ${updateNorm}`]),
      (v) => short(v.norm.most),
    );
  if (updateNormPerLayer !== undefined)
    judge(
      'result.updateNormPerLayer',
      f.result,
      (v) =>
        v.layers.flatMap((b, l) => (b.most <= updateNormPerLayer ? [] : [`layer ${l}: ${short(b.most)} is above ${updateNormPerLayer}`])),
      (v) => `at most ${short(Math.max(0, ...v.layers.map((b) => b.most)))}`,
    );
  if (distanceToBase !== undefined)
    judge(
      'result.distanceToBase',
      f.result.known && !f.baseNorms.known ? f.baseNorms : f.result,
      (v) => {
        const norms = (f.baseNorms as { value: ReadonlyMap<string, Bounds> }).value;
        return v.modules.flatMap((m) => {
          const base = norms.get(m.path),
            ratio = base && base.least > 0 ? m.norm.most / base.least : Number.POSITIVE_INFINITY;
          return !m.touched || ratio <= distanceToBase ? [] : [`${m.path}: ${short(ratio)} is above ${distanceToBase}`];
        });
      },
      () => `at most ${distanceToBase} in every module`,
    );
  if (rank !== undefined)
    judge(
      'result.rank',
      f.result,
      (v) => (v.rank <= rank ? [] : [`rank ${v.rank} is above ${rank}`]),
      (v) => `rank ${v.rank}`,
    );
  if (modules)
    judge(
      'result.modules',
      f.result,
      (v) => {
        const bad = v.modules.filter((m) => m.touched && !modules.includes(m.name) && !modules.includes(m.path)).map((m) => m.path);
        return bad.length
          ? [`${bad.slice(0, 5).join(', ')}${bad.length > 5 ? ` and ${bad.length - 5} more` : ''} may not differ from the base`]
          : [];
      },
      (v) => `${v.modules.filter((m) => m.touched).length} modules are touched, all of them allowed`,
    );
}

const sameSigner = (a: Signer, b: Signer): boolean =>
  'key' in a
    ? 'key' in b && a.key === b.key
    : !('key' in b) && a.identity === b.identity && a.issuer === b.issuer && a.trustedRoot === b.trustedRoot;

const signerText = (s: Signer): string => ('key' in s ? `the key ${s.key}` : `${s.identity} (${s.issuer})`);

/** Whether every rule passed. */
export const admitted = (v: readonly RuleVerdict[]): boolean => v.every((r) => r.verdict === 'passed');
