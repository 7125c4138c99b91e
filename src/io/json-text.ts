/** What JSON.parse accepts and hides: an object that has a key twice, numbers that are no plain naturals. */
export interface JsonScan {
  /** Keys that occur twice in one object. */
  readonly duplicates: readonly string[];
  /** Number literals other than 0 or digits without a leading zero (signs, fractions, exponents). */
  readonly unnatural: readonly string[];
}

/** Scans text that JSON.parse has accepted. */
export function scanJson(text: string): JsonScan {
  const stack: (Set<string> | undefined)[] = [],
    duplicates: string[] = [],
    unnatural: string[] = [];
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x7b) stack.push(new Set());
    else if (c === 0x5b) stack.push(undefined);
    else if (c === 0x7d || c === 0x5d) stack.pop();
    else if (c === 0x2d || (c >= 0x30 && c <= 0x39)) {
      let j = i + 1;
      while (j < text.length && '0123456789+-.eE'.includes(text[j])) j++;
      const n = text.slice(i, j);
      if (!/^(0|[1-9]\d*)$/.test(n)) unnatural.push(n);
      i = j - 1;
    } else if (c === 0x22) {
      let j = i + 1;
      while (j < text.length && text[j] !== '"') j += text[j] === '\\' ? 2 : 1;
      let k = j + 1;
      while (k < text.length && ' \t\r\n'.includes(text[k])) k++;
      const top = stack[stack.length - 1];
      if (text[k] === ':' && top) {
        const key = JSON.parse(text.slice(i, j + 1)) as string;
        if (top.has(key)) duplicates.push(key);
        top.add(key);
      }
      i = j;
    }
  }
  return { duplicates, unnatural };
}

/** UTF-8 without a byte order mark, or an error. */
export const utf8 = (b: Uint8Array): string => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(b);

export const isObject = (x: unknown): x is Record<string, unknown> => typeof x === 'object' && x !== null && !Array.isArray(x);

/** What JSON.stringify leaves as it is, and a terminal acts upon or nobody sees; line feeds between values apart. */
const UNSEEN = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/**
 * A JSON document for people and programs, over several lines. Control and format characters of its texts are escapes
 * of JSON, so that it has the same bytes in a file and on a terminal.
 */
export const jsonDocument = (x: unknown): string =>
  `${JSON.stringify(x, null, 2).replace(UNSEEN, (c) =>
    Array.from({ length: c.length }, (_, i) => `\\u${c.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''),
  )}\n`;
