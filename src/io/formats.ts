import { type Dict, type Value, fromJson } from '../template/values.js';
import type { Message, TextCodec } from './codec.js';
import { FORMATS } from './format-names.js';
import { isObject } from './json-text.js';

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
  /** Whether `auto` takes a row for one of these. */
  fits(row: Row): boolean;
  /** Keys of the row that the parts are made of, besides source, license and language. */
  readonly keys: readonly string[];
  /** `unused` is told keys of turns that are on, and that neither the converter nor the template uses. */
  parts(row: Row, codec: TextCodec, unused: (key: string) => void): Part[];
}

/** Whether an option, a list or a text is off: absent, null, false, empty, or JSON of an empty list or mapping. */
const off = (v: unknown): boolean =>
  v === undefined ||
  v === null ||
  v === false ||
  (typeof v === 'string' && /^\s*(\[\s*\]|\{\s*\}|null)?\s*$/.test(v)) ||
  (typeof v === 'object' && Object.keys(v as object).length === 0);

/** Throws for half a surrogate pair, wherever in the value it stands: no tokenizer has an id for it. */
function checkText(v: unknown, where: string): void {
  if (typeof v === 'string') {
    if (!/^(?:[^\ud800-\udfff]|[\ud800-\udbff][\udc00-\udfff])*$/.test(v)) throw new Error(`field ${where} holds half a surrogate pair`);
  } else if (typeof v === 'object' && v !== null) for (const [k, x] of Object.entries(v)) checkText(x, `${where}.${k}`);
}
const text = (row: Row, k: string): string => {
  const v = row[k];
  if (typeof v !== 'string') throw new Error(`field ${k} is ${v === undefined ? 'missing' : 'not a string'}`);
  checkText(v, k);
  return v;
};
const optional = (row: Row, k: string): string => (row[k] === undefined || row[k] === null ? '' : text(row, k));
const pair = (prompt: string, completion: string): Part[] => [
  { text: prompt, target: false },
  { text: completion, target: true },
];
/** The prompt of Alpaca's rows and of those like them. */
const instruction = (asked: string, input: string): string =>
  `### Instruction:\n${asked}\n\n${input ? `### Input:\n${input}\n\n` : ''}### Response:\n`;
const list = (v: unknown): v is unknown[] => Array.isArray(v);

export const CONVERTERS: Readonly<Record<string, Converter>> = {
  messages: {
    version: 2,
    fits: (row) => 'messages' in row,
    keys: ['messages', 'tools'],
    parts: (row, codec, unused) => conversation(turns(row, 'messages'), codec, unused, toolsOf(row)),
  },
  'prompt-completion': {
    version: 1,
    fits: (row) => 'completion' in row && !list(row['completion']) && !list(row['prompt']),
    keys: ['prompt', 'completion'],
    parts: (row) => pair(text(row, 'prompt'), text(row, 'completion')),
  },
  // What TRL calls conversational prompt-completion: of the assistant's turns only those of the completion are learnt.
  'prompt-completion-messages': {
    version: 1,
    fits: (row) => 'completion' in row && (list(row['completion']) || list(row['prompt'])),
    keys: ['prompt', 'completion', 'tools'],
    parts(row, codec, unused) {
      const prompt = turns(row, 'prompt'),
        completion = turns(row, 'completion');
      return conversation([...prompt.map((t) => ({ ...t, learnt: false })), ...completion], codec, unused, toolsOf(row));
    },
  },
  alpaca: {
    version: 1,
    fits: (row) => 'instruction' in row && !('response' in row && !('output' in row)),
    keys: ['instruction', 'input', 'output'],
    parts: (row) => pair(instruction(text(row, 'instruction'), optional(row, 'input')), text(row, 'output')),
  },
  // databricks-dolly-15k, in the words of alpaca: context stands where alpaca's input does.
  dolly: {
    version: 1,
    fits: (row) => 'instruction' in row && 'response' in row && !('output' in row),
    keys: ['instruction', 'context', 'response'],
    parts: (row) => pair(instruction(text(row, 'instruction'), optional(row, 'context')), text(row, 'response')),
  },
  sharegpt: {
    version: 2,
    fits: (row) => 'conversations' in row,
    keys: ['conversations', 'system', 'tools'],
    parts(row, codec, unused) {
      const all = turns(row, 'conversations'),
        system = off(row['system']) ? undefined : text(row, 'system');
      if (system !== undefined && all[0].message.role === 'system') throw new Error('field system is on, and the first turn is one too');
      const first = system === undefined ? [] : [{ name: 'system', message: { role: 'system', content: system }, learnt: false }];
      return conversation([...first, ...all], codec, unused, toolsOf(row));
    },
  },
  text: { version: 1, fits: (row) => 'text' in row, keys: ['text'], parts: (row) => [{ text: text(row, 'text'), target: true }] },
};

/** What `auto` looks for, in words. */
const FIELDS = 'messages, completion, instruction, conversations, text';

/** Rows that other kinds of training are made of: what they are. */
function otherKind(row: Row): string | undefined {
  if ('chosen' in row || 'rejected' in row) return 'is a row of preferences (chosen, rejected): only rows with one answer are learnt';
  if ('input_ids' in row) return 'holds ids of tokens (input_ids): only text is read';
  if ('completion' in row && typeof row['label'] === 'boolean')
    return 'is a row of judged answers (completion, label): only answers to be learnt are read';
  return undefined;
}

/** The converter of a row: the named one, or for `auto` the only one that knows it. Throws Error. */
export function converterOf(row: Row, format: string): string {
  if (format !== 'auto' && !Object.hasOwn(CONVERTERS, format))
    throw new Error(`format ${format} is unknown (${FORMATS.join(', ')} are known)`);
  const other = otherKind(row);
  if (other !== undefined) throw new Error(other);
  if (format !== 'auto') return format;
  const fits = Object.keys(CONVERTERS).filter((k) => CONVERTERS[k].fits(row));
  if (fits.length === 1) return fits[0];
  throw new Error(
    fits.length
      ? `fits the formats ${fits.join(' and ')}: name one in data[].format`
      : `fits no format: it has none of the fields ${FIELDS}, but ${Object.keys(row).slice(0, 8).join(', ') || 'nothing'}`,
  );
}

/** Keys of a row or turn that change what is said or learnt, in lower case without punctuation. */
const MEANT = new Set(
  `system systemprompt systemmessage history tools functions toolcalls functioncall image images video videos audio audios documents
  weight weights train trainingdetail traindetail loss suffix prefix chattemplate chattemplatekwargs reasoning reasoningcontent
  thinking thought thoughts refusal masked`.split(/\s+/),
);
/** Keys that change the prompt where it is made of fields, and are the row's origin where it is a conversation. */
const MEANT_OF_PAIRS = new Set(['context', 'input', 'instruction']);
/** What a row says about itself. */
const DECLARED = ['source', 'license', 'language'];
const flat = (k: string): string => k.toLowerCase().replace(/[^a-z0-9]/g, '');
/** Values under which a key that is on changes nothing. */
const plain = (k: string, v: unknown): boolean => off(v) || (flat(k) === 'weight' && v === 1) || (flat(k) === 'train' && v === true);

/**
 * Keys of a row that its converter does not use: those that change what is said or learnt are refused, the others given
 * back, so that nothing is left out in silence. Throws Error.
 */
export function unusedKeys(row: Row, converter: string): string[] {
  const { keys } = CONVERTERS[converter],
    conversational = keys.includes('tools'),
    left = Object.keys(row).filter((k) => !keys.includes(k) && !DECLARED.includes(k) && !plain(k, row[k])),
    meant = left.filter((k) => MEANT.has(flat(k)) || (!conversational && MEANT_OF_PAIRS.has(flat(k))));
  if (meant.length)
    throw new Error(
      `field ${meant.join(', ')} is not supported by the format ${converter}: ${conversational ? 'say it in the turns' : 'write the row as messages'}, or remove it`,
    );
  return left;
}

/** A turn, and whether it is learnt where the assistant says it. */
interface Turn {
  /** Where it stands, for messages. */
  readonly name: string;
  readonly message: Message;
  readonly learnt: boolean;
}

/** Speakers of ShareGPT's rows. */
const SPEAKERS: Readonly<Record<string, string>> = {
  human: 'user',
  user: 'user',
  gpt: 'assistant',
  chatgpt: 'assistant',
  bing: 'assistant',
  bard: 'assistant',
  model: 'assistant',
  assistant: 'assistant',
  system: 'system',
  tool: 'tool',
  observation: 'tool',
};

/** Turns of a list: with role and content, or with from and value. Throws Error. */
function turns(row: Row, key: string): Turn[] {
  const m = row[key];
  if (!list(m) || !m.length) throw new Error(`field ${key} is not a list of turns`);
  return m.map((x, i) => {
    const name = `${key}[${i}]`;
    if (!isObject(x)) throw new Error(`${name} is not an object`);
    try {
      for (const [k, v] of Object.entries(x)) checkText(v, k);
      const speaker = 'from' in x && !('role' in x),
        { [speaker ? 'from' : 'role']: _, [speaker ? 'value' : 'content']: said, ...more } = x,
        { weight, train, loss, ...others } = more,
        role = speaker ? speakerOf(text(x, 'from')) : text(x, 'role'),
        content = contentOf(said, speaker ? 'value' : 'content', others);
      return {
        name,
        message: { ...others, role, ...(content === undefined ? {} : { content }) },
        learnt: learnt({ weight, train, loss }),
      };
    } catch (e) {
      throw new Error(`${name}: ${(e as Error).message}`);
    }
  });
}
function speakerOf(name: string): string {
  if (!Object.hasOwn(SPEAKERS, name))
    throw new Error(`speaker ${JSON.stringify(name)} is unknown (${Object.keys(SPEAKERS).join(', ')} are known)`);
  return SPEAKERS[name];
}
/** Words of a turn: a text, a list of texts, or none where the turn calls a tool. */
function contentOf(v: unknown, key: string, others: Row): string | null | undefined {
  if (typeof v === 'string') return v;
  if (list(v)) {
    return v
      .map((p, i) => {
        if (typeof p === 'string') return p;
        if (!isObject(p) || (p['type'] !== 'text' && p['type'] !== undefined) || typeof p['text'] !== 'string')
          throw new Error(
            `${key}[${i}] is ${isObject(p) ? `of type ${JSON.stringify(p['type'] ?? null)}` : 'no object'}: only parts of type text are read`,
          );
        const more = Object.keys(p).filter((k) => k !== 'type' && k !== 'text' && !off(p[k]));
        if (more.length) throw new Error(`${key}[${i}].${more[0]} is not supported`);
        return p['text'];
      })
      .join('');
  }
  if ((v === null || v === undefined) && (!off(others['tool_calls']) || !off(others['function_call']))) return v as null | undefined;
  throw new Error(`field ${key} is ${v === undefined ? 'missing' : 'not a string'}`);
}
/** Marks of trainers on turns that are only read: weight 0, train false, loss false. */
function learnt(marks: { weight: unknown; train: unknown; loss: unknown }): boolean {
  let yes = true;
  for (const [k, v] of Object.entries(marks)) {
    if (v === undefined || v === null) continue;
    if (v === false || v === 0) yes = false;
    else if (v !== true && v !== 1) throw new Error(`${k} ${JSON.stringify(v)} is not supported: only 0 and 1, true and false are`);
  }
  return yes;
}
/** Tools of a row, as a list or as JSON of one; null for none. */
function toolsOf(row: Row): Value {
  let v = row['tools'];
  if (off(v)) return null;
  if (typeof v === 'string') {
    try {
      v = JSON.parse(v);
    } catch {
      throw new Error('field tools is a text that is not JSON');
    }
  }
  if (!list(v) || !v.every(isObject)) throw new Error('field tools is not a list of tools');
  checkText(v, 'tools');
  return fromJson(v);
}

/**
 * Pieces of a conversation: the template renders it up to the beginning and to the end of every assistant turn, and
 * each text must begin with the one before. Turns after the last assistant turn lead to no target and are left out.
 * Keys of turns that change what is said must be read by the template; others that it does not read go to `unused`.
 */
function conversation(m: readonly Turn[], codec: TextCodec, unused: (key: string) => void, tools: Value): Part[] {
  const out: Part[] = [],
    dicts = m.map((t) => fromJson(t.message) as Dict),
    last = m.findLastIndex((t) => t.message.role === 'assistant');
  let before = '';
  m.slice(0, last + 1).forEach((x, i) => {
    if (x.message.role !== 'assistant') return;
    const prompt = codec.render(dicts.slice(0, i), true, tools),
      all = codec.render(dicts.slice(0, i + 1), false, tools);
    if (!prompt.startsWith(before) || !all.startsWith(prompt))
      throw new Error(
        'the chat template is not append-only (it rewrites earlier turns, or opens an assistant turn otherwise than it renders one): set train.template',
      );
    out.push({ text: prompt.slice(before.length), target: false }, { text: all.slice(prompt.length), target: x.learnt, turn: true });
    before = all;
  });
  if (out.length && tools !== null && !codec.readsTools()) throw new Error('field tools is not read by the chat template');
  dicts.slice(0, last + 1).forEach((d, i) => {
    if (d.whole) return;
    const left = [...d.entries.keys()].filter((k) => k !== 'role' && !d.read.has(k) && !off(m[i].message[k])),
      meant = left.filter((k) => MEANT.has(flat(k)) || k === 'content');
    if (meant.length) throw new Error(`${m[i].name}.${meant[0]} is not read by the chat template: write it into the content, or remove it`);
    for (const k of left) unused(`${m[i].name.replace(/\[\d+\]$/, '[]')}.${k}`);
  });
  return out;
}
