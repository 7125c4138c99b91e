import type { Arith, Elem } from '../transcript/arith.js';

/** Points are most significant variable first. All functions work on handles, natively and in a circuit. */

/** prod (a b + (1 - a)(1 - b)) = prod ((1 - a) + b (2 a - 1)): what depends on a alone is made once for all b. */
export function eqEval(ch: Arith, a: readonly Elem[], b: readonly Elem[]): Elem {
  let acc = ch.constant(1n);
  const one = ch.constant(1n);
  a.forEach((x, k) => {
    const not = ch.sub(one, x);
    acc = ch.mul(acc, ch.mulAdd(b[k], ch.sub(x, not), not));
  });
  return acc;
}

/** eq(point, index) for a known index. */
export function eqAt(ch: Arith, point: readonly Elem[], index: number): Elem {
  let acc = ch.constant(1n);
  const one = ch.constant(1n),
    v = point.length;
  point.forEach((x, k) => {
    acc = ch.mul(acc, Math.floor(index / 2 ** (v - 1 - k)) % 2 ? x : ch.sub(one, x));
  });
  return acc;
}

/** eq(point, i) for i < n. */
export function eqTable(ch: Arith, point: readonly Elem[], n = 2 ** point.length): Elem[] {
  let out: Elem[] = [ch.constant(1n)];
  point.forEach((x, t) => {
    const keep = Math.ceil(n / 2 ** (point.length - 1 - t)),
      next: Elem[] = [];
    for (const v of out) {
      const hi = ch.mul(v, x);
      next.push(ch.sub(v, hi), hi);
    }
    out = next.slice(0, keep);
  });
  return out;
}

/** sum over i < n of eq(point, i). */
export function lessThan(ch: Arith, point: readonly Elem[], n: number): Elem {
  const one = ch.constant(1n),
    v = point.length;
  if (n >= 2 ** v) return one;
  let sum = ch.constant(0n),
    prefix = one;
  // Where n has a bit 1, indices with the same prefix and a 0 there are below n.
  point.forEach((x, k) => {
    const bit = Math.floor(n / 2 ** (v - 1 - k)) % 2,
      not = ch.sub(one, x);
    if (bit) sum = ch.mulAdd(prefix, not, sum);
    prefix = ch.mul(prefix, bit ? x : not);
  });
  return sum;
}

/** sum over i < n of eq(a, i) eq(b, i). */
export function eqLess(ch: Arith, a: readonly Elem[], b: readonly Elem[], n: number): Elem {
  const one = ch.constant(1n),
    v = a.length;
  if (n >= 2 ** v) return eqEval(ch, a, b);
  const suffix: Elem[] = Array(v + 1).fill(one);
  for (let k = v - 1; k >= 0; k--) suffix[k] = ch.mul(suffix[k + 1], eqEval(ch, [a[k]], [b[k]]));
  let sum = ch.constant(0n),
    prefix = one;
  for (let k = 0; k < v; k++) {
    const bit = Math.floor(n / 2 ** (v - 1 - k)) % 2;
    const both = ch.mul(a[k], b[k]),
      neither = ch.mul(ch.sub(one, a[k]), ch.sub(one, b[k]));
    if (bit) sum = ch.mulAdd(ch.mul(prefix, neither), suffix[k + 1], sum);
    prefix = ch.mul(prefix, bit ? both : neither);
  }
  return sum;
}

/**
 * The same for a band of queries: sum over i < n and j <= first + i of eq(a, i) eq(b, j), for `first` a multiple of a
 * power of two at least n. Keys below `first` are seen by every query of the band, those from there on as in a mask of
 * its own.
 */
export function causalBand(ch: Arith, a: readonly Elem[], b: readonly Elem[], n: number, first: number): Elem {
  if (!first) return causal(ch, a, b, n);
  const high = b.slice(0, b.length - a.length),
    below = ch.mul(lessThan(ch, a, n), lessThan(ch, b, first)),
    own = ch.mul(eqAt(ch, high, first / 2 ** a.length), causal(ch, a, b.slice(high.length), n));
  return ch.add(below, own);
}

/**
 * sum over j <= i < n of eq(a, i) eq(b, j): indices compared from the most significant bit; states "equal so far" and
 * "j below i", each with "i equal to n's prefix" or "i below n".
 */
export function causal(ch: Arith, a: readonly Elem[], b: readonly Elem[], n: number): Elem {
  const one = ch.constant(1n),
    zero = ch.constant(0n),
    v = a.length,
    full = n >= 2 ** v;
  // [i = j, i tight], [i = j, i free], [j < i, i tight], [j < i, i free]
  let et = full ? zero : one,
    ef = full ? one : zero,
    lt = zero,
    lf = zero;
  for (let k = 0; k < v; k++) {
    const i1 = a[k],
      i0 = ch.sub(one, i1),
      j1 = b[k],
      j0 = ch.sub(one, j1),
      bit = Math.floor(n / 2 ** (v - 1 - k)) % 2;
    const p00 = ch.mul(i0, j0),
      p11 = ch.mul(i1, j1),
      p10 = ch.mul(i1, j0),
      same = ch.add(p00, p11);
    let nEf = ch.mul(ef, same),
      nLf = ch.mulAdd(ef, p10, lf),
      nEt = zero,
      nLt = zero;
    if (!full) {
      if (bit) {
        nEt = ch.mul(et, p11);
        nLt = ch.mulAdd(et, p10, ch.mul(lt, i1));
        nEf = ch.mulAdd(et, p00, nEf);
        nLf = ch.mulAdd(lt, i0, nLf);
      } else {
        nEt = ch.mul(et, p00);
        nLt = ch.mul(lt, i0);
      }
    }
    et = nEt;
    ef = nEf;
    lt = nLt;
    lf = nLf;
  }
  return ch.add(ef, lf);
}
