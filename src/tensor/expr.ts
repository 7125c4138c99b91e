import type { Access, Expr, Operand, Term } from './types.js';

/** Parses `X[2*l+1,d,b,i]`: accesses are `axis`, `k*axis`, `axis+k`, `k*axis+m` or a fixed index. */
export function operand(text: string): Operand {
  const m = /^([^[\]]+)(?:\[(.*)\])?$/.exec(text);
  if (!m) throw new Error(`cannot parse operand ${text}`);
  const access: Access[] = (m[2] ?? '')
    .split(',')
    .filter((s) => s !== '')
    .map((s) => {
      const a = /^(?:(\d+)\*)?([a-zA-Z]\w*)(?:\+(\d+))?$/.exec(s.trim());
      if (a) {
        const stride = a[1] ? Number(a[1]) : 1,
          offset = a[3] ? Number(a[3]) : 0;
        return stride === 1 && offset === 0 ? { axis: a[2] } : { axis: a[2], stride, offset };
      }
      if (/^\d+$/.test(s.trim())) return { index: Number(s) };
      throw new Error(`cannot parse access ${s} in ${text}`);
    });
  return { tensor: m[1], access };
}

/** Text of an operand that runs over these axes: the inverse of `operand` for plain accesses. */
export const text = (name: string, axes: readonly string[]): string => (axes.length ? `${name}[${axes.join(',')}]` : name);

/** coef * product of operands. */
export function term(coef: bigint | number, ...operands: string[]): Term {
  return { coef: BigInt(coef), operands: operands.map(operand) };
}

/** The same with the exact real factor of which coef is the rounding; the float reading uses it. */
export function realTerm(coef: bigint, real: number, ...operands: string[]): Term {
  return { coef, operands: operands.map(operand), real };
}

export function expr(terms: readonly Term[], constant: bigint | number = 0n, real?: number): Expr {
  return { constant: BigInt(constant), terms, ...(real === undefined ? {} : { real }) };
}

/** k e, an integer identity: real factors are dropped. */
export const scale = (e: Expr, k: bigint): Expr => ({
  constant: e.constant * k,
  terms: e.terms.map((t) => ({ coef: t.coef * k, operands: t.operands })),
});

export const plus = (a: Expr, b: Expr): Expr => ({ constant: a.constant + b.constant, terms: [...a.terms, ...b.terms] });

/** e times one operand, the operand last. */
export const timesOperand = (e: Expr, o: Operand): Expr => ({
  constant: 0n,
  terms: [
    ...e.terms.map((t) => ({ coef: t.coef, operands: [...t.operands, o] })),
    ...(e.constant ? [{ coef: e.constant, operands: [o] }] : []),
  ],
});
