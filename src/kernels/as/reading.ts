// The float reading of tensor programs: cells are f64. Offsets and strides are bytes; src/tensor/einsum.ts builds the
// tables.

/** Offset of a row that does not take part (one-hot position without an index). */
const SKIP: u32 = 0xffffffff;
/** Contracted entries per packed panel. */
const PANEL: u32 = 512;

/**
 * acc[row, c] = (init ? constant : acc[row, c]) + coef * sum_k a[row, k, c] b[row, k, c] for rows [rlo, rhi), columns
 * [nlo, nhi).
 * Descriptor: acc a b rowAcc rowA rowB K kA kB n sAcc sA sB kind init, at 64 coef, at 72 constant. Kind 0: any strides;
 * 1: a constant along c, b contiguous; 2: both contiguous; 3: c is contracted (n entries, contiguous in b; in a too or
 * constant), one cell per row.
 */
export function einsumF(d: usize, rlo: u32, rhi: u32, nlo: u32, nhi: u32, scratch: usize): void { einsum(d, rlo, rhi, nlo, nhi, scratch); }

function einsum(d: usize, rlo: u32, rhi: u32, nlo: u32, nhi: u32, scratch: usize): void {
  const kind = load<u32>(d, 52);
  if (kind == 1) axpy(d, rlo, rhi, nlo, nhi, scratch);
  else if (kind == 2) pairs(d, rlo, rhi, nlo, nhi);
  else if (kind == 3) dot(d, rlo, rhi);
  else strided(d, rlo, rhi, nlo, nhi);
}

function strided(d: usize, rlo: u32, rhi: u32, nlo: u32, nhi: u32): void {
  const acc = load<usize>(d), a = load<usize>(d, 4), b = load<usize>(d, 8), rowAcc = load<usize>(d, 12), rowA = load<usize>(d, 16), rowB = load<usize>(d, 20);
  const K = load<u32>(d, 24), kA = load<usize>(d, 28), kB = load<usize>(d, 32), sAcc = load<usize>(d, 40), sA = load<usize>(d, 44), sB = load<usize>(d, 48);
  const init = load<u32>(d, 56), coef = load<f64>(d, 64), constant = load<f64>(d, 72);
  for (let r = rlo; r < rhi; r++) {
    const oa = load<u32>(rowA + <usize>r * 4), ob = load<u32>(rowB + <usize>r * 4), p0 = acc + load<u32>(rowAcc + <usize>r * 4);
    const skip = oa == SKIP || ob == SKIP;
    for (let c = nlo; c < nhi; c++) {
      let s: f64 = 0.0;
      if (!skip) {
        const pa = a + oa + <usize>c * sA, pb = b + ob + <usize>c * sB;
        for (let k: u32 = 0; k < K; k++) {
          const xa = load<u32>(kA + <usize>k * 4), xb = load<u32>(kB + <usize>k * 4);
          if (xa != SKIP && xb != SKIP) s += load<f64>(pa + xa) * load<f64>(pb + xb);
        }
      }
      const p = p0 + <usize>c * sAcc;
      store<f64>(p, (init ? constant : load<f64>(p)) + coef * s);
    }
  }
}

/** Rows with one b share packed panels of 8 columns by PANEL contracted entries. */
function axpy(d: usize, rlo: u32, rhi: u32, nlo: u32, nhi: u32, scratch: usize): void {
  const b = load<usize>(d, 8), rowB = load<usize>(d, 20), K = load<u32>(d, 24), kB = load<usize>(d, 32);
  let r = rlo;
  while (r < rhi) {
    const ob = load<u32>(rowB + <usize>r * 4);
    let e = r + 1;
    while (e < rhi && load<u32>(rowB + <usize>e * 4) == ob) e++;
    let c = nlo;
    for (; c + 8 <= nhi; c += 8) {
      for (let k0: u32 = 0; k0 < K; k0 += PANEL) {
        const kn = min(K - k0, PANEL), src = b + ob + <usize>c * 8;
        for (let k: u32 = 0; k < kn; k++) {
          const s = src + load<u32>(kB + <usize>(k0 + k) * 4), t = scratch + <usize>k * 64;
          v128.store(t, v128.load(s)); v128.store(t, v128.load(s, 16), 16); v128.store(t, v128.load(s, 32), 32); v128.store(t, v128.load(s, 48), 48);
        }
        for (let q = r; q < e; q++) {
          panelF(d, q, c, k0, kn, scratch);
        }
      }
    }
    if (c < nhi) strided(d, r, e, c, nhi);
    r = e;
  }
}

function panelF(d: usize, q: u32, c: u32, k0: u32, kn: u32, scratch: usize): void {
  const acc = load<usize>(d) + load<u32>(load<usize>(d, 12) + <usize>q * 4) + <usize>c * 8;
  const a = load<usize>(d, 4) + load<u32>(load<usize>(d, 16) + <usize>q * 4), coef = f64x2.splat(load<f64>(d, 64));
  let s0 = f64x2.splat(0), s1 = f64x2.splat(0), s2 = f64x2.splat(0), s3 = f64x2.splat(0);
  let t = load<usize>(d, 28) + <usize>k0 * 4, p = scratch;
  const end = t + <usize>kn * 4;
  while (t < end) {
    const w = v128.load64_splat(a + load<u32>(t));
    s0 = f64x2.add(s0, f64x2.mul(w, v128.load(p))); s1 = f64x2.add(s1, f64x2.mul(w, v128.load(p, 16)));
    s2 = f64x2.add(s2, f64x2.mul(w, v128.load(p, 32))); s3 = f64x2.add(s3, f64x2.mul(w, v128.load(p, 48)));
    t += 4; p += 64;
  }
  s0 = f64x2.mul(s0, coef); s1 = f64x2.mul(s1, coef); s2 = f64x2.mul(s2, coef); s3 = f64x2.mul(s3, coef);
  if (load<u32>(d, 56) && k0 == 0) {
    const z = f64x2.splat(load<f64>(d, 72));
    v128.store(acc, f64x2.add(s0, z)); v128.store(acc, f64x2.add(s1, z), 16); v128.store(acc, f64x2.add(s2, z), 32); v128.store(acc, f64x2.add(s3, z), 48);
  } else {
    v128.store(acc, f64x2.add(v128.load(acc), s0)); v128.store(acc, f64x2.add(v128.load(acc, 16), s1), 16);
    v128.store(acc, f64x2.add(v128.load(acc, 32), s2), 32); v128.store(acc, f64x2.add(v128.load(acc, 48), s3), 48);
  }
}

/** Elementwise along c, contracted entries outside: acc is updated once per entry. */
function pairs(d: usize, rlo: u32, rhi: u32, nlo: u32, nhi: u32): void {
  const acc = load<usize>(d), a = load<usize>(d, 4), b = load<usize>(d, 8), rowAcc = load<usize>(d, 12), rowA = load<usize>(d, 16), rowB = load<usize>(d, 20);
  const K = load<u32>(d, 24), kA = load<usize>(d, 28), kB = load<usize>(d, 32), init = load<u32>(d, 56), coef = load<f64>(d, 64), constant = load<f64>(d, 72);
  for (let r = rlo; r < rhi; r++) {
    const p = acc + load<u32>(rowAcc + <usize>r * 4), a0 = a + load<u32>(rowA + <usize>r * 4), b0 = b + load<u32>(rowB + <usize>r * 4);
    for (let k: u32 = 0; k < K; k++) {
      const pa = a0 + load<u32>(kA + <usize>k * 4), pb = b0 + load<u32>(kB + <usize>k * 4);
      const end = <usize>nhi * 8;
      if (init && k == 0) for (let o = <usize>nlo * 8; o < end; o += 8) store<f64>(p + o, constant + coef * (load<f64>(pa + o) * load<f64>(pb + o)));
      else for (let o = <usize>nlo * 8; o < end; o += 8) store<f64>(p + o, load<f64>(p + o) + coef * (load<f64>(pa + o) * load<f64>(pb + o)));
    }
  }
}

function dot(d: usize, rlo: u32, rhi: u32): void {
  const acc = load<usize>(d), a = load<usize>(d, 4), b = load<usize>(d, 8), rowAcc = load<usize>(d, 12), rowA = load<usize>(d, 16), rowB = load<usize>(d, 20);
  const K = load<u32>(d, 24), kA = load<usize>(d, 28), kB = load<usize>(d, 32), n = load<u32>(d, 36), sA = load<usize>(d, 44);
  const init = load<u32>(d, 56), coef = load<f64>(d, 64), constant = load<f64>(d, 72);
  for (let r = rlo; r < rhi; r++) {
    const p = acc + load<u32>(rowAcc + <usize>r * 4), a0 = a + load<u32>(rowA + <usize>r * 4), b0 = b + load<u32>(rowB + <usize>r * 4);
    let s: f64 = 0.0;
    for (let k: u32 = 0; k < K; k++) {
      let x = a0 + load<u32>(kA + <usize>k * 4), y = b0 + load<u32>(kB + <usize>k * 4);
      const end = y + <usize>n * 8, quads = y + (<usize>n & ~3) * 8;
      let s0: f64 = 0;
      if (sA == 0) {
        for (; y < end; y += 8) s0 += load<f64>(y);
        s += s0 * load<f64>(x);
        continue;
      }
      let u = f64x2.splat(0), v = f64x2.splat(0);
      for (; y < quads; y += 32, x += 32) {
        u = f64x2.add(u, f64x2.mul(v128.load(x), v128.load(y)));
        v = f64x2.add(v, f64x2.mul(v128.load(x, 16), v128.load(y, 16)));
      }
      u = f64x2.add(u, v);
      s0 = f64x2.extract_lane(u, 0) + f64x2.extract_lane(u, 1);
      for (; y < end; y += 8, x += 8) s0 += load<f64>(x) * load<f64>(y);
      s += s0;
    }
    store<f64>(p, (init ? constant : load<f64>(p)) + coef * s);
  }
}

export function fillF(p: usize, x: f64, lo: u32, hi: u32): void { for (let k = lo; k < hi; k++) store<f64>(p + <usize>k * 8, x); }

/** out = base + acc. */
export function storeF(acc: usize, n: u32, out: usize, rowOut: usize, sOut: usize, base: usize, rowBase: usize, sBase: usize, rlo: u32, rhi: u32, nlo: u32, nhi: u32): void {
  for (let r = rlo; r < rhi; r++) {
    const po = out + load<u32>(rowOut + <usize>r * 4), pb = base ? base + load<u32>(rowBase + <usize>r * 4) : 0, pa = acc + <usize>r * n * 8;
    for (let c = nlo; c < nhi; c++) {
      let v = load<f64>(pa + <usize>c * 8);
      if (base) v += load<f64>(pb + <usize>c * sBase);
      store<f64>(po + <usize>c * sOut, v);
    }
  }
}
