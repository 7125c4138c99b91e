import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { FEDERATED, GROUPS, SHOWN, attacksPage } from './federated-attacks.js';
import { ROOT, sources } from './labels.js';

/** Names given to FederationError in the code of federated rounds; a name that is not written there is a failure. */
function names(): string[] {
  const out = new Set<string>();
  for (const f of sources('src/federated')) {
    const visit = (n: ts.Node): void => {
      if (ts.isNewExpression(n) && n.expression.getText() === 'FederationError') {
        const a = n.arguments?.[0];
        out.add(a && ts.isStringLiteral(a) ? a.text : `${f}: ${a?.getText()}`);
      }
      ts.forEachChild(n, visit);
    };
    visit(ts.createSourceFile(f, readFileSync(join(ROOT, f), 'utf8'), ts.ScriptTarget.ES2022, true));
  }
  return [...out].sort();
}

describe('the register of attacks on federated rounds', () => {
  it('has a record for every name that the code refuses by', () => {
    expect(Object.keys(FEDERATED).sort()).toEqual(names());
  });
  it('names tests that exist and hold the text', () => {
    for (const [name, a] of [...Object.entries(FEDERATED), ...SHOWN.map((x) => [x.lie, x] as const)]) {
      const [file, text] = a.test!;
      expect(existsSync(join(ROOT, file)), `${name}: ${file}`).toBe(true);
      expect(readFileSync(join(ROOT, file), 'utf8').includes(text), `${name}: ${file} has no "${text}"`).toBe(true);
      expect(a.group >= 1 && a.group <= 12, name).toBe(true);
    }
  });
  it('has every group, and a page that says what is here', () => {
    const groups = new Set([...Object.values(FEDERATED), ...SHOWN].map((a) => a.group));
    expect([...groups].sort((a, b) => a - b)).toEqual(GROUPS.map((_, i) => i + 1));
    for (const a of SHOWN) expect(a.ends, a.lie).toBeTruthy();
    expect(readFileSync(join(ROOT, 'docs/federated/attacks.md'), 'utf8'), 'write it again: attacksPage()').toBe(attacksPage());
  });
});
