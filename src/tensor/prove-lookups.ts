/** Lookups, prover's side: keys and multiplicities, then LogUp-GKR down to its leaves, and the claims on tables. */
import * as E from '../field/ext3.js';
import { elements, together } from '../device/batches.js';
import { cpuDeviceOf, deviceOf } from '../device/current.js';
import type { Device, Vec } from '../device/device.js';
import { WrongDeviceError } from '../device/errors.js';
import type { FarBlock } from '../kernels/far.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Keys, LeafInput } from '../lookup/leaves.js';
import { proveLogUp } from '../lookup/prove.js';
import type { Ext } from '../transcript/arith.js';
import type { ProverChannel } from '../transcript/prover.js';
import type { IntegerReading } from './integer.js';
import { STACK_SHARE } from '../pcs/commit.js';
import { type Factor, type Plan, tableFactors, tableTag } from './plan.js';
import { Tensors, projector } from './project.js';
import { TableRows } from './table-rows.js';

/** Row indices of all lookups, near or far, and how often each row of each table is looked up. */
export interface LookupKeys {
  readonly keys: ReadonlyMap<number, number | Keys>;
  readonly rows: TableRows;
  /** Multiplicities by table, as 32-bit words and as signed words of a tensor. */
  readonly mult: readonly number[];
  readonly mult64: readonly number[];
}

/** Keys of all lookups, on a device or on the CPU. Throws OverflowError where one has no row. */
export function lookupKeys(k: Kernels, plan: Plan, reading: IntegerReading, d: Device): LookupKeys {
  const rows = new TableRows(k, plan, reading),
    mult = rows.alloc(4, true),
    mult64 = plan.tables.map((t) => k.alloc(8 * t.size)),
    keys = d.waits ? keysOn(d, k, plan, reading, rows, mult) : keysHere(k, plan, reading, mult);
  const { u32 } = k;
  plan.tables.forEach((t, i) => {
    const to = mult64[i] / 4,
      from = mult[i] / 4;
    for (let r = 0; r < t.size; r++) {
      u32[to + 2 * r] = u32[from + r];
      u32[to + 2 * r + 1] = 0;
    }
    rows.unpad(i, mult64[i]);
  });
  return { keys, rows, mult, mult64 };
}

/** On a device beside the CPU: counts alone are read back, and what has no row was counted at their end. */
function keysOn(
  d: Device,
  k: Kernels,
  plan: Plan,
  reading: IntegerReading,
  rows: TableRows,
  mult: readonly number[],
): ReadonlyMap<number, Vec> {
  const keys = new Map<number, Vec>(),
    places = rows.places(),
    list = [...plan.boxOf.keys()].flatMap((j) => {
      const of = plan.program.constraints[j];
      if (of.kind === 'zero') return [];
      const n = of.axes.reduce((x, a) => x * plan.program.axes[a], 1),
        to = d.vector(Math.ceil(n / 2));
      keys.set(j, to);
      return [{ j, of, n, to }];
    }),
    words = d.scope(() => {
      const to = d.zeroed(Math.floor(places.rows / 2) + 1);
      reading.keysOn(d, list);
      const items = list.flatMap(({ j, n, to: of }) => {
        const at = places.at[plan.tableOf.get(j)!],
          top = plan.topOf.get(j),
          item = { to, at, keys: of, n, bad: places.rows };
        return top ? [item, { ...item, at: at + Number(top.shift) }] : [item];
      });
      d.run('counts', items.length, { items });
      return d.get(to);
    }),
    counts = new Uint32Array(words.buffer, words.byteOffset, 2 * words.length);
  if (counts[places.rows] !== 0) {
    // The CPU says which it is, if it is one.
    for (const { of } of list) k.scope(() => reading.keys(of));
    throw new WrongDeviceError(d.name, 'a key has no row, which is not so on the CPU');
  }
  plan.tables.forEach((t, i) => k.u32.set(counts.subarray(places.at[i], places.at[i] + t.size), mult[i] / 4));
  return keys;
}

/** On the CPU, near or far. */
function keysHere(k: Kernels, plan: Plan, reading: IntegerReading, mult: readonly number[]): ReadonlyMap<number, number | FarBlock> {
  const p = plan.program,
    cells = [...plan.boxOf.keys()].reduce((s, j) => s + p.constraints[j].axes.reduce((n, a) => n * p.axes[a], 1), 0),
    far = 4 * cells > STACK_SHARE * k.room,
    cpu = cpuDeviceOf(k),
    keys = new Map<number, number | FarBlock>();
  for (const j of plan.boxOf.keys()) {
    const c = p.constraints[j];
    if (c.kind === 'zero') continue;
    const count = (): { ptr: number; n: number } => {
      const { ptr, n } = reading.keys(c),
        rows = mult[plan.tableOf.get(j)!],
        top = plan.topOf.get(j);
      // Counts are addressed, not bounded: keys are below the rows of their table.
      const item = { to: cpu.bring(rows, 0), at: 0, keys: cpu.bring(ptr, Math.ceil(n / 2)), n, bad: 0 };
      cpu.run('counts', 1, { items: top ? [item, { ...item, at: Number(top.shift) }] : [item] });
      return { ptr, n };
    };
    if (!far) keys.set(j, count().ptr);
    else
      k.scope(() => {
        const { ptr, n } = count(),
          // Words of two keys.
          bytes = 8 * Math.ceil(n / 2),
          block = k.far.alloc(bytes);
        k.far.store(block, 0, ptr, bytes);
        keys.set(j, block);
      });
  }
  return keys;
}

/** A value of a linear functional of a tensor. */
export interface ValueClaim {
  readonly factor: Factor;
  readonly value: Ext;
}

/** What the lookup argument leaves behind. */
export interface LookupClaims {
  /** The point of the leaves. */
  readonly rho: readonly Ext[];
  /** Powers of beta: one, beta, beta^2, ... */
  readonly betas: readonly Ext[];
  readonly tables: readonly ValueClaim[];
}

/** The argument and its claims on tables. `address` of a tensor or of a table's multiplicities. */
export function lookups(
  k: Kernels,
  ch: ProverChannel,
  plan: Plan,
  reading: IntegerReading,
  l: LookupKeys,
  address: (name: string) => number,
): LookupClaims {
  const gamma = ch.sample('gamma'),
    beta = ch.sample('beta'),
    betas: Ext[] = [E.ONE, beta];
  for (let i = 2; i < 6; i++) betas.push(E.mul(betas[i - 1], beta));
  const d = deviceOf(k, ch.hash),
    { rho } = k.scope(() => d.scope(() => proveLogUp(k, ch, plan.logup, leafInputs(d, plan, l, gamma, betas))));
  for (const block of l.keys.values()) if (typeof block !== 'number' && 'pages' in block) k.far.free(block);
  const factors = plan.tables.map((_, i) => tableFactors(plan, i).map(({ factor }) => factor)),
    values = d.scope(() => {
      const made = projector(k, plan, reading, new Tensors(d, plan, address), rho)(factors.flat());
      return d.pick(made.map((from) => ({ from, at: Uint32Array.of(0, 1, 2) }))).map((w) => elements(w)[0]);
    }),
    tables: ValueClaim[] = [];
  factors.forEach((list, i) => {
    const claims = list.map((factor) => ({ factor, value: values.shift()! }));
    ch.sendExt(
      `table ${i} claims`,
      claims.map((c) => c.value),
    );
    tables.push(...claims);
  });
  return { rho, betas, tables };
}

/** Fractions of the leaves: 1 / (gamma - key) for lookups, -multiplicity / (gamma - row) for tables. */
function leafInputs(d: Device, plan: Plan, l: LookupKeys, gamma: Ext, betas: readonly Ext[]): LeafInput[] {
  const p = plan.program,
    g = (t: number): Ext => E.sub(gamma, E.mulBase(betas[1], BigInt(t))),
    dens = l.rows.vectors(d, 3),
    nums = plan.tables.map((t) => d.vector(3 * t.size));
  const rows = plan.tables.map((t, i) => ({
    to: dens[i].own,
    n: t.size,
    g: g(tableTag(t, i)),
    first: t.kind === 'table' ? t.spec.lo : t.kind === 'segment' ? BigInt(t.lo) : 0n,
    columns: l.rows.columns(i).map(({ column, ptr }) => ({ of: d.bring(ptr, t.size), b: betas[column + 2] })),
  }));
  for (const items of together(d, rows)) d.run('tableRows', items.length, { items });
  const counts = plan.tables.map((t, i) => ({
    to: nums[i],
    n: t.size,
    counts: { vec: d.bring(l.mult[i], Math.ceil(t.size / 2)), at: 0 },
  }));
  for (const items of together(d, counts)) d.run('negatives', items.length, { items });
  /** Keys of a constraint, which its lookups of two tables share. */
  const brought = new Map<number, Keys>(),
    keysOf = (j: number): Keys => {
      const at = l.keys.get(j)!,
        known = brought.get(j);
      if (known) return known;
      const n = p.constraints[j].axes.reduce((x, a) => x * p.axes[a], 1),
        keys = typeof at === 'number' ? d.bring(at, Math.ceil(n / 2)) : at;
      brought.set(j, keys);
      return keys;
    };
  const inputs: LeafInput[] = plan.lookups.map((j, box) => {
    const t = plan.tableOf.get(j)!,
      keys = keysOf(j),
      top = plan.topOf.get(j);
    // The same keys once more, all moved up by one distance.
    return plan.tables[t].kind === 'range'
      ? { kind: 'range', keys, g: top?.box === box ? E.sub(g(t), E.embed(top.shift)) : g(t) }
      : { kind: 'rows', keys, table: dens[t].all };
  });
  plan.tables.forEach((_, i) => inputs.push({ kind: 'table', den: dens[i].own, num: nums[i] }));
  return inputs;
}
