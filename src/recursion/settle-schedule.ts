import type { WhirShape } from '../pcs/params.js';
import { TrustedRoot } from '../pcs/trusted.js';
import { asDigest } from '../transcript/arith.js';
import { RecordingChannel } from '../transcript/schedule.js';
import { settleMatrix } from './settle-shape.js';
import { verifySettled } from './settle.js';

/** Messages of an opening: a function of the shape. */
export function settleSchedule(shape: WhirShape): RecordingChannel {
  const rec = new RecordingChannel(),
    zero = rec.constant(0n),
    none = asDigest([zero, zero, zero, zero]),
    { logColumns, logHeight } = settleMatrix(shape),
    point = Array.from({ length: logColumns + logHeight }, () => zero);
  // No root at all: a recording has no values.
  const root = shape.groups[0].trusted === 'base' ? TrustedRoot.ofBase(none) : TrustedRoot.ofKey(none);
  verifySettled(rec, shape, root, { point, value: zero });
  return rec;
}
