import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Template } from './render.js';
import { TemplateBudgetError, TemplateError, fromJson } from './values.js';

const messages = (n: number): { role: string; content: string }[] =>
    Array.from({ length: n }, (_, i) => ({ role: i % 2 ? 'assistant' : 'user', content: ` line ${i}\nof two ` })),
  budget = (m: { content: string }[]): number => 50_000 + 4000 * m.length + m.reduce((n, x) => n + x.content.length, 0),
  render = (t: string, m = messages(4)): string =>
    new Template(t).render(
      new Map([
        ['messages', fromJson(m)],
        ['bos_token', '<s>'],
        ['eos_token', '</s>'],
        ['add_generation_prompt', false],
      ]),
      budget(m),
    );

describe('a template within its budget', () => {
  it('leaves conversations of a thousand turns alone', () => {
    const file = fileURLToPath(new URL('../../examples/base/tokenizer_config.json', import.meta.url)),
      chat = (JSON.parse(readFileSync(file, 'utf8')) as { chat_template?: string }).chat_template,
      // Looks back at the list from every message, as templates of tool calls do.
      back = '{% for m in messages %}{{ m.role }}{{ messages[loop.index0 - 1].content | trim }}{{ messages | length }}{% endfor %}';
    for (const t of [chat, back]) if (t !== undefined) expect(render(t, messages(1000)).length).toBeGreaterThan(10_000);
  });
});

describe('a template beyond its budget', () => {
  it.each([
    [
      'nested loops',
      '{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}',
      /steps/,
    ],
    ['loops over nothing', '{% for a in range(16000) %}{% for b in range(16000) %}{% endfor %}{% endfor %}', /steps/],
    ['a long list', '{{ range(10 ** 9) }}', /list/],
    ['a list in tiny steps', '{{ range(0, 1, 0.000000001) }}', /range of float/],
    ['a text that doubles', `{% set x = "ab" %}${'{% set x = x ~ x %}'.repeat(40)}{{ x }}`, /text|steps/],
    ['a text that doubles by plus', `{% set x = "ab" %}${'{% set x = x + x %}'.repeat(40)}{{ x }}`, /text|steps/],
    ['a list that doubles', `{% set x = [1] %}${'{% set x = x + x %}'.repeat(40)}{{ x }}`, /list|steps/],
    ['replacements', `{% set x = "a" %}${'{% set x = x | replace("a", "aaaaaaaaaaaaaaaa") %}'.repeat(20)}`, /text|steps/],
    ['replacements of nothing', `{% set x = "a" %}${'{% set x = x.replace("", "aaaaaaaaaaaaaaaa") %}'.repeat(20)}`, /text|steps/],
    ['joins', `{% set x = "ab" %}${'{% set x = x | join(x) %}'.repeat(20)}`, /text|steps/],
    ['a wide indent', '{{ "a\nb" | indent(1000000000) }}', /text/],
    ['a wide tojson', '{{ messages | tojson(indent=1000000000) }}', /text/],
    [
      'a macro that calls itself twice',
      '{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}',
      /steps/,
    ],
  ])('%s', (_, t, why) => {
    let error: unknown;
    try {
      render(t);
    } catch (e) {
      error = e;
    }
    expect(error).toBeInstanceOf(TemplateError);
    expect((error as Error).message).toMatch(why);
  });
  it('is told by its steps, not by a clock', () => {
    expect(() => new Template('{% for a in range(100) %}{{ a }}{% endfor %}').render(new Map(), 100)).toThrow(TemplateBudgetError);
  });
});
