import { sha256 } from '@noble/hashes/sha2.js';
import type { Ledger } from '../run/ledger.js';
import { type Manifest, difference, manifestDigest } from '../run/manifest.js';
import { toHex } from './bytes.js';
import { VerificationError } from '../transcript/arith.js';
import { canonicalBytes } from './json.js';
import type { Subject } from './statement.js';

/**
 * The namespace of this project's types. An address that nobody owns could be taken by anybody; a UUID cannot. What
 * stands behind the hash sign is for people; the whole is compared as text.
 */
const NAMESPACE = 'urn:uuid:387d6be6-a224-49ad-943a-46be76a8ba9e';

/**
 * Predicate type of a release: SLSA's field names under a type of its own, because SLSA's type would say that a trusted
 * builder recorded it.
 */
export const PREDICATE_TYPE = `${NAMESPACE}#verifiable-fine-tuning/v1`;
/** How to read externalParameters. */
export const BUILD_TYPE = `${NAMESPACE}#lora-adamw/v1`;
/** The program that made the release. Nobody vouches for who ran it: the proof does not need it. */
export const BUILDER = `${NAMESPACE}#certune`;

/** What is claimed of a run, and how anyone can know. */
export interface ReleaseClaim {
  readonly id: string;
  readonly status: 'proved' | 'attested' | 'checkable' | 'declared';
  /** The file, the thing at hand, or the person by which it is so. */ readonly by: string;
}

/** What a proof file says of its run, checked or not. */
export interface ReleaseFacts {
  readonly manifest: Manifest;
  readonly kind: 'pack' | 'folded' | 'certificate';
  /** Digest of the verification key, where the proof has one. */ readonly key?: string;
  readonly ledger: Ledger;
  readonly version: string;
  /** Property cards that are released with it. */ readonly cards?: readonly Subject[];
  /** Name of the proof file in the release. */ readonly proof: string;
}

const bare = (digest: string): string => digest.replace(/^sha256:/, '');

/** Digests of a manifest's programs: eight words of 32 bits each. */
export const programDigests = (m: Manifest): string[] =>
  Array.from(
    { length: m.program.length / 8 },
    (_, i) =>
      `sha256:${m.program
        .slice(8 * i, 8 * i + 8)
        .map((w) => BigInt(w).toString(16).padStart(8, '0'))
        .join('')}`,
  );

/** Whole bits, rounded down, and the digest of the whole ledger. */
const soundness = (l: Ledger): Record<string, unknown> => ({
  bits: Math.floor(l.roundByRound),
  ledger: { sha256: toHex(sha256(canonicalBytes(l.terms.map((t) => ({ ...t, bits: t.bits.toFixed(6) }))))) },
  assumptions: l.terms.filter((t) => t.kind === 'assumption').map((t) => t.name),
});

/** What a verified proof says, what a verifier can recompute, and what remains somebody's word. */
export function claimsOfRelease(f: ReleaseFacts): ReleaseClaim[] {
  const { config } = f.manifest,
    all: [string, ReleaseClaim['status'], string][] = [
      ['training', 'proved', f.proof],
      ['losses', 'proved', f.proof],
      ['programs', 'proved', f.proof],
      ['base', 'checkable', f.manifest.base.digest],
      ['initial-adapter', 'checkable', config.lora.from ?? `seed ${config.lora.seed}`],
      ['adapter', 'checkable', 'adapter_model.safetensors'],
      ['data', 'checkable', config.sampler.mode === 'private' ? 'the data files with the secret of the run' : 'the data files'],
      ['order', config.sampler.beacon === '' ? 'declared' : 'checkable', config.sampler.beacon === '' ? 'the provider' : 'the data files'],
      ['sources', 'declared', 'the provider'],
      ['licenses', 'declared', 'the provider'],
      ['languages', 'declared', 'the provider'],
    ];
  return all.map(([id, status, by]) => ({ id, status, by }));
}

/** Everything that went into a run, by digest: the base, what reads its text, the data, the programs, the key. */
function dependencies(f: ReleaseFacts): Record<string, unknown>[] {
  const { manifest: m } = f,
    { base } = m.config,
    named = (name: string, digest: string | null, more: Record<string, unknown> = {}): Record<string, unknown>[] =>
      digest === null ? [] : [{ name, digest: { sha256: bare(digest) }, ...more }];
  return [
    // The base's digest is one over the list of its files, so that it must not pass for the SHA-256 of a file.
    {
      name: 'base',
      digest: { certuneBase: bare(m.base.digest) },
      ...(base.name === null ? {} : { annotations: { name: base.name, ...(base.revision === null ? {} : { revision: base.revision }) } }),
    },
    ...named('tokenizer.json', m.preprocessing.tokenizer),
    ...named('tokenizer_config.json', m.preprocessing.tokenizerConfig),
    ...named('chat template', m.preprocessing.template),
    ...(m.config.lora.from === null ? [] : named('initial adapter_model.safetensors', m.config.lora.from)),
    ...m.dataset.files.flatMap((d, i) =>
      named(`data/${i}`, d.digest, { annotations: { source: d.source, license: d.license, language: d.language, status: 'declared' } }),
    ),
    ...programDigests(m).map((d, i) => ({ name: `program/${i}`, digest: { sha256: bare(d) } })),
    ...(f.key === undefined ? [] : [{ name: 'verification key', digest: { sha256: bare(f.key) } }]),
  ];
}

/** The predicate of a release. Every digest of it follows from the proof file. */
export function predicateOf(f: ReleaseFacts): Record<string, unknown> {
  const { config, ...internal } = f.manifest;
  return {
    buildDefinition: {
      buildType: BUILD_TYPE,
      externalParameters: config,
      internalParameters: {
        baseShape: internal.base.shape,
        weightBits: internal.base.weightBits,
        datasetRoot: internal.dataset.root,
        examples: String(internal.dataset.examples),
        sampler: internal.sampler,
        budgets: internal.budgets,
      },
      resolvedDependencies: dependencies(f),
    },
    runDetails: {
      builder: { id: BUILDER, version: { certune: f.version } },
      // No clock: the same run gives the same bytes.
      metadata: { invocationId: manifestDigest(f.manifest) },
      byproducts: (f.cards ?? []).map((c) => ({ name: c.name, digest: { sha256: c.sha256 } })),
    },
    claims: claimsOfRelease(f),
    soundness: soundness(f.ledger),
  };
}

/** Members of a predicate's parts, of which nothing else is read: what nobody compares must not be signed with it. */
const PARTS = ['buildDefinition', 'runDetails', 'claims', 'soundness'];

/** A signed value that has the shape of an object, whatever it is. */
const part = (v: unknown, key: string): unknown =>
  typeof v === 'object' && v !== null && Object.hasOwn(v, key) ? (v as Record<string, unknown>)[key] : undefined;
const members = (v: unknown): string[] => (typeof v === 'object' && v !== null ? Object.keys(v) : []);

/**
 * Signed claims may say less than the verifier's own, never more: of each id once, a status that is the verifier's or
 * "declared", and what is proved is so by the proof.
 */
function claimsBeyond(signed: unknown, own: readonly ReleaseClaim[], proof: string): string[] {
  if (!Array.isArray(signed)) return ['claims'];
  return signed.flatMap((c: unknown, i) => {
    const [id, status, by] = ['id', 'status', 'by'].map((k) => part(c, k)),
      known = own.find((o) => o.id === id),
      good =
        members(c).length === 3 &&
        typeof id === 'string' &&
        typeof by === 'string' &&
        signed.findIndex((o) => part(o, 'id') === id) === i &&
        (status === 'declared' || (status === known?.status && (status !== 'proved' || by === proof)));
    return good ? [] : [`claims.${i}`];
  });
}

/** Soundness may be said to be less, with more assumptions; where it is the same, it is by the same ledger. */
function soundnessBeyond(signed: unknown, own: { bits: number; ledger: unknown; assumptions: string[] }): string[] {
  const bits = part(signed, 'bits'),
    listed = part(signed, 'assumptions');
  return [
    ...(typeof bits === 'number' && bits <= own.bits ? [] : ['soundness.bits']),
    ...(Array.isArray(listed) && own.assumptions.every((a) => listed.includes(a)) ? [] : ['soundness.assumptions']),
    ...(bits === own.bits ? difference(own.ledger, part(signed, 'ledger'), 'soundness.ledger') : []),
    ...members(signed)
      .filter((k) => !Object.hasOwn(own, k))
      .map((k) => `soundness.${k}`),
  ];
}

/**
 * Compares a signed predicate with what the proof file gives: whole, but for the version of the program that wrote it,
 * and for claims and soundness, which may say less. Cards are those among the released files. Throws VerificationError
 * naming what differs.
 */
export function comparePredicate(signed: unknown, f: ReleaseFacts, where: string): void {
  const want = JSON.parse(new TextDecoder().decode(canonicalBytes(predicateOf(f)))) as {
      buildDefinition: unknown;
      runDetails: { builder: { version: unknown } };
      claims: ReleaseClaim[];
      soundness: { bits: number; ledger: unknown; assumptions: string[] };
    },
    written = part(part(part(part(signed, 'runDetails'), 'builder'), 'version'), 'certune'),
    wanted = { ...want.runDetails, builder: { ...want.runDetails.builder, version: { certune: written } } },
    differs = [
      ...difference(want.buildDefinition, part(signed, 'buildDefinition'), 'buildDefinition'),
      ...difference(wanted, part(signed, 'runDetails'), 'runDetails'),
      ...(typeof written === 'string' ? [] : ['runDetails.builder.version.certune']),
      ...claimsBeyond(part(signed, 'claims'), want.claims, f.proof),
      ...soundnessBeyond(part(signed, 'soundness'), want.soundness),
      ...members(signed).filter((k) => !PARTS.includes(k)),
    ];
  if (differs.length)
    throw new VerificationError(
      'signed statement',
      `${where} says other than the proof of the release in ${differs.slice(0, 20).join(', ').slice(0, 2000)}`,
    );
}
