import { canonicalJson } from '../hash/canonical.js';
import * as z from '../schema.js';
import { wordOf } from '../field/goldilocks.js';
import { InputError, VersionError } from '../errors.js';
import { RMS_EPS, SHAPE_LIMITS } from '../model/limits.js';
import { beyondBudget, epochDraws } from './size.js';
import { sha256Hex } from '../hash/sha256.js';
import { tooManyTests } from '../policy/classes/predicate.js';
import { MOST_ROWS } from '../policy/order/radices.js';
import { SAMPLER_2 } from '../policy/order/steps.js';
import { MOST_STRATA } from '../policy/order/strata.js';
import { ROW_VERSION } from '../policy/rows/digest.js';
import { configSchema, describeIssues } from './schema.js';

export const MANIFEST_VERSION = 8;

const upTo = (max: number): z.NumberSchema => z.number().int().min(1).max(max),
  count = z
    .number()
    .int()
    .min(0)
    .max(2 ** 40),
  id = z
    .number()
    .int()
    .min(0)
    .max(2 ** 24),
  word = z.string().refine((x) => wordOf(x) !== undefined, 'is not a canonical word'),
  words = z.array(word).length(4),
  digest = z.string().regex(/^sha256:[0-9a-f]{64}$/),
  budget = z
    .number()
    .positive()
    .max(2 ** 32),
  text = z.string().max(1000),
  list = z
    .array(text)
    .min(1)
    .max(2 ** 20);

/**
 * A manifest as it may come from anyone: no unknown key, and sizes bounded so that programs derived from it stay
 * constructible.
 */
const manifestSchema = z.object({
  type: z.literal('certune-manifest'),
  version: z.literal(MANIFEST_VERSION),
  /** run.yaml with every default, without paths. */
  config: configSchema,
  base: z.object({
    digest,
    shape: z.object({
      layers: upTo(SHAPE_LIMITS.layers),
      hidden: upTo(SHAPE_LIMITS.hidden),
      intermediate: upTo(SHAPE_LIMITS.intermediate),
      kvHeads: upTo(SHAPE_LIMITS.kvHeads),
      groups: upTo(SHAPE_LIMITS.groups),
      headDim: upTo(SHAPE_LIMITS.headDim).refine((n) => n % 2 === 0, 'is odd: rotary embeddings pair its halves'),
      vocab: upTo(SHAPE_LIMITS.vocab),
      tied: z.boolean(),
      bias: z.boolean(),
      rmsEps: z.number().min(RMS_EPS[0]).lt(RMS_EPS[1]),
    }),
    weightBits: z.record(z.string().max(100), upTo(40)),
  }),
  dataset: z.object({
    root: words,
    /** Public mode: what all salts follow from. Private mode: null, it stays in RUN/secret. */ salt: words.nullable(),
    /** Private mode: commitment to the sampler's key. */ key: words.nullable(),
    leaf: z.literal(ROW_VERSION),
    examples: upTo(MOST_ROWS),
    dropped: count,
    /** Classes of rows by number: every row names one, under the root. What they say of a row is declared. */
    classes: z
      .array(z.object({ source: text, license: text, language: text, tags: z.array(text).max(64) }))
      .min(1)
      .max(4096),
    /** Rows of every stratum: the tree has them in this order, those of no stratum last. */
    strata: z.array(upTo(MOST_ROWS)).max(MOST_STRATA),
    /** What occurs in the classes: declared. */
    sources: list,
    licenses: list,
    languages: list,
    files: z
      .array(
        z.object({
          digest,
          source: text,
          license: text,
          language: text,
          converters: z.array(z.string().regex(/^[a-z-]+\/\d+$/)).max(16),
          rows: count,
          kept: count,
          /** Kept rows that were cut at the sequence, and those of them whose closing id was cut off. */
          cut: count,
          unclosed: count,
        }),
      )
      .min(1),
  }),
  /** How rows became tokens. */
  preprocessing: z.object({
    tokenizer: digest,
    tokenizerConfig: digest.nullable(),
    template: digest.nullable(),
    truncation: z.literal('right'),
    padding: z.object({ side: z.literal('right'), id: z.literal(0) }),
    /** Ids in front of every row; ids after which a text is over; the one appended where a row ends in none. */
    first: z.array(id).max(16),
    closing: z.array(id).min(1).max(1024),
    end: id.nullable(),
  }),
  sampler: z.literal(SAMPLER_2),
  /**
   * The factor that the adapter is really scaled by, numerator 2^-shift: alpha / r or alpha / sqrt(r) but for
   * budgets.scaling.
   */
  scaling: z.object({ numerator: upTo(2 ** 44), shift: z.number().int().min(0).max(40) }),
  /**
   * Worst error of each kind of operation, in units of the last place (src/run/budgets.ts): declared, docs/numbers.md
   * measures them.
   */
  budgets: z.object({
    round: budget,
    division: budget,
    squareRoot: budget,
    exp: budget,
    silu: budget,
    siluDerivative: budget,
    logSumExpAttention: budget,
    logSumExpHead: budget,
    betas: budget,
    rate: budget,
    decay: budget,
    epsilon: budget,
    clip: budget,
    scaling: budget,
  }),
  program: z.array(z.string().regex(/^(0|[1-9]\d{0,9})$/)).max(16),
});

/**
 * manifest.json: canonical JSON (RFC 8785); every constant of the statement is derived from it. Paths are not part of
 * it.
 */
export type Manifest = z.Infer<typeof manifestSchema>;

/**
 * Checks a manifest read from `file`. Throws InputError with every problem at once, VersionError for another version.
 */
export function parseManifest(file: string, raw: unknown): Manifest {
  const m = raw as Manifest | null;
  if (m?.type !== 'certune-manifest') throw new InputError(file, ['is not a Certune manifest']);
  if (m.version !== MANIFEST_VERSION) throw new VersionError(file, m.version, MANIFEST_VERSION);
  const r = manifestSchema.safeParse(raw);
  if (!r.success)
    throw new InputError(file, describeIssues(r.issues, 'manifest', raw), 'it was changed or damaged: certune commit writes it anew');
  const { config, dataset } = r.data,
    draws = epochDraws(config.sampler, dataset.examples),
    beyond = beyondBudget(config, r.data.base.shape, draws),
    where = config.policy.bins.map((b) => b.where);
  if (config.sampler.shortBatch === 'drop' && draws < config.train.batch)
    beyond.push('config.sampler.shortBatch: drop leaves no batch at all');
  beyond.push(...tooManyTests(where, dataset.classes).map((x) => `config.policy.bins: ${x}`));
  if (beyond.length) throw new InputError(file, beyond, 'no run of this size can be proved');
  // The schema of run.yaml fills in defaults and normal forms; a manifest says everything itself, or its meaning would
  // follow the release that reads it.
  const lacks = difference(raw, r.data);
  if (lacks.length)
    throw new InputError(
      file,
      lacks.map((k) => `${k}: is missing, or not in its normal form`),
      'a manifest holds every key',
    );
  freeze(r.data);
  parsed.add(r.data);
  return r.data;
}

/** Manifests that were parsed: nothing in them changes any more, so that each is looked at, and hashed, once. */
const parsed = new WeakSet<Manifest>(),
  digests = new WeakMap<Manifest, string>();

/** Freezes a value with all that is in it. */
function freeze(x: unknown): void {
  if (x === null || typeof x !== 'object') return;
  for (const v of Object.values(x)) freeze(v);
  Object.freeze(x);
}

/** Canonical text of a manifest. What its own schema would refuse is never written: throws InputError. */
export const manifestJson = (m: Manifest): string => canonicalJson(parsed.has(m) ? m : parseManifest('manifest.json', m));

/** SHA-256 of the canonical manifest: what journals and proofs are bound to. */
export function manifestDigest(m: Manifest): string {
  const digest = digests.get(m) ?? `sha256:${sha256Hex(manifestJson(m))}`;
  if (parsed.has(m)) digests.set(m, digest);
  return digest;
}

/** The same digest as eight 32-bit words: the context that every step proof absorbs. */
export const manifestWords = (m: Manifest): bigint[] => digestWords(manifestDigest(m));

/** A digest sha256:... as eight words of 32 bits. */
export const digestWords = (digest: string): bigint[] =>
  digest
    .slice('sha256:'.length)
    .match(/.{8}/g)!
    .map((x) => BigInt(`0x${x}`));

/** What an object itself has at a key: "__proto__" and "constructor" are keys like any other. */
const own = (x: object, k: string): unknown => (Object.hasOwn(x, k) ? (x as Record<string, unknown>)[k] : undefined);

/** Paths at which two values differ: a list is no object, and a key that is there is not one that is inherited. */
export function difference(a: unknown, b: unknown, path = ''): string[] {
  if (a && b && typeof a === 'object' && typeof b === 'object' && Array.isArray(a) === Array.isArray(b))
    return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((k) => difference(own(a, k), own(b, k), path ? `${path}.${k}` : k));
  return a === b ? [] : [path];
}

/** Rows of all files: given, learnt, and of these cut and without their closing id. */
export function rowCounts(m: Manifest): { given: number; kept: number; cut: number; unclosed: number } {
  const sum = (f: (x: Manifest['dataset']['files'][number]) => number): number => m.dataset.files.reduce((n, x) => n + f(x), 0);
  return { given: sum((x) => x.rows), kept: sum((x) => x.kept), cut: sum((x) => x.cut), unclosed: sum((x) => x.unclosed) };
}
