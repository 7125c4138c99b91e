import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Template } from './render.js';
import { Dict, TemplateError, type Value, fromJson } from './values.js';

/** Templates with what Jinja2 makes of them (test/data/make-jinja2.py): null where it raises. */
const { variables, cases } = JSON.parse(readFileSync(new URL('../../test/data/jinja2.json', import.meta.url), 'utf8')) as {
  variables: Record<string, unknown>;
  cases: [string, string | null][];
};
const render = (t: string, more: Record<string, unknown> = variables): string =>
  new Template(t).render(new Map<string, Value>(Object.entries(more).map(([k, v]) => [k, fromJson(v)])), 1e6);
const errorOf = (t: string, more?: Record<string, unknown>): string => {
  try {
    return `gave ${JSON.stringify(render(t, more))}`;
  } catch (e) {
    expect(e).toBeInstanceOf(TemplateError);
    return (e as Error).message;
  }
};
/** What is not supported and therefore refused, though Jinja2 renders it. */
const REFUSED = /sameas|\|e \}\}|format\("b"\)/;

describe('templates as Jinja2 renders them', () => {
  it.each(cases.filter(([t, want]) => want !== null && !REFUSED.test(t)))('%j', (t, want) => {
    expect(render(t)).toBe(want);
  });
  it.each(cases.filter(([t, want]) => want === null || REFUSED.test(t)))('%j is refused', (t) => {
    expect(errorOf(t)).not.toMatch(/^gave/);
  });
});

describe('what is refused', () => {
  it('names filters, tests, methods and statements that are not supported, those of the text before anything is rendered', () => {
    for (const t of ['{{ x | xmlattr }}', '{{ 1 is sameas 1 }}', '{% if false %}{{ "a" | urlize }}{% endif %}'])
      expect(() => new Template(t)).toThrow(/not supported: the (filter|test) \w+/);
    expect(() => new Template('{% include "x" %}')).toThrow(/line 1: the statement include is not supported/);
    expect(errorOf('{{ "a".encode() }}')).toMatch(/the method encode of texts is not supported/);
    expect(errorOf('{{ [1].append(2) }}')).toMatch(/the method append of lists is not supported/);
    expect(errorOf('{{ "a".strip("a", "b") }}')).toMatch(/strip takes at most 1 arguments/);
    expect(errorOf('{{ "a" | trim(x=1) }}')).toMatch(/trim has no argument x/);
    expect(errorOf('{{ 9007199254740991 + 1 }}')).toMatch(/beyond 2\^53/);
    expect(errorOf('{{ "ǆa".title() }}')).toMatch(/not supported for ǆ/);
  });
  it('names the line of what cannot be read', () => {
    for (const [t, m] of [
      ['a\n{% for %}', /line 2: expected name/],
      ['{{ x', /line 1: }} is missing/],
      ['{% if a %}', /endif is missing/],
      ['{{ "a }}', /unexpected character/],
      ['{% raw %}', /endraw is missing/],
      ['{# a', /#} is missing/],
      ['{% break %}', /break stands outside of a loop/],
      [`{{ ${'('.repeat(300)}1${')'.repeat(300)} }}`, /nested too deep/],
    ] as const)
      expect(errorOf(t)).toMatch(m);
  });
  it('names what is undefined where it is used, and only there', () => {
    expect(errorOf('{{ a.b }}', {})).toBe('a is undefined');
    expect(errorOf('{{ f() }}', {})).toBe('f is undefined');
    expect(render('{{ a }}{% if a is defined %}x{% endif %}', {})).toBe('');
  });
});

describe('mappings', () => {
  it('know which of their keys were read', () => {
    const m = fromJson({ role: 'user', content: 'a', tool_calls: [1], name: 'n' }) as Dict,
      seen = (t: string): string[] => {
        const d = new Dict(m.entries);
        new Template(t).render(new Map<string, Value>([['m', d]]), 1e4);
        return d.whole ? ['all'] : [...d.read].sort();
      };
    expect(seen('{{ m.role + m["content"] }}')).toEqual(['content', 'role']);
    expect(seen('{% if m.tool_calls %}{% endif %}{{ m.get("name") }}{{ "content" in m }}')).toEqual(['name', 'tool_calls']);
    expect(seen('{{ m | tojson }}')).toEqual(['all']);
    expect(seen('{% for k, v in m.items() %}{% endfor %}')).toEqual(['all']);
  });
});
