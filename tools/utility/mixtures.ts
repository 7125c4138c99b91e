/** The data of the utility experiments: named converters, weights, held-out split. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TextCodec } from 'certune/io';
import { anySentence, random as stream } from '../base/language.js';
import type { Row, Settings } from './lib.js';
import { random } from './metrics.js';

/** A row as text: what follows the prompt is the target. */
interface Text {
  readonly prompt: string;
  readonly answer: string;
}
/** A row of a mixture. */
export type Item = Row & Text & { readonly source?: string };
/** A row of a file: strings by name. */
type Fields = Readonly<Record<string, string>>;

/** Rows of one source for training and held out, weight in training. */
interface Source<T> {
  readonly name: string;
  readonly weight: number;
  readonly train: readonly T[];
  readonly held: readonly T[];
}
interface Mixture {
  readonly about: string;
  readonly released: boolean;
  /** Folder of the repository that holds the base; without it the fixture stories260k. */ readonly model?: string;
  readonly sources: (root: string) => readonly Source<Text>[];
}
/** A mixture as token sequences. */
export interface Data {
  readonly about: string;
  readonly released: boolean;
  readonly batches: readonly (readonly Item[])[];
  readonly held: readonly Item[];
  readonly texts: ReadonlyMap<string, readonly Item[]>;
  readonly sources: readonly { readonly name: string; readonly weight: number; readonly train: number; readonly held: number }[];
}

const jsonl = (file: string): Fields[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((l) => JSON.parse(l) as Fields);

/** Text after the prompt is the target, and the closing id where it fits; cut on the right at `sequence`. */
function item(codec: TextCodec, sequence: number, { prompt, answer }: Text): Item | undefined {
  const head = [...codec.ids.first, ...codec.encode(prompt)],
    tail = [...codec.encode(answer), codec.ids.closing[0]],
    tokens = [...head, ...tail].slice(0, sequence);
  const from = prompt === '' ? 1 : head.length;
  if (tokens.length <= from) return undefined;
  return { tokens: Int32Array.from(tokens), mask: Uint8Array.from(tokens, (_, i) => (i >= from ? 1 : 0)), prompt, answer };
}

/** windows/1: consecutive sentences of a story up to `most` characters. */
function windows(text: string, most: number): string[] {
  const out: string[] = [];
  let now = '';
  for (const s of text.replace(/\s+/g, ' ').match(/[^.!?]+[.!?]+["']?\s*/g) ?? []) {
    if (now && now.length + s.length > most) {
      out.push(now.trim());
      now = '';
    }
    now += s;
  }
  if (now.trim()) out.push(now.trim());
  return out.filter((w) => w.length > 40);
}

/** story/1: a window as text. */
const story = (w: string): Text => ({ prompt: '', answer: w });
/** alpaca/1: the layout of Certune's alpaca format, shortened to one line each. */
const alpaca = (r: Fields): Text => ({ prompt: `${r.instruction}${r.input ? `\n${r.input}` : ''}\n`, answer: r.output });
/** pair/1: one line of source language, newline, target. */
const pair =
  (a: string, b: string) =>
  (r: Fields): Text => ({ prompt: `${r[a]}\n`, answer: r[b] });

/** translate/1: `EN: ...`, newline, `FR:`, and the translation after a space. */
const translate =
  (a: string, b: string) =>
  (r: Fields): Text => ({ prompt: `${a.toUpperCase()}: ${r[a]}\n${b.toUpperCase()}:`, answer: ` ${r[b]}` });

/** Last `n` rows held out, the others for training; seed tasks every fifth. */
const split = <T>(rows: readonly T[], n: number): [T[], T[]] => [rows.slice(0, rows.length - n), rows.slice(rows.length - n)];
const fifth = <T>(rows: readonly T[]): [T[], T[]] => [rows.filter((_, i) => i % 5 !== 4), rows.filter((_, i) => i % 5 === 4)];

const MIXTURES: Readonly<Record<string, Mixture>> = {
  english: {
    about: 'TinyStories windows (windows/1, story/1) and English seed tasks (alpaca/1)',
    released: true,
    sources(root) {
      const [a, b] = split(jsonl(join(root, 'data/tinystories-en/tinystories_segments.jsonl')), 200),
        [c, d] = fifth(jsonl(join(root, 'data/seed-tasks-en-zh/seed_tasks_en.jsonl')));
      const w = (rows: readonly Fields[]): Text[] => rows.flatMap((r) => windows(r.text, 170).map(story));
      return [
        { name: 'tinystories', weight: 0.8, train: w(a), held: w(b) },
        { name: 'seed-en', weight: 0.2, train: c.map(alpaca), held: d.map(alpaca) },
      ];
    },
  },
  'english-chinese': {
    about: 'Tatoeba pairs in both directions (pair/1), seed tasks in English and Chinese (alpaca/1)',
    released: true,
    sources(root) {
      const rows = jsonl(join(root, 'data/tatoeba-en-zh/tatoeba_en-zh_5000.jsonl')),
        held = rows.filter((_, i) => i % 8 === 7),
        train = rows.filter((_, i) => i % 8 !== 7);
      const [c, d] = fifth(jsonl(join(root, 'data/seed-tasks-en-zh/seed_tasks_en.jsonl'))),
        [e, f] = fifth(jsonl(join(root, 'data/seed-tasks-en-zh/seed_tasks_zh.jsonl')));
      return [
        { name: 'tatoeba-en-zh', weight: 0.4, train: train.map(pair('en', 'zh')), held: held.map(pair('en', 'zh')) },
        { name: 'tatoeba-zh-en', weight: 0.4, train: train.map(pair('zh', 'en')), held: held.map(pair('zh', 'en')) },
        { name: 'seed-en', weight: 0.1, train: c.map(alpaca), held: d.map(alpaca) },
        { name: 'seed-zh', weight: 0.1, train: e.map(alpaca), held: f.map(alpaca) },
      ];
    },
  },
  'english-french': {
    about:
      "sentences of the demonstration's grammar (tools/base/language.ts) beside their translation, in the demonstration's format (translate/1)",
    released: true,
    model: 'examples/base',
    sources() {
      const r = stream(2026),
        seen = new Set<string>(),
        rows: Fields[] = [];
      while (rows.length < 2600) {
        const p = anySentence(r);
        if (seen.has(p[0]) || seen.has(p[1])) continue;
        seen.add(p[0]).add(p[1]);
        rows.push({ en: p[0], fr: p[1] });
      }
      const [a, b] = split(rows, 600);
      return [
        { name: 'en-fr', weight: 0.5, train: a.map(translate('en', 'fr')), held: b.map(translate('en', 'fr')) },
        { name: 'fr-en', weight: 0.5, train: a.map(translate('fr', 'en')), held: b.map(translate('fr', 'en')) },
      ];
    },
  },
  multi30k: {
    about: 'Multi30k English to German and to French (pair/1): figures only, for non-commercial research',
    released: false,
    sources(root) {
      const train = jsonl(join(root, 'data/multi30k-en-de-fr/multi30k_train_first5000.jsonl')),
        held = jsonl(join(root, 'data/multi30k-en-de-fr/multi30k_val_1014.jsonl'));
      return [
        { name: 'multi30k-en-de', weight: 0.5, train: train.map(pair('en', 'de')), held: held.map(pair('en', 'de')) },
        { name: 'multi30k-en-fr', weight: 0.5, train: train.map(pair('en', 'fr')), held: held.map(pair('en', 'fr')) },
      ];
    },
  },
};
/** Folder of the repository that holds the mixture's base; undefined: the fixture stories260k. */
export const baseOf = (name: string): string | undefined => MIXTURES[name].model;

/**
 * A mixture as token sequences. Batches of all steps follow from the seed: each row draws its source by weight, then a
 * row of it without replacement. `held` takes up to `items` rows in proportion to the weights, evenly over each source,
 * the same for all seeds. `texts` are all held-out rows by source.
 */
export function mixture(
  name: string,
  root: string,
  codec: TextCodec,
  o: Pick<Settings, 'sequence' | 'seed' | 'steps' | 'batch'> & { readonly items: number },
): Data {
  const m = MIXTURES[name];
  if (!m.model && !existsSync(join(root, 'data'))) throw new Error(`no fixtures under ${root}: set CERTUNE_FIXTURES`);
  const sources = m.sources(root).map((s): Source<Item> => {
    const make = (rows: readonly Text[]): Item[] => rows.flatMap((r) => item(codec, o.sequence, r) ?? []);
    return { name: s.name, weight: s.weight, train: make(s.train), held: make(s.held) };
  });
  const next = random(o.seed * 7919 + 17),
    queues = sources.map((): number[] => []);
  // A source without a row that fits takes no part.
  const filled = [...sources.keys()].filter((k) => sources[k].train.length),
    total = filled.reduce((n, k) => n + sources[k].weight, 0);
  const draw = (): Item => {
    let u = next() * total,
      f = 0;
    while (f < filled.length - 1 && u >= sources[filled[f]].weight) u -= sources[filled[f++]].weight;
    const k = filled[f];
    if (!queues[k].length) {
      queues[k] = sources[k].train.map((_, i) => i);
      for (let i = queues[k].length - 1; i > 0; i--) {
        const j = Math.floor(next() * (i + 1));
        [queues[k][i], queues[k][j]] = [queues[k][j], queues[k][i]];
      }
    }
    return sources[k].train[queues[k].pop()!];
  };
  const batches = Array.from({ length: o.steps }, () => Array.from({ length: o.batch }, draw));
  const held = sources.flatMap((s) => {
    const n = Math.min(s.held.length, Math.round(o.items * s.weight));
    return Array.from({ length: n }, (_, i) => ({ ...s.held[Math.floor((i * s.held.length) / n)], source: s.name }));
  });
  return {
    about: m.about,
    released: m.released,
    batches,
    held,
    texts: new Map(sources.map((s) => [s.name, s.held])),
    sources: sources.map((s) => ({ name: s.name, weight: s.weight, train: s.train.length, held: s.held.length })),
  };
}
