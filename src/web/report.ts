import { documentOf, htmlOf } from './html.js';
import { BRAND } from './brand.js';
import { STYLE } from './style.js';
import { el } from './tree.js';
import { type VerifiedView, verifiedTree } from './view.js';

/**
 * A verification as a static document: no script, nothing that is loaded, the same tree as the page shows. Equal facts
 * give equal bytes: it holds no time.
 */
export const reportHtml = (v: VerifiedView, version: string): string =>
  documentOf({
    title: 'Verification of a Certune run',
    style: STYLE,
    body: [
      el(
        'header',
        {},
        BRAND,
        el('h1', {}, 'Verification of a training run'),
        el(
          'p',
          { class: 'lead' },
          'What certune verify found, as a document. It is the word of whoever made it: the proof itself can be verified again by anyone.',
        ),
      ),
      el('main', {}, verifiedTree(v)),
      el('footer', {}, el('p', {}, `Made by certune report, version ${version}.`)),
    ]
      .map(htmlOf)
      .join('\n'),
  });
