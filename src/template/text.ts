import { Args } from './args.js';
import { SPACE } from './lexer.js';
import { type Keywords, TemplateError, Tuple, type Value, iterate, room, str, typeName } from './values.js';

/*
 * Methods of str. Texts are sequences of code points, and white space is Python's: U+001C to U+001F and U+0085 are,
 * U+FEFF is not.
 */

/** U+001C to U+001E, which end a line too. */
const FILE_MARKS = String.raw`\x1c-\x1e`;
/** Line boundaries of str.splitlines. */
const LINES = new RegExp(`\\r\\n|[\\n-\\r${FILE_MARKS}\\u0085\\u2028\\u2029]`, 'u');
const isSpace = new RegExp(`^[${SPACE}]$`, 'u');

/** str.strip and its halves: `chars` is a set of characters, null for white space. */
export function strip(s: string, chars: string | null, left = true, right = true): string {
  const points = [...s],
    set = chars === null ? undefined : new Set(chars),
    gone = (c: string): boolean => (set ? set.has(c) : isSpace.test(c));
  let from = 0,
    to = points.length;
  if (left) while (from < to && gone(points[from])) from++;
  if (right) while (to > from && gone(points[to - 1])) to--;
  return points.slice(from, to).join('');
}

/** str.split: at every `separator`, or at runs of white space; at most `most` times from the given side. */
export function split(s: string, separator: string | null, most: number, fromRight = false): string[] {
  const limit = most < 0 ? Number.POSITIVE_INFINITY : most;
  if (separator === '') throw new TemplateError('split: the separator is empty');
  if (separator === null) {
    const words = [...s.matchAll(new RegExp(`[^${SPACE}]+`, 'gu'))];
    if (words.length <= limit) return words.map((w) => w[0]);
    // The side that is not split any more keeps its outer white space.
    if (fromRight) {
      const { 0: word, index } = words[words.length - limit - 1];
      return [s.slice(0, index + word.length), ...words.slice(words.length - limit).map((w) => w[0])];
    }
    return [...words.slice(0, limit).map((w) => w[0]), s.slice(words[limit].index)];
  }
  const parts = s.split(separator);
  if (parts.length - 1 <= limit) return parts;
  return fromRight
    ? [parts.slice(0, parts.length - limit).join(separator), ...parts.slice(parts.length - limit)]
    : [...parts.slice(0, limit), parts.slice(limit).join(separator)];
}

export function splitLines(s: string, keepEnds = false): string[] {
  const out: string[] = [];
  for (let rest = s; rest !== ''; ) {
    const m = LINES.exec(rest);
    if (!m) {
      out.push(rest);
      break;
    }
    out.push(rest.slice(0, m.index + (keepEnds ? m[0].length : 0)));
    rest = rest.slice(m.index + m[0].length);
  }
  return out;
}

/** str.replace, the first `count` times where it is not negative. */
export function replace(s: string, old: string, by: string, count: number): string {
  const parts = old === '' ? ['', ...s, ''] : s.split(old),
    n = Math.min(parts.length - 1, count < 0 ? Number.POSITIVE_INFINITY : count);
  room(s.length + n * (by.length - old.length));
  let out = parts[0];
  for (let i = 1; i < parts.length; i++) out += (i <= n ? by : old) + parts[i];
  return out;
}

export function times(s: string, n: number): string {
  room(s.length * Math.max(0, n));
  return s.repeat(Math.max(0, n));
}
export function join(separator: string, parts: readonly string[]): string {
  room(parts.reduce((n, p) => n + p.length, 0) + separator.length * Math.max(0, parts.length - 1));
  return parts.join(separator);
}

const cased = (c: string): boolean => /^\p{Cased}$/u.test(c);
/**
 * A letter at the beginning of a word. Where that is no single capital letter the answer depends on tables that are not
 * here.
 */
function titleLetter(c: string): string {
  const up = c.toUpperCase();
  if ([...up].length > 1 || /[\u01c4-\u01cc\u01f1-\u01f3\u10d0-\u10ff\u1f80-\u1faf\u1fb3\u1fbc\u1fc3\u1fcc\u1ff3\u1ffc]/u.test(c))
    throw new TemplateError(`capital letters at the beginning of words are not supported for ${c}`);
  return up;
}
/** Lower case of the letter at `i`, whose neighbours decide about a sigma. */
const lowerAt = (points: readonly string[], i: number): string =>
  points[i] === '\u03a3'
    ? ([...points.join('').toLowerCase()][points.slice(0, i).join('').toLowerCase().length] ?? '\u03c3')
    : points[i].toLowerCase();
export function capitalize(s: string): string {
  const points = [...s];
  return points.length
    ? titleLetter(points[0]) +
        points
          .slice(1)
          .map((_, k) => lowerAt(points, k + 1))
          .join('')
    : '';
}
/** str.title: a letter behind one that has no case begins a word. */
function title(s: string): string {
  const points = [...s];
  let out = '';
  points.forEach((c, i) => {
    out += i > 0 && cased(points[i - 1]) ? lowerAt(points, i) : titleLetter(c);
  });
  return out;
}
/** The filter title: words begin behind white space, hyphens and opening brackets. */
export const titleWords = (s: string): string =>
  s
    .split(new RegExp(`([-${SPACE}({\\[<]+)`, 'u'))
    .map((w) => {
      const [first, ...rest] = w;
      return first === undefined ? '' : first.toUpperCase() + rest.join('').toLowerCase();
    })
    .join('');

const every = (s: string, r: RegExp): boolean => s !== '' && [...s].every((c) => r.test(c));
function affixes(a: Args, key: string): string[] {
  const v = a.any(key);
  if (v instanceof Tuple)
    return v.items.map((x) => {
      if (typeof x !== 'string') throw new TemplateError(`${a.name}: an item is ${typeName(x)}, not str`);
      return x;
    });
  return [a.text(key)];
}
function pad(s: string, a: Args, left: (n: number) => number): string {
  const fill = a.text('fillchar', ' '),
    n = Math.max(0, a.int('width') - [...s].length),
    l = left(n);
  if ([...fill].length !== 1) throw new TemplateError(`${a.name}: fillchar is not one character`);
  room(s.length + n * fill.length);
  return fill.repeat(l) + s + fill.repeat(n - l);
}
/** Index in code points, or -1. */
function find(s: string, sub: string, last: boolean): number {
  const at = last ? s.lastIndexOf(sub) : s.indexOf(sub);
  return at < 0 ? -1 : [...s.slice(0, at)].length;
}
function partition(s: string, a: Args, last: boolean): Tuple {
  const sep = a.text('sep');
  if (sep === '') throw new TemplateError(`${a.name}: the separator is empty`);
  const at = last ? s.lastIndexOf(sep) : s.indexOf(sep);
  if (at < 0) return new Tuple(last ? ['', '', s] : [s, '', '']);
  return new Tuple([s.slice(0, at), sep, s.slice(at + sep.length)]);
}

type Method = readonly [parameters: readonly string[], call: (s: string, a: Args) => Value];
const METHODS: Readonly<Record<string, Method>> = {
  strip: [['chars'], (s, a) => strip(s, a.textOrNone('chars'))],
  lstrip: [['chars'], (s, a) => strip(s, a.textOrNone('chars'), true, false)],
  rstrip: [['chars'], (s, a) => strip(s, a.textOrNone('chars'), false, true)],
  split: [['sep', 'maxsplit'], (s, a) => split(s, a.textOrNone('sep'), a.int('maxsplit', -1))],
  rsplit: [['sep', 'maxsplit'], (s, a) => split(s, a.textOrNone('sep'), a.int('maxsplit', -1), true)],
  splitlines: [['keepends'], (s, a) => splitLines(s, a.flag('keepends', false))],
  partition: [['sep'], (s, a) => partition(s, a, false)],
  rpartition: [['sep'], (s, a) => partition(s, a, true)],
  startswith: [['prefix'], (s, a) => affixes(a, 'prefix').some((p) => s.startsWith(p))],
  endswith: [['suffix'], (s, a) => affixes(a, 'suffix').some((p) => s.endsWith(p))],
  removeprefix: [['prefix'], (s, a) => (s.startsWith(a.text('prefix')) ? s.slice(a.text('prefix').length) : s)],
  removesuffix: [
    ['suffix'],
    (s, a) => (a.text('suffix') !== '' && s.endsWith(a.text('suffix')) ? s.slice(0, s.length - a.text('suffix').length) : s),
  ],
  replace: [['old', 'new', 'count'], (s, a) => replace(s, a.text('old'), a.text('new'), a.int('count', -1))],
  join: [
    ['iterable'],
    (s, a) =>
      join(
        s,
        iterate(a.any('iterable')).map((x) => {
          if (typeof x !== 'string') throw new TemplateError(`join: an item is ${typeName(x)}, not str`);
          return x;
        }),
      ),
  ],
  upper: [[], (s) => s.toUpperCase()],
  lower: [[], (s) => s.toLowerCase()],
  title: [[], (s) => title(s)],
  capitalize: [[], (s) => capitalize(s)],
  find: [['sub'], (s, a) => find(s, a.text('sub'), false)],
  rfind: [['sub'], (s, a) => find(s, a.text('sub'), true)],
  index: [
    ['sub'],
    (s, a) => {
      const at = find(s, a.text('sub'), false);
      if (at < 0) throw new TemplateError('index: the text is not found');
      return at;
    },
  ],
  count: [['sub'], (s, a) => (a.text('sub') === '' ? [...s].length + 1 : s.split(a.text('sub')).length - 1)],
  isdigit: [[], (s) => every(s, /^[\p{Nd}\u00b2\u00b3\u00b9\u2070\u2074-\u2079\u2080-\u2089]$/u)],
  isalpha: [[], (s) => every(s, /^\p{L}$/u)],
  isspace: [[], (s) => every(s, isSpace)],
  isupper: [[], (s) => [...s].some(cased) && s === s.toUpperCase() && s !== s.toLowerCase()],
  islower: [[], (s) => [...s].some(cased) && s === s.toLowerCase() && s !== s.toUpperCase()],
  zfill: [
    ['width'],
    (s, a) => {
      const sign = /^[-+]/.exec(s)?.[0] ?? '',
        n = a.int('width') - [...s].length;
      return sign + times('0', n) + s.slice(sign.length);
    },
  ],
  ljust: [['width', 'fillchar'], (s, a) => pad(s, a, () => 0)],
  rjust: [['width', 'fillchar'], (s, a) => pad(s, a, (n) => n)],
};

/** A method of a text, or undefined where str has none of that name here. */
export function textMethod(s: string, name: string): ((args: readonly Value[], keywords: Keywords) => Value) | undefined {
  if (!Object.hasOwn(METHODS, name)) return undefined;
  const [parameters, call] = METHODS[name];
  return (args, keywords) => call(s, new Args(name, parameters, args, keywords));
}
/** str has methods of these names too, which are not supported. */
export const OTHER_TEXT_METHODS = new Set(
  `casefold center encode expandtabs format format_map isalnum isascii isdecimal isidentifier isnumeric isprintable istitle maketrans
  rindex swapcase translate`.split(/\s+/),
);
export const titled = (x: Value): string => titleWords(str(x));
