// Tiles: arrays of E on their way between linear and far memory.
import { ecopy } from './field';

/**
 * dst[row len + c] = element (row, c) of src at (row rs + c cs) 24, rows [lo, hi): what folds leave, without gaps. dst
 * and src are apart.
 */
export function packExt(dst: usize, src: usize, len: usize, cs: usize, rs: usize, lo: usize, hi: usize): void {
  const step = cs * 24;
  for (let row = lo; row < hi; row++) {
    let o = dst + row * len * 24, p = src + row * rs * 24;
    for (let c: usize = 0; c < len; c++) { ecopy(o, p); o += 24; p += step; }
  }
}
