/**
 * Worst errors of every table and pinned operation against real arithmetic: writes docs/error-ledger.json and the table
 * in docs/numbers.md.
 *
 *     node dist-tools/checks/error-ledger.js
 *
 * Tables are scanned whole, against running products of 256 bits. Operations on larger domains are bounded by argument.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  ATTN_FRAC,
  DEFAULT_NUMBERS,
  HEAD_FRAC,
  type Numbers,
  PROJECTION_FRAC,
  ROPE_FRAC,
  SILU_FRAC,
  WEIGHT_FRAC,
  smallNumbers,
} from 'certune/model';
import { ADAMW, momentFormats } from 'certune/optim';
import { logSumExpBudget } from 'certune/run';
import { tableColumns } from 'certune/tensor';
import { root } from '../fixtures.js';

/** Worst error of an operation, in units of the last place and absolute. */
interface Worst {
  readonly name: string;
  readonly ulp: number;
  readonly absolute: number;
}
/** Found by looking at every row of a domain. */
interface Exhaustive extends Worst {
  readonly kind: 'exhaustive';
  readonly rows: number;
  /** Where the error is worst. */ readonly key: number;
  readonly budget?: number;
}
interface Argued extends Worst {
  readonly kind: 'argument';
  readonly argument: string;
}
type Entry = Exhaustive | Argued;

const W = 256n,
  ONE = 1n << W;
/** exp(-2^-F) with 256 bits by its series. */
function base(F: number): bigint {
  let term = ONE,
    sum = 0n;
  for (let k = 1n; term !== 0n; k++) {
    sum += term;
    term = -((term >> BigInt(F)) / k);
  }
  return sum;
}
const abs = (x: bigint): bigint => (x < 0n ? -x : x);
/** A quantity of 256 fraction bits in units of 2^-f, to 12 decimals. */
const ulps = (x: bigint, f: number): number => Number(((x << BigInt(f)) * 10n ** 12n) >> W) / 1e12;

/** Keeps the worst of a column: errors have 256 fraction bits. */
class WorstOf {
  #error = -1n;
  #key = 0;
  constructor(
    readonly name: string,
    readonly frac: number,
  ) {}
  see(key: number, entry: bigint, real: bigint): void {
    const e = abs((entry << (W - BigInt(this.frac))) - real);
    if (e > this.#error) [this.#error, this.#key] = [e, key];
  }
  result(rows: number): Exhaustive {
    const ulp = ulps(this.#error, this.frac);
    return { name: this.name, rows, kind: 'exhaustive', key: this.#key, ulp, absolute: ulp * 2 ** -this.frac };
  }
}
/** Columns of a table, by its name. */
const columnsOf = (name: string, lo: bigint, size: number): bigint[][] =>
  tableColumns({ name, axis: 'x', lo, size, columns: ['a', 'b'] }).map((c) => [...c]);

function expLedger(F: number, f: number, bits: number): Exhaustive[] {
  const name = `exp:${F}:${f}`,
    size = 2 ** bits,
    [e1, e2] = columnsOf(name, 0n, size),
    q = base(F),
    one = new WorstOf(`${name} T[d]`, f),
    two = new WorstOf(`${name} T[d - 1]`, f);
  // exp(2^-F) = 1 / exp(-2^-F)
  two.see(0, e2[0], (ONE * ONE) / q);
  for (let d = 0, p = ONE; d < size; d++) {
    one.see(d, e1[d], p);
    if (d + 1 < size) two.see(d + 1, e2[d + 1], p);
    p = (p * q) >> W;
  }
  return [one.result(size), two.result(size)];
}

function siluLedger(F: number, f: number, bits: number): Exhaustive[] {
  const name = `silu:${F}:${f}:${f}`,
    half = 2 ** (bits - 1),
    [y, dy] = columnsOf(name, BigInt(-half), 2 * half),
    q = base(F),
    a = new WorstOf(`silu at ${F}:${f}`, f),
    b = new WorstOf(`silu' at ${F}:${f}`, f);
  for (let n = 0, E = ONE; n <= half; n++) {
    const s = (ONE * ONE) / (ONE + E),
      x = BigInt(n) << (W - BigInt(F));
    const both: readonly (readonly [at: number, v: bigint, sigma: bigint])[] = [
      [half + n, x, s],
      [half - n, -x, ONE - s],
    ];
    for (const [at, v, sigma] of both) {
      if (at >= 2 * half || at < 0) continue;
      const real = (v * sigma) >> W;
      a.see(at - half, y[at], real);
      b.see(at - half, dy[at], sigma + ((real * (ONE - sigma)) >> W));
    }
    E = (E * q) >> W;
  }
  return [a.result(2 * half), b.result(2 * half)];
}

/** M of two scores 0 and -d: exhaustive over d; ln(1 + e^-x) in float64 is good to 1e-12 units here. */
function pairLedger(F: number, f: number, bits: number): Exhaustive {
  const name = `exp:${F}:${f}`,
    size = 2 ** bits,
    [T] = columnsOf(name, 0n, size);
  const half = ((ONE * ONE) / base(F + 1) + (1n << (W - BigInt(f) - 1n))) >> (W - BigInt(f));
  let M = Math.ceil(Math.LN2 * 2 ** F) + 2,
    ulp = 0,
    key = 0;
  for (let d = 0; d < size - M - 1; d++) {
    // M falls as d grows.
    while (M > 0 && T[M - 1] + T[M - 1 + d] <= half) M--;
    const e = Math.abs(M - 2 ** F * Math.log1p(Math.exp(-d / 2 ** F)));
    if (e > ulp) [ulp, key] = [e, d];
  }
  return {
    name: `log-sum-exp of two scores at ${F}, weights ${f}`,
    rows: size,
    kind: 'exhaustive',
    key,
    ulp: Math.round(ulp * 1e9) / 1e9,
    absolute: ulp * 2 ** -F,
    budget: logSumExpBudget(2, F, f),
  };
}

/** Entries of a preset's tables. */
function presetLedger(n: Numbers): Entry[] {
  const out: Entry[] = [];
  for (const [F, f] of [
    [n.scoreFrac, ATTN_FRAC],
    [n.headFrac, HEAD_FRAC],
  ]) {
    out.push(...expLedger(F, f, n.expBits), pairLedger(F, f, n.expBits));
    process.stderr.write(`exp:${F}:${f}\n`);
  }
  out.push(...siluLedger(n.siluFrac, SILU_FRAC, n.siluBits));
  process.stderr.write(`silu:${n.siluFrac}\n`);
  return out;
}
const entries: Entry[] = [DEFAULT_NUMBERS, smallNumbers()].flatMap(presetLedger);
const argued = (name: string, frac: number, ulp: number, argument: string): void =>
  void entries.push({ name, kind: 'argument', ulp, absolute: ulp * 2 ** -frac, argument });
argued(
  'round to a fraction f',
  0,
  0.5,
  'y = floor((x + 2^(s-1)) / 2^s): |y - x 2^-s| <= 1/2, reached at every tie; absolute in units of the result',
);
const F = DEFAULT_NUMBERS.momentFrac + 2,
  { v, gs, root: rootFormat, denFrac } = momentFormats(F);
argued(
  `square root of v (${rootFormat.frac})`,
  rootFormat.frac,
  0.5,
  'to nearest: r (r - 1) <= x < r (r + 1), off by at most 1/2 + 1/(8 r); 1 for x = 0',
);
argued(
  `norm of the gradient (${ADAMW.g.frac})`,
  ADAMW.g.frac,
  1,
  'floor of the root of the exact sum of squares; the divisor max(norm, clip N) has it and half a unit of clip N with 2^-39 for every target, the factor c = clip / divisor one rounding of 2^-40 more',
);
argued("AdamW's quotient (20), given its divisor", 20, 1, 'floor of a quotient by a positive divisor');
argued('rinv (18), given n', 18, 1, 'floor(sqrt(D) 2^(18+nFrac) / n): the numerator is itself a floor, less than 1/n unit');
argued('<dXn, Xn>/D (17)', 17, 0.5, 'nearest quotient by D 2^8 itself');
const ROUNDED: readonly (readonly [frac: number, what: string, ulp: number, why: string])[] = [
  [ADAMW.cg.frac, 'c g', 0.504, 'two Rounds, given c: that of the lower digit of g is 2^-7 of a unit'],
  [gs.frac, 'sqrt(1 - beta2) c g', 0.5, `one Round; the constant is off by at most 2^-${ADAMW.sigmaBits + 1}`],
  [ADAMW.m.frac, 'm', 0.5, `one Round; beta1 is a multiple of 2^-${ADAMW.betaBits}, its complement is exact`],
  [
    ADAMW.master.frac,
    'master copy',
    0.5,
    `one Round; alpha_t is off by at most 2^-${ADAMW.alphaFrac + 1}, lr wd by 2^-${ADAMW.decayFrac + 1}, times what they multiply; decay multiplies the compute copy, which differs from the master copy by at most 2^-21`,
  ],
  [ADAMW.C.frac, 'compute copy: what is released', 0.5, 'one Round of the master copy'],
];
for (const [f, what, ulp, why] of ROUNDED) argued(`${what} (${f})`, f, ulp, why);
argued(
  `v (${v.frac})`,
  v.frac,
  0.5,
  'v - kappa v + gs^2: one Round of the lower half of kappa v less the square of the lower digit of gs, all else is exact; 1 - beta2 is off by at most 2^-31',
);

/** Relative error of 1/rms by two floors, for a width and an epsilon of RMSNorm: 1/n + 2^-18/rinv. */
function rmsRows(D: number, eps: number, n: Numbers): { D: number; rms: number; relative: number }[] {
  const k = Math.floor((61 - Math.log2(D) - 2 * (n.xBits - 1)) / 2) * 2,
    nFrac = 14 + k / 2;
  return [2 ** -8, 2 ** -4, 1, 16].map((rms) => {
    const root = Math.sqrt(rms * rms + eps);
    return { D, rms, relative: 1 / (root * Math.sqrt(D) * 2 ** nFrac) + 2 ** -18 * root };
  });
}
const rms = [...rmsRows(64, 1e-5, DEFAULT_NUMBERS), ...rmsRows(576, 1e-5, DEFAULT_NUMBERS)];
/**
 * Relative error of the divisor sqrt v + eps: rounding of sqrt v (half of 32 units of the divisor's) and of eps (half a
 * unit).
 */
const quotient = [0, 2 ** -24, 2 ** -20, 2 ** -16, 2 ** -10].map((sv) => ({
  sqrtV: sv,
  relative: (sv ? 16.5 : 0.5) / (2 ** denFrac * (sv + 1e-8)),
}));

/** What a block is bounded with: magnitudes at most A, rows of projections with 1-norm at most w, sizes. */
interface Magnitudes {
  readonly A: number;
  readonly w: number;
  readonly D: number;
  readonly h: number;
  readonly T: number;
  readonly V: number;
  readonly inner: number;
}
interface Bound {
  readonly name: string;
  readonly bound: number;
  readonly ulp: number;
}
/** Worst case of one block on exact input, first order, gains 1. */
function composed({ A, w, D, h, T, V, inner }: Magnitudes): Bound[] {
  const n = DEFAULT_NUMBERS,
    u = 2 ** -n.actFrac / 2,
    out: Bound[] = [],
    put = (name: string, bound: number, frac: number): number => {
      out.push({ name, bound, ulp: bound * 2 ** frac });
      return bound;
    };
  const rel = rmsRows(D, 1e-5, n)[2].relative,
    N = put('N', A * rel + u + A * 2 ** -(WEIGHT_FRAC + 1) + u, n.actFrac),
    proj = (x: number, width: number): number => w * x + width * A * 2 ** -(PROJECTION_FRAC + 1);
  const q = put('q, k, v', proj(N, D) + u, n.actFrac),
    rot = 2 ** -(ROPE_FRAC + 1);
  const kr = put('k rotated', Math.SQRT2 * q + 2 * A * rot + u, n.actFrac),
    qr = put('q rotated, over sqrt(h)', (Math.SQRT2 * q) / Math.sqrt(h) + 2 * A * rot + 2 ** -15, 14);
  const s = put('score', h * (A * qr + (A / Math.sqrt(h)) * kr) + 2 ** -(n.scoreFrac + 1), n.scoreFrac),
    lse = logSumExpBudget(T, n.scoreFrac, ATTN_FRAC) * 2 ** -n.scoreFrac;
  put('log-sum-exp', s + lse, n.scoreFrac);
  const p = put('attention weights of a row, 1-norm', 2 * s + lse + T * 2 ** -(ATTN_FRAC + 1), ATTN_FRAC),
    ctx = put('context', A * p + q + 2 ** -15, 14);
  put('X after attention', proj(ctx, D) + 2 ** -15, 14);
  const silu = put('silu(gate)', 1.1 * q + 2 ** -(SILU_FRAC + 1), SILU_FRAC),
    hh = put('h', A * silu + A * q + u, n.actFrac);
  put('X after MLP', proj(hh, inner) + 2 ** -15, 14);
  const logit = put('logit', w * N + D * A * 2 ** -(WEIGHT_FRAC + 1) + 2 ** -(n.headFrac + 1), n.headFrac);
  put('loss of a target', 2 * logit + logSumExpBudget(V, n.headFrac, HEAD_FRAC) * 2 ** -n.headFrac, n.headFrac);
  return out;
}
const magnitudes = { A: 4, w: 4, D: 64, h: 8, T: 64, V: 512, inner: 172 },
  blocks = composed(magnitudes);

const json = { version: 1, entries, rms, quotient, magnitudes, blocks };
writeFileSync(join(root, 'docs/error-ledger.json'), `${JSON.stringify(json, null, 1)}\n`);
const sci = (x: number): string => x.toExponential(2),
  table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
    [`| ${head.join(' | ')} |`, `| ${head.map(() => '---').join(' | ')} |`, ...rows.map((r) => `| ${r.join(' | ')} |`)].join('\n');
const text = `## Error ledger

Worst errors against real arithmetic on the same operands (\`node dist-tools/checks/error-ledger.js\`; docs/error-ledger.json). *Exhaustive*: every row of the table, against 256-bit products.
The manifest declares the budgets (src/run/budgets.ts); a test derives these figures from formulas of its own.

${table(
  ['operation (fraction)', 'domain', 'worst, units of the last place', 'absolute', 'where, or why'],
  entries.map((e) => [
    e.name,
    e.kind === 'exhaustive' ? `exhaustive, ${e.rows}` : 'by argument',
    e.kind === 'exhaustive' ? e.ulp.toFixed(9) : `at most ${e.ulp}`,
    sci(e.absolute),
    e.kind === 'exhaustive' ? `key ${e.key}${e.budget ? `, budget ${e.budget.toFixed(4)}` : ''}` : e.argument,
  ]),
)}

Softmax: p = T[M - s] with |M - log-sum-exp| at most (1/2 + 2^F v (1 + 2v)) 2^-F, v = (n + 1) 2^-(f+1), over n scores: ${[64, 512, 2048].map((n) => `${logSumExpBudget(n, DEFAULT_NUMBERS.scoreFrac, ATTN_FRAC).toFixed(3)} units for ${n}`).join(', ')} at attention, ${[512, 49152, 151936].map((n) => `${logSumExpBudget(n, DEFAULT_NUMBERS.headFrac, HEAD_FRAC).toFixed(3)} for ${n}`).join(', ')} at the head.
Each weight is then within a factor exp of that and half a unit of its own fraction.

RMSNorm, relative error of 1/rms by two floors (epsilon 1e-5): ${rms.map((r) => `${sci(r.relative)} at width ${r.D}, rms ${r.rms}`).join('; ')}.

AdamW, relative error of the divisor sqrt v + 1e-8 beside the quotient's own unit of 2^-20: ${quotient.map((r) => `${sci(r.relative)} at sqrt v = ${r.sqrtV === 0 ? '0' : `2^${Math.log2(r.sqrtV)}`}`).join('; ')}.

One block on exact input, worst case to first order, with magnitudes at most ${magnitudes.A}, gains of 1, rows of projections with 1-norm at most ${magnitudes.w}, width ${magnitudes.D}, heads of ${magnitudes.h}, ${magnitudes.T} tokens, ${magnitudes.V} words. Errors of opposite sign
cancel in fact: the measured differences are in docs/utility.

${table(
  ['tensor', 'bound', 'units of the last place'],
  blocks.map((b) => [b.name, sci(b.bound), b.ulp.toFixed(1)]),
)}
`;
const file = join(root, 'docs/numbers.md'),
  mark = ['<!-- error ledger: begin -->', '<!-- error ledger: end -->'],
  old = readFileSync(file, 'utf8'),
  [a, z] = mark.map((m) => old.indexOf(m));
const before = a < 0 ? `${old.trimEnd()}\n\n` : old.slice(0, a),
  after = z < 0 ? '\n' : old.slice(z + mark[1].length);
writeFileSync(file, `${before}${mark[0]}\n${text}${mark[1]}${after}`);
process.stdout.write(`${entries.length} entries\n`);
