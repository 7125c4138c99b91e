import { overLimit } from '../../errors.js';
import * as z from '../../schema.js';
import { admitted, allowList } from './expression.js';

/** What a row's class says: declared by whoever committed the row. */
export interface ClassFacts {
  readonly source: string;
  /** SPDX expression. */ readonly license: string;
  /** BCP 47 tag. */ readonly language: string;
  /** Sorted, each once. */ readonly tags: readonly string[];
}

/**
 * Predicate on classes: all, any and not over tests of one fact each. `language` holds for a tag and all that it is a
 * prefix of (en: en-GB too); `license` where the list admits the row's expression; `source` and `tag` for one of the
 * names.
 */
export type Predicate =
  | { readonly all: readonly Predicate[] }
  | { readonly any: readonly Predicate[] }
  | { readonly not: Predicate }
  | { readonly source: readonly string[] }
  | { readonly license: readonly string[] }
  | { readonly language: readonly string[] }
  | { readonly tag: readonly string[] };

/** Deepest nesting and most tests of a predicate: a manifest comes from anyone. */
const DEEPEST = 16,
  MOST_TESTS = 1000;

const names = z.array(z.string().min(1).max(1000)).min(1).max(256),
  licences = names.refine((x) => {
    try {
      return allowList(x).size === x.length;
    } catch {
      return false;
    }
  }, 'must list single SPDX licences, each once');

const node: z.Schema<Predicate> = z.lazy(() =>
  z.union([
    z.object({ all: z.array(node).min(1).max(256) }),
    z.object({ any: z.array(node).min(1).max(256) }),
    z.object({ not: node }),
    z.object({ source: names }),
    z.object({ license: licences }),
    z.object({ language: names }),
    z.object({ tag: names }),
  ]),
);

/**
 * Depth and tests of something that may be a predicate, without recursion: nothing deeper is given to the schema, which
 * recurses.
 */
function measured(x: unknown): boolean {
  const left: { readonly x: unknown; readonly depth: number }[] = [{ x, depth: 1 }];
  for (let seen = 0; left.length; ) {
    const at = left.pop()!;
    if (at.depth > DEEPEST || ++seen > MOST_TESTS) return false;
    if (at.x && typeof at.x === 'object')
      for (const [key, v] of Object.entries(at.x)) {
        if (key === 'not') left.push({ x: v, depth: at.depth + 1 });
        if ((key === 'all' || key === 'any') && Array.isArray(v)) for (const y of v) left.push({ x: y, depth: at.depth + 1 });
      }
  }
  return true;
}

/** Schema of a predicate, bounded in depth and size. */
export const predicateSchema = z
  .unknown()
  .refine(measured, `nests deeper than ${DEEPEST} or holds more than ${MOST_TESTS} tests`)
  .pipe(node);

/** A function of an object that is computed once for each: predicates and classes are never changed. */
function once<K extends object, V>(f: (x: K) => V): (x: K) => V {
  const known = new WeakMap<K, { readonly v: V }>();
  return (x) => {
    let e = known.get(x);
    if (!e) known.set(x, (e = { v: f(x) }));
    return e.v;
  };
}

/** Names of a test, as a set. */
const members = once((list: readonly string[]): ReadonlySet<string> => new Set(list)),
  /** Languages of a test without case, and the lengths that they have. */
  tongues = once((list: readonly string[]) => {
    const set = new Set(list.map((l) => l.toLowerCase()));
    return { set, lengths: [...new Set([...set].map((l) => l.length))] };
  }),
  /** Tag of a class, without case. */
  tongue = once((c: ClassFacts) => c.language.toLowerCase()),
  /** Licences of a test, and what they say of the expressions met so far: many classes have one. */
  licensing = once((list: readonly string[]) => ({ allowed: allowList(list), known: new Map<string, boolean>() }));

/** Is the tag one of the languages or a variety of one? Compared without case, part by part. */
function speaks(c: ClassFacts, languages: readonly string[]): boolean {
  const t = tongue(c),
    { set, lengths } = tongues(languages);
  return lengths.some((n) => (n === t.length || t[n] === '-') && set.has(t.slice(0, n)));
}

/** Does the list admit the expression? */
function licensed(expression: string, list: readonly string[]): boolean {
  const { allowed, known } = licensing(list);
  let x = known.get(expression);
  if (x === undefined) known.set(expression, (x = admitted(expression, allowed)));
  return x;
}

/** Most nodes and names of all predicates, for every class: what the class table takes to compute. */
export const MOST_COMPARISONS = 10_000_000;

/** Most tests of licences, for every expression that occurs: each test reads each expression. */
export const MOST_READINGS = 100_000;

/** Nodes and names of a predicate, and how many of its tests are of licences. */
function weight(p: Predicate): { readonly nodes: number; readonly licenses: number } {
  const below = 'all' in p ? p.all : 'any' in p ? p.any : 'not' in p ? [p.not] : [],
    list = 'source' in p ? p.source : 'license' in p ? p.license : 'language' in p ? p.language : 'tag' in p ? p.tag : [];
  return below.map(weight).reduce((s, x) => ({ nodes: s.nodes + x.nodes, licenses: s.licenses + x.licenses }), {
    nodes: 1 + list.length,
    licenses: 'license' in p ? 1 : 0,
  });
}

/** What of predicates is too much for so many classes: each is within its limits, and they are multiplied. */
export function tooManyTests(predicates: readonly Predicate[], classes: readonly ClassFacts[]): string[] {
  const all = predicates.map(weight),
    comparisons = classes.length * all.reduce((n, x) => n + x.nodes, 0),
    readings = new Set(classes.map((c) => c.license)).size * all.reduce((n, x) => n + x.licenses, 0);
  return [
    ...overLimit('tests and names of all bins times dataset.classes', comparisons, MOST_COMPARISONS),
    ...overLimit('tests of licences times the licences of dataset.classes', readings, MOST_READINGS),
  ];
}

/** Value of a predicate on a class: every list is read once, however many classes it is asked about. */
export function satisfied(p: Predicate, c: ClassFacts): boolean {
  if ('all' in p) return p.all.every((x) => satisfied(x, c));
  if ('any' in p) return p.any.some((x) => satisfied(x, c));
  if ('not' in p) return !satisfied(p.not, c);
  if ('source' in p) return members(p.source).has(c.source);
  if ('license' in p) return licensed(c.license, p.license);
  if ('language' in p) return speaks(c, p.language);
  const tags = members(c.tags);
  return p.tag.some((t) => tags.has(t));
}
