import { describe, expect, it } from 'vitest';
import { jsonLine, lines, plain } from './escape.js';

const HOSTILE = [
  '\u001b[2J',
  '\u001b]0;title\u0007',
  '\r\u001b[Kverified',
  '\u009b31m',
  '\u0000\u0008\u007f\u0085',
  '\u202e\u2066\u200b\u00ad\ufeff',
  '\u2028\u2029',
  '\ud800',
  '\u{e0001}',
];
const RAW = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

describe('what is printed', () => {
  it('holds no control character', () => {
    for (const x of HOSTILE) {
      expect(plain(x)).not.toMatch(RAW);
      expect(lines(x)).not.toMatch(RAW);
      expect(jsonLine({ [x]: x })).not.toMatch(RAW);
      expect(JSON.parse(jsonLine({ [x]: x }))).toEqual({ [x]: x });
    }
    expect(plain('\u001b[2J')).toBe('\\u{1b}[2J');
  });
  it('leaves letters of all kinds alone, and lines where they are wanted', () => {
    for (const x of ['naïve 日本 \u{1f600} "\\u{1b}"', 'a\tb'.replace('\t', ' ')]) expect(plain(x)).toBe(x);
    expect(plain('a\nb')).toBe('a\\u{a}b');
    expect(lines('a\nb')).toBe('a\nb');
  });
});
