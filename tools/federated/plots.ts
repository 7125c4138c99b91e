/** Plots of what was measured: caught by strategy beside the formula, losses by rule, bytes of updates. */
import { type Series, lines } from '../utility/svg.js';
import type { BytesRow } from './bytes.js';
import type { Scale, ScaleRow } from './scale.js';
import { BYTES, SCALES } from './tables.js';
import type { Utility } from './utility.js';

const COLOURS = ['#1b6ca8', '#c0392b', '#1e8449', '#7d3c98', '#b7950b', '#117a65', '#784212', '#2e4053', '#d35400', '#5d6d7e'];

/** Sampled shares with the ends of their intervals, and the formula: one curve for every number of bad units. */
function caughtPlot(x: Scale): string {
  const byBad = new Map<number, ScaleRow>();
  for (const r of x.rows) if (!byBad.has(r.bad)) byBad.set(r.bad, r);
  const series = [...byBad.values()]
    .sort((a, b) => b.bad - a.bad)
    .flatMap((r, i): Series[] => {
      const colour = COLOURS[i % COLOURS.length],
        of = (f: (c: ScaleRow['coverage'][number]) => number): [number, number][] => r.coverage.map((c) => [c.percent, 100 * f(c)]),
        label = `${r.bad} of ${x.size.steps} units bad (${r.strategy})`;
      return [
        { label, colour, points: of((c) => c.hits / x.beacons) },
        { label: '', colour, dash: '2 3', points: of((c) => c.least) },
        { label: '', colour, dash: '2 3', points: of((c) => c.most) },
        { label: '', colour, dash: '8 4', points: of((c) => c.formula) },
      ];
    })
    // Labels stand one below the other in the order of the series: those without one go last.
    .sort((a, b) => Number(a.label === '') - Number(b.label === ''));
  return lines({
    title: `${x.clients} clients, Dirichlet ${x.alpha}: one cheat caught in one round, ${x.beacons} beacons (dots: 99% interval, dashes: formula)`,
    x: 'coverage, percent',
    y: 'caught, percent',
    series,
  });
}

function utilityPlot(x: Utility): string {
  return lines({
    title: `Held-out loss per target, ${x.clients} clients, ${x.cheats} of them at the bound (dashed: included; dotted: excluded)`,
    x: 'round',
    y: 'loss per target',
    series: [...new Set(x.rows.map((r) => r.rule))].flatMap((rule, i) =>
      x.rows
        .filter((r) => r.rule === rule)
        .map((r): Series => {
          const dash = r.who === 'cheats included' ? '8 4' : r.who === 'cheats excluded' ? '2 3' : undefined;
          return {
            label: `${rule}, ${r.who}`,
            colour: COLOURS[i],
            ...(dash === undefined ? {} : { dash }),
            points: r.losses.map((l, n) => [n, l]),
          };
        }),
    ),
  });
}

function bytesPlot(rows: readonly BytesRow[]): string {
  const by = [...new Set(rows.map((r) => `${r.base} (${r.values} values), ${r.learningRate}`))];
  return lines({
    title: 'Updates in percent of float32 (the limit is 50)',
    x: 'steps of a round',
    y: 'percent of float32',
    series: [
      ...by.map(
        (label, i): Series => ({
          label,
          colour: COLOURS[i],
          points: rows
            .filter((r) => `${r.base} (${r.values} values), ${r.learningRate}` === label)
            .map((r) => [r.steps, (100 * r.update) / r.float32]),
        }),
      ),
      {
        label: 'half of float32',
        colour: '#888',
        dash: '4 4',
        points: [Math.min(...rows.map((r) => r.steps)), Math.max(...rows.map((r) => r.steps))].map((s) => [s, 50]),
      },
    ],
  });
}

/** Plots by file name, of whatever was measured. */
export function plots(read: (name: string) => unknown): Map<string, string> {
  const out = new Map<string, string>();
  for (const [clients, alpha] of SCALES) {
    const x = read(`scale-${clients}-${alpha}`) as Scale | undefined;
    if (x) out.set(`caught-${clients}-${alpha}.svg`, caughtPlot(x));
  }
  const u = read('utility') as Utility | undefined,
    rows = BYTES.flatMap(([n, s, lr]) => {
      const x = read(`bytes-${n}-${s}-${lr}`) as BytesRow | undefined;
      return x ? [x] : [];
    });
  if (u) out.set('utility.svg', utilityPlot(u));
  if (rows.length) out.set('bytes.svg', bytesPlot(rows));
  return out;
}
