import { inv, mod, mul } from './goldilocks.js';

const known = new Map<number, readonly bigint[]>();

/** 1 / prod over j != i of (i - j), for i = 0 .. degree: +-1 / (i! (degree - i)!). */
export function lagrangeScales(degree: number): readonly bigint[] {
  const old = known.get(degree);
  if (old) return old;
  const factorials = [1n];
  for (let i = 1; i <= degree; i++) factorials.push(mul(factorials[i - 1], BigInt(i)));
  const inverse = [inv(factorials[degree])];
  for (let i = degree; i >= 1; i--) inverse.unshift(mul(inverse[0], BigInt(i)));
  const out = inverse.map((x, i) => {
    const y = mul(x, inverse[degree - i]);
    return (degree - i) % 2 ? mod(-y) : y;
  });
  known.set(degree, out);
  return out;
}
