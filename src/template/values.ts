/*
 * Values of the template language, which are Python's: Jinja2 evaluates templates on them, and chat templates print
 * them. Strings are counted in code points, integers and floats are told apart, and nothing is converted that Python
 * would not convert.
 */

/** A template that cannot be used, or that refuses what it is given. */
export class TemplateError extends Error {
  constructor(
    message: string,
    /** Name that was used though nothing defines it, where that is the reason. */
    readonly missing?: string,
  ) {
    super(message);
    this.name = 'TemplateError';
  }
}

/** A template that goes beyond its budget: no other row would fare better. */
export class TemplateBudgetError extends TemplateError {}

/** What is not there: prints as nothing, holds nothing, and may be used in no other way. */
export class Undefined {
  readonly absent = true;
  constructor(readonly name: string) {}
}
/** A floating-point number; integers are plain numbers. */
export class Float {
  constructor(readonly value: number) {}
}
/** What can only be walked through: the views of a mapping as often as one likes, the results of map or select once. */
export class Walk {
  #walked = false;
  constructor(
    readonly name: string,
    readonly items: readonly Value[],
    readonly once = true,
  ) {}
  walk(): readonly Value[] {
    if (this.once && this.#walked) throw new TemplateError(`the result of ${this.name} is walked through twice, which is not supported`);
    this.#walked = true;
    return this.items;
  }
}
export class Tuple {
  constructor(readonly items: readonly Value[]) {}
}
/** A mapping with text keys, which knows which of them were read. */
export class Dict {
  /** Keys that were read one by one. */
  readonly read = new Set<string>();
  /** Whether it was printed or walked through as a whole. */
  whole = false;
  constructor(readonly entries: ReadonlyMap<string, Value>) {}
  get(key: string): Value | undefined {
    this.read.add(key);
    return this.entries.get(key);
  }
  all(): ReadonlyMap<string, Value> {
    this.whole = true;
    return this.entries;
  }
}
/** namespace(...), whose attributes can be set, and the `loop` of a for, whose attributes cannot. */
export class Namespace {
  constructor(
    readonly kind: 'namespace' | 'loop',
    readonly entries: Map<string, Value>,
  ) {}
}
export type Keywords = ReadonlyMap<string, Value>;
export class Func {
  constructor(
    readonly name: string,
    readonly call: (args: readonly Value[], keywords: Keywords) => Value,
  ) {}
}
export type Value = null | boolean | number | string | readonly Value[] | Float | Tuple | Walk | Dict | Namespace | Func | Undefined;

/** Longest text that a template may build, in UTF-16 units. */
export const MAX_TEXT = 1 << 24;
/** A text of `length` units, or an error before it is made. */
export function room(length: number): void {
  if (!(length <= MAX_TEXT)) throw new TemplateBudgetError(`makes a text of more than ${MAX_TEXT} characters`);
}

/** Python's name of a value's type. */
export function typeName(x: Value): string {
  if (x === null) return 'NoneType';
  if (typeof x === 'boolean') return 'bool';
  if (typeof x === 'number') return 'int';
  if (typeof x === 'string') return 'str';
  if (x instanceof Float) return 'float';
  if (x instanceof Tuple) return 'tuple';
  if (x instanceof Walk) return x.name;
  if (x instanceof Dict) return 'dict';
  if (x instanceof Namespace) return x.kind === 'loop' ? 'LoopContext' : 'Namespace';
  if (x instanceof Func) return 'function';
  if (x instanceof Undefined) return 'Undefined';
  return 'list';
}
export const isList = (x: Value): x is readonly Value[] => Array.isArray(x);
/** Items of a list or tuple. */
export const itemsOf = (x: Value): readonly Value[] | undefined => (isList(x) ? x : x instanceof Tuple ? x.items : undefined);
/** The number that an int, a float or a bool is. */
export const numeric = (x: Value): number | undefined =>
  typeof x === 'number' ? x : typeof x === 'boolean' ? Number(x) : x instanceof Float ? x.value : undefined;

/** An error for a use of what is not there. */
export const missing = (x: Undefined): TemplateError => new TemplateError(`${x.name} is undefined`, x.name);
export function defined(x: Value): Exclude<Value, Undefined> {
  if (x instanceof Undefined) throw missing(x);
  return x;
}

/** A whole number that is exact, or an error. */
export function int(x: number): number {
  if (!Number.isSafeInteger(x)) throw new TemplateError('it computes with integers beyond 2^53, which is not supported');
  return x === 0 ? 0 : x;
}

export function truth(x: Value): boolean {
  if (x === null || x instanceof Undefined) return false;
  if (typeof x === 'boolean') return x;
  if (typeof x === 'string') return x !== '';
  const n = numeric(x);
  if (n !== undefined) return n !== 0;
  if (x instanceof Dict) return x.entries.size > 0;
  if (x instanceof Walk) return x.once || x.items.length > 0;
  return (itemsOf(x)?.length ?? 1) > 0;
}

export function equal(a: Value, b: Value): boolean {
  const x = numeric(a),
    y = numeric(b);
  if (x !== undefined && y !== undefined) return x === y;
  if (a instanceof Undefined || b instanceof Undefined) return a instanceof Undefined && b instanceof Undefined;
  if (isList(a) && isList(b)) return a.length === b.length && a.every((v, i) => equal(v, b[i]));
  if (a instanceof Tuple && b instanceof Tuple) return equal(a.items, b.items);
  if (a instanceof Dict && b instanceof Dict) {
    const m = a.all(),
      n = b.all();
    return m.size === n.size && [...m].every(([k, v]) => n.has(k) && equal(v, n.get(k)!));
  }
  return a === b;
}

/**
 * Below, at or above zero as a comes before, with or after b. Texts go by code points. Throws TemplateError for what
 * has no order.
 */
export function compare(a: Value, b: Value): number {
  const x = numeric(defined(a)),
    y = numeric(defined(b));
  if (x !== undefined && y !== undefined) return x < y ? -1 : x > y ? 1 : 0;
  if (typeof a === 'string' && typeof b === 'string') {
    const p = [...a],
      q = [...b];
    for (let i = 0; i < p.length && i < q.length; i++) {
      const d = p[i].codePointAt(0)! - q[i].codePointAt(0)!;
      if (d) return d;
    }
    return p.length - q.length;
  }
  const p = itemsOf(a),
    q = itemsOf(b);
  if (p && q && isList(a) === isList(b)) {
    for (let i = 0; i < p.length && i < q.length; i++) if (!equal(p[i], q[i])) return compare(p[i], q[i]);
    return p.length - q.length;
  }
  throw new TemplateError(`${typeName(a)} and ${typeName(b)} have no order`);
}

/** What a for, a join or a list goes through. Throws TemplateError for what cannot be walked through. */
export function iterate(x: Value): readonly Value[] {
  const items = itemsOf(x);
  if (items) return items;
  if (typeof x === 'string') return [...x];
  if (x instanceof Dict) return [...x.all().keys()];
  if (x instanceof Walk) return x.walk();
  if (x instanceof Undefined) return [];
  throw new TemplateError(`${typeName(x)} cannot be walked through`);
}

/** Python's float: shortest digits, with an exponent below 10^-4 and from 10^16. */
export function floatText(x: number): string {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? 'nan' : x > 0 ? 'inf' : '-inf';
  const [digits, e] = Math.abs(x).toExponential().split('e'),
    exponent = Number(e),
    sign = x < 0 || Object.is(x, -0) ? '-' : '';
  if (x !== 0 && (exponent < -4 || exponent >= 16))
    return `${sign}${digits}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  const plain = digits.replace('.', '');
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${plain}`;
  const whole = plain.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  return `${sign}${whole}.${plain.slice(exponent + 1) || '0'}`;
}

/** str(x): what a template prints. */
export function str(x: Value): string {
  if (typeof x === 'string') return x;
  if (x instanceof Undefined) return '';
  return repr(x);
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };
function reprText(s: string): string {
  const quote = s.includes("'") && !s.includes('"') ? '"' : "'";
  let out = quote;
  for (const c of s) {
    const code = c.codePointAt(0)!;
    if (c in ESCAPES) out += ESCAPES[c];
    else if (c === quote) out += `\\${c}`;
    else if (c === ' ' || !/[\p{C}\p{Z}]/u.test(c)) out += c;
    else out += code < 0x100 ? `\\x${hex(code, 2)}` : code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`;
  }
  return out + quote;
}
const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, '0');

/** repr(x): how a value looks inside a list or mapping. */
export function repr(x: Value): string {
  if (x === null) return 'None';
  if (typeof x === 'boolean') return x ? 'True' : 'False';
  if (typeof x === 'number') return String(x);
  if (typeof x === 'string') return reprText(x);
  if (x instanceof Float) return floatText(x.value);
  if (isList(x)) return `[${x.map(repr).join(', ')}]`;
  if (x instanceof Tuple) return x.items.length === 1 ? `(${repr(x.items[0])},)` : `(${x.items.map(repr).join(', ')})`;
  if (x instanceof Dict) return `{${[...x.all()].map(([k, v]) => `${reprText(k)}: ${repr(v)}`).join(', ')}}`;
  if (x instanceof Undefined) return 'Undefined';
  throw new TemplateError(`it prints a ${typeName(x)}, which is not supported`);
}

export interface JsonOptions {
  readonly ensureAscii: boolean;
  /** Spaces, or a text, by which each level is indented; null for one line. */
  readonly indent: string | null;
  readonly separators: readonly [string, string];
  readonly sortKeys: boolean;
}
const JSON_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\f': '\\f',
  '\b': '\\b',
};
const jsonText = (s: string, ascii: boolean): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is escaped.
  `"${s.replace(ascii ? /["\\]|[^ -~]/g : /["\\\x00-\x1f]/g, (c) => JSON_ESCAPES[c] ?? `\\u${hex(c.charCodeAt(0), 4)}`)}"`;

/** json.dumps(x). */
export function toJson(x: Value, o: JsonOptions, depth = 0): string {
  if (x === null) return 'null';
  if (typeof x === 'boolean') return String(x);
  if (typeof x === 'number') return String(x);
  if (typeof x === 'string') return jsonText(x, o.ensureAscii);
  if (x instanceof Float) return floatText(x.value).replace('inf', 'Infinity').replace('nan', 'NaN');
  const list = itemsOf(x),
    wrap = (open: string, parts: string[], close: string): string => {
      if (!parts.length || o.indent === null) return `${open}${parts.join(o.separators[0])}${close}`;
      const pad = (n: number): string => `\n${o.indent!.repeat(n)}`;
      return `${open}${pad(depth + 1)}${parts.join(`${o.separators[0]}${pad(depth + 1)}`)}${pad(depth)}${close}`;
    };
  if (list)
    return wrap(
      '[',
      list.map((v) => toJson(v, o, depth + 1)),
      ']',
    );
  if (x instanceof Dict) {
    const entries = [...x.all()];
    if (o.sortKeys) entries.sort(([a], [b]) => compare(a, b));
    return wrap(
      '{',
      entries.map(([k, v]) => `${jsonText(k, o.ensureAscii)}${o.separators[1]}${toJson(v, o, depth + 1)}`),
      '}',
    );
  }
  throw new TemplateError(`${typeName(x)} has no JSON text`);
}

/**
 * A value of JSON as the template sees it. Whole numbers are integers. Throws TemplateError for numbers that are not
 * exact.
 */
export function fromJson(x: unknown): Value {
  if (x === null || typeof x === 'boolean' || typeof x === 'string') return x;
  if (typeof x === 'number') return Number.isInteger(x) ? int(x) : new Float(x);
  if (Array.isArray(x)) return x.map(fromJson);
  if (x instanceof Dict || x instanceof Float) return x;
  if (typeof x === 'object') return new Dict(new Map(Object.entries(x as object).map(([k, v]) => [k, fromJson(v)])));
  throw new TemplateError(`${typeof x} is no value of JSON`);
}
