import { InputError } from '../errors.js';
import { isObject } from './json-text.js';
import type { PieceTokenizer } from './tokenizer.js';

type Json = Readonly<Record<string, unknown>>;

/** Ids that begin and end what a model reads and writes. */
export interface TokenIds {
  /** In front of every text, as the tokenizer puts them there. */
  readonly first: readonly number[];
  /** After any of these a text is over, ascending. */
  readonly closing: readonly number[];
  /** Appended to rows that end in none of them; null where there is none. */
  readonly end: number | null;
  /** Where files contradict each other, and which of them was followed. */
  readonly notes: readonly string[];
}

/** One id or a list of them; -1, as early exports have it, and null are none. */
export function ids(c: Json, key: string, problems: string[]): number[] {
  const v = c[key] ?? [],
    list = (Array.isArray(v) ? v : [v]).filter((x) => x !== -1);
  if (list.every((x) => Number.isInteger(x) && x >= 0)) return list as number[];
  problems.push(`${key} ${JSON.stringify(v)} is not an id or a list of ids`);
  return [];
}

/** Text of a special token of tokenizer_config.json or special_tokens_map.json. */
export function specialToken(config: Json, map: Json, key: string): string | undefined {
  const v = config[key] ?? map[key];
  if (typeof v === 'string') return v;
  return isObject(v) && typeof v['content'] === 'string' ? v['content'] : undefined;
}

/** Ids that a post-processor puts in front of one text. */
function addedInFront(post: unknown): number[] {
  if (!isObject(post)) return [];
  if (post['type'] === 'Sequence' && Array.isArray(post['processors'])) return post['processors'].flatMap(addedInFront);
  if (post['type'] === 'BertProcessing' || post['type'] === 'RobertaProcessing') {
    const cls = post['cls'];
    return Array.isArray(cls) && Number.isInteger(cls[1]) ? [Number(cls[1])] : [];
  }
  if (post['type'] !== 'TemplateProcessing' || !Array.isArray(post['single'])) return [];
  const at = post['single'].findIndex((x) => isObject(x) && isObject(x['Sequence'])),
    tokens = isObject(post['special_tokens']) ? post['special_tokens'] : {};
  return post['single'].slice(0, Math.max(0, at)).flatMap((x) => {
    const named = isObject(x) && isObject(x['SpecialToken']) ? tokens[String(x['SpecialToken']['id'])] : undefined;
    return isObject(named) && Array.isArray(named['ids']) ? named['ids'].map(Number) : [];
  });
}

export interface IdFiles {
  readonly dir: string;
  /** tokenizer.json, tokenizer_config.json, special_tokens_map.json, generation_config.json, config.json. */
  readonly tokenizer: Json;
  readonly tokenizerConfig: Json;
  readonly specialTokens: Json;
  readonly generation: Json;
  readonly model: Json;
  /** The special token that the chat template puts behind an assistant's words, if it does. */
  readonly templateEnd?: number;
}

/**
 * First and closing ids of a base, from what its tokenizer does: add_bos_token, else what the post-processor adds; the
 * closing ids are generation_config.json's, else config.json's, else the tokenizer's, and what the chat template closes
 * a turn with. Throws InputError.
 */
export function tokenIds(t: PieceTokenizer, f: IdFiles): TokenIds {
  const problems: string[] = [],
    notes: string[] = [],
    name = (id: number): string => `${JSON.stringify(t.token(id))} (${id})`,
    named = (list: readonly number[]): string => list.map(name).join(', ') || 'none',
    special = (key: string): number | undefined => {
      const token = specialToken(f.tokenizerConfig, f.specialTokens, key),
        id = token === undefined ? undefined : t.id(token);
      if (token !== undefined && id === undefined)
        notes.push(`${key} ${JSON.stringify(token)} of tokenizer_config.json is not in tokenizer.json: left out`);
      return id;
    };
  const bos = special('bos_token'),
    eos = special('eos_token'),
    front = addedInFront(f.tokenizer['post_processor']),
    add = f.tokenizerConfig['add_bos_token'],
    first = typeof add !== 'boolean' ? front : add && bos !== undefined ? [bos] : [];
  if (typeof add === 'boolean' && front.join() !== first.join() && isObject(f.tokenizer['post_processor']))
    notes.push(
      `add_bos_token ${add} of tokenizer_config.json puts ${named(first)} in front of a text, the post-processor of tokenizer.json ${named(front)}: the former is followed`,
    );
  const declared = ids(f.model, 'bos_token_id', problems),
    tokenizerFirst = first.length ? first : bos === undefined ? [] : [bos];
  if (declared.length && tokenizerFirst.length && !tokenizerFirst.includes(declared[0]))
    notes.push(
      `bos_token_id of config.json is ${name(declared[0])}, the tokenizer's first id ${named(tokenizerFirst)}: the tokenizer is followed`,
    );

  const generated = ids(f.generation, 'eos_token_id', problems),
    configured = ids(f.model, 'eos_token_id', problems),
    list = generated.length ? generated : configured.length ? configured : eos === undefined ? [] : [eos],
    closing = new Set(list);
  if (generated.length && configured.some((x) => !closing.has(x)))
    notes.push(
      `eos_token_id of config.json is ${named(configured)}, of generation_config.json ${named(generated)}: the latter is followed`,
    );
  if (f.templateEnd !== undefined && !closing.has(f.templateEnd)) {
    notes.push(`the chat template closes a turn with ${name(f.templateEnd)}, eos_token_id lists ${named(list)}: both close`);
    closing.add(f.templateEnd);
  }
  const end = eos !== undefined && closing.has(eos) ? eos : (list[0] ?? f.templateEnd ?? null);
  if (eos !== undefined && !closing.has(eos))
    notes.push(
      `eos_token of tokenizer_config.json is ${name(eos)}, eos_token_id lists ${named(list)}: ${named(end === null ? [] : [end])} is appended`,
    );
  const size = f.model['vocab_size'];
  for (const [what, found] of [
    ['first id', first],
    ['closing id', [...closing]],
  ] as const)
    for (const id of found)
      if (typeof size === 'number' && id >= size) problems.push(`the ${what} ${id} is beyond the vocabulary of ${size}`);
  if (end === null)
    problems.push('no id closes a text: config.json and generation_config.json have no eos_token_id, tokenizer_config.json no eos_token');
  if (problems.length) throw new InputError(f.dir, problems, 'mend generation_config.json, config.json or the tokenizer');
  return { first, closing: [...closing].sort((x, y) => x - y), end, notes };
}
