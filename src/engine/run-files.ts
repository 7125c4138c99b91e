import { chmodSync, copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { extname, join } from 'node:path';
import canonicalize from 'canonicalize';
import { InputError } from '../errors.js';
import { writeAtomic } from '../io/atomic.js';
import { openBase } from '../io/hf.js';
import { withFile } from '../io/read-file.js';
import type { RunConfig } from '../run/schema.js';
import type { Manifest } from '../run/manifest.js';
import { manifestJson } from '../run/manifest.js';
import { secretFile } from '../store/secret.js';
import { sha256Of, type Store } from './store.js';

/*
 * The files of a run in a store, so that a worker elsewhere makes its own folder of them: manifest, settings, base,
 * data, the adapter that it starts from. Names are of a fixed form and never lead out of the folder; whether the files
 * are those of the run is told by the manifest that follows from them. The secret of a private run is none of them.
 */

/** A file in pieces, each an object. */
interface Packed {
  readonly name: string;
  readonly pieces: readonly string[];
}

/** What a store says of its run. */
export interface RunRecord {
  readonly manifest: string;
  /** Digest of the published key. */ readonly key: string;
  readonly perSegment: number;
  readonly steps: number;
  readonly private: boolean;
  readonly files: readonly Packed[];
}

/** Bytes of a piece. */
const PIECE = 64 * 2 ** 20;
/** Names in the folder of a worker. */
const NAME = /^(?:run\.yaml|out\/manifest\.json|data-\d{1,4}(?:\.[a-z0-9]{1,10})?|(?:base|from)\/[\w-][\w.-]{0,99})$/;

/** Files of a base beside its weights that are read, where they are there. */
const BESIDE = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'chat_template.jinja',
  'model.safetensors.index.json',
];

async function packFile(store: Store, name: string, file: string): Promise<Packed> {
  const pieces: string[] = [];
  const size = withFile(file, 'weights', (f) => f.size);
  for (let at = 0; at < size || (size === 0 && at === 0); at += PIECE)
    pieces.push(await store.put(withFile(file, 'weights', (f) => f.bytes(at, Math.min(PIECE, size - at)))));
  return { name, pieces };
}

/** Puts the files of a run into a store. `config`: run.yaml with the paths of this machine. Throws InputError. */
export async function packRun(store: Store, config: RunConfig, m: Manifest): Promise<Packed[]> {
  const { base, lora, data } = config,
    out: Packed[] = [],
    dataName = (i: number): string => {
      const ext = extname(data[i].path).toLowerCase();
      return `data-${i}${/^\.[a-z0-9]{1,10}$/.test(ext) ? ext : ''}`;
    },
    text = async (name: string, t: string): Promise<void> => {
      out.push({ name, pieces: [await store.put(Buffer.from(t))] });
    };
  const there: RunConfig = {
    ...config,
    base: { ...base, path: 'base' },
    data: data.map((d, i) => ({ ...d, path: dataName(i) })),
    lora: { ...lora, from: lora.from === null ? null : 'from' },
  };
  await text('out/manifest.json', manifestJson(m));
  // JSON is YAML.
  await text('run.yaml', `${JSON.stringify(there, null, 1)}\n`);
  for (const f of [...BESIDE, ...openBase(base.path).files])
    if (existsSync(join(base.path, f))) out.push(await packFile(store, `base/${f}`, join(base.path, f)));
  for (const [i, d] of data.entries()) out.push(await packFile(store, dataName(i), d.path));
  if (lora.from !== null)
    for (const f of ['adapter_config.json', 'adapter_model.safetensors']) out.push(await packFile(store, `from/${f}`, join(lora.from, f)));
  return out;
}

const macOf = (farmKey: Uint8Array, x: RunRecord): string =>
  createHmac('sha256', farmKey)
    .update(`run ${canonicalize(x)!}`)
    .digest('hex');

/** Writes what a store says of its run, under the farm's key. */
export const writeRun = (store: Store, farmKey: Uint8Array, x: RunRecord): Promise<boolean> =>
  store.setRecord('run', { ...x, mac: macOf(farmKey, x) });

/** What a store says of its run. Throws InputError where it says nothing, or not under the farm's key. */
export async function readRunRecord(store: Store, farmKey: Uint8Array): Promise<RunRecord> {
  const bad = (why: string): never => {
    throw new InputError(`${store.name}/run`, [why], 'start the coordinator with this store, and give workers its key');
  };
  const x = (await store.record('run')) as (RunRecord & { readonly mac?: unknown }) | undefined;
  if (!x || typeof x !== 'object') return bad('no run is in this store');
  const { manifest, key, perSegment, steps, private: hidden, files, mac } = x,
    r: RunRecord = { manifest, key, perSegment, steps, private: hidden, files };
  if (typeof mac !== 'string' || !/^[0-9a-f]{64}$/.test(mac)) return bad('is not signed');
  if (!timingSafeEqual(Buffer.from(macOf(farmKey, r), 'hex'), Buffer.from(mac, 'hex'))) return bad('is not under the key of this farm');
  return r;
}

/**
 * Makes a run folder of what a store holds; files that are there whole are left. `secret`: a copy of the secret of a
 * private run, which its owner has brought here. Returns the folder.
 */
export async function unpackRun(store: Store, r: RunRecord, cache: string, secret?: string): Promise<string> {
  const dir = join(cache, r.manifest.replace(/^sha256:/, ''));
  if (!/[0-9a-f]{64}$/.test(dir)) throw new InputError(`${store.name}/run`, ['names no manifest']);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  for (const { name, pieces } of r.files) {
    if (!NAME.test(name) || name.includes('..')) throw new InputError(`${store.name}/run`, [`"${name.slice(0, 100)}" is no file of a run`]);
    const file = join(dir, name);
    if (existsSync(file) && samePieces(file, pieces)) continue;
    const parts: Uint8Array[] = [];
    for (const p of pieces) parts.push(await store.get(p));
    writeAtomic(file, ...parts);
  }
  if (r.private) {
    if (secret === undefined)
      throw new InputError(
        secretFile(dir),
        ['the run is private, and a worker needs its secret'],
        'bring RUN/secret/sampler.json here by a way that you trust, and give --secret FILE',
      );
    mkdirSync(join(dir, 'secret'), { recursive: true, mode: 0o700 });
    copyFileSync(secret, secretFile(dir));
    chmodSync(secretFile(dir), 0o600);
  }
  return dir;
}

/** Whether a file is these pieces one after another. */
function samePieces(file: string, pieces: readonly string[]): boolean {
  return withFile(file, 'weights', (f) => {
    if (Math.max(1, Math.ceil(f.size / PIECE)) !== pieces.length) return false;
    return pieces.every((p, i) => {
      const b = f.bytes(i * PIECE, Math.min(PIECE, f.size - i * PIECE));
      return sha256Of(b) === p;
    });
  });
}
