import { Tokenizer } from '@huggingface/tokenizers';
import { InputError, reason } from '../errors.js';
import { encodedInTime } from './deadline.js';
import { isObject } from './json-text.js';
import { MOST_GROWTH, growthOf, mapStages, modern, typed, unsupported, useWhiteSpace } from './tokenizer-stages.js';

type Json = Readonly<Record<string, unknown>>;

/** Words longer than this are cut where no merge can reach across. */
const LONG_WORD = 64;
/** Longest run that is merged in one piece where only so many ids are wanted. */
const LONGEST_RUN = 1 << 14;

/** Last and first code point of a text. */
const lastOf = (s: string): string => [...s.slice(-2)].at(-1) ?? '';
const firstOf = (s: string): string => String.fromCodePoint(s.codePointAt(0) ?? 0);

/** A stage behind which nothing marks the beginning of a text or takes white space there away. */
function unmarked(x: Json): Json | undefined {
  switch (x['type']) {
    case 'Prepend':
      return undefined;
    case 'Metaspace':
      return { ...x, prepend_scheme: 'never' };
    case 'ByteLevel':
      return { ...x, add_prefix_space: false };
    case 'Strip':
      return { ...x, strip_left: false };
    default:
      return x;
  }
}
/** A stage of a text that is not the first one: what marks only the first piece of a text marks nothing. */
const notFirst = (x: Json): Json => (x['type'] === 'Metaspace' && x['prepend_scheme'] === 'first' ? { ...x, prepend_scheme: 'never' } : x);

type Stages = Pick<Tokenizer, 'normalizer' | 'pre_tokenizer'>;
interface Added {
  readonly id: number;
  readonly content: string;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
}

/** Ids of pieces. */
export interface Pieces {
  readonly ids: number[][];
  /** Whether all of the text was encoded, and about what share of it. */
  readonly complete: boolean;
  readonly share: number;
}

/** Text of a piece inside a section. */
interface Part {
  readonly piece: number;
  text: string;
}
type Section =
  | { readonly parts: Part[]; readonly next?: Added; readonly added?: undefined }
  | { readonly added: Added; readonly piece: number };

/** Takes white space away at the beginning of the parts, or at their end. */
function trimParts(parts: Part[], start: boolean): void {
  for (const p of start ? parts : [...parts].reverse()) {
    p.text = p.text.replace(start ? /^\p{White_Space}+/u : /\p{White_Space}+$/u, '');
    if (p.text !== '') return;
  }
}
/** Whether a pre-tokenizer puts a space in front of what does not begin with one. */
const startsWithSpace = (x: unknown): boolean => isObject(x) && x['type'] === 'ByteLevel' && x['add_prefix_space'] === true;
/** Whether a pre-tokenizer ends by writing bytes as characters, and puts nothing in front but in front of the whole. */
function endsInBytes(stage: unknown): boolean {
  if (!isObject(stage)) return false;
  const list = stage['pretokenizers'];
  if (stage['type'] === 'Sequence' && Array.isArray(list))
    return endsInBytes(list.at(-1)) && !startsWithSpace(list.at(-1)) && list.slice(0, -1).every(keepsText);
  return stage['type'] === 'ByteLevel';
}
const keepsText = (x: unknown): boolean =>
  isObject(x) &&
  ((x['type'] === 'Split' && String(x['behavior']).toLowerCase() !== 'removed' && x['invert'] !== true) ||
    x['type'] === 'Digits' ||
    x['type'] === 'Punctuation');

/**
 * The tokenizer of a base. A row is encoded piece by piece, so that the seams between what is learnt and what is not
 * fall between tokens, and every piece gets the ids that it has in the whole text, but for merges across the seam: only
 * the beginning of a text, or of what follows a special token where the tokenizer does so, is marked as the beginning
 * of a word.
 */
export class PieceTokenizer {
  readonly #t: Tokenizer;
  readonly #first: Stages;
  readonly #later: Stages;
  readonly #inner: Stages;
  readonly #added: ReadonlyMap<number, Added>;
  /**
   * Finds the tokens at which a text is cut into sections, each of which the tokenizer takes for the beginning of a
   * text.
   */
  readonly #cut: RegExp | undefined;
  /** Whether the words of a text are its bytes, one character each, and no more. */
  readonly #bytes: boolean;
  /** Whether a space stands in front of them. */
  readonly #space: boolean;
  /** Where the pieces of a section end, in characters of its words, and how many tokens were made up to there. */
  #seams: number[] = [];
  #made: number[] = [];
  /** Last and first code point of what some merge joins. */
  readonly #joints = new Set<string>();
  #left = Number.POSITIVE_INFINITY;
  /** Characters of words that the model has seen. */
  #read = 0;
  #run = Number.POSITIVE_INFINITY;

  /** `json` and `config` are tokenizer.json and tokenizer_config.json. Throws InputError naming `file`. */
  constructor(file: string, json: Json, config: Json) {
    const stages = (f: (x: Json) => Json | undefined): Json => ({
        normalizer: mapStages(json['normalizer'], f),
        pre_tokenizer: mapStages(json['pre_tokenizer'], f),
      }),
      first = stages(modern),
      model = typed(json['model']),
      unlike = unsupported(json);
    if (unlike.length) throw new InputError(file, unlike);
    const growth = growthOf(json['normalizer']) * growthOf(json['pre_tokenizer']);
    if (growth > MOST_GROWTH)
      throw new InputError(file, [`its Replace stages may make a text ${growth} times as long, the limit is ${MOST_GROWTH}`]);
    try {
      this.#t = new Tokenizer({ ...json, ...first, model }, config);
      const variant = (f: (x: Json) => Json | undefined): Stages => {
        const s = stages((x) => {
          const y = f(x);
          return y && modern(y);
        });
        if (JSON.stringify(s) === JSON.stringify(first)) return this.#first;
        const { normalizer, pre_tokenizer } = new Tokenizer(
          { ...json, ...s, added_tokens: [], model: { type: 'BPE', vocab: {}, merges: [] } },
          {},
        );
        useWhiteSpace(pre_tokenizer);
        const same = JSON.stringify(s['normalizer']) === JSON.stringify(first['normalizer']);
        return { normalizer: same ? this.#first.normalizer : normalizer, pre_tokenizer };
      };
      useWhiteSpace(this.#t.pre_tokenizer);
      this.#first = { normalizer: this.#t.normalizer, pre_tokenizer: this.#t.pre_tokenizer };
      this.#later = variant(notFirst);
      this.#inner = variant(unmarked);
    } catch (e) {
      throw new InputError(file, [`cannot be used as a tokenizer: ${reason(e)}`]);
    }
    const added = (Array.isArray(json['added_tokens']) ? json['added_tokens'] : []).filter(isObject),
      normalizer = this.#first.normalizer,
      // A normalized token is looked for in what the normalizer made, in its own normal form.
      plain = (x: Record<string, unknown>): boolean =>
        x['normalized'] !== true || normalizer === null || normalizer.normalize(String(x['content'])) === x['content'],
      normal = encodedInTime(
        file,
        0,
        () => added.filter(plain),
        () => 'for its added tokens',
      ),
      contents = normal.filter((x) => x['content'] !== '').map((x) => String(x['content']));
    this.#added = new Map(
      added.map((x) => [
        Number(x['id']),
        { id: Number(x['id']), content: String(x['content']), lstrip: x['lstrip'] === true, rstrip: x['rstrip'] === true },
      ]),
    );
    this.#cut = contents.length
      ? new RegExp(
          contents
            .sort((a, b) => b.length - a.length)
            .map((x) => x.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'))
            .join('|'),
          'gu',
        )
      : undefined;
    this.#space = startsWithSpace(first['pre_tokenizer']);
    this.#bytes = isObject(model) && model['type'] === 'BPE' && endsInBytes(first['pre_tokenizer']) && normal.length === added.length;
    this.#cutLongWords(model);
    this.#splitWords(first['pre_tokenizer']);
  }

  /**
   * Lets the model see long words in parts: no merge joins two symbols where no entry of the merge list ends in the one
   * and begins with the other, so that cutting there changes no id. It stops once `#left` ids are there.
   */
  #cutLongWords(model: unknown): void {
    const m = this.#t.model;
    if (!m || !isObject(model) || model['type'] !== 'BPE' || !Array.isArray(model['merges'])) return;
    const plain = ['end_of_word_suffix', 'continuing_subword_prefix', 'continuing_subword_suffix'].every((k) => !model[k]),
      whole = model['ignore_merges'] === true,
      encode = m.encode.bind(m);
    for (const x of model['merges'] as unknown[]) {
      const [l, r] = Array.isArray(x) ? x : String(x).split(' ', 2);
      this.#joints.add(lastOf(String(l)) + firstOf(String(r)));
    }
    m.encode = (words: string[]): string[] => {
      const out: string[] = [];
      let at = 0;
      for (const w of words) {
        if (this.#left <= 0) break;
        for (const [part, end] of this.#atSeams(w, at)) {
          for (const piece of !plain || part.length <= LONG_WORD || (whole && m.tokens_to_ids.has(part)) ? [part] : this.#parts(part)) {
            const ids = encode([piece]);
            this.#read += piece.length;
            for (const x of ids) out.push(x);
            this.#left -= ids.length;
            if (this.#left <= 0) break;
          }
          if (end) this.#made.push(out.length);
        }
        at += w.length;
      }
      return out;
    };
  }
  /** Metaspace begins a word at every mark, unless it says otherwise: the library leaves them together. */
  #splitWords(stage: unknown): void {
    const m = this.#t.model,
      marks: string[] = [];
    mapStages(stage, (x) => {
      if (x['type'] === 'Metaspace' && x['split'] !== false) marks.push(String(x['replacement'] ?? '\u2581'));
      return x;
    });
    if (!m || !marks.length) return;
    const encode = m.encode.bind(m),
      before = new RegExp(`(?=${marks[0].replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')})`, 'u');
    m.encode = (words: string[]): string[] => encode(words.flatMap((w) => w.split(before)));
  }
  /** A word that begins at `at`, cut at the seams in it; with each part, how many seams lie at its end. */
  *#atSeams(word: string, at: number): Generator<[string, number]> {
    let from = 0;
    const to = at + word.length;
    while (this.#made.length < this.#seams.length) {
      const seam = this.#seams[this.#made.length];
      if (seam > to) break;
      yield [word.slice(from, seam - at), 1];
      from = seam - at;
    }
    if (from < word.length) yield [word.slice(from), 0];
  }
  *#parts(word: string): Generator<string> {
    let from = 0,
      at = 0,
      before = '';
    for (const c of word) {
      if (at > from && (!this.#joints.has(before + c) || at - from >= this.#run)) {
        yield word.slice(from, at);
        from = at;
      }
      at += c.length;
      before = c;
    }
    yield word.slice(from);
  }

  #encode(text: string, s: Stages): number[] {
    Object.assign(this.#t, s);
    return this.#t.encode(text, { add_special_tokens: false }).ids as number[];
  }
  /** Ids of a text, nothing added in front or behind. */
  encode(text: string): number[] {
    this.#left = this.#run = Number.POSITIVE_INFINITY;
    this.#seams = [];
    return this.#encode(text, this.#first);
  }

  /**
   * Ids of the pieces of one text, each as in the whole. After about `most` ids the rest is left out: `share` of the
   * text was encoded.
   */
  pieces(texts: readonly string[], most = Number.POSITIVE_INFINITY): Pieces {
    const out: number[][] = [];
    let total = 0,
      began = false,
      before: Added | undefined;
    this.#read = 0;
    // Whoever called before may have been ended in the middle.
    this.#seams = [];
    const cut = (): Pieces => {
      const all = texts.reduce((n, t) => n + (this.#bytes ? Buffer.byteLength(t) : t.length), 0);
      return { ids: out, complete: false, share: Math.min(1, this.#read / Math.max(1, all)) };
    };
    this.#run = Number.isFinite(most) ? Math.max(LONGEST_RUN, 4 * most) : Number.POSITIVE_INFINITY;
    const put = (piece: number, ids: readonly number[]): void => {
      while (out.length <= piece) out.push([]);
      for (const x of ids) out[piece].push(x);
      total += ids.length;
      if (ids.length) began = true;
    };
    for (const section of this.#sections(texts)) {
      if (total >= most) return cut();
      if (section.added) {
        put(section.piece, [section.added.id]);
        this.#read += section.added.content.length;
        before = section.added;
        continue;
      }
      if (before?.rstrip) trimParts(section.parts, true);
      if (section.next?.lstrip) trimParts(section.parts, false);
      const parts = section.parts.filter((p) => p.text !== ''),
        limit = most - total;
      this.#left = limit;
      for (const { piece, ids } of this.#section(parts, began ? this.#later : this.#first)) put(piece, ids);
      before = undefined;
      if (this.#left <= 0) return cut();
    }
    put(texts.length - 1, []);
    return { ids: out, complete: true, share: 1 };
  }
  /** Special tokens and, between them, the texts of the pieces that stand there. */
  *#sections(texts: readonly string[]): Generator<Section> {
    const byContent = new Map([...this.#added.values()].map((a) => [a.content, a]));
    let parts: Part[] = [];
    for (const [piece, text] of texts.entries()) {
      let from = 0;
      for (const found of this.#cut ? text.matchAll(this.#cut) : []) {
        const added = byContent.get(found[0])!;
        if (found.index > from) parts.push({ piece, text: text.slice(from, found.index) });
        if (parts.length) yield { parts, next: added };
        parts = [];
        yield { added, piece };
        from = found.index + found[0].length;
      }
      if (from < text.length) parts.push({ piece, text: text.slice(from) });
    }
    if (parts.length) yield { parts };
  }
  /** Ids of the parts of one section. */
  #section(parts: readonly Part[], s: Stages): { piece: number; ids: number[] }[] {
    if (parts.length > 1 && this.#bytes) {
      // What follows a seam may decide where words end before it: the words are those of the whole section, and only
      // cut at the seams.
      const length = (t: string): number => Buffer.byteLength(s.normalizer ? s.normalizer.normalize(t) : t),
        lengths = parts.map((p) => length(p.text)),
        text = parts.map((p) => p.text).join('');
      if (lengths.reduce((a, b) => a + b, 0) === length(text)) {
        let sum = this.#space && !text.startsWith(' ') ? 1 : 0;
        this.#seams = lengths.slice(0, -1).map((n) => (sum += n));
        this.#made = [];
        const ids = this.#encode(text, s),
          ends = [...this.#made, ids.length];
        this.#seams = [];
        return ends.map((end, k) => ({ piece: parts[k].piece, ids: ids.slice(ends[k - 1] ?? 0, end) }));
      }
    }
    return parts.map((p, k) => ({ piece: p.piece, ids: this.#left > 0 ? this.#encode(p.text, k ? this.#inner : s) : [] }));
  }

  decode(ids: readonly number[]): string {
    return ids.length ? this.#t.decode([...ids], { skip_special_tokens: true }) : '';
  }
  /** Id of a token, if the vocabulary has it. */
  id(token: string): number | undefined {
    return this.#t.token_to_id(token);
  }
  /** The token of an id, for messages. */
  token(id: number): string {
    return this.#t.id_to_token(id) ?? String(id);
  }
  isAdded(id: number): boolean {
    return this.#added.has(id);
  }
}
