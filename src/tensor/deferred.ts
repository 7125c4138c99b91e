import { VerificationError, type Elem, type Ext } from '../transcript/arith.js';
import type { NativeChannel } from '../transcript/native.js';
import type { Kernels } from '../kernels/runtime.js';
import * as E from '../field/ext3.js';
import type { Plan } from './plan.js';

/** What of a plan a claim on its frozen stack needs. */
export type FrozenPlan = Pick<Plan, 'frozenVars'>;

/**
 * frozen(point) = value, not yet checked. Only `settleFrozen` and the merging of claims read it; a proof is not
 * verified before.
 */
export class DeferredClaim {
  readonly #plan: FrozenPlan;
  readonly #point: readonly Elem[];
  readonly #value: Elem;
  constructor(plan: FrozenPlan, point: readonly Elem[], value: Elem) {
    this.#plan = plan;
    this.#point = point;
    this.#value = value;
  }
  /** Handles of the claim, for whoever exposes or merges it in a circuit. */
  take(): { readonly point: readonly Elem[]; readonly value: Elem } {
    return { point: this.#point, value: this.#value };
  }
  /** Takes the claim out of the channel's memory. */
  detach(ch: NativeChannel): DetachedClaim {
    return new DetachedClaim(
      this.#plan,
      this.#point.map((x) => ch.value(x)),
      ch.value(this.#value),
    );
  }
}

/** The same by value, to be settled after the channel is closed. */
export class DetachedClaim {
  constructor(
    readonly plan: FrozenPlan,
    readonly point: readonly Ext[],
    readonly value: Ext,
  ) {}
}

/** Checks frozen(point) = value by direct evaluation of the stack (signed words at `stack`). Linear in the base. */
export function settleFrozen(k: Kernels, stack: number, cells: number, claims: readonly DetachedClaim[]): void {
  for (const c of claims) {
    if (c.point.length === 0) continue;
    const got = evaluateStack(k, stack, cells, c.point);
    if (!E.eq(got, c.value)) throw new VerificationError('frozen weights', 'the claim on base weights and tables does not hold');
  }
}

/** Extension of a stack of signed words at a point (most significant variable first). */
export const evaluateStack = (k: Kernels, stack: number, cells: number, point: readonly Ext[]): Ext =>
  k.scope(() => sumOfCells(k, stack, cells, point));

function sumOfCells(k: Kernels, stack: number, cells: number, point: readonly Ext[]): Ext {
  const half = Math.floor(point.length / 2),
    low = point.length - half,
    n = 2 ** low,
    rows = Math.ceil(cells / n);
  const tab = (pt: readonly Ext[], size: number): number => {
    const d = k.alloc(24 * (size + 1)),
      p = k.exts(pt),
      s = k.alloc(64);
    k.exports['eqTrunc'](d, p, pt.length, size, s);
    return d;
  };
  const lo = tab(point.slice(half), n),
    hi = tab(point.slice(0, half), rows),
    desc = k.alloc(256),
    idx = k.alloc(64 * k.threads),
    dst = k.zeroed(24 * rows);
  k.i32.set([1, 1, rows, n, n, 1], desc / 4);
  const full = Math.floor(cells / n);
  k.parallel('project', full, 1, (a, b, t) => [dst, stack, lo, desc, idx + 64 * t, 0, n, a, b]);
  if (rows > full) k.exports['project'](dst, stack, lo, desc, idx, 0, cells - full * n, full, rows);
  let sum: Ext = E.ZERO;
  for (let r = 0; r < rows; r++) sum = E.add(sum, E.mul(k.readExt(dst + 24 * r), k.readExt(hi + 24 * r)));
  return sum;
}
