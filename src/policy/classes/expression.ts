import { type Expression, type License, parseExpression } from './spdx.js';

/** A licence without OR and AND, as text that is compared letter by letter: identifier, "+", exception. */
function leafText(x: License): string {
  return `${x.license}${x.plus ? '+' : ''}${x.exception === undefined ? '' : ` WITH ${x.exception}`}`;
}

/**
 * Admits `allowed` the expression? OR needs one side, AND both; identifiers, "+", WITH and LicenseRef are compared
 * literally.
 */
function holds(x: Expression, allowed: ReadonlySet<string>): boolean {
  if (!('conjunction' in x)) return allowed.has(leafText(x));
  const left = holds(x.left, allowed),
    right = holds(x.right, allowed);
  return x.conjunction === 'or' ? left || right : left && right;
}

/** The entries of an allow-list. Throws Error for one that is no single licence. */
export function allowList(list: readonly string[]): ReadonlySet<string> {
  return new Set(
    list.map((text) => {
      let x: Expression;
      try {
        x = parseExpression(text);
      } catch {
        throw new Error(`${JSON.stringify(text.slice(0, 80))} is not an SPDX licence`);
      }
      if ('conjunction' in x) throw new Error(`${JSON.stringify(text.slice(0, 80))}: list the licences of an expression one by one`);
      return leafText(x);
    }),
  );
}

/** Is data under this SPDX expression admitted by a list? An expression that cannot be read is not. */
export function admitted(expression: string, allowed: ReadonlySet<string>): boolean {
  try {
    return holds(parseExpression(expression), allowed);
  } catch {
    return false;
  }
}
