import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { fixture } from '../../test/fixtures.js';
import { type LlamaShape, TARGETS, type Target } from '../model/shape.js';
import { computeCopy } from '../model/init.js';
import { InputError } from '../errors.js';
import { type AdapterMeta, adapterConfig, adapterShapes, parseAdapterConfig } from './adapter.js';
import { importAdapter, modelCard, readAdapter, writeAdapter } from './peft.js';
import { readSafetensors, writeSafetensors } from './safetensors.js';
import { STORIES } from '../../test/stories.js';

const root = mkdtempSync(join(tmpdir(), 'certune-peft-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const SHAPE: LlamaShape = {
  layers: 2,
  hidden: 12,
  intermediate: 10,
  kvHeads: 1,
  groups: 3,
  headDim: 4,
  vocab: 7,
  tied: true,
  bias: false,
  rmsEps: 1e-5,
};
const META: AdapterMeta = { r: 3, alpha: 6, targets: ['q_proj', 'down_proj'], rslora: false, base: 'owner/name', revision: 'abc' };
const members = (): Map<string, BigInt64Array> =>
  new Map([
    ['q_proj.A', BigInt64Array.from({ length: 72 }, (_, k) => BigInt(k * 7919 - 300000))],
    ['q_proj.B', BigInt64Array.from({ length: 72 }, (_, k) => BigInt(k) - 36n)],
    ['down_proj.A', BigInt64Array.from({ length: 60 }, (_, k) => (k % 2 ? 1n << 24n : -(1n << 24n)))],
    ['down_proj.B', BigInt64Array.from({ length: 72 }, () => 0n)],
  ]);
let made = 0;
const adapter = (edit: (c: Record<string, unknown>) => void = () => {}): string => {
  const dir = join(root, `a${made++}`);
  writeAdapter(dir, SHAPE, META, members(), 'card');
  const file = join(dir, 'adapter_config.json'),
    c = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  edit(c);
  writeFileSync(file, JSON.stringify(c));
  return dir;
};
const problemsOf = (f: () => unknown): string[] => {
  try {
    f();
  } catch (e) {
    expect(e).toBeInstanceOf(InputError);
    return [...(e as InputError).problems];
  }
  throw new Error('accepted');
};

describe('PEFT adapters', () => {
  it('releases every integer as a float32 that is exactly C 2^-20, [r, in] and [out, r] per layer', () => {
    const t = readSafetensors(join(adapter(), 'adapter_model.safetensors'));
    expect([...t.keys()].sort()).toEqual([...adapterShapes(SHAPE, 3, META.targets).keys()].sort());
    for (const [name, shape] of adapterShapes(SHAPE, 3, META.targets)) {
      const [, l, target, ab] = /layers\.(\d+)\.\w+\.(\w+)\.lora_([AB])/.exec(name)!,
        all = members().get(`${target}.${ab}`)!,
        n = all.length / 2;
      expect(t.get(name)!.shape).toEqual(shape);
      expect([...t.get(name)!.data].map((x) => BigInt(x * 2 ** 20))).toEqual([...all.slice(Number(l) * n, (Number(l) + 1) * n)]);
    }
    expect(() =>
      writeAdapter(join(root, 'x'), SHAPE, META, new Map([...members(), ['q_proj.A', new BigInt64Array(72).fill((1n << 24n) + 1n)]]), ''),
    ).toThrow(/beyond 2\^24/);
  });

  it('reads back what it wrote', () => {
    const a = readAdapter(adapter(), SHAPE);
    expect(a.meta).toEqual(META);
    expect(a.config).toEqual(JSON.parse(JSON.stringify(adapterConfig(META))));
    for (const [n, v] of members()) expect([...a.members.get(n)!].map((x) => x * 2 ** 20)).toEqual([...v].map(Number));
  });

  it('imports by round(x 2^30), ties upward, counting what changes, so that float32 above 2^-7 stays exact', () => {
    const v = new Map([
      ['q_proj.A', Float64Array.of(1, -1, 2 ** -31, -(2 ** -31), 3 * 2 ** -32, 0.49999999999999994 * 2 ** -30, 7.9999, -7.5)],
    ]);
    const { master, inexact } = importAdapter('x', v);
    expect([...master.get('q_proj.A')!].slice(0, 6)).toEqual([1n << 30n, -(1n << 30n), 1n, 0n, 1n, 0n]);
    expect(inexact).toBe(5);
    // A released adapter starts the next run from the very integers that it holds.
    const own = readAdapter(adapter(), SHAPE).members;
    own.delete('down_proj.A');
    const again = importAdapter('x', own);
    expect(again.inexact).toBe(0);
    for (const [n, c] of members()) if (n !== 'down_proj.A') expect(computeCopy(again.master.get(n)!)).toEqual(c);
    for (const x of [8, -8, Number.NaN, Number.POSITIVE_INFINITY])
      expect(problemsOf(() => importAdapter('x', new Map([['a', Float64Array.of(0, x)]])))[0]).toMatch(/^a\[1\] is /);
  });

  it.each<[Record<string, unknown>, RegExp]>([
    [{ peft_type: 'IA3' }, /peft_type IA3/],
    [{ use_dora: true }, /DoRA/],
    [{ lora_dropout: 'x' }, /lora_dropout "x" is not a number from 0 to 1/],
    [{ bias: 'all' }, /bias all/],
    [{ fan_in_fan_out: true }, /fan_in_fan_out/],
    [{ task_type: 'SEQ_CLS' }, /task_type SEQ_CLS/],
    [{ modules_to_save: ['lm_head'] }, /modules_to_save/],
    [{ rank_pattern: { q_proj: 4 } }, /rank_pattern/],
    [{ alpha_pattern: { q_proj: 4 } }, /alpha_pattern/],
    [{ layers_to_transform: [1] }, /layers_to_transform/],
    [{ layer_replication: [[0, 1]] }, /layer_replication/],
    [{ target_parameters: ['x'] }, /target_parameters/],
    [{ trainable_token_indices: [1] }, /trainable_token_indices/],
    [{ lora_bias: true }, /lora_bias/],
    [{ use_qalora: true }, /use_qalora/],
    [{ use_rslora: 'true' }, /use_rslora "true" is not true or false/],
    [{ init_lora_weights: 'pissa' }, /init_lora_weights "pissa" .*rewrite the base/],
    [{ some_future_option: 3 }, /some_future_option/],
    [{ target_modules: 'all-linear' }, /target_modules "all-linear" is not a list/],
    [{ target_modules: [] }, /names no projection/],
    [{ target_modules: ['q_proj', 'lm_head'] }, /target module lm_head/],
    [{ target_modules: ['q_proj', 'q_proj'] }, /twice/],
    [{ r: 0 }, /r 0 is not a rank/],
    [{ lora_alpha: '16' }, /lora_alpha "16"/],
  ])('refuses %j by name', (change, message) => {
    expect(
      problemsOf(() =>
        readAdapter(
          adapter((c) => Object.assign(c, change)),
          SHAPE,
        ),
      ).join('; '),
    ).toMatch(message);
  });

  it('refuses missing, extra, misshapen and non-finite tensors, all at once', () => {
    const dir = adapter(),
      file = join(dir, 'adapter_model.safetensors'),
      t = readSafetensors(file),
      name = (l: number, ab: string): string => `base_model.model.model.layers.${l}.self_attn.q_proj.lora_${ab}.weight`;
    t.delete(name(0, 'A'));
    t.set(name(1, 'A'), { shape: [2, 12], data: new Float32Array(24) });
    t.get(name(0, 'B'))!.data[4] = Number.NaN;
    t.set('base_model.model.lm_head.weight', { shape: [1], data: new Float32Array(1) });
    writeSafetensors(file, t);
    expect(problemsOf(() => readAdapter(dir, SHAPE))).toEqual([
      `tensor ${name(0, 'A')} is missing`,
      `tensor ${name(1, 'A')} has shape [2,12], expected [3,12]`,
      `tensor ${name(0, 'B')}[4] is NaN`,
      'tensor base_model.model.lm_head.weight is unexpected',
    ]);
  });

  it('writes the front matter of the hub and declares the rest', () => {
    const facts = {
      meta: META,
      baseDigest: 'sha256:00',
      steps: 8,
      batch: 4,
      rows: { given: 10, kept: 7, cut: 2, unclosed: 1 },
      datasetRoot: ['1', '2', '3', '4'],
      data: [
        { source: 'a/b', license: 'CC-BY-4.0', language: 'en' },
        { source: 'own: "text"', license: 'CC-BY-4.0', language: 'fr' },
      ],
    };
    const card = modelCard(facts);
    expect(card.split('---')[1].trim().split('\n')).toEqual([
      'base_model: "owner/name"',
      'library_name: peft',
      'pipeline_tag: text-generation',
      'license: cc-by-4.0',
      'language:',
      '- "en"',
      '- "fr"',
      'datasets:',
      '- "a/b"',
      'tags:',
      '- lora',
      '- certune',
    ]);
    expect(card).toContain('| own: "text" | CC-BY-4.0 | fr |');
    expect(card).toContain('| rows | 7 of 10 learnt, 3 dropped; 2 cut, 1 of them without their closing id |');
    const two = modelCard({
      ...facts,
      meta: { ...META, base: 'sha256:00' },
      imported: { inexact: 7 },
      data: [...facts.data, { source: 'c', license: 'MIT', language: 'und' }],
    });
    expect(two).not.toMatch(/base_model:/);
    expect(two).toContain('license: other\nlicense_name: "CC-BY-4.0 AND MIT"');
    expect(two).toMatch(/rounded to multiples of 2\^-30 .ties upward.; 7 values/);
  });
});

describe('PEFT vectors', () => {
  const configs = fixture('vectors/peft-adapter-config');
  it.skipIf(!configs)(
    'reads or refuses by name the configurations that PEFT saved, and writes only keys that they have (needs fixtures)',
    () => {
      const read = (name: string): { c: Record<string, unknown>; problems: string[]; meta: AdapterMeta } => {
        const c = JSON.parse(readFileSync(join(configs!, `${name}.json`), 'utf8')) as Record<string, unknown>,
          problems: string[] = [];
        return { c, problems, meta: parseAdapterConfig(c, problems) };
      };
      const saved = read('saved_openmath_qwen2.5-math-1.5b');
      expect(saved.problems).toEqual([]);
      expect(saved.meta).toMatchObject({
        r: 16,
        alpha: 32,
        targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj'],
        rslora: false,
        dropout: 0.05,
        base: 'Qwen/Qwen2.5-Math-1.5B',
      });
      expect(Object.keys(adapterConfig(META)).filter((k) => !(k in saved.c))).toEqual([]);
      for (const [k, v] of Object.entries(adapterConfig(META)))
        expect([k, typeof v]).toEqual([k, saved.c[k] === null && v !== null ? typeof v : typeof saved.c[k]]);
      expect(read('peft_lora__llama-3.2-3B-rank64-rslora').meta.rslora).toBe(true);
      expect(read('peft_lora__llama-3.2-3B-rank64-rslora').problems).toEqual([expect.stringMatching(/target_modules null is not a list/)]);
      expect(read('peft_lora__llama-3.2-3B-rank32-dora').problems).toContainEqual(expect.stringMatching(/DoRA/));
      expect(read('peft_ia3__llama-3.2-3B-default').problems).toContainEqual(expect.stringMatching(/peft_type IA3/));
      expect(read('peft_adalora__llama-3.2-3B-rank32').problems).toContainEqual(expect.stringMatching(/peft_type ADALORA/));
      expect(read('peft_lora__llama-3.2-3B-rank10-target-mlp').meta.r).toBe(10);
      expect(read('peft_text_generation_benchmark__lora_r8').problems).toEqual([]);
      expect(read('peft_text_generation_benchmark__lora_r8').meta.dropout).toBe(0.1);
    },
  );

  const runs = fixture('vectors/lora-adamw-peft');
  it.skipIf(!runs)('names tensors as PEFT does in three runs, and reads its adapters (needs fixtures)', () => {
    const cases: [string, number, number, Target[]][] = [
      ['all-rank8', 8, 16, [...TARGETS]],
      ['qv-rank4', 4, 8, ['q_proj', 'v_proj']],
      ['schedule-accumulation', 5, 10, ['k_proj', 'o_proj', 'down_proj']],
    ];
    for (const [name, r, alpha, targets] of cases) {
      const bytes = readFileSync(join(runs!, name, 'adapter_step1.safetensors')),
        dir = join(root, name);
      const t = readSafetensors(join(runs!, name, 'adapter_step1.safetensors'));
      expect(new Map([...t].map(([n, x]) => [n, x.shape]).sort() as [string, number[]][])).toEqual(
        new Map([...adapterShapes(STORIES, r, targets)].sort()),
      );
      mkdirSync(dir);
      writeFileSync(join(dir, 'adapter_model.safetensors'), bytes);
      writeFileSync(
        join(dir, 'adapter_config.json'),
        JSON.stringify({ ...adapterConfig({ ...META, r, alpha, targets }), peft_version: '0.21.0' }),
      );
      const a = readAdapter(dir, STORIES);
      expect(a.meta.targets).toEqual(targets);
      const { master, inexact } = importAdapter(dir, a.members);
      expect(inexact).toBeGreaterThan(0);
      let worst = 0;
      for (const [n, v] of a.members) v.forEach((x, k) => (worst = Math.max(worst, Math.abs(Number(master.get(n)![k]) / 2 ** 30 - x))));
      expect(worst).toBeLessThanOrEqual(2 ** -31);
    }
  });
});
