import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { byteLevel, writeTokenizer } from '../../test/tokenizers.js';
import { InputError } from '../errors.js';
import { type DataOptions, type DataResult, TextCodec, loadData, sequenceFor } from './data.js';
import type { LineProblem } from './jsonl.js';
import { readRows } from './rows.js';

const root = mkdtempSync(join(tmpdir(), 'certune-rows-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let made = 0;

type Json = Record<string, unknown>;
const SPECIAL = ['<s>', '</s>', '<|im_start|>', '<|im_end|>'],
  CHATML = `{% for m in messages %}{{'<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`,
  TOOLS = `{% if tools %}<|im_start|>tools\n{{ tools | tojson }}<|im_end|>\n{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.content %}{{ m.content }}{% endif %}{% if m.tool_calls %}{{ m.tool_calls | tojson }}{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}`;
const codecOf = (template: string): TextCodec =>
  new TextCodec(
    writeTokenizer(join(root, `t${made++}`), byteLevel(SPECIAL), {
      tokenizer_config: { bos_token: '<s>', eos_token: '<|im_end|>', chat_template: template },
    }),
  );
const chatml = codecOf(CHATML);
const file = (name: string, text: string | Uint8Array): string => {
  const f = join(root, `${made++}-${name}`);
  writeFileSync(f, text);
  return f;
};
const spec = (path: string, format = 'auto') => ({ path, format, source: 'unknown', license: 'LicenseRef-unknown', language: 'und' });
const load = (rows: readonly unknown[], codec = chatml, format = 'auto', o: Partial<DataOptions> = {}): DataResult =>
  loadData([spec(file('d.jsonl', rows.map((r) => JSON.stringify(r)).join('\n')), format)], codec, { sequence: 512, appendEos: true, ...o });
/** Tokens as text, targets in brackets; <|, |> and $ for the special ones. */
const show = (r: DataResult, k = 0): string => {
  let out = '',
    inside = false;
  r.examples[k].tokens.forEach((t, i) => {
    const target = r.examples[k].mask[i] === 1;
    if (target !== inside) out += target ? '[' : ']';
    inside = target;
    out += t < 4 ? ['<s>', '</s>', '<|', '|>'][t] : String.fromCharCode(t - 4);
  });
  return out + (inside ? ']' : '');
};
const errorOf = (f: () => unknown): string => {
  try {
    f();
  } catch (e) {
    expect(e).toBeInstanceOf(InputError);
    return (e as InputError).problems.join('; ');
  }
  throw new Error('accepted');
};
const user = (content: unknown): Json => ({ role: 'user', content }),
  assistant = (content: unknown, more: Json = {}): Json => ({ role: 'assistant', content, ...more });
const HI = '<|user\nHi|>\n<|assistant\n[Yo|>]\n';

describe('formats of other trainers', () => {
  it.each<[string, Json, string, string]>([
    ['messages', { messages: [user('Hi'), assistant('Yo')] }, HI, 'messages/2'],
    [
      'parts of type text',
      {
        messages: [
          user([
            { type: 'text', text: 'H' },
            { type: 'text', text: 'i' },
          ]),
          assistant(['Yo']),
        ],
      },
      HI,
      'messages/2',
    ],
    ['prompt and completion as messages', { prompt: [user('Hi')], completion: [assistant('Yo')] }, HI, 'prompt-completion-messages/1'],
    [
      'speakers of other models',
      {
        conversations: [
          { from: 'human', value: 'Hi' },
          { from: 'chatgpt', value: 'Yo' },
        ],
      },
      HI,
      'sharegpt/2',
    ],
    ['conversations with roles', { conversations: [user('Hi'), assistant('Yo')] }, HI, 'sharegpt/2'],
    [
      'dolly',
      { instruction: 'When?', context: 'In 1814.', response: '1814', category: 'closed_qa' },
      '### Instruction:\nWhen?\n\n### Input:\nIn 1814.\n\n### Response:\n[1814|>]',
      'dolly/1',
    ],
    ['dolly without context', { instruction: 'Q', context: '', response: 'R' }, '### Instruction:\nQ\n\n### Response:\n[R|>]', 'dolly/1'],
    [
      'system of a row',
      {
        conversations: [
          { from: 'human', value: 'Hi' },
          { from: 'gpt', value: 'Yo' },
        ],
        system: 'Be kind.',
        tools: '[]',
      },
      `<|system\nBe kind.|>\n${HI}`,
      'sharegpt/2',
    ],
  ])('%s', (_, row, want, converter) => {
    const r = load([row]);
    expect(show(r)).toBe(want);
    expect(r.files[0].converters).toEqual([converter]);
    // The format that auto finds, by its name.
    expect(show(load([row], chatml, converter.split('/')[0]))).toBe(want);
  });
  it('of messages as prompt and completion only the turns of the completion are learnt', () => {
    const row = { prompt: [user('a'), assistant('b'), user('c')], completion: [assistant('d')] };
    expect(show(load([row]))).toBe('<|user\na|>\n<|assistant\nb|>\n<|user\nc|>\n<|assistant\n[d|>]\n');
  });
  it.each<[string, Json]>([
    ['is a row of preferences (chosen, rejected)', { prompt: 'a', chosen: 'b', rejected: 'c' }],
    ['is a row of judged answers (completion, label)', { prompt: 'a', completion: 'b', label: true }],
    ['holds ids of tokens (input_ids)', { input_ids: [1], labels: [1] }],
    ['none of the fields messages, completion, instruction, conversations, text, but question, answer', { question: 'a', answer: 'b' }],
    ['fits the formats alpaca and text', { instruction: 'a', output: 'b', text: 'c' }],
    ['field completion is not a list of turns', { prompt: [user('a')], completion: 'b' }],
    [
      'content[0] is of type "image_url": only parts of type text are read',
      { messages: [user([{ type: 'image_url', image_url: {} }]), assistant('b')] },
    ],
    ['messages[1]: field content is not a string', { messages: [user('a'), assistant(null)] }],
    ['speaker "narrator" is unknown', { conversations: [{ from: 'narrator', value: 'a' }] }],
  ])('says what a row is: %s', (message, row) => {
    expect(errorOf(() => load([row]))).toContain(message);
  });
});

describe('keys of rows and turns', () => {
  const call = { id: 'c', type: 'function', function: { name: 'f', arguments: { city: 'Oslo' } } },
    called = (content: unknown): Json => ({
      messages: [
        user('Hi'),
        assistant(content, { tool_calls: [call] }),
        { role: 'tool', tool_call_id: 'c', content: '4' },
        assistant('4 C'),
      ],
    });
  it.each<[string, Json]>([
    ['field system, history is not supported by the format alpaca', { instruction: 'a', output: 'b', system: 'c', history: [['d', 'e']] }],
    ['field context is not supported by the format prompt-completion', { prompt: 'a', completion: 'b', context: 'c' }],
    ['field images is not supported by the format messages', { messages: [user('a'), assistant('b')], images: ['x.png'] }],
    ['field weight is not supported by the format text', { text: 'a', weight: 0.5 }],
    ['field system_prompt is not supported', { messages: [user('a'), assistant('b')], system_prompt: 'c' }],
    ['field tools is not read by the chat template', { messages: [user('a'), assistant('b')], tools: [{ name: 'f' }] }],
    [
      'field system is on, and the first turn is one too',
      {
        conversations: [
          { from: 'system', value: 'a' },
          { from: 'gpt', value: 'b' },
        ],
        system: 'c',
      },
    ],
    ['messages[1].tool_calls is not read by the chat template', called('')],
    ['messages[1].reasoning_content is not read', { messages: [user('a'), assistant('b', { reasoning_content: 'c' })] }],
    ['messages[0].images is not read', { messages: [{ ...user('a'), images: ['x'] }, assistant('b')] }],
    [
      'conversations[0].thinking is not read',
      {
        conversations: [
          { from: 'human', value: 'a', thinking: 'x' },
          { from: 'gpt', value: 'b' },
        ],
      },
    ],
    ['field tools is a text that is not JSON', { messages: [user('a'), assistant('b')], tools: 'f(x)' }],
  ])('that are on and not used are refused: %s', (message, row) => {
    expect(errorOf(() => load([row]))).toContain(message);
  });
  it('are used where the template reads them: tools, tool calls, no content beside them', () => {
    const t = codecOf(TOOLS);
    for (const content of [null, '', undefined]) {
      const r = load([{ ...called(content), tools: JSON.stringify([{ name: 'f' }]) }], t);
      expect(show(r)).toBe(
        `<|tools\n[{"name": "f"}]|>\n<|user\nHi|>\n<|assistant\n[${JSON.stringify([call])
          .replaceAll('":', '": ')
          .replaceAll(',"', ', "')}|>]\n<|tool\n4|>\n<|assistant\n[4 C|>]\n`,
      );
      expect(r.files[0].unused).toEqual({ 'messages[].tool_call_id': 1 });
    }
  });
  it('that are off say nothing, and others that nothing uses are counted', () => {
    const r = load([
      {
        messages: [user('Hi'), { ...assistant('Yo'), name: 'x', tool_calls: [], weight: 1, train: true }],
        tools: null,
        system: '',
        id: 3,
        tags: [],
      },
      { prompt: 'a', completion: 'b', history: [], id: 'x', score: 0.5, weight: 1 },
    ]);
    expect(show(r)).toBe(HI);
    expect(r.files[0].unused).toEqual({ 'messages[].name': 1, id: 2, score: 1 });
  });
  it.each([{ weight: 0 }, { train: false }, { loss: false }])('%j on a turn: none of it is learnt, not even its closing id', (mark) => {
    const row = { messages: [user('2+2?'), assistant('WRONG 5', mark), user('no'), assistant('RIGHT 4', { weight: 1 })] };
    expect(show(load([row]))).toBe('<|user\n2+2?|>\n<|assistant\nWRONG 5|>\n<|user\nno|>\n<|assistant\n[RIGHT 4|>]\n');
    const last = { messages: [user('a'), assistant('b'), user('c'), assistant('d', mark)] };
    expect(show(load([last]))).toBe('<|user\na|>\n<|assistant\n[b|>]\n<|user\nc|>\n<|assistant\nd|>\n');
    const only = { messages: [user('a'), assistant('b', mark)] };
    expect(load([row, only]).dropped.map((d) => d.reason)).toEqual(['no completion']);
  });
  it('weights between are refused', () => {
    expect(errorOf(() => load([{ messages: [user('a'), assistant('b', { weight: 0.5 })] }]))).toContain('weight 0.5 is not supported');
  });
});

describe('closing ids', () => {
  it('of a turn: the first that ends it, whatever the template writes behind', () => {
    const two = codecOf(
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' + '\n' + '</s>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    );
    expect(show(load([{ messages: [user('a'), assistant('b')] }], two))).toBe('<|user\na|>\n</s><|assistant\n[b|>]\n</s>');
  });
});

describe('rows that are too long', () => {
  const rows = Array.from({ length: 100 }, (_, i) => ({ prompt: 'p'.repeat(i), completion: 'c'.repeat(10) }));
  it('are counted: dropped, cut, and without their closing id', () => {
    const r = load(rows, chatml, 'auto', { sequence: 40 }),
      [f] = r.files;
    // 40 - 1 characters of prompt leave one target; 40 - 11 leave all of the row.
    expect([f.rows, f.kept, f.truncated, f.unclosed, r.dropped.length]).toEqual([100, 40, 10, 10, 60]);
    expect(r.lengths).toHaveLength(100);
    expect([50, 90, 99].map((p) => sequenceFor(r.lengths, p / 100))).toEqual([60, 100, 109]);
    const chat = load([{ messages: [user('a'), assistant('b'), user('c'), assistant('d'.repeat(50))] }], chatml, 'auto', { sequence: 60 });
    expect(chat.files[0]).toMatchObject({ truncated: 1, unclosed: 1 });
  });
  it('of 200,000 characters take no second, and their length is told from their characters', () => {
    const t0 = performance.now(),
      r = load(
        [
          { prompt: 'p', completion: 'word '.repeat(40_000) },
          { prompt: 'x '.repeat(100_000), completion: 'y' },
        ],
        chatml,
        'auto',
        { sequence: 64 },
      );
    expect(performance.now() - t0).toBeLessThan(20_000);
    expect(r.files[0]).toMatchObject({ kept: 1, truncated: 1, unclosed: 1 });
    expect(r.dropped.map((d) => d.reason)).toEqual(['no target token within the sequence']);
    for (const n of r.lengths) expect(Math.abs(n / 200_000 - 1)).toBeLessThan(0.01);
  });
});

describe('files', () => {
  const rows = [
      { prompt: 'Hi', completion: 'Yo' },
      { prompt: 'a "b"', completion: 'c,\nd' },
    ],
    lines = rows.map((r) => JSON.stringify(r)).join('\n'),
    csv = 'prompt,completion\r\nHi,Yo\r\n"a ""b""","c,\nd"\r\n',
    read = (f: string): [unknown[], LineProblem[]] => {
      const problems: LineProblem[] = [];
      return [[...readRows(f, problems)], problems];
    },
    want = [rows.map((r, i) => [i + 1, r]), []];
  it.each<[string, string, string | Uint8Array]>([
    ['JSON lines', 'd.jsonl', lines],
    ['JSON lines with carriage returns and a byte order mark', 'd.jsonl', `\ufeff${lines.replaceAll('\n', '\r\n')}\r\n`],
    ['a JSON array', 'd.json', JSON.stringify(rows, null, 2)],
    ['a JSON array on one line', 'd.jsonl', `  ${JSON.stringify(rows)}`],
    ['gzip', 'd.jsonl.gz', gzipSync(lines)],
    ['a JSON array in gzip', 'd.json.gz', gzipSync(JSON.stringify(rows))],
    ['CSV', 'd.csv', csv],
    ['CSV in gzip', 'd.csv.gz', gzipSync(csv)],
    ['TSV', 'd.TSV', 'prompt\tcompletion\nHi\tYo\n"a ""b"""\t"c,\nd"'],
  ])('%s are read', (_, name, bytes) => {
    expect(read(file(name, bytes))).toEqual(want);
  });
  it('Parquet is read', () => {
    const f = fileURLToPath(new URL('../../test/data/pairs.parquet', import.meta.url));
    expect(read(f)).toEqual([
      [
        [1, { prompt: 'Hi', completion: 'Yo', id: 1 }],
        [2, { prompt: 'Wie geht es?', completion: 'Gut — é', id: '9007199254740993' }],
      ],
      [],
    ]);
    expect(errorOf(() => read(file('d.parquet', 'PAR1 and no more')))).toMatch(/is a Parquet file that cannot be read/);
  });
  it.each<[string, string | Uint8Array, RegExp]>([
    ['d.jsonl.zst', Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0), /is compressed with Zstandard/],
    ['d.jsonl.xz', Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0), /is compressed with xz/],
    ['d.bz2', 'BZh9', /is compressed with bzip2/],
    ['d.xlsx', 'PK\u0003\u0004', /is a ZIP archive/],
    ['d.arrow', 'ARROW1', /is an Arrow file/],
    ['d.txt', Buffer.from('\ufeff{}', 'utf16le'), /is text in UTF-16/],
    ['d.gz', Uint8Array.of(0x1f, 0x8b, 8, 0, 0), /is compressed with gzip and cannot be read/],
    ['d.json', '[{"a":1},', /begins a JSON array and is not JSON/],
    ['d.json', '[{"a":1,"a":2}]', /has an object with the key "a" twice/],
    ['d.csv', 'a,a\n1,2\n', /its header has the column "a" twice/],
  ])('%s is named in one line', (name, bytes, message) => {
    const problem = errorOf(() => read(file(name, bytes)));
    expect(problem).toMatch(message);
    expect(problem).not.toContain('\n');
  });
  it('what is wrong with one row is said with its number', () => {
    expect(read(file('d.json', '[{"a":1}, 3, {"a":2}]'))).toEqual([
      [
        [1, { a: 1 }],
        [3, { a: 2 }],
      ],
      [expect.objectContaining({ line: 2, unit: 'row', message: 'is not an object' })],
    ]);
    const [, problems] = read(file('d.csv', 'a,b\n1,2\n3\n"4\n'));
    expect(problems.map((p) => [p.line, p.message])).toEqual([
      [2, 'has 1 fields, the header 2'],
      [3, 'has a quote that is not closed'],
    ]);
    expect(errorOf(() => load([], chatml))).toMatch(/no row has a target token/);
    expect(read(file('d.jsonl', '{\n  "text": "a"\n}\n'))[1].map((p) => p.message)).toEqual([
      'is not JSON, from position 1 on',
      'begins an object over many lines: write one object a line',
    ]);
  });
});
