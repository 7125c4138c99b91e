import { InputError } from '../errors.js';
import { type AdapterTensors, adapterMembers, configDifference, parseAdapterConfig } from '../io/adapter.js';
import { decode } from '../io/dtype.js';
import { type JsonBounds, JsonError, parseJson } from '../io/json-bounds.js';
import { isObject, scanJson, utf8 } from '../io/json-text.js';
import { HeaderError, headerLength, parseHeader } from '../io/safetensors-header.js';
import type { Run } from '../run/facts.js';
import { type Manifest, parseManifest } from '../run/manifest.js';
import { VerificationError } from '../transcript/arith.js';
import type { GivenKey } from '../verify/trust.js';
import { parsePublished } from '../verify/key.js';
import { metaOf, releasedOf } from '../verify/released.js';

/*
 * Files that a page is given: what each is for, and how it is read. They come from anyone; sizes are bounded before a
 * byte is read, and every problem is an InputError that names the file and the way out.
 */

export const ROLES = ['proof', 'tensors', 'config', 'manifest', 'json'] as const;
export type Role = (typeof ROLES)[number];

/**
 * Bytes at most, and what the role is called. A proof is bounded by its own format, the rest by what a page can hold.
 */
export const ROLE_FACTS: Readonly<Record<Role, { readonly called: string; readonly most: number }>> = {
  proof: { called: 'Proof', most: 72 * 2 ** 20 },
  tensors: { called: 'Adapter, values', most: 512 * 2 ** 20 },
  config: { called: 'Adapter, configuration', most: 2 ** 20 },
  manifest: { called: 'Manifest', most: 32 * 2 ** 20 },
  json: { called: 'Commitment or key', most: 4 * 2 ** 20 },
};

/** What a file is for, by its name: what it holds decides later. */
export function roleOf(name: string): Role {
  const n = name.toLowerCase();
  if (n.endsWith('.safetensors')) return 'tensors';
  if (n === 'adapter_config.json') return 'config';
  if (n === 'manifest.json') return 'manifest';
  return /\.(json|txt)$/.test(n) ? 'json' : 'proof';
}

/** Refuses a file that is larger than its role allows. Throws InputError. */
export function checkSize(name: string, role: Role, bytes: number): void {
  const { called, most } = ROLE_FACTS[role];
  if (bytes > most)
    throw new InputError(name, [`has ${bytes} bytes; ${called.toLowerCase()}: at most ${most}`], 'certune verify reads larger files');
}

const BOUNDS: JsonBounds = { depth: 64, values: 2 ** 20 };

/** A JSON document in which no key stands twice. Throws InputError. */
function jsonOf(name: string, bytes: Uint8Array): unknown {
  const bad = (why: string): never => {
    throw new InputError(name, [why], 'give the file as it was written');
  };
  let text: string;
  try {
    text = utf8(bytes);
  } catch {
    return bad('is not UTF-8');
  }
  try {
    const x = parseJson(text, BOUNDS),
      { duplicates } = scanJson(text);
    return duplicates.length ? bad(`has keys twice: ${duplicates.slice(0, 5).join(', ')}`) : x;
  } catch (e) {
    if (e instanceof JsonError) return bad(e.message);
    throw e;
  }
}

const ROOT = /^[0-9a-f]{64}$/,
  DIGEST = /^sha256:[0-9a-f]{64}$/;

/** A commitment to a base as it is typed: 64 hexadecimal digits. Undefined for anything else. */
export const rootOf = (text: string): string | undefined => {
  const t = text.trim().toLowerCase();
  return ROOT.test(t) ? t : undefined;
};
/** A key's digest as it is typed. Undefined for anything else. */
export const digestOf = (text: string): string | undefined => {
  const t = text.trim().toLowerCase();
  return DIGEST.test(t) ? t : ROOT.test(t) ? `sha256:${t}` : undefined;
};

/** What a file beside the proof says. */
export type Beside =
  | { readonly kind: 'manifest'; readonly manifest: Manifest }
  | { readonly kind: 'trust'; readonly root?: string; readonly key?: GivenKey };

/**
 * A file that is neither proof nor adapter: a manifest, a key as certune vk writes it, what certune verify
 * --commit-base --json prints, or a commitment alone. Throws InputError, VersionError.
 */
export function besideOf(name: string, role: 'manifest' | 'json', bytes: Uint8Array): Beside {
  let text = '';
  try {
    text = bytes.length < 200 ? utf8(bytes) : '';
  } catch {
    // No text: jsonOf says so.
  }
  const root = rootOf(text);
  if (role === 'json' && root !== undefined) return { kind: 'trust', root };
  const x = jsonOf(name, bytes);
  if (role === 'manifest' || (isObject(x) && x['type'] === 'certune-manifest'))
    return { kind: 'manifest', manifest: parseManifest(name, x) };
  if (isObject(x) && typeof x['root'] === 'string' && ROOT.test(x['root'])) {
    const key = x['key'],
      digest = isObject(key) && typeof key['digest'] === 'string' && DIGEST.test(key['digest']) ? key['digest'] : undefined;
    return { kind: 'trust', root: x['root'], ...(digest === undefined ? {} : { key: { digest } }) };
  }
  if (isObject(x) && x['type'] === 'certune-key') return { kind: 'trust', key: { key: parsePublished(name, x) } };
  throw new InputError(
    name,
    ['is no manifest, no verification key and no commitment to a base'],
    'give manifest.json, the file that certune vk -o wrote, or what certune verify --commit-base --json printed',
  );
}

/** Tensors of a safetensors file in memory. Throws InputError. */
export function tensorsOf(name: string, bytes: Uint8Array<ArrayBuffer>): AdapterTensors {
  try {
    const n = headerLength(bytes.subarray(0, 8), bytes.length),
      { tensors } = parseHeader(bytes.subarray(8, 8 + n), bytes.length);
    return {
      tensors,
      readInto: (t, dst, at) => {
        const { dtype, start, bytes: size } = tensors.get(t)!;
        // A copy begins where every width may.
        decode(dtype, bytes.slice(start, start + size), dst, at);
      },
    };
  } catch (e) {
    if (e instanceof HeaderError) throw new InputError(name, e.problems, 'not a valid safetensors file');
    throw e;
  }
}

export interface Bytes {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Integers of the released adapter, whose configuration is compared before a value is read. Throws InputError,
 * VerificationError.
 */
export function adapterOf({ manifest: m, programs }: Run, config: Bytes, tensors: Bytes): BigInt64Array {
  const c = jsonOf(config.name, config.bytes);
  if (!isObject(c)) throw new InputError(config.name, ['is not a JSON object'], 'give the file as PEFT wrote it');
  const problems: string[] = [],
    meta = parseAdapterConfig(c, problems);
  if (problems.length) throw new InputError(config.name, problems);
  const differs = configDifference(c, metaOf(m));
  if (differs.length) throw new VerificationError('released adapter', `${config.name} differs in ${differs.join(', ')}`);
  return releasedOf(programs, m, {
    config: c,
    members: adapterMembers(tensors.name, m.base.shape, meta, tensorsOf(tensors.name, tensors.bytes)),
  });
}
