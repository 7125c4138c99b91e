import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Template } from '../template/render.js';
import { Dict, TemplateBudgetError, TemplateError, type Value, fromJson } from '../template/values.js';
import { InputError, reason } from '../errors.js';
import { encodedInTime } from './deadline.js';
import { type TokenIds, specialToken, tokenIds } from './ids.js';
import { isObject } from './json-text.js';
import { readJson } from './json.js';
import { type FileKind, readText } from './read-file.js';
import { PieceTokenizer, type Pieces } from './tokenizer.js';

/** A turn of a conversation, with all keys that its row gives it. */
export interface Message {
  readonly role: string;
  readonly [key: string]: unknown;
}

/** Special tokens that a chat template may name. */
const SPECIAL = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'];
/** Steps that a rendering may take, by what is rendered. Templates of released models need a hundredth of them. */
const steps = (messages: number, characters: number): number => 50_000 + 4_000 * messages + characters;
/** What the probe says: a word that no template writes by itself. */
const PROBE = 'qzxv7';

/**
 * Tokenizer, chat template, first and closing ids of a base folder. Throws InputError where one is missing or cannot be
 * used.
 */
export class TextCodec {
  readonly #t: PieceTokenizer;
  readonly #render?: Template;
  readonly #special: ReadonlyMap<string, Value>;
  readonly #toolTemplate: boolean;
  /** Text of the chat template: that of run.yaml, chat_template.jinja or tokenizer_config.json, in this order. */
  readonly template?: string;
  readonly ids: TokenIds;
  readonly #closing: ReadonlySet<number>;

  constructor(
    readonly dir: string,
    template?: string,
  ) {
    const file = join(dir, 'tokenizer.json'),
      beside = (name: string, kind: FileKind): Record<string, unknown> =>
        existsSync(join(dir, name)) ? readJson(join(dir, name), kind) : {};
    if (!existsSync(file)) throw new InputError(file, ['is missing'], 'save the tokenizer in its fast form, tokenizer.json');
    const tokenizerConfig = beside('tokenizer_config.json', 'tokenizer'),
      specialTokens = beside('special_tokens_map.json', 'tokenizer'),
      tokenizer = readJson(file, 'tokenizer');
    this.#t = new PieceTokenizer(file, tokenizer, tokenizerConfig);
    this.#special = new Map(
      SPECIAL.flatMap((k) => {
        const v = specialToken(tokenizerConfig, specialTokens, k);
        return v === undefined ? [] : [[k, v] as const];
      }),
    );
    const base = template === undefined ? baseTemplate(dir, tokenizerConfig) : { chat: template, tools: false };
    this.#toolTemplate = base.tools;
    let templateEnd: number | undefined;
    if (base.chat !== undefined) {
      this.template = base.chat.replace(/\r\n?/g, '\n');
      const where = template === undefined ? dir : 'train.template';
      try {
        this.#render = new Template(this.template);
      } catch (e) {
        throw new InputError(where, [`the chat template cannot be used: ${reason(e)}`], 'set train.template to one without it');
      }
      templateEnd = this.#probe(where);
    }
    const of = {
      dir,
      tokenizer,
      tokenizerConfig,
      specialTokens,
      generation: beside('generation_config.json', 'config'),
      model: beside('config.json', 'config'),
      ...(templateEnd === undefined ? {} : { templateEnd }),
    };
    this.ids = this.inTime(0, () => tokenIds(this.#t, of));
    this.#closing = new Set(this.ids.closing);
  }

  /**
   * What `work` gives, which encodes or decodes so many characters and changes nothing. Throws InputError where the
   * tokenizer takes longer than any released one would; `what` says for what.
   */
  inTime<T>(characters: number, work: () => T, what: () => string = () => ''): T {
    return encodedInTime(join(this.dir, 'tokenizer.json'), characters, work, what);
  }
  /** Whether a text is over after this id. */
  closes(id: number): boolean {
    return this.#closing.has(id);
  }
  /** Ids of a text, nothing added in front or behind. */
  encode(text: string): number[] {
    return this.#t.encode(text);
  }
  /**
   * Ids of the pieces of one text, each as in the whole text but for merges across the seams; at most about `most` in
   * all.
   */
  pieces(texts: readonly string[], most?: number): Pieces {
    return this.#t.pieces(texts, most);
  }
  /** Ids of a prompt: the first ids in front, unless it begins with them. */
  prompt(text: string): number[] {
    return this.inFront(
      this.inTime(
        text.length,
        () => this.encode(text),
        () => 'for the prompt',
      ),
    );
  }
  /** Ids with the first ids in front, once. */
  inFront(written: readonly number[]): number[] {
    const { first } = this.ids;
    return first.every((x, i) => written[i] === x) ? [...written] : [...first, ...written];
  }
  decode(ids: readonly number[]): string {
    return this.inTime(
      16 * ids.length,
      () => this.#t.decode(ids),
      () => `to write ${ids.length} tokens as text`,
    );
  }
  /** Whether an id stands for white space only. */
  isBlank(id: number): boolean {
    return !this.#t.isAdded(id) && this.#t.decode([id]).trim() === '';
  }

  /**
   * Text of a conversation; with `generation`, up to where the next assistant turn begins. Turns that are a Dict know
   * afterwards which of their keys the template read. Throws Error, InputError where the template goes beyond its
   * budget.
   */
  render(messages: readonly (Message | Dict)[], generation: boolean, tools: Value = null): string {
    if (!this.#render) throw new Error('the base has no chat template: set train.template, or use prompt and completion');
    if (tools !== null && this.#toolTemplate)
      throw new Error('the base has a chat template of its own for tools (tool_use): set train.template to it');
    try {
      return this.#render.render(
        new Map<string, Value>([
          ...this.#special,
          ['messages', messages.map(fromJson)],
          ['tools', tools],
          ['documents', null],
          ['add_generation_prompt', generation],
        ]),
        steps(
          messages.length,
          messages.reduce((n, m) => n + sizeOf(m), 0),
        ),
      );
    } catch (e) {
      // Of no row in particular: the next one would take as long.
      if (e instanceof RangeError)
        throw new InputError(this.dir, ['the chat template calls itself without end'], 'set train.template to another one');
      if (e instanceof TemplateBudgetError)
        throw new InputError(this.dir, [`the chat template ${e.message}`], 'set train.template to another one');
      if (!(e instanceof TemplateError)) throw e;
      throw new Error(`the chat template refuses the conversation: ${reason(e)}`, { cause: e });
    }
  }
  /** Whether the template looks at the tools that it is given. */
  readsTools(): boolean {
    return this.template !== undefined && /\btools\b/.test(this.template);
  }

  /** Renders a conversation of two turns: what closes the second one. A template that reads the clock is refused. */
  #probe(where: string): number | undefined {
    let text: string;
    try {
      text = this.render(
        [
          { role: 'user', content: PROBE },
          { role: 'assistant', content: PROBE },
        ],
        false,
      );
    } catch (e) {
      if (e instanceof InputError) throw e;
      const { cause } = e as Error;
      if (cause instanceof TemplateError && cause.missing === 'strftime_now')
        throw new InputError(where, ['the chat template reads the clock (strftime_now)'], 'set train.template to one that does not');
      return undefined;
    }
    const at = text.lastIndexOf(PROBE);
    if (at < 0) return undefined;
    const rest = text.slice(at + PROBE.length).trimStart(),
      [end] = this.inTime(rest.length, () => this.#t.encode(rest));
    return end !== undefined && this.#t.isAdded(end) ? end : undefined;
  }
}

/** Characters of the words of a turn. */
function sizeOf(m: Message | Dict): number {
  const content = m instanceof Dict ? m.entries.get('content') : m['content'];
  return typeof content === 'string' ? content.length : 0;
}

/**
 * chat_template.jinja, or chat_template of tokenizer_config.json: a text or a list of named texts of which `default` is
 * taken.
 */
function baseTemplate(dir: string, config: Record<string, unknown>): { chat: string | undefined; tools: boolean } {
  const file = join(dir, 'chat_template.jinja');
  if (existsSync(file)) return { chat: readText(file, 'template'), tools: false };
  const v = config['chat_template'] ?? undefined;
  if (v === undefined || typeof v === 'string') return { chat: v, tools: false };
  const list = Array.isArray(v) ? v.filter(isObject) : [],
    chat = list.find((x) => x['name'] === 'default')?.['template'];
  if (typeof chat === 'string') return { chat, tools: list.some((x) => x['name'] === 'tool_use') };
  throw new InputError(
    join(dir, 'tokenizer_config.json'),
    ['chat_template is neither a text nor a list with one named default'],
    'set train.template',
  );
}
