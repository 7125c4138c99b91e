/**
 * States between programs. A state that is entered was left by some program: cell for cell its format there must lie
 * within the format that is assumed where it is entered. That is what the list of exceptions rests on.
 */
import type { RawProgram } from './data.js';
import type { Failure } from './formats.js';

const CLASSES = { cOut: 'cIn', oOut: 'oIn', aOut: 'aIn' } as const;

/** What `from` leaves in a class against what `to` enters. Undefined where one of them has nothing of that class. */
function compare(from: RawProgram, left: keyof typeof CLASSES, to: RawProgram): Failure[] | undefined {
  const a = from.tensors.filter((t) => t.cls === left),
    b = to.tensors.filter((t) => t.cls === CLASSES[left]),
    cells = (p: RawProgram, axes: readonly string[]): number => axes.reduce((n, x) => n * p.axes[x], 1),
    fail = (at: string, why: string): Failure => ({ check: 'state', at, why: `${why}, from ${from.name} to ${to.name}` });
  if (!a.length || !b.length) return undefined;
  if (a.length !== b.length) return [fail(left, 'other tensors are left than are entered')];
  return a.flatMap((t, k) => {
    const u = b[k];
    if (cells(from, t.axes) !== cells(to, u.axes)) return [fail(t.name, `has other cells than ${u.name}`)];
    const within = BigInt(u.lo) <= BigInt(t.lo) && BigInt(t.hi) <= BigInt(u.hi);
    return within ? [] : [fail(t.name, `is left in a wider format than ${u.name} is entered with`)];
  });
}

/**
 * Programs of one run: what any of them leaves, any of them may enter. Every class that is entered must be left by one.
 */
export function checkStates(programs: readonly RawProgram[]): Failure[] {
  const failures: Failure[] = [];
  for (const left of Object.keys(CLASSES) as (keyof typeof CLASSES)[]) {
    let met = 0;
    for (const from of programs)
      for (const to of programs) {
        const found = compare(from, left, to);
        if (found) met++;
        failures.push(...(found ?? []));
      }
    const entered = programs.some((p) => p.tensors.some((t) => t.cls === CLASSES[left]));
    if (entered && !met) failures.push({ check: 'state', at: CLASSES[left], why: 'is entered by a program of the run and left by none' });
  }
  return failures;
}
