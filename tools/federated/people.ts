/** Clients of the experiments: real rows in four languages, split by Dirichlet; keys, secrets and beacon of a seed. */
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bls12_381 } from '@noble/curves/bls12-381.js';
import { p256 } from '@noble/curves/nist.js';
import {
  type Beacon,
  type Before,
  type Chain,
  type Federation,
  type Participant,
  QUICKNET,
  type RoundContext,
  type Signed,
  type Transport,
  type CircuitCache,
  chainHash,
  charterOf,
  enrol,
  enrolmentOf,
  manifestBlob,
  openRound,
  roundMessage,
  roundTime,
  scheduleRows,
  signMessage,
  statesOf,
} from 'certune/federated';
import type { Kernels } from 'certune/kernels';
import { keyDigest, parsePublicKey } from 'certune/provenance';
import type { SigningKey } from 'certune/provenance/node';
import { type RunConfig, runSchema } from 'certune/run';
import { type RunSecret, type Setup, setup } from 'certune/setup';
import { fixtures, root } from '../fixtures.js';

export const LANGUAGES = ['en', 'fr', 'de', 'zh'] as const;
export type Language = (typeof LANGUAGES)[number];

/** Uniform numbers below 1 from a seed (mulberry32). */
export function random(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A gamma variate of shape a (Marsaglia and Tsang, with the boost of a below 1). */
function gamma(a: number, next: () => number): number {
  if (a < 1) return gamma(a + 1, next) * next() ** (1 / a);
  const d = a - 1 / 3,
    c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
      v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - next()) < x * x * 0.5 + d - d * v + d * Math.log(v)) return d * v;
  }
}

/** Shares of the languages of one client: Dirichlet with this concentration. */
export function dirichlet(alpha: number, next: () => number): number[] {
  const g = LANGUAGES.map(() => Math.max(gamma(alpha, next), 1e-12)),
    sum = g.reduce((a, b) => a + b, 0);
  return g.map((x) => x / sum);
}

interface Text {
  readonly prompt: string;
  readonly completion: string;
  readonly language: Language;
  readonly source: string;
  readonly license: string;
}

const lines = (file: string): Record<string, string>[] =>
  readFileSync(join(fixtures, 'data', file), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((l) => JSON.parse(l) as Record<string, string>);

/** A sentence as a prompt of its first word (of Chinese, its first sign) and what completes it. */
function parted(text: string, language: Language): Pick<Text, 'prompt' | 'completion'> {
  const signs = [...text],
    first = language === 'zh' ? 1 : Math.min(10, Math.max(1, signs.indexOf(' ')));
  return { prompt: signs.slice(0, first).join(''), completion: signs.slice(first).join('') };
}

/** Real sentences by language: Multi30k for English, French and German, Tatoeba for Chinese. */
export function texts(): Record<Language, Text[]> {
  const of = (file: string, language: Language): Text[] =>
    lines(file).map((x) => ({ ...parted(x[language], language), language, source: x['source'], license: x['license'] }));
  return {
    en: of('multi30k-en-de-fr/multi30k_train_first5000.jsonl', 'en'),
    fr: of('multi30k-en-de-fr/multi30k_train_first5000.jsonl', 'fr'),
    de: of('multi30k-en-de-fr/multi30k_train_first5000.jsonl', 'de'),
    zh: of('tatoeba-en-zh/tatoeba_en-zh_5000.jsonl', 'zh'),
  };
}
export const hasTexts = (): boolean => existsSync(join(fixtures, 'data/multi30k-en-de-fr/multi30k_train_first5000.jsonl'));

/** Key of a number, the same in every run. */
export function keyFor(n: number): SigningKey {
  const point = p256.Point.BASE.multiply(BigInt(n)).toBytes(false),
    text = (b: Uint8Array): string => Buffer.from(b).toString('base64url'),
    d = Buffer.from(n.toString(16).padStart(64, '0'), 'hex'),
    key = createPrivateKey({
      key: { kty: 'EC', crv: 'P-256', d: text(d), x: text(point.slice(1, 33)), y: text(point.slice(33)) },
      format: 'jwk',
    }),
    pem = createPublicKey(key).export({ type: 'spki', format: 'pem' }) as string;
  return { public: parsePublicKey(pem, 'key'), pem, private: key };
}

/** A test beacon: a chain whose secret is written here, so that the experiments can be repeated. */
const SECRET = Uint8Array.from({ length: 32 }, (_, i) => (i === 31 ? 9 : 2)),
  S = bls12_381.shortSignatures;
export const CHAIN: Chain = { ...QUICKNET, publicKey: S.getPublicKey(SECRET).toHex(), period: 1, genesis: 1_000_000, id: 'test' };
export const beacon = (round: number): Beacon => ({
  chain: chainHash(CHAIN),
  round,
  signature: S.Signature.toHex(S.sign(S.hash(roundMessage(round)), SECRET)),
});
export const SEED_ROUND = 1;
export const serverKey = keyFor(999);

/** A client of an experiment. */
export interface Person {
  readonly name: string;
  readonly number: number;
  readonly key: SigningKey;
  readonly config: RunConfig;
  readonly secret: RunSecret;
  readonly salts: Uint8Array;
  readonly setup: Setup;
  /** Rows by language. */ readonly rows: readonly number[];
}

/** Size of an experiment's rounds. */
export interface Size {
  readonly base: string;
  readonly steps: number;
  readonly batch: number;
  readonly sequence: number;
  readonly learningRate: number;
  readonly r: number;
  readonly targets: readonly string[];
  /** Formats that hold these clients' gradients and attention scores. */
  readonly numbers: Readonly<Record<string, number | string>>;
}
/** The smallest base, whose units are proved. */
export const TINY_SIZE: Size = {
  base: join(root, 'test/data/tiny'),
  steps: 8,
  batch: 2,
  sequence: 24,
  learningRate: 0.003,
  r: 1,
  targets: ['q_proj', 'v_proj'],
  numbers: { preset: 'small' },
};
const WIDE = { preset: 'default', gradFrac: 10, scoreFrac: 9 };
/** The base of the demonstration, which was trained on English and French. */
export const DEMO_SIZE: Size = { ...TINY_SIZE, base: join(root, 'examples/base'), sequence: 32, r: 4, numbers: WIDE };
/** The base stories260k with an adapter of 46,240 values: all seven matrices of a layer. */
export const STORIES_SIZE: Size = {
  ...TINY_SIZE,
  base: join(fixtures, 'data/stories260k/hf'),
  sequence: 32,
  r: 8,
  targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
  numbers: WIDE,
};

const settings = (s: Size, data: string): RunConfig =>
  runSchema.parse({
    version: 1,
    base: { path: s.base },
    data: [{ path: data }],
    lora: { r: s.r, alpha: 2 * s.r, targets: [...s.targets] },
    train: {
      steps: s.steps,
      batch: s.batch,
      microBatch: s.batch,
      sequence: s.sequence,
      learningRate: s.learningRate,
      warmup: 0,
      schedule: 'constant',
    },
    sampler: { mode: 'private' },
    proof: { bits: 100 },
    numbers: s.numbers,
  });

/**
 * Clients whose rows are drawn without replacement from the texts, by shares of their own; the rows of each are one
 * epoch. Files lie under `dir`.
 */
export function people(dir: string, count: number, alpha: number, size: Size, seed: number): Person[] {
  const all = texts(),
    next = random(seed),
    left = LANGUAGES.map(() => 0),
    rows = size.steps * size.batch;
  mkdirSync(dir, { recursive: true });
  return Array.from({ length: count }, (_, n): Person => {
    const shares = dirichlet(alpha, next),
      counts = LANGUAGES.map(() => 0),
      own: Text[] = [];
    for (let i = 0; i < rows; i++) {
      const u = next();
      let at = 0,
        sum = shares[0];
      while (u >= sum && at < LANGUAGES.length - 1) sum += shares[++at];
      const list = all[LANGUAGES[at]];
      own.push(list[left[at]++ % list.length]);
      counts[at]++;
    }
    const name = `c${String(n).padStart(3, '0')}`,
      file = join(dir, `${name}.jsonl`),
      word = BigInt(n + 1);
    writeFileSync(file, own.map((x) => `${JSON.stringify(x)}\n`).join(''));
    const config = settings(size, file),
      secret: RunSecret = { salt: [word, 2n, 3n, BigInt(seed)], key: { key: [5n, word, 7n, BigInt(seed)], blind: [9n, 10n, word, 12n] } };
    return {
      name,
      number: n,
      key: keyFor(1000 + n),
      config,
      secret,
      salts: Uint8Array.from({ length: 32 }, (_x, i) => (i < 4 ? (n >>> (8 * i)) & 255 : 7)),
      setup: setup(config, secret.salt, secret.key),
      rows: counts,
    };
  });
}

/** A federation of these clients with the adapter that it begins with; their manifests by digest. */
export function found(
  k: Kernels,
  list: readonly Person[],
): {
  readonly charter: Signed<'charter'>;
  readonly federation: Federation;
  readonly blob: Uint8Array;
  readonly manifests: ReadonlyMap<string, Uint8Array>;
} {
  const { run, inputs } = list[0].setup,
    { body, blob } = charterOf(k, run, inputs.initial, {
      name: 'experiment',
      server: serverKey.public,
      chain: CHAIN,
      seedRound: SEED_ROUND,
      allow: list.map((p) => keyDigest(p.key.public)),
    }),
    charter = signMessage('charter', body, serverKey),
    manifests = new Map<string, Uint8Array>();
  let federation: Federation = { charter, enrolments: new Map() };
  for (const p of list) {
    const { manifest } = p.setup.run,
      e = enrolmentOf(charter.digest, p.name, p.key, manifest);
    federation = enrol(federation, e);
    manifests.set(e.body.manifest, manifestBlob(manifest));
  }
  return { charter, federation, blob, manifests };
}

/**
 * Opens a round after `before` in which all these clients take part, with one setting for every experiment: one step a
 * unit, an audit of a tenth, commits due before the beacon `at`.
 */
export function openedRound(
  k: Kernels,
  f: ReturnType<typeof found>,
  list: readonly Person[],
  o: { readonly before: Before; readonly round: number; readonly at: number; readonly blob: Uint8Array },
): RoundContext {
  const first = list[0].setup.run,
    { train } = first.manifest.config,
    due = roundTime(CHAIN, o.at),
    plan = signMessage(
      'plan',
      {
        type: 'certune-fed-plan',
        version: 1,
        federation: f.charter.digest,
        round: o.round,
        previous: null,
        global: o.before.global,
        train: { steps: train.steps, unit: 1, batch: train.batch, schedule: scheduleRows(first) },
        enrolled: list.map((p) => ({ client: p.name, enrolment: f.federation.enrolments.get(p.name)!.digest })),
        select: list.length,
        cap: 2 ** 20,
        aggregate: { rule: 'mean', clip: 0, trim: 0 },
        audit: { coverage: [1, 10], each: 0, mode: 'before', show: 'records' },
        deadlines: { commit: due - 100, response: due + 100 },
        beacon: o.at,
      },
      serverKey,
    );
  return openRound(f.federation, plan, o.before, o.blob, statesOf(k, first.programs));
}

/** A client as `participate` runs it. */
export const participantOf = (
  home: string,
  charter: string,
  p: Person,
  k: Kernels,
  transport: Transport,
  now: () => number,
  circuits: CircuitCache,
): Participant => ({
  home,
  key: p.key,
  files: { client: p.name, config: p.config, run: p.secret, salts: p.salts },
  manifest: p.setup.run.manifest,
  charter,
  transport,
  kernels: k,
  circuits,
  states: statesOf(k, p.setup.run.programs),
  now,
});
