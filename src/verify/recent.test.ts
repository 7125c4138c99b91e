import { describe, expect, it } from 'vitest';
import { Recent } from './recent.js';

describe('what was made last', () => {
  it('is not made again, and no more than four things are kept', () => {
    const recent = new Recent<string>(),
      made: string[] = [],
      get = (name: string): string =>
        recent.get(name, () => {
          made.push(name);
          return name.toUpperCase();
        });
    for (const n of ['a', 'b', 'c', 'd', 'a', 'e', 'a', 'b']) expect(get(n)).toBe(n.toUpperCase());
    // b was the one asked for longest ago when e came.
    expect(made).toEqual(['a', 'b', 'c', 'd', 'e', 'b']);
  });
  it('forgets what could not be made', () => {
    const recent = new Recent<number>();
    expect(() =>
      recent.get('a', () => {
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(recent.get('a', () => 1)).toBe(1);
  });
});
