/**
 * Schemas of values that come from anyone: what a value must be, checked whole, with every problem named by its path.
 * Nothing of Node and no library, so that a verifier in a browser checks manifests and keys with it as the command line
 * does.
 */

/** A place inside a value: keys of objects, numbers in lists. */
export type Path = readonly (string | number)[];

/** One problem. `keys` are those that an object should not have, `values` those of which one was expected. */
export type Issue =
  | { readonly code: 'unknown_keys'; readonly path: Path; readonly message: string; readonly keys: readonly string[] }
  | { readonly code: 'choice'; readonly path: Path; readonly message: string; readonly values: readonly string[] }
  | { readonly code: 'type' | 'bounds' | 'other'; readonly path: Path; readonly message: string };

/** So many problems are found and no more: a hostile file may have as many as it has values. */
export const MOST_ISSUES = 100;

/** What a check gives in place of a value of the wrong kind; its problems are in the list. */
const REFUSED: unique symbol = Symbol('refused');
type Checked<T> = T | typeof REFUSED;
type Check<T> = (x: unknown, at: Path, issues: Issue[]) => Checked<T>;

/** The values that a schema lets through. */
export type Infer<S> = S extends Schema<infer T> ? T : never;

/** Problems of a value that `parse` refuses. */
export class SchemaError extends Error {
  constructor(readonly issues: readonly Issue[]) {
    super(issues.map((i) => `${i.path.join('.')}: ${i.message}`).join('; '));
    this.name = 'SchemaError';
  }
}

/** What the value is called in a message. */
function kindOf(x: unknown): string {
  if (typeof x === 'number') return Number.isFinite(x) ? 'number' : String(x);
  if (x === null) return 'null';
  return Array.isArray(x) ? 'array' : typeof x;
}

const wrongType = (expected: string, x: unknown, path: Path): Issue => ({
  code: 'type',
  path,
  message: `Invalid input: expected ${expected}, received ${kindOf(x)}`,
});

export class Schema<T> {
  constructor(readonly check: Check<T>) {}

  /** The value, with defaults and normal forms, or all its problems. */
  safeParse(x: unknown): { readonly success: true; readonly data: T } | { readonly success: false; readonly issues: readonly Issue[] } {
    const issues: Issue[] = [],
      data = this.check(x, [], issues);
    return data === REFUSED || issues.length ? { success: false, issues: issues.slice(0, MOST_ISSUES) } : { success: true, data };
  }
  /** The value, with defaults and normal forms. Throws SchemaError. */
  parse(x: unknown): T {
    const r = this.safeParse(x);
    if (!r.success) throw new SchemaError(r.issues);
    return r.data;
  }
  /** The same, and `holds` where nothing else is wrong; the problem is named at `path` inside the value. */
  refine(holds: (x: T) => boolean, message: string, path: Path = []): Schema<T> {
    return this.#after((x, at, issues) => {
      if (!holds(x)) issues.push({ code: 'other', path: [...at, ...path], message });
      return x;
    });
  }
  /** The value that `f` makes of one that is right; what f throws is the problem. */
  transform<U>(f: (x: T) => U): Schema<U> {
    return this.#after((x, at, issues) => {
      try {
        return f(x);
      } catch (e) {
        issues.push({ code: 'other', path: at, message: e instanceof Error ? e.message : String(e) });
        return REFUSED;
      }
    });
  }
  /** A second schema for what passes this one. */
  pipe<U>(next: Schema<U>): Schema<U> {
    return this.#after(next.check);
  }
  nullable(): Schema<T | null> {
    return new Schema<T | null>((x, at, issues) => (x === null ? null : this.check(x, at, issues)));
  }
  /** `value` where there is none; it must be one that passes. */
  default(value: T): Schema<T> {
    return new Schema((x, at, issues) => this.check(x === undefined ? value : x, at, issues));
  }
  /** `value` where there is none, before its own defaults are filled in. */
  prefault(value: unknown): Schema<T> {
    return new Schema((x, at, issues) => this.check(x === undefined ? value : x, at, issues));
  }
  #after<U>(next: (x: T, at: Path, issues: Issue[]) => Checked<U>): Schema<U> {
    return new Schema((x, at, issues) => {
      const before = issues.length,
        v = this.check(x, at, issues);
      return v === REFUSED || issues.length > before ? REFUSED : next(v, at, issues);
    });
  }
}

/** A bound on a value of the right kind: a message where it does not hold. */
type Bound<T> = (x: T) => string | undefined;

function bounded<T>(kind: string, is: (x: unknown) => x is T, bounds: readonly Bound<T>[]): Check<T> {
  return (x, path, issues) => {
    if (!is(x)) {
      issues.push(wrongType(kind, x, path));
      return REFUSED;
    }
    for (const b of bounds) {
      const message = b(x);
      if (message !== undefined) issues.push({ code: 'bounds', path, message });
    }
    return x;
  };
}

const small = (what: string): string => `Too small: expected ${what}`,
  big = (what: string): string => `Too big: expected ${what}`;

const isNumber = (x: unknown): x is number => typeof x === 'number' && Number.isFinite(x);
/** A finite number. */
export class NumberSchema extends Schema<number> {
  readonly #bounds: readonly Bound<number>[];
  readonly #whole: boolean;
  constructor(bounds: readonly Bound<number>[] = [], whole = false) {
    const check = bounded('number', isNumber, bounds);
    super((x, at, issues) => {
      if (!whole || !isNumber(x) || Number.isSafeInteger(x)) return check(x, at, issues);
      issues.push(wrongType('int', x, at));
      return REFUSED;
    });
    this.#bounds = bounds;
    this.#whole = whole;
  }
  #and(b: Bound<number>): NumberSchema {
    return new NumberSchema([...this.#bounds, b], this.#whole);
  }
  /** A whole number that a double holds exactly. */
  int(): NumberSchema {
    return new NumberSchema(this.#bounds, true);
  }
  min(n: number): NumberSchema {
    return this.#and((x) => (x >= n ? undefined : small(`number to be >=${n}`)));
  }
  max(n: number): NumberSchema {
    return this.#and((x) => (x <= n ? undefined : big(`number to be <=${n}`)));
  }
  lt(n: number): NumberSchema {
    return this.#and((x) => (x < n ? undefined : big(`number to be <${n}`)));
  }
  positive(): NumberSchema {
    return this.#and((x) => (x > 0 ? undefined : small('number to be >0')));
  }
  nonnegative(): NumberSchema {
    return this.min(0);
  }
}

const isText = (x: unknown): x is string => typeof x === 'string';
/** A text; lengths are in UTF-16 code units. */
export class StringSchema extends Schema<string> {
  readonly #bounds: readonly Bound<string>[];
  constructor(bounds: readonly Bound<string>[] = []) {
    super(bounded('string', isText, bounds));
    this.#bounds = bounds;
  }
  #and(b: Bound<string>): StringSchema {
    return new StringSchema([...this.#bounds, b]);
  }
  min(n: number): StringSchema {
    return this.#and((x) => (x.length >= n ? undefined : small(`string to have >=${n} characters`)));
  }
  max(n: number): StringSchema {
    return this.#and((x) => (x.length <= n ? undefined : big(`string to have <=${n} characters`)));
  }
  regex(pattern: RegExp): StringSchema {
    return this.#and((x) => (pattern.test(x) ? undefined : `Invalid string: must match pattern ${pattern}`));
  }
}

/** A list whose items all pass one schema. */
export class ArraySchema<T> extends Schema<T[]> {
  readonly #item: Schema<T>;
  readonly #bounds: readonly Bound<readonly unknown[]>[];
  constructor(item: Schema<T>, bounds: readonly Bound<readonly unknown[]>[] = []) {
    const check = bounded('array', Array.isArray, bounds);
    super((x, at, issues) => {
      const before = issues.length,
        list = check(x, at, issues);
      // A list of the wrong length is not looked into: it may be as long as a file.
      if (list === REFUSED || issues.length > before) return REFUSED;
      const out: T[] = [];
      for (const [i, y] of list.entries()) {
        // It is refused already.
        if (issues.length >= MOST_ISSUES) break;
        const v = item.check(y, [...at, i], issues);
        if (v !== REFUSED) out.push(v);
      }
      return out;
    });
    this.#item = item;
    this.#bounds = bounds;
  }
  #and(b: Bound<readonly unknown[]>): ArraySchema<T> {
    return new ArraySchema(this.#item, [...this.#bounds, b]);
  }
  min(n: number): ArraySchema<T> {
    return this.#and((x) => (x.length >= n ? undefined : small(`array to have >=${n} items`)));
  }
  max(n: number): ArraySchema<T> {
    return this.#and((x) => (x.length <= n ? undefined : big(`array to have <=${n} items`)));
  }
  length(n: number): ArraySchema<T> {
    return this.#and((x) => (x.length === n ? undefined : (x.length < n ? small : big)(`array to have exactly ${n} items`)));
  }
}

export const number = (): NumberSchema => new NumberSchema();
export const string = (): StringSchema => new StringSchema();
export const boolean = (): Schema<boolean> => new Schema(bounded('boolean', (x): x is boolean => typeof x === 'boolean', []));
export const unknown = (): Schema<unknown> => new Schema((x) => x);
export const array = <T>(item: Schema<T>): ArraySchema<T> => new ArraySchema(item);

const quoted = (x: string | number): string => (typeof x === 'string' ? `"${x}"` : String(x));

/** One value. */
export const literal = <const T extends string | number>(value: T): Schema<T> =>
  new Schema<T>((x, path, issues) => {
    if (x === value) return value;
    issues.push({ code: 'choice', path, message: `Invalid input: expected ${quoted(value)}`, values: [String(value)] });
    return REFUSED;
  });

/** One of several texts. */
export const oneOf = <const T extends string>(values: readonly T[]): Schema<T> =>
  new Schema<T>((x, path, issues) => {
    const found = values.find((v) => v === x);
    if (found !== undefined) return found;
    issues.push({ code: 'choice', path, message: `Invalid option: expected one of ${values.map(quoted).join('|')}`, values });
    return REFUSED;
  });

/** Two values, each of its own schema. */
export const pair = <A, B>(a: Schema<A>, b: Schema<B>): Schema<[A, B]> =>
  new Schema<[A, B]>((x, at, issues) => {
    if (!Array.isArray(x)) {
      issues.push(wrongType('array', x, at));
      return REFUSED;
    }
    if (x.length !== 2) {
      issues.push({ code: 'bounds', path: at, message: (x.length < 2 ? small : big)('array to have exactly 2 items') });
      return REFUSED;
    }
    const first = a.check(x[0], [...at, 0], issues),
      second = b.check(x[1], [...at, 1], issues);
    return first === REFUSED || second === REFUSED ? REFUSED : [first, second];
  });

const isObject = (x: unknown): x is Record<string, unknown> => typeof x === 'object' && x !== null && !Array.isArray(x);

/** An object with these keys and no other. A key that is inherited, as "constructor" is, is not there. */
export const object = <S extends Readonly<Record<string, Schema<unknown>>>>(shape: S): Schema<{ [K in keyof S]: Infer<S[K]> }> =>
  new Schema((x, at, issues) => {
    if (!isObject(x)) {
      issues.push(wrongType('object', x, at));
      return REFUSED;
    }
    const out: Partial<{ [K in keyof S]: Infer<S[K]> }> = {};
    let whole = true;
    for (const key in shape) {
      const v = shape[key].check(Object.hasOwn(x, key) ? x[key] : undefined, [...at, key], issues);
      if (v === REFUSED) whole = false;
      else out[key] = v as Infer<S[typeof key]>;
    }
    const keys = Object.keys(x).filter((k) => !Object.hasOwn(shape, k));
    if (keys.length)
      issues.push({
        code: 'unknown_keys',
        path: at,
        message: `Unrecognized key${keys.length > 1 ? 's' : ''}: ${keys.map(quoted).join(', ')}`,
        keys,
      });
    return whole ? (out as { [K in keyof S]: Infer<S[K]> }) : REFUSED;
  });

/**
 * An object whose keys and values each pass a schema. "__proto__" is no key: an object that is written to would take it
 * for something else.
 */
export const record = <T>(key: Schema<string>, value: Schema<T>): Schema<Record<string, T>> =>
  new Schema((x, at, issues) => {
    if (!isObject(x)) {
      issues.push(wrongType('object', x, at));
      return REFUSED;
    }
    const out: Record<string, T> = {};
    for (const [k, y] of Object.entries(x)) {
      if (issues.length >= MOST_ISSUES) break;
      const bad: Issue[] = [];
      if (k === '__proto__' || key.check(k, at, bad) === REFUSED || bad.length) {
        issues.push({ code: 'other', path: [...at, k], message: 'Invalid key in record' });
        continue;
      }
      const v = value.check(y, [...at, k], issues);
      if (v !== REFUSED) out[k] = v;
    }
    return out;
  });

/** The first of several schemas that the value passes. */
export const union = <const O extends readonly Schema<unknown>[]>(options: O): Schema<Infer<O[number]>> =>
  new Schema<Infer<O[number]>>((x, path, issues) => {
    for (const o of options) {
      const r = o.safeParse(x);
      if (r.success) return r.data as Infer<O[number]>;
    }
    issues.push({ code: 'other', path, message: 'Invalid input' });
    return REFUSED;
  });

/**
 * A schema that is made when it is first used: for one that contains itself. Whoever uses it bounds the depth first.
 */
export function lazy<T>(make: () => Schema<T>): Schema<T> {
  let made: Schema<T> | undefined;
  return new Schema((x, at, issues) => {
    made ??= make();
    return made.check(x, at, issues);
  });
}
