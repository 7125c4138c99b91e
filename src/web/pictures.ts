import type { EpochFigures } from '../verify/folded.js';
import { MOST_COUNT } from '../policy/classes/quotas.js';
import type { Manifest } from '../run/manifest.js';
import { type Element, type Tree, el } from './tree.js';
import { figure, foreign, plural, table } from './words.js';

/*
 * Pictures as inline SVG: each with a title and a description in words, and beside it the same numbers as text. No
 * picture has an address, a style or a script in it; colours are classes of the one style sheet.
 */

const percent = (x: number): string => `${(100 * Math.min(1, Math.max(0, x))).toFixed(2)}%`;

/** A picture that is named and described: `id` is one of its document. */
const picture = (id: string, title: string, says: string, attributes: Parameters<typeof el>[1], ...children: Tree[]): Element =>
  el(
    'svg',
    { role: 'img', 'aria-labelledby': `${id}-title ${id}-desc`, ...attributes },
    el('title', { id: `${id}-title` }, title),
    el('desc', { id: `${id}-desc` }, says),
    children,
  );

/** So many sources are drawn; the table beside them has as many again. */
const MOST_SOURCES = 12,
  MOST_ROWS = 200;

/** Files of the data, in the order of the manifest: how many rows of each are trained on, under which licence. */
export function sourcesPicture({ dataset: { files, examples } }: Manifest): Tree[] {
  const most = Math.max(1, ...files.map((f) => f.kept)),
    drawn = files.slice(0, MOST_SOURCES);
  return [
    el(
      'ul',
      { class: 'bars' },
      drawn.map((f, i) =>
        el(
          'li',
          {},
          el(
            'p',
            { class: 'bar-label' },
            el('span', {}, foreign(f.source), el('span', { class: 'quiet' }, ' · ', foreign(f.license), ' · ', foreign(f.language))),
            el('span', { class: 'number' }, `${plural(f.kept, 'row')}, ${((100 * f.kept) / Math.max(1, examples)).toFixed(0)}%`),
          ),
          picture(
            `source-${i}`,
            `Rows of source ${i + 1}`,
            `${figure(f.kept)} of ${figure(examples)} rows that are trained on`,
            { class: 'bar', width: '100%', height: 10 },
            el('rect', { class: 'track', x: 0, y: 0, width: '100%', height: 10, rx: 3 }),
            el('rect', { class: 'fill', x: 0, y: 0, width: percent(f.kept / most), height: 10, rx: 3 }),
          ),
        ),
      ),
    ),
    ...(files.length > MOST_SOURCES
      ? [el('p', { class: 'quiet' }, `The picture has the first ${MOST_SOURCES} of ${figure(files.length)} files.`)]
      : []),
  ];
}

/** The same files as a table. */
export const sourcesTable = ({ dataset: { files } }: Manifest): Element =>
  table(
    `Files of the data${files.length > MOST_ROWS ? `, the first ${MOST_ROWS} of ${figure(files.length)}` : ''}`,
    ['Source', 'Licence', 'Language', 'Rows', 'Trained on'],
    files.slice(0, MOST_ROWS).map((f) => [foreign(f.source), foreign(f.license), foreign(f.language), figure(f.rows), figure(f.kept)]),
    [3, 4],
  );

interface Limits {
  readonly min: number;
  readonly max: number;
}
const isFree = (l: Limits): boolean => l.min === 0 && l.max === MOST_COUNT;

/** Limits in words. */
function limitsText({ min, max }: Limits, what: string): string {
  if (max === MOST_COUNT) return min ? `at least ${figure(min)} ${what}` : `any number of ${what}`;
  if (min === max) return `exactly ${figure(min)} ${what}`;
  return min ? `${figure(min)} to ${figure(max)} ${what}` : `at most ${figure(max)} ${what}`;
}

/** So many epochs are drawn as dots. */
const MOST_DOTS = 64;

/** One quota of a bin: the band that is allowed, and a dot for what every epoch drew, where that is shown. */
function quotaBar(id: string, what: string, limits: Limits, counts: readonly number[]): Element {
  const bounded = limits.max === MOST_COUNT ? limits.min : limits.max,
    scale = 1.25 * Math.max(1, bounded, ...counts),
    drawn = counts.slice(0, MOST_DOTS),
    from = limits.min / scale,
    to = limits.max === MOST_COUNT ? 1 : limits.max / scale,
    range = counts.length
      ? `; ${plural(counts.length, 'epoch')} drew ${Math.min(...counts) === Math.max(...counts) ? figure(counts[0]) : `${figure(Math.min(...counts))} to ${figure(Math.max(...counts))}`}`
      : '';
  return el(
    'div',
    { class: 'quota' },
    el(
      'p',
      { class: 'bar-label' },
      el('span', { class: 'quiet' }, limitsText(limits, what)),
      el('span', { class: 'number' }, range.slice(2)),
    ),
    picture(
      id,
      `Quota of ${what}`,
      `In every epoch ${limitsText(limits, what)}${range}`,
      { class: 'bar', width: '100%', height: 16 },
      el('rect', { class: 'track', x: 0, y: 5, width: '100%', height: 6, rx: 3 }),
      // A band of one number is as wide as can be seen.
      el('rect', { class: 'band', x: percent(from), y: 2, width: percent(Math.max(0.006, to - from)), height: 12, rx: 2 }),
      ...drawn.map((n) => el('circle', { class: 'dot', cx: percent(n / scale), cy: 8, r: 4 })),
    ),
  );
}

/** Bins and their quotas in every epoch, with what the epochs drew, as far as the proof shows it. */
export function quotasPicture({ config: { policy } }: Manifest, epochs: readonly EpochFigures[]): Element {
  return el(
    'ul',
    { class: 'bars' },
    policy.bins.map((b, j) => {
      const drawn = epochs.flatMap((e) => (e.bins?.[j] ? [e.bins[j]] : []));
      return el(
        'li',
        {},
        el('p', { class: 'bar-name' }, foreign(b.name)),
        (['examples', 'targets'] as const)
          .filter((k) => !isFree(b[k]) || drawn.length > 0)
          .map((k) =>
            quotaBar(
              `quota-${j}-${k}`,
              k === 'examples' ? 'examples' : 'target tokens',
              b[k],
              drawn.map((d) => d[k]),
            ),
          ),
        isFree(b.examples) && isFree(b.targets) && !drawn.length ? el('p', { class: 'quiet' }, 'No limit.') : undefined,
      );
    }),
  );
}

/** Points of a line at most: of more the least and the greatest of neighbours are drawn. */
const MOST_POINTS = 400;

/** Least and greatest value of neighbours, so that no peak is lost; places stay those of the whole list. */
function thinned(values: readonly number[]): (readonly [number, number])[] {
  if (values.length <= MOST_POINTS) return values.map((v, i) => [i, v] as const);
  const per = Math.ceil((2 * values.length) / MOST_POINTS),
    out: (readonly [number, number])[] = [];
  for (let at = 0; at < values.length; at += per) {
    let low = at,
      high = at;
    for (let i = at; i < Math.min(at + per, values.length); i++) {
      if (values[i] < values[low]) low = i;
      if (values[i] > values[high]) high = i;
    }
    for (const i of [...new Set([Math.min(low, high), Math.max(low, high)])]) out.push([i, values[i]]);
  }
  return out;
}

/** Mean loss over steps or epochs: a line, its first, last, least and greatest value. */
export function lossPicture(values: readonly number[], unit: 'step' | 'epoch', first: number): Element {
  const least = values.reduce((a, b) => Math.min(a, b)),
    most = values.reduce((a, b) => Math.max(a, b)),
    last = values[values.length - 1],
    x = (i: number): string => (2 + (96 * i) / Math.max(1, values.length - 1)).toFixed(2),
    y = (v: number): string => (most === least ? 50 : 92 - (84 * (v - least)) / (most - least)).toFixed(2),
    points = thinned(values),
    dots = points.length <= 60;
  return el(
    'figure',
    { class: 'loss' },
    el(
      'div',
      { class: 'chart' },
      el('p', { class: 'axis-y' }, el('span', {}, most.toFixed(3)), el('span', {}, least.toFixed(3))),
      picture(
        'loss',
        `Mean loss of every ${unit}`,
        `${plural(values.length, unit)}: from ${values[0].toFixed(4)} to ${last.toFixed(4)}, least ${least.toFixed(4)}, greatest ${most.toFixed(4)}`,
        { class: 'plot', viewBox: '0 0 100 100', preserveAspectRatio: 'none' },
        ...[8, 50, 92].map((h) => el('line', { class: 'grid', x1: 0, x2: 100, y1: h, y2: h })),
        el('path', { class: 'line', d: points.map(([i, v], n) => `${n ? 'L' : 'M'}${x(i)} ${y(v)}`).join('') }),
        ...(dots ? [el('path', { class: 'dots', d: points.map(([i, v]) => `M${x(i)} ${y(v)}h0`).join('') })] : []),
      ),
      el(
        'p',
        { class: 'axis-x' },
        el('span', {}, `${unit} ${figure(first)}`),
        el('span', {}, `${unit} ${figure(first + values.length - 1)}`),
      ),
    ),
    el(
      'figcaption',
      {},
      `Mean loss in nats per target token, over ${plural(values.length, unit)}: ${values[0].toFixed(4)} at first, ${last.toFixed(4)} at last.`,
    ),
  );
}

/** The same values as a table. */
export const lossTable = (values: readonly number[], unit: 'step' | 'epoch', first: number): Element =>
  table(
    `Mean loss of every ${unit}${values.length > MOST_ROWS ? `, the first ${MOST_ROWS} of ${figure(values.length)}` : ''}`,
    [unit === 'step' ? 'Step' : 'Epoch', 'Loss'],
    values.slice(0, MOST_ROWS).map((v, i) => [figure(first + i), v.toFixed(4)]),
    [1],
  );
