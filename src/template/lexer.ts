import { TemplateError } from './values.js';

export type TokenType = 'data' | 'begin' | 'end' | 'print' | 'printed' | 'name' | 'string' | 'integer' | 'float' | 'op' | 'eof';
/** `begin` and `end` enclose a statement, `print` and `printed` an expression; `value` of a number is its digits. */
export interface Token {
  readonly type: TokenType;
  readonly value: string;
  readonly line: number;
}

/** White space of Python, for str.strip and for \s in its regular expressions. */
export const SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const SPACES = new RegExp(`[${SPACE}]*`, 'uy'),
  NUMBER = /(?:\d+_)*\d+(?:\.(?:\d+_)*\d+)?(?:[eE][+-]?(?:\d+_)*\d+)?/uy,
  RADIX = /0(?:[bB](?:_?[01])+|[oO](?:_?[0-7])+|[xX](?:_?[\da-fA-F])+)/uy,
  NAME = /[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{Mn}\p{Mc}\p{Nd}\p{Pc}_]*/uy,
  STRING = /'[^'\\]*(?:\\[\s\S][^'\\]*)*'|"[^"\\]*(?:\\[\s\S][^"\\]*)*"/uy,
  OPERATOR = /\*\*|\/\/|==|!=|>=|<=|[-+*/%~[\](){}><=.:|,;]/uy;
const OPEN = '([{',
  CLOSE = ')]}';
const rtrim = new RegExp(`[${SPACE}]+$`, 'u'),
  blank = new RegExp(`^[${SPACE}]*$`, 'u'),
  beginRaw = new RegExp(`^[${SPACE}]*raw[${SPACE}]*(-?)%\\}`, 'u'),
  endRaw = new RegExp(`\\{%([-+]?)[${SPACE}]*endraw[${SPACE}]*([-+]?)%\\}`, 'u');

/** Text of a string literal with Python's escapes. */
function unescaped(s: string, line: number): string {
  return s.replace(/\\(x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8}|[0-7]{1,3}|[\s\S])/gu, (whole, e: string) => {
    const simple: Record<string, string> = {
      n: '\n',
      r: '\r',
      t: '\t',
      '\\': '\\',
      "'": "'",
      '"': '"',
      a: '\x07',
      b: '\b',
      f: '\f',
      v: '\v',
      '\n': '',
    };
    if (e in simple) return simple[e];
    if (/^[0-7]/.test(e)) return String.fromCodePoint(Number.parseInt(e, 8));
    if (e.length > 1) {
      const code = Number.parseInt(e.slice(1), 16);
      if (code > 0x10ffff) throw new TemplateError(`line ${line}: \\${e} is no character`);
      return String.fromCodePoint(code);
    }
    if ('xuUN'.includes(e)) throw new TemplateError(`line ${line}: the escape \\${e} is cut short or not supported`);
    return whole;
  });
}

/** Reads a template from left to right. */
class Lexer {
  readonly tokens: Token[] = [];
  #at = 0;
  #line = 1;
  #lineStarting = true;
  constructor(readonly text: string) {}

  get #here(): string {
    return `line ${this.#line}`;
  }
  #advance(to: number): void {
    for (let i = this.#at; i < to; i++) if (this.text.charCodeAt(i) === 10) this.#line++;
    if (to > this.#at) this.#lineStarting = this.text[to - 1] === '\n';
    this.#at = to;
  }
  #push(type: TokenType, value: string): void {
    this.tokens.push({ type, value, line: this.#line });
  }
  #match(r: RegExp): string {
    r.lastIndex = this.#at;
    return r.exec(this.text)?.[0] ?? '';
  }
  #skipSpaces(): void {
    this.#advance(this.#at + this.#match(SPACES).length);
  }
  /** Text up to an opening mark, without what the mark takes away. */
  #data(to: number, sign: string, lstrip: boolean): void {
    let t = this.text.slice(this.#at, to);
    if (sign === '-') t = t.replace(rtrim, '');
    else if (sign === '' && lstrip) {
      const from = t.lastIndexOf('\n') + 1;
      if ((from > 0 || this.#lineStarting) && blank.test(t.slice(from))) t = t.slice(0, from);
    }
    if (t !== '') this.#push('data', t);
    this.#advance(to);
  }
  /** Behind the end of a statement or comment. */
  #behind(sign: string): void {
    if (sign === '-') this.#skipSpaces();
    else if (sign === '' && this.text[this.#at] === '\n') this.#advance(this.#at + 1);
  }
  /** Tokens of a statement or expression, up to its closing mark. */
  #inside(close: string, ends: 'end' | 'printed', block: boolean): void {
    const open: string[] = [];
    for (;;) {
      this.#skipSpaces();
      if (this.#at >= this.text.length) throw new TemplateError(`${this.#here}: ${close} is missing`);
      if (!open.length) {
        const c = this.text[this.#at],
          sign = c === '-' || (block && c === '+') ? c : '';
        if (this.text.startsWith(close, this.#at + sign.length)) {
          this.#push(ends, close);
          this.#advance(this.#at + sign.length + close.length);
          if (block) this.#behind(sign);
          else if (sign === '-') this.#skipSpaces();
          return;
        }
      }
      this.#advance(this.#at + this.#token(open).length);
    }
  }
  /** The token at this place; `open` holds what the brackets still to be closed end with. */
  #token(open: string[]): string {
    let t: string;
    if ((t = this.#match(RADIX))) this.#push('integer', String(Number(t.replaceAll('_', ''))));
    else if ((t = this.#match(NUMBER))) {
      // After a dot comes the index of an item, never a fraction: x.0.1
      const last = this.tokens[this.tokens.length - 1];
      if (last.type === 'op' && last.value === '.') t = /^\d+/.exec(t)![0];
      this.#push(/[.eE]/.test(t) ? 'float' : 'integer', t.replaceAll('_', ''));
    } else if ((t = this.#match(NAME))) this.#push('name', t);
    else if ((t = this.#match(STRING))) this.#push('string', unescaped(t.slice(1, -1), this.#line));
    else if ((t = this.#match(OPERATOR))) {
      if (OPEN.includes(t)) open.push(CLOSE[OPEN.indexOf(t)]);
      else if (CLOSE.includes(t) && open.pop() !== t) throw new TemplateError(`${this.#here}: ${t} closes nothing`);
      this.#push('op', t);
    } else throw new TemplateError(`${this.#here}: unexpected character ${JSON.stringify(this.text[this.#at])}`);
    return t;
  }
  #raw(length: number, sign: string): void {
    this.#advance(this.#at + length);
    if (sign === '-') this.#skipSpaces();
    const end = endRaw.exec(this.text.slice(this.#at));
    if (!end) throw new TemplateError(`${this.#here}: endraw is missing`);
    this.#data(this.#at + end.index, end[1], true);
    this.#advance(this.#at + end[0].length);
    this.#behind(end[2]);
  }
  /** What stands between the opening mark and its end. Throws TemplateError. */
  run(): Token[] {
    const { text } = this;
    while (this.#at < text.length) {
      const found = /\{[%#{]/.exec(text.slice(this.#at));
      if (!found) {
        this.#push('data', text.slice(this.#at));
        break;
      }
      const to = this.#at + found.index,
        kind = found[0],
        sign = text[to + 2] === '-' || text[to + 2] === '+' ? text[to + 2] : '',
        raw = kind === '{%' ? beginRaw.exec(text.slice(to + 2 + sign.length)) : null;
      this.#data(to, sign, kind !== '{{');
      this.#advance(to + 2 + sign.length);
      if (raw) this.#raw(raw[0].length, raw[1]);
      else if (kind === '{#') {
        const end = /([-+]?)#\}/.exec(text.slice(this.#at));
        if (!end) throw new TemplateError(`${this.#here}: #} is missing`);
        this.#advance(this.#at + end.index + end[0].length);
        this.#behind(end[1]);
      } else {
        this.#push(kind === '{%' ? 'begin' : 'print', kind);
        this.#inside(kind === '{%' ? '%}' : '}}', kind === '{%' ? 'end' : 'printed', kind === '{%');
      }
    }
    this.#push('eof', '');
    return this.tokens;
  }
}

/**
 * Tokens of a template as Jinja2 reads it with trim_blocks and lstrip_blocks, which is how transformers compiles chat
 * templates: a line feed behind a statement and the blanks in front of one on its line are dropped. Throws
 * TemplateError.
 */
export const tokenize = (source: string): Token[] => new Lexer(source.replace(/\r\n?/g, '\n').replace(/\n$/, '')).run();
