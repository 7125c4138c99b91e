/**
 * Poseidon2 (src/hash) as linear forms. S-boxes are numbered g = 0 .. 117: full rounds 0 to 3 (12 r + lane), partial
 * rounds (48 + k), full rounds 4 to 7 (70 + 12 (r - 4) + lane). With x_g the input of S-box g and y_g = x_g^7:
 *
 *   x_g = FIRST[g] . in + constant,  g < 12        x_g = C[g] + sum over h < g of A[g][h] y_h,  g >= 12
 *          out_l = sum over h of B[l][h] y_h + D[l]
 *
 * In a partial round eleven lanes pass through the linear layer alone, so they need no cells of their own. A row of the
 * circuit commits x of every S-box; y = x^7 is a product inside the constraints.
 */
import { inv, mod, mul, sub } from '../field/goldilocks.js';
import { DIAGONAL, EXTERNAL, INTERNAL } from '../hash/poseidon2-constants.js';
import { WIDTH } from '../hash/poseidon2.js';

/** S-boxes of one permutation; those of the first full round. */
export const SBOXES = 118;
export const FIRST_ROUND = WIDTH;
/** An S-box is this power. */
export const SBOX_POWER = 7;

/** A linear form in y_0 .. y_117, the constant last. */
type Form = bigint[];
const zero = (): Form => Array<bigint>(SBOXES + 1).fill(0n);

function external<T>(s: T[], add: (a: T, b: T, k: bigint) => T): T[] {
  const out: T[] = [];
  for (let b = 0; b < WIDTH; b += 4) {
    const [x0, x1, x2, x3] = s.slice(b, b + 4),
      t = [x1, x2, x3].reduce((x, y) => add(x, y, 1n), x0);
    out.push(add(add(t, x0, 1n), x1, 2n), add(add(t, x1, 1n), x2, 2n), add(add(t, x2, 1n), x3, 2n), add(add(t, x3, 1n), x0, 2n));
  }
  return out.map((x, k) => [0, 4, 8].reduce((acc, b) => add(acc, out[b + (k % 4)], 1n), x));
}
const addForm = (a: Form, b: Form, k: bigint): Form => a.map((x, i) => mod(x + k * b[i]));

/** Inverse of a square matrix over F by Gauss-Jordan. */
function inverse(m: readonly (readonly bigint[])[]): bigint[][] {
  const n = m.length,
    a = m.map((r, i) => [...r.map(mod), ...r.map((_, j) => (i === j ? 1n : 0n))]);
  for (let c = 0; c < n; c++) {
    const p = a.findIndex((r, i) => i >= c && r[c] !== 0n);
    [a[c], a[p]] = [a[p], a[c]];
    const f = inv(a[c][c]);
    a[c] = a[c].map((x) => mul(x, f));
    for (let r = 0; r < n; r++) {
      const k = a[r][c];
      if (r !== c && k !== 0n) a[r] = a[r].map((x, i) => sub(x, mul(k, a[c][i])));
    }
  }
  return a.map((r) => r.slice(n));
}

export interface PermutationForms {
  /** x of the first round from the inputs: matrix and constants; and back. */
  readonly first: readonly (readonly bigint[])[];
  readonly firstConstant: readonly bigint[];
  readonly back: readonly (readonly bigint[])[];
  readonly backConstant: readonly bigint[];
  /** Rows for g = 12 .. 117. */
  readonly A: readonly (readonly bigint[])[];
  readonly C: readonly bigint[];
  readonly B: readonly (readonly bigint[])[];
  readonly D: readonly bigint[];
}

let forms: PermutationForms | undefined;

export function permutationForms(): PermutationForms {
  if (forms) return forms;
  const unit = Array.from({ length: WIDTH }, (_, i) => Array.from({ length: WIDTH }, (_, j) => (i === j ? 1n : 0n)));
  const columns = unit.map((u) => external<bigint>(u, (a, b, k) => mod(a + k * b)));
  const first = unit.map((_, r) => columns.map((c) => c[r])),
    firstConstant = EXTERNAL.slice(0, WIDTH),
    back = inverse(first);
  const backConstant = back.map((r) => mod(-r.reduce((s, x, i) => s + x * firstConstant[i], 0n)));
  const inputs: Form[] = [];
  const sbox = (x: Form): Form => {
    inputs.push(x);
    const y = zero();
    y[inputs.length - 1] = 1n;
    return y;
  };
  const constant = (f: Form, c: bigint): Form => f.map((x, i) => (i === SBOXES ? mod(x + c) : x));
  let s: Form[] = Array.from({ length: WIDTH }, zero);
  for (let r = 0; r < 8; r++) {
    if (r === 4)
      for (const c of INTERNAL) {
        s[0] = sbox(constant(s[0], c));
        const sum = s.reduce((a, b) => addForm(a, b, 1n));
        s = s.map((x, k) => addForm(sum, x, DIAGONAL[k]));
      }
    s = external(
      s.map((x, k) => sbox(constant(x, EXTERNAL[WIDTH * r + k]))),
      addForm,
    );
  }
  const later = inputs.slice(FIRST_ROUND);
  forms = {
    first,
    firstConstant,
    back,
    backConstant,
    A: later.map((f) => f.slice(0, SBOXES)),
    C: later.map((f) => f[SBOXES]),
    B: s.map((f) => f.slice(0, SBOXES)),
    D: s.map((f) => f[SBOXES]),
  };
  return forms;
}

/** Inputs x of all S-boxes, and the output, by the permutation itself. */
export function permutationWitness(state: readonly bigint[]): { x: bigint[]; out: bigint[] } {
  const x: bigint[] = [];
  const sbox = (v: bigint): bigint => {
    const c = mul(mul(v, v), v);
    x.push(v);
    return mul(mul(c, c), v);
  };
  const layer = (s: bigint[]): bigint[] => external<bigint>(s, (a, b, k) => a + k * b).map(mod);
  let s = layer([...state]);
  for (let r = 0; r < 8; r++) {
    if (r === 4)
      for (const c of INTERNAL) {
        s[0] = sbox(mod(s[0] + c));
        const sum = s.reduce((a, b) => a + b, 0n);
        s = s.map((v, k) => mod(v * DIAGONAL[k] + sum));
      }
    s = layer(s.map((v, k) => sbox(mod(v + EXTERNAL[WIDTH * r + k]))));
  }
  return { x, out: s };
}
