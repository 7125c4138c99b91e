import { describe, expect, it } from 'vitest';
import * as z from './schema.js';

const message = (s: z.Schema<unknown>, x: unknown): string[] => {
  const r = s.safeParse(x);
  return r.success ? [] : r.issues.map((i) => `${i.path.join('.')}: ${i.message}`);
};

describe('a schema', () => {
  it('names every problem by its place', () => {
    const s = z.object({ a: z.number().int().min(1).max(9), b: z.array(z.string().min(2)).max(2), c: z.literal('x').nullable() });
    expect(s.parse({ a: 3, b: ['ab'], c: null })).toEqual({ a: 3, b: ['ab'], c: null });
    expect(message(s, { a: 0.5, b: ['a', 7], c: 1, d: 2 })).toEqual([
      'a: Invalid input: expected int, received number',
      'b.0: Too small: expected string to have >=2 characters',
      'b.1: Invalid input: expected string, received number',
      'c: Invalid input: expected "x"',
      ': Unrecognized key: "d"',
    ]);
    for (const x of [Number.NaN, Number.POSITIVE_INFINITY, '3', null, 2 ** 53, 0, 10])
      expect(message(s, { a: x, b: [], c: 'x' }), String(x)).toHaveLength(1);
  });
  it('does not look into a list of the wrong length', () => {
    let seen = 0;
    const item = z.string().transform((x) => {
      seen++;
      return x;
    });
    expect(message(z.array(item).max(3), ['a', 'b', 'c', 'd'])).toHaveLength(1);
    expect(message(z.pair(item, item), ['a', 'b', 'c'])).toHaveLength(1);
    expect(seen).toBe(0);
  });
  it('takes what an object inherits for absent, and no key for the prototype', () => {
    expect(message(z.object({ constructor: z.string() }), {})).toHaveLength(1);
    const odd = JSON.parse('{"__proto__": 1, "a": 2}') as unknown;
    expect(message(z.object({ a: z.number() }), odd)).toEqual([': Unrecognized key: "__proto__"']);
    expect(message(z.record(z.string(), z.number()), odd)).toEqual(['__proto__: Invalid key in record']);
  });
  it('fills in defaults, and checks what is more than one key only where nothing else is wrong', () => {
    const s = z
      .object({ n: z.number().default(4), m: z.number().default(1) })
      .refine((x) => x.m < x.n, 'is not below n', ['m'])
      .prefault({});
    expect(s.parse(undefined)).toEqual({ n: 4, m: 1 });
    expect(message(s, { m: 5 })).toEqual(['m: is not below n']);
    expect(message(s, { m: 'x' })).toEqual(['m: Invalid input: expected number, received string']);
    expect(() => s.parse({ m: 5 })).toThrow(z.SchemaError);
  });
});
