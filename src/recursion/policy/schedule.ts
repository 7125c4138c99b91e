import { DOMAIN } from '../../hash/poseidon2.js';
import { ADAMW } from '../../optim/adamw.js';
import { CLIP } from '../../optim/constants.js';
import type { PolicyShape } from '../../policy/vector.js';
import type { Elem } from '../../transcript/arith.js';
import type { Opened } from './vector.js';
import type { Wires } from './wires.js';

/** Scalars of an update as the program absorbs them. */
export interface ScheduleElems {
  /** Those that the schedule fixes, in the table's order. */ readonly scalars: readonly Elem[];
  /** The one that depends on the number of targets, and its fraction bits. */
  readonly clip: { readonly name: 'clipN' | 'clipC'; readonly frac: number; readonly value: Elem };
}

/**
 * Scalars of step t: row t of the schedule's table, opened under its root, and the clip scalar as the function of the
 * number of targets that src/optim/constants.ts declares, 1 <= count <= M = `mostTargets` < 2^32:
 *
 *   clipN  floor((K count + 2^(s-1)) / 2^s):     clipN 2^s + rem = K count + 2^(s-1),  clipN < 2^51, rem < 2^s = 2^12
 *   clipC  floor((2^(f+1) + count) / (2 count)): clipC 2 count + rem = 2^(f+1) + count, clipC < 2^(f+1), rem < 2 count
 *
 * The verifier refuses a manifest with K M + 2^s >= 2^63, and without clipping one with M > 2^22 (f is 35 or 39): with
 * these both sides are below p, the equation holds of integers, and clip scalar and remainder are its one solution.
 * Free: the remainder.
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
  w.u32(ch.sub(count, w.one), 'target count');
  w.u32(ch.sub(pi.mostTargets[0], count), 'target count');
  const { name, frac, value } = given.clip;
  if (name === 'clipN') {
    const sum = ch.mulAdd(pi.clip[0], count, w.constant(1n << BigInt(CLIP.shift - 1))),
      rem = w.word('clip remainder', w.value(sum) & ((1n << BigInt(CLIP.shift)) - 1n));
    ch.split(value, ADAMW.clipNBits, 'clip scalar');
    ch.split(rem, CLIP.shift, 'clip scalar');
    ch.assertEqual(ch.mulAdd(value, w.constant(1n << BigInt(CLIP.shift)), rem), sum, 'clip scalar');
  } else {
    const one = w.constant(1n << BigInt(frac + 1)),
      twice = ch.add(count, count),
      sum = ch.add(one, count),
      d = w.value(twice),
      rem = w.word('clip remainder', d === 0n ? 0n : w.value(sum) % d);
    ch.split(value, frac + 1, 'clip scalar');
    w.below(rem, twice, 'clip scalar');
    ch.assertEqual(ch.mulAdd(value, twice, rem), sum, 'clip scalar');
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
