import canonicalize from 'canonicalize';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readProof, readState, writeProof } from '../src/store/journal.js';
import { type Manifest, manifestDigest, parseManifest } from '../src/run/manifest.js';
import { readPack } from '../src/store/proof.js';
import { commit } from '../src/cli/commit.js';
import { describe as describeError } from '../src/cli/errors.js';
import { Progress } from '../src/cli/progress.js';
import { prove } from '../src/cli/prove.js';
import { train } from '../src/cli/train.js';
import { verifyNow as verify } from '../src/cli/verify-now.js';
import { P } from '../src/field/goldilocks.js';
import { lcg } from './kit.js';
import { resealed } from './seal.js';

/*
 * The tamper manifest: every field of every artifact of a run is changed alone, removed, and joined by a foreign one;
 * the verifier must refuse each with an error of a known kind. Fields are found by walking the artifacts, so that a new
 * field has its cases by itself and an artifact that this list does not know fails the test.
 */

/** What a run leaves, by file, and where its fields are attacked. */
const ARTIFACTS: Record<string, string> = {
  'manifest.json': 'every field below',
  'journal/manifest.json': 'a copy of manifest.json, which is taken where that is lost or damaged: test/kept.test.ts',
  'proof/run.certune': 'every field of the header and words of every part below',
  'proof/step-00000.bin': 'while proving: every field of the header below',
  'journal/step-00000.bin': 'every field of the header below',
  'journal/step-00001.bin': 'every field of the header below',
  'adapter/adapter_config.json': 'every field below',
  'adapter/adapter_model.safetensors': 'a value of every tensor, names, shapes, types and offsets below',
  'adapter/README.md': 'prose for people: no input of the verifier, who recomputes all that it says',
};

const here = (p: string): string => fileURLToPath(new URL(`./data/${p}`, import.meta.url));
const quiet = { progress: new Progress({ tty: false, quiet: true, write: () => {} }), writes: () => {} };
let dir: string, run: string, packed: string;
const inputs = (): { base: string; data: string[]; adapter: string } => ({
  base: here('tiny'),
  data: [join(dir, 'data.jsonl')],
  adapter: join(run, 'out/adapter'),
});

/** Runs f, which must fail with an error of a known kind; returns its code. */
function refusal(f: () => unknown, what: string): string {
  try {
    f();
  } catch (e) {
    const d = describeError(e);
    expect(d.code, `${what}: ${(e as Error).stack}`).not.toBe('internal');
    expect(d.message.length, what).toBeGreaterThan(10);
    return d.code;
  }
  throw new Error(`accepted: ${what}`);
}

type Json = null | boolean | number | string | Json[] | { [k: string]: Json };
/** Values of the same type that differ. */
function others(x: Json, path: string): Json[] {
  if (typeof x === 'boolean') return [!x];
  if (typeof x === 'number') return [x + 1];
  if (x === null) return ['x'];
  if (typeof x !== 'string') return [];
  // Some words take one of few values: another of them is the better attack.
  const known: Record<string, string> = {
    kind: 'step',
    schedule: 'constant',
    scaling: 'rslora',
    shortBatch: 'drop',
    format: 'text',
    preset: 'default',
  };
  const key = /([^.[\]]+)$/.exec(path)?.[1] ?? '';
  if (known[key]) return [known[key]];
  if (/^sha256:/.test(x)) return [x.replace(/.$/, (c) => (c === '0' ? '1' : '0'))];
  if (/^-?\d+$/.test(x)) return [String((BigInt(x) + 1n) % P)];
  if (/_proj$/.test(x)) return [x === 'k_proj' ? 'o_proj' : 'k_proj'];
  return [`${x}x`];
}
/**
 * Every JSON value that differs from `x` in one field: changed, removed, a foreign one added, an item dropped or
 * repeated.
 */
function* tampered(x: Json, path = ''): Generator<{ at: string; value: Json }> {
  if (Array.isArray(x)) {
    for (let i = 0; i < x.length; i++)
      for (const t of tampered(x[i], `${path}[${i}]`)) yield { at: t.at, value: x.map((y, n) => (n === i ? t.value : y)) };
    if (x.length) yield { at: `${path} shortened`, value: x.slice(0, -1) };
    yield { at: `${path} with an item more`, value: [...x, x.length ? x[x.length - 1] : 'x'] };
  } else if (x && typeof x === 'object') {
    for (const [key, y] of Object.entries(x)) {
      for (const t of tampered(y, path ? `${path}.${key}` : key)) yield { at: t.at, value: { ...x, [key]: t.value } };
      const { [key]: _, ...rest } = x;
      yield { at: `${path}.${key} removed`, value: rest };
    }
    yield { at: `${path}.foreign added`, value: { ...x, foreign: 1 } };
  } else for (const v of others(x, path)) yield { at: path, value: v };
}

/** A file with a JSON line in front of its bytes. */
const split = (b: Buffer): { head: Json; body: Buffer } => {
  const nl = b.indexOf(10);
  return { head: JSON.parse(b.subarray(0, nl).toString()) as Json, body: b.subarray(nl + 1) };
};
/**
 * The file with every digest in it made again: digests guard against accidents, and a test that leaves them would try
 * nothing else.
 */
const join2 = (head: Json, body: Buffer): Buffer => resealed(canonicalize(head)!, body);
/** The same with the digests as they are. */
const unsealed = (head: Json, body: Buffer): Buffer => Buffer.concat([Buffer.from(`${canonicalize(head)}\n`), body]);

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'certune-tamper-'));
  run = join(dir, 'run');
  mkdirSync(run);
  writeFileSync(join(dir, 'data.jsonl'), '{"prompt":"dog: ","completion":"chien"}\n{"prompt":"cat: ","completion":"chat"}\n');
  writeFileSync(
    join(run, 'run.yaml'),
    `version: 1
base: { path: ${JSON.stringify(here('tiny'))} }
data: [{ path: ../data.jsonl, source: s, license: CC0-1.0, language: fr }]
lora: { r: 1, alpha: 2, targets: [v_proj] }
train: { steps: 1, batch: 2, microBatch: 1, sequence: 10, learningRate: 0.002, warmup: 0 }
proof: { bits: 100 }
numbers: { preset: small }
`,
  );
  commit(run, quiet);
  await train(run, { workers: '2' }, quiet);
  await prove(run, { workers: '2', fold: false }, quiet);
  packed = join(run, 'out/proof/run.certune');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const candidate = (): string => join(dir, 'candidate.certune');
const check = (b: Uint8Array, what: string): string =>
  refusal(() => {
    writeFileSync(candidate(), b);
    return verify(candidate(), inputs(), quiet);
  }, what);

describe('tampering with a run', () => {
  it('the honest run verifies, as a folder and as a file', () => {
    expect(verify(run, {}, quiet).data['verified']).toMatchObject({ proof: 'checked' });
    expect(verify(packed, inputs(), quiet).data['verified']).toMatchObject({ proof: 'checked' });
  });
  it('every artifact is on the list', async () => {
    const { readdirSync } = await import('node:fs');
    const found = readdirSync(join(run, 'out'), { recursive: true, withFileTypes: true })
      .filter((e) => e.isFile())
      .map((e) => join(e.parentPath, e.name).slice(join(run, 'out/').length));
    expect(found.filter((f) => !ARTIFACTS[f])).toEqual([]);
  });

  it('run.certune: every field of the header', () => {
    const { head, body } = split(readFileSync(packed)),
      codes = new Map<string, number>();
    let n = 0;
    for (const t of tampered(head)) {
      // State commitments are ten words each: the first, one of the point and one of the value stand for them.
      if (/state\.\w+\[[1-35689]\]$/.test(t.at)) continue;
      n++;
      const digest = /(^|\.)(sha256|merged|header|body|seal|digests?)( removed)?$/.test(t.at) && !/^manifest|^key/.test(t.at),
        code = check((digest ? unsealed : join2)(t.value, body), t.at);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    expect(n).toBeGreaterThan(150);
    expect(codes.get('verification-failed')).toBeGreaterThan(20);
  });
  it('run.certune: declared words that agree with each other', () => {
    const { head, body } = split(readFileSync(packed)),
      m = head as { manifest: { config: { data: { license: string }[] }; dataset: { files: { license: string }[] } } };
    const change = structuredClone(m);
    change.manifest.config.data[0].license = change.manifest.dataset.files[0].license = 'MIT';
    expect(check(join2(change as unknown as Json, body), 'licence')).toBe('verification-failed');
  });
  it('run.certune: words of every part, bytes, order of keys, spelling', () => {
    const b = readFileSync(packed),
      { head, body } = split(b),
      h = head as { steps: { words: number }[][]; merge: number },
      rnd = lcg(5);
    let at = 0;
    for (const words of [...h.steps[0].map((p) => p.words), h.merge]) {
      for (let i = 0; i < 6; i++) {
        const c = Buffer.from(body),
          w = 8 * (at + [0, words - 1, rnd(words), rnd(words), rnd(words), rnd(words)][i]);
        c.writeBigUInt64LE((c.readBigUInt64LE(w) + 1n) % P, w);
        expect(check(join2(head, c), `word ${w / 8}`)).toBe('verification-failed');
      }
      at += words;
    }
    const text = b.subarray(0, b.indexOf(10)).toString();
    check(b.subarray(0, b.length - 1), 'cut');
    check(Buffer.concat([b, Buffer.of(0)]), 'grown');
    check(Buffer.concat([Buffer.from(`${text.replace('"version":', '"version": ')}\n`), body]), 'another spelling');
    check(Buffer.concat([Buffer.from(`${text.replace(/^\{/, '{"version":1,')}\n`), body]), 'a key twice');
    check(Buffer.of(), 'empty');
    check(Buffer.from('\n'), 'empty header');
    check(Buffer.alloc(1000, 0x5b), 'brackets');
  });

  const isManifest = (x: Json): boolean => {
    try {
      parseManifest('manifest.json', x);
      return true;
    } catch {
      return false;
    }
  };
  it('manifest.json: every field', () => {
    const file = join(run, 'out/manifest.json'),
      text = readFileSync(file);
    let n = 0;
    for (const t of tampered(JSON.parse(text.toString()) as Json)) {
      writeFileSync(file, JSON.stringify(t.value));
      // One that is no manifest any more is damage, and a copy takes its place: what is verified is what was.
      if (isManifest(t.value)) refusal(() => verify(run, {}, quiet), t.at);
      else
        try {
          expect(verify(run, {}, quiet).data['manifest'], t.at).toBe(manifestDigest(JSON.parse(text.toString()) as Manifest));
        } catch (e) {
          refusal(() => {
            throw e;
          }, t.at);
        }
      n++;
    }
    writeFileSync(file, text);
    expect(n).toBeGreaterThan(100);
  });

  it('adapter_config.json: every field; adapter tensors: every one', () => {
    const copy = join(dir, 'adapter');
    cpSync(join(run, 'out/adapter'), copy, { recursive: true });
    const file = join(copy, 'adapter_config.json'),
      text = readFileSync(file),
      settings = JSON.parse(text.toString()) as Record<string, Json>,
      OFF = new Set(['false', 'null', '{}', '[]', '"none"', '0', '0.0', 'true', '"default"']),
      attempt = (what: string): string => refusal(() => verify(packed, { ...inputs(), adapter: copy }, quiet), what);
    for (const t of tampered(JSON.parse(text.toString()) as Json)) {
      writeFileSync(file, JSON.stringify(t.value));
      // A key that is not there means PEFT's default: to leave out one that has it changes nothing.
      const left = /^\.(\w+) removed$/.exec(t.at)?.[1];
      if (left !== undefined && OFF.has(JSON.stringify(settings[left]))) continue;
      // Bookkeeping of PEFT, which says nothing about the tensors.
      if (
        /^\.?(inference_mode|auto_mapping|peft_version|init_lora_weights|megatron_core|loftq_config|qalora_group_size|runtime_config|task_type)\b/.test(
          t.at,
        )
      )
        continue;
      attempt(`adapter_config ${t.at}`);
    }
    for (const [key, value] of Object.entries({
      init_lora_weights: 'pissa',
      lora_bias: true,
      rank_pattern: { v_proj: 1 },
      use_qalora: true,
    })) {
      writeFileSync(file, JSON.stringify({ ...(JSON.parse(text.toString()) as object), [key]: value }));
      attempt(`adapter_config with ${key}`);
    }
    writeFileSync(file, text);
    const model = join(copy, 'adapter_model.safetensors'),
      bytes = readFileSync(model),
      size = Number(bytes.readBigUInt64LE(0)),
      header = JSON.parse(bytes.subarray(8, 8 + size).toString()) as Record<string, { data_offsets: [number, number] }>,
      put = (h: Json, body: Buffer): void => {
        const head = Buffer.from(JSON.stringify(h)),
          len = Buffer.alloc(8);
        len.writeBigUInt64LE(BigInt(head.length));
        writeFileSync(model, Buffer.concat([len, head, body]));
      };
    for (const [name, x] of Object.entries(header)) {
      if (name === '__metadata__') continue;
      for (const by of [2 ** -20, -(2 ** -20), 2 ** -21, 1]) {
        const b = Buffer.from(bytes),
          at = 8 + size + x.data_offsets[0];
        b.writeFloatLE(b.readFloatLE(at) + by, at);
        writeFileSync(model, b);
        attempt(`${name} by ${by}`);
      }
    }
    const { __metadata__: _, ...tensors } = header as unknown as Record<string, Json>;
    for (const t of tampered(tensors as Json)) {
      put(t.value, bytes.subarray(8 + size));
      attempt(`safetensors ${t.at}`);
    }
    // Two layers exchanged: the same values under other names.
    const names = Object.keys(tensors).sort(),
      [a, c] = [names.find((n) => /layers\.0.*lora_A/.test(n))!, names.find((n) => /layers\.1.*lora_A/.test(n))!];
    put({ ...tensors, [a]: tensors[c], [c]: tensors[a] }, bytes.subarray(8 + size));
    attempt('layers exchanged');
  });

  it('journal and proofs of single steps: every field of their headers', () => {
    const out = join(run, 'out'),
      pack = readPack(packed),
      digest = manifestDigest(pack.manifest);
    let parameters = 0;
    writeProof(out, digest, pack.run.steps[0]);
    for (const [file, read] of [
      ['proof/step-00000.bin', () => readProof(out, digest, 0)],
      ['journal/step-00000.bin', () => readState(out, digest, 0, parameters)],
      ['journal/step-00001.bin', () => readState(out, digest, 1, parameters)],
    ] as const) {
      const path = join(out, file),
        bytes = readFileSync(path),
        { head, body } = split(bytes);
      if (file.startsWith('journal')) parameters = Math.floor(body.length / 32);
      expect(read()).toBeDefined();
      for (const t of tampered(head)) {
        // These are read as they are. The parts of a step proof are refused when the pack is verified (see above); a
        // foreign key is not looked at.
        if (/state\.\w+\[|\.?loss$|kind$|^\.foreign added/.test(t.at)) continue;
        writeFileSync(path, Buffer.concat([Buffer.from(`${JSON.stringify(t.value)}\n`), body]));
        refusal(read, `${file} ${t.at}`);
      }
      const flipped = Buffer.from(body);
      flipped[flipped.length >> 1] ^= 1;
      writeFileSync(path, Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), flipped]));
      refusal(read, `${file} body`);
      writeFileSync(path, bytes);
    }
    rmSync(join(out, 'proof/step-00000.bin'));
  });
});
