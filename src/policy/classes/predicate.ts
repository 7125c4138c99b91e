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

/** Does the tag belong to the language or a variety of it? Compared without case, part by part. */
export function speaks(tag: string, language: string): boolean {
  const t = tag.toLowerCase(),
    l = language.toLowerCase();
  return t === l || t.startsWith(`${l}-`);
}

/** Value of a predicate on a class. */
export function satisfied(p: Predicate, c: ClassFacts): boolean {
  if ('all' in p) return p.all.every((x) => satisfied(x, c));
  if ('any' in p) return p.any.some((x) => satisfied(x, c));
  if ('not' in p) return !satisfied(p.not, c);
  if ('source' in p) return p.source.includes(c.source);
  if ('license' in p) return admitted(c.license, allowList(p.license));
  if ('language' in p) return p.language.some((l) => speaks(c.language, l));
  return p.tag.some((t) => c.tags.includes(t));
}
