import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commit } from '../src/cli/commit.js';
import { describe as described } from '../src/cli/errors.js';
import { Progress } from '../src/cli/progress.js';
import { inspect } from '../src/cli/inspect.js';
import { LEAVES, PRIVATE_NAME, STAYS } from '../src/cli/private.js';
import { readManifest } from '../src/cli/common.js';
import { prove } from '../src/cli/prove.js';
import { train } from '../src/cli/train.js';
import { verifyNow as verify } from '../src/cli/verify-now.js';
import { blindAt, stateSaltAt } from '../src/policy/order/keys.js';
import { rowSalt } from '../src/policy/rows/opening.js';
import { contradictions } from '../src/run/facts.js';
import { manifestWords, parseManifest } from '../src/run/manifest.js';
import { policyOf } from '../src/run/policy.js';
import { runSchema } from '../src/run/schema.js';
import { readSecret, secretFile } from '../src/store/secret.js';

/*
 * The private mode: salt and sampler key are drawn by commit, lie in RUN/secret alone, and nothing else of a run has a
 * word of them.
 */
const data = (p: string): string => fileURLToPath(new URL(`./data/${p}`, import.meta.url)),
  home = mkdtempSync(join(tmpdir(), 'certune-private-')),
  said: string[] = [],
  c = { progress: new Progress({ tty: false, quiet: false, write: (t) => said.push(t) }), writes: () => {} },
  base = data('tiny'),
  rows = data('pairs.jsonl');
afterAll(() => rmSync(home, { recursive: true, force: true }));

let run = '',
  n = 0,
  printed = '';
const copy = (f: (dir: string) => void = () => {}): string => {
    const dir = join(home, `c${n++}`);
    cpSync(run, dir, { recursive: true });
    f(dir);
    said.length = 0;
    return dir;
  },
  refusal = (f: () => unknown): ReturnType<typeof described> => {
    try {
      f();
    } catch (e) {
      return described(e);
    }
    throw new Error('accepted');
  },
  settings = (sampler: string): string =>
    `version: 1\nbase: { path: ${base} }\ndata: [{ path: ${rows} }]\nlora: { r: 1, targets: [v_proj] }\ntrain: { steps: 2, batch: 2, microBatch: 2, sequence: 8, learningRate: 0.003, warmup: 0 }\nsampler: { ${sampler} }\nproof: { bits: 100 }\nnumbers: { preset: small }\n`;

beforeAll(async () => {
  run = join(home, 'run');
  mkdirSync(run);
  writeFileSync(join(run, 'run.yaml'), settings('mode: private'));
  const results = [commit(run, c), await train(run, {}, c), await prove(run, {}, c)];
  printed = said.join('') + JSON.stringify(results.map((r) => [r.text, r.data]));
});

describe('a run in the private mode', () => {
  it('keeps salt and key in RUN/secret, for its owner alone, and says so', () => {
    expect(statSync(secretFile(run)).mode & 0o777).toBe(0o600);
    expect(statSync(join(run, 'secret')).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(run, 'secret'))).toEqual(['.gitignore', 'sampler.json']);
    expect(statSync(join(run, 'out')).mode & 0o777).toBe(0o700);
    expect(printed).toMatch(/salt and sampler key of this run, drawn now.*Keep a copy, publish none/);
    // Two steps of an epoch: what is shown of the whole run is of these two.
    expect(printed).toMatch(/the run ends 2 of \d steps into an epoch: the sums of losses and targets .* tell those of these 2 steps/);
    const m = parseManifest('m', JSON.parse(readFileSync(join(run, 'out/manifest.json'), 'utf8')));
    expect(m.config.sampler).toMatchObject({ mode: 'private', key: null });
    expect(m.dataset.salt).toBeNull();
    expect(m.dataset.key).toHaveLength(4);
    // One word of the policy is the commitment; the same manifest with another key is another policy.
    expect(policyOf(m).facts.privateKey).toEqual(m.dataset.key!.map(BigInt));
    expect(policyOf({ ...m, dataset: { ...m.dataset, key: ['1', '2', '3', '4'] } }).digest).not.toEqual(policyOf(m).digest);
    expect(contradictions(m)).toEqual([]);
    expect(contradictions({ ...m, dataset: { ...m.dataset, key: null } })).toEqual(['dataset.key']);
    expect(contradictions({ ...m, dataset: { ...m.dataset, salt: ['1', '2', '3', '4'] } })).toEqual(['dataset.salt']);
  });
  it('is marked: what stays with the prover is named, in the folder and by prove', () => {
    const text = readFileSync(join(run, 'out', PRIVATE_NAME), 'utf8');
    expect(text).toMatch(/^PRIVATE: /);
    for (const { files } of [...STAYS, ...LEAVES]) expect(text).toContain(files);
    // Everything that a run leaves in its folder is on one of the lists.
    const named = [...STAYS, ...LEAVES].map((k) => k.files.replace(/^out\//, '').replace(/\*.*$/, ''));
    expect(
      filesOf(run)
        .map((f) => f.slice(join(run, 'out').length + 1))
        .filter((f) => f !== PRIVATE_NAME && f !== 'lock' && !named.some((n) => f.startsWith(n))),
    ).toEqual([]);
    expect(printed).toContain('out/PRIVATE.txt');
    expect(printed).toContain('"private":{"stays":[{"files":"secret/sampler.json"');
  });
  it('has no word of them anywhere else: not in its files, nor in what commands print', () => {
    const words = secretWords(run);
    expect(filesOf(run).length).toBeGreaterThan(5);
    expect(leaks(run, words)).toEqual([]);
    for (const text of [printed, inspect(run).text]) for (const w of words) expect(text.includes(String(w))).toBe(false);
  });
  it('is searched well: a word that is planted is found, as eight bytes and in decimal', () => {
    const words = secretWords(run),
      bytes = Buffer.alloc(8);
    // The key, and the salt of one row.
    for (const at of [4, words.length - 1])
      for (const plant of [
        (d: string): void => {
          bytes.writeBigUInt64LE(words[at]);
          const f = join(d, 'out/proof/run.certune'),
            b = readFileSync(f);
          bytes.copy(b, b.length - 80);
          writeFileSync(f, b);
        },
        (d: string): void => writeFileSync(join(d, 'out/proof/notes.json'), `{"key":["${words[at]}"]}`),
      ])
        expect(leaks(copy(plant), words)).toHaveLength(1);
  });
  it('is verified without the data by anybody, and with them by who has the secret', () => {
    const proof = join(run, 'out/proof/run.certune'),
      adapter = join(run, 'out/adapter');
    expect(verify(proof, { base, adapter }, c).text).toMatch(/^ {2}data: proved against the committed root/m);
    expect(refusal(() => verify(proof, { base, adapter, data: [rows] }, c))).toMatchObject({ code: 'usage' });
    expect(verify(run, {}, c).text).toMatch(/^ {2}data: checked/m);
    // A folder without its secret, as somebody else has it.
    const other = copy((d) => rmSync(join(d, 'secret'), { recursive: true }));
    expect(verify(other, {}, c).text).toMatch(/^ {2}data: proved against the committed root/m);
  });
  it('is committed again under the same secret', () => {
    const again = copy(),
      before = readFileSync(join(again, 'out/manifest.json'));
    commit(again, c);
    expect(readFileSync(join(again, 'out/manifest.json'))).toEqual(before);
    expect(readFileSync(secretFile(again))).toEqual(readFileSync(secretFile(run)));
  });
  it.each<[string, (d: string) => void, RegExp]>([
    ['lost', (d) => rmSync(secretFile(d)), /is missing: the run was committed in the private mode .*restore it/],
    ['of another run', (d) => writeFileSync(secretFile(d), JSON.stringify(otherSecret()), { mode: 0o600 }), /secret of another run/],
    ['damaged', (d) => writeFileSync(secretFile(d), readFileSync(secretFile(d)).subarray(0, -9), { mode: 0o600 }), /no secret of a run/],
    ['open to others', (d) => chmodSync(secretFile(d), 0o644), /can be read by others than its owner/],
  ])('a secret that is %s is named, and no new one drawn', async (_, harm, why) => {
    const d = copy(harm),
      quoted = readFileSync(secretFile(run), 'utf8').match(/\d{6,}/g)!;
    for (const f of [() => commit(d, c)]) {
      const e = refusal(f);
      expect(e.message).toMatch(why);
      for (const w of quoted) expect(e.message + said.join('')).not.toContain(w);
    }
    await expect(train(d, {}, c)).rejects.toThrow(why);
    if (_ === 'lost') expect(existsSync(secretFile(d))).toBe(false);
  });
  it('has no key in its settings', () => {
    const parsed = (sampler: object): unknown => runSchema.parse({ version: 1, base: { path: '' }, data: [{ path: '' }], sampler }).sampler;
    expect(parsed({})).toMatchObject({ mode: 'public', key: 'certune' });
    expect(parsed({ mode: 'private' })).toMatchObject({ mode: 'private', key: null });
    expect(() => parsed({ mode: 'private', key: 'mine' })).toThrow(/drawn by certune commit/);
  });
  it('may keep to itself which adapter it leaves, which no public run does', () => {
    const parsed = (mode: string, show: object) =>
      runSchema.parse({ version: 1, base: { path: '' }, data: [{ path: '' }], sampler: { mode }, show }).show;
    expect([parsed('private', {}).adapter, parsed('public', {}).adapter]).toEqual(['commitment', 'commitment']);
    expect(parsed('private', { adapter: 'none' }).adapter).toBe('none');
    expect(() => parsed('public', { adapter: 'none' })).toThrow(/^show\.adapter: none is for the private mode/);
    expect(() => parsed('private', { adapter: 'released' })).toThrow(/show\.adapter/);
  });
});

/** Salt, key and blind of a run, the salts of its rows and states, and the blinds of its counters. */
function secretWords(dir: string): bigint[] {
  const { salt, key } = readSecret(dir)!;
  const context = manifestWords(readManifest(dir)),
    states = Array.from({ length: 9 }, (_, t) => [
      ...stateSaltAt(salt, context, t + 1),
      ...blindAt(salt, context, 'counters', t, 0),
      ...blindAt(salt, context, 'counters', t, 1),
    ]);
  return [...salt, ...key.key, ...key.blind, ...Array.from({ length: 40 }, (_, i) => rowSalt(salt, i)).flat(), ...states.flat()];
}
const filesOf = (dir: string): string[] =>
  readdirSync(join(dir, 'out'), { recursive: true, encoding: 'utf8' })
    .map((f) => join(dir, 'out', f))
    .filter((f) => statSync(f).isFile());
/** Files of a run, its secret apart, that hold one of the words. */
const leaks = (dir: string, words: readonly bigint[]): string[] =>
  filesOf(dir).filter((f) => {
    const b = readFileSync(f);
    return words.some((w) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(w);
      return b.includes(bytes) || b.includes(String(w));
    });
  });

/** A well-formed secret whose key is not the run's. */
function otherSecret(): object {
  const x = JSON.parse(readFileSync(secretFile(run), 'utf8')) as Record<string, string[]>;
  return { ...x, key: ['1', '2', '3', '4'] };
}
