import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/* What imports what: the graph of the modules under src/, read with the compiler's parser. */

const root = fileURLToPath(new URL('..', import.meta.url));

export interface Import {
  /** Path from the project's root, or the name of a package. */ readonly to: string;
  /** Types alone: nothing of it is there at run time. */ readonly type: boolean;
}

/** TypeScript files below a folder of the project. */
export const typescript = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile() && /\.ts$/.test(e.name))
    .map((e) => relative(root, join(e.parentPath, e.name)).split('\\').join('/'))
    .sort();

/** Sources under src/, tests and generated modules apart. */
export const sources = (): string[] =>
  typescript('src').filter((f) => !/\.test\.ts$|\.d\.ts$/.test(f) && !/^src\/kernels\/(as|generated)\//.test(f));

export const parsed = (file: string): ts.SourceFile =>
  ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.ES2022, true);

/** Imports and re-exports of a file, and what it loads while it runs. */
export function importsOf(file: string): Import[] {
  const sf = parsed(file),
    out: Import[] = [];
  const add = (spec: ts.Expression, type: boolean): void => {
    if (!ts.isStringLiteral(spec)) return;
    out.push({
      to: spec.text.startsWith('.') ? join(dirname(file), spec.text).split('\\').join('/').replace(/\.js$/, '.ts') : spec.text,
      type,
    });
  };
  const visit = (n: ts.Node): void => {
    if (ts.isImportDeclaration(n)) {
      const c = n.importClause,
        named = c?.namedBindings && ts.isNamedImports(c.namedBindings) ? c.namedBindings.elements : undefined;
      add(
        n.moduleSpecifier,
        c !== undefined && (c.isTypeOnly || (c.name === undefined && named !== undefined && named.every((e) => e.isTypeOnly))),
      );
    } else if (ts.isExportDeclaration(n) && n.moduleSpecifier) {
      const named = n.exportClause && ts.isNamedExports(n.exportClause) ? n.exportClause.elements : undefined;
      add(n.moduleSpecifier, n.isTypeOnly || (named?.every((e) => e.isTypeOnly) ?? false));
    } else if (ts.isCallExpression(n) && n.expression.kind === ts.SyntaxKind.ImportKeyword) add(n.arguments[0], false);
    else if (ts.isImportTypeNode(n) && ts.isLiteralTypeNode(n.argument)) add(n.argument.literal as ts.Expression, true);
    ts.forEachChild(n, visit);
  };
  visit(sf);
  return out;
}

/** Groups of nodes that reach each other, of more than one node (Tarjan). */
export function circles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const index = new Map<string, number>(),
    low = new Map<string, number>(),
    stack: string[] = [],
    out: string[][] = [];
  const go = (v: string): void => {
    index.set(v, index.size);
    low.set(v, index.get(v)!);
    stack.push(v);
    for (const w of graph.get(v) ?? []) {
      if (!index.has(w)) go(w);
      if (stack.includes(w)) low.set(v, Math.min(low.get(v)!, low.get(w)!));
    }
    if (low.get(v) !== index.get(v)) return;
    const group = stack.splice(stack.indexOf(v));
    if (group.length > 1) out.push(group.sort());
  };
  for (const v of graph.keys()) if (!index.has(v)) go(v);
  return out;
}
