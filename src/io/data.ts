import { Template } from '@huggingface/jinja';
import { Tokenizer } from '@huggingface/tokenizers';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from './errors.js';
import { readJson } from './hf.js';

/** One example: token ids and targets (mask[i] = 1: token i is predicted from i - 1). */
export interface Example {
  readonly tokens: Int32Array;
  readonly mask: Uint8Array;
  readonly source: string;
  readonly license: string;
  readonly language: string;
}
export interface DataSpec {
  readonly path: string;
  readonly format: string;
  readonly source: string;
  readonly license: string;
  readonly language: string;
}
export interface DataResult {
  readonly examples: Example[];
  readonly dropped: { file: string; row: number; reason: string }[];
}

/** Tokenizer and chat template of a base folder. */
export class TextCodec {
  readonly #t: Tokenizer;
  readonly template?: string;
  constructor(dir: string, template?: string) {
    const config = existsSync(join(dir, 'tokenizer_config.json')) ? readJson(join(dir, 'tokenizer_config.json')) : {};
    this.#t = new Tokenizer(readJson(join(dir, 'tokenizer.json')), config);
    const chat = template ?? (typeof config['chat_template'] === 'string' ? config['chat_template'] : undefined);
    if (chat?.includes('strftime_now'))
      throw new InputError(dir, ['the chat template reads the clock (strftime_now)'], 'give train.template without it');
    if (chat) this.template = chat;
  }
  encode(text: string): number[] {
    return this.#t.encode(text, { add_special_tokens: false }).ids as number[];
  }
  decode(ids: readonly number[]): string {
    return ids.length ? this.#t.decode([...ids], { skip_special_tokens: true }) : '';
  }
  render(messages: Record<string, unknown>[], generation: boolean): string {
    if (!this.template) throw new Error('the base has no chat template: set train.template, or use prompt/completion data');
    return new Template(this.template).render({ messages, add_generation_prompt: generation, bos_token: '', eos_token: '' });
  }
}

/** Parts (text, is target) of one row in any of the supported formats. */
function parts(row: Record<string, unknown>, format: string, codec: TextCodec): [string, boolean][] {
  const s = (k: string): string => {
    const v = row[k];
    if (typeof v !== 'string') throw new Error(`field ${k} is missing or not a string`);
    return v;
  };
  const kind =
    format !== 'auto'
      ? format
      : 'messages' in row
        ? 'messages'
        : 'completion' in row
          ? 'prompt-completion'
          : 'instruction' in row
            ? 'alpaca'
            : 'text';
  if (kind === 'text') return [[s('text'), true]];
  if (kind === 'prompt-completion')
    return [
      [s('prompt'), false],
      [s('completion'), true],
    ];
  if (kind === 'alpaca')
    return [
      [`### Instruction:\n${s('instruction')}\n\n${row['input'] ? `### Input:\n${s('input')}\n\n` : ''}### Response:\n`, false],
      [s('output'), true],
    ];
  if (kind !== 'messages') throw new Error(`unknown format ${kind}`);
  const m = row['messages'] as Record<string, unknown>[],
    out: [string, boolean][] = [];
  if (!Array.isArray(m)) throw new Error('field messages is not a list');
  let before = '';
  m.forEach((x, i) => {
    const all = codec.render(m.slice(0, i + 1), false),
      prompt = x['role'] === 'assistant' ? codec.render(m.slice(0, i), true) : all;
    if (!prompt.startsWith(before) || !all.startsWith(prompt)) throw new Error('the chat template is not append-only');
    out.push([prompt.slice(before.length), false]);
    if (all.length > prompt.length) out.push([all.slice(prompt.length), true]);
    before = all;
  });
  return out;
}

/** Reads JSONL files: parts tokenised apart and joined, bos in front, eos at the end, cut on the right at `sequence`. */
export function loadData(
  specs: readonly DataSpec[],
  codec: TextCodec,
  o: { sequence: number; bos: number | null; eos: number; appendEos: boolean },
): DataResult {
  const examples: Example[] = [],
    dropped: DataResult['dropped'][number][] = [];
  for (const d of specs) {
    let text: string;
    try {
      text = readFileSync(d.path, 'utf8');
    } catch (e) {
      throw new InputError(d.path, [`cannot be read: ${(e as Error).message}`]);
    }
    text.split('\n').forEach((line, n) => {
      if (line.trim() === '') return;
      const tokens: number[] = [],
        mask: number[] = [];
      let row: Record<string, unknown>;
      try {
        row = JSON.parse(line) as Record<string, unknown>;
      } catch {
        throw new InputError(d.path, [`line ${n + 1} is not JSON`]);
      }
      if (o.bos !== null) {
        tokens.push(o.bos);
        mask.push(0);
      }
      try {
        for (const [t, target] of parts(row, d.format, codec))
          for (const id of codec.encode(t)) {
            tokens.push(id);
            mask.push(target ? 1 : 0);
          }
      } catch (e) {
        throw new InputError(d.path, [`line ${n + 1}: ${(e as Error).message}`]);
      }
      if (o.appendEos) {
        tokens.push(o.eos);
        mask.push(1);
      }
      if (mask.length) mask[0] = 0;
      const cut = mask.slice(0, o.sequence);
      if (!cut.includes(1)) {
        dropped.push({ file: d.path, row: n + 1, reason: 'no target token within the sequence' });
        return;
      }
      const str = (k: string, dflt: string): string => (typeof row[k] === 'string' ? (row[k] as string) : dflt);
      examples.push({
        tokens: Int32Array.from(tokens.slice(0, o.sequence)),
        mask: Uint8Array.from(cut),
        source: str('source', d.source),
        license: str('license', d.license),
        language: str('language', d.language),
      });
    });
  }
  if (!examples.length)
    throw new InputError(
      specs.map((s) => s.path).join(', '),
      ['no row has a target token'],
      dropped.length ? `${dropped.length} rows dropped, the first is line ${dropped[0].row}` : 'the files are empty',
    );
  return { examples, dropped };
}
