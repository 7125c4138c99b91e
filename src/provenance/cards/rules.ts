import { type Json, Members } from '../json.js';
import { ROLES, type Role, parseTime } from './card.js';
import { KINDS, type Kind, RELAXATIONS, type Relaxation, type Tcb } from './evidence.js';

/*
 * What a verifier's policy asks of the card of a role. Strict where it says nothing: what a card must show is what the
 * policy expects of it, never what the card expects of itself.
 */

/** Something that nobody could know before a time. */
export interface Challenge {
  readonly value: string;
  /** Milliseconds since 1970. */ readonly notBefore: number;
}

export interface CardRules {
  /** Kinds that may stand for the role. Absent: any of a CPU. */ readonly kinds?: readonly Kind[];
  /** One of these must be met in every register that it names. Absent: nothing is expected, and nothing is counted. */
  readonly measurements?: readonly Readonly<Record<string, string>>[];
  /** npm integrity of the package that the card names. */ readonly packages?: readonly string[];
  readonly images?: readonly string[];
  /** Machines that may, and that may not, have made it. */ readonly machines?: readonly string[];
  readonly deniedMachines?: readonly string[];
  /** Product families of AMD. Absent: Genoa and Turin; Milan is denied. */ readonly products: readonly string[];
  /** Least versions by product family; "any-tcb" where none is asked for. */
  readonly leastTcb: Readonly<Record<string, Tcb>>;
  /** Statuses that Intel may give. Absent: UpToDate. */ readonly statuses: readonly string[];
  /** Advisories that are tolerated. */ readonly advisories: readonly string[];
  readonly allow: readonly Relaxation[];
  /** What the nonce of a card must come from, one of these. Absent: not asked. */
  readonly challenges?: readonly Challenge[];
  /**
   * Keys of roots above time-stamping authorities; an authority below one of them, or the evidence itself, must say by
   * when it existed. Absent: not asked, and a time stamp says nothing.
   */
  readonly timestampAuthorities?: readonly string[];
  /** Keys of NVIDIA's service or of roots above them. */ readonly nvidiaKeys: readonly string[];
  readonly greatestAgeDays?: number;
  readonly seedSource?: readonly string[];
  /** GPUs below the card of the CPU. */ readonly gpus?: {
    readonly count: number;
    readonly measurements: readonly Readonly<Record<string, string>>[];
    readonly machines?: readonly string[];
  };
}

/** Names of registers of which one says what code runs. */
const CODE = ['measurement', 'pcr0', 'mrtd', 'mrenclave', 'mrsigner'],
  STATUSES = [
    'UpToDate',
    'SWHardeningNeeded',
    'ConfigurationNeeded',
    'ConfigurationAndSWHardeningNeeded',
    'OutOfDate',
    'OutOfDateConfigurationNeeded',
  ],
  PARTS = ['bootLoader', 'tee', 'snp', 'microcode', 'fmc', 'mitigations'],
  PRODUCTS = ['Milan', 'Genoa', 'Turin'],
  DIGEST = /^sha256:[0-9a-f]{64}$/;

function texts(m: Members, key: string, form: RegExp | readonly string[]): string[] {
  const list = m.list(key);
  return list.map((x, i) => {
    const ok = typeof x === 'string' && (form instanceof RegExp ? form.test(x) : form.includes(x));
    if (!ok)
      return m.fail(`${key}.${i}`, form instanceof RegExp ? 'does not have the form that it must have' : `is none of ${form.join(', ')}`);
    if (list.indexOf(x) !== i) return m.fail(`${key}.${i}`, 'is there twice');
    return x;
  });
}
const maybe = <T extends string>(m: Members, key: string, form: RegExp | readonly T[]): { [k in string]?: T[] } =>
  m.has(key) ? { [key]: texts(m, key, form) as T[] } : {};

function number(m: Members, key: string, least: number, most: number): number {
  const v = m.any(key);
  return typeof v === 'number' && v >= least && v <= most ? v : m.fail(key, `is no number from ${least} to ${most}`);
}

function measurements(m: Members, key: string, code: boolean): Record<string, string>[] {
  return m.list(key).map((x, i) => {
    const one = Members.of(x, m.where, m.at(`${key}.${i}`)),
      out = Object.fromEntries(one.keys().map((k) => [k, one.string(k)]));
    if (!Object.keys(out).length) one.fail('', 'names no register');
    if (code && !CODE.some((k) => Object.hasOwn(out, k))) one.fail('', `names none of ${CODE.join(', ')}: it says nothing of the code`);
    return out;
  });
}

function leastTcb(m: Members): Record<string, Tcb> {
  const out = Object.fromEntries(
    m.keys().map((product) => {
      if (!PRODUCTS.includes(product)) m.fail(product, `is none of ${PRODUCTS.join(', ')}`);
      const p = m.child(product);
      for (const k of p.keys()) if (!PARTS.includes(k)) p.fail(k, `is none of ${PARTS.join(', ')}`);
      if (!p.keys().length) m.fail(product, 'names no part');
      return [product, Object.fromEntries(p.keys().map((k) => [k, number(p, k, 0, 2 ** 28)]))];
    }),
  );
  return out;
}

function challenge(x: Json, m: Members, i: number): Challenge {
  const c = Members.of(x, m.where, m.at(`challenges.${i}`)),
    value = c.string('value'),
    notBefore = parseTime(c.string('notBefore')) ?? c.fail('notBefore', 'is no time such as 2026-11-28T12:00:00Z');
  if (!/^[ -~]{1,256}$/.test(value)) c.fail('value', 'is no text of 1 to 256 characters');
  c.end();
  return { value, notBefore };
}

function gpus(m: Members): CardRules['gpus'] {
  const out = {
    count: number(m, 'count', 1, 64),
    measurements: measurements(m, 'measurements', false),
    ...maybe(m, 'machines', /^[0-9]{1,80}$/),
  };
  m.end();
  return out;
}

/** Reads what a policy asks of one role. Throws InputError. */
export function parseCardRules(m: Members): CardRules {
  const out: CardRules = {
    ...maybe(
      m,
      'kinds',
      KINDS.filter((k) => k !== 'nvidia-gpu'),
    ),
    ...(m.has('measurements') ? { measurements: measurements(m, 'measurements', true) } : {}),
    ...maybe(m, 'packages', /^sha512-[A-Za-z0-9+/]{86}==$/),
    ...maybe(m, 'images', DIGEST),
    ...maybe(m, 'machines', /^[ -~]{1,128}$/),
    ...maybe(m, 'deniedMachines', /^[ -~]{1,128}$/),
    ...maybe(m, 'seedSource', ['declared', 'beacon', 'drawn-inside']),
    products: m.has('products') ? texts(m, 'products', PRODUCTS) : ['Genoa', 'Turin'],
    leastTcb: m.has('leastTcb') ? leastTcb(m.child('leastTcb')) : {},
    statuses: m.has('statuses') ? texts(m, 'statuses', STATUSES) : ['UpToDate'],
    advisories: m.has('advisories') ? texts(m, 'advisories', /^INTEL-SA-\d{5}$/) : [],
    allow: m.has('allow') ? (texts(m, 'allow', RELAXATIONS) as Relaxation[]) : [],
    ...(m.has('challenges') ? { challenges: m.list('challenges').map((x, i) => challenge(x, m, i)) } : {}),
    ...maybe(m, 'timestampAuthorities', DIGEST),
    nvidiaKeys: m.has('nvidiaKeys') ? texts(m, 'nvidiaKeys', DIGEST) : [],
    ...(m.has('greatestAgeDays') ? { greatestAgeDays: number(m, 'greatestAgeDays', 0, 36525) } : {}),
    ...(m.has('gpus') ? { gpus: gpus(m.child('gpus')) } : {}),
  };
  m.end();
  return out;
}

/** What a policy asks, by role; a role that is not known is refused. Throws InputError. */
export function parseAllRules(m: Members): Partial<Record<Role, CardRules>> {
  const out: Partial<Record<Role, CardRules>> = {};
  for (const role of m.keys()) {
    if (!(ROLES as readonly string[]).includes(role)) m.fail(role, 'is not known');
    out[role as Role] = parseCardRules(m.child(role));
  }
  return out;
}
