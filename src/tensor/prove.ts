import * as E from '../field/ext3.js';
import { mod } from '../field/goldilocks.js';
import type { Kernels } from '../kernels/runtime.js';
import { type LeafInput, eqTableKernel, proveLogUp } from '../lookup/index.js';
import { commitBase, openWhir, type Oracle } from '../pcs/index.js';
import { proveBatched } from '../sumcheck/index.js';
import { type Ext, type MessageHook, ProverChannel } from '../transcript/index.js';
import type { IntegerReading } from './integer.js';
import { type Factor, type LookupTable, type Plan, tableFactors, tableTag } from './plan.js';
import { scheduleOf } from './schedule.js';
import { blockDesc, fillStack, powerSum, zeroExts } from './stack.js';
import { START_POINT, type Statement, isOut } from './statement.js';
import type { TensorClass } from './types.js';
import { preamble } from './verify.js';

export { fillStack, scheduleOf };

/** A committed state: roots and trees per class over one virtual stack. */
export interface StateOracles {
  readonly stack: number;
  readonly columns: number;
  readonly oracles: readonly Oracle[];
  readonly roots: Record<string, bigint[]>;
}

/** Commits the state tensors of a reading. */
export function commitState(k: Kernels, plan: Plan, reading: IntegerReading): StateOracles | undefined {
  const s = plan.stateWhir;
  if (!s) return undefined;
  const last = s.trees[s.trees.length - 1],
    columns = last.offset + last.used,
    H = 2 ** s.logHeight;
  const stack = k.zeroed(8 * columns * H);
  const oracles = plan.stateClasses.map((c, t) => {
    const at = stack + 8 * s.trees[t].offset * H;
    fillStack(k, plan, c, at, (n) => reading.ptr.get(n)!);
    return commitBase(k, at, s.trees[t].used, s.logHeight, s.params.logInvRate);
  });
  return { stack, columns, oracles, roots: Object.fromEntries(plan.stateClasses.map((c, t) => [c, oracles[t].root])) };
}

/** sum_i z^i f(i) over the tree of a class: powers of one block, then Horner over blocks. */
export function stateValue(k: Kernels, plan: Plan, state: StateOracles, cls: TensorClass, z: Ext): Ext {
  const s = plan.stateWhir!,
    t = s.trees[plan.stateClasses.indexOf(cls)],
    H = 2 ** s.logHeight;
  return powerSum(k, state.stack + 8 * t.offset * H, t.used * H, z);
}
/** Frozen stack of a plan from the integers of its tensors. */
export function frozenStack(k: Kernels, plan: Plan, address: (name: string) => number): { ptr: number; cells: number } {
  const cells = plan.layouts.get('frozen')?.cells ?? 0,
    ptr = k.zeroed(8 * Math.max(1, cells));
  if (cells) fillStack(k, plan, 'frozen', ptr, address);
  return { ptr, cells };
}

export interface ProveOptions {
  readonly hook?: MessageHook;
  readonly onPhase?: (name: string) => void /** Frozen digest, from the one who computed the stack. */;
  readonly frozenDigest: readonly bigint[];
  /** Context of the statement: digest of a manifest. */
  readonly context?: readonly bigint[];
  /** Points of the states entered, as the commitments that the last proof left have them; START_POINT where absent. */
  readonly statePoints?: Readonly<Record<string, Ext>>;
}

/** Proves that the reading satisfies its program. Throws OverflowError where a lookup has no row. Returns proof words and statement. */
export function proveProgram(
  k: Kernels,
  plan: Plan,
  reading: IntegerReading,
  o: ProveOptions,
): { proof: BigUint64Array; statement: Statement } {
  const p = plan.program,
    phase = o.onPhase ?? (() => {}),
    start = k.mark();
  phase('keys');
  // Keys and multiplicities.
  const keys = new Map<number, { ptr: number; n: number }>();
  const rows = new TableRows(k, plan, reading),
    mult = rows.alloc(4, true),
    mult64 = plan.tables.map((t) => k.alloc(8 * t.size));
  for (const j of plan.lookups) {
    const kk = reading.keys(p.constraints[j] as never);
    keys.set(j, kk);
    k.exports['countKeys'](mult[plan.tableOf.get(j)!], kk.ptr, kk.n);
  }
  plan.tables.forEach((t, i) => {
    k.parallel('u32ToI64', t.size, 4096, (lo, hi) => [mult64[i], mult[i], lo, hi]);
    rows.unpad(i, mult64[i]);
  });
  const address = (name: string): number => reading.ptr.get(name) ?? mult64[plan.multNames.indexOf(name)];

  phase('commit');
  const state = commitState(k, plan, reading);
  const publics = new Map<string, BigInt64Array | Int32Array>();
  for (const t of p.tensors)
    if (t.cls === 'public' && t.publicKind !== 'causal') publics.set(t.name, reading.ids.get(t.name) ?? reading.read(t.name));
  const roots: Record<string, bigint[]> = {};
  for (const c of plan.stateClasses) {
    const z: Ext = isOut(c) ? E.ZERO : (o.statePoints?.[c] ?? START_POINT);
    roots[c] = [...state!.roots[c], ...z, ...(isOut(c) ? E.ZERO : stateValue(k, plan, state!, c, z))];
  }
  const statement: Statement = { ...(o.context ? { context: o.context } : {}), roots, frozen: o.frozenDigest, publics };
  const ch = new ProverChannel(scheduleOf(plan, statement), { grinder: k, ...(o.hook ? { hook: o.hook } : {}) });
  for (const w of preamble(plan, statement)) ch.publicWords(w.label, w.words);
  const shape = plan.whir,
    H = 2 ** shape.logHeight,
    used = shape.trees[0].used;
  const stack = k.zeroed(8 * used * H);
  fillStack(k, plan, 'witness', stack, address);
  // What LogUp keeps at its peak (two elements per leaf above the first layer) and a fourth again go before the codeword.
  const leaves = plan.logup.boxes.reduce((n, b) => n + b.dims.reduce((x, y) => x * y, 1), 0);
  const oracle = commitBase(k, stack, used, shape.logHeight, shape.params.logInvRate, k.maxBytes - k.mark() - 60 * leaves);
  ch.sendDigest('root witness', oracle.root);
  const outs = plan.stateClasses.filter(isOut);
  if (outs.length) {
    const z = ch.sample('state point'),
      values = outs.map((c) => stateValue(k, plan, state!, c, z));
    ch.sendExt('state values', values);
    outs.forEach((c, i) => {
      roots[c].splice(4, 6, ...z, ...values[i]);
    });
  }

  phase('logup');
  const gamma = ch.sample('gamma'),
    beta = ch.sample('beta');
  const betas: Ext[] = [E.ONE, beta];
  for (let i = 2; i < 6; i++) betas.push(E.mul(betas[i - 1], beta));
  const mGkr = k.mark(),
    scratch = k.alloc(128);
  const g = (t: number): Ext => E.sub(gamma, E.mulBase(beta, BigInt(t)));
  const dens = rows.alloc(24);
  const tableDen = plan.tables.map((t, i) => {
    const dst = dens[i],
      gp = k.exts([g(tableTag(t, i))]),
      cols = k.alloc(64),
      columns = rows.columns(i),
      bp = k.exts(columns.map(({ column }) => betas[column + 2]));
    k.u32.set(
      columns.map((c) => c.ptr),
      cols / 4,
    );
    k.parallel('tableDen', t.size, 4096, (lo, hi) => [
      dst,
      gp,
      t.kind === 'table' ? t.spec.lo : t.kind === 'segment' ? BigInt(t.lo) : 0n,
      cols,
      columns.length,
      bp,
      scratch,
      lo,
      hi,
    ]);
    return dst;
  });
  const inputs: LeafInput[] = plan.lookups.map((j) => {
    const t = plan.tableOf.get(j)!;
    const table = plan.tables[t];
    return table.kind === 'range'
      ? { kind: 'range', keys: keys.get(j)!.ptr, g: g(t) }
      : { kind: 'rows', keys: keys.get(j)!.ptr, table: tableDen[t], rows: table.kind === 'segment' ? table.rows : table.size };
  });
  plan.tables.forEach((t, i) => {
    const num = k.alloc(24 * t.size);
    k.parallel('tableNum', t.size, 4096, (lo, hi) => [num, mult[i], lo, hi]);
    inputs.push({ kind: 'table', den: tableDen[i], num });
  });
  const { rho } = proveLogUp(k, ch, plan.logup, inputs);
  k.release(mGkr);

  phase('sumcheck');
  const mSum = k.mark();
  const points = new Map<string, Ext[]>();
  const project = projector(k, plan, reading, address, rho, points);
  const tableClaims: { factor: Factor; value: Ext }[] = [];
  plan.tables.forEach((_, i) => {
    const values = tableFactors(plan, i).map(({ factor }) => {
      const m = k.mark(),
        v = k.readExt(project(factor).ptr);
      k.release(m);
      tableClaims.push({ factor, value: v });
      return v;
    });
    ch.sendExt(`table ${i} claims`, values);
  });
  const lambda = ch.sample('lambda');
  let power = lambda;
  const weights = p.constraints.map((_, j): Ext => {
    const box = plan.boxOf.get(j);
    if (box !== undefined) {
      const b = plan.logup.boxes[box],
        pre = rho.slice(0, plan.logup.vars - b.vars);
      return pre.reduce<Ext>(
        (acc, x, t) => E.mul(acc, Math.floor(b.position / 2 ** (pre.length - 1 - t)) % 2 ? x : E.sub(E.ONE, x)),
        E.ONE,
      );
    }
    const w = power;
    power = E.mul(power, lambda);
    return w;
  });
  const arrays = plan.factors.map((f) => project(f));
  const boxes = new Map<string, number>();
  const broadcast = (key: string, src: number, own: readonly string[], axes: readonly string[]): number => {
    if (own.length === axes.length) return src;
    const id = `${key}>${axes.join()}`;
    let dst = boxes.get(id);
    if (dst === undefined) {
      const sizes = axes.map((a) => p.axes[a]),
        n = sizes.reduce((x, y) => x * y, 1),
        desc = k.alloc(4 + 8 * axes.length);
      const out = k.alloc(24 * n);
      k.i32.set(
        [
          axes.length,
          ...axes.flatMap((a, d) => {
            const at = own.indexOf(a);
            return [sizes[d], at < 0 ? 0 : own.slice(at + 1).reduce((x, y) => x * p.axes[y], 1)];
          }),
        ],
        desc / 4,
      );
      k.parallel('broadcast', n, 1024, (lo, hi) => [out, src, desc, lo, hi]);
      boxes.set(id, out);
      dst = out;
    }
    return dst;
  };
  const terms = plan.terms.map((t) => {
    let coef = E.mulBase(E.mul(weights[t.constraint], betas[t.component === 0 ? 0 : t.component + 1]), mod(t.coef));
    for (const f of t.free) {
      const m = k.mark(),
        e = eqTableKernel(k, rho.slice(f.from, f.to), f.size);
      let s: Ext = E.ZERO;
      for (let i = 0; i < f.size; i++) s = E.add(s, k.readExt(e + 24 * i));
      coef = E.mul(coef, s);
      k.release(m);
    }
    const factors = t.factors.map((f) => ({ ptr: broadcast(`f${f}`, arrays[f].ptr, arrays[f].axes, t.axes), axes: arrays[f].axes }));
    if (t.shared.length) {
      const own = t.axes.filter((a) => t.shared.some((s) => s.axis === a)),
        key = `eq${own.map((a) => `${a}${t.shared.find((s) => s.axis === a)!.from}`).join()}`;
      let eq = boxes.get(key);
      if (eq === undefined) {
        eq = k.exts([E.ONE]);
        let rows = 1;
        for (const a of own) {
          const s = t.shared.find((x) => x.axis === a)!,
            n = p.axes[a],
            tab = eqTableKernel(k, rho.slice(s.from, s.to), n),
            dst: number = k.alloc(24 * rows * n),
            from: number = eq;
          k.parallel('outer', rows, 64, (lo, hi) => [dst, from, tab, n, lo, hi]);
          eq = dst;
          rows *= n;
        }
        boxes.set(key, eq);
      }
      factors.push({ ptr: broadcast(key, eq, own, t.axes), axes: own });
    }
    return { coef, axes: t.axes, factors };
  });
  for (const [a, v] of proveBatched(k, ch, plan.axes, terms)) points.set(a, v);
  // Operand values at the joint point: factor arrays folded by eq of their axes.
  const values = plan.factors.map((f, i): Ext => {
    if (f.tensor.cls === 'public') return E.ZERO;
    const m = k.mark();
    let src = arrays[i].ptr,
      n = arrays[i].axes.reduce((x, a) => x * p.axes[a], 1);
    for (let d = arrays[i].axes.length - 1; d >= 0; d--) {
      const a = arrays[i].axes[d],
        len = p.axes[a],
        tab = eqTableKernel(k, points.get(a)!, len),
        rows = n / len,
        dst = k.zeroed(24 * rows),
        from = src;
      k.parallel('dotRows', rows, 64, (lo, hi) => [dst, from, tab, len, lo, hi]);
      src = dst;
      n = rows;
    }
    const v = k.readExt(src);
    k.release(m);
    return v;
  });
  ch.sendExt(
    'operand values',
    values.filter((_, i) => plan.factors[i].tensor.cls !== 'public'),
  );
  k.release(mSum);

  phase('weights');
  const alpha = ch.sample('alpha');
  let a: Ext = E.ONE;
  const claims = new Map<TensorClass, { factor: Factor; coefficient: Ext }[]>(),
    sums = new Map<TensorClass, Ext>();
  const add = (factor: Factor, value: Ext): void => {
    const c = factor.tensor.cls,
      list = claims.get(c) ?? [];
    list.push({ factor, coefficient: a });
    claims.set(c, list);
    sums.set(c, E.add(sums.get(c) ?? E.ZERO, E.mul(a, value)));
    a = E.mul(a, alpha);
  };
  for (const c of tableClaims) add(c.factor, c.value);
  plan.factors.forEach((f, i) => {
    if (f.tensor.cls !== 'public') add(f, values[i]);
  });
  const single = plan.stateClasses.map((c) => {
    const [z, y] = [4, 7].map((at) => roots[c].slice(at, at + 3) as unknown as Ext),
      coefficient = a;
    sums.set(c, E.add(sums.get(c) ?? E.ZERO, E.mul(a, y)));
    a = E.mul(a, alpha);
    return { z, coefficient };
  });

  if (claims.has('frozen')) {
    phase('frozen');
    const m = k.mark(),
      fz = frozenStack(k, plan, (n) => reading.ptr.get(n)!),
      w = zeroExts(k, fz.cells);
    addWeights(k, plan, 'frozen', claims.get('frozen')!, rho, points, w);
    proveFrozen(k, ch, plan.frozenVars, fz, w);
    k.release(m);
  }
  phase('open');
  const mOpen = k.mark(),
    w = zeroExts(k, used * H);
  addWeights(k, plan, 'witness', claims.get('witness') ?? [], rho, points, w);
  openWhir(k, ch, shape, [oracle], stack, used, w, sums.get('witness') ?? E.ZERO);
  k.release(mOpen);
  if (plan.stateWhir && state) {
    const m = k.mark(),
      s = plan.stateWhir,
      ws = zeroExts(k, state.columns * 2 ** s.logHeight);
    plan.stateClasses.forEach((c, t) => {
      const { used, offset } = s.trees[t],
        at = ws + 24 * offset * 2 ** s.logHeight;
      if (claims.has(c)) addWeights(k, plan, c, claims.get(c)!, rho, points, at);
      k.exports['addPowersExt'](at, k.exts([single[t].z]), k.exts([single[t].coefficient]), used * 2 ** s.logHeight);
    });
    openWhir(
      k,
      ch,
      s,
      state.oracles,
      state.stack,
      state.columns,
      ws,
      plan.stateClasses.reduce<Ext>((x, c) => E.add(x, sums.get(c) ?? E.ZERO), E.ZERO),
    );
    k.release(m);
  }
  const proof = ch.words();
  k.release(start);
  return { proof, statement };
}

function proveFrozen(k: Kernels, ch: ProverChannel, vars: number, fz: { ptr: number; cells: number }, weights: number): void {
  let f = fz.ptr,
    base = true,
    n = fz.cells;
  const out = k.alloc(64 * k.threads),
    c = k.alloc(24);
  for (let v = vars; v > 0; v--) {
    const half = 2 ** (v - 1),
      nlo = Math.min(n, half),
      nhi = Math.max(0, n - half);
    k.u8.fill(0, out, out + 64 * k.threads);
    k.parallel('scHalves', nlo, 1024, (lo, hi, t) => [out + 64 * t, f, base ? 1 : 0, weights, half, nhi, lo, hi]);
    let s0: Ext = E.ZERO,
      s2: Ext = E.ZERO;
    for (let t = 0; t < k.threads; t++) {
      s0 = E.add(s0, k.readExt(out + 64 * t));
      s2 = E.add(s2, k.readExt(out + 64 * t + 24));
    }
    ch.sendExt('frozen sumcheck', [s0, s2]);
    k.writeExt(c, ch.sample('frozen r'));
    const dst: number = base ? k.alloc(24 * nlo) : f,
      src: number = f,
      isBase: number = base ? 1 : 0;
    k.parallel('foldHalves', nlo, 1024, (lo, hi) => [dst, src, isBase, half, nhi, c, lo, hi]);
    k.parallel('foldHalves', nlo, 1024, (lo, hi) => [weights, weights, 0, half, nhi, c, lo, hi]);
    f = dst;
    base = false;
    n = nlo;
  }
  ch.sendExt('frozen value', [k.readExt(f)]);
}

/** Rows of the tables in memory: those of one memory follow each other, so that one key reaches all of its segments. */
class TableRows {
  constructor(
    readonly k: Kernels,
    readonly plan: Plan,
    readonly reading: IntegerReading,
  ) {}
  /** Array of so many bytes a row for every table. */
  alloc(bytes: number, zero = false): number[] {
    let base = 0;
    return this.plan.tables.map((t, i) => {
      const size = t.kind === 'segment' ? t.rows : t.size,
        fresh = (): number => (zero ? this.k.zeroed(bytes * size) : this.k.alloc(bytes * size));
      if (t.kind !== 'segment') return fresh();
      if (t.first === i) base = fresh();
      return base + bytes * t.lo;
    });
  }
  /** Runs of a segment's last axis: their number, length and padded length. */
  #runs(t: Extract<LookupTable, { kind: 'segment' }>): { index: number[]; at: number }[] {
    const sizes = t.segment.axes.map((a) => this.plan.program.axes[a]),
      outer = sizes.slice(0, -1);
    let out: { index: number[]; at: number }[] = [{ index: [], at: 0 }];
    outer.forEach((n, d) => {
      out = out.flatMap((r) => Array.from({ length: n }, (_, i) => ({ index: [...r.index, i], at: (r.at + i) * 2 ** t.axisVars[d + 1] })));
    });
    return out;
  }
  /** Words of a segment's rows at `ptr`, moved together without padding. */
  unpad(i: number, ptr: number): void {
    const t = this.plan.tables[i];
    if (t.kind !== 'segment') return;
    const n = this.plan.program.axes[t.segment.axes[t.segment.axes.length - 1]];
    this.#runs(t).forEach((r, x) => this.k.i64.copyWithin(ptr / 8 + x * n, ptr / 8 + r.at, ptr / 8 + r.at + n));
  }
  /** Signed words of the output columns, padded to the table's rows. */
  columns(i: number): { ptr: number; column: number }[] {
    const t = this.plan.tables[i],
      k = this.k;
    if (t.kind === 'range') return [];
    if (t.kind === 'table') return t.spec.columns.map((c, column) => ({ ptr: this.reading.ptr.get(c)!, column }));
    const axes = this.plan.program.axes,
      last = t.segment.axes[t.segment.axes.length - 1];
    return t.segment.columns.flatMap((o, column) => {
      if (!o) return [];
      const own = this.reading.tensors.get(o.tensor)!.axes,
        ptr = k.zeroed(8 * t.size),
        src = this.reading.ptr.get(o.tensor)! / 8;
      for (const r of this.#runs(t)) {
        let at = 0;
        o.access.forEach((a, d) => {
          at = at * axes[own[d]] + ('index' in a ? a.index : a.axis === last ? 0 : r.index[t.segment.axes.indexOf(a.axis)]);
        });
        k.i64.copyWithin(ptr / 8 + r.at, src + at, src + at + axes[last]);
      }
      return [{ ptr, column }];
    });
  }
}

/** Arrays of factors over their sumcheck axes: the projected axes are summed against eq at their slices of rho. */
function projector(
  k: Kernels,
  plan: Plan,
  reading: IntegerReading,
  address: (n: string) => number,
  rho: readonly Ext[],
  _points: Map<string, Ext[]>,
) {
  const order = plan.axes.map((x) => x.axis);
  const weightsOf = new Map<string, number>();
  return (f: Factor): { ptr: number; axes: string[] } => {
    const t = f.tensor,
      sizes = t.axes.map((x) => plan.extended.axes[x]),
      unit = new Array<number>(sizes.length).fill(1);
    for (let d = sizes.length - 2; d >= 0; d--) unit[d] = unit[d + 1] * sizes[d + 1];
    const own: { axis: string; size: number; stride: number }[] = [],
      proj: { from: number; to: number; size: number; stride: number }[] = [];
    let base = 0;
    f.slots.forEach((s, d) => {
      if (s.kind === 'index') {
        base += s.index * unit[d];
        return;
      }
      base += s.offset * unit[d];
      if (s.kind === 'axis') own.push({ axis: s.axis, size: s.size, stride: s.stride * unit[d] });
      else proj.push({ from: s.from, to: s.to, size: s.size, stride: s.stride * unit[d] });
    });
    own.sort((x, y) => order.indexOf(x.axis) - order.indexOf(y.axis));
    const n = own.reduce((x, y) => x * y.size, 1),
      q = proj.reduce((x, y) => x * y.size, 1),
      axes = own.map((x) => x.axis);
    const dst = k.zeroed(24 * n);
    if (t.publicKind === 'onehot') {
      onehot(k, plan, f, reading.ids.get(t.name)!, own, dst, rho);
      return { ptr: dst, axes };
    }
    const key = proj.map((x) => `${x.from}-${x.to}-${x.size}`).join();
    const m = k.mark();
    let w = weightsOf.get(key);
    let cached = w !== undefined;
    if (w === undefined) {
      w = k.exts([E.ONE]);
      let rows = 1;
      for (const x of proj) {
        const tab = eqTableKernel(k, rho.slice(x.from, x.to), x.size),
          out: number = k.alloc(24 * rows * x.size),
          src: number = w;
        k.parallel('outer', rows, 64, (lo, hi) => [out, src, tab, x.size, lo, hi]);
        w = out;
        rows *= x.size;
      }
    }
    const desc = k.alloc(256),
      idx = k.alloc(64 * k.threads),
      src = address(t.name) + 8 * base;
    k.i32.set([own.length, proj.length, ...own.flatMap((x) => [x.size, x.stride]), ...proj.flatMap((x) => [x.size, x.stride])], desc / 4);
    if (n >= 16 * k.threads)
      k.parallel('project', n, Math.max(1, Math.ceil(4096 / q)), (lo, hi, th) => [dst, src, w!, desc, idx + 64 * th, 0, q, lo, hi]);
    else {
      const part = k.zeroed(24 * n * k.threads);
      k.parallel('project', q, 1024, (lo, hi, th) => [part + 24 * n * th, src, w!, desc, idx + 64 * th, lo, hi, 0, n]);
      for (let c = 0; c < n; c++) {
        let v: Ext = E.ZERO;
        for (let th = 0; th < k.threads; th++) v = E.add(v, k.readExt(part + 24 * (n * th + c)));
        k.writeExt(dst + 24 * c, v);
      }
    }
    cached = true;
    void cached;
    k.release(m);
    return { ptr: dst, axes };
  };
}

/** Factor array of a one-hot tensor: positions scatter their weight to their id. */
function onehot(
  k: Kernels,
  plan: Plan,
  f: Factor,
  ids: Int32Array,
  own: readonly { axis: string; size: number }[],
  dst: number,
  rho: readonly Ext[],
): void {
  const sizes = f.tensor.axes.map((x) => plan.program.axes[x]),
    m = k.mark();
  const tabs = f.slots.map((s) => (s.kind === 'rho' ? eqTableKernel(k, rho.slice(s.from, s.to), s.size) : 0));
  const stride = new Map<string, number>();
  let unit = 1;
  for (let d = own.length - 1; d >= 0; d--) {
    stride.set(own[d].axis, unit);
    unit *= own[d].size;
  }
  ids.forEach((id, pos) => {
    if (id < 0) return;
    let rest = pos,
      at = 0,
      v: Ext = E.ONE;
    const put = (d: number, i: number): void => {
      const s = f.slots[d];
      if (s.kind === 'axis') at += i * stride.get(s.axis)!;
      else if (s.kind === 'rho') v = E.mul(v, k.readExt(tabs[d] + 24 * i));
    };
    for (let d = sizes.length - 1; d >= 1; d--) {
      put(d, rest % sizes[d]);
      rest = Math.floor(rest / sizes[d]);
    }
    put(0, id);
    k.writeExt(dst + 24 * at, E.add(k.readExt(dst + 24 * at), v));
  });
  k.release(m);
}

/** Adds the weights of all claims on a class to w, indexed like its stack. */
function addWeights(
  k: Kernels,
  plan: Plan,
  cls: TensorClass,
  claims: readonly { factor: Factor; coefficient: Ext }[],
  rho: readonly Ext[],
  points: ReadonlyMap<string, Ext[]>,
  w: number,
): void {
  const layout = plan.layouts.get(cls)!;
  const byTensor = new Map<string, { factor: Factor; coefficient: Ext }[]>();
  for (const c of claims) byTensor.set(c.factor.tensor.name, [...(byTensor.get(c.factor.tensor.name) ?? []), c]);
  const one = k.exts([E.ONE]);
  for (const [name, list] of byTensor) {
    const m = k.mark(),
      { tensor, blocks } = layout.tensors.get(name)!,
      sizes = tensor.axes.map((a) => plan.extended.axes[a]),
      n = sizes.reduce((x, y) => x * y, 1);
    const dense = k.alloc(24 * n);
    k.parallel('zeroExt', n, 4096, (lo, hi) => [dense, lo, hi]);
    for (const c of list) {
      const m2 = k.mark();
      const vec = c.factor.slots.map((s, d) => {
        const v = k.zeroed(24 * (sizes[d] + 1));
        if (s.kind === 'index') {
          k.writeExt(v + 24 * s.index, E.ONE);
          return v;
        }
        const tab = eqTableKernel(k, s.kind === 'rho' ? rho.slice(s.from, s.to) : points.get(s.axis)!, s.size);
        if (s.stride === 1 && s.offset === 0 && s.size === sizes[d]) return tab;
        for (let i = 0; i < s.size; i++) k.writeExt(v + 24 * (s.stride * i + s.offset), k.readExt(tab + 24 * i));
        return v;
      });
      let rows = k.exts([c.coefficient]),
        count = 1;
      for (let d = 0; d + 1 < sizes.length; d++) {
        const out = k.alloc(24 * count * sizes[d]),
          src = rows,
          t = vec[d],
          len = sizes[d];
        k.parallel('outer', count, 64, (lo, hi) => [out, src, t, len, lo, hi]);
        rows = out;
        count *= sizes[d];
      }
      const last = sizes.length ? vec[sizes.length - 1] : one,
        len = sizes.length ? sizes[sizes.length - 1] : 1;
      // One long row is split over threads by treating its cells as rows of one.
      if (count === 1 && len > 4096) k.parallel('addOuterCells', len, 2048, (lo, hi) => [dense, rows, last, lo, hi]);
      else k.parallel('addOuter', count, Math.max(1, Math.ceil(2048 / len)), (lo, hi) => [dense, rows, last, len, lo, hi]);
      k.release(m2);
    }
    for (const b of blocks) {
      const m2 = k.mark(),
        desc = blockDesc(k, sizes, b);
      k.parallel('blockAdd', 2 ** b.log, 2048, (lo, hi) => [w + 24 * b.position, dense, one, desc, lo, hi]);
      k.release(m2);
    }
    k.release(m);
  }
}
