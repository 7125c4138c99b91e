/** Plots as SVG, without a library: scatter and lines on linear or logarithmic axes. */
interface Labels {
  readonly title: string;
  readonly x: string;
  readonly y: string;
}
export interface Point {
  readonly x: number;
  readonly y: number;
  readonly label: string;
  readonly colour: string;
  readonly big: boolean;
  readonly frontier: boolean;
}
export interface Series {
  readonly label: string;
  readonly colour: string;
  readonly dash?: string;
  readonly points: readonly (readonly [number, number])[];
}
interface Axis {
  /** Place of a value between 0 and 1. */ readonly to: (v: number) => number;
  readonly ticks: readonly number[];
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' },
  esc = (s: string): string => s.replace(/[&<>]/g, (c) => ENTITIES[c]);
const W = 860,
  H = 520,
  L = 80,
  R = 30,
  T = 46,
  B = 58;

function axis(values: readonly number[], log: boolean): Axis {
  let lo = Math.min(...values),
    hi = Math.max(...values);
  if (log) {
    lo = Math.log10(lo);
    hi = Math.log10(hi);
  }
  const pad = (hi - lo || 1) * 0.08;
  lo -= pad;
  hi += pad;
  const ticks: number[] = [];
  if (log) {
    for (let e = Math.floor(lo); e <= hi; e++)
      for (const m of hi - lo < 1.5 ? [1, 2, 3, 5, 7] : [1, 3])
        if (e + Math.log10(m) >= lo && e + Math.log10(m) <= hi) ticks.push(m * 10 ** e);
  } else {
    const step = 10 ** Math.floor(Math.log10((hi - lo) / 4)),
      s = [1, 2, 5, 10].map((k) => k * step).find((k) => (hi - lo) / k <= 6) ?? 10 * step;
    for (let v = Math.ceil(lo / s) * s; v <= hi; v += s) ticks.push(Number(v.toPrecision(12)));
  }
  return { to: (v) => ((log ? Math.log10(v) : v) - lo) / (hi - lo), ticks };
}
const fmt = (v: number): string =>
  v !== 0 && (Math.abs(v) >= 1e6 || Math.abs(v) < 1e-3) ? v.toExponential(0) : String(Number(v.toPrecision(4)));

function frame(o: Labels, ax: Axis, ay: Axis, body: (X: (v: number) => number, Y: (v: number) => number) => string): string {
  const X = (v: number): number => L + ax.to(v) * (W - L - R),
    Y = (v: number): number => H - B - ay.to(v) * (H - T - B);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${W} ${H}" font-family="sans-serif" font-size="12">
<rect width="${W}" height="${H}" fill="white"/>
<text x="${W / 2}" y="24" text-anchor="middle" font-size="15">${esc(o.title)}</text>
${ax.ticks.map((v) => `<line x1="${X(v).toFixed(1)}" y1="${T}" x2="${X(v).toFixed(1)}" y2="${H - B}" stroke="#eee"/><text x="${X(v).toFixed(1)}" y="${H - B + 18}" text-anchor="middle">${fmt(v)}</text>`).join('\n')}
${ay.ticks.map((v) => `<line x1="${L}" y1="${Y(v).toFixed(1)}" x2="${W - R}" y2="${Y(v).toFixed(1)}" stroke="#eee"/><text x="${L - 8}" y="${(Y(v) + 4).toFixed(1)}" text-anchor="end">${fmt(v)}</text>`).join('\n')}
<rect x="${L}" y="${T}" width="${W - L - R}" height="${H - T - B}" fill="none" stroke="#888"/>
<text x="${W / 2}" y="${H - 16}" text-anchor="middle">${esc(o.x)}</text>
<text transform="translate(18 ${H / 2}) rotate(-90)" text-anchor="middle">${esc(o.y)}</text>
${body(X, Y)}
</svg>
`;
}

/**
 * Points on two logarithmic axes. Labels keep clear of each other, with a line to their point where they had to move.
 * Those of the points marked `frontier` that no other of them beats in both are joined.
 */
export function scatter(o: Labels & { readonly points: readonly Point[] }): string {
  const ax = axis(
      o.points.map((p) => p.x),
      true,
    ),
    ay = axis(
      o.points.map((p) => p.y),
      true,
    );
  return frame(o, ax, ay, (X, Y) => {
    const taken = o.points.map((p) => ({ x0: X(p.x) - 5, x1: X(p.x) + 5, y: Y(p.y) + 4 })),
      rivals = o.points.filter((p) => p.frontier),
      best = rivals
        .filter((p) => !rivals.some((q) => q !== p && q.x <= p.x && q.y <= p.y && (q.x < p.x || q.y < p.y)))
        .sort((a, b) => a.x - b.x);
    const line = best.map((p) => `${X(p.x).toFixed(1)},${Y(p.y).toFixed(1)}`).join(' ');
    const marks = [...o.points]
      .sort((a, b) => (b.big ? 1 : 0) - (a.big ? 1 : 0) || a.y - b.y)
      .map((p) => {
        const x = X(p.x),
          at = Y(p.y) + 4,
          w = p.label.length * 5.6;
        // Candidates nearest first: beside, then below and above by turns, right before left.
        const places = Array.from({ length: 24 }, (_, k) => [Math.ceil(k / 2) * (k % 2 ? 12 : -12)])
          .flatMap(([dy]): [number, number][] => [
            [x + 9, dy],
            [x - 9 - w, dy],
          ])
          .filter(([x0]) => x0 > L && x0 + w < W - R);
        const [x0, dy] = places.find(([q, d]) => !taken.some((t) => Math.abs(t.y - at - d) < 11 && q < t.x1 && t.x0 < q + w)) ?? places[0];
        taken.push({ x0, x1: x0 + w, y: at + dy });
        const edge = x0 > x ? x0 - 2 : x0 + w + 2;
        return `${dy ? `<line x1="${x.toFixed(1)}" y1="${Y(p.y).toFixed(1)}" x2="${edge.toFixed(1)}" y2="${(at + dy - 4).toFixed(1)}" stroke="${p.colour}" stroke-width="0.6"/>` : ''}<circle cx="${x.toFixed(1)}" cy="${Y(p.y).toFixed(1)}" r="${p.big ? 7 : 4}" fill="${p.colour}"/><text x="${x0.toFixed(1)}" y="${(at + dy).toFixed(1)}" textLength="${w.toFixed(0)}" lengthAdjust="spacingAndGlyphs" font-size="10.5" fill="${p.colour}"${p.big ? ' font-weight="bold"' : ''}>${esc(p.label)}</text>`;
      });
    return [best.length > 1 ? `<polyline fill="none" stroke="#888" stroke-dasharray="4 4" points="${line}"/>` : '', ...marks].join('\n');
  });
}

/** Lines; `log` for the y axis. */
export function lines(o: Labels & { readonly log?: boolean; readonly series: readonly Series[] }): string {
  const all = o.series.flatMap((s) => s.points),
    ax = axis(
      all.map((p) => p[0]),
      false,
    ),
    ay = axis(
      all.map((p) => p[1]),
      o.log ?? false,
    );
  return frame(o, ax, ay, (X, Y) =>
    o.series
      .map(
        (s, k) =>
          `<polyline fill="none" stroke="${s.colour}" stroke-width="1.5"${s.dash ? ` stroke-dasharray="${s.dash}"` : ''} points="${s.points.map(([x, y]) => `${X(x).toFixed(1)},${Y(y).toFixed(1)}`).join(' ')}"/><text x="${W - R - 8}" y="${T + 16 + 15 * k}" text-anchor="end" fill="${s.colour}">${esc(s.label)}</text>`,
      )
      .join('\n'),
  );
}
