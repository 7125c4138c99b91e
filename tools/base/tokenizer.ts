/**
 * A byte-level BPE tokenizer in the Hugging Face format, trained on a text: the 256 bytes, then the merges that occur
 * most.
 */

/** The bytes in GPT-2's printable alphabet, which tokenizer.json files use. */
export function byteAlphabet(): Map<number, string> {
  const range = (a: number, b: number): number[] => Array.from({ length: b - a + 1 }, (_, k) => a + k),
    chars = new Map([...range(33, 126), ...range(161, 172), ...range(174, 255)].map((b) => [b, String.fromCodePoint(b)]));
  let next = 256;
  for (let b = 0; b < 256; b++) if (!chars.has(b)) chars.set(b, String.fromCodePoint(next++));
  return chars;
}
/** Words with the space before them, punctuation, line ends: merges never pass their borders. */
const SPLIT = /'\p{L}+| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+/gu;

/** Merges of the most frequent neighbours (ties: the pair that sorts first) until `count` are found. */
function merges(text: string, alphabet: ReadonlyMap<number, string>, count: number): [string, string][] {
  const words = new Map<string, number>();
  for (const w of text.match(SPLIT) ?? []) words.set(w, (words.get(w) ?? 0) + 1);
  const list = [...words].map(([w, n]) => ({ n, parts: [...new TextEncoder().encode(w)].map((b) => alphabet.get(b)!) })),
    out: [string, string][] = [];
  while (out.length < count) {
    const pairs = new Map<string, number>();
    for (const { n, parts } of list)
      for (let k = 1; k < parts.length; k++) {
        const p = `${parts[k - 1]} ${parts[k]}`;
        pairs.set(p, (pairs.get(p) ?? 0) + n);
      }
    const best = [...pairs].reduce((x, y) => (y[1] > x[1] || (y[1] === x[1] && y[0] < x[0]) ? y : x), ['', 0])[0];
    if (!best) throw new Error(`the text has only ${out.length} merges`);
    const [l, r] = best.split(' ');
    out.push([l, r]);
    for (const w of list)
      for (let k = 0; k + 1 < w.parts.length; k++) if (w.parts[k] === l && w.parts[k + 1] === r) w.parts.splice(k, 2, l + r);
  }
  return out;
}

/** Special tokens, which have the first ids. */
export const SPECIAL: readonly string[] = ['<pad>', '<s>', '</s>'];

/** The byte-level stage, without GPT-2's own split. */
export const BYTE_LEVEL: Readonly<Record<string, unknown>> = {
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: false,
};

/** The content of tokenizer.json: special tokens, the 256 bytes in their order, then one token for each merge. */
export function byteTokenizer(pairs: readonly (readonly [string, string])[], pre_tokenizer: unknown): Record<string, unknown> {
  const vocab: Record<string, number> = Object.fromEntries(SPECIAL.map((content, id) => [content, id])),
    alphabet = byteAlphabet(),
    first = { SpecialToken: { id: '<s>', type_id: 0 } },
    sequence = (id: string, type: number): unknown => ({ Sequence: { id, type_id: type } });
  for (let b = 0; b < 256; b++) vocab[alphabet.get(b)!] = SPECIAL.length + b;
  for (const [l, r] of pairs) vocab[l + r] = Object.keys(vocab).length;
  if (Object.keys(vocab).length !== SPECIAL.length + 256 + pairs.length) throw new Error('two merges give one token');
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIAL.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer,
    post_processor: {
      type: 'TemplateProcessing',
      single: [first, sequence('A', 0)],
      pair: [first, sequence('A', 0), sequence('B', 1)],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: BYTE_LEVEL,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab,
      merges: pairs.map(([l, r]) => `${l} ${r}`),
    },
  };
}

/** A tokenizer of `size` entries with the merges that occur most in a text. */
export const trainTokenizer = (text: string, size: number): Record<string, unknown> =>
  byteTokenizer(merges(text, byteAlphabet(), size - 256 - SPECIAL.length), {
    type: 'Sequence',
    pretokenizers: [{ type: 'Split', pattern: { Regex: SPLIT.source }, behavior: 'Isolated', invert: false }, BYTE_LEVEL],
  });
