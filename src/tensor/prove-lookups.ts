/** Lookups, prover's side: keys and multiplicities, then LogUp-GKR down to its leaves, and the claims on tables. */
import * as E from '../field/ext3.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Keys, LeafInput } from '../lookup/leaves.js';
import { proveLogUp } from '../lookup/prove.js';
import type { Ext } from '../transcript/arith.js';
import type { ProverChannel } from '../transcript/prover.js';
import type { IntegerReading } from './integer.js';
import { STACK_SHARE } from './memory.js';
import { type Factor, type Plan, tableFactors, tableTag } from './plan.js';
import { projector } from './project.js';
import { TableRows } from './table-rows.js';

/** Row indices of all lookups, near or far, and how often each row of each table is looked up. */
export interface LookupKeys {
  readonly keys: ReadonlyMap<number, Keys>;
  readonly rows: TableRows;
  /** Multiplicities by table, as 32-bit words and as signed words of a tensor. */
  readonly mult: readonly number[];
  readonly mult64: readonly number[];
}

/** Keys of all lookups. Throws OverflowError where one has no row. */
export function lookupKeys(k: Kernels, plan: Plan, reading: IntegerReading): LookupKeys {
  const p = plan.program,
    cells = [...plan.boxOf.keys()].reduce((s, j) => s + p.constraints[j].axes.reduce((n, a) => n * p.axes[a], 1), 0),
    far = 4 * cells > STACK_SHARE * k.room,
    keys = new Map<number, Keys>(),
    rows = new TableRows(k, plan, reading),
    mult = rows.alloc(4, true),
    mult64 = plan.tables.map((t) => k.alloc(8 * t.size));
  for (const j of plan.boxOf.keys()) {
    const c = p.constraints[j];
    if (c.kind === 'zero') continue;
    const count = (): { ptr: number; n: number } => {
      const { ptr, n } = reading.keys(c),
        rows = mult[plan.tableOf.get(j)!],
        top = plan.topOf.get(j);
      k.exports['countKeys'](rows, ptr, n);
      if (top) k.exports['countKeys'](rows + 4 * Number(top.shift), ptr, n);
      return { ptr, n };
    };
    if (!far) keys.set(j, count().ptr);
    else
      k.scope(() => {
        const { ptr, n } = count(),
          block = k.far.alloc(4 * n);
        k.far.store(block, 0, ptr, 4 * n);
        keys.set(j, block);
      });
  }
  plan.tables.forEach((t, i) => {
    k.parallel('u32ToI64', t.size, 4096, (lo, hi) => [mult64[i], mult[i], lo, hi]);
    rows.unpad(i, mult64[i]);
  });
  return { keys, rows, mult, mult64 };
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
  const { rho } = k.scope(() => proveLogUp(k, ch, plan.logup, leafInputs(k, plan, l, gamma, betas)));
  for (const block of l.keys.values()) if (typeof block !== 'number') k.far.free(block);
  const project = projector(k, plan, reading, address, rho),
    tables: ValueClaim[] = [];
  plan.tables.forEach((_, i) => {
    const claims = tableFactors(plan, i).map(({ factor }) => ({ factor, value: k.scope(() => k.readExt(project(factor))) }));
    ch.sendExt(
      `table ${i} claims`,
      claims.map((c) => c.value),
    );
    tables.push(...claims);
  });
  return { rho, betas, tables };
}

/** Fractions of the leaves: 1 / (gamma - key) for lookups, -multiplicity / (gamma - row) for tables. */
function leafInputs(k: Kernels, plan: Plan, l: LookupKeys, gamma: Ext, betas: readonly Ext[]): LeafInput[] {
  const g = (t: number): Ext => E.sub(gamma, E.mulBase(betas[1], BigInt(t))),
    scratch = k.alloc(128),
    dens = l.rows.alloc(24);
  plan.tables.forEach((t, i) => {
    const gp = k.exts([g(tableTag(t, i))]),
      cols = k.alloc(64),
      columns = l.rows.columns(i),
      bp = k.exts(columns.map(({ column }) => betas[column + 2])),
      first = t.kind === 'table' ? t.spec.lo : t.kind === 'segment' ? BigInt(t.lo) : 0n;
    k.u32.set(
      columns.map((c) => c.ptr),
      cols / 4,
    );
    k.parallel('tableDen', t.size, 4096, (lo, hi) => [dens[i], gp, first, cols, columns.length, bp, scratch, lo, hi]);
  });
  const inputs: LeafInput[] = plan.lookups.map((j, box) => {
    const t = plan.tableOf.get(j)!,
      table = plan.tables[t],
      keys = l.keys.get(j)!,
      top = plan.topOf.get(j);
    // The same keys once more, all moved up by one distance.
    return table.kind === 'range'
      ? { kind: 'range', keys, g: top?.box === box ? E.sub(g(t), E.embed(top.shift)) : g(t) }
      : { kind: 'rows', keys, table: dens[t], rows: table.kind === 'segment' ? table.rows : table.size };
  });
  plan.tables.forEach((t, i) => {
    const num = k.alloc(24 * t.size);
    k.parallel('tableNum', t.size, 4096, (lo, hi) => [num, l.mult[i], lo, hi]);
    inputs.push({ kind: 'table', den: dens[i], num });
  });
  return inputs;
}
