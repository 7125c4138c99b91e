import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** Root of the project. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Source files of a folder of src, tests left out, by path from the root. */
export function sources(folder = 'src'): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true })
    .flatMap((e) => {
      const path = `${folder}/${e.name}`;
      return e.isDirectory() ? sources(path) : /(?<!\.test|\.d|-case)\.ts$/.test(e.name) ? [path] : [];
    })
    .sort();
}
const parsed = new Map<string, ts.SourceFile>();
const parse = (path: string): ts.SourceFile => {
  let s = parsed.get(path);
  if (!s) {
    s = ts.createSourceFile(path, readFileSync(join(ROOT, path), 'utf8'), ts.ScriptTarget.ES2022, true);
    parsed.set(path, s);
  }
  return s;
};
const walk = (n: ts.Node, f: (n: ts.Node) => void): void => {
  f(n);
  ts.forEachChild(n, (c) => walk(c, f));
};

/** A label as written, `#` where something is filled in; undefined where it is not written there. */
function label(n: ts.Expression | undefined): string[] {
  if (!n) return [];
  if (ts.isStringLiteralLike(n)) return [n.text];
  if (ts.isTemplateExpression(n)) return [n.head.text + n.templateSpans.map((s) => `#${s.literal.text}`).join('')];
  if (ts.isConditionalExpression(n)) return [...label(n.whenTrue), ...label(n.whenFalse)];
  return [];
}

/**
 * Names of the checks that source files make, with the files: the first argument of VerificationError, and what is
 * given for a parameter `check` of any function or method.
 */
export function checkLabels(files: readonly string[]): Map<string, string[]> {
  const takes = new Map<string, Set<number>>(),
    out = new Map<string, Set<string>>();
  for (const f of files)
    walk(parse(f), (n) => {
      if (!ts.isFunctionDeclaration(n) && !ts.isMethodDeclaration(n) && !ts.isMethodSignature(n)) return;
      const at = n.parameters.findIndex((p) => p.name.getText() === 'check');
      if (at >= 0 && n.name) takes.set(n.name.getText(), (takes.get(n.name.getText()) ?? new Set()).add(at));
    });
  for (const f of files) {
    const add = (n: ts.Expression | undefined): void => {
      for (const l of label(n)) out.set(l, (out.get(l) ?? new Set()).add(f));
    };
    walk(parse(f), (n) => {
      if (ts.isNewExpression(n) && n.expression.getText() === 'VerificationError') add(n.arguments?.[0]);
      if (!ts.isCallExpression(n)) return;
      const name = ts.isPropertyAccessExpression(n.expression) ? n.expression.name.text : n.expression.getText();
      for (const at of takes.get(name) ?? []) add(n.arguments[at]);
    });
  }
  return new Map([...out].sort().map(([l, fs]) => [l, [...fs]]));
}
