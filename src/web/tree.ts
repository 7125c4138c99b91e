/*
 * What the page and the report show, as a tree of elements and text that is neither markup nor a document yet. A
 * browser makes it with createElement and text nodes (page/dom.ts), a report writes it with everything escaped
 * (html.ts): no word of a file can be more than text in either.
 */

/** Elements that are used: none that loads, runs or embeds anything. */
export type Tag =
  | 'article'
  | 'bdi'
  | 'caption'
  | 'code'
  | 'dd'
  | 'details'
  | 'div'
  | 'dl'
  | 'dt'
  | 'figcaption'
  | 'figure'
  | 'footer'
  | 'h1'
  | 'h2'
  | 'h3'
  | 'header'
  | 'li'
  | 'main'
  | 'ol'
  | 'p'
  | 'section'
  | 'span'
  | 'strong'
  | 'summary'
  | 'sup'
  | 'table'
  | 'tbody'
  | 'td'
  | 'th'
  | 'thead'
  | 'tr'
  | 'ul'
  | SvgTag;
/** Elements of a picture. */
export type SvgTag = 'svg' | 'title' | 'desc' | 'g' | 'rect' | 'line' | 'path' | 'circle';
const SVG: ReadonlySet<string> = new Set<SvgTag>(['svg', 'title', 'desc', 'g', 'rect', 'line', 'path', 'circle']);
export const isSvg = (tag: Tag): tag is SvgTag => SVG.has(tag);

/** Attributes that are used: none that holds an address, a style or a handler. */
export type Attribute =
  | 'aria-hidden'
  | 'aria-label'
  | 'aria-labelledby'
  | 'class'
  | 'cx'
  | 'cy'
  | 'd'
  | 'height'
  | 'id'
  | 'open'
  | 'preserveAspectRatio'
  | 'r'
  | 'role'
  | 'rx'
  | 'scope'
  | 'tabindex'
  | 'viewBox'
  | 'width'
  | 'x'
  | 'x1'
  | 'x2'
  | 'y'
  | 'y1'
  | 'y2';

export interface Element {
  readonly tag: Tag;
  readonly attributes: readonly (readonly [Attribute, string])[];
  readonly children: readonly Tree[];
}
export type Tree = Element | string;

/** What may stand for children: nothing is left out, lists are taken for what is in them. */
type Children = Tree | readonly Tree[] | undefined;

export const el = (tag: Tag, attributes: Readonly<Partial<Record<Attribute, string | number>>>, ...children: Children[]): Element => ({
  tag,
  attributes: Object.entries(attributes).map(([k, v]) => [k as Attribute, String(v)] as const),
  children: children.flatMap((c) => (c === undefined ? [] : c)),
});
