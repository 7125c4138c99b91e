// Message of a product sumcheck over halves, two entries at a time: what a prover runs.
import { LOW, carryWide } from './field';
import { scHalves as one } from './halves';
import { vaddLazy, vsigned, vsub } from './pairs';

/** As scHalves of halves.ts, word for word. */
export function scHalves(out: usize, f: usize, base: u32, w: usize, half: usize, nhi: usize, lo: usize, hi: usize): void {
  LANES(a); LANES(b); LANES(t);
  let at = lo;
  // Entries that have one above them, then those that have none.
  for (let upper = 1; upper >= 0; upper--) {
    const until = upper ? min(hi, nhi) : hi;
    while (at + 1 < until) {
      // Running lanes hold 2^24 products.
      const end = at + min<usize>((until - at) & ~1, 0x200000);
      VLANES(va); VLANES(vb);
      for (; at < end; at += 2) {
        const p = w + at * 24, q = p + half * 24;
        VLOAD(w, p, 24);
        if (base) {
          const x = vsigned(v128.load(f + at * 8));
          VPACK(w); VWORD(x); VSCALE(p, w, x); VACC(va, p);
          if (upper) {
            const y = vsub(vsigned(v128.load(f + (at + half) * 8)), x);
            VWORD(y); VLOAD(v, q, 24); VSUB(u, v, w); VPACK(u); VSCALE(q, u, y); VACC(vb, q);
          } else { VACC(vb, p); }
        } else {
          const e = f + at * 24, g = e + half * 24;
          VLOAD(f, e, 24); VSUMS(w); VSUMS(f); VSWAP(f);
          VPROD(p, w, f); VACC(va, p);
          if (upper) {
            VLOAD(g, g, 24); VLOAD(v, q, 24); VSUB(d, g, f); VSUB(u, v, w); VSUMS(d); VSWAP(d); VSUMS(u);
            VPROD(q, u, d); VACC(vb, q);
          } else { VACC(vb, p); }
        }
      }
      VHALVES(a, va); VHALVES(b, vb);
      TOTAL(x, a); TOTAL(y, b);
      RESET(a, x); RESET(b, y);
    }
    if (at < until) {
      one(out, f, base, w, half, nhi, at, at + 1);
      LOAD(x, out); RESET(t, x); ACC(a, t);
      LOAD(y, out + 24); RESET(t, y); ACC(b, t);
      at++;
    }
  }
  TOTAL(x, a); TOTAL(y, b);
  STORE(out, x); STORE(out + 24, y);
}
