import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { canonicalJson } from './canonical.js';

/** The text, or what is thrown. */
const said = (f: () => unknown): unknown => {
  try {
    return f();
  } catch (e) {
    return `${e}`;
  }
};

it('canonical JSON is that of the library, word for word, whatever is given', () => {
  const key = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.constantFrom('a', 'b', 'aa', 'B', '10', '9', '1a', '-1', '', '__proto__', 'constructor', '\ud800', '\u{1f600}', '\uffff', 'é'),
    ),
    leaf = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.double(),
      fc.integer(),
      fc.boolean(),
      fc.constantFrom(null, -0, 1e21, 1e-7, 5e-324, '\udc00', 'a\ud83d', '\ud83d\ude00', '\u2028"\\/\u0000'),
    ),
    { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        leaf,
        fc.array(tie('tree')),
        fc.array(fc.tuple(key, tie('tree'))).map((all) => {
          const x: Record<string, unknown> = {};
          for (const [k, v] of all) Object.defineProperty(x, k, { value: v, enumerable: true, configurable: true, writable: true });
          return x;
        }),
        fc.constantFrom(undefined, Symbol('s'), new Date(0), { toJSON: () => 7 }, [undefined], Array<number>(2), new Map([[1, 2]])),
      ),
    }));
  fc.assert(
    fc.property(tree, (x) => {
      expect(said(() => canonicalJson(x))).toEqual(said(() => canonicalize(x)));
    }),
    { numRuns: 2000 },
  );
  const circle: Record<string, unknown> = {};
  circle['a'] = circle;
  let deep: unknown = 1;
  for (let i = 0; i < 300; i++) deep = i % 2 ? [deep] : { b: deep, a: i };
  for (const x of [circle, deep, 1n, { a: 1n }, Number.NaN, [Number.POSITIVE_INFINITY], { b: 1, a: { d: 1, c: 2 } }])
    expect(said(() => canonicalJson(x))).toEqual(said(() => canonicalize(x)));
});
