// Written by scripts/gen-poseidon2.mjs. Poseidon2, Goldilocks, width 12, sponge rate 8; definitions in src/hash/spec.md.
import { P, EPS, fcanon, fmulLazy, fsquareLazy, fsigned } from './field';
const M: u64 = 0xffffffff;
// Constants joined to external layers 0 .. 8 (none after layers 4 and 8), then those that follow the internal rounds.
const CE: StaticArray<u64> = [0x13dcf33aba214f46, 0x30b3b654a1da6d83, 0x1fc634ada6159b56, 0x937459964dc03466, 0xedd2ef2ca7949924, 0xede9affde0e22f68, 0x8515b9d6bac9282d, 0x6b5c07b4e9e900d8, 0x1ec66368838c8a08, 0x9042367d80d1fbab, 0x400283564a3c3799, 0x4a00be0466bca75e, 0x7913beee58e3817f, 0xf545e88532237d90, 0x22f8cb8736042005, 0x6f04990e247a2623, 0xfe22e87ba37c38cd, 0xd20e32c85ffe2815, 0x117227674048fe73, 0x4e9fb7ea98a6b145, 0xe0866c232b8af08b, 0x00bbc77916884964, 0x7031c0fb990d7116, 0x240a9e87cf35108f, 0x2e6363a5a12244b3, 0x5e1c3787d1b5011c, 0x4132660e2a196e8b, 0x3a013b648d3d4327, 0xf79839f49888ea43, 0xfe85658ebafe1439, 0xb6889825a14240bd, 0x578453605541382b, 0x4508cda8f6b63ce9, 0x9c3ef35848684c91, 0x0812bde23c87178c, 0xfe49638f7f722c14, 0x8e3f688ce885cbf5, 0xb8e110acf746a87d, 0xb4b2e8973a6dabef, 0x9e714c5da3d462ec, 0x6438f9033d3d0c15, 0x24312f7cf1a27199, 0x23f843bb47acbf71, 0x9183f11a34be9f01, 0x839062fbb9d45dbf, 0x24b56e7e6c2e43fa, 0xe1683da61c962a72, 0xa95c63971a19bfa7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x7748fff2b38dfb89, 0x6b99a676dd3b5d81, 0xac4bb7c627cf7c13, 0xadb6ebe5e9e2f5ba, 0x2d33378cafa24ae3, 0x1e5b73807543f8c2, 0x09208814bfebb10f, 0x782e64b6bb5b93dd, 0xadd5a48eac90b50f, 0xadd4c54c736ea4b1, 0xd58dbb86ed817fd8, 0x6d5ed1a533f34ddd, 0x28686aa3e36b7cb9, 0x591abd3476689f36, 0x047d766678f13875, 0xa2a11112625f5b49, 0x21fd10a3f8304958, 0xf9b40711443b0280, 0xd2697eb8b2bde88e, 0x3493790b51731b3f, 0x11caf9dd73764023, 0x7acfb8f72878164e, 0x744ec4db23cefc26, 0x1e00e58f422c6340, 0x21dd28d906a62dda, 0xf32a46ab5f465b5f, 0xbfce13201f3f7e6b, 0xf30d2e7adb5304e2, 0xecdf4ee4abad48e9, 0xf94e82182d395019, 0x4ee52e3744d887c5, 0xa1341c7cac0083b2, 0x2302fb26c30c834a, 0xaea3c587273bf7d3, 0xf798e24961823ec7, 0x962deba3e9a2cd94, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xc68be7c94882a24d, 0xaf996d5d5cdaedd9, 0x9717f025e7daf6a5, 0x6436679e6e7216f4, 0x8a223d99047af267, 0xbb512e35a133ba9a, 0xfbbf44097671aa03, 0xf04058ebf6811e61, 0x5cca84703fac7ffb, 0x9b55c7945de6469f, 0x8e05bf09808e934f, 0x2ea900de876307d7];
const CI: StaticArray<u64> = [0x4adf842aa75d4316, 0xf8fbb871aa4ab4eb, 0x68e85b6eb2dd6aeb, 0x07a0b06b2d270380, 0xd94e0228bd282de4, 0x8bdd91d3250c5278, 0x209c68b88bba778f, 0xb5e18cdab77f3877, 0xb296a3e808da93fa, 0x8370ecbda11a327e, 0x3f9075283775dad8, 0xb78095bb23c6aa84, 0x3f36b9fe72ad4e5f, 0x69bc96780b10b553, 0x3f1d341f2eb7b881, 0x4e939e9815838818, 0xda366b3ae2a31604, 0xbc89db1e7287d509, 0x6102f411f9ef5659, 0x58725c5e7ac1f0ab, 0x0df5856c798883e7, 0xf7bb62a8da4c961b];

// 4 p = FOUR_H 2^32 + FOUR_L, both at least 4 (2^32 - 1).
const FOUR_H: u64 = 0x3fffffff8;
const FOUR_L: u64 = 0x400000004;

// h 2^32 + l with h, l < 2^40: h 2^32 = (h mod 2^32) 2^32 + (h >> 32) 2^64 and 2^64 = EPS mod p.
// @ts-ignore: decorator
@inline function fhalves(h: u64, l: u64): u64 {
  const t = l + (h >> 32) * EPS, r = (h << 32) + t;
  return r + (r < t ? EPS : 0);
}
// @ts-ignore: decorator
@inline function fhalves2(h: u64, l: u64, x: u64): u64 { return fhalves(h + (x >> 32), l + (x & M)); }
// x 2^-m: k p makes x + k p divisible by 2^m, as p = 1 mod 2^m; the result is below p.
// @ts-ignore: decorator
@inline function fshift(a: u64, m: u64): u64 {
  const x = fcanon(a), k = (0 - x) & ((<u64>1 << m) - 1);
  return ((x + k) >> m) + (k << (64 - m)) - (k << (32 - m));
}
// a any representative, b canonical.
// @ts-ignore: decorator
@inline function faddLazy(a: u64, b: u64): u64 { const r = a + b; return r + (r < b ? EPS : 0); }

/** In place on twelve words; accepts any representatives, leaves canonical ones. */
export function poseidon2(p: usize): void {
  const ce = changetype<usize>(CE), ci = changetype<usize>(CI);
  let s0 = load<u64>(p, 0); let s1 = load<u64>(p, 8); let s2 = load<u64>(p, 16); let s3 = load<u64>(p, 24); let s4 = load<u64>(p, 32); let s5 = load<u64>(p, 40); let s6 = load<u64>(p, 48); let s7 = load<u64>(p, 56); let s8 = load<u64>(p, 64); let s9 = load<u64>(p, 72); let s10 = load<u64>(p, 80); let s11 = load<u64>(p, 88);
  for (let round: usize = 0; round <= 8; round++) {
    const c = ce + round * 96;
    if (round > 0) {
      { const q = fsquareLazy(s0), c = fmulLazy(q, s0); s0 = fmulLazy(fsquareLazy(q), c); }
      { const q = fsquareLazy(s1), c = fmulLazy(q, s1); s1 = fmulLazy(fsquareLazy(q), c); }
      { const q = fsquareLazy(s2), c = fmulLazy(q, s2); s2 = fmulLazy(fsquareLazy(q), c); }
      { const q = fsquareLazy(s3), c = fmulLazy(q, s3); s3 = fmulLazy(fsquareLazy(q), c); }
      { const q = fsquareLazy(s4), c = fmulLazy(q, s4); s4 = fmulLazy(fsquareLazy(q), c); }
      { const q = fsquareLazy(s5), c = fmulLazy(q, s5); s5 = fmulLazy(fsquareLazy(q), c); }
      { const q = fsquareLazy(s6), c = fmulLazy(q, s6); s6 = fmulLazy(fsquareLazy(q), c); }
      { const q = fsquareLazy(s7), c = fmulLazy(q, s7); s7 = fmulLazy(fsquareLazy(q), c); }
      { const q = fsquareLazy(s8), c = fmulLazy(q, s8); s8 = fmulLazy(fsquareLazy(q), c); }
      { const q = fsquareLazy(s9), c = fmulLazy(q, s9); s9 = fmulLazy(fsquareLazy(q), c); }
      { const q = fsquareLazy(s10), c = fmulLazy(q, s10); s10 = fmulLazy(fsquareLazy(q), c); }
      { const q = fsquareLazy(s11), c = fmulLazy(q, s11); s11 = fmulLazy(fsquareLazy(q), c); }
    }
    { const lp0 = (s0 & M) + (s1 & M), lq0 = (s2 & M) + (s3 & M), lr0 = lp0 + lq0, lu0 = lr0 + (s1 & M), lv0 = lr0 + (s3 & M);
      const ly0 = lu0 + lp0, ly1 = lu0 + ((s2 & M) << 1), ly2 = lv0 + lq0, ly3 = lv0 + ((s0 & M) << 1);
      const lp4 = (s4 & M) + (s5 & M), lq4 = (s6 & M) + (s7 & M), lr4 = lp4 + lq4, lu4 = lr4 + (s5 & M), lv4 = lr4 + (s7 & M);
      const ly4 = lu4 + lp4, ly5 = lu4 + ((s6 & M) << 1), ly6 = lv4 + lq4, ly7 = lv4 + ((s4 & M) << 1);
      const lp8 = (s8 & M) + (s9 & M), lq8 = (s10 & M) + (s11 & M), lr8 = lp8 + lq8, lu8 = lr8 + (s9 & M), lv8 = lr8 + (s11 & M);
      const ly8 = lu8 + lp8, ly9 = lu8 + ((s10 & M) << 1), ly10 = lv8 + lq8, ly11 = lv8 + ((s8 & M) << 1);
      const lt0 = ly0 + ly4 + ly8;
      const lt1 = ly1 + ly5 + ly9;
      const lt2 = ly2 + ly6 + ly10;
      const lt3 = ly3 + ly7 + ly11;
      const hp0 = (s0 >> 32) + (s1 >> 32), hq0 = (s2 >> 32) + (s3 >> 32), hr0 = hp0 + hq0, hu0 = hr0 + (s1 >> 32), hv0 = hr0 + (s3 >> 32);
      const hy0 = hu0 + hp0, hy1 = hu0 + ((s2 >> 32) << 1), hy2 = hv0 + hq0, hy3 = hv0 + ((s0 >> 32) << 1);
      const hp4 = (s4 >> 32) + (s5 >> 32), hq4 = (s6 >> 32) + (s7 >> 32), hr4 = hp4 + hq4, hu4 = hr4 + (s5 >> 32), hv4 = hr4 + (s7 >> 32);
      const hy4 = hu4 + hp4, hy5 = hu4 + ((s6 >> 32) << 1), hy6 = hv4 + hq4, hy7 = hv4 + ((s4 >> 32) << 1);
      const hp8 = (s8 >> 32) + (s9 >> 32), hq8 = (s10 >> 32) + (s11 >> 32), hr8 = hp8 + hq8, hu8 = hr8 + (s9 >> 32), hv8 = hr8 + (s11 >> 32);
      const hy8 = hu8 + hp8, hy9 = hu8 + ((s10 >> 32) << 1), hy10 = hv8 + hq8, hy11 = hv8 + ((s8 >> 32) << 1);
      const ht0 = hy0 + hy4 + hy8;
      const ht1 = hy1 + hy5 + hy9;
      const ht2 = hy2 + hy6 + hy10;
      const ht3 = hy3 + hy7 + hy11;
      s0 = fhalves(hy0 + ht0 + load<u32>(c, 4), ly0 + lt0 + load<u32>(c, 0));
      s1 = fhalves(hy1 + ht1 + load<u32>(c, 12), ly1 + lt1 + load<u32>(c, 8));
      s2 = fhalves(hy2 + ht2 + load<u32>(c, 20), ly2 + lt2 + load<u32>(c, 16));
      s3 = fhalves(hy3 + ht3 + load<u32>(c, 28), ly3 + lt3 + load<u32>(c, 24));
      s4 = fhalves(hy4 + ht0 + load<u32>(c, 36), ly4 + lt0 + load<u32>(c, 32));
      s5 = fhalves(hy5 + ht1 + load<u32>(c, 44), ly5 + lt1 + load<u32>(c, 40));
      s6 = fhalves(hy6 + ht2 + load<u32>(c, 52), ly6 + lt2 + load<u32>(c, 48));
      s7 = fhalves(hy7 + ht3 + load<u32>(c, 60), ly7 + lt3 + load<u32>(c, 56));
      s8 = fhalves(hy8 + ht0 + load<u32>(c, 68), ly8 + lt0 + load<u32>(c, 64));
      s9 = fhalves(hy9 + ht1 + load<u32>(c, 76), ly9 + lt1 + load<u32>(c, 72));
      s10 = fhalves(hy10 + ht2 + load<u32>(c, 84), ly10 + lt2 + load<u32>(c, 80));
      s11 = fhalves(hy11 + ht3 + load<u32>(c, 92), ly11 + lt3 + load<u32>(c, 88)); }
    if (round == 4) {
      for (let r: usize = 0; r < 22; r++) {
      s0 = faddLazy(s0, load<u64>(ci + r * 8));
      let sl = (s1 & M) + (s2 & M) + (s3 & M) + (s4 & M) + (s5 & M) + (s6 & M) + (s7 & M) + (s8 & M) + (s9 & M) + (s10 & M) + (s11 & M);
      let sh = (s1 >> 32) + (s2 >> 32) + (s3 >> 32) + (s4 >> 32) + (s5 >> 32) + (s6 >> 32) + (s7 >> 32) + (s8 >> 32) + (s9 >> 32) + (s10 >> 32) + (s11 >> 32);
      { const q = fsquareLazy(s0), c = fmulLazy(q, s0); s0 = fmulLazy(fsquareLazy(q), c); }
      sl += s0 & M; sh += s0 >> 32;
      s0 = fhalves(sh + FOUR_H - (s0 >> 32) * 2, sl + FOUR_L - (s0 & M) * 2);
      s1 = fhalves(sh + (s1 >> 32), sl + (s1 & M));
      s2 = fhalves(sh + (s2 >> 32) * 2, sl + (s2 & M) * 2);
      s3 = fhalves2(sh, sl, fshift(s3, 1));
      s4 = fhalves(sh + (s4 >> 32) * 3, sl + (s4 & M) * 3);
      s5 = fhalves(sh + (s5 >> 32) * 4, sl + (s5 & M) * 4);
      s6 = fhalves2(sh, sl, P - fshift(s6, 1));
      s7 = fhalves(sh + FOUR_H - (s7 >> 32) * 3, sl + FOUR_L - (s7 & M) * 3);
      s8 = fhalves(sh + FOUR_H - (s8 >> 32) * 4, sl + FOUR_L - (s8 & M) * 4);
      s9 = fhalves2(sh, sl, fshift(s9, 2));
      s10 = fhalves2(sh, sl, P - fshift(s10, 2));
      s11 = fhalves2(sh, sl, fshift(s11, 3));
    }
      s0 = faddLazy(s0, load<u64>(ce, 864));
      s1 = faddLazy(s1, load<u64>(ce, 872));
      s2 = faddLazy(s2, load<u64>(ce, 880));
      s3 = faddLazy(s3, load<u64>(ce, 888));
      s4 = faddLazy(s4, load<u64>(ce, 896));
      s5 = faddLazy(s5, load<u64>(ce, 904));
      s6 = faddLazy(s6, load<u64>(ce, 912));
      s7 = faddLazy(s7, load<u64>(ce, 920));
      s8 = faddLazy(s8, load<u64>(ce, 928));
      s9 = faddLazy(s9, load<u64>(ce, 936));
      s10 = faddLazy(s10, load<u64>(ce, 944));
      s11 = faddLazy(s11, load<u64>(ce, 952));
    }
  }
  store<u64>(p, fcanon(s0), 0); store<u64>(p, fcanon(s1), 8); store<u64>(p, fcanon(s2), 16); store<u64>(p, fcanon(s3), 24); store<u64>(p, fcanon(s4), 32); store<u64>(p, fcanon(s5), 40); store<u64>(p, fcanon(s6), 48); store<u64>(p, fcanon(s7), 56); store<u64>(p, fcanon(s8), 64); store<u64>(p, fcanon(s9), 72); store<u64>(p, fcanon(s10), 80); store<u64>(p, fcanon(s11), 88);
}

/** Rows [lo, hi): state of 12 words per row, set to (0 x 8, domain, words, 0, 0). */
export function p2RowsInit(states: usize, domain: u64, words: u64, lo: u32, hi: u32): void {
  for (let j = lo; j < hi; j++) {
    const s = states + <usize>j * 96;
    memory.fill(s, 0, 96);
    store<u64>(s, domain, 64);
    store<u64>(s, words, 72);
  }
}

/** Absorbs count <= 8 words per row (overwriting the rate), word k of row j at cols + k * stride + j * step; then permutes. */
export function p2RowsAbsorb(states: usize, cols: usize, count: u32, stride: usize, step: usize, lo: u32, hi: u32): void {
  for (let j = lo; j < hi; j++) {
    const s = states + <usize>j * 96;
    for (let k: u32 = 0; k < count; k++) store<u64>(s + <usize>k * 8, load<u64>(cols + <usize>k * stride + <usize>j * step));
    poseidon2(s);
  }
}

/** Digest of row j: first four words of its state. */
export function p2RowsFinish(dst: usize, states: usize, lo: u32, hi: u32): void {
  for (let j = lo; j < hi; j++) memory.copy(dst + <usize>j * 32, states + <usize>j * 96, 32);
}

/** dst[j] = compress(src[2j], src[2j+1]); scratch of 96 bytes. */
export function p2Level(dst: usize, src: usize, scratch: usize, lo: u32, hi: u32): void {
  for (let j = lo; j < hi; j++) {
    const a = src + <usize>j * 64, d = dst + <usize>j * 32;
    store<u64>(scratch, load<u64>(a, 0), 0); store<u64>(scratch, load<u64>(a, 8), 8); store<u64>(scratch, load<u64>(a, 16), 16); store<u64>(scratch, load<u64>(a, 24), 24); store<u64>(scratch, load<u64>(a, 32), 32); store<u64>(scratch, load<u64>(a, 40), 40); store<u64>(scratch, load<u64>(a, 48), 48); store<u64>(scratch, load<u64>(a, 56), 56);
    store<u64>(scratch, 2, 64); store<u64>(scratch, 0, 72); store<u64>(scratch, 0, 80); store<u64>(scratch, 0, 88);
    poseidon2(scratch);
    store<u64>(d, load<u64>(scratch, 0), 0); store<u64>(d, load<u64>(scratch, 8), 8); store<u64>(d, load<u64>(scratch, 16), 16); store<u64>(d, load<u64>(scratch, 24), 24);
  }
}

/** First nonce in [from, to) whose permutation of state with nonce at word 0 has its first output word = 0 mod 2^bits; or -1. */
export function p2Grind(state: usize, scratch: usize, bits: u32, lo: u32, hi: u32): i32 {
  const mask: u64 = ((<u64>1) << bits) - 1;
  for (let n = lo; n < hi; n++) {
    memory.copy(scratch, state, 96);
    store<u64>(scratch, <u64>n);
    poseidon2(scratch);
    if ((load<u64>(scratch) & mask) == 0) return <i32>n;
  }
  return -1;
}

export function signedToField(dst: usize, src: usize, lo: u32, hi: u32): void {
  for (let j = lo; j < hi; j++) store<u64>(dst + <usize>j * 8, fsigned(load<i64>(src + <usize>j * 8)));
}
