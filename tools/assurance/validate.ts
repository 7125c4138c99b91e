/** Validation of a compiled program: formats, wrapping, uniqueness, in this order, from its data alone. */
import { type Program, isChosen, isEntered } from './data.js';
import { type Failure, checkFormats, checkWrap } from './formats.js';
import type { Solver } from './smt.js';
import { checkUnique } from './unique.js';

export interface Verdict {
  readonly failures: readonly Failure[];
  /** Slices in the order in which they were determined; empty where an earlier check failed. */
  readonly order: readonly string[];
  readonly summary: string;
}

/**
 * Checks a program. `excepted`: tensors of the state entered whose format something else establishes. What does not
 * hold over the integers cannot be argued about further, so that each check runs only if those before it pass.
 */
export async function validate(p: Program, solver: Solver, excepted: readonly string[]): Promise<Verdict> {
  const bounded = [...p.tensors.values()].filter((t) => isChosen(t) || isEntered(t)).length,
    f = await checkFormats(p, solver, excepted),
    parts = [`formats ${f.implied} of ${bounded}, excepted ${f.open.join(' ') || 'none'}`];
  if (f.failures.length) return { failures: f.failures, order: [], summary: parts.join('; ') };
  const w = await checkWrap(p, solver, f.formats);
  parts.push(`no wrap ${w.lifted.size} of ${p.constraints.length}`);
  if (w.failures.length) return { failures: w.failures, order: [], summary: parts.join('; ') };
  const u = await checkUnique(p, solver, f.formats, w.lifted);
  parts.push(`unique ${u.order.length} of ${u.slices} slices`, `under a mask ${u.masked.join(' ') || 'none'}`);
  return { failures: u.failures, order: u.order, summary: parts.join('; ') };
}
