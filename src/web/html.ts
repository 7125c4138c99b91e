import { sha256 } from '../hash/sha256.js';
import { plain } from '../io/escape.js';
import { type Tree, isSvg } from './tree.js';

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text as text of a document, or as the value of an attribute in quotes: control characters as escapes. */
export const escapeHtml = (text: string): string => plain(text).replace(/[&<>"']/g, (c) => ENTITIES[c]);

/** A tree as markup: every text and every value escaped. */
export function htmlOf(tree: Tree): string {
  if (typeof tree === 'string') return escapeHtml(tree);
  const { tag, attributes, children } = tree,
    open = `<${tag}${attributes.map(([k, v]) => ` ${k}="${escapeHtml(v)}"`).join('')}`;
  // Elements of a picture that hold nothing are closed as XML does it, which HTML allows there.
  return isSvg(tag) && !children.length ? `${open}/>` : `${open}>${children.map(htmlOf).join('')}</${tag}>`;
}

/** Source of a policy that admits one inline script or style: that of these very bytes. */
const hashSource = (text: string): string => `'sha256-${btoa(String.fromCharCode(...sha256(new TextEncoder().encode(text))))}'`;

/** What a document is made of. Style and script are the release's own; the script is absent from a report. */
export interface DocumentParts {
  readonly title: string;
  readonly style: string;
  /** Markup that was made from trees. */ readonly body: string;
  readonly script?: string;
}

/**
 * A document that nothing is loaded into: one style and at most one script, admitted by their digests, and no
 * connection to anywhere. Throws RangeError for a style or script that would end its own element.
 */
export function documentOf({ title, style, body, script }: DocumentParts): string {
  if (/<\/style/i.test(style) || /<!--|<\/?script/i.test(script ?? '') || /\r/.test(style + (script ?? '')))
    throw new RangeError('style or script would not be read as it is written');
  const policy = [
    "default-src 'none'",
    `style-src ${hashSource(style)}`,
    ...(script === undefined
      ? ["script-src 'none'"]
      : [`script-src ${hashSource(script)} 'wasm-unsafe-eval'`, "require-trusted-types-for 'script'", "trusted-types 'none'"]),
    "connect-src 'none'",
    "worker-src 'none'",
    "form-action 'none'",
    "base-uri 'none'",
  ].join('; ');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
${body}
${script === undefined ? '' : `<script>${script}</script>\n`}</body>
</html>
`;
}
