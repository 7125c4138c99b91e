import type { WhirShape } from '../pcs/params.js';
import { RecordingChannel } from '../transcript/schedule.js';
import { settleMatrix } from './settle-shape.js';
import { verifySettled } from './settle.js';

/** Messages of an opening: a function of the shape. */
export function settleSchedule(shape: WhirShape): RecordingChannel {
  const rec = new RecordingChannel(),
    zero = rec.constant(0n),
    { logColumns, logHeight } = settleMatrix(shape),
    point = Array.from({ length: logColumns + logHeight }, () => zero);
  verifySettled(rec, shape, [zero, zero, zero, zero], { point, value: zero });
  return rec;
}
