import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

/*
 * The register of attacks on signatures, cards and policies: docs/provenance-attacks.md has one row for each number,
 * and the test that it names holds the number in a title and the words of the refusal.
 */
const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8'),
  page = read('docs/provenance-attacks.md'),
  rows = page.split('\n').map((l) => l.split('|').map((c) => c.trim())),
  files = new Map(rows.flatMap(([, name, file]) => (/^`\S+\.test\.ts`/.test(file ?? '') ? [[name, /`([^`]+)`/.exec(file)![1]]] : []))),
  attacks = rows
    .filter(([, n]) => /^\d+$/.test(n ?? ''))
    .map(([, n, , words, test]) => ({ n: Number(n), words: words.slice(1, -1), test }));

/** Numbers in the titles of a test: "12: ...", "17, 18: ...". */
const numbers = (text: string): Set<number> =>
  new Set(
    [...text.matchAll(/\bit(?:\.each\([^\n]*\)|\.skipIf\([^\n]*\))?\(\s*['"`]((?:\d+(?:, )?)+): /g)].flatMap(([, n]) =>
      n.split(', ').map(Number),
    ),
  );

describe('the attacks of docs/provenance-attacks.md', () => {
  it('are 52, each once', () => {
    expect(attacks.map((a) => a.n)).toEqual(Array.from({ length: 52 }, (_, i) => i + 1));
    expect([...files.keys()]).toEqual(['cards', 'intel', 'vectors', 'envelope', 'policy', 'release']);
  });
  it.each(attacks)('$n has a test that holds its number and its refusal: $words', ({ n, words, test }) => {
    const file = files.get(test);
    expect(file, `the test of ${n}`).toBeDefined();
    const text = read(file!);
    // 52 is a module that every command of its test runs under.
    if (n !== 52) expect([...numbers(text)], `titles of ${file}`).toContain(n);
    expect(text, `${file} on ${n}`).toContain(words);
  });
});
