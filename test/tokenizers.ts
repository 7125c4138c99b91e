import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

type Json = Record<string, unknown>;

const range = (a: number, b: number): number[] => Array.from({ length: b - a + 1 }, (_, k) => a + k);
/** Byte alphabet of byte-level tokenizers: the character of each byte. */
const BYTES: readonly string[] = (() => {
  const visible = new Set([...range(33, 126), ...range(161, 172), ...range(174, 255)]);
  let next = 256;
  return range(0, 255).map((b) => String.fromCodePoint(visible.has(b) ? b : next++));
})();

export const added = (id: number, content: string, more: Json = {}): Json => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
  ...more,
});
/** A post-processor that puts a token in front of every text. */
export const inFront = (token: string, id: number): Json => ({
  type: 'TemplateProcessing',
  single: [{ SpecialToken: { id: token, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
  pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
  special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
});

/**
 * tokenizer.json of a byte-level tokenizer: special tokens first, byte b has the id after them plus b, then one for
 * each merge of two texts of the byte alphabet.
 */
export function byteLevel(special: readonly (string | Json)[], merges: readonly (readonly [string, string])[] = [], more: Json = {}): Json {
  const vocab: Record<string, number> = {},
    tokens = special.map((x, id) => (typeof x === 'string' ? added(id, x) : { ...x, id }));
  for (const t of tokens) vocab[String(t['content'])] = Number(t['id']);
  BYTES.forEach((c, b) => {
    vocab[c] = tokens.length + b;
  });
  merges.forEach(([l, r], k) => {
    vocab[l + r] = tokens.length + 256 + k;
  });
  const stage = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: tokens,
    normalizer: null,
    pre_tokenizer: stage,
    post_processor: null,
    decoder: stage,
    model: { type: 'BPE', dropout: null, unk_token: null, fuse_unk: false, byte_fallback: false, vocab, merges: merges.map((m) => [...m]) },
    ...more,
  };
}

/**
 * tokenizer.json in the manner of SentencePiece: words begin with a mark, which Prepend puts in front of every text.
 */
export function sentencePiece(letters: string, merges: readonly (readonly [string, string])[], more: Json = {}): Json {
  const vocab: Record<string, number> = { '<unk>': 0, '<s>': 1, '</s>': 2 };
  let id = 3;
  for (let b = 0; b < 256; b++) vocab[`<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`] = id++;
  for (const c of `\u2581${letters}`) vocab[c] = id++;
  for (const [l, r] of merges) vocab[l + r] = id++;
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [added(0, '<unk>'), added(1, '<s>'), added(2, '</s>')],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '\u2581' },
        { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' },
      ],
    },
    pre_tokenizer: null,
    post_processor: inFront('<s>', 1),
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: '<unk>',
      fuse_unk: true,
      byte_fallback: true,
      vocab,
      merges: merges.map((m) => [...m]),
    },
    ...more,
  };
}

/** Writes the files of a base that a codec reads. */
export function writeTokenizer(dir: string, tokenizer: Json, files: Readonly<Record<string, Json>> = {}): string {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'tokenizer.json'), JSON.stringify(tokenizer));
  for (const [name, x] of Object.entries(files)) writeFileSync(join(dir, `${name}.json`), JSON.stringify(x));
  return dir;
}
