// Message of a product sumcheck over halves, one entry at a time: what a verifier runs.
import { LOW, fadd, faddLazy, fsub, fsigned, carryWide } from './field';

// out (72 bytes per thread): sums of f w over the low half, and of (f_hi - f_lo)(w_hi - w_lo).
/**
 * f: i64 signed when base != 0, else E. Indices [lo, hi) of the low half; the high half has nhi entries at offset half.
 */
export function scHalves(out: usize, f: usize, base: u32, w: usize, half: usize, nhi: usize, lo: usize, hi: usize): void {
  LANES(a); LANES(b);
  for (let at = lo; at < hi; ) {
    // Running lanes hold 2^24 products.
    const end = min<usize>(hi, at + 0x400000);
    if (base) {
      for (let i = at; i < end; i++) {
        const x = fsigned(load<i64>(f + i * 8)), p = w + i * 24;
        LOAD(w, p); SCALE(p, w, x); ACC(a, p);
        if (i < nhi) {
          LOAD(v, w + (i + half) * 24); const d = fsub(fsigned(load<i64>(f + (i + half) * 8)), x); SUB(u, v, w);
          SCALE(q, u, d); ACC(b, q);
        } else { ACC(b, p); }
      }
    } else {
      for (let i = at; i < end; i++) {
        LOAD(f, f + i * 24); LOAD(w, w + i * 24); SUMS(f); SUMS(w);
        PROD(p, f, w); ACC(a, p);
        if (i < nhi) {
          LOAD(g, f + (i + half) * 24); LOAD(v, w + (i + half) * 24); SUB(d, g, f); SUB(u, v, w); SUMS(d); SUMS(u);
          PROD(q, d, u); ACC(b, q);
        } else { ACC(b, p); }
      }
    }
    at = end;
    TOTAL(x, a); TOTAL(y, b);
    RESET(a, x); RESET(b, y);
  }
  TOTAL(x, a); TOTAL(y, b);
  STORE(out, x); STORE(out + 24, y);
}
