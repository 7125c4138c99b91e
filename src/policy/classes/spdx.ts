import { EXCEPTIONS, LICENSES, MARKS } from './spdx-list.js';

export { SPDX_LIST } from './spdx-list.js';

/** One licence: identifier of the SPDX list or LicenseRef, "+" for later versions, exception of the list. */
export interface License {
  readonly license: string;
  readonly plus?: true;
  readonly exception?: string;
}
/** Licence expression of SPDX (annex D): AND binds closer than OR, and both group to the right. */
export type Expression = License | { readonly conjunction: 'and' | 'or'; readonly left: Expression; readonly right: Expression };

/** Names of a list as spdx-list.ts packs them. */
function names(packed: string): ReadonlySet<string> {
  let last = '';
  return new Set(
    packed.match(/[^\w.-][\w.-]*/g)!.map((x) => {
      last = last.slice(0, MARKS.indexOf(x[0])) + x.slice(1);
      return last;
    }),
  );
}
export const licenses = names(LICENSES);
export const exceptions = names(EXCEPTIONS);

const REFERENCE = /^(DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+$/,
  WORD = /[()]|[A-Za-z0-9.:-]+\+?|\S/g;

/** Longest expression: parentheses make the parser call itself. */
const LONGEST = 500;

/**
 * Reads an expression; operators may be in lower case. Throws SyntaxError for what is none, or names what no list has.
 */
export function parseExpression(text: string): Expression {
  const words = text.length <= LONGEST && !/[^\S ]/.test(text) ? (text.match(WORD) ?? []) : [];
  let at = 0;
  const bad = (): never => {
    throw new SyntaxError(`${JSON.stringify(text.slice(0, 80))} is no SPDX expression`);
  };
  const taken = (word: string): boolean => {
    const is = words[at]?.toUpperCase() === word;
    if (is) at++;
    return is;
  };
  const one = (): Expression => {
    if (taken('(')) {
      const x = binary('or');
      return taken(')') ? x : bad();
    }
    const word = words[at++] ?? bad(),
      plus = word.endsWith('+'),
      license = plus ? word.slice(0, -1) : word;
    if (!(licenses.has(license) || (!plus && REFERENCE.test(license)))) bad();
    if (!taken('WITH')) return { license, ...(plus ? { plus } : {}) };
    const exception = words[at++] ?? bad();
    return exceptions.has(exception) ? { license, ...(plus ? { plus } : {}), exception } : bad();
  };
  const binary = (conjunction: 'and' | 'or'): Expression => {
    const left = conjunction === 'or' ? binary('and') : one();
    return taken(conjunction.toUpperCase()) ? { conjunction, left, right: binary(conjunction) } : left;
  };
  const x = binary('or');
  return at === words.length ? x : bad();
}

/** Is the text an expression, of at most 500 characters? */
export function isExpression(text: string): boolean {
  try {
    parseExpression(text);
    return true;
  } catch {
    return false;
  }
}
