/**
 * certune/web: what a page and a report show of a verification. Pure: bytes in, a tree of text out; the page itself is
 * dist/page/verify.html.
 */
export { BRAND } from './brand.js';
export * from './files.js';
export { documentOf, escapeHtml, htmlOf } from './html.js';
export { reportHtml } from './report.js';
export * from './session.js';
export { SHELL } from './shell.js';
export { PAGE_STYLE, STYLE } from './style.js';
export * from './tree.js';
export { type GivenFile, type VerifiedView, verifiedTree } from './view.js';
