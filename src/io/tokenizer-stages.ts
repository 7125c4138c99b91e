import { clip } from '../errors.js';
import { isObject } from './json-text.js';

type Json = Readonly<Record<string, unknown>>;

/**
 * Each normalizer or pre-tokenizer of a tokenizer.json, also inside sequences, put through `f`; those it gives
 * undefined for are left out.
 */
export function mapStages(stage: unknown, f: (x: Json) => Json | undefined): unknown {
  if (!isObject(stage)) return stage;
  for (const list of ['normalizers', 'pretokenizers'])
    if (stage['type'] === 'Sequence' && Array.isArray(stage[list]))
      return { ...stage, [list]: stage[list].map((x) => mapStages(x, f)).filter((x) => x !== undefined) };
  return f(stage) ?? null;
}

/** Most times that the stages of a tokenizer may lengthen a text. */
export const MOST_GROWTH = 1024;
/**
 * How many times as long a text may become by the Replace stages: what a pattern finds may be nothing at all, before
 * every character.
 */
export function growthOf(stage: unknown): number {
  let n = 1;
  mapStages(stage, (x) => {
    const pattern = x['pattern'],
      found = isObject(pattern) && typeof pattern['String'] === 'string' ? pattern['String'].length : 0,
      content = typeof x['content'] === 'string' ? x['content'].length : 0;
    if (x['type'] === 'Replace') n *= found ? Math.max(1, content / found) : 1 + content;
    return x;
  });
  return n;
}

/** What Unicode counts as a number or part of a word, and what is punctuation there or in ASCII: as in Rust. */
const NUMBER = '\\p{N}',
  WORD = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}',
  PUNCTUATION = '!-/:-@\\[-`{-~\\p{P}';
const split = (Regex: string, behavior: string, invert = false): Json => ({ type: 'Split', pattern: { Regex }, behavior, invert });
const replace = (Regex: string): Json => ({ type: 'Replace', pattern: { Regex }, content: '' });
/** Rust has one small sigma wherever it stands; JavaScript has another at the end of a word. */
const SIGMA = { type: 'Replace', pattern: { String: '\u03a3' }, content: '\u03c3' };

/** How a stage divides a text at what it finds. */
const behaviorOf = (x: Json): string => String(x['behavior'] ?? 'Isolated').toLowerCase();

/** A Split that takes away: the library would keep a text that is given as such. */
function removing(x: Json): Json {
  const { pattern } = x,
    text = isObject(pattern) && pattern['Regex'] === undefined ? pattern['String'] : undefined,
    invert = x['invert'] === true;
  return typeof text === 'string' ? { ...x, invert, pattern: { Regex: text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&') } } : { ...x, invert };
}
/** Whether a pattern has groups that it captures. */
const captures = (pattern: unknown): boolean =>
  isObject(pattern) && /\((?!\?)|\(\?<[^=!]/.test(String(pattern['Regex'] ?? '').replace(/\\./gs, ''));

/**
 * A stage as the library does it as other tools do. A Metaspace says by one of two keys, of which the older is a yes or
 * no, where it marks the beginning of a word. The library's own digits and words are those of ASCII, its white space is
 * that of JavaScript, its punctuation always comes in runs, it counts in units of UTF-16, and a dollar in what it puts
 * in stands for something. Whether what is found or what lies between counts as found is one where both are kept.
 */
export function modern(x: Json): Json {
  switch (x['type']) {
    case 'Metaspace':
      return x['prepend_scheme'] === undefined ? { ...x, prepend_scheme: x['add_prefix_space'] === false ? 'never' : 'always' } : x;
    case 'Digits':
      return split(x['individual_digits'] === true ? NUMBER : `${NUMBER}+`, 'Isolated');
    case 'Punctuation':
      return behaviorOf(x) === 'contiguous'
        ? split(`[${PUNCTUATION}]+`, 'Isolated')
        : split(`[${PUNCTUATION}]`, String(x['behavior'] ?? 'Isolated'));
    case 'Whitespace':
      return split(`[${WORD}]+|[^${WORD}\\s]+`, 'Removed', true);
    case 'WhitespaceSplit':
      return split('\\S+', 'Removed', true);
    case 'BertPreTokenizer':
      return split(`[${PUNCTUATION}]|[^\\s${PUNCTUATION}]+`, 'Removed', true);
    case 'FixedLength':
      return split(`[\\s\\S]{1,${String(x['length'])}}`, 'Isolated');
    case 'Strip': {
      const ends = [x['strip_left'] === true ? [replace('\\A\\s+')] : [], x['strip_right'] === true ? [replace('\\s+\\z')] : []];
      return { type: 'Sequence', normalizers: ends.flat() };
    }
    case 'Lowercase':
      return { type: 'Sequence', normalizers: [SIGMA, x] };
    case 'BertNormalizer':
      return x['lowercase'] === true ? { type: 'Sequence', normalizers: [SIGMA, x] } : x;
    case 'Replace':
      return typeof x['content'] === 'string' ? { ...x, content: x['content'].replaceAll('$', '$$$$') } : x;
    case 'Split':
      return behaviorOf(x) === 'removed' ? removing(x) : { ...x, invert: false };
    default:
      return x;
  }
}

/** White space of Unicode, which is not that of JavaScript: U+0085 is, U+FEFF is not. */
const WORDS =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;
/** Gives the stages of a pre-tokenizer of the library that divide a text as GPT-2 does its white space. */
export function useWhiteSpace(stage: unknown): void {
  if ((typeof stage !== 'object' && typeof stage !== 'function') || !stage) return;
  if (Reflect.get(stage, 'use_regex') === true) Reflect.set(stage, 'pattern', WORDS);
  const inner: unknown = Reflect.get(stage, 'tokenizers');
  if (Array.isArray(inner)) inner.forEach(useWhiteSpace);
}

const shown = (x: unknown): string => clip(JSON.stringify(x) ?? 'nothing', 60);

/** A model with its type: old files do not name it. */
export function typed(model: unknown): unknown {
  if (!isObject(model) || model['type'] !== undefined) return model;
  const has = (k: string): boolean => Object.hasOwn(model, k);
  if (Array.isArray(model['vocab'])) return { ...model, type: 'Unigram' };
  if (has('continuing_subword_prefix') && has('unk_token')) return { ...model, type: has('merges') ? 'BPE' : 'WordPiece' };
  return model;
}

/** What of a model the library passes over, or takes for another. */
function* ofModel(model: unknown): Generator<string> {
  if (!isObject(model)) return;
  const { type } = model;
  if (type !== 'BPE' && type !== 'Unigram' && type !== 'WordPiece')
    yield type === undefined ? 'model.type is missing' : `model.type is ${shown(type)}: BPE, Unigram and WordPiece are supported`;
  if (type === 'BPE' && model['dropout']) yield `model.dropout is ${shown(model['dropout'])}: merges left out at random are not supported`;
  if (type === 'BPE' && model['continuing_subword_prefix'])
    yield `model.continuing_subword_prefix is ${shown(model['continuing_subword_prefix'])}: it is not supported with BPE`;
  if (type === 'Unigram' && model['byte_fallback'] === true) yield 'model.byte_fallback is true: it is not supported with Unigram';
}

/** What of a normalizer or pre-tokenizer the library passes over. */
function* ofStage(where: string, x: Json): Generator<string> {
  const type = x['type'],
    { pattern } = x,
    behavior = behaviorOf(x);
  if (type === 'Precompiled') yield `${where}: Precompiled is not supported: its table is not read`;
  if (
    (type === 'Split' || type === 'Replace') &&
    !(isObject(pattern) && [pattern['Regex'], pattern['String']].some((p) => typeof p === 'string'))
  )
    yield `${where}: the pattern of ${type} is ${shown(pattern)}, neither String nor Regex`;
  if (type === 'FixedLength' && !(Number.isInteger(x['length']) && Number(x['length']) > 0))
    yield `${where}: the length of FixedLength is ${shown(x['length'])}`;
  const kept = behavior === 'isolated' || behavior === 'removed' || (behavior === 'contiguous' && type === 'Punctuation');
  if (type === 'Split' && behavior === 'removed' && x['invert'] !== true && captures(pattern))
    yield `${where}: a Split that removes has a pattern with groups, which is not supported`;
  if ((type === 'Split' || type === 'Punctuation') && !kept)
    yield `${where}: the behavior ${shown(x['behavior'])} of ${type} is not supported`;
}

/** What in a tokenizer.json would give other ids here than with other tools, or none. */
export function unsupported(json: Json): string[] {
  const out = [...ofModel(typed(json['model']))];
  for (const where of ['normalizer', 'pre_tokenizer'])
    mapStages(json[where], (x) => {
      out.push(...ofStage(where, x));
      return x;
    });
  const added = Array.isArray(json['added_tokens']) ? json['added_tokens'].filter(isObject) : [];
  for (const t of added) if (t['single_word'] === true) out.push(`added token ${shown(t['content'])}: single_word is not supported`);
  return out;
}
