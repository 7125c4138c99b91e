import { P } from '../../field/goldilocks.js';
import { DIAGONAL, EXTERNAL, INTERNAL } from '../../hash/poseidon2-constants.js';
import type { Form } from './field.js';

/*
 * WGSL of the permutation of Poseidon2 on an array of twelve words (src/hash/spec.md). Its constants lie in a uniform
 * buffer: an array in the code that a variable indexes may be copied into every thread.
 */

const S = [...Array(12).keys()];
const INTERNAL_AT = EXTERNAL.length;
const DIAGONAL_AT = INTERNAL_AT + INTERNAL.length;

/** Contents of the uniform buffer C: sixteen bytes a constant, of which eight are used. */
export const poseidon2Constants: Uint32Array = Uint32Array.from(
  [...EXTERNAL, ...INTERNAL, ...DIAGONAL].flatMap((c) => [Number(c & 0xffffffffn), Number(c >> 32n), 0, 0]),
);
/** Its type. */
export const poseidon2ConstantsType = `array<vec4<u32>, ${DIAGONAL_AT + DIAGONAL.length}>`;

const SBOX = `
fn sbox(x: F) -> F {
  let x2 = squareLazy(x);
  let x3 = mulLazy(x2, x);
  return mul(squareLazy(x2), x3);
}
`;

/** The product of a word and an entry of the diagonal, which is a small multiple or a small multiple's inverse. */
function timesDiagonal(k: number): string {
  const x = `s${k}`;
  for (const negative of [false, true]) {
    const d = negative ? P - DIAGONAL[k] : DIAGONAL[k],
      signed = (code: string): string => (negative ? `negated(${code})` : code);
    if (d <= 4n) return signed([x, `twice(${x})`, `add(${x}, twice(${x}))`, `twice(twice(${x}))`][Number(d) - 1]);
    for (let m = 1, code = `halved(${x})`; m <= 4; m++, code = `halved(${code})`) if ((d << BigInt(m)) % P === 1n) return signed(code);
  }
  throw new Error(`entry ${k} of the diagonal is no small multiple`);
}

const externalUnrolled = (): string => {
  const blocks = [0, 4, 8].map((b) => {
    const [w, x, y, z] = S.slice(b, b + 4).map((k) => `s${k}`);
    return `{
      let p = add(${w}, ${x});
      let q = add(${y}, ${z});
      let sum = add(p, q);
      let u = add(sum, ${x});
      let v = add(sum, ${z});
      let y2 = twice(${y});
      let w2 = twice(${w});
      ${w} = add(u, p);
      ${x} = add(u, y2);
      ${y} = add(v, q);
      ${z} = add(v, w2);
    }`;
  });
  const sums = [0, 1, 2, 3].map((k) => `let t${k} = add(add(s${k}, s${k + 4}), s${k + 8});`);
  return `${blocks.join('\n')}
    {
      ${sums.join('\n      ')}
      ${S.map((k) => `s${k} = add(s${k}, t${k % 4});`).join('\n      ')}
    }`;
};

const unrolled = (): string => `${SBOX}
fn permute(state: ptr<function, array<F, 12>>) {
  ${S.map((k) => `var s${k} = (*state)[${k}];`).join('\n  ')}
  for (var r = 0u; ; r++) {
    ${externalUnrolled()}
    if (r == 8u) { break; }
    if (r == 4u) {
      for (var i = ${INTERNAL_AT}u; i < ${DIAGONAL_AT}u; i++) {
        s0 = sbox(add(s0, C[i].xy));
        let sum = add(add(add(add(s0, s1), add(s2, s3)), add(add(s4, s5), add(s6, s7))), add(add(s8, s9), add(s10, s11)));
        ${S.map((k) => `s${k} = add(${timesDiagonal(k)}, sum);`).join('\n        ')}
      }
    }
    ${S.map((k) => `s${k} = sbox(add(s${k}, C[12u * r + ${k}u].xy));`).join('\n    ')}
  }
  ${S.map((k) => `(*state)[${k}] = s${k};`).join('\n  ')}
}
`;

const COMPACT = `${SBOX}
fn externalLayer(s: ptr<function, array<F, 12>>) {
  for (var b = 0u; b < 12u; b += 4u) {
    var x = array<F, 4>((*s)[b], (*s)[b + 1u], (*s)[b + 2u], (*s)[b + 3u]);
    var sum = x[0];
    for (var k = 1u; k < 4u; k++) { sum = add(sum, x[k]); }
    // Row k has ones, one more in column k and two more in the next.
    for (var k = 0u; k < 4u; k++) { (*s)[b + k] = add(add(sum, x[k]), twice(x[(k + 1u) % 4u])); }
  }
  for (var k = 0u; k < 4u; k++) {
    let sum = add(add((*s)[k], (*s)[k + 4u]), (*s)[k + 8u]);
    for (var b = k; b < 12u; b += 4u) { (*s)[b] = add((*s)[b], sum); }
  }
}
fn permute(s: ptr<function, array<F, 12>>) {
  for (var r = 0u; ; r++) {
    externalLayer(s);
    if (r == 8u) { break; }
    if (r == 4u) {
      for (var i = ${INTERNAL_AT}u; i < ${DIAGONAL_AT}u; i++) {
        (*s)[0] = sbox(add((*s)[0], C[i].xy));
        var sum = (*s)[0];
        for (var k = 1u; k < 12u; k++) { sum = add(sum, (*s)[k]); }
        for (var k = 0u; k < 12u; k++) { (*s)[k] = add(mul((*s)[k], C[${DIAGONAL_AT}u + k].xy), sum); }
      }
    }
    for (var k = 0u; k < 12u; k++) { (*s)[k] = sbox(add((*s)[k], C[12u * r + k].xy)); }
  }
}
`;

/** permute(state), behind the functions of words, where the constants are bound as C. */
export const poseidon2Code = (form: Form): string => (form === 'compact' ? COMPACT : unrolled());
