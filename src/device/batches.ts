import type { Ext } from '../field/ext3.js';
import type { Device } from './device.js';

/** A list in parts of as many items as the device wants together. */
export function together<T>(d: Device, list: readonly T[]): readonly (readonly T[])[] {
  if (list.length <= d.together) return list.length > 0 ? [list] : [];
  const out: T[][] = [];
  for (let i = 0; i < list.length; i += d.together) out.push(list.slice(i, i + d.together));
  return out;
}

/** Elements of E from their words. */
export const elements = (words: BigUint64Array): Ext[] =>
  Array.from({ length: words.length / 3 }, (_, i) => [words[3 * i], words[3 * i + 1], words[3 * i + 2]]);
