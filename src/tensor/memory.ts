import type { Plan } from './plan.js';

const product = (plan: Plan, axes: readonly string[]): number => axes.reduce((n, a) => n * plan.program.axes[a], 1);

/** Bytes of the batched sumcheck when every array is near: factors, their broadcasts, weights, and half of every term. */
export function sumcheckBytes(plan: Plan): number {
  const arrays = new Map<string, number>(),
    add = (key: string, axes: readonly string[]): void => void arrays.set(key, 24 * product(plan, axes) + 64);
  let folded = 0;
  for (const t of plan.terms) {
    const own = t.axes.filter((a) => t.shared.some((s) => s.axis === a)),
      lists = t.factors.map((f): [string, string[]] => [
        `f${f}`,
        plan.factors[f].slots.flatMap((s) => (s.kind === 'axis' ? [s.axis] : [])),
      ]);
    if (own.length) lists.push([`eq${own.map((a) => a + t.shared.find((s) => s.axis === a)!.from).join()}`, own]);
    for (const [key, axes] of lists) {
      add(key, axes);
      if (axes.length !== t.axes.length) add(`${key}>${t.axes.join()}`, t.axes);
    }
    if (t.axes.length) folded += 12 * product(plan, t.axes) * lists.length;
  }
  let sum = folded;
  for (const b of arrays.values()) sum += b;
  return sum;
}
