// Greedy decoding in float64 with a key-value cache, adapter merged into the weights: for texts of many items, one token at a time.
import { adapterAxes } from '../../dist/model/index.js';
import { projectionSize } from '../../dist/model/init.js';
import { ropeTables } from '../../dist/model/base.js';
import { flatMembers } from './members.mjs';

const dot = (w, at, x, n) => {
  let s = 0;
  for (let i = 0; i < n; i++) s += w[at + i] * x[i];
  return s;
};

/** Decoder of a base with the flat adapter vector `theta` of a program. `greedy(prompt, eos, sequence)` gives the new ids. */
export function decoder(base, o, program, theta) {
  const { shape } = base,
    { layers: L, hidden: D, intermediate: Fd, kvHeads: KV, groups: G, headDim: H, vocab: V } = shape,
    scale = o.alpha / o.r,
    W = new Map([...base.weights].map(([n, v]) => [n, Float64Array.from(v)])),
    members = flatMembers(program, theta);
  for (const t of o.targets) {
    void adapterAxes(t);
    const A = members.get(`C.${t}.A`),
      B = members.get(`C.${t}.B`),
      w = W.get(`W.${t}`),
      { out, in: n } = projectionSize(shape, t);
    for (let l = 0; l < L; l++)
      for (let y = 0; y < out; y++)
        for (let q = 0; q < o.r; q++) {
          const b = B[(l * out + y) * o.r + q] * scale;
          if (b !== 0) for (let x = 0; x < n; x++) w[(l * out + y) * n + x] += b * A[(l * o.r + q) * n + x];
        }
  }
  const rope = ropeTables(H, o.sequence, base.rope).real,
    S = o.sequence,
    half = H / 2,
    head = W.get(shape.tied ? 'E' : 'head');
  const mul = (name, l, out, n, x) => {
    const w = W.get(name),
      y = new Float64Array(out);
    for (let k = 0; k < out; k++) y[k] = dot(w, (l * out + k) * n, x, n);
    return y;
  };
  const norm = (x, s) => {
    const g = W.get('gamma');
    let q = 0;
    for (const v of x) q += v * v;
    const f = 1 / Math.sqrt(q / D + shape.rmsEps);
    return x.map((v, d) => v * f * g[s * D + d]);
  };
  const rotate = (x, heads, i, table) => {
    const y = new Float64Array(x.length);
    for (let h = 0; h < heads; h++)
      for (let ho = 0; ho < 2; ho++)
        for (let c = 0; c < half; c++) {
          let v = 0;
          for (let hi = 0; hi < 2; hi++) v += table[((ho * 2 + hi) * half + c) * S + i] * x[h * H + hi * half + c];
          y[h * H + ho * half + c] = v;
        }
    return y;
  };
  /** Logits after one more token at position i. */
  const forward = (id, i, cache) => {
    let x = W.get('E').slice(id * D, (id + 1) * D);
    for (let l = 0; l < L; l++) {
      const n = norm(x, 2 * l),
        add = (name, k, out) => {
          const y = mul(name, l, out, k, n);
          const b = shape.bias ? W.get(`bias.${name.slice(2)}`) : undefined;
          return b ? y.map((v, q) => v + b[l * out + q]) : y;
        };
      const q = rotate(add('W.q_proj', D, KV * G * H), KV * G, i, rope.ropeQ),
        kk = rotate(add('W.k_proj', D, KV * H), KV, i, rope.ropeK),
        v = add('W.v_proj', D, KV * H);
      cache[l].k.push(kk);
      cache[l].v.push(v);
      const ctx = new Float64Array(KV * G * H);
      for (let h = 0; h < KV * G; h++) {
        const kv = Math.floor(h / G),
          s = cache[l].k.map((key) => {
            let z = 0;
            for (let c = 0; c < H; c++) z += q[h * H + c] * key[kv * H + c];
            return z;
          });
        const top = Math.max(...s),
          e = s.map((z) => Math.exp(z - top)),
          sum = e.reduce((a, b) => a + b, 0);
        e.forEach((p, j) => {
          for (let c = 0; c < H; c++) ctx[h * H + c] += (p / sum) * cache[l].v[j][kv * H + c];
        });
      }
      const a = mul('W.o_proj', l, D, KV * G * H, ctx);
      x = x.map((z, d) => z + a[d]);
      const m = norm(x, 2 * l + 1),
        g = mul('W.gate_proj', l, Fd, D, m),
        u = mul('W.up_proj', l, Fd, D, m),
        d = mul(
          'W.down_proj',
          l,
          D,
          Fd,
          g.map((z, f) => (z / (1 + Math.exp(-z))) * u[f]),
        );
      x = x.map((z, q2) => z + d[q2]);
    }
    const n = norm(x, 2 * L),
      y = new Float64Array(V);
    for (let v = 0; v < V; v++) y[v] = dot(head, v * D, n, D);
    return y;
  };
  return {
    logits(ids) {
      const cache = Array.from({ length: L }, () => ({ k: [], v: [] }));
      return ids.map((id, i) => forward(id, i, cache));
    },
    greedy(prompt, eos, sequence) {
      const cache = Array.from({ length: L }, () => ({ k: [], v: [] })),
        made = [];
      let y;
      prompt.forEach((id, i) => {
        y = forward(id, i, cache);
      });
      for (let i = prompt.length; i < sequence; i++) {
        let best = 0;
        for (let v = 1; v < V; v++) if (y[v] > y[best]) best = v;
        if (best === eos) break;
        made.push(best);
        if (i + 1 < sequence) y = forward(best, i, cache);
      }
      return made;
    },
  };
}
