import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { byteLevel, inFront, writeTokenizer } from '../../test/tokenizers.js';
import { InputError } from '../errors.js';
import { TextCodec } from './codec.js';

const root = mkdtempSync(join(tmpdir(), 'certune-ids-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let made = 0;

type Json = Record<string, unknown>;
const SPECIAL = ['<pad>', '<s>', '</s>', '<end>', '<eot>', '<eom>', '<h>', '</h>'],
  [, S, E, END, EOT, EOM] = SPECIAL.keys();
interface Files {
  readonly tokenizer?: Json;
  readonly generation?: Json;
  readonly model?: Json;
  readonly map?: Json;
  readonly post?: unknown;
}
const codec = (f: Files): TextCodec =>
  new TextCodec(
    writeTokenizer(join(root, String(made++)), byteLevel(SPECIAL, [], { post_processor: f.post ?? null }), {
      tokenizer_config: { bos_token: '<s>', eos_token: '</s>', ...f.tokenizer },
      ...(f.generation ? { generation_config: f.generation } : {}),
      ...(f.model ? { config: f.model } : {}),
      ...(f.map ? { special_tokens_map: f.map } : {}),
    }),
  );

describe('first ids', () => {
  it('are what encoding adds: the post-processor, or add_bos_token, and else nothing', () => {
    const model = { bos_token_id: S };
    expect(codec({ model }).ids.first).toEqual([]);
    expect(codec({ model, post: inFront('<s>', S) }).ids.first).toEqual([S]);
    expect(codec({ model, tokenizer: { add_bos_token: true } }).ids.first).toEqual([S]);
    expect(codec({ model, tokenizer: { add_bos_token: false } }).ids.first).toEqual([]);
    expect(codec({ model, post: { type: 'ByteLevel', add_prefix_space: false } }).ids.first).toEqual([]);
    expect(codec({ post: { type: 'Sequence', processors: [{ type: 'ByteLevel' }, inFront('<h>', 6)] } }).ids.first).toEqual([6]);
    expect(codec({ post: { type: 'RobertaProcessing', sep: ['</s>', E], cls: ['<s>', S] } }).ids.first).toEqual([S]);
    expect(codec({ tokenizer: { add_bos_token: true, bos_token: null } }).ids.first).toEqual([]);
  });
  it("are the tokenizer's where config.json says another one, and that is said", () => {
    const c = codec({ tokenizer: { add_bos_token: true }, model: { bos_token_id: E, eos_token_id: E } });
    expect(c.ids.first).toEqual([S]);
    expect(c.ids.notes).toEqual([
      'bos_token_id of config.json is "</s>" (2), the tokenizer\'s first id "<s>" (1): the tokenizer is followed',
    ]);
    expect(codec({ model: { bos_token_id: E } }).ids.notes[0]).toMatch(/the tokenizer is followed/);
    expect(codec({ tokenizer: { add_bos_token: false }, post: inFront('<s>', S) }).ids.notes[0]).toMatch(
      /add_bos_token false .* puts none in front of a text, the post-processor .* "<s>" \(1\): the former is followed/,
    );
  });
  it('stand in front once', () => {
    const c = codec({ tokenizer: { add_bos_token: true } });
    expect(c.prompt('<s>a')).toEqual([S, 8 + 97]);
    expect(c.prompt('a')).toEqual([S, 8 + 97]);
    expect(codec({}).prompt('a')).toEqual([8 + 97]);
  });
  it('come from special_tokens_map.json where tokenizer_config.json is silent', () => {
    const c = codec({
      tokenizer: { bos_token: undefined, add_bos_token: true },
      map: { bos_token: { content: '<h>' }, eos_token: '<eot>' },
    });
    expect(c.ids).toMatchObject({ first: [6], end: E });
  });
});

describe('closing ids', () => {
  it("are all of generation_config.json, else of config.json, else the tokenizer's", () => {
    expect(codec({ generation: { eos_token_id: [EOT, END, EOM] }, model: { eos_token_id: END } }).ids).toMatchObject({
      closing: [END, EOT, EOM],
      end: END + 1,
    });
    expect(codec({ model: { eos_token_id: [END, EOT] } }).ids).toMatchObject({ closing: [END, EOT], end: END });
    expect(codec({ model: { eos_token_id: -1 } }).ids).toMatchObject({ closing: [E], end: E });
    expect(codec({}).ids).toMatchObject({ closing: [E], end: E, notes: [] });
  });
  it("append the tokenizer's eos_token where the list holds it, else the first of the list, which is said", () => {
    const list = { eos_token_id: [END, EOM, EOT] };
    expect(codec({ generation: list, tokenizer: { eos_token: '<eot>' } }).ids).toMatchObject({ end: EOT, notes: [] });
    const c = codec({ generation: list });
    expect(c.ids.end).toBe(END);
    expect(c.ids.notes).toEqual([
      'eos_token of tokenizer_config.json is "</s>" (2), eos_token_id lists "<end>" (3), "<eom>" (5), "<eot>" (4): "<end>" (3) is appended',
    ]);
  });
  it('include what the template closes a turn with', () => {
    const template = (end: string): Json => ({
      chat_template: `{% for m in messages %}<h>{{ m.role }}</h>{{ m.content }}${end}{% endfor %}`,
    });
    const c = codec({ tokenizer: template('<eot>\\n'), model: { eos_token_id: E } });
    expect(c.ids).toMatchObject({ closing: [E, EOT], end: E });
    expect(c.ids.notes).toEqual(['the chat template closes a turn with "<eot>" (4), eos_token_id lists "</s>" (2): both close']);
    expect(codec({ tokenizer: template(' </s>') }).ids).toMatchObject({ closing: [E], notes: [] });
    // Words close nothing, nor does a template that does not take these turns.
    expect(codec({ tokenizer: template('bye') }).ids.closing).toEqual([E]);
    expect(codec({ tokenizer: { chat_template: '{{ raise_exception("no") }}' } }).ids.closing).toEqual([E]);
  });
  it('name what contradicts, what is no id, what is beyond the vocabulary and what is missing', () => {
    expect(
      codec({ generation: { eos_token_id: EOT }, model: { eos_token_id: END }, tokenizer: { eos_token: '<eot>' } }).ids.notes[0],
    ).toMatch(/eos_token_id of config.json is "<end>" \(3\), of generation_config.json "<eot>" \(4\): the latter is followed/);
    for (const [f, m] of [
      [{ generation: { eos_token_id: 'x' } }, /eos_token_id "x" is not an id or a list of ids/],
      [{ model: { eos_token_id: [2, 99], vocab_size: 99 } }, /the closing id 99 is beyond the vocabulary of 99/],
      [{ model: { vocab_size: 1 }, tokenizer: { add_bos_token: true } }, /the first id 1 is beyond the vocabulary of 1/],
      [{ tokenizer: { eos_token: null } }, /no id closes a text/],
    ] as const)
      try {
        codec(f);
        expect.unreachable();
      } catch (e) {
        expect(e).toBeInstanceOf(InputError);
        expect((e as Error).message).toMatch(m);
      }
  });
});
