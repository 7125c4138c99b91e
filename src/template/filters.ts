import { Args } from './args.js';
import { capitalize, join, replace, split as splitText, splitLines, strip, times, titled } from './text.js';
import {
  Dict,
  Float,
  type JsonOptions,
  Namespace,
  Func,
  TemplateError,
  Tuple,
  Undefined,
  Walk,
  type Keywords,
  type Value,
  compare,
  defined,
  equal,
  int,
  isList,
  itemsOf,
  iterate,
  numeric,
  str,
  toJson,
  truth,
  typeName,
} from './values.js';

/** How a filter reaches what only the interpreter knows. */
export interface Reach {
  item(of: Value, at: Value): Value;
}
type Filter = readonly [parameters: readonly string[], call: (x: Value, a: Args, reach: Reach) => Value];

const folded = (x: Value): Value => (typeof x === 'string' ? x.toLowerCase() : x);
/** The value at a dotted path, integers as indices. */
function attributeOf(x: Value, path: Value, reach: Reach, otherwise?: Value): Value {
  const parts = typeof path === 'string' ? path.split('.').map((p) => (/^\d+$/.test(p) ? Number(p) : p)) : [path];
  return parts.reduce<Value>((v, p) => {
    const got = reach.item(v, p);
    return got instanceof Undefined && otherwise !== undefined && otherwise !== null ? otherwise : got;
  }, x);
}
const itemAt = (items: readonly Value[], at: number): Value => {
  const v = items.at(at);
  return v === undefined ? new Undefined('an item of nothing') : v;
};
/** What can be walked through backwards. */
function walkable(x: Value, name: string): Value {
  if (x instanceof Walk && x.once) throw new TemplateError(`${name} of the result of ${x.name}`);
  return x;
}
function sorted(items: readonly Value[], key: (x: Value) => Value, reverse: boolean): Value[] {
  const keyed = items.map((v) => [key(v), v] as const),
    sign = reverse ? -1 : 1;
  return keyed.sort(([a], [b]) => sign * compare(a, b)).map(([, v]) => v);
}
function lengthOf(x: Value): number {
  const items = itemsOf(x);
  if (items) return items.length;
  if (typeof x === 'string') return [...x].length;
  if (x instanceof Dict) return x.entries.size;
  if (x instanceof Walk && !x.once) return x.items.length;
  if (x instanceof Undefined) return 0;
  throw new TemplateError(`${typeName(x)} has no length`);
}
function toInt(x: Value, otherwise: Value): Value {
  if (typeof x === 'string') {
    const t = strip(x, null).replaceAll('_', '');
    if (/^[-+]?\d+$/.test(t)) return int(Number(t));
    return /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(t) ? int(Math.trunc(Number(t))) : otherwise;
  }
  const n = numeric(x);
  return n === undefined || !Number.isFinite(n) ? otherwise : int(Math.trunc(n));
}
function toFloat(x: Value, otherwise: Value): Value {
  if (typeof x === 'string') {
    const t = strip(x, null).replaceAll('_', '');
    return /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(t) ? new Float(Number(t)) : otherwise;
  }
  const n = numeric(x);
  return n === undefined ? otherwise : new Float(n);
}
function indent(s: string, width: Value, first: boolean, blank: boolean): string {
  const by = typeof width === 'string' ? width : times(' ', numeric(width) ?? Number.NaN),
    lines = splitLines(`${s}\n`);
  const rest = lines.slice(1).map((l) => (l !== '' || blank ? by + l : l));
  return (first ? by : '') + join('\n', [lines[0], ...rest]);
}
function json(x: Value, a: Args): string {
  const separators = itemsOf(a.any('separators', null)),
    width = a.any('indent', null),
    by = width === null || width === false ? null : typeof width === 'string' ? width : times(' ', a.int('indent')),
    pair = separators ?? (by === null ? [', ', ': '] : [',', ': ']);
  const [item, key] = pair;
  if (pair.length !== 2 || typeof item !== 'string' || typeof key !== 'string')
    throw new TemplateError('tojson: separators are not two texts');
  const o: JsonOptions = {
    ensureAscii: a.flag('ensure_ascii', false),
    indent: by,
    separators: [item, key],
    sortKeys: a.flag('sort_keys', false),
  };
  return toJson(x, o);
}
function unique(items: readonly Value[], key: (x: Value) => Value): Value[] {
  const seen: Value[] = [];
  return items.filter((x) => {
    const k = key(x);
    if (seen.some((s) => equal(s, k))) return false;
    seen.push(k);
    return true;
  });
}
function extreme(x: Value, a: Args, reach: Reach, sign: number): Value {
  const path = a.any('attribute', null),
    key = (v: Value): Value => {
      const got = path === null ? v : attributeOf(v, path, reach);
      return a.flag('case_sensitive', false) ? got : folded(got);
    };
  const items = iterate(x);
  if (!items.length) return new Undefined('the extreme of nothing');
  return items.reduce((m, v) => (sign * compare(key(v), key(m)) > 0 ? v : m));
}

const FILTERS: Readonly<Record<string, Filter>> = {
  trim: [['chars'], (x, a) => strip(str(x), a.textOrNone('chars'))],
  length: [[], (x) => lengthOf(x)],
  count: [[], (x) => lengthOf(x)],
  string: [[], (x) => str(x)],
  upper: [[], (x) => str(x).toUpperCase()],
  lower: [[], (x) => str(x).toLowerCase()],
  title: [[], (x) => titled(x)],
  capitalize: [[], (x) => capitalize(str(x))],
  replace: [
    ['old', 'new', 'count'],
    (x, a) => replace(str(x), a.printed('old'), a.printed('new'), a.any('count', null) === null ? -1 : a.int('count')),
  ],
  default: [
    ['default_value', 'boolean'],
    (x, a) => (x instanceof Undefined || (truth(a.any('boolean', false)) && !truth(x)) ? a.any('default_value', '') : x),
  ],
  first: [[], (x) => itemAt(iterate(x), 0)],
  last: [[], (x) => itemAt(iterate(walkable(x, 'last')), -1)],
  list: [[], (x) => [...iterate(x)]],
  reverse: [
    [],
    (x) => (typeof x === 'string' ? [...x].reverse().join('') : new Walk('reverse', [...iterate(walkable(x, 'reverse'))].reverse())),
  ],
  join: [
    ['d', 'attribute'],
    (x, a, reach) => {
      const path = a.any('attribute', null);
      return join(
        a.printed('d', ''),
        iterate(x).map((v) => str(path === null ? v : attributeOf(v, path, reach))),
      );
    },
  ],
  items: [[], (x) => new Walk('items', x instanceof Undefined ? [] : entriesOf(x).map(([k, v]) => new Tuple([k, v])))],
  dictsort: [
    ['case_sensitive', 'by', 'reverse'],
    (x, a) => {
      const by = a.text('by', 'key'),
        key = (t: Value): Value => (t as Tuple).items[by === 'key' ? 0 : 1];
      if (by !== 'key' && by !== 'value') throw new TemplateError('dictsort: by is key or value');
      return sorted(
        entriesOf(x).map(([k, v]) => new Tuple([k, v])),
        (t) => (a.flag('case_sensitive', false) ? key(t) : folded(key(t))),
        a.flag('reverse', false),
      );
    },
  ],
  sort: [
    ['reverse', 'case_sensitive', 'attribute'],
    (x, a, reach) => {
      const path = a.any('attribute', null),
        fold = a.flag('case_sensitive', false) ? (v: Value): Value => v : folded;
      const key = (v: Value): Value =>
        path === null
          ? fold(v)
          : new Tuple((typeof path === 'string' ? path.split(',') : [path]).map((p) => fold(attributeOf(v, p, reach))));
      return sorted(iterate(x), key, a.flag('reverse', false));
    },
  ],
  unique: [
    ['case_sensitive', 'attribute'],
    (x, a, reach) => {
      const path = a.any('attribute', null),
        fold = a.flag('case_sensitive', false) ? (v: Value): Value => v : folded;
      return new Walk(
        'unique',
        unique(iterate(x), (v) => fold(path === null ? v : attributeOf(v, path, reach))),
      );
    },
  ],
  min: [['case_sensitive', 'attribute'], (x, a, reach) => extreme(x, a, reach, -1)],
  max: [['case_sensitive', 'attribute'], (x, a, reach) => extreme(x, a, reach, 1)],
  sum: [
    ['attribute', 'start'],
    (x, a, reach) => {
      const path = a.any('attribute', null);
      return iterate(x)
        .map((v) => (path === null ? v : attributeOf(v, path, reach)))
        .reduce<Value>((n, v) => add(n, v), a.any('start', 0));
    },
  ],
  int: [['default'], (x, a) => toInt(x, a.any('default', 0))],
  float: [['default'], (x, a) => toFloat(x, a.any('default', new Float(0)))],
  abs: [
    [],
    (x) => {
      const n = numeric(defined(x));
      if (n === undefined) throw new TemplateError(`abs of ${typeName(x)}`);
      return x instanceof Float ? new Float(Math.abs(n)) : Math.abs(n);
    },
  ],
  indent: [
    ['width', 'first', 'blank'],
    (x, a) => indent(needText(x, 'indent'), a.any('width', 4), truth(a.any('first', false)), truth(a.any('blank', false))),
  ],
  tojson: [['ensure_ascii', 'indent', 'separators', 'sort_keys'], (x, a) => json(x, a)],
  wordcount: [[], (x) => splitText(str(x), null, -1).length],
};
const ALIASES: Readonly<Record<string, string>> = { d: 'default' };

const needText = (x: Value, name: string): string => {
  if (typeof x !== 'string') throw new TemplateError(`${name} of ${typeName(x)}`);
  return x;
};
function entriesOf(x: Value): [string, Value][] {
  if (x instanceof Dict) return [...x.all()];
  throw new TemplateError(`${typeName(x)} has no items`);
}

/** a + b as Python adds: numbers, texts, lists, tuples; never one kind to another. */
export function add(a: Value, b: Value): Value {
  const x = numeric(defined(a)),
    y = numeric(defined(b));
  if (x !== undefined && y !== undefined) return a instanceof Float || b instanceof Float ? new Float(x + y) : int(x + y);
  if (typeof a === 'string' && typeof b === 'string') return join('', [a, b]);
  if (isList(a) && isList(b)) return [...a, ...b];
  if (a instanceof Tuple && b instanceof Tuple) return new Tuple([...a.items, ...b.items]);
  throw new TemplateError(`${typeName(a)} and ${typeName(b)} cannot be added`);
}

/** Filters that call another filter or test by name. */
const CHOOSERS = ['map', 'select', 'reject', 'selectattr', 'rejectattr'];

export function applyFilter(name: string, x: Value, args: readonly Value[], keywords: Keywords, reach: Reach): Value {
  const known = Object.hasOwn(ALIASES, name) ? ALIASES[name] : name;
  if (CHOOSERS.includes(known)) return choose(known, x, args, keywords, reach);
  if (!Object.hasOwn(FILTERS, known)) throw new TemplateError(`the filter ${name} is not supported`);
  const [parameters, call] = FILTERS[known];
  return call(x, new Args(name, parameters, args, keywords), reach);
}
export const knownFilter = (name: string): boolean =>
  Object.hasOwn(ALIASES, name) || CHOOSERS.includes(name) || Object.hasOwn(FILTERS, name);

function choose(name: string, x: Value, args: readonly Value[], keywords: Keywords, reach: Reach): Value {
  if (name === 'map') {
    if (!args.length && keywords.has('attribute')) {
      const a = new Args(name, ['attribute', 'default'], [], keywords),
        otherwise = a.any('default', null);
      return new Walk(
        name,
        iterate(x).map((v) => attributeOf(v, a.any('attribute'), reach, otherwise)),
      );
    }
    const [filter, ...rest] = args;
    if (typeof filter !== 'string') throw new TemplateError('map needs the name of a filter');
    return new Walk(
      name,
      iterate(x).map((v) => applyFilter(filter, v, rest, keywords, reach)),
    );
  }
  const keep = name.startsWith('select'),
    byAttribute = name.endsWith('attr'),
    [path, ...more] = byAttribute ? args : [null, ...args],
    [test, ...rest] = more;
  if (byAttribute && path === undefined) throw new TemplateError(`${name} needs an attribute`);
  if (test !== undefined && typeof test !== 'string') throw new TemplateError(`${name} needs the name of a test`);
  const chosen = iterate(x).filter((v) => {
    const value = byAttribute ? attributeOf(v, path, reach) : v;
    return (test === undefined ? truth(value) : applyTest(test, value, rest, keywords)) === keep;
  });
  return new Walk(name, chosen);
}

const whole = (x: Value, name: string): number => {
  const n = x instanceof Float ? undefined : numeric(defined(x));
  if (n === undefined) throw new TemplateError(`${name} of ${typeName(x)}`);
  return n;
};
const modulo = (a: number, b: number): number => {
  if (b === 0) throw new TemplateError('it divides by zero');
  return a - b * Math.floor(a / b);
};
export function contains(x: Value, y: Value): boolean {
  if (y instanceof Undefined) return false;
  if (typeof y === 'string') {
    if (typeof defined(x) !== 'string') throw new TemplateError(`${typeName(x)} cannot be looked for in a text`);
    return y.includes(x as string);
  }
  if (y instanceof Dict) return typeof x === 'string' && y.entries.has(x);
  const items = y instanceof Walk ? iterate(walkable(y, 'in')) : itemsOf(y);
  if (!items) throw new TemplateError(`nothing can be looked for in ${typeName(y)}`);
  return items.some((v) => equal(v, x));
}
type Test = readonly [arity: number, call: (x: Value, y: Value) => boolean];
const TESTS: Readonly<Record<string, Test>> = {
  defined: [0, (x) => !(x instanceof Undefined)],
  undefined: [0, (x) => x instanceof Undefined],
  none: [0, (x) => x === null],
  boolean: [0, (x) => typeof x === 'boolean'],
  true: [0, (x) => x === true],
  false: [0, (x) => x === false],
  integer: [0, (x) => typeof x === 'number'],
  float: [0, (x) => x instanceof Float],
  number: [0, (x) => numeric(x) !== undefined],
  string: [0, (x) => typeof x === 'string'],
  mapping: [0, (x) => x instanceof Dict],
  sequence: [0, (x) => typeof x === 'string' || itemsOf(x) !== undefined || x instanceof Dict || x instanceof Undefined],
  iterable: [
    0,
    (x) =>
      x instanceof Walk ||
      typeof x === 'string' ||
      itemsOf(x) !== undefined ||
      x instanceof Dict ||
      x instanceof Undefined ||
      (x instanceof Namespace && x.kind === 'loop'),
  ],
  callable: [0, (x) => x instanceof Func],
  odd: [0, (x) => modulo(whole(x, 'odd'), 2) === 1],
  even: [0, (x) => modulo(whole(x, 'even'), 2) === 0],
  lower: [0, (x) => str(x) === str(x).toLowerCase() && str(x) !== str(x).toUpperCase()],
  upper: [0, (x) => str(x) === str(x).toUpperCase() && str(x) !== str(x).toLowerCase()],
  divisibleby: [1, (x, y) => modulo(whole(x, 'divisibleby'), whole(y, 'divisibleby')) === 0],
  in: [1, contains],
  eq: [1, equal],
  ne: [1, (x, y) => !equal(x, y)],
  lt: [1, (x, y) => compare(x, y) < 0],
  le: [1, (x, y) => compare(x, y) <= 0],
  gt: [1, (x, y) => compare(x, y) > 0],
  ge: [1, (x, y) => compare(x, y) >= 0],
};
const TEST_ALIASES: Readonly<Record<string, string>> = {
  '==': 'eq',
  equalto: 'eq',
  '!=': 'ne',
  '<': 'lt',
  lessthan: 'lt',
  '<=': 'le',
  '>': 'gt',
  greaterthan: 'gt',
  '>=': 'ge',
};
export const knownTest = (name: string): boolean => Object.hasOwn(TESTS, name) || Object.hasOwn(TEST_ALIASES, name);
export function applyTest(name: string, x: Value, args: readonly Value[], keywords: Keywords): boolean {
  const known = Object.hasOwn(TEST_ALIASES, name) ? TEST_ALIASES[name] : name;
  if (!Object.hasOwn(TESTS, known)) throw new TemplateError(`the test ${name} is not supported`);
  const [arity, call] = TESTS[known];
  if (args.length !== arity || keywords.size) throw new TemplateError(`the test ${name} takes ${arity} arguments`);
  return call(x, args[0] ?? null);
}
