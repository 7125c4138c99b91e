import { operand } from './expr.js';
import type { Expr, Operand } from './types.js';

/** A fixed-point format: `bits` in all, `frac` of them fraction. */
export interface Format {
  readonly bits: number;
  readonly frac: number;
  readonly signed?: boolean;
}

/** Inclusive integer bounds of a format. */
export function bounds(f: Format): { lo: bigint; hi: bigint; frac: number } {
  const n = BigInt(f.bits);
  return f.signed === false
    ? { lo: 0n, hi: (1n << n) - 1n, frac: f.frac }
    : { lo: -(1n << (n - 1n)), hi: (1n << (n - 1n)) - 1n, frac: f.frac };
}

/** A summand: integer coefficient, the real factor it stands for, and whether it is a rounding of that factor. */
interface Part {
  readonly coef: bigint;
  readonly factor: number;
  readonly rounded: boolean;
  readonly operands: readonly Operand[];
}

/**
 * A formula over tensors that carries its fraction: its integer value e stands for the real number e 2^-frac. Products
 * add fractions, sums bring their summands to the finest one, and a Round into a tensor derives its shift from the two
 * fractions. So no shift is counted by hand.
 */
export class Fixed {
  private constructor(
    private readonly parts: readonly Part[],
    readonly frac: number,
  ) {}

  /** An operand, `X[2*l,d,b,i]`, of a tensor of this fraction. */
  static operand(text: string, frac: number): Fixed {
    return new Fixed([{ coef: 1n, factor: 1, rounded: false, operands: [operand(text)] }], frac);
  }

  /** The constant num 2^-frac. `real` is the exact value that it rounds, for the float reading. */
  static constant(num: bigint, frac: number, real?: number): Fixed {
    return new Fixed([{ coef: num, factor: real ?? Number(num) * 2 ** -frac, rounded: real !== undefined, operands: [] }], frac);
  }

  /** Product: fractions add. Operands keep their order; products of sums are multiplied out. */
  times(...others: readonly Fixed[]): Fixed {
    return others.reduce<Fixed>(
      (x, y) =>
        new Fixed(
          x.parts.flatMap((a) =>
            y.parts.map((b) => ({
              coef: a.coef * b.coef,
              factor: a.factor * b.factor,
              rounded: a.rounded || b.rounded,
              operands: [...a.operands, ...b.operands],
            })),
          ),
          x.frac + y.frac,
        ),
      this,
    );
  }

  /** Sum at the finest fraction among the summands. */
  plus(...others: readonly Fixed[]): Fixed {
    const frac = Math.max(this.frac, ...others.map((x) => x.frac));
    return new Fixed(
      [this, ...others].flatMap((x) => x.atLeast(frac).parts),
      frac,
    );
  }

  minus(...others: readonly Fixed[]): Fixed {
    return this.plus(...others.map((x) => x.negated()));
  }

  negated(): Fixed {
    return new Fixed(
      this.parts.map((p) => ({ ...p, coef: -p.coef, factor: -p.factor })),
      this.frac,
    );
  }

  /** The same real value with at least so many fraction bits. */
  atLeast(frac: number): Fixed {
    if (frac <= this.frac) return this;
    const n = BigInt(frac - this.frac);
    return new Fixed(
      this.parts.map((p) => ({ ...p, coef: p.coef << n })),
      frac,
    );
  }

  /** The integer expression, in units of 2^-frac. */
  get expr(): Expr {
    const [constants, terms] = [this.parts.filter((p) => !p.operands.length), this.parts.filter((p) => p.operands.length)],
      real = constants.some((p) => p.rounded) ? constants.reduce((x, p) => x + p.factor, 0) * 2 ** this.frac : undefined;
    return {
      constant: constants.reduce((x, p) => x + p.coef, 0n),
      terms: terms.map((p) => ({ coef: p.coef, operands: p.operands, ...(p.rounded ? { real: p.factor } : {}) })),
      ...(real === undefined ? {} : { real }),
    };
  }
}
