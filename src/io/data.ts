import type { TextCodec } from './codec.js';
import { InputError, reason } from '../errors.js';
import { CONVERTERS, converterOf } from './formats.js';
import { type LineProblem, readLines } from './jsonl.js';

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
  /** Id in front of every row, or null. */
  readonly bos: number | null;
  /** The closing id, and whether it is appended where a row does not end in it. */
  readonly eos: number;
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
  readonly truncated: number;
  readonly tokens: number;
  readonly targets: number;
}
export interface DataResult {
  readonly examples: Example[];
  readonly dropped: { file: string; row: number; reason: string }[];
  readonly conflicts: Conflict[];
  readonly files: FileCount[];
}

/** What run.yaml says where it says nothing: a row that knows better is no conflict. */
const UNSAID: Record<Conflict['key'], string> = { source: 'unknown', license: 'LicenseRef-unknown', language: 'und' };

/**
 * Reads JSONL files: parts tokenised apart and joined, bos in front unless the row begins with it, the closing id behind unless the row ends
 * in it, cut on the right at `sequence`. Within an assistant turn nothing after its last closing id is a target. Rows without a target are
 * dropped and counted; a row's own source, license and language override its file's, and conflicts are listed. All malformed lines of all
 * files are reported at once. Throws InputError.
 */
export function loadData(specs: readonly DataSpec[], codec: TextCodec, o: DataOptions): DataResult {
  const examples: Example[] = [],
    dropped: DataResult['dropped'] = [],
    conflicts: Conflict[] = [],
    files: FileCount[] = [],
    problems: LineProblem[] = [];
  for (const d of specs) {
    const converters = new Set<string>(),
      count = { rows: 0, kept: 0, truncated: 0, tokens: 0, targets: 0 };
    for (const [line, row] of readLines(d.path, problems)) {
      count.rows++;
      try {
        const kind = converterOf(row, d.format),
          { tokens, mask } = tokenize(CONVERTERS[kind].parts(row, codec), codec, o);
        converters.add(`${kind}/${CONVERTERS[kind].version}`);
        const own = declarations(d, row, line, o, conflicts),
          cut = mask.slice(0, o.sequence);
        if (!cut.includes(1)) {
          dropped.push({ file: d.path, row: line, reason: mask.includes(1) ? 'no target token within the sequence' : 'no completion' });
          continue;
        }
        if (tokens.length > o.sequence) count.truncated++;
        const e = { tokens: Int32Array.from(tokens.slice(0, o.sequence)), mask: Uint8Array.from(cut), ...own };
        count.kept++;
        count.tokens += e.tokens.length;
        count.targets += cut.reduce((x, y) => x + y, 0);
        examples.push(e);
      } catch (e) {
        if (e instanceof InputError) throw e;
        problems.push({ file: d.path, line, message: reason(e) });
      }
    }
    files.push({ path: d.path, converters: [...converters].sort(), ...count });
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
  return { examples, dropped, conflicts, files };
}

function tokenize(
  parts: ReturnType<(typeof CONVERTERS)[string]['parts']>,
  codec: TextCodec,
  o: DataOptions,
): { tokens: number[]; mask: number[] } {
  const tokens: number[] = [],
    mask: number[] = [];
  let targets = 0,
    closed = false;
  for (const p of parts) {
    if (p.text === '') continue;
    const ids = codec.encode(p.text);
    for (const id of ids)
      if (!(Number.isInteger(id) && id >= 0 && id < (o.vocab ?? Number.POSITIVE_INFINITY)))
        throw new Error(`the tokenizer gives id ${id}, the base has ${o.vocab} tokens: tokenizer.json belongs to another base`);
    // What a template puts behind a turn's closing id is the beginning of the next turn: the model never writes it.
    const end = p.turn ? ids.lastIndexOf(o.eos) : -1;
    ids.forEach((id, k) => {
      tokens.push(id);
      mask.push(p.target && (end < 0 || k <= end) ? 1 : 0);
    });
    if (p.target) {
      targets += ids.length;
      closed = end >= 0 || ids[ids.length - 1] === o.eos;
    }
  }
  if (o.bos !== null && tokens[0] !== o.bos) {
    tokens.unshift(o.bos);
    mask.unshift(0);
  }
  // A completion without text teaches nothing but silence.
  if (o.appendEos && targets > 0 && !closed) {
    tokens.push(o.eos);
    mask.push(1);
  }
  if (mask.length) mask[0] = 0;
  return { tokens, mask };
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
    problems.map((p) => `${one ? '' : `${p.file} `}line ${p.line}: ${p.message}`),
    `${problems.length} of the lines cannot be used: mend or remove them`,
  );
}
