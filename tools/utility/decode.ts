/**
 * Greedy decoding in float64 with a key-value cache, adapter merged into the weights: for texts of many items, one
 * token at a time.
 */
import { projectionSize, ropeTables, unflattenReals } from 'certune/model';
import type { Program } from 'certune/tensor';
import type { Settings, Weights } from './lib.js';

type Reals = Float64Array;
/** Keys and values of a layer, by position. */
interface LayerCache {
  readonly k: Reals[];
  readonly v: Reals[];
}
type Cache = readonly LayerCache[];

const dot = (w: Reals, at: number, x: Reals, n: number): number => {
  let s = 0;
  for (let i = 0; i < n; i++) s += w[at + i] * x[i];
  return s;
};

/** Weights of a base with the flat adapter vector `theta` of a program merged into them. */
function mergedWeights(base: Weights, o: Settings, program: Program, theta: Reals): ReadonlyMap<string, Reals> {
  const { shape } = base,
    scale = o.alpha / o.r,
    W = new Map([...base.weights].map(([n, v]) => [n, Float64Array.from(v)])),
    members = unflattenReals(program, 'cIn', 'C', theta);
  for (const t of o.targets) {
    const A = members.get(`C.${t}.A`)!,
      B = members.get(`C.${t}.B`)!,
      w = W.get(`W.${t}`)!,
      { out, in: n } = projectionSize(shape, t);
    for (let l = 0; l < shape.layers; l++)
      for (let y = 0; y < out; y++)
        for (let q = 0; q < o.r; q++) {
          const b = B[(l * out + y) * o.r + q] * scale;
          if (b !== 0) for (let x = 0; x < n; x++) w[(l * out + y) * n + x] += b * A[(l * o.r + q) * n + x];
        }
  }
  return W;
}

/** Decoder of a base with an adapter. */
export class Decoder {
  readonly #weights: ReadonlyMap<string, Reals>;
  readonly #rope: { readonly ropeQ: Reals; readonly ropeK: Reals };
  readonly #head: Reals;
  readonly #sequence: number;

  constructor(
    readonly base: Weights,
    o: Settings,
    program: Program,
    theta: Reals,
  ) {
    this.#weights = mergedWeights(base, o, program, theta);
    this.#rope = ropeTables(base.shape.headDim, o.sequence, base.rope).real;
    this.#head = this.#tensor(base.shape.tied ? 'E' : 'head');
    this.#sequence = o.sequence;
  }

  /** Logits after every token. */
  logits(ids: readonly number[]): Reals[] {
    const cache = this.#cache();
    return ids.map((id, i) => this.#forward(id, i, cache));
  }
  /** The new ids that follow a prompt, up to the closing id or to `sequence` tokens in all. */
  greedy(prompt: readonly number[], eos: number, sequence: number): number[] {
    const cache = this.#cache(),
      made: number[] = [],
      { vocab } = this.base.shape;
    let y: Reals = new Float64Array(vocab);
    prompt.forEach((id, i) => {
      y = this.#forward(id, i, cache);
    });
    for (let i = prompt.length; i < sequence; i++) {
      let best = 0;
      for (let v = 1; v < vocab; v++) if (y[v] > y[best]) best = v;
      if (best === eos) break;
      made.push(best);
      if (i + 1 < sequence) y = this.#forward(best, i, cache);
    }
    return made;
  }

  #cache(): Cache {
    return Array.from({ length: this.base.shape.layers }, () => ({ k: [], v: [] }));
  }
  #tensor(name: string): Reals {
    const w = this.#weights.get(name);
    if (!w) throw new Error(`the base has no ${name}`);
    return w;
  }
  #mul(name: string, l: number, out: number, n: number, x: Reals): Reals {
    const w = this.#tensor(name),
      y = new Float64Array(out);
    for (let k = 0; k < out; k++) y[k] = dot(w, (l * out + k) * n, x, n);
    return y;
  }
  /** A projection of attention with its bias. */
  #project(t: 'q_proj' | 'k_proj' | 'v_proj', l: number, out: number, n: number, x: Reals): Reals {
    const y = this.#mul(`W.${t}`, l, out, n, x);
    if (!this.base.shape.bias) return y;
    const b = this.#tensor(`bias.${t}`);
    return y.map((v, q) => v + b[l * out + q]);
  }
  #norm(x: Reals, s: number): Reals {
    const g = this.#tensor('gamma'),
      { hidden: D, rmsEps } = this.base.shape;
    let q = 0;
    for (const v of x) q += v * v;
    const f = 1 / Math.sqrt(q / D + rmsEps);
    return x.map((v, d) => v * f * g[s * D + d]);
  }
  /** Rotary embedding of position i. */
  #rotate(x: Reals, heads: number, i: number, table: Reals): Reals {
    const y = new Float64Array(x.length),
      H = this.base.shape.headDim,
      half = H / 2;
    for (let h = 0; h < heads; h++)
      for (let ho = 0; ho < 2; ho++)
        for (let c = 0; c < half; c++) {
          let v = 0;
          for (let hi = 0; hi < 2; hi++) v += table[((ho * 2 + hi) * half + c) * this.#sequence + i] * x[h * H + hi * half + c];
          y[h * H + ho * half + c] = v;
        }
    return y;
  }
  /** Output of a layer's attention at position i, whose keys and values join the cache. */
  #attention(l: number, n: Reals, i: number, cache: LayerCache): Reals {
    const { hidden: D, kvHeads: KV, groups: G, headDim: H } = this.base.shape,
      q = this.#rotate(this.#project('q_proj', l, KV * G * H, D, n), KV * G, i, this.#rope.ropeQ);
    cache.k.push(this.#rotate(this.#project('k_proj', l, KV * H, D, n), KV, i, this.#rope.ropeK));
    cache.v.push(this.#project('v_proj', l, KV * H, D, n));
    const ctx = new Float64Array(KV * G * H);
    for (let h = 0; h < KV * G; h++) {
      const kv = Math.floor(h / G),
        s = cache.k.map((key) => {
          let z = 0;
          for (let c = 0; c < H; c++) z += q[h * H + c] * key[kv * H + c];
          return z;
        });
      const top = Math.max(...s),
        e = s.map((z) => Math.exp(z - top)),
        sum = e.reduce((a, b) => a + b, 0);
      e.forEach((p, j) => {
        for (let c = 0; c < H; c++) ctx[h * H + c] += (p / sum) * cache.v[j][kv * H + c];
      });
    }
    return this.#mul('W.o_proj', l, D, KV * G * H, ctx);
  }
  /** Logits after one more token at position i. */
  #forward(id: number, i: number, cache: Cache): Reals {
    const { layers: L, hidden: D, intermediate: F, vocab: V } = this.base.shape;
    let x = this.#tensor('E').slice(id * D, (id + 1) * D);
    for (let l = 0; l < L; l++) {
      const a = this.#attention(l, this.#norm(x, 2 * l), i, cache[l]);
      x = x.map((z, d) => z + a[d]);
      const m = this.#norm(x, 2 * l + 1),
        g = this.#mul('W.gate_proj', l, F, D, m),
        u = this.#mul('W.up_proj', l, F, D, m),
        d = this.#mul(
          'W.down_proj',
          l,
          D,
          F,
          g.map((z, f) => (z / (1 + Math.exp(-z))) * u[f]),
        );
      x = x.map((z, q) => z + d[q]);
    }
    const n = this.#norm(x, 2 * L),
      y = new Float64Array(V);
    for (let v = 0; v < V; v++) y[v] = dot(this.#head, v * D, n, D);
    return y;
  }
}
