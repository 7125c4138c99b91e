import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runStep } from '../src/prove/step.js';
import { setup } from '../src/setup/run.js';
import { UsageError } from '../src/cli/errors.js';
import { evaluate, generate } from '../src/cli/evaluate.js';
import { Progress } from '../src/cli/progress.js';
import { TextCodec, loadData } from '../src/io/data.js';
import { loadBase, readJson } from '../src/io/hf.js';
import { singleKernels } from '../src/kernels/index.js';
import { splitWeights } from '../src/model/base.js';
import { Inference } from '../src/model/generate.js';
import { unflattenGroup } from '../src/model/step.js';
import { ADAMW } from '../src/optim/adamw.js';
import { runSchema } from '../src/run/schema.js';
import { tokenizerText } from '../tools/base/corpus.js';
import { dataRows } from '../tools/base/make-data.js';
import { trainTokenizer } from '../tools/base/tokenizer.js';

const path = (p: string): string => fileURLToPath(new URL(`../examples/${p}`, import.meta.url));
type Row = { prompt?: string; completion?: string; messages?: { content: string }[] };
const rows = (file: string): Row[] =>
  readFileSync(path(`data/${file}`), 'utf8')
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l) as Row);
/** Sentences of a row, without the names of the languages. */
const sentences = (r: Row): string[] =>
  r.messages ? r.messages.map((m) => m.content) : [...`${r.prompt}${r.completion}`.matchAll(/(?:EN|FR): ([^\n]+)/g)].map((m) => m[1]);

describe('files of the demonstration', () => {
  it('the base is a Hugging Face folder of at most 2 MB: two layers or more, grouped queries, a chat template', () => {
    const base = loadBase(path('base')),
      size = readdirSync(path('base')).reduce((n, f) => n + statSync(join(path('base'), f)).size, 0);
    expect(size).toBeLessThan(2_000_000);
    expect(base.shape.layers).toBeGreaterThanOrEqual(2);
    expect(base.shape.groups).toBeGreaterThanOrEqual(2);
    const { ids, template } = new TextCodec(base.dir);
    expect(ids).toEqual({ first: [1], closing: [2], end: 2, notes: [] });
    expect(template).toBeDefined();
    expect(splitWeights(base.shape, base.weights).size).toBe(2 + 9 * base.shape.layers);
  });

  it('tokenizer and data are what the tools make', () => {
    const want = dataRows();
    expect(rows('translate.jsonl')).toEqual(want.translate);
    expect(rows('chat.jsonl')).toEqual(want.chat);
    expect(rows('held-out.jsonl')).toEqual(want.heldOut);
    expect(readJson(join(path('base'), 'tokenizer.json'), 'tokenizer')).toEqual(trainTokenizer(tokenizerText(want.reserved), 768));
  });

  it('no sentence of the held-out rows is in the rows to train on', () => {
    const held = rows('held-out.jsonl').flatMap(sentences),
      trained = new Set([...rows('translate.jsonl'), ...rows('chat.jsonl')].flatMap(sentences));
    expect(held.length).toBe(2 * rows('held-out.jsonl').length);
    for (const s of held) expect(trained.has(s), s).toBe(false);
  });

  it('every text comes back from its tokens, and every row fits the sequence of the demonstration', () => {
    const base = loadBase(path('base')),
      codec = new TextCodec(base.dir);
    const texts = [readFileSync(path('text/stories.txt'), 'utf8'), 'Ça coûte 5 €, “naïve” — Übermut, 日本語\n\t…'];
    for (const t of texts) expect(codec.decode(codec.encode(t))).toBe(t);
    for (const f of ['translate.jsonl', 'chat.jsonl', 'held-out.jsonl']) {
      const spec = { path: path(`data/${f}`), format: 'auto', source: '', license: '', language: '' },
        options = { appendEos: true },
        data = loadData([spec], codec, { ...options, sequence: 32 });
      expect(data.dropped).toEqual([]);
      expect(data.examples).toEqual(loadData([spec], codec, { ...options, sequence: 100 }).examples);
      for (const e of data.examples) expect(e.tokens.at(-1)).toBe(codec.ids.end);
    }
  });

  it('eight integer steps with the settings of the demonstration halve the held-out loss', () => {
    const config = runSchema.parse({
      version: 1,
      base: { path: path('base') },
      data: [{ path: path('data/translate.jsonl') }, { path: path('data/chat.jsonl') }],
      train: { steps: 8, batch: 4, microBatch: 4, sequence: 32, learningRate: 0.006, schedule: 'constant', warmup: 0 },
      numbers: { preset: 'small' },
    });
    const k = singleKernels(),
      s = setup(config, [1n, 2n, 3n, 4n]),
      spec = { path: path('data/held-out.jsonl'), format: 'auto', source: '', license: '', language: '' },
      held = loadData([spec], s.codec, { sequence: 32, appendEos: true }).examples,
      rows = { tokens: held.map((x) => x.tokens), mask: held.map((x) => x.mask) };
    let state = s.inputs.initial;
    for (let step = 0; step < 8; step++) {
      const m = k.mark();
      state = runStep(k, s.run, s.inputs, step, state).after;
      k.release(m);
    }
    const members = new Map(
      [...unflattenGroup(s.run.programs.program, 'cIn', 'C', state.C)].map(([n, v]) => [
        n.slice(2),
        Float64Array.from(v, (x) => Number(x) / 2 ** ADAMW.C.frac),
      ]),
    );
    const { r, alpha, targets } = config.lora,
      before = new Inference(k, s.model, 16, 32).meanLoss(rows),
      after = new Inference(k, s.model, 16, 32, { r, targets, scaling: alpha / r, members }).meanLoss(rows);
    k.close();
    console.log('held-out loss', before, after);
    expect(after).toBeLessThan(before / 2);
  });

  it('certune eval and generate: loss, answers, continuations, and that they prove nothing', () => {
    const c = { progress: new Progress({ tty: false, quiet: true, write: () => {} }), writes: () => {} },
      model = path('base');
    const e = evaluate({ model, data: [path('data/held-out.jsonl')], show: '3' }, c);
    expect(e.data).toMatchObject({ proved: false, rows: 46 });
    expect(e.data['samples']).toHaveLength(3);
    expect(e.text).toContain('not proved');
    const g = generate('Once there was', { model, tokens: '12' }, c);
    expect(g.text.startsWith('Once there was')).toBe(true);
    expect(g.data).toMatchObject({ proved: false, prompt: 'Once there was' });
    expect(generate('What colour is the sun?', { model, tokens: '4', chat: true }, c).data['prompt']).toBe(
      'Q: What colour is the sun?\nA:',
    );
    expect(() => generate('Once', { model, tokens: 'many' }, c)).toThrow(UsageError);
    expect(() => generate('Once', { model, sequence: '1000' }, c)).toThrow(UsageError);
  });
});
