/*
 * What an adapter does to its base, computed natively on the released values: nothing of it needs a proof once the
 * adapter is the proven one.
 */

/** An adapter in real values: A is [layer, r, in] and B [layer, out, r], by projection. */
export interface AdapterValues {
  readonly r: number;
  /** What multiplies B A: alpha / r, or alpha / sqrt(r). */ readonly scale: number;
  readonly layers: number;
  readonly modules: readonly {
    readonly name: string;
    readonly path: (layer: number) => string;
    readonly A: Float64Array;
    readonly B: Float64Array;
  }[];
}

/**
 * A number between two bounds: float64 sums are not exact, and a policy is judged by the bound that speaks against the
 * run.
 */
export interface Bounds {
  readonly least: number;
  readonly most: number;
}

export interface ModuleResult {
  /** Full path of the module in the base. */ readonly path: string;
  /** Name of the projection. */ readonly name: string;
  readonly layer: number;
  /** Frobenius norm of scale B A. */ readonly norm: Bounds;
  /** False where B A is zero: the module is as it was. */ readonly touched: boolean;
}

export interface AdapterResult {
  readonly rank: number;
  readonly modules: readonly ModuleResult[];
  /** Frobenius norm over all modules of a layer. */ readonly layers: readonly Bounds[];
  /** Frobenius norm over all modules. */ readonly norm: Bounds;
}

/** Square root of a sum of squares, bounds outward. */
const root = (s: { value: number; error: number }): Bounds => ({
  least: Math.sqrt(Math.max(0, s.value - s.error)) * (1 - 2 ** -50),
  most: Math.sqrt(s.value + s.error) * (1 + 2 ** -50),
});

/**
 * ||B A||^2 = sum_ij (A A^T)_ij (B^T B)_ij, by r^2 inner products in place of the product itself, with a bound on its
 * rounding error: an inner product of n terms is off by at most (n + 2) u sum |x y| (Higham, Accuracy and Stability,
 * section 3.1), and by Cauchy-Schwarz every entry of a Gram matrix is at most the root of the product of its diagonal
 * ones.
 */
function squaredNorm(A: Float64Array, B: Float64Array, r: number): { value: number; error: number } {
  const n = A.length / r,
    m = B.length / r,
    a = new Float64Array(r * r),
    b = new Float64Array(r * r);
  for (let i = 0; i < r; i++)
    for (let j = i; j < r; j++) {
      let s = 0,
        t = 0;
      for (let k = 0; k < n; k++) s += A[i * n + k] * A[j * n + k];
      for (let k = 0; k < m; k++) t += B[k * r + i] * B[k * r + j];
      a[i * r + j] = a[j * r + i] = s;
      b[i * r + j] = b[j * r + i] = t;
    }
  let value = 0,
    roots = 0;
  for (let i = 0; i < r * r; i++) value += a[i] * b[i];
  for (let i = 0; i < r; i++) roots += Math.sqrt(a[i * r + i] * b[i * r + i]);
  const terms = n + m + r * r + 8;
  return { value: Math.max(0, value), error: 2 * terms * 2 ** -52 * roots * roots };
}

/**
 * Whether B A is zero. A released adapter holds multiples of 2^-20, so that its products are exact, and so are their
 * sums below 2^13 in magnitude.
 */
function isZero(A: Float64Array, B: Float64Array, r: number): boolean {
  const n = A.length / r,
    m = B.length / r;
  if (A.every((x) => x === 0) || B.every((x) => x === 0)) return true;
  for (let o = 0; o < m; o++) {
    const row = B.subarray(o * r, o * r + r);
    if (row.every((x) => x === 0)) continue;
    for (let k = 0; k < n; k++) {
      let s = 0;
      for (let i = 0; i < r; i++) s += row[i] * A[i * n + k];
      // One entry that is not zero is enough.
      if (s !== 0) return false;
    }
  }
  return true;
}

/** Norms, rank and touched modules of an adapter. */
export function adapterResult(a: AdapterValues): AdapterResult {
  const perLayer = Array.from({ length: a.layers }, () => ({ value: 0, error: 0 })),
    all = { value: 0, error: 0 },
    modules: ModuleResult[] = [],
    s2 = a.scale * a.scale;
  for (const m of a.modules)
    for (let l = 0; l < a.layers; l++) {
      const A = m.A.subarray((l * m.A.length) / a.layers, ((l + 1) * m.A.length) / a.layers),
        B = m.B.subarray((l * m.B.length) / a.layers, ((l + 1) * m.B.length) / a.layers),
        sq = squaredNorm(A, B, a.r),
        scaled = { value: s2 * sq.value, error: s2 * (sq.error + sq.value * 2 ** -50) };
      modules.push({ path: m.path(l), name: m.name, layer: l, norm: root(scaled), touched: !isZero(A, B, a.r) });
      for (const sum of [perLayer[l], all]) {
        sum.value += scaled.value;
        sum.error += scaled.error;
      }
    }
  const slack = modules.length * 2 ** -50,
    bounds = (s: { value: number; error: number }): Bounds => root({ value: s.value, error: s.error + s.value * slack });
  return { rank: a.r, modules, layers: perLayer.map(bounds), norm: bounds(all) };
}

/** Frobenius norms of the base's matrices by the path of their module, bounds outward. */
export function matrixNorm(w: ArrayLike<number>): Bounds {
  let s = 0;
  for (let i = 0; i < w.length; i++) s += w[i] * w[i];
  return root({ value: s, error: s * (w.length + 4) * 2 ** -52 });
}
