import type { Message, TextCodec } from './codec.js';
import { isObject } from './json-text.js';
import { FORMATS } from './format-names.js';

/** A piece of a row: tokenised apart, all of it a target or none; `turn` marks an assistant turn of a conversation. */
export interface Part {
  readonly text: string;
  readonly target: boolean;
  readonly turn?: boolean;
}
type Row = Readonly<Record<string, unknown>>;

/** A named, versioned way from rows to parts: the manifest declares it as name/version. */
export interface Converter {
  readonly version: number;
  /** The field by which `auto` knows it. */
  readonly field: string;
  parts(row: Row, codec: TextCodec): Part[];
}

const text = (row: Row, k: string): string => {
  const v = row[k];
  if (typeof v !== 'string') throw new Error(`field ${k} is ${v === undefined ? 'missing' : 'not a string'}`);
  if (!/^(?:[^\ud800-\udfff]|[\ud800-\udbff][\udc00-\udfff])*$/.test(v)) throw new Error(`field ${k} holds half a surrogate pair`);
  return v;
};
const optional = (row: Row, k: string): string => (row[k] === undefined || row[k] === null ? '' : text(row, k));
const pair = (prompt: string, completion: string): Part[] => [
  { text: prompt, target: false },
  { text: completion, target: true },
];

export const CONVERTERS: Readonly<Record<string, Converter>> = {
  messages: {
    version: 1,
    field: 'messages',
    parts: (row, codec) =>
      conversation(
        turns(row, 'messages', 'role', 'content', (r) => r),
        codec,
      ),
  },
  'prompt-completion': {
    version: 1,
    field: 'completion',
    parts: (row) => pair(text(row, 'prompt'), text(row, 'completion')),
  },
  alpaca: {
    version: 1,
    field: 'instruction',
    parts(row) {
      const input = optional(row, 'input');
      return pair(
        `### Instruction:\n${text(row, 'instruction')}\n\n${input ? `### Input:\n${input}\n\n` : ''}### Response:\n`,
        text(row, 'output'),
      );
    },
  },
  sharegpt: {
    version: 1,
    field: 'conversations',
    parts(row, codec) {
      const role: Record<string, string> = { human: 'user', user: 'user', gpt: 'assistant', assistant: 'assistant', system: 'system' };
      return conversation(
        turns(row, 'conversations', 'from', 'value', (r) => {
          if (!Object.hasOwn(role, r)) throw new Error(`speaker ${JSON.stringify(r)} is unknown (human, gpt, system are known)`);
          return role[r];
        }),
        codec,
      );
    },
  },
  text: { version: 1, field: 'text', parts: (row) => [{ text: text(row, 'text'), target: true }] },
};

/** The converter of a row: the named one, or for `auto` the only one whose field the row has. Throws Error. */
export function converterOf(row: Row, format: string): string {
  if (Object.hasOwn(CONVERTERS, format)) return format;
  if (format !== 'auto') throw new Error(`format ${format} is unknown (${FORMATS.join(', ')} are known)`);
  const fits = Object.keys(CONVERTERS).filter((k) => CONVERTERS[k].field in row);
  if (fits.length === 1) return fits[0];
  throw new Error(
    fits.length
      ? `fits the formats ${fits.join(' and ')}: name one in data[].format`
      : `fits no format: it has none of the fields ${Object.values(CONVERTERS)
          .map((c) => c.field)
          .join(', ')}`,
  );
}

function turns(row: Row, list: string, who: string, what: string, role: (r: string) => string): Message[] {
  const m = row[list];
  if (!Array.isArray(m) || !m.length) throw new Error(`field ${list} is not a list of turns`);
  return m.map((x, i) => {
    if (!isObject(x)) throw new Error(`${list}[${i}] is not an object`);
    try {
      return { role: role(text(x, who)), content: text(x, what) };
    } catch (e) {
      throw new Error(`${list}[${i}]: ${(e as Error).message}`);
    }
  });
}

/**
 * Pieces of a conversation: the template renders it up to the beginning and to the end of every assistant turn, and each text must begin
 * with the one before. Turns after the last assistant turn lead to no target and are left out.
 */
function conversation(m: readonly Message[], codec: TextCodec): Part[] {
  const out: Part[] = [];
  let before = '';
  m.forEach((x, i) => {
    if (x.role !== 'assistant') return;
    const prompt = codec.render(m.slice(0, i), true),
      all = codec.render(m.slice(0, i + 1), false);
    if (!prompt.startsWith(before) || !all.startsWith(prompt))
      throw new Error(
        'the chat template is not append-only (it rewrites earlier turns, or opens an assistant turn otherwise than it renders one): set train.template',
      );
    out.push({ text: prompt.slice(before.length), target: false }, { text: all.slice(prompt.length), target: true, turn: true });
    before = all;
  });
  return out;
}
