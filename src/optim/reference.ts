/**
 * AdamW in float64 as PyTorch computes it: the float reading of the update program, over flat parameter vectors.
 * p *= 1 - lr wd, then p -= lr m_hat / (sqrt(v_hat) + eps); gradients are sums over `count` targets.
 */
export interface AdamFloatState {
  readonly theta: Float64Array;
  readonly m: Float64Array;
  readonly v: Float64Array;
  step: number;
}

export interface AdamFloatOptions {
  readonly lr: number;
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  readonly weightDecay: number /** global-norm clip, 0 for none */;
  readonly clip: number;
  readonly count: number;
}

export function adamFloatState(theta: Float64Array): AdamFloatState {
  return { theta: theta.slice(), m: new Float64Array(theta.length), v: new Float64Array(theta.length), step: 0 };
}

/** One update in place; returns the norm of the mean gradient before clipping. */
export function adamFloatStep(s: AdamFloatState, gradient: Float64Array, o: AdamFloatOptions): number {
  s.step++;
  const [b1, b2] = o.betas,
    n = gradient.length;
  let sum = 0;
  for (let k = 0; k < n; k++) {
    const g = gradient[k] / o.count;
    sum += g * g;
  }
  const norm = Math.sqrt(sum),
    factor = o.clip > 0 && norm > o.clip ? o.clip / norm : 1;
  const c1 = 1 - b1 ** s.step,
    c2 = Math.sqrt(1 - b2 ** s.step);
  for (let k = 0; k < n; k++) {
    const g = (gradient[k] / o.count) * factor;
    s.m[k] = b1 * s.m[k] + (1 - b1) * g;
    s.v[k] = b2 * s.v[k] + (1 - b2) * g * g;
    s.theta[k] = s.theta[k] * (1 - o.lr * o.weightDecay) - (o.lr * (s.m[k] / c1)) / (Math.sqrt(s.v[k]) / c2 + o.epsilon);
  }
  return norm;
}
