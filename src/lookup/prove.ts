import * as E from '../field/ext3.js';
import type { FarBlock } from '../kernels/far.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Ext } from '../transcript/arith.js';
import type { ProverChannel } from '../transcript/prover.js';
import { type Group, groupBoxes } from './pieces.js';
import type { LogUpShape } from './shape.js';

/** Row indices (u32) of a box's cells: an address, or a block of far memory. */
export type Keys = number | FarBlock;

/** Denominators of a box: g - key, a table's row, or given; numerators of tables. */
export type LeafInput =
  | { readonly kind: 'range'; readonly keys: Keys; readonly g: Ext }
  | { readonly kind: 'rows'; readonly keys: Keys; readonly table: number /** Rows of the table. */; readonly rows: number }
  | { readonly kind: 'table'; readonly den: number; readonly num: number };

/** Numerators and denominators (n = 0: numerators one), near, or one after the other in a far block. */
interface Layer {
  n: number;
  d: number;
  rows: number;
  len: number;
  axis: number;
  far?: FarBlock;
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

const product = (x: readonly number[]): number => x.reduce((a, b) => a * b, 1);

/** Cells per thread below which a call costs more than it saves. */
const GRAIN = 8192;
const grain = (len: number): number => Math.max(1, Math.ceil(GRAIN / len));

function leafShape(g: Group): Layer {
  const axis = g.dims.length - 1;
  return { n: 0, d: 0, rows: product(g.dims.slice(0, axis)), len: g.dims[axis], axis };
}

/** Arrays of the four values of pairs; of the leaves of lookups only d0 and d1 are used, see below. */
interface Arrays {
  readonly n0: number;
  readonly n1: number;
  readonly d0: number;
  readonly d1: number;
}

/**
 * A group within a sumcheck, folded as far as `done` variables of axis `l.axis`. Its arrays are near (`data`), or packed one after the other in
 * a far block, or not there at all: then they are made again from the keys or from the kept layer. A fold of arrays that are not near waits
 * (`pending`) until they are fetched for the next round.
 */
interface Live {
  readonly g: Group;
  readonly make: () => Arrays;
  l: Layer;
  cs: number;
  rs: number;
  left: number;
  done: number;
  /** Distance of members within an array. */ cells: number;
  /** Near bytes of all arrays. */ bytes: number;
  data?: Arrays;
  far?: FarBlock;
  pending?: { readonly x: Ext; readonly rows: number; readonly len: number; readonly cs: number; readonly rs: number };
  /** Leaves whose numerators are all one. */ leaf?: { inner: Ext; last: Ext };
}

/*
 * Leaves of lookups have numerators 1 (0 where the box is missing), so after any folding both numerators of a pair equal one value nu, which is
 * constant along the rows and along the current axis but for its last cell. With e = nu + lambda d,
 *   F = nu (d0 + d1) + lambda d0 d1 = (e0 e1 - nu^2) / lambda,
 * and e folds as nu and d do (missing cells: nu = 0, d = 1, e = lambda): two arrays and one product instead of four and three.
 */

/** Layers of this height and above are kept; those below are made again from the keys when it is their turn. */
const KEPT = 2;
/** Near bytes per cell that work on one piece takes at most: leaves, two layers, split arrays, packed arrays, weights of rows. */
const SCRATCH = 192;
/** Most cells of a piece. */
const PIECE = 2 ** 21;

const pieceLimit = (room: number): number => Math.max(64, Math.min(PIECE, Math.floor(room / (4 * SCRATCH))));

/** Variables of the current axis that a fold of `height` variables has bound. */
function folded(g: Group, height: number): number {
  let left = height;
  for (let a = g.dims.length - 1; a >= 0; a--) {
    if (left <= g.axisVars[a]) return left;
    left -= g.axisVars[a];
  }
  return left;
}

/** Sizes of the layers of a group, heights 1 and up. */
function layerShapes(g: Group): Layer[] {
  const out: Layer[] = [];
  let cur = skipUnit(g, leafShape(g), 0);
  for (let h = 1; h <= g.vars; h++) {
    cur = { n: 0, d: 0, rows: cur.rows, len: Math.ceil(cur.len / 2), axis: cur.axis };
    out.push(cur);
    cur = skipUnit(g, cur, folded(g, h));
  }
  return out;
}

/** The first layer comes straight from the keys. */
const isDirect = (g: Group): boolean => !g.table && g.vars > 0 && skipUnit(g, leafShape(g), 0).len % 2 === 0;

/** Bytes of all layers by height; the height from which on they are kept near: from the root down while half of the room lasts. */
function keptLayers(shapes: readonly (readonly Layer[])[], room: number): { bytesAt: number[]; nearFrom: number } {
  const bytesAt: number[] = [0];
  for (const s of shapes) for (const [i, l] of s.entries()) bytesAt[i + 1] = (bytesAt[i + 1] ?? 0) + 48 * l.rows * l.len;
  let nearFrom = bytesAt.length;
  for (let left = room / 2; nearFrom > KEPT; nearFrom--) {
    left -= bytesAt[nearFrom - 1];
    if (left < 0) break;
  }
  return { bytesAt, nearFrom };
}

/** Near and far bytes of proveLogUp at its peak in that room; `tables`: bytes of scaled copies of all tables. */
export function logUpMemory(shape: LogUpShape, room: number, tables: number): { near: number; far: number } {
  const limit = pieceLimit(room),
    groups = groupBoxes(shape, limit),
    { bytesAt, nearFrom } = keptLayers(groups.map(layerShapes), room),
    total = (from: number, to: number): number => bytesAt.slice(from, to).reduce((x, y) => x + y, 0),
    cells = groups.reduce((n, g) => n + product(g.dims), 0),
    scratch = Math.max(0, ...groups.map((g) => (isDirect(g) ? 24 : 48) * product(g.dims)));
  const near = total(nearFrom, bytesAt.length),
    keptFar = total(KEPT, nearFrom);
  let most = near + scratch,
    far = keptFar;
  // The leaves (two arrays of half the cells) and the layer above them: whole if they fit, else half of them after the first fold.
  for (const [height, bytes] of [
    [1, bytesAt[1] ?? 0],
    [0, 24 * cells + tables],
    [nearFrom > KEPT ? KEPT : -1, bytesAt[KEPT] ?? 0],
  ]) {
    if (height < 0) continue;
    const kept = height < KEPT ? 0 : near;
    if (kept + bytes + SCRATCH * limit + tables <= room) {
      most = Math.max(most, kept + bytes);
      continue;
    }
    let live = bytes / 2;
    while (kept + live + SCRATCH * limit + tables > room && live > 1) {
      far = Math.max(far, live + (height < KEPT ? 0 : keptFar));
      live /= 2;
    }
    most = Math.max(most, kept + live + SCRATCH * limit);
  }
  return { near: Math.min(most, room), far };
}

/**
 * Proves the sum; returns the point and the leaf claims. Keeps no memory but the caller's. What does not fit the linear memory is kept far;
 * the proof does not depend on it.
 */
export function proveLogUp(
  k: Kernels,
  ch: ProverChannel,
  shape: LogUpShape,
  inputs: readonly LeafInput[],
): { rho: Ext[]; num: Ext; den: Ext } {
  const start = k.mark(),
    scratch = k.alloc(512 * k.threads),
    limit = pieceLimit(k.room),
    reserve = SCRATCH * limit + tableBytes(inputs),
    groups = groupBoxes(shape, limit);
  const kept = k.mark();
  const layers: Layer[][] = groups.map(() => []),
    roots: { readonly vars: number; readonly position: number; readonly value: Single }[] = [];
  const shapes = groups.map(layerShapes),
    { nearFrom } = keptLayers(shapes, k.room);
  const fill = (g: Group, height: number, to: Layer): void => {
    if (height === 0 || isDirect(g)) {
      if (height === 0) leafLayer(k, g, inputs, to);
      else leafPairLayer(k, g, inputs, to);
      return;
    }
    const m = k.mark(),
      cells = product(g.dims),
      leaves = skipUnit(g, { ...leafShape(g), d: k.alloc(24 * cells), n: g.table ? k.alloc(24 * cells) : 0 }, 0);
    leafLayer(k, g, inputs, leaves);
    gkrLayer(to, leaves);
    k.release(m);
  };
  const gkrLayer = (dst: Layer, src: Layer): void =>
    k.parallel('gkrLayer', src.rows, grain(src.len), (lo, hi, t) => [dst.n, dst.d, src.n, src.d, src.len, scratch + 512 * t, lo, hi]);
  groups.forEach((g, i) => {
    const plan = shapes[i].map((l, at): Layer => {
      const bytes = 24 * l.rows * l.len,
        h = at + 1;
      if (h < KEPT) return l;
      if (h >= nearFrom || 8 * bytes <= k.far.page) return { ...l, n: k.alloc(bytes), d: k.alloc(bytes) };
      return { ...l, far: k.far.alloc(2 * bytes) };
    });
    const m = k.mark();
    const near = (l: Layer): Layer => {
      if (l.n) return l;
      const bytes = 24 * l.rows * l.len,
        n = k.alloc(2 * bytes);
      return { ...l, n, d: n + bytes };
    };
    let src: Layer;
    if (g.vars === 0) {
      const cells = g.members.length;
      src = { ...leafShape(g), d: k.alloc(24 * cells), n: g.table ? k.alloc(24 * cells) : 0 };
      leafLayer(k, g, inputs, src);
    } else {
      src = near(plan[0]);
      fill(g, 1, src);
      for (let h = 2; h <= g.vars; h++) {
        const dst = near(plan[h - 1]);
        gkrLayer(dst, skipUnit(g, src, folded(g, h - 1)));
        if (dst.far) k.far.store(dst.far, 0, dst.n, dst.far.bytes);
        src = dst;
      }
    }
    g.members.forEach(({ position }, at) =>
      roots.push({ vars: g.vars, position, value: { n: src.n ? k.readExt(src.n + 24 * at) : E.ONE, d: k.readExt(src.d + 24 * at) } }),
    );
    k.release(m);
    layers[i] = plan;
  });
  // singles[h]: fractions at height h of boxes (or joins of boxes) that have been reduced to one, by position.
  const singles: Map<number, Single>[] = [];
  let top = new Map<number, Single>();
  for (let h = 0; h <= shape.vars; h++) {
    for (const r of roots) if (r.vars === h) top.set(r.position, r.value);
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
    if (height < KEPT) k.release(kept);
    const m = k.mark(),
      lam = k.exts([lambda]);
    let claim = E.add(a, E.mul(lambda, bden));
    let live: Live[] = [];
    const quads = new Map<number, Quad>();
    for (const p of singles[height].keys()) {
      const q = Math.floor(p / 2);
      const x = singles[height].get(2 * q) ?? PAD,
        y = singles[height].get(2 * q + 1) ?? PAD;
      quads.set(q, { n0: x.n, n1: y.n, d0: x.d, d1: y.d });
    }
    groups.forEach((g, i) => {
      if (g.vars <= height) return;
      const stored = height === 0 ? leafShape(g) : layers[i][height - 1],
        raw = skipUnit(g, stored, folded(g, height)),
        len = Math.ceil(raw.len / 2),
        cells = raw.rows * len,
        members = g.members.length,
        even = raw.len % 2 === 0;
      const rest = { g, l: { ...raw, len }, left: g.vars - height - 1, done: folded(g, height + 1) };
      if (height === 0 && !g.table && even) {
        live.push({
          ...rest,
          cs: 1,
          rs: len,
          cells: cells / members,
          bytes: 48 * cells,
          leaf: { inner: E.ONE, last: E.ONE },
          make: () => leafPairs(k, g, inputs, lambda, lam, cells),
        });
        return;
      }
      const source = (): Layer => {
        if (stored.n) return raw;
        const bytes = 24 * raw.rows * raw.len,
          d = k.alloc(bytes),
          n = height > 0 || g.table ? k.alloc(bytes) : 0;
        if (stored.far) {
          k.far.load(stored.far, 0, n, bytes);
          k.far.load(stored.far, bytes, d, bytes);
        } else fill(g, height, { ...stored, n, d });
        return { ...raw, n, d };
      };
      // The layer itself, pairs side by side: it is not needed again.
      if (even)
        live.push({
          ...rest,
          cs: 2,
          rs: raw.len,
          cells: (2 * cells) / members,
          bytes: stored.n ? 0 : 96 * cells,
          make: () => {
            const s = source();
            return { n0: s.n, n1: s.n + 24, d0: s.d, d1: s.d + 24 };
          },
        });
      else
        live.push({
          ...rest,
          cs: 1,
          rs: len,
          cells: cells / members,
          bytes: 96 * cells,
          make: () => {
            const q = arrays(k, 4, cells),
              m2 = k.mark(),
              s = source();
            k.parallel('gkrSplit', s.rows, grain(s.len), (lo, hi) => [q.n0, q.n1, q.d0, q.d1, s.n, s.d, s.len, lo, hi]);
            k.release(m2);
            return q;
          },
        });
    });
    const fold = (s: Live, q: Arrays, f: Omit<NonNullable<Live['pending']>, 'x'>, xp: number): void => {
      if (s.leaf)
        k.parallel('gkrFoldPair', f.rows, grain(f.len), (lo, hi, t) => [q.d0, q.d1, f.len, f.cs, f.rs, lam, xp, scratch + 512 * t, lo, hi]);
      else
        k.parallel('gkrFold', f.rows, grain(f.len), (lo, hi, t) => [
          q.n0,
          q.n1,
          q.d0,
          q.d1,
          f.len,
          f.cs,
          f.rs,
          xp,
          scratch + 512 * t,
          lo,
          hi,
        ]);
    };
    const count = (s: Live): number => (s.leaf ? 2 : 4);
    /** The arrays of a group that is not near, with the fold that waited for them, packed to `to` or to fresh memory. */
    const fetch = (s: Live, to?: Arrays): Arrays => {
      const p = s.pending;
      let q: Arrays;
      if (s.far) {
        q = arrays(k, count(s), s.far.bytes / (24 * count(s)));
        k.far.load(s.far, 0, s.leaf ? q.d0 : q.n0, s.far.bytes);
      } else q = s.make();
      if (!p) return q;
      fold(s, q, p, k.exts([p.x]));
      const half = Math.ceil(p.len / 2),
        out = to ?? arrays(k, count(s), p.rows * half);
      for (const x of s.leaf ? (['d0', 'd1'] as const) : (['n0', 'n1', 'd0', 'd1'] as const))
        k.parallel('packExt', p.rows, grain(half), (lo, hi) => [out[x], q[x], half, p.cs, p.rs, lo, hi]);
      return out;
    };
    const drop = (s: Live): void => {
      if (s.far) k.far.free(s.far);
      s.far = undefined;
      s.pending = undefined;
    };
    const settle = (s: Live): void => {
      if (s.pending) {
        const to = arrays(k, count(s), s.cells * s.g.members.length),
          m2 = k.mark();
        fetch(s, to);
        k.release(m2);
        s.data = to;
      } else s.data = fetch(s);
      drop(s);
    };
    const invLambda = E.inv(lambda);
    const join = (s: Live): void => {
      const m2 = k.mark(),
        q = s.data ?? fetch(s);
      s.g.members.forEach(({ position }, at) => {
        const o = 24 * at * s.cells,
          nu = s.leaf?.last;
        if (nu) {
          const d = (e: number): Ext => E.mul(invLambda, E.sub(k.readExt(e + o), nu));
          quads.set(position, { n0: nu, n1: nu, d0: d(q.d0), d1: d(q.d1) });
        } else quads.set(position, { n0: k.readExt(q.n0 + o), n1: k.readExt(q.n1 + o), d0: k.readExt(q.d0 + o), d1: k.readExt(q.d1 + o) });
      });
      k.release(m2);
      drop(s);
    };
    const r: Ext[] = [];
    for (let kk = layer - 1; kk >= 0; kk--) {
      const z = point[kk];
      let g0: Ext = lambda,
        g2: Ext = E.ZERO;
      // Groups reduced to one fraction each join the singles.
      for (const s of live) if (s.left === 0) join(s);
      live = live.filter((s) => s.left > 0);
      for (const s of live)
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
      const from = (s: Live): number => layer - (s.g.vars - height - 1);
      const axisSlice = (s: Live, axis: number): [number, number] => {
        let at = from(s);
        for (let t = 0; t < axis; t++) at += s.g.axisVars[t];
        return [at, at + (axis === s.l.axis ? kk - at : s.g.axisVars[axis])];
      };
      const weights = pointTables(k, point);
      for (const s of live) {
        weights.want(...axisSlice(s, s.l.axis), Math.ceil(s.l.len / 2));
        for (let axis = 1; axis < s.l.axis; axis++) weights.want(...axisSlice(s, axis), s.g.dims[axis]);
      }
      const missing = live.filter((s) => !s.data),
        fits = missing.reduce((n, s) => n + s.bytes + 4 * 64, weights.bytes + reserve) <= k.room;
      for (const s of missing) if (fits || 4 * s.bytes <= k.far.page) settle(s);
      weights.open();
      const m2 = k.mark();
      for (const s of live) {
        const half = Math.ceil(s.l.len / 2),
          eqcol = weights.table(...axisSlice(s, s.l.axis), half),
          m3 = k.mark(),
          q = s.data ?? fetch(s);
        const prefixes = prefixWeights(
          point.slice(0, from(s)),
          s.g.members.map((x) => x.position),
        );
        let roww = k.exts(prefixes),
          rows = s.g.members.length,
          total = prefixes.reduce<Ext>((x, y) => E.add(x, y), E.ZERO);
        for (let axis = 1; axis < s.l.axis; axis++) {
          const n = s.g.dims[axis];
          total = E.mul(total, eqSum(point.slice(...axisSlice(s, axis)), n));
          const t = weights.table(...axisSlice(s, axis), n),
            dst = k.alloc(24 * rows * n),
            src = roww;
          k.parallel('outer', rows, grain(n), (lo, hi) => [dst, src, t, n, lo, hi]);
          roww = dst;
          rows *= n;
        }
        const out = k.zeroed(64 * k.threads);
        let s0: Ext = E.ZERO,
          s2: Ext = E.ZERO;
        if (s.leaf) {
          k.parallel('gkrProduct', s.l.rows, grain(s.l.len), (lo, hi, t) => [
            out + 64 * t,
            q.d0,
            q.d1,
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
            sum = eqSum(point.slice(...axisSlice(s, s.l.axis)), half);
          const low = odd ? last : inner,
            up = odd ? E.ZERO : last,
            sq = (x: Ext): Ext => E.mul(x, x);
          s0 = E.neg(E.mul(total, E.add(E.mul(sq(inner), E.sub(sum, at)), E.mul(sq(low), at))));
          s2 = E.neg(E.mul(total, E.mul(sq(E.sub(up, low)), at)));
          for (let t = 0; t < k.threads; t++) {
            s0 = E.add(s0, k.readExt(out + 64 * t));
            s2 = E.add(s2, k.readExt(out + 64 * t + 24));
          }
          s0 = E.sub(E.mul(invLambda, s0), E.mul(lambda, E.mul(total, sum)));
          s2 = E.mul(invLambda, s2);
        } else {
          k.parallel('gkrRound', s.l.rows, grain(s.l.len), (lo, hi, t) => [
            out + 64 * t,
            q.n0,
            q.n1,
            q.d0,
            q.d1,
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
            s0 = E.add(s0, k.readExt(out + 64 * t));
            s2 = E.add(s2, k.readExt(out + 64 * t + 24));
          }
        }
        g0 = E.add(g0, s0);
        g2 = E.add(g2, s2);
        if (!s.data && s.pending) {
          drop(s);
          s.far = k.far.alloc(24 * count(s) * s.cells * s.g.members.length);
          k.far.store(s.far, 0, s.leaf ? q.d0 : q.n0, s.far.bytes);
        }
        k.release(m3);
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
        const f = { rows: s.l.rows, len: s.l.len, cs: s.cs, rs: s.rs },
          half = Math.ceil(f.len / 2);
        if (s.data) fold(s, s.data, f, xp);
        else {
          s.pending = { x, ...f };
          s.cs = 1;
          s.rs = half;
          s.cells = (f.rows * half) / s.g.members.length;
          s.bytes = 24 * count(s) * f.rows * half;
        }
        if (s.leaf) {
          const { inner, last } = s.leaf,
            low = f.len % 2 ? last : inner,
            up = f.len % 2 ? E.ZERO : last;
          s.leaf = { inner, last: E.add(low, E.mul(x, E.sub(up, low))) };
        }
        s.l = { ...s.l, len: half };
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
    if (height > 0)
      for (const plan of layers) {
        const l = plan[height - 1];
        if (l?.far) k.far.free(l.far);
      }
  }
  k.release(start);
  return { rho: point, num: a, den: bden };
}

/** Bytes of scaled copies of all tables. */
function tableBytes(inputs: readonly LeafInput[]): number {
  const rows = new Map(inputs.flatMap((x) => (x.kind === 'rows' ? [[x.table, x.rows] as const] : [])));
  return [...rows.values()].reduce((n, r) => n + 24 * r + 64, 0);
}

/** Two or four arrays, one after the other. */
function arrays(k: Kernels, count: number, cells: number): Arrays {
  const p = k.alloc(24 * count * cells),
    at = (i: number): number => p + 24 * i * cells;
  return count === 2 ? { n0: 0, n1: 0, d0: at(0), d1: at(1) } : { n0: at(0), n1: at(1), d0: at(2), d1: at(3) };
}

/** The leaves of a group; `to.n` is 0 but for tables. */
function leafLayer(k: Kernels, g: Group, inputs: readonly LeafInput[], to: Layer): void {
  const cells = product(g.dims) / g.members.length;
  g.members.forEach(({ box, offset }, at) => {
    const input = inputs[box],
      o = 24 * cells * at;
    if (input.kind === 'table') {
      k.u8.copyWithin(to.d + o, input.den + 24 * offset, input.den + 24 * (offset + cells));
      k.u8.copyWithin(to.n + o, input.num + 24 * offset, input.num + 24 * (offset + cells));
      return;
    }
    const m = k.mark(),
      keys = keysOf(k, input.keys, offset, cells);
    if (input.kind === 'range') {
      const p = k.exts([input.g]);
      k.parallel('leafRange', cells, GRAIN, (lo, hi) => [to.d + o, keys, p, lo, hi]);
    } else k.parallel('leafTable', cells, GRAIN, (lo, hi) => [to.d + o, keys, input.table, lo, hi]);
    k.release(m);
  });
}

/** First layer above the leaves of a group of lookups, straight from the keys: no layer of leaves is written. */
function leafPairLayer(k: Kernels, g: Group, inputs: readonly LeafInput[], to: Layer): void {
  const each = (to.rows * to.len) / g.members.length;
  g.members.forEach(({ box, offset }, at) => {
    const input = inputs[box],
      o = 24 * each * at,
      m = k.mark();
    if (input.kind === 'table') return;
    const keys = keysOf(k, input.keys, offset, 2 * each);
    if (input.kind === 'range') {
      const p = k.exts([input.g]);
      k.parallel('gkrLeafRange', each, GRAIN, (lo, hi) => [to.n + o, to.d + o, keys, p, lo, hi]);
    } else k.parallel('gkrLeafTable', each, GRAIN, (lo, hi) => [to.n + o, to.d + o, keys, input.table, lo, hi]);
    k.release(m);
  });
}

/** The arrays e0, e1 of a group of lookups, straight from the keys. */
function leafPairs(k: Kernels, g: Group, inputs: readonly LeafInput[], lambda: Ext, lam: number, cells: number): Arrays {
  const d0 = k.alloc(24 * cells),
    d1 = k.alloc(24 * cells),
    each = cells / g.members.length,
    scaled = new Map<number, number>(),
    m = k.mark();
  for (const { box } of g.members) {
    const input = inputs[box];
    if (input.kind !== 'rows' || scaled.has(input.table)) continue;
    const t = k.alloc(24 * input.rows);
    k.parallel('onePlus', input.rows, GRAIN, (lo, hi) => [t, input.table, lam, lo, hi]);
    scaled.set(input.table, t);
  }
  g.members.forEach(({ box, offset }, at) => {
    const input = inputs[box],
      o = 24 * each * at,
      m2 = k.mark();
    if (input.kind === 'table') return;
    const keys = keysOf(k, input.keys, offset, 2 * each);
    if (input.kind === 'range') {
      const base = k.exts([E.add(E.ONE, E.mul(lambda, input.g))]);
      k.parallel('leafPairsRange', each, GRAIN, (lo, hi) => [d0 + o, d1 + o, keys, base, lam, lo, hi]);
    } else {
      const t = scaled.get(input.table)!;
      k.parallel('leafPairsTable', each, GRAIN, (lo, hi) => [d0 + o, d1 + o, keys, t, lo, hi]);
    }
    k.release(m2);
  });
  k.release(m);
  return { n0: 0, n1: 0, d0, d1 };
}

/** Address of the keys of cells [offset, offset + cells) of a box: copied in if they are far. */
function keysOf(k: Kernels, keys: Keys, offset: number, cells: number): number {
  if (typeof keys === 'number') return keys + 4 * offset;
  const p = k.alloc(4 * cells);
  k.far.load(keys, 4 * offset, p, 4 * cells);
  return p;
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

/** Tables of eq at slices of a point, computed once each: those wanted are there between `open` and `close`. */
function pointTables(k: Kernels, point: readonly Ext[]) {
  const known = new Map<string, [number, number, number]>(),
    at = new Map<string, number>(),
    key = (from: number, to: number, n: number): string => `${from}-${to}-${n}`;
  let m = 0;
  return {
    bytes: 0,
    want(from: number, to: number, n: number): void {
      if (known.has(key(from, to, n))) return;
      known.set(key(from, to, n), [from, to, n]);
      this.bytes += 24 * (n + 1 + to - from) + 256;
    },
    open(): void {
      m = k.mark();
      for (const [name, [from, to, n]] of known) at.set(name, eqTableKernel(k, point.slice(from, to), n));
    },
    table: (from: number, to: number, n: number): number => at.get(key(from, to, n))!,
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
