import * as E from '../field/ext3.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Ext } from '../transcript/arith.js';
import type { ProverChannel } from '../transcript/prover.js';
import type { LogUpShape, PlacedBox } from './shape.js';

/** Denominators of a box: g - key, a table's row, or given; numerators of tables. */
export type LeafInput =
  | { readonly kind: 'range'; readonly keys: number; readonly g: Ext }
  | { readonly kind: 'rows'; readonly keys: number; readonly table: number }
  | { readonly kind: 'table'; readonly den: number; readonly num: number };

interface Layer { n: number; d: number; rows: number; len: number; axis: number }
interface Single { n: Ext; d: Ext }
interface Quad { n0: Ext; n1: Ext; d0: Ext; d1: Ext }
const PAD: Single = { n: E.ZERO, d: E.ONE };
const PADQ: Quad = { n0: E.ZERO, n1: E.ZERO, d0: E.ONE, d1: E.ONE };

function leafShape(b: PlacedBox): Layer {
  const axis = b.dims.length - 1;
  return { n: 0, d: 0, rows: b.dims.slice(0, Math.max(0, axis)).reduce((x, y) => x * y, 1), len: axis >= 0 ? b.dims[axis] : 1, axis };
}

function leafLayer(k: Kernels, b: PlacedBox, input: LeafInput): Layer {
  const cells = b.dims.reduce((x, y) => x * y, 1), shape = leafShape(b);
  if (input.kind === 'table') return { ...shape, n: input.num, d: input.den };
  const d = k.alloc(24 * cells);
  if (input.kind === 'range') { const g = k.exts([input.g]); k.parallel('leafRange', cells, 4096, (lo, hi) => [d, input.keys, g, lo, hi]); }
  else k.parallel('leafTable', cells, 4096, (lo, hi) => [d, input.keys, input.table, lo, hi]);
  return { ...shape, d };
}

/** Proves the sum; returns the point and the leaf claims. Keeps no memory but the caller's. */
export function proveLogUp(k: Kernels, ch: ProverChannel, shape: LogUpShape, inputs: readonly LeafInput[]): { rho: Ext[]; num: Ext; den: Ext } {
  const start = k.mark(), scratch = k.alloc(512 * k.threads);
  // Layers above the leaves, kept until the leaves' own turn; these are recomputed then.
  const kept = k.mark();
  const layers: Layer[][] = shape.boxes.map(() => []);
  const folded = (b: PlacedBox, height: number): number => {
    let left = height;
    for (let a = b.dims.length - 1; a >= 0; a--) { if (left <= b.axisVars[a]) return left; left -= b.axisVars[a]; }
    return left;
  };
  shape.boxes.forEach((b, i) => {
    if (b.vars === 0) return;
    const plan: Layer[] = [];
    // Sizes are known beforehand: allocate the kept layers first, so that the leaves can be released.
    let cur: Layer = { n: 0, d: 0, axis: b.dims.length - 1, rows: b.dims.slice(0, -1).reduce((x, y) => x * y, 1), len: b.dims[b.dims.length - 1] };
    cur = skipUnit(b, cur, 0);
    for (let h = 1; h <= b.vars; h++) {
      const len = Math.ceil(cur.len / 2);
      cur = { n: k.alloc(24 * cur.rows * len), d: k.alloc(24 * cur.rows * len), rows: cur.rows, len, axis: cur.axis };
      plan.push(cur);
      cur = skipUnit(b, cur, folded(b, h));
    }
    const m = k.mark();
    let src = skipUnit(b, leafLayer(k, b, inputs[i]), 0);
    plan.forEach((dst, h) => {
      k.parallel('gkrLayer', src.rows, Math.max(1, Math.floor(4096 / src.len)), (lo, hi, t) => [dst.n, dst.d, src.n, src.d, src.len, scratch + 512 * t, lo, hi]);
      src = skipUnit(b, dst, folded(b, h + 1));
    });
    k.release(m);
    layers[i] = plan;
  });
  const rootOf = (i: number): Single => {
    const b = shape.boxes[i];
    if (b.vars > 0) { const l = layers[i][b.vars - 1]; return { n: k.readExt(l.n), d: k.readExt(l.d) }; }
    const m = k.mark(), l = leafLayer(k, b, inputs[i]), out = { n: l.n ? k.readExt(l.n) : E.ONE, d: k.readExt(l.d) };
    k.release(m);
    return out;
  };
  // singles[h]: fractions at height h of boxes (or joins of boxes) that have been reduced to one, by position.
  const singles: Map<number, Single>[] = [];
  let top = new Map<number, Single>();
  for (let h = 0; h <= shape.vars; h++) {
    shape.boxes.forEach((b, i) => { if (b.vars === h) top.set(b.position, rootOf(i)); });
    singles.push(top);
    const next = new Map<number, Single>();
    for (const p of top.keys()) {
      const q = Math.floor(p / 2);
      if (next.has(q)) continue;
      const x = top.get(2 * q) ?? PAD, y = top.get(2 * q + 1) ?? PAD;
      next.set(q, { n: E.add(E.mul(x.n, y.d), E.mul(y.n, x.d)), d: E.mul(x.d, y.d) });
    }
    top = next;
  }
  const root = singles[shape.vars].get(0)!;
  ch.sendExt('logup root', [root.d]);

  let point: Ext[] = [], a: Ext = E.ZERO, bden: Ext = root.d;
  for (let layer = 0; layer < shape.vars; layer++) {
    const height = shape.vars - 1 - layer; // this sumcheck pairs fractions of that height
    const lambda = ch.sample(`logup ${layer} lambda`);
    if (height === 0) k.release(kept);
    const m = k.mark(), lam = k.exts([lambda]);
    let claim = E.add(a, E.mul(lambda, bden));
    const live: { b: PlacedBox; l: Layer; n0: number; n1: number; d0: number; d1: number; cs: number; rs: number; left: number; done: number }[] = [];
    const quads = new Map<number, Quad>();
    for (const p of singles[height].keys()) {
      const q = Math.floor(p / 2);
      const x = singles[height].get(2 * q) ?? PAD, y = singles[height].get(2 * q + 1) ?? PAD;
      quads.set(q, { n0: x.n, n1: y.n, d0: x.d, d1: y.d });
    }
    shape.boxes.forEach((b, i) => {
      if (b.vars <= height) return;
      const shapeOf = skipUnit(b, height === 0 ? leafShape(b) : layers[i][height - 1], folded(b, height));
      const len = Math.ceil(shapeOf.len / 2), cells = shapeOf.rows * len;
      const q = { n0: k.alloc(24 * cells), n1: k.alloc(24 * cells), d0: k.alloc(24 * cells), d1: k.alloc(24 * cells) };
      const m3 = k.mark();
      const src = height === 0 ? skipUnit(b, leafLayer(k, b, inputs[i]), 0) : shapeOf;
      k.parallel('gkrSplit', src.rows, Math.max(1, Math.floor(4096 / src.len)), (lo, hi) => [q.n0, q.n1, q.d0, q.d1, src.n, src.d, src.len, lo, hi]);
      k.release(m3);
      const l = { ...shapeOf, len };
      live.push({ b, l, ...q, cs: 1, rs: len, left: b.vars - height - 1, done: folded(b, height + 1) });
    });
    const r: Ext[] = [];
    for (let kk = layer - 1; kk >= 0; kk--) {
      const z = point[kk];
      let g0: Ext = lambda, g2: Ext = E.ZERO;
      for (let x = live.length - 1; x >= 0; x--) {
        const s = live[x];
        if (s.left === 0) { // reduced to one: joins the singles
          quads.set(s.b.position, { n0: k.readExt(s.n0), n1: k.readExt(s.n1), d0: k.readExt(s.d0), d1: k.readExt(s.d1) });
          live.splice(x, 1);
          continue;
        }
        while (s.l.axis > 0 && s.done >= s.b.axisVars[s.l.axis]) {
          const axis = s.l.axis - 1, len = s.b.dims[axis];
          s.cs = s.rs; s.rs *= len;
          s.l = { ...s.l, axis, len, rows: s.l.rows / len };
          s.done = 0;
        }
        const m2 = k.mark();
        // Variables of the layer's point: prefix | axes of the box, the current axis losing its low ones.
        const axisPoint = (axis: number): Ext[] => {
          let at = layer - (s.b.vars - height - 1);
          for (let t = 0; t < axis; t++) at += s.b.axisVars[t];
          const v = axis === s.l.axis ? kk - at : s.b.axisVars[axis];
          return point.slice(at, at + v);
        };
        const half = Math.ceil(s.l.len / 2), eqcol = eqTableKernel(k, axisPoint(s.l.axis), half);
        let roww = k.exts([prefixWeight(point.slice(0, layer - (s.b.vars - height - 1)), s.b.position)]), rows = 1;
        for (let axis = 0; axis < s.l.axis; axis++) {
          const t = eqTableKernel(k, axisPoint(axis), s.b.dims[axis]), dst = k.alloc(24 * rows * s.b.dims[axis]), from = roww, n = s.b.dims[axis];
          k.parallel('outer', rows, 256, (lo, hi) => [dst, from, t, n, lo, hi]);
          roww = dst;
          rows *= n;
        }
        const out = k.zeroed(64 * k.threads);
        k.parallel('gkrRound', s.l.rows, Math.max(1, Math.floor(1024 / s.l.len)), (lo, hi, t) => [out + 64 * t, s.n0, s.n1, s.d0, s.d1, s.l.len, s.cs, s.rs, eqcol, roww, lam, scratch + 512 * t, lo, hi]);
        for (let t = 0; t < k.threads; t++) { g0 = E.add(g0, k.readExt(out + 64 * t)); g2 = E.add(g2, k.readExt(out + 64 * t + 24)); }
        k.release(m2);
      }
      for (const q of new Set([...quads.keys()].map((p) => Math.floor(p / 2)))) {
        const x = quads.get(2 * q) ?? PADQ, y = quads.get(2 * q + 1) ?? PADQ, w = prefixWeight(point.slice(0, kk), q);
        const d = { n0: E.sub(y.n0, x.n0), n1: E.sub(y.n1, x.n1), d0: E.sub(y.d0, x.d0), d1: E.sub(y.d1, x.d1) };
        g0 = E.add(g0, E.mul(w, E.sub(combine(x, lambda), lambda)));
        g2 = E.add(g2, E.mul(w, combine(d, lambda)));
      }
      ch.sendExt(`logup ${layer} round`, [g0, g2]);
      const g1 = E.mul(E.sub(claim, E.mul(E.sub(E.ONE, z), g0)), E.inv(z));
      const x = ch.sample(`logup ${layer} r`);
      r.unshift(x);
      claim = E.add(g0, E.mul(x, E.add(E.sub(E.sub(g1, g0), g2), E.mul(x, g2))));
      const xp = k.exts([x]);
      for (const s of live) {
        for (const [arr, pad] of [[s.n0, 0n], [s.n1, 0n], [s.d0, 1n], [s.d1, 1n]] as const) {
          k.parallel('gkrFold', s.l.rows, Math.max(1, Math.floor(2048 / s.l.len)), (lo, hi, t) => [arr, s.l.len, s.cs, s.rs, pad, xp, scratch + 512 * t, lo, hi]);
        }
        s.l = { ...s.l, len: Math.ceil(s.l.len / 2) };
        s.left--; s.done++;
      }
      const folds = [...new Set([...quads.keys()].map((p) => Math.floor(p / 2)))].map((q) => {
        const u = quads.get(2 * q) ?? PADQ, v = quads.get(2 * q + 1) ?? PADQ, f = (p: Ext, w: Ext): Ext => E.add(p, E.mul(x, E.sub(w, p)));
        return [q, { n0: f(u.n0, v.n0), n1: f(u.n1, v.n1), d0: f(u.d0, v.d0), d1: f(u.d1, v.d1) }] as const;
      });
      quads.clear();
      for (const [q, v] of folds) quads.set(q, v);
    }
    for (const s of live) quads.set(s.b.position, { n0: k.readExt(s.n0), n1: k.readExt(s.n1), d0: k.readExt(s.d0), d1: k.readExt(s.d1) });
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

/** Axes of size one have no variables: they are passed over. */
function skipUnit(b: PlacedBox, l: Layer, done: number): Layer {
  let cur = l, d = done;
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
  point.forEach((x, k) => { acc = E.mul(acc, Math.floor(index / 2 ** (point.length - 1 - k)) % 2 ? x : E.sub(E.ONE, x)); });
  return acc;
}

/** eq(point, i) for i < n in kernel memory. */
export function eqTableKernel(k: Kernels, point: readonly Ext[], n: number): number {
  const dst = k.alloc(24 * (Math.max(n, 1) + 1)), pts = k.exts(point), s = k.alloc(64);
  k.exports['eqTrunc'](dst, pts, point.length, n, s);
  return dst;
}
