/**
 * Every value inside `x` with something else in its place, one at a time: the path, and the whole that holds it. Lists
 * also grow by their first item.
 */
export function* altered(x: unknown, rebuild: (y: unknown) => unknown = (y) => y, at = ''): Generator<[string, unknown]> {
  if (Array.isArray(x)) {
    const list = x as unknown[];
    yield [at, rebuild([...list, ...(list.length ? [list[0]] : ['x'])])];
    for (const [i, y] of list.entries()) yield* altered(y, (z) => rebuild(list.map((w, j) => (j === i ? z : w))), `${at}[${i}]`);
  } else if (x && typeof x === 'object')
    for (const [key, y] of Object.entries(x)) yield* altered(y, (z) => rebuild({ ...x, [key]: z }), at ? `${at}.${key}` : key);
  else yield [at, rebuild(other(x))];
}

/** Another value of the same kind. */
function other(x: unknown): unknown {
  if (typeof x === 'number') return x + 1;
  if (typeof x === 'boolean') return !x;
  if (typeof x !== 'string') return 1;
  if (/^\d+$/.test(x)) return String(BigInt(x) + 1n);
  return x.startsWith('sha256:') ? `sha256:${'0'.repeat(64)}` : `${x}x`;
}
