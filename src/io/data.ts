import type { TextCodec } from './codec.js';
import { InputError, reason } from '../errors.js';
import { CONVERTERS, type Part, converterOf, unusedKeys } from './formats.js';
import type { LineProblem } from './jsonl.js';
import { readRows } from './rows.js';

export { TextCodec } from './codec.js';
export { CONVERTERS } from './formats.js';
export { FORMATS } from './format-names.js';

/** One example: token ids and targets (mask[i] = 1: token i is predicted from i - 1). */
export interface Example {
  readonly tokens: Int32Array;
  readonly mask: Uint8Array;
  readonly source: string;
  readonly license: string;
  readonly language: string;
}
export interface DataSpec {
  readonly path: string;
  readonly format: string;
  readonly source: string;
  readonly license: string;
  readonly language: string;
}
export interface DataOptions {
  readonly sequence: number;
  /** Whether the closing id is appended where a row does not end in one. */
  readonly appendEos: boolean;
  /** Ids at or above this are refused, where given. */
  readonly vocab?: number;
  /** Normal forms of what a row declares; they throw Error for what cannot be meant. */
  readonly license?: (text: string) => string;
  readonly language?: (text: string) => string;
}
/** A row that went into the data set under another declaration than its file's. */
export interface Conflict {
  readonly file: string;
  readonly row: number;
  readonly key: 'source' | 'license' | 'language';
  readonly row_says: string;
  readonly file_says: string;
}
export interface FileCount {
  readonly path: string;
  /** Converters that its rows went through, as name/version. */
  readonly converters: readonly string[];
  readonly rows: number;
  readonly kept: number;
  /** Kept rows that were cut, and those of them whose closing id was cut off. */
  readonly truncated: number;
  readonly unclosed: number;
  readonly tokens: number;
  readonly targets: number;
  /** Keys of rows and turns that are on and that nothing uses, with the number of rows that have them. */
  readonly unused: Readonly<Record<string, number>>;
}
export interface DataResult {
  readonly examples: Example[];
  readonly dropped: { file: string; row: number; reason: string }[];
  readonly conflicts: Conflict[];
  readonly files: FileCount[];
  /**
   * Tokens of every row that has something to learn, before it was cut; beyond MEASURED times the sequence from its
   * characters.
   */
  readonly lengths: readonly number[];
}

/** What run.yaml says where it says nothing: a row that knows better is no conflict. */
const UNSAID: Record<Conflict['key'], string> = { source: 'unknown', license: 'LicenseRef-unknown', language: 'und' };
/** A row is encoded up to so many times the sequence. */
const MEASURED = 16;

/** So many rows, or characters of them, are encoded at a time. */
const AT_ONCE = { rows: 64, characters: 2 ** 18 } as const;

export const TOO_LONG = 'no target token within the sequence',
  NOTHING_TO_LEARN = 'no completion',
  FIRST_ALONE = 'its only target is its first token, which nothing predicts';

/**
 * Reads data files: parts tokenised apart, each as in the whole text, and joined; the tokenizer's first ids in front
 * unless the row begins with them, the closing id behind unless the row ends in one, cut on the right at `sequence`.
 * Within an assistant turn nothing after the id that closes it is a target. Rows without a target are dropped and
 * counted; a row's own source, license and language override its file's, and conflicts are listed. All malformed rows
 * of all files are reported at once. Throws InputError.
 */
export function loadData(specs: readonly DataSpec[], codec: TextCodec, o: DataOptions): DataResult {
  const examples: Example[] = [],
    dropped: DataResult['dropped'] = [],
    conflicts: Conflict[] = [],
    files: FileCount[] = [],
    lengths: number[] = [],
    problems: LineProblem[] = [];
  for (const d of specs) {
    const converters = new Set<string>(),
      unused: Record<string, number> = {},
      count = { rows: 0, kept: 0, truncated: 0, unclosed: 0, tokens: 0, targets: 0 };
    const wrong: LineProblem[] = [];
    for (const { line, row, read } of encodedRows(d, codec, o, wrong)) {
      count.rows++;
      try {
        const { kind, left, r } = read();
        converters.add(`${kind}/${CONVERTERS[kind].version}`);
        for (const k of left) unused[k] = (unused[k] ?? 0) + 1;
        const own = declarations(d, row, line, o, conflicts),
          mask = r.mask.slice(0, o.sequence),
          first = mask[0] === 1;
        // No token stands before the first one: it is learnt by nobody, and a row of it alone would train nothing.
        if (first) mask[0] = 0;
        if (r.learns) lengths.push(r.length);
        if (!mask.includes(1)) {
          const alone = first && !r.mask.includes(1, 1);
          dropped.push({ file: d.path, row: line, reason: alone ? FIRST_ALONE : r.learns ? TOO_LONG : NOTHING_TO_LEARN });
          continue;
        }
        if (r.length > o.sequence) count.truncated++;
        if (r.closedAt >= o.sequence) count.unclosed++;
        const e = { tokens: Int32Array.from(r.tokens.slice(0, o.sequence)), mask: Uint8Array.from(mask), ...own };
        count.kept++;
        count.tokens += e.tokens.length;
        count.targets += mask.reduce((x, y) => x + y, 0);
        examples.push(e);
      } catch (e) {
        if (e instanceof InputError) throw e;
        wrong.push({ file: d.path, line, message: reason(e) });
      }
    }
    problems.push(...wrong.sort((a, b) => a.line - b.line));
    files.push({ path: d.path, converters: [...converters].sort(), ...count, unused });
  }
  if (problems.length) throw malformed(problems);
  if (!examples.length)
    throw new InputError(
      specs.map((s) => s.path).join(', '),
      ['no row has a target token'],
      dropped.length
        ? `${dropped.length} rows dropped, the first is line ${dropped[0].row}: ${dropped[0].reason}; raise train.sequence or check the data`
        : 'the files hold no rows',
    );
  return { examples, dropped, conflicts, files, lengths };
}

/** A row, and what it says: `read` throws where it cannot be used. */
interface EncodedRow {
  readonly line: number;
  readonly row: Readonly<Record<string, unknown>>;
  readonly read: () => { readonly kind: string; readonly left: ReadonlySet<string>; readonly r: Tokens };
}
const failing = (e: unknown): (() => never) => {
  return () => {
    throw e;
  };
};

/**
 * Rows of a file with their tokens. Many are encoded at a time, under one limit on the time that the tokenizer takes.
 * Throws InputError where it takes longer.
 */
function* encodedRows(d: DataSpec, codec: TextCodec, o: DataOptions, problems: LineProblem[]): Generator<EncodedRow> {
  let some: { line: number; row: EncodedRow['row']; read: EncodedRow['read']; parts: readonly Part[] }[] = [],
    characters = 0;
  const encoded = (): EncodedRow[] => {
    const list = some;
    let now = 0;
    try {
      return codec.inTime(
        characters,
        () =>
          list.map((x, i) => {
            now = i;
            if (!x.parts.length) return x;
            try {
              const r = tokenize(x.parts, codec, o);
              return { ...x, read: () => ({ ...x.read(), r }) };
            } catch (e) {
              return { ...x, read: failing(e) };
            }
          }),
        () => `for line ${list[now].line} of ${d.path}`,
      );
    } finally {
      some = [];
      characters = 0;
    }
  };
  for (const [line, row] of readRows(d.path, problems)) {
    try {
      const kind = converterOf(row, d.format),
        left = new Set(unusedKeys(row, kind)),
        parts = CONVERTERS[kind].parts(row, codec, (k) => left.add(k));
      some.push({ line, row, parts, read: () => ({ kind, left, r: NO_TOKENS }) });
      characters += parts.reduce((n, p) => n + p.text.length, 0);
    } catch (e) {
      if (e instanceof InputError) throw e;
      some.push({ line, row, parts: [], read: failing(e) });
    }
    if (some.length >= AT_ONCE.rows || characters >= AT_ONCE.characters) yield* encoded();
  }
  yield* encoded();
}

/** Shortest sequence that leaves at least this share of the rows whole. */
export function sequenceFor(lengths: readonly number[], share: number): number {
  const sorted = Float64Array.from(lengths).sort();
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

/** A row as tokens. */
interface Tokens {
  /** At least as many as the sequence takes, if there are. */
  readonly tokens: readonly number[];
  readonly mask: readonly number[];
  /** Number of tokens of the whole row. */
  readonly length: number;
  /** Whether the row has anything to learn at all, within the sequence or not. */
  readonly learns: boolean;
  /** Where the closing id of its last target stands; -1 where it has none. */
  readonly closedAt: number;
}

const NO_TOKENS: Tokens = { tokens: [], mask: [], length: 0, learns: false, closedAt: -1 };

function tokenize(parts: readonly Part[], codec: TextCodec, o: DataOptions): Tokens {
  const {
      ids: pieces,
      complete,
      share,
    } = codec.pieces(
      parts.map((p) => p.text),
      MEASURED * o.sequence,
    ),
    tokens: number[] = [],
    mask: number[] = [];
  let learns = parts.some((p) => p.target && p.text !== ''),
    closedAt = -1;
  if (complete) learns = false;
  for (const [i, ids] of pieces.entries()) {
    const { target, turn } = parts[i];
    for (const id of ids)
      if (!(Number.isInteger(id) && id >= 0 && id < (o.vocab ?? Number.POSITIVE_INFINITY)))
        throw new Error(`the tokenizer gives id ${id}, the base has ${o.vocab} tokens: tokenizer.json belongs to another base`);
    // What a template puts behind a turn's closing id is the beginning of the next turn: the model never writes it.
    const end = turn ? closingOf(ids, codec) : codec.closes(ids[ids.length - 1] ?? -1) ? ids.length - 1 : -1;
    ids.forEach((id, k) => {
      tokens.push(id);
      mask.push(target && (!turn || end < 0 || k <= end) ? 1 : 0);
    });
    if (ids.length && target) learns = true;
    if (ids.length) closedAt = target && end >= 0 ? tokens.length - ids.length + end : -1;
  }
  const whole = codec.inFront(tokens),
    front = whole.length - tokens.length;
  mask.unshift(...new Array<number>(front).fill(0));
  if (closedAt >= 0) closedAt += front;
  const last = parts.findLast((p) => p.text !== '');
  if (!complete) {
    const length = Math.max(whole.length, Math.round(whole.length / Math.max(share, 1e-9)));
    // The end was not encoded: the row has a closing id there wherever one is appended or a turn ends.
    return { tokens: whole, mask, length, learns, closedAt: last?.target && (o.appendEos || last.turn) ? length : -1 };
  }
  // A completion without text teaches nothing but silence.
  if (o.appendEos && learns && last?.target && closedAt < 0 && codec.ids.end !== null) {
    closedAt = whole.length;
    whole.push(codec.ids.end);
    mask.push(1);
  }
  return { tokens: whole, mask, length: whole.length, learns, closedAt };
}

/**
 * Where an assistant turn is closed: at the first of the closing ids that end it, white space between and behind them
 * aside; else at the last one in it, behind which the template opens the next turn; -1 without one.
 */
function closingOf(ids: readonly number[], codec: TextCodec): number {
  let end = -1;
  for (let k = ids.length - 1; k >= 0; k--) {
    if (codec.closes(ids[k])) end = k;
    else if (!codec.isBlank(ids[k])) break;
  }
  return end >= 0 ? end : ids.findLastIndex((id) => codec.closes(id));
}

function declarations(
  d: DataSpec,
  row: Readonly<Record<string, unknown>>,
  line: number,
  o: DataOptions,
  conflicts: Conflict[],
): Pick<Example, 'source' | 'license' | 'language'> {
  const of = (key: Conflict['key'], normal: (x: string) => string = (x) => x): string => {
    const v = row[key];
    if (v === undefined || v === null || v === '') return d[key];
    if (typeof v !== 'string') throw new Error(`field ${key} is not a string`);
    const own = normal(v);
    if (own !== d[key] && d[key] !== UNSAID[key]) conflicts.push({ file: d.path, row: line, key, row_says: own, file_says: d[key] });
    return own;
  };
  return { source: of('source'), license: of('license', o.license), language: of('language', o.language) };
}

/** One error for all malformed lines; the file is named once where there is only one. */
function malformed(problems: readonly LineProblem[]): InputError {
  const files = [...new Set(problems.map((p) => p.file))],
    one = files.length === 1;
  return new InputError(
    files.join(', '),
    problems.map((p) => `${one ? '' : `${p.file} `}${p.unit ?? 'line'} ${p.line}: ${p.message}`),
    `${problems.length} of the lines cannot be used: mend or remove them`,
  );
}
