import { expFixed } from '../field/fixedpoint.js';
import type { TableSpec } from './types.js';

const P = 96;
const cache = new Map<string, BigInt64Array[]>();

/** round(x 2^-96 2^f), ties upward. */
const roundTo = (x: bigint, f: number): bigint => (x + (1n << BigInt(P - f - 1))) >> BigInt(P - f);

/** exp(-d 2^-F) at 96 bits as a product of two factors: each within 2 units, so the product is within 2^-93. */
function expFactors(F: number, n: number): (d: number) => bigint {
  const low: bigint[] = [],
    high: bigint[] = [];
  for (let k = 0; k < 1024; k++) low.push(expFixed(-(BigInt(k) << BigInt(P - F)), P));
  for (let k = 0; k <= n >> 10; k++) high.push(expFixed(-(BigInt(k) << BigInt(P - F + 10)), P));
  return (d) => (high[d >> 10] * low[d & 1023]) >> BigInt(P);
}

/**
 * Output columns of a table. `exp:F:f`: e1[d] = round(exp(-d 2^-F) 2^f), e2[d] = e1[d - 1] with e1[-1] = max(2^f + 1,
 * round(exp(2^-F) 2^f)). `silu:F:fy:fd`: y = x sigma(x), dy = sigma(x)(1 + x(1 - sigma(x))) at keys x 2^-F. Only bigint
 * arithmetic: equal on every engine.
 */
export function tableColumns(spec: TableSpec): BigInt64Array[] {
  const key = `${spec.name}/${spec.lo}/${spec.size}`;
  const hit = cache.get(key);
  if (hit) return hit;
  const [kind, a, b, c] = spec.name.split(':');
  const F = Number(a),
    out = [new BigInt64Array(spec.size), new BigInt64Array(spec.size)];
  if (kind === 'exp') {
    const f = Number(b),
      live = Math.min(spec.size, Math.ceil((f + 2) * 0.6932 * 2 ** F) + 1),
      value = expFactors(F, live);
    for (let d = 0; d < live; d++) out[0][d] = roundTo(value(d), f);
    const before = roundTo(expFixed(1n << BigInt(P - F), P), f),
      least = (1n << BigInt(f)) + 1n;
    out[1].set(out[0].subarray(0, spec.size - 1), 1);
    out[1][0] = before > least ? before : least;
    if (out[0][spec.size - 1] !== 0n || out[1][spec.size - 1] !== 0n)
      throw new RangeError(`table ${spec.name} of ${spec.size} rows does not reach zero: raise numbers.expBits`);
  } else if (kind === 'silu') {
    const fy = Number(b),
      fd = Number(c),
      one = 1n << BigInt(P);
    const reach = Math.min(-Number(spec.lo), 30 * 2 ** F),
      value = expFactors(F, reach);
    for (let k = 0; k < spec.size; k++) {
      const x = k + Number(spec.lo),
        m = Math.abs(x),
        X = BigInt(x) << BigInt(P - F);
      let sigma: bigint;
      if (m > reach - 1) sigma = x < 0 ? 0n : one;
      else {
        const e = value(m);
        sigma = (one << BigInt(P)) / (one + e);
        if (x < 0) sigma = one - sigma;
      }
      const y = (X * sigma) >> BigInt(P);
      out[0][k] = roundTo(y, fy);
      out[1][k] = roundTo(sigma + ((y * (one - sigma)) >> BigInt(P)), fd);
    }
  } else throw new RangeError(`unknown table ${spec.name}`);
  cache.set(key, out);
  return out;
}
