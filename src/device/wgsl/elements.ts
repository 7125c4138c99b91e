import type { Form } from './field.js';
import type { At } from './shader.js';

/* Code on elements of E in vectors, three words each, and among the scalars of a launch. */

/** Element i of a vector. */
export const element = (at: At, i: string): string => `E(${[0, 1, 2].map((c) => at(`3u * (${i}) + ${c}u`)).join(', ')})`;
/** Writes it. */
export const store = (at: At, i: string, e: string): string =>
  `{ let e = ${e}; ${['a', 'b', 'c'].map((c, k) => `${at(`3u * (${i}) + ${k}u`)} = e.${c};`).join(' ')} }`;
/** An element among the scalars: their names, and what they are. */
export const names = (name: string): string[] => [0, 1, 2, 3, 4, 5].map((k) => `${name}${k}`);
export const scalar = (name: string): string => `E(${[0, 2, 4].map((k) => `F(p.${name}${k}, p.${name}${k + 1})`).join(', ')})`;

export const NOTHING = 'E(F(0u, 0u), F(0u, 0u), F(0u, 0u))';
export const ONE = 'E(F(1u, 0u), F(0u, 0u), F(0u, 0u))';

/** z^e for elements. */
export const POWER = `fn powerE(z: E, exponent: u32) -> E {
  var r = ${ONE};
  var x = z;
  for (var e = exponent; e != 0u; e >>= 1u) {
    if ((e & 1u) != 0u) { r = mulE(r, x); }
    x = mulE(x, x);
  }
  return r;
}`;

/**
 * Adds up what the 256 threads of a workgroup have in their own words s[width lane + k], and writes it as the group's
 * words of `to`, which is number `group` there. A software adapter's compiler takes seconds for every barrier in a
 * loop: there a thread adds up each word.
 */
export const sumLanes = (width: number, to: At, form: Form, group = 'unit'): string =>
  form === 'compact'
    ? `workgroupBarrier();
    if (lane < ${width}u) {
      var all = F(0u, 0u);
      for (var l = lane; l < ${256 * width}u; l += ${width}u) { all = add(all, s[l]); }
      ${to(`${width}u * ${group} + lane`)} = all;
    }`
    : `workgroupBarrier();
    for (var half = 128u; half >= 1u; half >>= 1u) {
      if (lane < half) {
        for (var k = 0u; k < ${width}u; k++) {
          s[${width}u * lane + k] = add(s[${width}u * lane + k], s[${width}u * (lane + half) + k]);
        }
      }
      workgroupBarrier();
    }
    if (lane < ${width}u) { ${to(`${width}u * ${group} + lane`)} = s[lane]; }`;
export const lanes = (width: number): string => `var<workgroup> s: array<F, ${256 * width}>;`;
export const keep = (at: number, e: string, width: number): string =>
  ['a', 'b', 'c'].map((c, k) => `s[${width}u * lane + ${at + k}u] = ${e}.${c};`).join(' ');
