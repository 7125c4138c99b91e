import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { singleKernels } from '../src/kernels/index.js';
import { ProgramError } from '../src/tensor/bounds.js';
import { ProgramBuilder, expr, term } from '../src/tensor/builder.js';
import { type IntegerReading, OverflowError } from '../src/tensor/integer.js';
import { VerificationError } from '../src/transcript/index.js';
import { lcg, proveCase, verifyCase } from './kit.js';
import { KINDS, randomCase, shape } from './random-case.js';

/*
 * Random small programs: every relation kind, odd sizes, strided and fixed accesses, one-hot and causal operands,
 * states. Each is proved and verified; then one random cell of what the prover chooses is changed and the proof must be
 * refused.
 */

const k = singleKernels(),
  vk = singleKernels();

describe('random programs', () => {
  it('prove and verify; one changed cell is refused', () => {
    const seen = new Set<string>();
    let proved = 0;
    fc.assert(
      fc.property(shape, (x) => {
        const c = randomCase(x),
          rnd = lcg(x.seed ^ 0x5bd1e995);
        let honest: ReturnType<typeof proveCase>;
        const mark = k.mark();
        try {
          honest = proveCase(k, c);
        } catch (e) {
          // A residual that leaves its format stops the run: not a case of this test.
          k.release(mark);
          if (e instanceof OverflowError) return;
          throw e;
        }
        verifyCase(vk, honest);
        proved++;
        for (const kind of x.kinds) seen.add(kind);
        const chosen = c.program.tensors.filter((t) => (t.cls === 'witness' || t.cls === 'cOut') && t.aliasOf === undefined),
          t = chosen[rnd(chosen.length)],
          cells = t.axes.reduce((n, a) => n * c.program.axes[a], 1);
        let cell = rnd(cells);
        // A score that the causal mask excludes is free and enters nothing: take one that it does not.
        if (/^causal.*\.s$/.test(t.name)) cell -= cell % c.program.axes['j'];
        const by = [1n, -1n, 2n, -1024n, 1n << 40n][rnd(5)],
          tamper = (r: IntegerReading): void => {
            r.k.i64[r.ptr.get(t.name)! / 8 + cell] += by;
          };
        expect(() => verifyCase(vk, proveCase(k, c, { tamper })), `${t.name}[${cell}] + ${by}`).toThrow(VerificationError);
      }),
      { numRuns: 30, seed: 20251 },
    );
    expect(proved).toBeGreaterThan(22);
    expect([...KINDS].filter((x) => !seen.has(x))).toEqual([]);
  });

  it('are refused when they are built if anything could wrap', () => {
    const P = 0xffffffff00000001n;
    fc.assert(
      fc.property(
        fc.record({
          wide: fc.integer({ min: 1, max: 40 }),
          n: fc.integer({ min: 1, max: 3000 }),
          coef: fc.bigInt({ min: 1n, max: 1n << 30n }),
          negative: fc.boolean(),
          operands: fc.integer({ min: 1, max: 2 }),
          shift: fc.integer({ min: 1, max: 30 }),
        }),
        (x) => {
          const b = new ProgramBuilder('wrap', 16);
          b.axis('l', 1);
          b.axis('n', x.n);
          b.axis('o', 3);
          const hi = 1n << BigInt(x.wide);
          b.tensor('F', ['o', 'n'], 'frozen', { lo: -hi, hi, frac: 0 });
          b.tensor('G', ['o', 'n'], 'frozen', { lo: 0n, hi, frac: 0 });
          const out = { bits: 12, frac: 0 },
            coef = x.negative ? -x.coef : x.coef;
          b.rounded('Y', ['o'], out, expr([term(coef, 'F[o,n]', ...(x.operands === 2 ? ['G[o,n]'] : []))]), x.shift);
          // The remainder of the Round, from the definition: e + 2^(s-1) - 2^s y, its largest and least value over all
          // operands.
          const most = x.coef * hi * (x.operands === 2 ? hi : 1n) * BigInt(x.n),
            y = (1n << BigInt(x.shift)) * (1n << 11n),
            half = 1n << BigInt(x.shift - 1);
          const limbs = ((1n << BigInt(x.shift)) >> 16n) << 16n,
            lo = half - most - y - (x.shift > 16 ? limbs - (1n << 16n) : 0n),
            up = half + most + y,
            bits = BigInt(Math.min(16, x.shift));
          const wraps = up >= P || lo <= (1n << bits) - 1n - P;
          if (wraps) expect(() => b.build()).toThrow(ProgramError);
          else expect(() => b.build()).not.toThrow();
        },
      ),
      { numRuns: 300 },
    );
  });
});
