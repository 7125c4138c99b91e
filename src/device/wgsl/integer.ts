import type { Shader } from './shader.js';

/*
 * The kernels of integer training and of keys: signed words of 64 bits, which WGSL does not have, as pairs of u32.
 * Definitions: ../integer.ts, kernels/as/tensor.ts.
 */

/** Signed words. Sums, differences and products are those mod 2^64. */
const INTEGERS = `
const LEAST = F(0u, 0x80000000u);
const MOST = F(TOP, 0x7fffffffu);
fn addI(a: F, b: F) -> F {
  let lo = a.x + b.x;
  return F(lo, a.y + b.y + bit(lo < a.x));
}
fn subI(a: F, b: F) -> F { return F(a.x - b.x, a.y - b.y - bit(a.x < b.x)); }
fn mulI(a: F, b: F) -> F {
  let low = wide(a.x, b.x);
  return F(low.x, low.y + a.x * b.y + a.y * b.x);
}
fn isLess(a: F, b: F) -> bool { return a.y < b.y || (a.y == b.y && a.x < b.x); }
fn isNegative(a: F) -> bool { return (a.y >> 31u) != 0u; }
// Of signed words: the sign's bit turned, they are in order.
fn isBelow(a: F, b: F) -> bool { return isLess(F(a.x, a.y ^ 0x80000000u), F(b.x, b.y ^ 0x80000000u)); }
// floor(a / 2^s), s below 64.
fn floored(a: F, s: u32) -> F {
  if (s == 0u) { return a; }
  let high = bitcast<i32>(a.y);
  if (s >= 32u) { return F(bitcast<u32>(high >> (s - 32u)), bitcast<u32>(high >> 31u)); }
  return F((a.x >> s) | (a.y << (32u - s)), bitcast<u32>(high >> s));
}
// 2^s, s below 64.
fn powerOfTwo(s: u32) -> F {
  if (s >= 32u) { return F(0u, 1u << (s - 32u)); }
  return F(1u << s, 0u);
}
fn lowest(a: F, bits: u32) -> F {
  let less = subI(powerOfTwo(bits), F(1u, 0u));
  return F(a.x & less.x, a.y & less.y);
}
`;

/**
 * Cells of sums that the table of a launch describes: dimensions, sizes of the box; then terms: coefficient, factors,
 * summed axes, whether positions choose, all numbers of the term; sizes of its axes; of every factor its slab, its
 * first word, its distances; and what is chosen: where the list begins, distances of positions, of each factor.
 */
const SUMS = `
struct Sum { p0: u32, p1: u32, p2: u32, id: u32 };
// The cell's index along axis d of the box moves all factors on.
fn moved(at: Sum, row: u32, apart: u32, axis: u32, index: u32, factors: u32, chosen: u32) -> Sum {
  var s = at;
  s.p0 += index * table[row + 2u + axis];
  if (factors > 1u) { s.p1 += index * table[row + apart + 2u + axis]; }
  if (factors > 2u) { s.p2 += index * table[row + 2u * apart + 2u + axis]; }
  if (chosen != 0u) { s.id += index * table[row + factors * apart + 1u + axis]; }
  return s;
}
fn termAt(sizes: u32, dims: u32, row: u32, more: u32, cell: u32) -> F {
  let factors = table[row + 2u];
  let over = table[row + 3u];
  let chosen = table[row + 4u];
  let list = row + 6u;
  let first = list + over;
  let apart = 2u + dims + over;
  var start = Sum(table[first + 1u], 0u, 0u, 0u);
  if (factors > 1u) { start.p1 = table[first + apart + 1u]; }
  if (factors > 2u) { start.p2 = table[first + 2u * apart + 1u]; }
  let slab0 = table[first];
  let slab1 = table[first + select(0u, apart, factors > 1u)];
  let slab2 = table[first + select(0u, 2u * apart, factors > 2u)];
  var rest = cell;
  for (var d = dims; d > 0u; d--) {
    let size = table[sizes + d - 1u];
    let q = rest / size;
    start = moved(start, first, apart, d - 1u, rest - q * size, factors, chosen);
    rest = q;
  }
  var rows = 1u;
  for (var d = 0u; d + 1u < over; d++) { rows *= table[list + d]; }
  var inner = 1u;
  if (over > 0u) { inner = table[list + over - 1u]; }
  var sum = F(0u, 0u);
  for (var r = 0u; r < rows; r++) {
    var s = start;
    rest = r;
    for (var d = over; d > 1u; d--) {
      let size = table[list + d - 2u];
      let q = rest / size;
      s = moved(s, first, apart, dims + d - 2u, rest - q * size, factors, chosen);
      rest = q;
    }
    for (var j = 0u; j < inner; j++) {
      var at = s;
      if (j > 0u) { at = moved(s, first, apart, dims + over - 1u, j, factors, chosen); }
      var there = true;
      if (chosen != 0u) {
        let ids = first + factors * apart;
        let id = table[more + table[ids] + at.id];
        there = bitcast<i32>(id) >= 0;
        let along = ids + 1u + dims + over;
        at.p0 += id * table[along];
        if (factors > 1u) { at.p1 += id * table[along + 1u]; }
        if (factors > 2u) { at.p2 += id * table[along + 2u]; }
      }
      if (there) {
        var x = F(1u, 0u);
        if (factors > 0u) { x = any(slab0, at.p0); }
        if (factors > 1u) { x = mulI(x, any(slab1, at.p1)); }
        if (factors > 2u) { x = mulI(x, any(slab2, at.p2)); }
        sum = addI(sum, x);
      }
    }
  }
  return mulI(sum, F(table[row], table[row + 1u]));
}
// dims, sizes, then terms one behind another.
fn sumAt(more: u32, constant: F, terms: u32, cell: u32) -> F {
  let dims = table[more];
  let sizes = more + 1u;
  var row = sizes + dims;
  var sum = constant;
  for (var t = 0u; t < terms; t++) {
    sum = addI(sum, termAt(sizes, dims, row, more, cell));
    row += table[row + 5u];
  }
  return sum;
}
`;

/** Word of a place for cell `unit` of a box: its sizes and distances are in the table from `at` on. */
const PLACE = `
fn placeOf(at: u32, dims: u32, cell: u32) -> u32 {
  var rest = cell;
  var place = 0u;
  for (var d = dims; d > 0u; d--) {
    let size = table[at + d - 1u];
    let q = rest / size;
    place += (rest - q * size) * table[at + dims + d - 1u];
    rest = q;
  }
  return place;
}
`;

/** A cell of a sum, rounded, with the term behind the others added; `placed`: sizes and distances are at `place`. */
const sums: Shader = {
  operands: ['to'],
  scalars: [],
  items: ['terms', 'low', 'high', 'rounded', 'nearest', 'shift', 'bits', 'base', 'placed', 'place'],
  gathers: true,
  threads: 64,
  code: ({ to }) => ({
    before: `${INTEGERS}${SUMS}${PLACE}`,
    body: `var x = sumAt(it_more, F(it_low, it_high), it_terms, own);
    if (it_rounded != 0u) {
      if (it_nearest != 0u && it_shift != 0u) { x = addI(x, powerOfTwo(it_shift - 1u)); }
      x = floored(x, it_shift);
      if (it_bits != 0u) { x = lowest(x, it_bits - 1u); }
    }
    if (it_base != 0u) { x = addI(x, termAt(it_more + 1u, table[it_more], it_more + it_base, it_more, own)); }
    var at = own;
    if (it_placed != 0u) { at = placeOf(it_more + it_place, table[it_more], own); }
    ${to('at')} = x;`,
  }),
};

const scatter: Shader = {
  operands: ['to', 'from'],
  scalars: [],
  items: ['dims'],
  threads: 64,
  code: ({ to, from }) => ({
    before: PLACE,
    body: `${to('placeOf(it_more, it_dims, own)')} = ${from('own')};`,
  }),
};

/** Two bits of x a turn, the largest ones first; what is left is at most twice the root. */
const roots: Shader = {
  operands: ['to', 'of'],
  scalars: ['nearest'],
  threads: 64,
  code: ({ to, of }) => ({
    before: INTEGERS,
    body: `let x = ${to('unit')};
    var r = F(TOP, TOP);
    if (!isNegative(x)) {
      var left = F(0u, 0u);
      var y = x;
      r = F(0u, 0u);
      for (var i = 0u; i < 32u; i++) {
        left = F((left.x << 2u) | (y.y >> 30u), (left.y << 2u) | (left.x >> 30u));
        y = F(y.x << 2u, (y.y << 2u) | (y.x >> 30u));
        let trial = F((r.x << 2u) | 1u, (r.y << 2u) | (r.x >> 30u));
        r = F(r.x << 1u, (r.y << 1u) | (r.x >> 31u));
        if (!isLess(left, trial)) {
          left = subI(left, trial);
          r.x |= 1u;
        }
      }
      if (p.nearest != 0u && !isLess(${of('unit')}, mulI(r, addI(r, F(1u, 0u))))) { r = addI(r, F(1u, 0u)); }
    }
    ${to('unit')} = r;`,
  }),
};

/** A bit of the dividend a turn; the divisor is below 2^63, what is left below twice as much. */
const quotients: Shader = {
  operands: ['to', 'by'],
  scalars: [],
  threads: 64,
  code: ({ to, by }) => ({
    before: INTEGERS,
    body: `let a = ${to('unit')};
    let b = ${by('unit')};
    var r = MOST;
    if (!isNegative(b) && (b.x | b.y) != 0u) {
      let minus = isNegative(a);
      var n = a;
      if (minus) { n = subI(F(0u, 0u), a); }
      var left = F(0u, 0u);
      r = F(0u, 0u);
      for (var i = 0u; i < 64u; i++) {
        left = F((left.x << 1u) | (n.y >> 31u), (left.y << 1u) | (left.x >> 31u));
        n = F(n.x << 1u, (n.y << 1u) | (n.x >> 31u));
        r = F(r.x << 1u, (r.y << 1u) | (r.x >> 31u));
        if (!isLess(left, b)) {
          left = subI(left, b);
          r.x |= 1u;
        }
      }
      if (minus) {
        if ((left.x | left.y) != 0u) { r = addI(r, F(1u, 0u)); }
        r = subI(F(0u, 0u), r);
      }
    }
    ${to('unit')} = r;`,
  }),
};

const larger: Shader = {
  operands: ['to', 'other'],
  scalars: [],
  threads: 64,
  code: ({ to, other }) => ({
    before: INTEGERS,
    body: `if (isBelow(${to('unit')}, ${other('unit')})) { ${to('unit')} = ${other('unit')}; }`,
  }),
};

const entries: Shader = {
  operands: ['to', 'from', 'column'],
  scalars: ['firstLow', 'firstHigh', 'rows'],
  threads: 64,
  code: ({ to, from, column }) => ({
    before: INTEGERS,
    body: `let row = subI(${from('unit')}, F(p.firstLow, p.firstHigh));
    var x = LEAST;
    if (row.y == 0u && row.x < p.rows) { x = ${column('row.x')}; }
    ${to('unit')} = x;`,
  }),
};

/** A thread a row: bisection between a bound above which the sum is at most the target, and one where it is not. */
const leastSums: Shader = {
  operands: ['to', 'scores', 'column'],
  scalars: ['length', 'causal', 'first', 'rows', 'targetLow', 'targetHigh'],
  threads: 64,
  code: ({ to, scores, column }) => ({
    before: INTEGERS,
    body: `let start = unit * p.length;
    var m = p.length;
    if (p.causal != 0u) { m = unit % p.causal + 1u + p.first; }
    var top = LEAST;
    for (var j = 0u; j < m; j++) {
      let x = ${scores('start + j')};
      if (isBelow(top, x)) { top = x; }
    }
    let target_ = F(p.targetLow, p.targetHigh);
    var a = subI(top, F(1u, 0u));
    var b = addI(top, F(p.rows, 0u));
    while (isBelow(F(1u, 0u), subI(b, a))) {
      let mid = floored(addI(a, b), 1u);
      var sum = F(0u, 0u);
      for (var j = 0u; j < m; j++) {
        let d = subI(mid, ${scores('start + j')});
        if (d.y == 0u && d.x < p.rows) { sum = addI(sum, ${column('d.x')}); }
      }
      if (isBelow(target_, sum)) { a = mid; } else { b = mid; }
    }
    ${to('unit')} = b;`,
  }),
};

/** A thread two keys: both are in one word. */
const keys: Shader = {
  operands: ['to'],
  scalars: [],
  items: ['terms', 'low', 'high', 'cells', 'firstLow', 'firstHigh', 'rowsLow', 'rowsHigh'],
  gathers: true,
  threads: 64,
  code: ({ to }) => ({
    before: `${INTEGERS}${SUMS}`,
    body: `var pair = F(0u, 0u);
    for (var h = 0u; h < 2u; h++) {
      let cell = 2u * own + h;
      if (cell < it_cells) {
        let x = subI(sumAt(it_more, F(it_low, it_high), it_terms, cell), F(it_firstLow, it_firstHigh));
        var key = TOP;
        if (isLess(x, F(it_rowsLow, it_rowsHigh))) { key = x.x; }
        if (h == 0u) { pair.x = key; } else { pair.y = key; }
      }
    }
    ${to('own')} = pair;`,
  }),
};

/** A thread a key. */
const counts: Shader = {
  operands: ['to', 'keys'],
  scalars: [],
  items: ['at', 'bad'],
  threads: 64,
  atomics: true,
  code: ({ to, keys: k }) => ({
    body: `let key = atomicLoad(&${k('own')});
    atomicAdd(&${to('select(it_at + key, it_bad, key == TOP)')}, 1u);`,
  }),
};

export const integerShaders = { sums, scatter, roots, quotients, larger, entries, leastSums, keys, counts } as const;
