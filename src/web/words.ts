import { clip } from '../errors.js';
import { type Element, type Tree, el } from './tree.js';

/** So many characters of a word of a file are shown. */
const SHOWN = 400;

/**
 * A word of a file or of its maker: apart from the text around it, so that its direction of writing is its own.
 */
export const foreign = (text: string): Element => el('bdi', { class: 'foreign' }, clip(text, SHOWN));

/** A digest, or another word that is compared letter by letter. */
export const letters = (text: string): Element => el('code', {}, clip(text, SHOWN));

/** A number with its thousands apart, whatever the reader's language: figures of two documents are compared. */
export const figure = (n: number): string => {
  if (!Number.isInteger(n)) return n.toFixed(4);
  return String(n).replace(/\B(?=(\d{3})+$)/g, '\u2009');
};

export const plural = (n: number, word: string): string => `${figure(n)} ${word}${n === 1 ? '' : 's'}`;

/** A list of terms, each with what it is. */
export const pairs = (rows: readonly (readonly [string, Tree | readonly Tree[]])[]): Element =>
  el(
    'dl',
    { class: 'pairs' },
    rows.map(([term, what]) => el('div', {}, el('dt', {}, term), el('dd', {}, what))),
  );

/** A table with a caption and a row of headings; the first cell of a row is its heading. */
export const table = (
  caption: string,
  heads: readonly string[],
  rows: readonly (readonly Tree[])[],
  numbers: readonly number[] = [],
): Element =>
  el(
    'div',
    { class: 'scroll', role: 'region', 'aria-label': caption, tabindex: 0 },
    el(
      'table',
      {},
      el('caption', {}, caption),
      el(
        'thead',
        {},
        el(
          'tr',
          {},
          heads.map((h, i) => el('th', { scope: 'col', ...(numbers.includes(i) ? { class: 'number' } : {}) }, h)),
        ),
      ),
      el(
        'tbody',
        {},
        rows.map((r) =>
          el(
            'tr',
            {},
            r.map((c, i) =>
              el(i ? 'td' : 'th', { ...(i ? {} : { scope: 'row' }), ...(numbers.includes(i) ? { class: 'number' } : {}) }, c),
            ),
          ),
        ),
      ),
    ),
  );
