import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { EXCEPTIONS } from '../tools/assurance/exceptions.js';

/*
 * What the checks of tools/assurance rest on: that they do not use the code which they check, and that what they except
 * is established where the list says. The checks themselves are npm run assurance.
 */
const root = fileURLToPath(new URL('..', import.meta.url)),
  tools = join(root, 'tools/assurance');

/** Modules that a file names, types included. */
const imports = (file: string): string[] =>
  [...readFileSync(file, 'utf8').matchAll(/(?:\bfrom |\bimport\(|^import )'([^']+)'/gm)].map((m) => m[1]);

/** Everything that a file of tools/assurance reaches by relative imports. */
function reached(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const i of imports(file)) if (i.startsWith('.')) reached(resolve(dirname(file), i.replace(/\.js$/, '.ts')), seen);
  return seen;
}

describe('machine-checked relations', () => {
  it.each(['validate.ts', 'circuit.ts', 'policy.ts', 'ledger.ts', 'lemmas.ts', 'mutants.ts'])(
    '%s reads data alone: it reaches neither the package nor anything outside of its folder',
    (name) => {
      for (const file of reached(join(tools, name))) {
        expect(file.startsWith(tools), file).toBe(true);
        expect(existsSync(file), file).toBe(true);
        for (const i of imports(file))
          expect(i.startsWith('./') || i.startsWith('node:') || i === 'z3-solver', `${file} imports ${i}`).toBe(true);
      }
    },
  );

  it('three files alone take programs, circuits and ledgers from the package, by its name', () => {
    const using = readdirSync(tools).filter(
      (f) => f.endsWith('.ts') && imports(join(tools, f)).some((i) => i === 'certune' || i.startsWith('certune/')),
    );
    expect(using.sort()).toEqual(['policy-circuit.ts', 'programs.ts', 'runs.ts']);
  });

  it('every exception says who establishes the format instead, in files that exist', () => {
    for (const e of EXCEPTIONS) {
      expect(e.reason.length, e.tensor).toBeGreaterThan(40);
      expect(e.places.length, e.tensor).toBeGreaterThan(0);
      for (const p of e.places) expect(existsSync(join(root, p)), `${e.tensor}: ${p}`).toBe(true);
    }
  });

  it('the solver is one version, needed for development alone', () => {
    const p = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, Record<string, string>>;
    expect(p['devDependencies']['z3-solver']).toMatch(/^\d+\.\d+\.\d+$/);
    expect(p['dependencies']['z3-solver']).toBeUndefined();
  });

  it('every row of the table of relations names a lemma that is asked', async () => {
    const { LEMMAS } = await import('../tools/assurance/lemmas.js'),
      names = new Set(LEMMAS.map((l) => l.name)),
      text = readFileSync(join(root, 'docs/soundness.md'), 'utf8'),
      section = text.slice(text.indexOf('## 2.'), text.indexOf('## 3.')),
      rows = section.split('\n').filter((l) => l.startsWith('| ') && !/^\| (relation|---)/.test(l));
    expect(rows.length).toBeGreaterThan(8);
    for (const r of rows) {
      const cells = r.split(' | '),
        named = (cells[3] ?? '').replace(/ \|$/, '').split('; ');
      for (const n of named) expect(n === 'by definition' || names.has(n), `${cells[0]}: ${n}`).toBe(true);
    }
  });
});
