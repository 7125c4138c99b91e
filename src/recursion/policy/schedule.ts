import { DOMAIN } from '../../hash/poseidon2.js';
import type { PolicyShape } from '../../policy/vector.js';
import type { Elem } from '../../transcript/arith.js';
import type { Opened } from './vector.js';
import type { Wires } from './wires.js';

/** Scalars of an update as the program absorbs them. */
export interface ScheduleElems {
  /** Those that the schedule fixes, in the table's order. */ readonly scalars: readonly Elem[];
  /** The one that depends on the number of targets. */
  readonly clip: { readonly name: 'clipN' | 'clipC'; readonly value: Elem };
}

/**
 * Scalars of step t: row t of the schedule's table, opened under its root, and the clip scalar of the number of
 * targets.
 *
 *   clipN  floor((n2 count + half) / d2), constants (n2, d2, half): n2 count + half = clipN d2 + rem, rem < d2 <= 2^31,
 *          clipN < 2^31
 *   clipC  floor(one / count), constants (one, 0, 0): clipC count + rem = one < 2^31, rem < count, clipC < 2^31; hence
 *          count >= 1
 *
 * Free: the remainder, unique by its range. With count below 2^32 and n2 below 2^31 both sides stay below p.
 */
export function checkSchedule(
  w: Wires,
  shape: PolicyShape,
  pi: Opened,
  step: Elem,
  count: Elem,
  given: ScheduleElems,
  path?: readonly (readonly bigint[])[],
): void {
  const { ch } = w,
    bits = ch.split(step, shape.scheduleDepth, 'step number'),
    leaf = ch.hash(DOMAIN.schedule, [step, ...given.scalars]);
  w.equal(w.climb(leaf, bits, path), pi.scheduleRoot, 'schedule');
  const [x, y, half] = pi.clip,
    { name, value } = given.clip;
  w.u32(count, 'target count');
  ch.split(value, 31, 'clip scalar');
  if (name === 'clipN') {
    const sum = ch.mulAdd(x, count, half),
      d = w.value(y),
      rem = w.word('clip remainder', d === 0n ? 0n : w.value(sum) % d);
    w.below(rem, y, 'clip scalar');
    ch.assertEqual(ch.mulAdd(value, y, rem), sum, 'clip scalar');
  } else {
    const n = w.value(count),
      rem = w.word('clip remainder', n === 0n ? 0n : w.value(x) % n);
    w.below(rem, count, 'clip scalar');
    ch.assertEqual(ch.mulAdd(value, count, rem), x, 'clip scalar');
  }
}

/**
 * Examples of the step at hand: the smaller of batch and what the epoch has left. Free: which of the two; both
 * differences must not be negative.
 */
export function stepExamples(w: Wires, pi: Opened, drawn: Elem): Elem {
  const { ch } = w,
    batch = pi.batch[0],
    left = ch.sub(pi.epochExamples[0], ch.mul(drawn, batch)),
    short = w.word('short batch', w.value(left) < w.value(batch) ? 1n : 0n);
  w.boolean(short, 'short batch');
  const n = ch.select(short, left, batch);
  w.u32(ch.sub(batch, n), 'short batch');
  w.u32(ch.sub(left, n), 'short batch');
  return n;
}

/** A micro-batch belongs to its step: it begins before the step's examples end. */
export function checkMicro(w: Wires, examples: Elem, offset: Elem): void {
  w.u32(w.ch.sub(w.ch.sub(examples, w.one), offset), 'micro-batch too many');
}

/**
 * An update comes after all micro-batches of its step: those done reach its end, and without the last they would not.
 */
export function checkComplete(w: Wires, pi: Opened, drawn: Elem, micro: Elem, rows: number): void {
  const { ch } = w,
    over = ch.sub(ch.mul(micro, w.constant(rows)), stepExamples(w, pi, drawn));
  w.below(over, w.constant(rows), 'micro-batch left out');
}
