import { type Token, type TokenType, tokenize } from './lexer.js';
import { Float, TemplateError, type Value, int } from './values.js';

export interface Call {
  readonly args: readonly Expr[];
  readonly keywords: readonly (readonly [string, Expr])[];
  readonly spread?: Expr;
  readonly spreadKeywords?: Expr;
}
export type Expr = { readonly line: number } & (
  | { readonly kind: 'const'; readonly value: Value }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'list' | 'tuple'; readonly items: readonly Expr[] }
  | { readonly kind: 'dict'; readonly pairs: readonly (readonly [Expr, Expr])[] }
  | { readonly kind: 'attribute'; readonly of: Expr; readonly name: string }
  | { readonly kind: 'item'; readonly of: Expr; readonly at: Expr }
  | { readonly kind: 'slice'; readonly of: Expr; readonly parts: readonly (Expr | undefined)[] }
  | { readonly kind: 'call'; readonly of: Expr; readonly call: Call }
  | { readonly kind: 'filter'; readonly of: Expr; readonly name: string; readonly call: Call }
  | { readonly kind: 'test'; readonly of: Expr; readonly name: string; readonly call: Call }
  | { readonly kind: 'unary'; readonly op: '-' | '+' | 'not'; readonly of: Expr }
  | { readonly kind: 'binary'; readonly op: string; readonly left: Expr; readonly right: Expr }
  | { readonly kind: 'compare'; readonly of: Expr; readonly rest: readonly (readonly [string, Expr])[] }
  | { readonly kind: 'if'; readonly test: Expr; readonly yes: Expr; readonly otherwise?: Expr }
  /** The text that a block is filtered from. */
  | { readonly kind: 'body' }
);
/** What is assigned to: a name, an attribute of a namespace, or several of them. */
export type Target =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'attribute'; readonly name: string; readonly attribute: string }
  | { readonly kind: 'tuple'; readonly items: readonly Target[] };
export interface Parameters {
  readonly names: readonly string[];
  /** Of the last parameters. */
  readonly defaults: readonly Expr[];
}
export type Statement = { readonly line: number } & (
  | { readonly kind: 'data'; readonly text: string }
  | { readonly kind: 'print'; readonly value: Expr }
  | {
      readonly kind: 'for';
      readonly target: Target;
      readonly over: Expr;
      readonly test?: Expr;
      readonly body: readonly Statement[];
      readonly otherwise: readonly Statement[];
    }
  | { readonly kind: 'choose'; readonly branches: readonly (readonly [Expr | undefined, readonly Statement[]])[] }
  | { readonly kind: 'set'; readonly target: Target; readonly value: Expr }
  | { readonly kind: 'setBlock'; readonly target: Target; readonly value: Expr; readonly body: readonly Statement[] }
  | { readonly kind: 'macro'; readonly name: string; readonly parameters: Parameters; readonly body: readonly Statement[] }
  | { readonly kind: 'callBlock'; readonly call: Expr; readonly parameters: Parameters; readonly body: readonly Statement[] }
  | { readonly kind: 'filterBlock'; readonly value: Expr; readonly body: readonly Statement[] }
  | { readonly kind: 'group'; readonly body: readonly Statement[] }
  | { readonly kind: 'break' | 'continue' }
);

const COMPARE = new Set(['==', '!=', '<', '<=', '>', '>=']),
  DEEPEST = 200;

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;
  #loops = 0;

  constructor(source: string) {
    this.#tokens = tokenize(source);
  }
  get #now(): Token {
    return this.#tokens[this.#at];
  }
  get line(): number {
    return this.#now.line;
  }
  #is(type: TokenType, value?: string, ahead = 0): boolean {
    const t = this.#tokens[Math.min(this.#at + ahead, this.#tokens.length - 1)];
    return t.type === type && (value === undefined || t.value === value);
  }
  #skip(type: TokenType, value?: string): boolean {
    if (!this.#is(type, value)) return false;
    this.#at++;
    return true;
  }
  #expect(type: TokenType, value?: string): string {
    const t = this.#now;
    if (!this.#skip(type, value)) throw this.error(`expected ${value ?? type}, found ${t.value === '' ? t.type : t.value}`);
    return t.value;
  }
  error(message: string): TemplateError {
    return new TemplateError(`line ${this.line}: ${message}`);
  }
  #deeper<T>(f: () => T): T {
    if (++this.#depth > DEEPEST) throw this.error('is nested too deep');
    try {
      return f();
    } finally {
      this.#depth--;
    }
  }

  /** Statements up to one of the given names, or to the end of the template. */
  statements(...ends: string[]): Statement[] {
    return this.#deeper(() => {
      const out: Statement[] = [];
      for (;;) {
        const { type, value, line } = this.#now;
        if (type === 'eof') {
          if (ends.length) throw this.error(`${ends[ends.length - 1]} is missing`);
          return out;
        }
        this.#at++;
        if (type === 'data') out.push({ kind: 'data', text: value, line });
        else if (type === 'print') {
          const value = this.#tuple();
          // Without escaping, safe says nothing where a value is printed.
          out.push({ kind: 'print', value: value.kind === 'filter' && value.name === 'safe' ? value.of : value, line });
          this.#expect('printed');
        } else {
          if (this.#now.type === 'name' && ends.includes(this.#now.value)) return out;
          out.push(this.#statement(line));
          this.#expect('end');
        }
      }
    });
  }
  /** The body up to `end`, whose name is passed over. */
  #body(end: string): Statement[] {
    this.#expect('end');
    const body = this.statements(end);
    this.#at++;
    return body;
  }
  #statement(line: number): Statement {
    const name = this.#expect('name');
    switch (name) {
      case 'for':
        return this.#for(line);
      case 'if':
        return this.#if(line);
      case 'set': {
        const target = this.#targets(true);
        if (this.#skip('op', '=')) return { kind: 'set', target, value: this.#tuple(), line };
        const value = this.#filters({ kind: 'body', line });
        return { kind: 'setBlock', target, value, body: this.#body('endset'), line };
      }
      case 'macro': {
        const called = this.#expect('name'),
          parameters = this.#parameters();
        return { kind: 'macro', name: called, parameters, body: this.#apart(() => this.#body('endmacro')), line };
      }
      case 'call': {
        const parameters = this.#is('op', '(') ? this.#parameters() : { names: [], defaults: [] },
          call = this.#expression();
        if (call.kind !== 'call') throw this.error('call needs a call');
        return { kind: 'callBlock', call, parameters, body: this.#apart(() => this.#body('endcall')), line };
      }
      case 'filter': {
        const value = this.#filters({ kind: 'body', line }, true);
        return { kind: 'filterBlock', value, body: this.#body('endfilter'), line };
      }
      case 'generation':
        return { kind: 'group', body: this.#apart(() => this.#body('endgeneration')), line };
      case 'break':
      case 'continue':
        if (!this.#loops) throw this.error(`${name} stands outside of a loop`);
        return { kind: name, line };
      default:
        throw this.error(`the statement ${name} is not supported`);
    }
  }
  /** A body whose break and continue do not reach the loop around it. */
  #apart<T>(f: () => T): T {
    const loops = this.#loops;
    this.#loops = 0;
    try {
      return f();
    } finally {
      this.#loops = loops;
    }
  }
  #for(line: number): Statement {
    const target = this.#targets(false);
    this.#expect('name', 'in');
    const over = this.#tuple(false),
      test = this.#skip('name', 'if') ? this.#expression() : undefined;
    if (this.#is('name', 'recursive')) throw this.error('recursive loops are not supported');
    this.#expect('end');
    this.#loops++;
    const body = this.statements('else', 'endfor');
    this.#loops--;
    const otherwise = this.#expect('name') === 'else' ? this.#body('endfor') : [];
    return { kind: 'for', target, over, ...(test ? { test } : {}), body, otherwise, line };
  }
  #if(line: number): Statement {
    const branches: (readonly [Expr | undefined, readonly Statement[]])[] = [];
    for (let test: Expr | undefined = this.#tuple(false); ; ) {
      this.#expect('end');
      branches.push([test, this.statements(...(test ? ['elif', 'else'] : []), 'endif')]);
      const next = this.#expect('name');
      if (next === 'endif') return { kind: 'choose', branches, line };
      test = next === 'elif' ? this.#tuple(false) : undefined;
    }
  }
  #target(attributes: boolean): Target {
    if (this.#skip('op', '(')) {
      const t = this.#targets(attributes);
      this.#expect('op', ')');
      return t;
    }
    const name = this.#expect('name');
    if (['true', 'false', 'none', 'True', 'False', 'None'].includes(name)) throw this.error(`${name} cannot be set`);
    if (attributes && this.#skip('op', '.')) return { kind: 'attribute', name, attribute: this.#expect('name') };
    return { kind: 'name', name };
  }
  #targets(attributes: boolean): Target {
    const items = [this.#target(attributes)];
    if (!this.#is('op', ',')) return items[0];
    while (this.#skip('op', ','))
      if (!this.#is('name', 'in') && !this.#is('op', '=') && !this.#is('op', ')')) items.push(this.#target(attributes));
    return { kind: 'tuple', items };
  }
  #parameters(): Parameters {
    const names: string[] = [],
      defaults: Expr[] = [];
    this.#expect('op', '(');
    while (!this.#is('op', ')')) {
      if (names.length) this.#expect('op', ',');
      if (this.#is('op', ')')) break;
      const name = this.#expect('name');
      if (names.includes(name)) throw this.error(`the parameter ${name} occurs twice`);
      names.push(name);
      if (this.#skip('op', '=')) defaults.push(this.#expression());
      else if (defaults.length) throw this.error(`the parameter ${name} needs a default too`);
    }
    this.#expect('op', ')');
    return { names, defaults };
  }

  #tuple(conditional = true, parentheses = false): Expr {
    const { line } = this,
      items: Expr[] = [],
      end = (): boolean =>
        ['printed', 'end', 'eof'].includes(this.#now.type) ||
        this.#is('op', ')') ||
        (!conditional && (this.#is('name', 'recursive') || this.#is('name', 'if')));
    let several = false;
    for (;;) {
      if (items.length) this.#expect('op', ',');
      if (end()) break;
      items.push(conditional ? this.#expression() : this.#deeper(() => this.#or()));
      if (!this.#is('op', ',')) break;
      several = true;
    }
    if (!several && items.length) return items[0];
    if (!items.length && !parentheses) throw this.error('an expression is missing');
    return { kind: 'tuple', items, line };
  }
  #expression(): Expr {
    return this.#deeper(() => {
      const { line } = this;
      let e = this.#or();
      while (this.#skip('name', 'if')) {
        const test = this.#or(),
          otherwise = this.#skip('name', 'else') ? this.#expression() : undefined;
        e = { kind: 'if', test, yes: e, ...(otherwise ? { otherwise } : {}), line };
      }
      return e;
    });
  }
  #or(): Expr {
    let left = this.#and();
    while (this.#skip('name', 'or')) left = { kind: 'binary', op: 'or', left, right: this.#and(), line: this.line };
    return left;
  }
  #and(): Expr {
    let left = this.#not();
    while (this.#skip('name', 'and')) left = { kind: 'binary', op: 'and', left, right: this.#not(), line: this.line };
    return left;
  }
  #not(): Expr {
    const { line } = this;
    return this.#skip('name', 'not') ? { kind: 'unary', op: 'not', of: this.#deeper(() => this.#not()), line } : this.#compare();
  }
  #compare(): Expr {
    const { line } = this,
      of = this.#sum(),
      rest: [string, Expr][] = [];
    for (;;) {
      const { type, value } = this.#now;
      if (type === 'op' && COMPARE.has(value)) {
        this.#at++;
        rest.push([value, this.#sum()]);
      } else if (this.#skip('name', 'in')) rest.push(['in', this.#sum()]);
      else if (this.#is('name', 'not') && this.#is('name', 'in', 1)) {
        this.#at += 2;
        rest.push(['not in', this.#sum()]);
      } else return rest.length ? { kind: 'compare', of, rest, line } : of;
    }
  }
  #chain(ops: readonly string[], next: () => Expr): Expr {
    let left = next();
    while (this.#now.type === 'op' && ops.includes(this.#now.value)) {
      const { value: op, line } = this.#now;
      this.#at++;
      left = { kind: 'binary', op, left, right: next(), line };
    }
    return left;
  }
  #sum(): Expr {
    return this.#chain(['+', '-'], () =>
      this.#chain(['~'], () => this.#chain(['*', '/', '//', '%'], () => this.#chain(['**'], () => this.#unary()))),
    );
  }
  #unary(filtered = true): Expr {
    const { line } = this;
    let e: Expr;
    if (this.#is('op', '-') || this.#is('op', '+')) {
      const op = this.#expect('op') as '-' | '+';
      e = { kind: 'unary', op, of: this.#deeper(() => this.#unary(false)), line };
    } else e = this.#primary();
    e = this.#postfix(e);
    return filtered ? this.#filtered(e) : e;
  }
  #primary(): Expr {
    const { type, value, line } = this.#now;
    this.#at++;
    if (type === 'name') {
      if (value === 'true' || value === 'True' || value === 'false' || value === 'False')
        return { kind: 'const', value: value.toLowerCase() === 'true', line };
      return value === 'none' || value === 'None' ? { kind: 'const', value: null, line } : { kind: 'name', name: value, line };
    }
    if (type === 'string') {
      let text = value;
      while (this.#is('string')) text += this.#expect('string');
      return { kind: 'const', value: text, line };
    }
    if (type === 'integer') return { kind: 'const', value: int(Number(value)), line };
    if (type === 'float') return { kind: 'const', value: new Float(Number(value)), line };
    if (type === 'op' && value === '(') {
      const e = this.#tuple(true, true);
      this.#expect('op', ')');
      return e;
    }
    if (type === 'op' && value === '[') return { kind: 'list', items: this.#listed(']', () => this.#expression()), line };
    if (type === 'op' && value === '{')
      return {
        kind: 'dict',
        pairs: this.#listed('}', () => {
          const k = this.#expression();
          this.#expect('op', ':');
          return [k, this.#expression()] as const;
        }),
        line,
      };
    this.#at--;
    throw this.error(`unexpected ${value === '' ? type : value}`);
  }
  #listed<T>(close: string, item: () => T): T[] {
    const out: T[] = [];
    while (!this.#is('op', close)) {
      if (out.length) this.#expect('op', ',');
      if (this.#is('op', close)) break;
      out.push(item());
    }
    this.#at++;
    return out;
  }
  #postfix(e: Expr): Expr {
    for (;;) {
      const { line } = this;
      if (this.#skip('op', '.')) {
        if (this.#is('integer'))
          e = { kind: 'item', of: e, at: { kind: 'const', value: int(Number(this.#expect('integer'))), line }, line };
        else e = { kind: 'attribute', of: e, name: this.#expect('name'), line };
      } else if (this.#skip('op', '[')) e = this.#subscript(e, line);
      else if (this.#is('op', '(')) e = { kind: 'call', of: e, call: this.#call(), line };
      else return e;
    }
  }
  #subscript(of: Expr, line: number): Expr {
    const parts: (Expr | undefined)[] = [];
    for (let n = 0; ; n++) {
      parts.push(this.#is('op', ':') || this.#is('op', ']') ? undefined : this.#expression());
      if (n === 2 || !this.#skip('op', ':')) break;
    }
    if (this.#is('op', ',')) throw this.error('subscripts with several indices are not supported');
    this.#expect('op', ']');
    if (parts.length > 1) return { kind: 'slice', of, parts, line };
    if (!parts[0]) throw this.error('an index is missing');
    return { kind: 'item', of, at: parts[0], line };
  }
  #call(): Call {
    const args: Expr[] = [],
      keywords: [string, Expr][] = [];
    let spread: Expr | undefined, spreadKeywords: Expr | undefined;
    this.#expect('op', '(');
    for (let first = true; !this.#is('op', ')'); first = false) {
      if (!first) this.#expect('op', ',');
      if (this.#is('op', ')')) break;
      if (this.#skip('op', '*')) {
        if (spread || spreadKeywords) throw this.error('a call spreads twice');
        spread = this.#expression();
      } else if (this.#skip('op', '**')) {
        if (spreadKeywords) throw this.error('a call spreads twice');
        spreadKeywords = this.#expression();
      } else if (this.#is('name') && this.#is('op', '=', 1)) {
        const key = this.#expect('name');
        this.#at++;
        if (spreadKeywords || keywords.some(([k]) => k === key)) throw this.error(`the keyword ${key} stands where it cannot`);
        keywords.push([key, this.#expression()]);
      } else {
        if (spread || spreadKeywords || keywords.length) throw this.error('a positional argument follows others');
        args.push(this.#expression());
      }
    }
    this.#at++;
    return { args, keywords, ...(spread ? { spread } : {}), ...(spreadKeywords ? { spreadKeywords } : {}) };
  }
  #filters(e: Expr, inline = false): Expr {
    for (let first = inline; first || this.#is('op', '|'); first = false) {
      if (!first) this.#at++;
      const { line } = this,
        name = this.#expect('name');
      e = { kind: 'filter', of: e, name, call: this.#is('op', '(') ? this.#call() : { args: [], keywords: [] }, line };
    }
    return e;
  }
  #filtered(e: Expr): Expr {
    for (;;) {
      const { line } = this;
      if (this.#is('op', '|')) e = this.#filters(e);
      else if (this.#skip('name', 'is')) e = this.#test(e, line);
      else if (this.#is('op', '(')) e = { kind: 'call', of: e, call: this.#call(), line };
      else return e;
    }
  }
  #test(of: Expr, line: number): Expr {
    const negated = this.#skip('name', 'not'),
      name = this.#expect('name'),
      now = this.#now,
      bare =
        ['name', 'string', 'integer', 'float'].includes(now.type) && !(now.type === 'name' && ['else', 'or', 'and'].includes(now.value)),
      opens = now.type === 'op' && '[{'.includes(now.value);
    let call: Call = { args: [], keywords: [] };
    if (this.#is('op', '(')) call = this.#call();
    else if (bare || opens) {
      if (this.#is('name', 'is')) throw this.error('tests cannot be chained');
      call = { args: [this.#postfix(this.#primary())], keywords: [] };
    }
    const e: Expr = { kind: 'test', of, name, call, line };
    return negated ? { kind: 'unary', op: 'not', of: e, line } : e;
  }
}

/** Statements of a template. Throws TemplateError with the line where it cannot be read. */
export function parse(source: string): Statement[] {
  return new Parser(source).statements();
}
