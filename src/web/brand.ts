import { type Element, el } from './tree.js';

/** Name and sign. */
export const BRAND: Element = el(
  'p',
  { class: 'brand' },
  el(
    'svg',
    { viewBox: '0 0 24 24', 'aria-hidden': 'true' },
    el('path', { d: 'M12 2.5l8 3v6c0 5-3.4 8.4-8 10-4.6-1.6-8-5-8-10v-6z' }),
    el('path', { d: 'M8.3 12l2.6 2.6 4.8-5.2' }),
  ),
  'Certune',
);
