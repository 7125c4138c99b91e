import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commit } from '../src/cli/commit.js';
import { describe as describeError } from '../src/cli/errors.js';
import { Progress } from '../src/cli/progress.js';
import { type Tensor, readSafetensors, writeAdapter, writeSafetensors } from '../src/io/index.js';

/*
 * What a user can get wrong, each through `commit` as a user meets it: one clear error that names file, key or tensor,
 * never an internal one, and nothing is written.
 */
const tiny = fileURLToPath(new URL('./data/tiny', import.meta.url)),
  quiet = { progress: new Progress({ tty: false, quiet: true, write: () => {} }), writes: () => {} };
let root: string,
  made = 0;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'certune-bad-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const GOOD = '{"prompt":"dog: ","completion":"chien"}\n{"prompt":"cat: ","completion":"chat"}\n';
interface Wrong {
  readonly yaml?: string;
  readonly data?: string | Uint8Array;
  readonly tensors?: (t: Map<string, Tensor>) => void;
  readonly base?: (dir: string) => void;
}
/** A run with one thing wrong: the error that commit ends with, and whether it left anything behind. */
function attempt(w: Wrong): { message: string; code: string; exit: number } {
  const dir = join(root, `r${made++}`),
    run = join(dir, 'run'),
    base = join(dir, 'base');
  mkdirSync(run, { recursive: true });
  cpSync(tiny, base, { recursive: true });
  if (w.tensors) {
    const t = readSafetensors(join(base, 'model.safetensors'));
    w.tensors(t);
    writeSafetensors(join(base, 'model.safetensors'), t);
  }
  w.base?.(base);
  writeFileSync(join(dir, 'data.jsonl'), w.data ?? GOOD);
  writeFileSync(
    join(run, 'run.yaml'),
    `version: 1\nbase: { path: ../base }\ndata: [{ path: ../data.jsonl }]\n${w.yaml ?? ''}${/^train:/m.test(w.yaml ?? '') ? '' : 'train: { steps: 1, batch: 2, sequence: 12 }\n'}${/^lora:/m.test(w.yaml ?? '') ? '' : 'lora: { r: 1, alpha: 2, targets: [v_proj] }\n'}numbers: { preset: small }\n`,
  );
  try {
    commit(run, quiet);
  } catch (e) {
    const d = describeError(e);
    expect(() => readFileSync(join(run, 'out/manifest.json')), 'nothing is written').toThrow();
    return d;
  }
  return { message: 'accepted', code: 'none', exit: 0 };
}
const EMBED = 'model.embed_tokens.weight',
  set = (name: string, k: number, x: number) => (t: Map<string, Tensor>) => {
    t.get(name)!.data[k] = x;
  };
const adapter = (dir: string, alpha: number): void =>
  writeAdapter(
    join(dir, 'adapter'),
    { layers: 2, hidden: 32, intermediate: 44, kvHeads: 2, groups: 2, headDim: 8, vocab: 259, tied: true, bias: false, rmsEps: 1e-5 },
    { r: 1, alpha, targets: ['v_proj'], rslora: false, base: 'x', revision: null },
    new Map([
      ['v_proj.A', new BigInt64Array(64)],
      ['v_proj.B', new BigInt64Array(32)],
    ]),
    '',
  );

describe('bad input', () => {
  it('is not what these cases start from', () => {
    expect(attempt({}).message).toBe('accepted');
  });
  it.each<[string, Wrong, RegExp]>([
    ['a missing tensor', { tensors: (t) => void t.delete('model.norm.weight') }, /base: tensor model.norm.weight is missing/],
    [
      'a wrong shape',
      { tensors: (t) => void t.set(EMBED, { shape: [258, 32], data: new Float32Array(258 * 32) }) },
      /model.embed_tokens.weight has shape \[258,32\], expected \[259,32\]/,
    ],
    ['a NaN weight', { tensors: set(EMBED, 7, Number.NaN) }, /model.embed_tokens.weight\[7\] is NaN/],
    ['an infinite weight', { tensors: set(EMBED, 7, Number.POSITIVE_INFINITY) }, /model.embed_tokens.weight\[7\] is Infinity/],
    [
      'a weight too large',
      { tensors: set(EMBED, 7, 1e6) },
      /model.embed_tokens.weight\[7\] is 1000000, weights of this tensor must stay below/,
    ],
    [
      'a base cut short',
      { base: (d) => writeFileSync(join(d, 'model.safetensors'), readFileSync(join(d, 'model.safetensors')).subarray(0, 5000)) },
      /model.safetensors (is cut short|has a header)/,
    ],
    ['no tokenizer', { base: (d) => rmSync(join(d, 'tokenizer.json')) }, /tokenizer.json: is missing/],
    [
      'a broken tokenizer',
      { base: (d) => writeFileSync(join(d, 'tokenizer.json'), '{"model":{}}') },
      /tokenizer.json: model.type is missing/,
    ],
    ['no base', { base: (d) => rmSync(d, { recursive: true }) }, /config.json: cannot be read/],
    ['empty data', { data: '' }, /no row has a target token/],
    ['unreadable data', { data: 'not JSON\n' }, /data.jsonl: line 1: is not JSON/],
    [
      'no completion tokens',
      { data: '{"prompt":"a","completion":""}\n' },
      /no row has a target token \(1 rows dropped, the first is line 1: no completion/,
    ],
    [
      'completions beyond the sequence',
      { data: '{"prompt":"a long prompt indeed","completion":"x"}\n' },
      /no target token within the sequence; raise train.sequence/,
    ],
    ['an unknown key', { yaml: 'samplr: {}\n' }, /run.yaml: samplr: unknown key, did you mean sampler\?/],
    ['DoRA', { yaml: 'lora: { r: 1, alpha: 2, dora: true }\n' }, /lora.dora: unknown key, DoRA is not supported/],
    [
      'a sequence beyond the positions',
      { yaml: 'train: { steps: 1, sequence: 4096 }\n' },
      /train.sequence 4096 exceeds the base's 128 positions/,
    ],
    [
      'batches that never come',
      { yaml: 'train: { steps: 1, batch: 5, sequence: 12 }\nsampler: { shortBatch: drop, replacement: true }\n' },
      /2 examples make no full batch of 5/,
    ],
    [
      'ids beyond the vocabulary',
      {
        base: (d) =>
          writeFileSync(join(d, 'tokenizer.json'), readFileSync(join(d, 'tokenizer.json'), 'utf8').replace(/"c":\d+/, '"c":300')),
      },
      /line 1: the tokenizer gives id 300, the base has 259 tokens/,
    ],
    [
      'no adapter to start from',
      { yaml: 'lora: { r: 1, alpha: 2, targets: [v_proj], from: ../nowhere }\n' },
      /nowhere\/adapter_config.json: cannot be read/,
    ],
    [
      'an adapter of another scaling',
      { base: (d) => adapter(d, 3), yaml: 'lora: { r: 1, alpha: 2, targets: [v_proj], from: ../base/adapter }\n' },
      /lora.alpha is 2, the adapter's 3/,
    ],
    [
      'a quantised base',
      {
        base: (d) =>
          writeFileSync(
            join(d, 'config.json'),
            readFileSync(join(d, 'config.json'), 'utf8').replace('{', '{"quantization_config":{"quant_method":"awq"},'),
          ),
      },
      /quantization_config \(awq\) is not supported/,
    ],
  ])('%s', (_, w, message) => {
    const e = attempt(w);
    expect(e.message).toMatch(message);
    expect(e.code).not.toBe('internal');
    expect([2, 3]).toContain(e.exit);
  });
});
