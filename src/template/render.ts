import { Args } from './args.js';
import { add, applyFilter, applyTest, contains, knownFilter, knownTest } from './filters.js';
import { type Call, type Expr, type Parameters, type Statement, type Target, parse } from './parser.js';
import { OTHER_TEXT_METHODS, textMethod, times } from './text.js';
import {
  Dict,
  Float,
  Func,
  type Keywords,
  Namespace,
  TemplateBudgetError,
  TemplateError,
  Tuple,
  Undefined,
  Walk,
  type Value,
  compare,
  defined,
  equal,
  int,
  isList,
  itemsOf,
  iterate,
  missing,
  numeric,
  room,
  str,
  truth,
  typeName,
} from './values.js';

class Break extends Error {}
class Continue extends Error {}

/** Names and their values; an inner one hides an outer one. */
class Scope {
  readonly #own = new Map<string, Value>();
  constructor(readonly outer?: Scope) {}
  get(name: string): Value | undefined {
    for (let s: Scope | undefined = this; s; s = s.outer) {
      const v = s.#own.get(name);
      if (v !== undefined) return v;
    }
    return undefined;
  }
  set(name: string, value: Value): void {
    this.#own.set(name, value);
  }
}

/** Depth of calls of macros. */
const DEEPEST = 100;
/** Largest range(), as in Jinja2's sandbox. */
const MAX_RANGE = 100_000;
const dictMethods = ['get', 'items', 'keys', 'values'],
  OTHER_DICT_METHODS = new Set('clear copy fromkeys pop popitem setdefault update'.split(' ')),
  OTHER_LIST_METHODS = new Set('append clear copy extend insert pop remove reverse sort'.split(' '));

/** One rendering: its budget of steps is spent by every statement, expression and item. */
class Rendering {
  #left: number;
  #length = 0;
  #depth = 0;
  constructor(readonly steps: number) {
    this.#left = steps;
  }
  #spend(n: number): void {
    this.#left -= n;
    if (this.#left < 0) throw new TemplateBudgetError(`takes more than ${this.steps} steps`);
  }
  /** Work on a text costs a step for every 64 characters, on a list one for every item. */
  #spendOn(x: Value): void {
    this.#spend(itemsOf(x)?.length ?? (x instanceof Walk ? x.items.length : typeof x === 'string' ? x.length >> 6 : 0));
  }
  #print(out: string[], text: string): void {
    this.#length += text.length;
    room(this.#length);
    this.#spend(text.length >> 6);
    out.push(text);
  }

  run(body: readonly Statement[], scope: Scope, out: string[]): void {
    for (const s of body) {
      this.#spend(1);
      this.#statement(s, scope, out);
    }
  }
  #text(body: readonly Statement[], scope: Scope): string {
    const out: string[] = [],
      before = this.#length;
    this.run(body, scope, out);
    // What is kept in a variable is counted when it is printed.
    this.#length = before;
    return out.join('');
  }
  #statement(s: Statement, scope: Scope, out: string[]): void {
    switch (s.kind) {
      case 'data':
        this.#print(out, s.text);
        return;
      case 'print':
        this.#print(out, str(this.value(s.value, scope)));
        return;
      case 'for':
        this.#for(s, scope, out);
        return;
      case 'choose': {
        const chosen = s.branches.find(([test]) => !test || truth(this.value(test, scope)));
        if (chosen) this.run(chosen[1], scope, out);
        return;
      }
      case 'set':
        this.#assign(s.target, this.value(s.value, scope), scope);
        return;
      case 'setBlock':
        this.#assign(s.target, this.#filteredBody(s.value, s.body, scope), scope);
        return;
      case 'macro':
        scope.set(s.name, this.#macro(s.name, s.parameters, s.body, scope));
        return;
      case 'callBlock': {
        if (s.call.kind !== 'call') throw new TemplateError('call needs a call');
        const caller = this.#macro('caller', s.parameters, s.body, scope),
          [args, keywords] = this.#args(s.call.call, scope);
        this.#print(out, str(this.#call(this.value(s.call.of, scope), args, new Map([...keywords, ['caller', caller]]))));
        return;
      }
      case 'filterBlock':
        this.#print(out, str(this.#filteredBody(s.value, s.body, scope)));
        return;
      case 'group':
        this.run(s.body, new Scope(scope), out);
        return;
      case 'break':
        throw new Break();
      case 'continue':
        throw new Continue();
    }
  }
  /** Value of filters over the text of a block. */
  #filteredBody(value: Expr, body: readonly Statement[], scope: Scope): Value {
    const inner = new Scope(scope);
    inner.set(BODY, this.#text(body, new Scope(scope)));
    return this.value(value, inner);
  }
  #assign(t: Target, v: Value, scope: Scope): void {
    if (t.kind === 'name') scope.set(t.name, v);
    else if (t.kind === 'attribute') {
      const n = scope.get(t.name);
      if (!(n instanceof Namespace) || n.kind !== 'namespace')
        throw new TemplateError(`${t.name} is no namespace, its attributes cannot be set`);
      n.entries.set(t.attribute, v);
    } else {
      const items = iterate(defined(v));
      if (items.length !== t.items.length) throw new TemplateError(`${items.length} values for ${t.items.length} names`);
      t.items.forEach((x, i) => this.#assign(x, items[i], scope));
    }
  }
  #for(s: Extract<Statement, { kind: 'for' }>, scope: Scope, out: string[]): void {
    let items = iterate(this.value(s.over, scope));
    this.#spend(items.length);
    if (s.test) {
      const test = s.test;
      items = items.filter((x) => {
        const inner = new Scope(scope);
        this.#assign(s.target, x, inner);
        return truth(this.value(test, inner));
      });
    }
    if (!items.length) {
      this.run(s.otherwise, new Scope(scope), out);
      return;
    }
    let last: Value[] | undefined;
    for (let i = 0; i < items.length; i++) {
      this.#spend(1);
      const inner = new Scope(scope),
        changed = new Func('changed', (args) => {
          const now = [...args],
            same = last !== undefined && equal(last, now);
          last = now;
          return !same;
        });
      inner.set('loop', loopAt(items, i, changed));
      this.#assign(s.target, items[i], inner);
      try {
        this.run(s.body, inner, out);
      } catch (e) {
        if (e instanceof Break) break;
        if (!(e instanceof Continue)) throw e;
      }
    }
  }
  #macro(name: string, p: Parameters, body: readonly Statement[], scope: Scope): Func {
    return new Func(name, (args, keywords) => {
      if (++this.#depth > DEEPEST) throw new TemplateBudgetError('calls its macros too deep');
      try {
        const inner = new Scope(scope),
          more = args.slice(p.names.length),
          left = new Map(keywords);
        inner.set('caller', given(left.get('caller'), 'caller'));
        left.delete('caller');
        p.names.forEach((n, i) => {
          const value = i < args.length ? args[i] : left.get(n),
            preset = p.defaults[i - (p.names.length - p.defaults.length)];
          if (i < args.length && left.has(n)) throw new TemplateError(`the macro ${name} is given ${n} twice`);
          left.delete(n);
          inner.set(n, value !== undefined ? value : preset ? this.value(preset, inner) : new Undefined(n));
        });
        if (more.length) throw new TemplateError(`the macro ${name} takes at most ${p.names.length} arguments`);
        if (left.size) throw new TemplateError(`the macro ${name} has no argument ${[...left.keys()][0]}`);
        return this.#text(body, inner);
      } finally {
        this.#depth--;
      }
    });
  }

  value(e: Expr, scope: Scope): Value {
    this.#spend(1);
    switch (e.kind) {
      case 'const':
        return e.value;
      case 'name':
        return given(scope.get(e.name), e.name);
      case 'body':
        return given(scope.get(BODY), 'the text of the block');
      case 'list':
        return e.items.map((x) => this.value(x, scope));
      case 'tuple':
        return new Tuple(e.items.map((x) => this.value(x, scope)));
      case 'dict':
        return new Dict(
          new Map(
            e.pairs.map(([k, v]) => {
              const key = this.value(k, scope);
              if (typeof key !== 'string') throw new TemplateError(`a key of a mapping is ${typeName(key)}: only texts are supported`);
              return [key, this.value(v, scope)];
            }),
          ),
        );
      case 'attribute':
        return this.#attribute(this.value(e.of, scope), e.name);
      case 'item':
        return this.item(this.value(e.of, scope), this.value(e.at, scope));
      case 'slice':
        return this.#slice(
          this.value(e.of, scope),
          e.parts.map((x) => (x ? this.value(x, scope) : null)),
        );
      case 'call': {
        const f = this.value(e.of, scope),
          [args, keywords] = this.#args(e.call, scope);
        return this.#call(f, args, keywords);
      }
      case 'filter': {
        const x = this.value(e.of, scope),
          [args, keywords] = this.#args(e.call, scope);
        for (const v of [x, ...args]) this.#spendOn(v);
        const made = applyFilter(e.name, x, args, keywords, this);
        this.#spendOn(made);
        return made;
      }
      case 'test': {
        const x = this.value(e.of, scope),
          [args, keywords] = this.#args(e.call, scope);
        return applyTest(e.name, x, args, keywords);
      }
      case 'if':
        return truth(this.value(e.test, scope))
          ? this.value(e.yes, scope)
          : e.otherwise
            ? this.value(e.otherwise, scope)
            : new Undefined('the other side of an if without else');
      case 'unary': {
        const x = this.value(e.of, scope);
        if (e.op === 'not') return !truth(x);
        const n = numeric(defined(x));
        if (n === undefined) throw new TemplateError(`${e.op} of ${typeName(x)}`);
        const y = e.op === '-' ? -n : n;
        return x instanceof Float ? new Float(y) : int(y);
      }
      case 'binary':
        return this.#binary(e.op, e.left, e.right, scope);
      case 'compare': {
        let left = this.value(e.of, scope);
        for (const [op, x] of e.rest) {
          const right = this.value(x, scope);
          this.#spendOn(left);
          this.#spendOn(right);
          if (!compared(op, left, right)) return false;
          left = right;
        }
        return true;
      }
    }
  }
  #binary(op: string, l: Expr, r: Expr, scope: Scope): Value {
    const a = this.value(l, scope);
    if (op === 'and') return truth(a) ? this.value(r, scope) : a;
    if (op === 'or') return truth(a) ? a : this.value(r, scope);
    const b = this.value(r, scope);
    if (op === '~') {
      const [x, y] = [str(a), str(b)];
      room(x.length + y.length);
      this.#spend((x.length + y.length) >> 6);
      return x + y;
    }
    if (op === '+') {
      this.#spendOn(a);
      this.#spendOn(b);
      return add(a, b);
    }
    const x = numeric(defined(a)),
      y = numeric(defined(b));
    if (op === '*' && (x === undefined) !== (y === undefined)) return this.#repeated(x === undefined ? a : b, x === undefined ? b : a);
    if (x === undefined || y === undefined) throw new TemplateError(`${op} between ${typeName(a)} and ${typeName(b)} is not supported`);
    const float = a instanceof Float || b instanceof Float,
      result = (n: number): Value => (float ? new Float(n) : int(n));
    if (['/', '//', '%'].includes(op) && y === 0) throw new TemplateError('it divides by zero');
    switch (op) {
      case '-':
        return result(x - y);
      case '*':
        return result(x * y);
      case '/':
        return new Float(x / y);
      case '//':
        return result(Math.floor(x / y));
      case '%':
        return result(x - y * Math.floor(x / y));
      default:
        // Powers with a negative exponent are floats.
        return float || y < 0 ? new Float(x ** y) : int(x ** y);
    }
  }
  #repeated(what: Value, by: Value): Value {
    if (by instanceof Float) throw new TemplateError('only a whole number of times is possible');
    const n = Math.max(0, numeric(by)!);
    if (typeof what === 'string') {
      this.#spend((what.length * n) >> 6);
      return times(what, n);
    }
    const items = itemsOf(what);
    if (!items) throw new TemplateError(`* of ${typeName(what)}`);
    this.#spend(items.length * n);
    const all = Array.from({ length: n }, () => items).flat();
    return isList(what) ? all : new Tuple(all);
  }
  #args(c: Call, scope: Scope): [Value[], Keywords] {
    const args = c.args.map((x) => this.value(x, scope)),
      spread = c.spread ? iterate(this.value(c.spread, scope)) : [],
      keywords = new Map(c.keywords.map(([k, x]) => [k, this.value(x, scope)] as const));
    this.#spend(spread.length);
    if (c.spreadKeywords) {
      const more = this.value(c.spreadKeywords, scope);
      if (!(more instanceof Dict)) throw new TemplateError(`** of ${typeName(more)}`);
      for (const [k, v] of more.all()) {
        if (keywords.has(k)) throw new TemplateError(`a call is given ${k} twice`);
        keywords.set(k, v);
      }
    }
    return [[...args, ...spread], keywords];
  }
  #call(f: Value, args: readonly Value[], keywords: Keywords): Value {
    if (f instanceof Undefined) throw missing(f);
    if (!(f instanceof Func)) throw new TemplateError(`${typeName(f)} cannot be called`);
    for (const v of args) this.#spendOn(v);
    const made = f.call(args, keywords);
    this.#spendOn(made);
    return made;
  }
  /** x.name: an attribute or method, else the item of that name. */
  #attribute(x: Value, name: string): Value {
    if (x instanceof Undefined) throw missing(x);
    const own = this.#own(x, name);
    return own === undefined ? given(this.#entry(x, name), `${typeName(x)}.${name}`) : own;
  }
  /** x[at]: the item, else for a name the attribute. */
  item(x: Value, at: Value): Value {
    if (x instanceof Undefined) throw missing(x);
    const entry = this.#entry(x, at);
    return entry === undefined ? given(typeof at === 'string' ? this.#own(x, at) : undefined, `an item of ${typeName(x)}`) : entry;
  }
  #entry(x: Value, at: Value): Value | undefined {
    if (x instanceof Dict) return typeof at === 'string' ? x.get(at) : undefined;
    if (typeof x === 'string') this.#spendOn(x);
    const n = typeof at === 'number' || typeof at === 'boolean' ? Number(at) : undefined;
    if (n === undefined) return undefined;
    return typeof x === 'string' ? [...x].at(n) : (x instanceof Walk && x.name === 'range' ? x.items : itemsOf(x))?.at(n);
  }
  #own(x: Value, name: string): Value | undefined {
    if (x instanceof Namespace) return x.entries.get(name);
    if (typeof x === 'string') {
      this.#spendOn(x);
      const f = textMethod(x, name);
      if (f) return new Func(name, f);
      if (OTHER_TEXT_METHODS.has(name)) throw new TemplateError(`the method ${name} of texts is not supported`);
    }
    if (x instanceof Dict) {
      if (dictMethods.includes(name)) return new Func(name, (args, keywords) => dictMethod(x, name, args, keywords));
      if (OTHER_DICT_METHODS.has(name)) throw new TemplateError(`the method ${name} of mappings is not supported`);
    }
    const items = itemsOf(x);
    if (items) {
      if (name === 'index' || name === 'count') return new Func(name, (args, keywords) => listMethod(items, name, args, keywords));
      if (OTHER_LIST_METHODS.has(name)) throw new TemplateError(`the method ${name} of lists is not supported`);
    }
    return undefined;
  }
  #slice(x: Value, parts: readonly Value[]): Value {
    this.#spendOn(x);
    const items = typeof x === 'string' ? [...x] : itemsOf(defined(x));
    if (!items) throw new TemplateError(`a slice of ${typeName(x)}`);
    const [from, to, by] = parts.map((p) => {
        if (p === null || p === undefined || typeof p === 'number') return p ?? undefined;
        throw new TemplateError(`a bound of a slice is ${typeName(p)}`);
      }),
      step = by ?? 1,
      n = items.length;
    if (step === 0) throw new TemplateError('the step of a slice is zero');
    const clamp = (i: number, least: number, most: number): number => Math.min(most, Math.max(least, i < 0 ? i + n : i)),
      start = from === undefined ? (step > 0 ? 0 : n - 1) : step > 0 ? clamp(from, 0, n) : clamp(from, -1, n - 1),
      stop = to === undefined ? (step > 0 ? n : -1) : step > 0 ? clamp(to, 0, n) : clamp(to, -1, n - 1),
      out: Value[] = [];
    for (let i = start; step > 0 ? i < stop : i > stop; i += step) out.push(items[i]);
    return typeof x === 'string' ? out.join('') : isList(x) ? out : new Tuple(out);
  }
}

/** A value that is there, or what stands for one that is not. */
const given = (v: Value | undefined, name: string): Value => (v === undefined ? new Undefined(name) : v);

/** Name under which the text of a filtered block is kept: no template can write it. */
const BODY = '(body)';

function compared(op: string, a: Value, b: Value): boolean {
  switch (op) {
    case '==':
      return equal(a, b);
    case '!=':
      return !equal(a, b);
    case 'in':
      return contains(a, b);
    case 'not in':
      return !contains(a, b);
    case '<':
      return compare(a, b) < 0;
    case '<=':
      return compare(a, b) <= 0;
    case '>':
      return compare(a, b) > 0;
    default:
      return compare(a, b) >= 0;
  }
}
function dictMethod(d: Dict, name: string, args: readonly Value[], keywords: Keywords): Value {
  if (name === 'get') {
    const a = new Args(name, ['key', 'default'], args, keywords),
      key = a.any('key');
    const found = typeof key === 'string' ? d.get(key) : undefined;
    return found === undefined ? a.any('default', null) : found;
  }
  new Args(name, [], args, keywords);
  const all = [...d.all()];
  return new Walk(
    `dict_${name}`,
    name === 'keys' ? all.map(([k]) => k) : name === 'values' ? all.map(([, v]) => v) : all.map(([k, v]) => new Tuple([k, v])),
    false,
  );
}
function listMethod(items: readonly Value[], name: string, args: readonly Value[], keywords: Keywords): Value {
  const value = new Args(name, ['value'], args, keywords).any('value');
  if (name === 'count') return items.filter((x) => equal(x, value)).length;
  const at = items.findIndex((x) => equal(x, value));
  if (at < 0) throw new TemplateError('index: the list has no such item');
  return at;
}
function loopAt(items: readonly Value[], i: number, changed: Func): Namespace {
  const n = items.length;
  return new Namespace(
    'loop',
    new Map<string, Value>([
      ['index', i + 1],
      ['index0', i],
      ['revindex', n - i],
      ['revindex0', n - i - 1],
      ['first', i === 0],
      ['last', i === n - 1],
      ['length', n],
      ['depth', 1],
      ['depth0', 0],
      ['previtem', i ? items[i - 1] : new Undefined('loop.previtem')],
      ['nextitem', i < n - 1 ? items[i + 1] : new Undefined('loop.nextitem')],
      ['changed', changed],
      [
        'cycle',
        new Func('cycle', (args) => {
          if (!args.length) throw new TemplateError('cycle needs values');
          return args[i % args.length];
        }),
      ],
    ]),
  );
}

const GLOBALS: readonly Func[] = [
  new Func('raise_exception', (args) => {
    throw new TemplateError(str(args[0] ?? null));
  }),
  new Func('range', (args) => {
    const n = args.map((x) => {
      if (typeof x !== 'number') throw new TemplateError(`range of ${typeName(x)}`);
      return x;
    });
    const [from, to, step] = n.length === 1 ? [0, n[0], 1] : [n[0], n[1], n[2] ?? 1];
    if (n.length < 1 || n.length > 3 || step === 0) throw new TemplateError('range needs one to three numbers and a step that is not zero');
    const length = Math.max(0, Math.ceil((to - from) / step));
    if (length > MAX_RANGE) throw new TemplateBudgetError(`makes a list of more than ${MAX_RANGE} entries`);
    return new Walk(
      'range',
      Array.from({ length }, (_, i) => from + i * step),
      false,
    );
  }),
  new Func('namespace', (args, keywords) => {
    const entries = new Map<string, Value>();
    for (const x of args) {
      if (!(x instanceof Dict)) throw new TemplateError(`namespace of ${typeName(x)}`);
      for (const [k, v] of x.all()) entries.set(k, v);
    }
    for (const [k, v] of keywords) entries.set(k, v);
    return new Namespace('namespace', entries);
  }),
  new Func('dict', (args, keywords) => {
    const entries = new Map<string, Value>();
    for (const x of args) {
      if (!(x instanceof Dict)) throw new TemplateError(`dict of ${typeName(x)}`);
      for (const [k, v] of x.all()) entries.set(k, v);
    }
    for (const [k, v] of keywords) entries.set(k, v);
    return new Dict(entries);
  }),
];

/** Filters and tests of a template that are not supported: it is refused before any text meets it. */
function unsupported(node: unknown, found: Set<string>): void {
  if (Array.isArray(node)) {
    for (const x of node) unsupported(x, found);
    return;
  }
  if (typeof node !== 'object' || node === null || node instanceof Float || node instanceof Dict) return;
  const n = node as { kind?: string; name?: string };
  if (n.kind === 'filter' && !knownFilter(n.name!)) found.add(`the filter ${n.name}`);
  if (n.kind === 'test' && !knownTest(n.name!)) found.add(`the test ${n.name}`);
  for (const x of Object.values(node)) unsupported(x, found);
}

/** A chat template: the part of Jinja2 that is exactly Jinja2's; everything else is refused by name. */
export class Template {
  readonly #body: readonly Statement[];
  /** Throws TemplateError. */
  constructor(source: string) {
    this.#body = parse(source);
    const found = new Set<string>();
    unsupported(this.#body, found);
    if (found.size) throw new TemplateError(`not supported: ${[...found].join(', ')}`);
  }
  /** The text for these variables, in at most `steps` steps. Throws TemplateError. */
  render(variables: ReadonlyMap<string, Value>, steps: number): string {
    const scope = new Scope(),
      out: string[] = [];
    for (const f of GLOBALS) scope.set(f.name, f);
    for (const [k, v] of variables) scope.set(k, v);
    try {
      new Rendering(steps).run(this.#body, new Scope(scope), out);
    } catch (e) {
      if (e instanceof RangeError) throw new TemplateBudgetError('calls itself too deep');
      throw e;
    }
    return out.join('');
  }
}
