// Tiles: arrays of E on their way between linear and far memory.
import { eadd, ecopy, emul, esub, ezero } from './field';

/** dst[row len + c] = element (row, c) of src at (row rs + c cs) 24, rows [lo, hi): what folds leave, without gaps. dst and src are apart. */
export function packExt(dst: usize, src: usize, len: usize, cs: usize, rs: usize, lo: usize, hi: usize): void {
  const step = cs * 24;
  for (let row = lo; row < hi; row++) {
    let o = dst + row * len * 24, p = src + row * rs * 24;
    for (let c: usize = 0; c < len; c++) { ecopy(o, p); o += 24; p += step; }
  }
}

/** dst[row half + c] = fold of the current variable of a by r, rows [lo, hi); a missing upper cell is 0, or equal to the lower one if held. */
export function termFoldTo(dst: usize, a: usize, len: usize, cs: usize, rs: usize, held: u32, r: usize, s: usize, lo: usize, hi: usize): void {
  const half = (len + 1) / 2, step = cs * 24;
  for (let row = lo; row < hi; row++) {
    let p = a + row * rs * 24, o = dst + row * half * 24;
    for (let c: usize = 0; c < half; c++) {
      if (c + c + 1 < len) esub(s, p + step, p);
      else { ezero(s); if (!held) esub(s, s, p); }
      emul(s, s, r);
      eadd(o, p, s);
      p += 2 * step; o += 24;
    }
  }
}
