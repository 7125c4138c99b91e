import * as E from '../field/ext3.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Ext } from '../transcript/arith.js';
import type { ProverChannel } from '../transcript/prover.js';
import type { LogUpShape, PlacedBox } from './shape.js';

/** Denominators of a box: g - key, a table's row, or given; numerators of tables. */
export type LeafInput =
  | { readonly kind: 'range'; readonly keys: number; readonly g: Ext }
  | { readonly kind: 'rows'; readonly keys: number; readonly table: number /** Rows of the table. */; readonly rows: number }
  | { readonly kind: 'table'; readonly den: number; readonly num: number };

interface Layer {
  n: number;
  d: number;
  rows: number;
  len: number;
  axis: number;
}
interface Single {
  n: Ext;
  d: Ext;
}
interface Quad {
  n0: Ext;
  n1: Ext;
  d0: Ext;
  d1: Ext;
}
const PAD: Single = { n: E.ZERO, d: E.ONE };
const PADQ: Quad = { n0: E.ZERO, n1: E.ZERO, d0: E.ONE, d1: E.ONE };

/** Boxes of equal sizes, laid out one after the other: axis 0 counts them and has no variables, so that one kernel call serves all. */
interface Group {
  readonly dims: readonly number[];
  readonly axisVars: readonly number[];
  readonly vars: number;
  readonly members: readonly number[];
  readonly positions: readonly number[];
  readonly table: boolean;
}

function groupBoxes(shape: LogUpShape): Group[] {
  const by = new Map<string, number[]>();
  shape.boxes.forEach((b, i) => {
    const key = `${b.kind}:${b.dims.join()}`;
    by.set(key, [...(by.get(key) ?? []), i]);
  });
  return [...by.values()].map((members) => {
    const b: PlacedBox = shape.boxes[members[0]];
    return {
      dims: [members.length, ...b.dims],
      axisVars: [0, ...b.axisVars],
      vars: b.vars,
      members,
      positions: members.map((i) => shape.boxes[i].position),
      table: b.kind === 'table',
    };
  });
}

const product = (x: readonly number[]): number => x.reduce((a, b) => a * b, 1);

/** Cells per thread below which a call costs more than it saves. */
const GRAIN = 8192;
const grain = (len: number): number => Math.max(1, Math.ceil(GRAIN / len));

function leafShape(g: Group): Layer {
  const axis = g.dims.length - 1;
  return { n: 0, d: 0, rows: product(g.dims.slice(0, axis)), len: g.dims[axis], axis };
}

function leafLayer(k: Kernels, g: Group, inputs: readonly LeafInput[]): Layer {
  const cells = product(g.dims) / g.members.length,
    shape = leafShape(g),
    d = k.alloc(24 * cells * g.members.length),
    n = g.table ? k.alloc(24 * cells * g.members.length) : 0;
  g.members.forEach((member, at) => {
    const input = inputs[member],
      to = d + 24 * cells * at;
    if (input.kind === 'table') {
      k.u8.copyWithin(to, input.den, input.den + 24 * cells);
      k.u8.copyWithin(n + 24 * cells * at, input.num, input.num + 24 * cells);
    } else if (input.kind === 'range') {
      const m = k.mark(),
        p = k.exts([input.g]);
      k.parallel('leafRange', cells, GRAIN, (lo, hi) => [to, input.keys, p, lo, hi]);
      k.release(m);
    } else k.parallel('leafTable', cells, GRAIN, (lo, hi) => [to, input.keys, input.table, lo, hi]);
  });
  return { ...shape, n, d };
}

/** A group within a sumcheck: arrays of the four values of its pairs, folded as far as `done` variables of axis `l.axis`. */
interface Live {
  readonly g: Group;
  l: Layer;
  cs: number;
  rs: number;
  left: number;
  done: number;
  readonly cells: number;
  readonly n0: number;
  readonly n1: number;
  readonly d0: number;
  readonly d1: number;
  /** Leaves whose numerators are all one: see LeafPairs. d0 and d1 hold e0 and e1. */ leaf?: { inner: Ext; last: Ext };
}

/*
 * Leaves of lookups have numerators 1 (0 where the box is missing), so after any folding both numerators of a pair equal one value nu, which is
 * constant along the rows and along the current axis but for its last cell. With e = nu + lambda d,
 *   F = nu (d0 + d1) + lambda d0 d1 = (e0 e1 - nu^2) / lambda,
 * and e folds as nu and d do (missing cells: nu = 0, d = 1, e = lambda): two arrays and one product instead of four and three.
 */

/** Proves the sum; returns the point and the leaf claims. Keeps no memory but the caller's. */
export function proveLogUp(
  k: Kernels,
  ch: ProverChannel,
  shape: LogUpShape,
  inputs: readonly LeafInput[],
): { rho: Ext[]; num: Ext; den: Ext } {
  const start = k.mark(),
    scratch = k.alloc(512 * k.threads),
    groups = groupBoxes(shape);
  // Layers above the leaves, kept until the leaves' own turn; these are recomputed then.
  const kept = k.mark();
  const layers: Layer[][] = groups.map(() => []),
    roots = new Map<number, Single>();
  const folded = (g: Group, height: number): number => {
    let left = height;
    for (let a = g.dims.length - 1; a >= 0; a--) {
      if (left <= g.axisVars[a]) return left;
      left -= g.axisVars[a];
    }
    return left;
  };
  groups.forEach((g, i) => {
    const plan: Layer[] = [];
    // Sizes are known beforehand: allocate the kept layers first, so that the leaves can be released.
    let cur = skipUnit(g, leafShape(g), 0);
    for (let h = 1; h <= g.vars; h++) {
      const len = Math.ceil(cur.len / 2);
      cur = { n: k.alloc(24 * cur.rows * len), d: k.alloc(24 * cur.rows * len), rows: cur.rows, len, axis: cur.axis };
      plan.push(cur);
      cur = skipUnit(g, cur, folded(g, h));
    }
    const m = k.mark();
    const direct = !g.table && plan.length > 0 && skipUnit(g, leafShape(g), 0).len % 2 === 0;
    let src = direct ? leafPairLayer(k, g, inputs, plan[0]) : skipUnit(g, leafLayer(k, g, inputs), 0);
    plan.forEach((dst, h) => {
      if (!direct || h > 0)
        k.parallel('gkrLayer', src.rows, grain(src.len), (lo, hi, t) => [dst.n, dst.d, src.n, src.d, src.len, scratch + 512 * t, lo, hi]);
      src = skipUnit(g, dst, folded(g, h + 1));
    });
    g.members.forEach((box, at) => roots.set(box, { n: src.n ? k.readExt(src.n + 24 * at) : E.ONE, d: k.readExt(src.d + 24 * at) }));
    k.release(m);
    layers[i] = plan;
  });
  // singles[h]: fractions at height h of boxes (or joins of boxes) that have been reduced to one, by position.
  const singles: Map<number, Single>[] = [];
  let top = new Map<number, Single>();
  for (let h = 0; h <= shape.vars; h++) {
    shape.boxes.forEach((b, i) => {
      if (b.vars === h) top.set(b.position, roots.get(i)!);
    });
    singles.push(top);
    const next = new Map<number, Single>();
    for (const p of top.keys()) {
      const q = Math.floor(p / 2);
      if (next.has(q)) continue;
      const x = top.get(2 * q) ?? PAD,
        y = top.get(2 * q + 1) ?? PAD;
      next.set(q, { n: E.add(E.mul(x.n, y.d), E.mul(y.n, x.d)), d: E.mul(x.d, y.d) });
    }
    top = next;
  }
  const root = singles[shape.vars].get(0)!;
  ch.sendExt('logup root', [root.d]);

  let point: Ext[] = [],
    a: Ext = E.ZERO,
    bden: Ext = root.d;
  for (let layer = 0; layer < shape.vars; layer++) {
    const height = shape.vars - 1 - layer; // this sumcheck pairs fractions of that height
    const lambda = ch.sample(`logup ${layer} lambda`);
    if (height === 0) k.release(kept);
    const m = k.mark(),
      lam = k.exts([lambda]);
    let claim = E.add(a, E.mul(lambda, bden));
    const live: Live[] = [],
      quads = new Map<number, Quad>();
    for (const p of singles[height].keys()) {
      const q = Math.floor(p / 2);
      const x = singles[height].get(2 * q) ?? PAD,
        y = singles[height].get(2 * q + 1) ?? PAD;
      quads.set(q, { n0: x.n, n1: y.n, d0: x.d, d1: y.d });
    }
    groups.forEach((g, i) => {
      if (g.vars <= height) return;
      const shapeOf = skipUnit(g, height === 0 ? leafShape(g) : layers[i][height - 1], folded(g, height));
      const len = Math.ceil(shapeOf.len / 2),
        cells = shapeOf.rows * len;
      const rest = {
        g,
        l: { ...shapeOf, len },
        cs: 1,
        rs: len,
        left: g.vars - height - 1,
        done: folded(g, height + 1),
        cells: cells / g.members.length,
      };
      if (height === 0 && !g.table && shapeOf.len % 2 === 0) {
        live.push({ ...rest, ...leafPairs(k, g, inputs, lambda, lam, cells), leaf: { inner: E.ONE, last: E.ONE } });
        return;
      }
      const src = height === 0 ? skipUnit(g, leafLayer(k, g, inputs), 0) : shapeOf;
      if (src.n && src.len % 2 === 0) {
        // the layer itself, pairs side by side: it is not needed again
        live.push({ ...rest, n0: src.n, n1: src.n + 24, d0: src.d, d1: src.d + 24, cs: 2, rs: src.len, cells: 2 * rest.cells });
        return;
      }
      const q = { n0: k.alloc(24 * cells), n1: k.alloc(24 * cells), d0: k.alloc(24 * cells), d1: k.alloc(24 * cells) };
      k.parallel('gkrSplit', src.rows, grain(src.len), (lo, hi) => [q.n0, q.n1, q.d0, q.d1, src.n, src.d, src.len, lo, hi]);
      live.push({ ...rest, ...q });
    });
    const invLambda = E.inv(lambda);
    const join = (s: Live): void =>
      s.g.positions.forEach((p, at) => {
        const o = 24 * at * s.cells,
          nu = s.leaf?.last;
        if (nu) {
          const d = (e: number): Ext => E.mul(invLambda, E.sub(k.readExt(e + o), nu));
          quads.set(p, { n0: nu, n1: nu, d0: d(s.d0), d1: d(s.d1) });
          return;
        }
        quads.set(p, { n0: k.readExt(s.n0 + o), n1: k.readExt(s.n1 + o), d0: k.readExt(s.d0 + o), d1: k.readExt(s.d1 + o) });
      });
    const r: Ext[] = [];
    for (let kk = layer - 1; kk >= 0; kk--) {
      const z = point[kk];
      let g0: Ext = lambda,
        g2: Ext = E.ZERO;
      const weights = pointTables(k, point);
      const m2 = k.mark();
      for (let x = live.length - 1; x >= 0; x--) {
        const s = live[x];
        if (s.left === 0) {
          join(s);
          live.splice(x, 1);
          continue;
        } // reduced to one each: they join the singles
        while (s.l.axis > 0 && s.done >= s.g.axisVars[s.l.axis]) {
          const axis = s.l.axis - 1,
            len = s.g.dims[axis];
          s.cs = s.rs;
          s.rs *= len;
          s.l = { ...s.l, axis, len, rows: s.l.rows / len };
          s.done = 0;
          // Along the next axis the value is constant.
          if (s.leaf) s.leaf = { inner: s.leaf.last, last: s.leaf.last };
        }
        // Variables of the layer's point: prefix | axes of the box, the current axis losing its low ones.
        const from = layer - (s.g.vars - height - 1);
        const axisSlice = (axis: number): [number, number] => {
          let at = from;
          for (let t = 0; t < axis; t++) at += s.g.axisVars[t];
          return [at, at + (axis === s.l.axis ? kk - at : s.g.axisVars[axis])];
        };
        const half = Math.ceil(s.l.len / 2),
          eqcol = weights.table(...axisSlice(s.l.axis), half);
        const prefixes = prefixWeights(point.slice(0, from), s.g.positions);
        let roww = k.exts(prefixes),
          rows = s.g.members.length,
          total = prefixes.reduce<Ext>((x, y) => E.add(x, y), E.ZERO);
        for (let axis = 1; axis < s.l.axis; axis++) {
          const n = s.g.dims[axis];
          total = E.mul(total, eqSum(point.slice(...axisSlice(axis)), n));
          const t = weights.table(...axisSlice(axis), n),
            dst = k.alloc(24 * rows * n),
            src = roww;
          k.parallel('outer', rows, grain(n), (lo, hi) => [dst, src, t, n, lo, hi]);
          roww = dst;
          rows *= n;
        }
        const out = k.zeroed(64 * k.threads);
        if (s.leaf) {
          k.parallel('gkrProduct', s.l.rows, grain(s.l.len), (lo, hi, t) => [
            out + 64 * t,
            s.d0,
            s.d1,
            s.l.len,
            s.cs,
            s.rs,
            eqcol,
            roww,
            lam,
            lo,
            hi,
          ]);
          // The squares of nu: inner pairs have a constant one, the last pair its own.
          const { inner, last } = s.leaf,
            odd = s.l.len % 2 === 1,
            at = k.readExt(eqcol + 24 * (half - 1)),
            sum = eqSum(point.slice(...axisSlice(s.l.axis)), half);
          const low = odd ? last : inner,
            up = odd ? E.ZERO : last,
            sq = (x: Ext): Ext => E.mul(x, x);
          let s0 = E.add(E.mul(sq(inner), E.sub(sum, at)), E.mul(sq(low), at)),
            s2 = E.mul(sq(E.sub(up, low)), at);
          s0 = E.neg(E.mul(total, s0));
          s2 = E.neg(E.mul(total, s2));
          for (let t = 0; t < k.threads; t++) {
            s0 = E.add(s0, k.readExt(out + 64 * t));
            s2 = E.add(s2, k.readExt(out + 64 * t + 24));
          }
          g0 = E.add(g0, E.sub(E.mul(invLambda, s0), E.mul(lambda, E.mul(total, sum))));
          g2 = E.add(g2, E.mul(invLambda, s2));
          continue;
        }
        k.parallel('gkrRound', s.l.rows, grain(s.l.len), (lo, hi, t) => [
          out + 64 * t,
          s.n0,
          s.n1,
          s.d0,
          s.d1,
          s.l.len,
          s.cs,
          s.rs,
          eqcol,
          roww,
          lam,
          scratch + 512 * t,
          lo,
          hi,
        ]);
        for (let t = 0; t < k.threads; t++) {
          g0 = E.add(g0, k.readExt(out + 64 * t));
          g2 = E.add(g2, k.readExt(out + 64 * t + 24));
        }
      }
      k.release(m2);
      weights.close();
      for (const q of new Set([...quads.keys()].map((p) => Math.floor(p / 2)))) {
        const x = quads.get(2 * q) ?? PADQ,
          y = quads.get(2 * q + 1) ?? PADQ,
          w = prefixWeight(point.slice(0, kk), q);
        const d = { n0: E.sub(y.n0, x.n0), n1: E.sub(y.n1, x.n1), d0: E.sub(y.d0, x.d0), d1: E.sub(y.d1, x.d1) };
        g0 = E.add(g0, E.mul(w, E.sub(combine(x, lambda), lambda)));
        g2 = E.add(g2, E.mul(w, combine(d, lambda)));
      }
      ch.sendExt(`logup ${layer} round`, [g0, g2]);
      const g1 = E.mul(E.sub(claim, E.mul(E.sub(E.ONE, z), g0)), E.inv(z));
      const x = ch.sample(`logup ${layer} r`);
      r.unshift(x);
      claim = E.add(g0, E.mul(x, E.add(E.sub(E.sub(g1, g0), g2), E.mul(x, g2))));
      const m4 = k.mark(),
        xp = k.exts([x]);
      for (const s of live) {
        if (s.leaf) {
          k.parallel('gkrFoldPair', s.l.rows, grain(s.l.len), (lo, hi, t) => [
            s.d0,
            s.d1,
            s.l.len,
            s.cs,
            s.rs,
            lam,
            xp,
            scratch + 512 * t,
            lo,
            hi,
          ]);
          const { inner, last } = s.leaf,
            low = s.l.len % 2 ? last : inner,
            up = s.l.len % 2 ? E.ZERO : last;
          s.leaf = { inner, last: E.add(low, E.mul(x, E.sub(up, low))) };
        } else
          k.parallel('gkrFold', s.l.rows, grain(s.l.len), (lo, hi, t) => [
            s.n0,
            s.n1,
            s.d0,
            s.d1,
            s.l.len,
            s.cs,
            s.rs,
            xp,
            scratch + 512 * t,
            lo,
            hi,
          ]);
        s.l = { ...s.l, len: Math.ceil(s.l.len / 2) };
        s.left--;
        s.done++;
      }
      k.release(m4);
      const folds = [...new Set([...quads.keys()].map((p) => Math.floor(p / 2)))].map((q) => {
        const u = quads.get(2 * q) ?? PADQ,
          v = quads.get(2 * q + 1) ?? PADQ,
          f = (p: Ext, w: Ext): Ext => E.add(p, E.mul(x, E.sub(w, p)));
        return [q, { n0: f(u.n0, v.n0), n1: f(u.n1, v.n1), d0: f(u.d0, v.d0), d1: f(u.d1, v.d1) }] as const;
      });
      quads.clear();
      for (const [q, v] of folds) quads.set(q, v);
    }
    for (const s of live) join(s);
    const v = quads.get(0) ?? PADQ;
    ch.sendExt(`logup ${layer} values`, [v.n0, v.n1, v.d0, v.d1]);
    const tau = ch.sample(`logup ${layer} tau`);
    a = E.add(v.n0, E.mul(tau, E.sub(v.n1, v.n0)));
    bden = E.add(v.d0, E.mul(tau, E.sub(v.d1, v.d0)));
    point = [...r, tau];
    k.release(m);
  }
  k.release(start);
  return { rho: point, num: a, den: bden };
}

/** First layer above the leaves of a group of lookups, straight from the keys: no layer of leaves is written. */
function leafPairLayer(k: Kernels, g: Group, inputs: readonly LeafInput[], to: Layer): Layer {
  const each = (to.rows * to.len) / g.members.length;
  g.members.forEach((member, at) => {
    const input = inputs[member],
      o = 24 * each * at;
    if (input.kind === 'range') {
      const m = k.mark(),
        p = k.exts([input.g]);
      k.parallel('gkrLeafRange', each, GRAIN, (lo, hi) => [to.n + o, to.d + o, input.keys, p, lo, hi]);
      k.release(m);
    } else if (input.kind === 'rows')
      k.parallel('gkrLeafTable', each, GRAIN, (lo, hi) => [to.n + o, to.d + o, input.keys, input.table, lo, hi]);
  });
  return to;
}

/** The arrays e0, e1 of a group of lookups, straight from the keys. */
function leafPairs(
  k: Kernels,
  g: Group,
  inputs: readonly LeafInput[],
  lambda: Ext,
  lam: number,
  cells: number,
): { n0: number; n1: number; d0: number; d1: number } {
  const d0 = k.alloc(24 * cells),
    d1 = k.alloc(24 * cells),
    each = cells / g.members.length,
    scaled = new Map<number, number>(),
    m = k.mark();
  g.members.forEach((member, at) => {
    const input = inputs[member],
      o = 24 * each * at;
    if (input.kind === 'range') {
      const base = k.exts([E.add(E.ONE, E.mul(lambda, input.g))]);
      k.parallel('leafPairsRange', each, GRAIN, (lo, hi) => [d0 + o, d1 + o, input.keys, base, lam, lo, hi]);
    } else if (input.kind === 'rows') {
      let table = scaled.get(input.table);
      if (table === undefined) {
        const t = k.alloc(24 * input.rows);
        k.parallel('onePlus', input.rows, GRAIN, (lo, hi) => [t, input.table, lam, lo, hi]);
        scaled.set(input.table, t);
        table = t;
      }
      const t = table;
      k.parallel('leafPairsTable', each, GRAIN, (lo, hi) => [d0 + o, d1 + o, input.keys, t, lo, hi]);
    }
  });
  k.release(m);
  return { n0: 0, n1: 0, d0, d1 };
}

/** Sum of eq(point, i) for i < n. */
function eqSum(point: readonly Ext[], n: number): Ext {
  let sum: Ext = E.ZERO,
    prefix: Ext = E.ONE;
  if (n >= 2 ** point.length) return E.ONE;
  for (let t = 0; t < point.length; t++) {
    const hi = E.mul(prefix, point[t]),
      lo = E.sub(prefix, hi);
    if (Math.floor(n / 2 ** (point.length - 1 - t)) % 2) {
      sum = E.add(sum, lo);
      prefix = hi;
    } else prefix = lo;
  }
  return sum;
}

/** Tables of eq at slices of a point, computed once each; memory until `close`. */
function pointTables(k: Kernels, point: readonly Ext[]) {
  const m = k.mark(),
    known = new Map<string, number>();
  return {
    table(from: number, to: number, n: number): number {
      const key = `${from}-${to}-${n}`;
      let t = known.get(key);
      if (t === undefined) {
        t = eqTableKernel(k, point.slice(from, to), n);
        known.set(key, t);
      }
      return t;
    },
    close: (): void => k.release(m),
  };
}

/** Axes of size one have no variables: they are passed over. */
function skipUnit(b: Group, l: Layer, done: number): Layer {
  let cur = l,
    d = done;
  while (cur.axis > 0 && d >= b.axisVars[cur.axis]) {
    const axis = cur.axis - 1;
    cur = { ...cur, axis, len: b.dims[axis], rows: cur.rows / b.dims[axis] };
    d = 0;
  }
  return cur;
}

const combine = (q: Quad, lambda: Ext): Ext => E.add(E.add(E.mul(q.n0, q.d1), E.mul(q.n1, q.d0)), E.mul(lambda, E.mul(q.d0, q.d1)));

function prefixWeight(point: readonly Ext[], index: number): Ext {
  let acc: Ext = E.ONE;
  point.forEach((x, k) => {
    acc = E.mul(acc, Math.floor(index / 2 ** (point.length - 1 - k)) % 2 ? x : E.sub(E.ONE, x));
  });
  return acc;
}

/** eq(point, index) at several indices; the tree of prefixes is shared. */
function prefixWeights(point: readonly Ext[], indices: readonly number[]): Ext[] {
  const known = new Map<string, Ext>([['0/0', E.ONE]]);
  const at = (bits: number, value: number): Ext => {
    const key = `${bits}/${value}`;
    let v = known.get(key);
    if (v === undefined) {
      const up = at(bits - 1, Math.floor(value / 2)),
        x = point[bits - 1];
      v = E.mul(up, value % 2 ? x : E.sub(E.ONE, x));
      known.set(key, v);
    }
    return v;
  };
  return indices.map((i) => at(point.length, i));
}

/** eq(point, i) for i < n in kernel memory. */
export function eqTableKernel(k: Kernels, point: readonly Ext[], n: number): number {
  const dst = k.alloc(24 * (Math.max(n, 1) + 1)),
    pts = k.exts(point),
    s = k.alloc(64);
  k.exports['eqTrunc'](dst, pts, point.length, n, s);
  return dst;
}
