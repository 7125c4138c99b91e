import type { WhirShape } from '../../pcs/index.js';
import { RecordingChannel } from '../../transcript/index.js';
import { verifySettled } from './verify.js';

/** Messages of an opening: a function of the shape. */
export function settleSchedule(shape: WhirShape): RecordingChannel {
  const rec = new RecordingChannel(),
    zero = rec.constant(0n),
    point = Array.from({ length: shape.logColumns + shape.logHeight }, () => zero);
  verifySettled(rec, shape, [zero, zero, zero, zero], { point, value: zero });
  return rec;
}
