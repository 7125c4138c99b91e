import { log2Floor } from '../field/log2.js';
import type { LogUpShape } from './shape.js';

/** A part of a box: its cells from `offset` on, at a place of the leaf array counted in parts of its size. */
export interface Member {
  readonly box: number;
  readonly offset: number;
  readonly position: number;
}

/**
 * Parts of equal sizes, laid out one after the other: axis 0 counts them and has no variables, so that one kernel call
 * serves all.
 */
export interface Group {
  readonly dims: readonly number[];
  readonly axisVars: readonly number[];
  readonly vars: number;
  readonly members: readonly Member[];
  readonly table: boolean;
}

export const product = (x: readonly number[]): number => x.reduce((a, b) => a * b, 1);

/** Cells of a group's layer: rows of `len` cells along `axis`, the axes behind it being bound. */
export interface LayerShape {
  readonly rows: number;
  readonly len: number;
  readonly axis: number;
}

export function leafShape(g: Group): LayerShape {
  const axis = g.dims.length - 1;
  return { rows: product(g.dims.slice(0, axis)), len: g.dims[axis], axis };
}

/** Variables of the current axis that a fold of `height` variables has bound. */
export function folded(g: Group, height: number): number {
  let left = height;
  for (let a = g.dims.length - 1; a >= 0; a--) {
    if (left <= g.axisVars[a]) return left;
    left -= g.axisVars[a];
  }
  return left;
}

/** Axes of size one have no variables: they are passed over. */
export function skipUnit<T extends LayerShape>(g: Group, l: T, done: number): T {
  let cur = l,
    d = done;
  while (cur.axis > 0 && d >= g.axisVars[cur.axis]) {
    const axis = cur.axis - 1;
    cur = { ...cur, axis, len: g.dims[axis], rows: cur.rows / g.dims[axis] };
    d = 0;
  }
  return cur;
}

interface Part {
  readonly dims: readonly number[];
  readonly axisVars: readonly number[];
  readonly offset: number;
  readonly position: number;
}

/**
 * Cuts a box of more than `limit` cells along its outer axes at multiples of powers of two. Each part is a box of its
 * own at an aligned place of the same leaf array, so the sum is the same and the prover alone knows of the cut.
 */
export function cut(p: Part, limit: number): Part[] {
  const cells = product(p.dims),
    axis = p.axisVars.findIndex((v) => v > 0);
  if (cells <= limit || axis < 0) return [p];
  const rest = cells / p.dims[axis],
    vars = p.axisVars[axis],
    log = Math.max(0, Math.min(vars - 1, log2Floor(Math.max(1, Math.floor(limit / rest))))),
    out: Part[] = [];
  for (let c = 0; c * 2 ** log < p.dims[axis]; c++)
    out.push(
      ...cut(
        {
          dims: p.dims.with(axis, Math.min(2 ** log, p.dims[axis] - c * 2 ** log)),
          axisVars: p.axisVars.with(axis, log),
          offset: p.offset + c * 2 ** log * rest,
          position: p.position * 2 ** (vars - log) + c,
        },
        limit,
      ),
    );
  return out;
}

/** Groups of at most `limit` cells, where an innermost row is not longer. */
export function groupBoxes(shape: LogUpShape, limit: number): Group[] {
  const by = new Map<string, { part: Part; box: number }[]>();
  shape.boxes.forEach((b, box) => {
    for (const part of cut({ dims: b.dims, axisVars: b.axisVars, offset: 0, position: b.position }, limit)) {
      const key = `${b.kind}:${part.dims.join()}:${part.axisVars.join()}`,
        list = by.get(key) ?? [];
      list.push({ part, box });
      by.set(key, list);
    }
  });
  const out: Group[] = [];
  for (const list of by.values()) {
    const { dims, axisVars } = list[0].part,
      each = Math.max(1, Math.floor(limit / product(dims)));
    for (let i = 0; i < list.length; i += each) {
      const members = list.slice(i, i + each);
      out.push({
        dims: [members.length, ...dims],
        axisVars: [0, ...axisVars],
        vars: axisVars.reduce((x, y) => x + y, 0),
        members: members.map(({ part, box }) => ({ box, offset: part.offset, position: part.position })),
        table: shape.boxes[list[0].box].kind === 'table',
      });
    }
  }
  return out;
}
