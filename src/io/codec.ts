import { Tokenizer } from '@huggingface/tokenizers';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BoundedTemplate, TemplateBudgetError, templateBudget } from './bounded-template.js';
import { InputError, reason } from '../errors.js';
import { isObject } from './json-text.js';
import { readJson } from './json.js';
import { readText } from './read-file.js';

export interface Message {
  readonly role: string;
  readonly content: string;
}

/** Tokenizer and chat template of a base folder. Throws InputError where one is missing or cannot be used. */
export class TextCodec {
  readonly #t: Tokenizer;
  readonly #render?: BoundedTemplate;
  readonly #special: Record<string, unknown>;
  /** Text of the chat template: that of run.yaml, chat_template.jinja or tokenizer_config.json, in this order. */
  readonly template?: string;
  /**
   * Whether the tokenizer puts the base's first id in front of a text: add_bos_token says it, otherwise the post-processor does it;
   * undefined where neither is there.
   */
  readonly addsBos: boolean | undefined;

  constructor(
    readonly dir: string,
    template?: string,
  ) {
    const file = join(dir, 'tokenizer.json');
    if (!existsSync(file)) throw new InputError(file, ['is missing'], 'save the tokenizer in its fast form, tokenizer.json');
    const config = existsSync(join(dir, 'tokenizer_config.json')) ? readJson(join(dir, 'tokenizer_config.json'), 'tokenizer') : {},
      json = readJson(file, 'tokenizer');
    try {
      this.#t = new Tokenizer(json, config);
    } catch (e) {
      throw new InputError(file, [`cannot be used as a tokenizer: ${reason(e)}`]);
    }
    this.#special = Object.fromEntries(
      ['bos_token', 'eos_token', 'pad_token', 'unk_token'].map((k) => {
        const v = config[k];
        return [k, typeof v === 'string' ? v : isObject(v) && typeof v['content'] === 'string' ? v['content'] : ''];
      }),
    );
    const add = config['add_bos_token'];
    if (typeof add === 'boolean') this.addsBos = add;
    else if ((json['post_processor'] ?? null) !== null) {
      const bare = this.encode('a').length;
      this.addsBos = (this.#t.encode('a', { add_special_tokens: true }).ids as number[]).length > bare;
    }
    const chat = template ?? baseTemplate(dir, config);
    if (chat === undefined) return;
    const where = template === undefined ? dir : 'train.template';
    if (chat.includes('strftime_now'))
      throw new InputError(where, ['the chat template reads the clock (strftime_now)'], 'set train.template to one that does not');
    try {
      this.#render = new BoundedTemplate(chat);
    } catch (e) {
      throw new InputError(where, [`the chat template cannot be parsed: ${reason(e)}`], 'set train.template');
    }
    this.template = chat;
  }

  /** Ids of a text, nothing added in front or behind. */
  encode(text: string): number[] {
    return this.#t.encode(text, { add_special_tokens: false }).ids as number[];
  }
  decode(ids: readonly number[]): string {
    return ids.length ? this.#t.decode([...ids], { skip_special_tokens: true }) : '';
  }
  /** Text of a conversation; with `generation`, up to where the next assistant turn begins. Throws Error, InputError where the template goes beyond its budget. */
  render(messages: readonly Message[], generation: boolean): string {
    if (!this.#render) throw new Error('the base has no chat template: set train.template, or use prompt and completion');
    try {
      return this.#render.render(
        { ...this.#special, messages, add_generation_prompt: generation },
        templateBudget(
          messages.length,
          messages.reduce((n, m) => n + m.content.length, 0),
        ),
      );
    } catch (e) {
      // Of no row in particular: the next one would take as long.
      if (e instanceof RangeError)
        throw new InputError(this.dir, ['the chat template calls itself without end'], 'set train.template to another one');
      if (e instanceof TemplateBudgetError)
        throw new InputError(this.dir, [`the chat template ${e.message}`], 'set train.template to another one');
      throw new Error(`the chat template refuses the conversation: ${reason(e)}`);
    }
  }
}

/** chat_template.jinja, or chat_template of tokenizer_config.json: a text or a list of named texts of which `default` is taken. */
function baseTemplate(dir: string, config: Record<string, unknown>): string | undefined {
  const file = join(dir, 'chat_template.jinja');
  if (existsSync(file)) return readText(file, 'template');
  const v = config['chat_template'] ?? undefined;
  if (v === undefined || typeof v === 'string') return v;
  const named = Array.isArray(v) ? v.find((x) => isObject(x) && x['name'] === 'default') : undefined;
  if (isObject(named) && typeof named['template'] === 'string') return named['template'];
  throw new InputError(
    join(dir, 'tokenizer_config.json'),
    ['chat_template is neither a text nor a list with one named default'],
    'set train.template',
  );
}
