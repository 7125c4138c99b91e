import * as z from '../schema.js';
import { FORMATS } from '../io/format-names.js';
import { normalLicense } from './license.js';
import { normalLanguage } from './language.js';
import { TARGETS } from '../model/shape.js';
import { RUN_LIMITS } from '../model/limits.js';
import { allowList } from '../policy/classes/expression.js';
import { isExpression } from '../policy/classes/spdx.js';
import { predicateSchema } from '../policy/classes/predicate.js';
import { MOST_COUNT } from '../policy/classes/quotas.js';
import { MOST_BINS } from '../policy/classes/table.js';
import { MOST_STRATA } from '../policy/order/strata.js';
import { SHOW, SHOW_ALL, SHOW_TOTALS, type Shown } from '../policy/vector.js';
import { closest } from './suggest.js';

const path = z.string().min(1).max(4096),
  name = z.string().min(1).max(1000);

/** Least and greatest value of each format that run.yaml may set. */
export const FORMAT_LIMITS = {
  xBits: [20, 30],
  actBits: [16, 28],
  actFrac: [6, 16],
  gradFrac: [6, 16],
  scoreFrac: [6, 14],
  headFrac: [6, 16],
  expBits: [12, 22],
  siluBits: [12, 22],
  siluFrac: [6, 14],
  momentFrac: [56, 66],
} as const;

/** What a certificate says of the adapter that is left: digest, point and value of its commitment, or nothing. */
export const SHOW_ADAPTER = ['commitment', 'none'] as const;

/** A format of docs/numbers.md in place of the preset's. */
const override = (key: keyof typeof FORMAT_LIMITS) =>
  z.number().int().min(FORMAT_LIMITS[key][0]).max(FORMAT_LIMITS[key][1]).nullable().default(null);

/** Limits of an epoch, inclusive. */
const limits = z
  .object({
    min: z.number().int().min(0).max(MOST_COUNT).default(0),
    max: z.number().int().min(0).max(MOST_COUNT).default(MOST_COUNT),
  })
  .refine((x) => x.min <= x.max, 'asks for more than it allows')
  .prefault({});

const isAllowed = (x: string): boolean => {
  try {
    return allowList([x]).size === 1;
  } catch {
    return false;
  }
};

/**
 * Bins and their quotas in every epoch, and the licences under which data may be trained on: null where the run
 * declares none.
 */
const policySchema = z
  .object({
    bins: z
      .array(z.object({ name, where: predicateSchema, examples: limits, targets: limits }))
      .max(MOST_BINS)
      .refine((x) => new Set(x.map((b) => b.name)).size === x.length, 'names a bin twice')
      .default([]),
    licenses: z.array(z.string().max(500).refine(isAllowed, 'is not one SPDX licence')).min(1).max(1000).nullable().default(null),
  })
  .prefault({});

/**
 * What is shown where run.yaml does not say: all in the public mode; in the private one sums of epochs, since whoever
 * has candidates for the rows could test them against the exact loss of a step.
 */
const SHOWN: Readonly<Record<'public' | 'private', Shown>> = {
  public: SHOW_ALL,
  private: { losses: 'epochs', targets: 'epochs', totals: 'none' },
};

/** Settings behind those of the data. */
const REST = {
  lora: z
    .object({
      r: z.number().int().min(1).max(RUN_LIMITS.rank).default(8),
      alpha: z.number().positive().default(16),
      targets: z
        .array(z.oneOf(TARGETS))
        .min(1)
        .refine((x) => new Set(x).size === x.length, 'names a projection twice')
        .default([...TARGETS]),
      scaling: z.oneOf(['lora', 'rslora']).default('lora'),
      seed: z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER).default(0),
      from: path.nullable().default(null),
    })
    .prefault({}),
  train: z
    .object({
      steps: z.number().int().min(1).max(RUN_LIMITS.steps).default(100),
      batch: z.number().int().min(1).max(RUN_LIMITS.batch).default(8),
      microBatch: z.number().int().min(1).max(RUN_LIMITS.batch).default(8),
      sequence: z.number().int().min(2).max(RUN_LIMITS.sequence).default(256),
      truncation: z.literal('right').default('right'),
      template: z.string().max(100_000).nullable().default(null),
      eos: z.boolean().default(true),
      learningRate: z.number().positive().default(2e-4),
      schedule: z.oneOf(['constant', 'linear', 'cosine']).default('cosine'),
      warmup: z.number().min(0).default(0.03),
      betas: z.pair(z.number().min(0).lt(1), z.number().min(0).lt(1)).default([0.9, 0.95]),
      epsilon: z.number().positive().default(1e-8),
      weightDecay: z.number().min(0).default(0.05),
      clip: z.number().min(0).default(1),
    })
    .refine(
      (t) => t.warmup < 1 || (Number.isInteger(t.warmup) && t.warmup <= t.steps),
      'is a fraction below 1 or a whole number of steps, at most train.steps',
      ['warmup'],
    )
    .prefault({}),
  sampler: z
    .object({
      mode: z.oneOf(['public', 'private']).default('public'),
      /** Of the public mode; null in the private one, whose key is drawn. */
      key: z.string().max(1000).nullable().default(null),
      beacon: z.string().max(1000).default(''),
      replacement: z.boolean().default(false),
      shortBatch: z.oneOf(['keep', 'drop']).default('keep'),
      epochExamples: z
        .number()
        .int()
        .min(1)
        .max(2 ** 28)
        .nullable()
        .default(null),
      strata: z
        .array(
          z.object({
            bin: name,
            perEpoch: z
              .number()
              .int()
              .min(1)
              .max(2 ** 28),
          }),
        )
        .max(MOST_STRATA)
        .default([]),
    })
    .refine((x) => x.strata.length === 0 || x.epochExamples === null, 'follows from sampler.strata: leave it null', ['epochExamples'])
    .refine((x) => x.mode === 'public' || x.key === null, 'is drawn by certune commit in the private mode: leave it out', ['key'])
    .transform((x) => ({ ...x, key: x.key ?? (x.mode === 'public' ? 'certune' : null) }))
    .prefault({}),
  policy: policySchema,
  /**
   * What a proof says of losses and targets, and of the bins' totals; null: by the sampler's mode. Whether a
   * certificate says which adapter is left.
   */
  show: z
    .object({
      losses: z.oneOf(SHOW).nullable().default(null),
      targets: z.oneOf(SHOW).nullable().default(null),
      totals: z.oneOf(SHOW_TOTALS).nullable().default(null),
      adapter: z.oneOf(SHOW_ADAPTER).default('commitment'),
    })
    .prefault({}),
  numbers: z
    .object({
      preset: z.oneOf(['default', 'small']).default('default'),
      xBits: override('xBits'),
      actBits: override('actBits'),
      actFrac: override('actFrac'),
      gradFrac: override('gradFrac'),
      scoreFrac: override('scoreFrac'),
      headFrac: override('headFrac'),
      expBits: override('expBits'),
      siluBits: override('siluBits'),
      siluFrac: override('siluFrac'),
      momentFrac: override('momentFrac').refine((x) => x === null || x % 2 === 0, 'is even'),
    })
    .prefault({}),
};

/** log2 of the inverse rate of the witness commitment. */
const witnessRate = z.number().int().min(1).max(4);

/** Schema of a run's settings, under one for the licences of its data and one for the rate of its witnesses. */
const schemaOf = <R extends number | null>(license: z.Schema<string>, rate: z.Schema<R>) =>
  z
    .object({
      version: z.literal(1),
      base: z.object({ path: z.string().max(4096), name: name.nullable().default(null), revision: name.nullable().default(null) }),
      data: z
        .array(
          z.object({
            path: z.string().max(4096),
            format: z.oneOf(FORMATS).default('auto'),
            source: name.default('unknown'),
            license: license.default('LicenseRef-unknown'),
            language: z.string().transform(normalLanguage).default('und'),
          }),
        )
        .min(1),
      ...REST,
      proof: z
        .object({
          bits: z.number().int().min(100).max(128).default(128),
          hash: z.oneOf(['poseidon2', 'blake3']).default('poseidon2'),
          rate,
        })
        .prefault({}),
    })
    .refine(
      (c) => c.sampler.mode === 'private' || c.show.adapter !== 'none',
      'none is for the private mode: in the public one whoever has the data makes the adapter again',
      ['show', 'adapter'],
    )
    .transform(({ show: { losses, targets, totals, adapter }, ...c }) => {
      const usual = SHOWN[c.sampler.mode];
      return {
        ...c,
        show: { losses: losses ?? usual.losses, targets: targets ?? usual.targets, totals: totals ?? usual.totals, adapter },
      };
    });

/**
 * Schema of run.yaml: unknown keys are refused, every key has the default that `init` writes. Marked as pure so that
 * the page, which reads manifests alone, goes without the tags of the hub.
 */
export const runSchema = /* @__PURE__ */ schemaOf(
  /* @__PURE__ */ z.string().transform(normalLicense),
  /* @__PURE__ */ witnessRate.nullable().default(null),
);

/** Schema of the same in a manifest, where a licence stands as SPDX writes it. */
export const configSchema = schemaOf(
  z.string().refine((x) => x === x.trim() && isExpression(x), 'is no SPDX expression in its normal form'),
  witnessRate.default(2),
);

export type RunConfig = z.Infer<typeof runSchema>;

/**
 * A schema's issues as sentences with the key's path and the nearest name that exists. `hint` says of an unknown key at
 * a path what to write in its place.
 */
export function describeIssues(
  issues: readonly z.Issue[],
  whole: string,
  raw: unknown,
  hint: (at: z.Path, key: string) => string | undefined = () => undefined,
): string[] {
  return issues.flatMap((i) => {
    const at = i.path
      .map((k) => (typeof k === 'number' ? `[${k}]` : String(k)))
      .join('.')
      .replaceAll('.[', '[');
    if (i.code === 'unknown_keys')
      return i.keys.map((k) => {
        const say = hint(i.path, k);
        return `${at ? `${at}.` : ''}${k}: unknown key${say === undefined ? '' : `, ${say}`}`;
      });
    let given = raw;
    for (const k of i.path) given = (given as Record<PropertyKey, unknown> | null | undefined)?.[k];
    const near = i.code === 'choice' && typeof given === 'string' ? closest(given, i.values) : undefined;
    return [
      `${at || whole}: ${given === undefined && i.code === 'type' ? 'is missing' : i.message}${near === undefined ? '' : `, did you mean ${near}?`}`,
    ];
  });
}
