import * as E from '../field/ext3.js';
import { mod } from '../field/goldilocks.js';
import type { Kernels } from '../kernels/runtime.js';
import { type Keys, type LeafInput, eqTableKernel, proveLogUp } from '../lookup/index.js';
import { type GroupOpening, type Oracle, type WhirGroup, groupCells, openBytes, openWhir } from '../pcs/index.js';
import { ProductSumcheck, type SumFactor, type SumTerm, type Tiled, proveBatched } from '../sumcheck/index.js';
import { type Ext, type MessageHook, ProverChannel } from '../transcript/index.js';
import type { IntegerReading } from './integer.js';
import { STACK_SHARE, sumcheckBytes } from './memory.js';
import { type Factor, type LookupTable, type Plan, hashOf, stateGroup, tableFactors, tableTag } from './plan.js';
import { scheduleOf } from './schedule.js';
import { commitTree, commitment } from './state-commit.js';
import { fillStack } from './stack.js';
import type { Statement } from './statement.js';
import { commitmentLayout } from './state-layout.js';
import { type StateTrees, treeKey } from './state-trees.js';
import { type Powers, type StackPart, stackTiles, weightTiles } from './tiles.js';
import type { TensorClass } from './types.js';
import { preamble } from './verify.js';

export { fillStack, scheduleOf };

/** A committed state: trees over one stack, near or read in tiles from the tensors, and the words of their commitments by name. */
export interface StateOracles {
  readonly stack: Tiled;
  readonly oracles: readonly Oracle[];
  readonly roots: Record<string, bigint[]>;
}

/** The stack of some classes: near if that leaves room, else in tiles. */
function stackOf(
  k: Kernels,
  plan: Plan,
  parts: readonly StackPart[],
  cells: number,
  logHeight: number,
  address: (n: string) => number,
): Tiled {
  const tiles = { ...stackTiles(k, plan, parts, cells, address), maxLog: logHeight };
  if (8 * cells > STACK_SHARE * k.room) return tiles;
  const ptr = k.zeroed(8 * cells);
  for (const { cls, at } of parts) fillStack(k, plan, cls, ptr + 8 * at, address);
  return { length: cells, ptr };
}

const stateParts = (plan: Plan): StackPart[] =>
  plan.states.flatMap(({ classes }, t) => {
    const g = stateGroup(plan)!;
    return classes.map((cls, i) => ({ cls, at: g.trees[t].parts[i].offset * 2 ** g.logHeight }));
  });

/** Commits the state tensors of a reading. */
export function commitState(k: Kernels, plan: Plan, reading: IntegerReading, trees?: StateTrees): StateOracles | undefined {
  const g = stateGroup(plan);
  if (!g) return undefined;
  const stack = stackOf(k, plan, stateParts(plan), groupCells(g), g.logHeight, (n) => reading.ptr.get(n)!);
  const oracles = g.trees.map((_, n) => {
    const key = trees && treeKey(k, plan, n, reading),
      o = commitTree(k, plan, g, n, stack, 0, key ? trees?.get(key) : undefined);
    if (key) trees?.keep(k, key, o);
    return o;
  });
  const roots = Object.fromEntries(plan.states.map((_, t) => [plan.states[t].name, commitment(k, plan, t, stack, oracles[t].root)]));
  return { stack, oracles, roots };
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
  /** Trees that earlier proofs have made and later ones may use. */
  readonly trees?: StateTrees;
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
  const lookups = plan.lookups.map((j) => p.constraints[j].axes.reduce((n, a) => n * p.axes[a], 1)),
    keysFar = 4 * lookups.reduce((x, y) => x + y, 0) > STACK_SHARE * k.room,
    keys = new Map<number, Keys>();
  const rows = new TableRows(k, plan, reading),
    mult = rows.alloc(4, true),
    mult64 = plan.tables.map((t) => k.alloc(8 * t.size));
  for (const j of plan.lookups) {
    const m = k.mark(),
      { ptr, n } = reading.keys(p.constraints[j] as never);
    k.exports['countKeys'](mult[plan.tableOf.get(j)!], ptr, n);
    if (!keysFar) {
      keys.set(j, ptr);
      continue;
    }
    const block = k.far.alloc(4 * n);
    k.far.store(block, 0, ptr, 4 * n);
    keys.set(j, block);
    k.release(m);
  }
  plan.tables.forEach((t, i) => {
    k.parallel('u32ToI64', t.size, 4096, (lo, hi) => [mult64[i], mult[i], lo, hi]);
    rows.unpad(i, mult64[i]);
  });
  const address = (name: string): number => reading.ptr.get(name) ?? mult64[plan.multNames.indexOf(name)];

  phase('commit');
  const state = commitState(k, plan, reading, o.trees);
  const publics = new Map<string, BigInt64Array | Int32Array>();
  for (const t of p.tensors)
    if (t.cls === 'public' && t.publicKind !== 'causal') publics.set(t.name, reading.ids.get(t.name) ?? reading.read(t.name));
  const roots = state?.roots ?? {};
  const statement: Statement = { ...(o.context ? { context: o.context } : {}), roots, frozen: o.frozenDigest, publics };
  const ch = new ProverChannel(scheduleOf(plan, statement), { grinder: k, hash: hashOf(plan), ...(o.hook ? { hook: o.hook } : {}) });
  for (const w of preamble(plan, statement)) ch.publicWords(w.label, w.words);
  const [main] = plan.whir.groups,
    stack = stackOf(k, plan, [{ cls: 'witness', at: 0 }], groupCells(main), main.logHeight, address);
  // What LogUp keeps at its peak (two elements per leaf above the first layer) and a fourth again go before the codeword, as does the opening.
  const leaves = plan.logup.boxes.reduce((n, b) => n + b.dims.reduce((x, y) => x * y, 1), 0);
  const oracle = commitTree(k, plan, main, 0, stack, k.room - Math.max(60 * leaves, openBytes(plan.whir)));
  ch.sendDigest('root witness', oracle.root);

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
      ? { kind: 'range', keys: keys.get(j)!, g: g(t) }
      : { kind: 'rows', keys: keys.get(j)!, table: tableDen[t], rows: table.kind === 'segment' ? table.rows : table.size };
  });
  plan.tables.forEach((t, i) => {
    const num = k.alloc(24 * t.size);
    k.parallel('tableNum', t.size, 4096, (lo, hi) => [num, mult[i], lo, hi]);
    inputs.push({ kind: 'table', den: tableDen[i], num });
  });
  const { rho } = proveLogUp(k, ch, plan.logup, inputs);
  for (const block of keys.values()) if (typeof block !== 'number') k.far.free(block);
  k.release(mGkr);

  phase('sumcheck');
  const mSum = k.mark();
  const project = projector(k, plan, reading, address, rho);
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
  // Arrays are made once and stay, or, where they would not fit, large ones are made whenever a term asks for them; tensors with no axis at rho are
  // read where they lie.
  const stay = (cells: number): boolean => all || 96 * cells <= k.far.page,
    all = sumcheckBytes(plan) <= k.room,
    cellsOf = (axes: readonly string[]): number => axes.reduce((n, a) => n * p.axes[a], 1);
  const array = (axes: readonly string[], make: () => number): SumFactor => {
    const cells = cellsOf(axes);
    if (!stay(cells)) return { axes, make, scratch: 48 * cells };
    const ptr = make();
    return { axes, make: () => ptr, scratch: 0 };
  };
  const factors = plan.factors.map((f): SumFactor => {
    const words = inPlace(plan, f, address);
    return words ? { ...words, scratch: 0 } : array(ownAxes(plan, f), () => project(f).ptr);
  });
  const weightOf = new Map<string, number>();
  const terms = plan.terms.map((t): SumTerm => {
    let coef = E.mulBase(E.mul(weights[t.constraint], betas[t.component === 0 ? 0 : t.component + 1]), mod(t.coef));
    for (const f of t.free) {
      const m = k.mark(),
        e = eqTableKernel(k, rho.slice(f.from, f.to), f.size);
      let s: Ext = E.ZERO;
      for (let i = 0; i < f.size; i++) s = E.add(s, k.readExt(e + 24 * i));
      coef = E.mul(coef, s);
      k.release(m);
    }
    const eq = t.shared.map(({ axis, from, to }) => {
      const key = `${axis} ${from}`,
        known = weightOf.get(key);
      if (known !== undefined) return known;
      weightOf.set(key, factors.length);
      return factors.push(array([axis], () => eqTableKernel(k, rho.slice(from, to), p.axes[axis]))) - 1;
    });
    return { coef, axes: t.axes, factors: [...t.factors, ...eq] };
  });
  const { points, values: atPoint } = proveBatched(k, ch, plan.axes, factors, terms),
    values = atPoint.slice(0, plan.factors.length);
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
  const group = stateGroup(plan),
    powers: Powers[] = [];
  let stateValue = E.ZERO;
  plan.states.forEach((t, n) => {
    const { point, value } = commitmentLayout(t),
      words = (at: number): Ext => roots[t.name].slice(at, at + 3) as unknown as Ext,
      H = 2 ** group!.logHeight;
    t.classes.forEach((_, i) => {
      const { used, offset } = group!.trees[n].parts[i];
      powers.push({ at: offset * H, length: used * H, z: words(point), coefficient: a });
      stateValue = E.add(stateValue, E.mul(a, words(value(i))));
      a = E.mul(a, alpha);
    });
  });

  if (claims.has('frozen')) {
    phase('frozen');
    const m = k.mark(),
      cells = plan.layouts.get('frozen')!.cells,
      parts: StackPart[] = [{ cls: 'frozen', at: 0 }];
    proveFrozen(
      k,
      ch,
      plan.frozenVars,
      stackTiles(k, plan, parts, cells, (n) => reading.ptr.get(n)!),
      weightTiles(k, plan, parts, cells, claims, rho, points),
    );
    k.release(m);
  }
  phase('open');
  const claimWeights = (parts: StackPart[], g: WhirGroup, powers: readonly Powers[] = []): Tiled => ({
    ...weightTiles(k, plan, parts, groupCells(g), claims, rho, points, powers),
    maxLog: g.logHeight,
  });
  const opened: GroupOpening[] = [
    { oracles: [oracle], f: stack, w: claimWeights([{ cls: 'witness', at: 0 }], main), value: sums.get('witness') ?? E.ZERO },
  ];
  if (group && state)
    opened.push({
      oracles: state.oracles,
      f: state.stack,
      w: claimWeights(stateParts(plan), group, powers),
      value: plan.states.flatMap((t) => t.classes).reduce<Ext>((x, c) => E.add(x, sums.get(c) ?? E.ZERO), stateValue),
    });
  openWhir(k, ch, plan.whir, opened);
  const proof = ch.words();
  k.release(start);
  return { proof, statement };
}

function proveFrozen(k: Kernels, ch: ProverChannel, vars: number, f: Tiled, w: Tiled): void {
  const sum = new ProductSumcheck(k, f, w, vars);
  while (sum.vars > 0) {
    ch.sendExt('frozen sumcheck', sum.message());
    sum.bind(ch.sample('frozen r'));
  }
  ch.sendExt('frozen value', [k.readExt(sum.near().f)]);
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
/** Axes of a factor's array, in global order. */
const ownAxes = (plan: Plan, f: Factor): string[] => {
  const own = f.slots.flatMap((s) => (s.kind === 'axis' ? [s.axis] : []));
  return plan.axes.flatMap((x) => (own.includes(x.axis) ? [x.axis] : []));
};

/** The integers of a factor that no axis is projected of, where they lie; undefined for the others. */
function inPlace(plan: Plan, f: Factor, address: (n: string) => number): Pick<SumFactor, 'axes' | 'words'> | undefined {
  if (f.tensor.publicKind === 'onehot' || f.slots.some((s) => s.kind === 'rho')) return undefined;
  const axes = ownAxes(plan, f),
    strides = axes.map(() => 0);
  let ptr = address(f.tensor.name),
    unit = 1;
  for (let d = f.slots.length - 1; d >= 0; d--) {
    const s = f.slots[d];
    if (s.kind === 'index') ptr += 8 * unit * s.index;
    else {
      ptr += 8 * unit * s.offset;
      strides[axes.indexOf((s as { axis: string }).axis)] += s.stride * unit;
    }
    unit *= plan.extended.axes[f.tensor.axes[d]];
  }
  return { axes, words: { ptr, strides } };
}

function projector(k: Kernels, plan: Plan, reading: IntegerReading, address: (n: string) => number, rho: readonly Ext[]) {
  const order = plan.axes.map((x) => x.axis);
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
    const m = k.mark();
    let w = k.exts([E.ONE]),
      rows = 1;
    for (const x of proj) {
      const tab = eqTableKernel(k, rho.slice(x.from, x.to), x.size),
        out = k.alloc(24 * rows * x.size),
        from = w;
      k.parallel('outer', rows, 64, (lo, hi) => [out, from, tab, x.size, lo, hi]);
      w = out;
      rows *= x.size;
    }
    const desc = k.alloc(256),
      idx = k.alloc(64 * k.threads),
      src = address(t.name) + 8 * base;
    k.i32.set([own.length, proj.length, ...own.flatMap((x) => [x.size, x.stride]), ...proj.flatMap((x) => [x.size, x.stride])], desc / 4);
    if (n >= 16 * k.threads)
      k.parallel('project', n, Math.max(1, Math.ceil(4096 / q)), (lo, hi, th) => [dst, src, w, desc, idx + 64 * th, 0, q, lo, hi]);
    else {
      const part = k.zeroed(24 * n * k.threads);
      k.parallel('project', q, 1024, (lo, hi, th) => [part + 24 * n * th, src, w, desc, idx + 64 * th, lo, hi, 0, n]);
      for (let c = 0; c < n; c++) {
        let v: Ext = E.ZERO;
        for (let th = 0; th < k.threads; th++) v = E.add(v, k.readExt(part + 24 * (n * th + c)));
        k.writeExt(dst + 24 * c, v);
      }
    }
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
