/**
 * WGSL of the field and its extension. WGSL has neither words of 64 bits nor the high half of a product, so a word is
 * a pair of u32, low half first, and products go by halves of 16 bits. With X = 2^32, p = X^2 - X + 1: X^2 = X - 1 and
 * X^3 = -1 mod p, and adding X - 1 mod 2^64 is what taking p away is.
 *
 * Names that end in Lazy take and give any representative below 2^64; all others want and give canonical ones.
 */

/**
 * How shaders are written: straight code in registers, for the compilers of hardware; or loops over arrays, for
 * software adapters, whose compilers take minutes for long straight code. Both compute the same words.
 */
export type Form = 'unrolled' | 'compact';

const WORDS = `
alias F = vec2<u32>;
const TOP = 0xffffffffu;
const MINUS = TOP; // the low half of X - 1, whose high half is 0

fn bit(b: bool) -> u32 { return select(0u, 1u, b); }

// a b as a pair. No sum here passes 2^32: (2^16 - 1)^2 + 2 (2^16 - 1) = 2^32 - 1.
fn wide(a: u32, b: u32) -> F {
  let al = a & 0xffffu;
  let ah = a >> 16u;
  let bl = b & 0xffffu;
  let bh = b >> 16u;
  let mid = ah * bl + ((al * bl) >> 16u);
  let low = al * bh + (mid & 0xffffu);
  return F(a * b, ah * bh + (mid >> 16u) + (low >> 16u));
}

// w0 + w1 X + w2 X^2 + w3 X^3 below 2^64: (w0 + w1 X) - w3 + w2 (X - 1). Neither correction passes 2^64 again.
fn reduceLazy(w0: u32, w1: u32, w2: u32, w3: u32) -> F {
  let a = w0 - w3;
  let b = bit(w0 < w3);
  let c = w1 - b;
  let less = select(0u, MINUS, w1 < b);
  let d = a - less;
  let e = c - bit(a < less);
  let f = 0u - w2;
  let g = w2 - bit(w2 != 0u);
  let h = d + f;
  let i = bit(h < f);
  let j = e + g;
  let k = j + i;
  let more = select(0u, MINUS, j < g || k < i);
  let l = h + more;
  return F(l, k + bit(l < more));
}

// ll + (lh + hl) X + hh X^2 below 2^64.
fn productLazy(ll: F, lh: F, hl: F, hh: F) -> F {
  let s = ll.y + lh.x;
  let sc = bit(s < lh.x);
  let t = s + hl.x;
  let tc = sc + bit(t < hl.x);
  let u = hh.x + lh.y;
  let uc = bit(u < lh.y);
  let v = u + hl.y;
  let vc = uc + bit(v < hl.y);
  let w = v + tc;
  return reduceLazy(ll.x, t, w, hh.y + vc + bit(w < tc));
}
fn mulLazy(a: F, b: F) -> F {
  return productLazy(wide(a.x, b.x), wide(a.x, b.y), wide(a.y, b.x), wide(a.y, b.y));
}
fn squareLazy(a: F) -> F {
  let lh = wide(a.x, a.y);
  return productLazy(wide(a.x, a.x), lh, lh, wide(a.y, a.y));
}

// p has the halves 1 and TOP: from p on the high half is TOP and the low one is not 0.
fn canonical(a: F) -> F {
  return select(a, F(a.x - 1u, 0u), a.y == TOP && a.x != 0u);
}
fn mul(a: F, b: F) -> F { return canonical(mulLazy(a, b)); }

fn add(a: F, b: F) -> F {
  let lo = a.x + b.x;
  let c = bit(lo < a.x);
  let h = a.y + b.y;
  let hi = h + c;
  let reduce = h < a.y || hi < c || (hi == TOP && lo != 0u);
  return select(F(lo, hi), F(lo - 1u, hi + bit(lo != 0u)), reduce);
}
fn sub(a: F, b: F) -> F {
  let lo = a.x - b.x;
  let c = bit(a.x < b.x);
  let h = a.y - b.y;
  let hi = h - c;
  let under = a.y < b.y || h < c;
  return select(F(lo, hi), F(lo + 1u, hi - bit(lo != TOP)), under);
}
fn twice(a: F) -> F { return add(a, a); }
fn negated(a: F) -> F { return sub(F(0u, 0u), a); }
// An odd a is (a - 1) / 2 + (p + 1) / 2, where (p + 1) / 2 has the halves 2^31 + 1 and 2^31 - 1.
fn halved(a: F) -> F {
  let odd = 0u - (a.x & 1u);
  let more = odd & 0x80000001u;
  let lo = ((a.x >> 1u) | (a.y << 31u)) + more;
  return F(lo, (a.y >> 1u) + (odd & 0x7fffffffu) + bit(lo < more));
}
// The residue of a signed word: a negative one stands for p more, which is 1 - X more mod 2^64.
fn residue(a: F) -> F {
  let n = a.y >> 31u;
  let lo = a.x + n;
  return canonical(F(lo, a.y - n + bit(lo < n)));
}
fn power(a: F, exponent: u32) -> F {
  var r = F(1u, 0u);
  var x = a;
  for (var e = exponent; e != 0u; e >>= 1u) {
    if ((e & 1u) != 0u) { r = mul(r, x); }
    x = mul(x, x);
  }
  return r;
}
`;

/** E = F[x] / (x^3 - x - 1). A product takes six products of words, or nine in a loop. */
const EXTENSION: Record<Form, string> = {
  unrolled: `
struct E { a: F, b: F, c: F };
fn addE(x: E, y: E) -> E { return E(add(x.a, y.a), add(x.b, y.b), add(x.c, y.c)); }
fn subE(x: E, y: E) -> E { return E(sub(x.a, y.a), sub(x.b, y.b), sub(x.c, y.c)); }
fn scaleE(x: E, f: F) -> E { return E(mul(x.a, f), mul(x.b, f), mul(x.c, f)); }
fn mulE(x: E, y: E) -> E {
  let aa = mul(x.a, y.a);
  let bb = mul(x.b, y.b);
  let cc = mul(x.c, y.c);
  let ab = sub(sub(mul(add(x.a, x.b), add(y.a, y.b)), aa), bb);
  let ac = sub(sub(mul(add(x.a, x.c), add(y.a, y.c)), aa), cc);
  let bc = sub(sub(mul(add(x.b, x.c), add(y.b, y.c)), bb), cc);
  // x^3 = x + 1 and x^4 = x^2 + x.
  return E(add(aa, bc), add(add(ab, bc), cc), add(add(ac, bb), cc));
}
`,
  compact: `
struct E { a: F, b: F, c: F };
fn eachE(x: E, y: E, minus: bool) -> E {
  let u = array<F, 3>(x.a, x.b, x.c);
  let v = array<F, 3>(y.a, y.b, y.c);
  var z: array<F, 3>;
  for (var k = 0u; k < 3u; k++) {
    var w = v[k];
    if (minus) { w = negated(w); }
    z[k] = add(u[k], w);
  }
  return E(z[0], z[1], z[2]);
}
fn addE(x: E, y: E) -> E { return eachE(x, y, false); }
fn subE(x: E, y: E) -> E { return eachE(x, y, true); }
fn mulE(x: E, y: E) -> E {
  let u = array<F, 3>(x.a, x.b, x.c);
  let v = array<F, 3>(y.a, y.b, y.c);
  var z: array<F, 5>;
  for (var k = 0u; k < 9u; k++) {
    let at = k / 3u + k % 3u;
    z[at] = add(z[at], mul(u[k / 3u], v[k % 3u]));
  }
  // x^3 = x + 1 and x^4 = x^2 + x.
  for (var k = 0u; k < 3u; k++) {
    if (k < 2u) { z[k] = add(z[k], z[3]); }
    if (k > 0u) { z[k] = add(z[k], z[4]); }
  }
  return E(z[0], z[1], z[2]);
}
fn scaleE(x: E, f: F) -> E { return mulE(x, E(f, F(0u, 0u), F(0u, 0u))); }
`,
};

/** Functions of words. */
export const wordsCode = WORDS;
/** Functions of words and of elements of E. */
export const extensionCode = (form: Form): string => WORDS + EXTENSION[form];
