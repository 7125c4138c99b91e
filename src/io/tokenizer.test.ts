import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { added, byteLevel, sentencePiece } from '../../test/tokenizers.js';
import { PieceTokenizer } from './tokenizer.js';

type Json = Record<string, unknown>;
const of = (json: Json): PieceTokenizer => new PieceTokenizer('tokenizer.json', json, {}),
  shown = (t: PieceTokenizer, pieces: readonly string[]): string =>
    t
      .pieces(pieces)
      .ids.map((p) => p.map((x) => t.token(x)).join(' '))
      .join(' | ');

const SEP = added(1000, '<sep>'),
  R = added(1001, '<r>', { rstrip: true }),
  L = added(1002, '<l>', { lstrip: true });
const MERGES: [string, string][] = [
  ['\u2581', 'Y'],
  ['\u2581Y', 'o'],
  ['Y', 'o'],
  ['\u2581', 'H'],
  ['\u2581H', 'i'],
  ['\u2581', '\u2581'],
  ['a', 'a'],
  ['aa', 'aa'],
];
const sp = (more: Json = {}): Json => {
    const t = sentencePiece('aHioQY:|', MERGES, more);
    return { ...t, added_tokens: [...(t['added_tokens'] as Json[]), SEP, R, L] };
  },
  meta = (scheme: string, split = true): Json =>
    sp({ normalizer: null, pre_tokenizer: { type: 'Metaspace', replacement: '\u2581', prepend_scheme: scheme, split } });
/** Byte-level with the word pattern of GPT-2. */
const bytes = (prefix = false): Json =>
  byteLevel(
    ['<s>', '</s>', '<sep>', { ...R }, { ...L }],
    [
      ['Ġ', 'H'],
      ['ĠH', 'i'],
      ['Y', 'o'],
      ['Ċ', 'Ċ'],
      ['a', 'a'],
      ['aa', 'aa'],
    ],
    { pre_tokenizer: { type: 'ByteLevel', add_prefix_space: prefix, trim_offsets: true, use_regex: true } },
  );

describe('pieces of a text', () => {
  it('get a word mark only where the whole text has one', () => {
    const t = of(sp());
    // Ids of the Rust tokenizers.
    expect(shown(t, ['Q: Hi\nQ:', ' Yo'])).toBe('▁ Q : ▁Hi <0x0A> Q : | ▁Yo');
    expect(shown(t, ['Hi', 'Yo'])).toBe('▁Hi | Yo');
    expect(shown(t, ['', 'Yo'])).toBe(' | ▁Yo');
    // Behind a special token this normalizer begins a text anew; at a seam elsewhere it does not.
    expect(shown(t, ['Hi</s>', 'Yo', 'Yo</s>Yo', 'Yo'])).toBe('▁Hi </s> | ▁Yo | Yo </s> ▁Yo | Yo');
  });
  it('of Metaspace follow its scheme', () => {
    expect(shown(of(meta('first')), ['Hi', 'Yo<sep>Yo', 'Hi'])).toBe('▁Hi | Yo <sep> Yo | H i');
    expect(shown(of(meta('always')), ['Hi', 'Yo<sep>Yo', 'Hi'])).toBe('▁Hi | Yo <sep> ▁Yo | H i');
    expect(shown(of(meta('never')), ['Hi', 'Yo<sep>Yo', 'Hi'])).toBe('H i | Yo <sep> Yo | H i');
    // With split, as it is unless the file says otherwise, no token reaches from one word into the next.
    expect(shown(of(meta('always')), ['a  a'])).toBe('▁ a ▁ ▁ a');
    expect(shown(of(meta('always', false)), ['a  a'])).toBe('▁ a ▁▁ a');
  });
  it('of a byte-level tokenizer end words where the whole text does', () => {
    const t = of(bytes());
    // The white space before a word is not one word where more text follows it.
    expect(shown(t, ['a\n\n', 'Yo'])).toBe('a Ċ Ċ | Yo');
    expect(shown(t, ['a\n\n'])).toBe('a ĊĊ');
    expect(shown(t, ['a\n\n', '<sep>Yo'])).toBe('a ĊĊ | <sep> Yo');
    expect(shown(of(bytes(true)), ['Yo', 'Hi<sep>Hi'])).toBe('Ġ Yo | H i <sep> ĠHi');
  });
  it('honour special tokens that take white space away', () => {
    const t = of(bytes());
    expect(shown(t, ['a<r>', '  Yo'])).toBe('a <r> | Yo');
    expect(shown(t, ['a  ', '<l>Yo'])).toBe('a | <l> Yo');
    expect(shown(t, ['a ', ' ', '<l>'])).toBe('a |  | <l>');
  });

  // Property: wherever no word or merge of the whole text crosses a seam, the pieces have the ids of the whole text.
  const words = ['Hi', 'Yo', 'Q:', ' ', '  ', '\n', '\n\n', 'aaaa', ' Hi', ' Yo', '<sep>', '<r>', '<l>', '</s>', '|'],
    piece = fc.array(fc.constantFrom(...words), { maxLength: 5 }).map((x) => x.join(''));
  it.each<[string, Json]>([
    ['Prepend', sp()],
    ['Metaspace always', meta('always')],
    ['Metaspace always, unsplit', meta('always', false)],
    ['Metaspace first', meta('first')],
    ['Metaspace never', meta('never')],
    ['bytes', bytes()],
    ['bytes with a prefix', bytes(true)],
  ])('of %s have the ids of the whole text wherever nothing crosses the seam', (_, json) => {
    const t = of(json),
      // The text that a list of ids stands for, marks and spaces alike: no token crosses a seam where one of the
      // prefixes ends there.
      text = (ids: readonly number[]): string => ids.map((x) => t.token(x)).join('');
    let same = 0,
      crossed = 0;
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 4 }), (pieces) => {
        const got = t.pieces(pieces).ids,
          whole = t.encode(pieces.join('')),
          flat = got.flat();
        expect(got.length).toBe(pieces.length);
        // Cutting never changes what is said.
        expect(text(flat)).toBe(text(whole));
        let at = 0;
        const ends = new Set(whole.map((x) => (at += t.token(x).length)));
        let n = 0;
        const free = got.slice(0, -1).every((p) => {
          n += text(p).length;
          return n === 0 || ends.has(n);
        });
        if (free) expect(flat).toEqual(whole);
        if (free) same++;
        else crossed++;
      }),
      { numRuns: 400, seed: 5 },
    );
    expect(same).toBeGreaterThan(200);
    expect(crossed).toBeGreaterThan(0);
  });
});

describe('long texts', () => {
  const long = 'Hi a: aaaa\n'.repeat(20_000);
  it.each<[string, Json]>([
    ['words', sp()],
    ['bytes', bytes()],
    ['one word without end', byteLevel(['<s>'], [['a', 'a']], {})],
  ])('%s are cut before they are encoded whole', (_, json) => {
    const t = of(json),
      cut = t.pieces([long, 'Yo'], 64);
    expect(cut.complete).toBe(false);
    expect(cut.ids[0].length).toBeGreaterThanOrEqual(64);
    expect(cut.ids[0].length).toBeLessThan(200);
    // What is there is what the whole text has.
    expect(cut.ids[0].slice(0, 64)).toEqual(t.encode(long.slice(0, 2000)).slice(0, 64));
  });
  it('without any place to cut, too', () => {
    const t = of(byteLevel(['<s>'], [['a', 'a']])),
      cut = t.pieces(['a'.repeat(200_000)], 64);
    expect(cut.complete).toBe(false);
    expect(cut.ids[0].length).toBeLessThan(20_000);
  });
  it('have the same ids in parts as in one piece', () => {
    const merges: [string, string][] = [
        ['a', 'b'],
        ['b', 'a'],
        ['ab', 'a'],
        ['Ġ', 'a'],
      ],
      fast = of(byteLevel(['<s>'], merges)),
      // Without end-of-word marks nothing is cut: the same tokenizer, which takes each word whole.
      whole = byteLevel(['<s>'], merges),
      slow = of({ ...whole, model: { ...(whole['model'] as Json), continuing_subword_suffix: '' } });
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'b', ' ', 'c', 'ab', 'aba'), { minLength: 60, maxLength: 120 }), (x) => {
        expect(fast.encode(x.join(''))).toEqual(slow.encode(x.join('')));
      }),
      { numRuns: 100, seed: 3 },
    );
  });
});

describe('stages that the library does otherwise', () => {
  const last = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    split = (pattern: Json, behavior: string, invert = false): Json => ({ type: 'Split', pattern, behavior, invert }),
    staged = (normalizer: Json | null, pretokenizers: Json[], end: Json = last): Json =>
      byteLevel(
        [],
        [
          ['1', '2'],
          ['!', '!'],
          ['a', 'b'],
          ['b', '.'],
          ['2', 'Â'],
          ['!', 'a'],
          ['Ġ', 'Ġ'],
          ['ï', '»'],
          ['Ġ', 'ï'],
          ['ð', 'Ł'],
        ],
        { normalizer, pre_tokenizer: { type: 'Sequence', pretokenizers: [...pretokenizers, end] } },
      );
  it.each<[string, Json, string, string]>([
    ['digits of all scripts', staged(null, [{ type: 'Digits', individual_digits: true }]), '12\u00b2\u0663a', '1 2 Â ² Ù £ a'],
    ['digits in runs', staged(null, [{ type: 'Digits', individual_digits: false }]), '12\u00b2ab12', '12 Â ² ab 12'],
    ['punctuation, one each', staged(null, [{ type: 'Punctuation' }]), 'ab!!a', 'ab ! ! a'],
    ['punctuation in runs', staged(null, [{ type: 'Punctuation', behavior: 'Contiguous' }]), 'ab!!a', 'ab !! a'],
    ['punctuation taken away', staged(null, [{ type: 'Punctuation', behavior: 'Removed' }]), 'ab!!a.b', 'ab a b'],
    ['a text taken away', staged(null, [split({ String: '.' }, 'Removed')]), 'ab.!!', 'ab !!'],
    ['all but a pattern, both kept', staged(null, [split({ Regex: 'ab|!' }, 'Isolated', true)]), '12ab!!', '12 ab ! !'],
    ['words', staged(null, [{ type: 'Whitespace' }]), 'ab!!\ufeff12\u00b2 12', 'ab !! ï» ¿ 12 Â ² 12'],
    ['white space', staged(null, [{ type: 'WhitespaceSplit' }]), 'ab\u008512\ufeff 12', 'ab 12 ï» ¿ 12'],
    ['words of BERT', staged(null, [{ type: 'BertPreTokenizer' }]), 'ab!!\ufeff12 ab', 'ab ! ! ï» ¿ 12 ab'],
    ['code points', staged(null, [{ type: 'FixedLength', length: 2 }]), 'a\u{1f600}12ab', 'a ðŁ ĺ Ģ 12 ab'],
    ['words of GPT-2', staged(null, [], { ...last, use_regex: true }), '  \ufeffab', 'Ġ Ġ ï» ¿ ab'],
    ['white space at the ends', staged({ type: 'Strip', strip_left: true, strip_right: true }, []), ' \u0085\ufeffab\n', 'ï» ¿ ab'],
    ['a sigma at the end of a word', staged({ type: 'Lowercase' }, []), 'A\u03a3', 'a Ï ĥ'],
    ['a dollar put in', staged({ type: 'Replace', pattern: { String: 'a' }, content: '$&' }, []), 'ab', '$ & b'],
  ])('are as in the Rust tokenizers: %s', (_, json, text, tokens) => {
    expect(shown(of(json), [text])).toBe(tokens);
  });
  it('a model that does not name its type has its seams too', () => {
    const json = bytes(),
      model: Json = { ...(json['model'] as Json), continuing_subword_prefix: '', end_of_word_suffix: '' };
    delete model['type'];
    expect(shown(of({ ...json, model }), ['Yo Hi', ' Hi'])).toBe(shown(of(json), ['Yo Hi', ' Hi']));
  });
  const model = (more: Json): Json => ({ ...bytes(), model: { ...(bytes()['model'] as Json), ...more } });
  it.each<[string, Json, string]>([
    ['WordLevel', model({ type: 'WordLevel' }), 'model.type is "WordLevel"'],
    ['no type', model({ type: undefined }), 'model.type is missing'],
    ['dropout', model({ dropout: 0.1 }), 'model.dropout is 0.1'],
    ['a prefix of what continues a word', model({ continuing_subword_prefix: '##' }), 'model.continuing_subword_prefix is "##"'],
    ['bytes of Unigram', model({ type: 'Unigram', byte_fallback: true }), 'model.byte_fallback'],
    ['a table of characters', staged({ type: 'Precompiled', precompiled_charsmap: '' }, []), 'normalizer: Precompiled'],
    [
      'merged punctuation',
      staged(null, [{ type: 'Punctuation', behavior: 'MergedWithNext' }]),
      'pre_tokenizer: the behavior "MergedWithNext"',
    ],
    ['a merged split', staged(null, [split({ String: ' ' }, 'MergedWithPrevious')]), 'pre_tokenizer: the behavior "MergedWithPrevious"'],
    ['groups of what is taken away', staged(null, [split({ Regex: '(a)|b' }, 'Removed')]), 'pre_tokenizer: a Split that removes'],
    [
      'no pattern',
      staged(null, [split({ Glob: '\u001b[31m*' }, 'Isolated')]),
      'pre_tokenizer: the pattern of Split is {"Glob":"\\u001b[31m*"}',
    ],
    ['no length', staged(null, [{ type: 'FixedLength', length: -1 }]), 'pre_tokenizer: the length of FixedLength is -1'],
    ['single words', { ...bytes(), added_tokens: [added(0, '<s>', { single_word: true })] }, 'added token "<s>": single_word'],
  ])('that it passes over are refused by name: %s', (_, json, message) => {
    expect(() => of(json)).toThrow(message);
  });
});
