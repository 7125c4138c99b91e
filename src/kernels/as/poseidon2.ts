// Written by scripts/gen-poseidon2.mjs. Poseidon2, Goldilocks, width 12, sponge rate 8; definitions in src/hash/spec.md.
import { EPS, fcanon } from './field';
const M: u64 = 0xffffffff;
// Lanes added by the external layers 0 .. 8, to word 0 by the internal rounds, to the others after the first and the last of these.
const EXTERNAL: StaticArray<u64> = [0x40ba214f47, 0x113dcf2f9, 0x40a1da6d84, 0x130b3b613, 0x40a6159b57, 0x11fc6346c, 0x404dc03467, 0x193745955, 0x40a7949925, 0x1edd2eeeb, 0x40e0e22f69, 0x1ede9afbc, 0x40bac9282e, 0x18515b995, 0x40e9e900d9, 0x16b5c0773, 0x40838c8a09, 0x11ec66327, 0x4080d1fbac, 0x19042363c, 0x404a3c379a, 0x140028315, 0x4066bca75f, 0x14a00bdc3, 0x4058e38180, 0x17913bead, 0x4032237d91, 0x1f545e844, 0x4036042006, 0x122f8cb46, 0x40247a2624, 0x16f0498cd, 0x40a37c38ce, 0x1fe22e83a, 0x405ffe2816, 0x1d20e3287, 0x404048fe74, 0x111722726, 0x4098a6b146, 0x14e9fb7a9, 0x402b8af08c, 0x1e0866be2, 0x4016884965, 0x100bbc738, 0x40990d7117, 0x17031c0ba, 0x40cf351090, 0x1240a9e46, 0x40a12244b4, 0x12e636364, 0x40d1b5011d, 0x15e1c3746, 0x402a196e8c, 0x1413265cd, 0x408d3d4328, 0x13a013b23, 0x409888ea44, 0x1f79839b3, 0x40bafe143a, 0x1fe85654d, 0x40a14240be, 0x1b68897e4, 0x405541382c, 0x15784531f, 0x40f6b63cea, 0x14508cd67, 0x4048684c92, 0x19c3ef317, 0x403c87178d, 0x10812bda1, 0x407f722c15, 0x1fe49634e, 0x40e885cbf6, 0x18e3f684b, 0x40f746a87e, 0x1b8e1106b, 0x403a6dabf0, 0x1b4b2e856, 0x40a3d462ed, 0x19e714c1c, 0x403d3d0c16, 0x16438f8c2, 0x40f1a2719a, 0x124312f3b, 0x4047acbf72, 0x123f8437a, 0x4034be9f02, 0x19183f0d9, 0x40b9d45dc0, 0x1839062ba, 0x406c2e43fb, 0x124b56e3d, 0x401c962a73, 0x1e1683d65, 0x401a19bfa8, 0x1a95c6356, 0x40a75d4317, 0x14adf83e9, 0x4000000001, 0xffffffbf, 0x4000000001, 0xffffffbf, 0x4000000001, 0xffffffbf, 0x4000000001, 0xffffffbf, 0x4000000001, 0xffffffbf, 0x4000000001, 0xffffffbf, 0x4000000001, 0xffffffbf, 0x4000000001, 0xffffffbf, 0x4000000001, 0xffffffbf, 0x4000000001, 0xffffffbf, 0x4000000001, 0xffffffbf, 0x40b38dfb8a, 0x17748ffb1, 0x40dd3b5d82, 0x16b99a635, 0x4027cf7c14, 0x1ac4bb785, 0x40e9e2f5bb, 0x1adb6eba4, 0x40afa24ae4, 0x12d33374b, 0x407543f8c3, 0x11e5b733f, 0x40bfebb110, 0x1092087d3, 0x40bb5b93de, 0x1782e6475, 0x40ac90b510, 0x1add5a44d, 0x40736ea4b2, 0x1add4c50b, 0x40ed817fd9, 0x1d58dbb45, 0x4033f34dde, 0x16d5ed164, 0x40e36b7cba, 0x128686a62, 0x4076689f37, 0x1591abcf3, 0x4078f13876, 0x1047d7625, 0x40625f5b4a, 0x1a2a110d1, 0x40f8304959, 0x121fd1062, 0x40443b0281, 0x1f9b406d0, 0x40b2bde88f, 0x1d2697e77, 0x4051731b40, 0x1349378ca, 0x4073764024, 0x111caf99c, 0x402878164f, 0x17acfb8b6, 0x4023cefc27, 0x1744ec49a, 0x40422c6341, 0x11e00e54e, 0x4006a62ddb, 0x121dd2898, 0x405f465b60, 0x1f32a466a, 0x401f3f7e6c, 0x1bfce12df, 0x40db5304e3, 0x1f30d2e39, 0x40abad48ea, 0x1ecdf4ea3, 0x402d39501a, 0x1f94e81d7, 0x4044d887c6, 0x14ee52df6, 0x40ac0083b3, 0x1a1341c3b, 0x40c30c834b, 0x12302fae5, 0x40273bf7d4, 0x1aea3c546, 0x4061823ec8, 0x1f798e208, 0x40e9a2cd95, 0x1962deb62, 0x4000000001, 0xffffffbf, 0x4000000001, 0xffffffbf, 0x4000000001, 0xffffffbf, 0x4000000001, 0xffffffbf, 0x4000000001, 0xffffffbf, 0x4000000001, 0xffffffbf, 0x4000000001, 0xffffffbf, 0x4000000001, 0xffffffbf, 0x4000000001, 0xffffffbf, 0x4000000001, 0xffffffbf, 0x4000000001, 0xffffffbf, 0x4000000001, 0xffffffbf];
const FIRST: StaticArray<u64> = [0x8aa4ab4f3, 0x8f8fbb861, 0x8b2dd6af3, 0x868e85b5e, 0x82d270388, 0x807a0b05b, 0x8bd282dec, 0x8d94e0218, 0x8250c5280, 0x88bdd91c3, 0x88bba7797, 0x8209c68a8, 0x8b77f387f, 0x8b5e18cca, 0x808da9402, 0x8b296a3d8, 0x8a11a3286, 0x88370ecad, 0x83775dae0, 0x83f907518, 0x823c6aa8c, 0x8b78095ab, 0x872ad4e67, 0x83f36b9ee, 0x80b10b55b, 0x869bc9668, 0x82eb7b889, 0x83f1d340f, 0x815838820, 0x84e939e88, 0x8e2a3160c, 0x8da366b2a, 0x87287d511, 0x8bc89db0e, 0x8f9ef5661, 0x86102f401, 0x87ac1f0b3, 0x858725c4e, 0x8798883ef, 0x80df5855c, 0x8da4c9623, 0x8f7bb6298, 0x84882a255, 0x8c68be7b9];
const OTHERS: StaticArray<u64> = [0x1, 0xffffffff, 0x1, 0xffffffff, 0x1, 0xffffffff, 0x1, 0xffffffff, 0x1, 0xffffffff, 0x1, 0xffffffff, 0x1, 0xffffffff, 0x1, 0xffffffff, 0x1, 0xffffffff, 0x1, 0xffffffff, 0x1, 0xffffffff, 0x1, 0xffffffff, 0x4882a24e, 0x1c68be7c8, 0x5cdaedda, 0x1af996d5c, 0xe7daf6a6, 0x19717f024, 0x6e7216f5, 0x16436679d, 0x47af268, 0x18a223d98, 0xa133ba9b, 0x1bb512e34, 0x7671aa04, 0x1fbbf4408, 0xf6811e62, 0x1f04058ea, 0x3fac7ffc, 0x15cca846f, 0x5de646a0, 0x19b55c793, 0x808e9350, 0x18e05bf08, 0x876307d8, 0x12ea900dd];

// Lanes 0 <= h < 2^40, 0 <= l < 2^41 to 64 bits. The last carry is as rare as 2^-23; the store keeps its branch a branch.
// @ts-ignore: decorator
@inline function carry(h: i64, l: i64): u64 {
  const t = <u64>l + (<u64>h >> 32) * EPS;
  let r = (<u64>h << 32) + t;
  if (r < t) { r += EPS; store<u32>(8, 0); }
  return r;
}
// Lanes of at most 2^57 in magnitude, plus the lanes at c.
// @ts-ignore: decorator
@inline function carryWide(h: i64, l: i64, c: usize): u64 {
  const top = h >> 32, x = l - top;
  return carry((h & <i64>M) + top + (x >> 32) + load<i64>(c, 8), (x & <i64>M) + load<i64>(c));
}

/** In place on twelve words; accepts any representatives, leaves canonical ones. */
export function poseidon2(p: usize): void {
  let c = changetype<usize>(EXTERNAL), ci = changetype<usize>(FIRST), cn = changetype<usize>(OTHERS);
  let s0 = load<u64>(p, 0); let s1 = load<u64>(p, 8); let s2 = load<u64>(p, 16); let s3 = load<u64>(p, 24); let s4 = load<u64>(p, 32); let s5 = load<u64>(p, 40); let s6 = load<u64>(p, 48); let s7 = load<u64>(p, 56); let s8 = load<u64>(p, 64); let s9 = load<u64>(p, 72); let s10 = load<u64>(p, 80); let s11 = load<u64>(p, 88);
  let L0 = <i64>(s0 & M), H0 = <i64>(s0 >> 32); let L1 = <i64>(s1 & M), H1 = <i64>(s1 >> 32); let L2 = <i64>(s2 & M), H2 = <i64>(s2 >> 32); let L3 = <i64>(s3 & M), H3 = <i64>(s3 >> 32); let L4 = <i64>(s4 & M), H4 = <i64>(s4 >> 32); let L5 = <i64>(s5 & M), H5 = <i64>(s5 >> 32); let L6 = <i64>(s6 & M), H6 = <i64>(s6 >> 32); let L7 = <i64>(s7 & M), H7 = <i64>(s7 >> 32); let L8 = <i64>(s8 & M), H8 = <i64>(s8 >> 32); let L9 = <i64>(s9 & M), H9 = <i64>(s9 >> 32); let L10 = <i64>(s10 & M), H10 = <i64>(s10 >> 32); let L11 = <i64>(s11 & M), H11 = <i64>(s11 >> 32);
  for (let round = 0; ; round++) {
    { const Lp0 = L0 + L1, Lq0 = L2 + L3, Lr0 = Lp0 + Lq0, Lu0 = Lr0 + L1, Lv0 = Lr0 + L3;
      const Ly0 = Lu0 + Lp0, Ly1 = Lu0 + (L2 << 1), Ly2 = Lv0 + Lq0, Ly3 = Lv0 + (L0 << 1);
      const Lp4 = L4 + L5, Lq4 = L6 + L7, Lr4 = Lp4 + Lq4, Lu4 = Lr4 + L5, Lv4 = Lr4 + L7;
      const Ly4 = Lu4 + Lp4, Ly5 = Lu4 + (L6 << 1), Ly6 = Lv4 + Lq4, Ly7 = Lv4 + (L4 << 1);
      const Lp8 = L8 + L9, Lq8 = L10 + L11, Lr8 = Lp8 + Lq8, Lu8 = Lr8 + L9, Lv8 = Lr8 + L11;
      const Ly8 = Lu8 + Lp8, Ly9 = Lu8 + (L10 << 1), Ly10 = Lv8 + Lq8, Ly11 = Lv8 + (L8 << 1);
      const Lt0 = Ly0 + Ly4 + Ly8;
      const Lt1 = Ly1 + Ly5 + Ly9;
      const Lt2 = Ly2 + Ly6 + Ly10;
      const Lt3 = Ly3 + Ly7 + Ly11;
      const Hp0 = H0 + H1, Hq0 = H2 + H3, Hr0 = Hp0 + Hq0, Hu0 = Hr0 + H1, Hv0 = Hr0 + H3;
      const Hy0 = Hu0 + Hp0, Hy1 = Hu0 + (H2 << 1), Hy2 = Hv0 + Hq0, Hy3 = Hv0 + (H0 << 1);
      const Hp4 = H4 + H5, Hq4 = H6 + H7, Hr4 = Hp4 + Hq4, Hu4 = Hr4 + H5, Hv4 = Hr4 + H7;
      const Hy4 = Hu4 + Hp4, Hy5 = Hu4 + (H6 << 1), Hy6 = Hv4 + Hq4, Hy7 = Hv4 + (H4 << 1);
      const Hp8 = H8 + H9, Hq8 = H10 + H11, Hr8 = Hp8 + Hq8, Hu8 = Hr8 + H9, Hv8 = Hr8 + H11;
      const Hy8 = Hu8 + Hp8, Hy9 = Hu8 + (H10 << 1), Hy10 = Hv8 + Hq8, Hy11 = Hv8 + (H8 << 1);
      const Ht0 = Hy0 + Hy4 + Hy8;
      const Ht1 = Hy1 + Hy5 + Hy9;
      const Ht2 = Hy2 + Hy6 + Hy10;
      const Ht3 = Hy3 + Hy7 + Hy11;
      s0 = carry(Hy0 + Ht0 + load<i64>(c, 8), Ly0 + Lt0 + load<i64>(c, 0));
      s1 = carry(Hy1 + Ht1 + load<i64>(c, 24), Ly1 + Lt1 + load<i64>(c, 16));
      s2 = carry(Hy2 + Ht2 + load<i64>(c, 40), Ly2 + Lt2 + load<i64>(c, 32));
      s3 = carry(Hy3 + Ht3 + load<i64>(c, 56), Ly3 + Lt3 + load<i64>(c, 48));
      s4 = carry(Hy4 + Ht0 + load<i64>(c, 72), Ly4 + Lt0 + load<i64>(c, 64));
      s5 = carry(Hy5 + Ht1 + load<i64>(c, 88), Ly5 + Lt1 + load<i64>(c, 80));
      s6 = carry(Hy6 + Ht2 + load<i64>(c, 104), Ly6 + Lt2 + load<i64>(c, 96));
      s7 = carry(Hy7 + Ht3 + load<i64>(c, 120), Ly7 + Lt3 + load<i64>(c, 112));
      s8 = carry(Hy8 + Ht0 + load<i64>(c, 136), Ly8 + Lt0 + load<i64>(c, 128));
      s9 = carry(Hy9 + Ht1 + load<i64>(c, 152), Ly9 + Lt1 + load<i64>(c, 144));
      s10 = carry(Hy10 + Ht2 + load<i64>(c, 168), Ly10 + Lt2 + load<i64>(c, 160));
      s11 = carry(Hy11 + Ht3 + load<i64>(c, 184), Ly11 + Lt3 + load<i64>(c, 176)); }
    c += 192;
    if (round == 8) break;
    if (round == 4) {
      for (let part = 0; part < 2; part++) {
        let L1 = <i64>(s1 & M), H1 = <i64>(s1 >> 32); let L2 = <i64>(s2 & M), H2 = <i64>(s2 >> 32); let L3 = <i64>(s3 & M), H3 = <i64>(s3 >> 32); let L4 = <i64>(s4 & M), H4 = <i64>(s4 >> 32); let L5 = <i64>(s5 & M), H5 = <i64>(s5 >> 32); let L6 = <i64>(s6 & M), H6 = <i64>(s6 >> 32); let L7 = <i64>(s7 & M), H7 = <i64>(s7 >> 32); let L8 = <i64>(s8 & M), H8 = <i64>(s8 >> 32); let L9 = <i64>(s9 & M), H9 = <i64>(s9 >> 32); let L10 = <i64>(s10 & M), H10 = <i64>(s10 >> 32); let L11 = <i64>(s11 & M), H11 = <i64>(s11 >> 32);
        for (const end = ci + 176; ci < end; ci += 16) {
          let SL: i64 = L1 + L2 + L3 + L4 + L5 + L6 + L7 + L8 + L9 + L10 + L11, SH: i64 = H1 + H2 + H3 + H4 + H5 + H6 + H7 + H8 + H9 + H10 + H11, l: i64, h: i64;
          { const p1 = (s0 & M) * (s0 & M), x1 = (s0 & M) * (s0 >> 32), m1 = x1 + (p1 >> 32), n1 = x1 + (m1 & M), h1 = (s0 >> 32) * (s0 >> 32) + (m1 >> 32) + (n1 >> 32); const w1 = s0 * s0; let t1 = w1 - (h1 >> 32); if (w1 < (h1 >> 32)) { t1 -= EPS; store<u32>(8, 0); }
      const u1 = ((h1 & M) << 32) - (h1 & M), v1 = t1 + u1, q = select<u64>(v1 + EPS, v1, v1 < u1);
      const p2 = (q & M) * (s0 & M), m2 = (q >> 32) * (s0 & M) + (p2 >> 32), n2 = (q & M) * (s0 >> 32) + (m2 & M), h2 = (q >> 32) * (s0 >> 32) + (m2 >> 32) + (n2 >> 32); const w2 = q * s0; let t2 = w2 - (h2 >> 32); if (w2 < (h2 >> 32)) { t2 -= EPS; store<u32>(8, 0); }
      const u2 = ((h2 & M) << 32) - (h2 & M), v2 = t2 + u2, c = select<u64>(v2 + EPS, v2, v2 < u2);
      const p3 = (q & M) * (q & M), x3 = (q & M) * (q >> 32), m3 = x3 + (p3 >> 32), n3 = x3 + (m3 & M), h3 = (q >> 32) * (q >> 32) + (m3 >> 32) + (n3 >> 32); const w3 = q * q; let t3 = w3 - (h3 >> 32); if (w3 < (h3 >> 32)) { t3 -= EPS; store<u32>(8, 0); }
      const u3 = ((h3 & M) << 32) - (h3 & M), v3 = t3 + u3, d = select<u64>(v3 + EPS, v3, v3 < u3);
      const p0 = (d & M) * (c & M), m0 = (d >> 32) * (c & M) + (p0 >> 32), n0 = (d & M) * (c >> 32) + (m0 & M), h0 = (d >> 32) * (c >> 32) + (m0 >> 32) + (n0 >> 32); l = <i64>((p0 & M) - (h0 & M) - (h0 >> 32)); h = <i64>((n0 & M) + (h0 & M)); }
          SL += l; SH += h;
          const top = SH >> 32;
          SL -= top; SH = (SH & <i64>M) + top + (SL >> 32); SL &= <i64>M;
          s0 = carry(SH - (h << 1) + load<i64>(ci, 8), SL - (l << 1) + load<i64>(ci));
          L1 = SL + L1; H1 = SH + H1;
          L2 = SL + (L2 << 1); H2 = SH + (H2 << 1);
          { const j = (L3 & 1) << 31, i = (H3 & 1) << 31; L3 = SL + (L3 >> 1) + j + i; H3 = SH + (H3 >> 1) - j; }
          L4 = SL + (L4 * 3); H4 = SH + (H4 * 3);
          L5 = SL + (L5 << 2); H5 = SH + (H5 << 2);
          { const j = (L6 & 1) << 31, i = (H6 & 1) << 31; L6 = SL - (L6 >> 1) - j - i; H6 = SH - (H6 >> 1) + j; }
          L7 = SL - (L7 * 3); H7 = SH - (H7 * 3);
          L8 = SL - (L8 << 2); H8 = SH - (H8 << 2);
          { const j = (L9 & 3) << 30, i = (H9 & 3) << 30; L9 = SL + (L9 >> 2) + j + i; H9 = SH + (H9 >> 2) - j; }
          { const j = (L10 & 3) << 30, i = (H10 & 3) << 30; L10 = SL - (L10 >> 2) - j - i; H10 = SH - (H10 >> 2) + j; }
          { const j = (L11 & 7) << 29, i = (H11 & 7) << 29; L11 = SL + (L11 >> 3) + j + i; H11 = SH + (H11 >> 3) - j; }
        }
        s1 = carryWide(H1, L1, cn + 16);
        s2 = carryWide(H2, L2, cn + 32);
        s3 = carryWide(H3, L3, cn + 48);
        s4 = carryWide(H4, L4, cn + 64);
        s5 = carryWide(H5, L5, cn + 80);
        s6 = carryWide(H6, L6, cn + 96);
        s7 = carryWide(H7, L7, cn + 112);
        s8 = carryWide(H8, L8, cn + 128);
        s9 = carryWide(H9, L9, cn + 144);
        s10 = carryWide(H10, L10, cn + 160);
        s11 = carryWide(H11, L11, cn + 176);
        cn += 192;
      }
    }
    { const p5 = (s0 & M) * (s0 & M), x5 = (s0 & M) * (s0 >> 32), m5 = x5 + (p5 >> 32), n5 = x5 + (m5 & M), h5 = (s0 >> 32) * (s0 >> 32) + (m5 >> 32) + (n5 >> 32); const w5 = s0 * s0; let t5 = w5 - (h5 >> 32); if (w5 < (h5 >> 32)) { t5 -= EPS; store<u32>(8, 0); }
      const u5 = ((h5 & M) << 32) - (h5 & M), v5 = t5 + u5, q = select<u64>(v5 + EPS, v5, v5 < u5);
      const p6 = (q & M) * (s0 & M), m6 = (q >> 32) * (s0 & M) + (p6 >> 32), n6 = (q & M) * (s0 >> 32) + (m6 & M), h6 = (q >> 32) * (s0 >> 32) + (m6 >> 32) + (n6 >> 32); const w6 = q * s0; let t6 = w6 - (h6 >> 32); if (w6 < (h6 >> 32)) { t6 -= EPS; store<u32>(8, 0); }
      const u6 = ((h6 & M) << 32) - (h6 & M), v6 = t6 + u6, c = select<u64>(v6 + EPS, v6, v6 < u6);
      const p7 = (q & M) * (q & M), x7 = (q & M) * (q >> 32), m7 = x7 + (p7 >> 32), n7 = x7 + (m7 & M), h7 = (q >> 32) * (q >> 32) + (m7 >> 32) + (n7 >> 32); const w7 = q * q; let t7 = w7 - (h7 >> 32); if (w7 < (h7 >> 32)) { t7 -= EPS; store<u32>(8, 0); }
      const u7 = ((h7 & M) << 32) - (h7 & M), v7 = t7 + u7, d = select<u64>(v7 + EPS, v7, v7 < u7);
      const p4 = (d & M) * (c & M), m4 = (d >> 32) * (c & M) + (p4 >> 32), n4 = (d & M) * (c >> 32) + (m4 & M), h4 = (d >> 32) * (c >> 32) + (m4 >> 32) + (n4 >> 32); L0 = <i64>((p4 & M) - (h4 & M) - (h4 >> 32)); H0 = <i64>((n4 & M) + (h4 & M)); }
    { const p9 = (s1 & M) * (s1 & M), x9 = (s1 & M) * (s1 >> 32), m9 = x9 + (p9 >> 32), n9 = x9 + (m9 & M), h9 = (s1 >> 32) * (s1 >> 32) + (m9 >> 32) + (n9 >> 32); const w9 = s1 * s1; let t9 = w9 - (h9 >> 32); if (w9 < (h9 >> 32)) { t9 -= EPS; store<u32>(8, 0); }
      const u9 = ((h9 & M) << 32) - (h9 & M), v9 = t9 + u9, q = select<u64>(v9 + EPS, v9, v9 < u9);
      const p10 = (q & M) * (s1 & M), m10 = (q >> 32) * (s1 & M) + (p10 >> 32), n10 = (q & M) * (s1 >> 32) + (m10 & M), h10 = (q >> 32) * (s1 >> 32) + (m10 >> 32) + (n10 >> 32); const w10 = q * s1; let t10 = w10 - (h10 >> 32); if (w10 < (h10 >> 32)) { t10 -= EPS; store<u32>(8, 0); }
      const u10 = ((h10 & M) << 32) - (h10 & M), v10 = t10 + u10, c = select<u64>(v10 + EPS, v10, v10 < u10);
      const p11 = (q & M) * (q & M), x11 = (q & M) * (q >> 32), m11 = x11 + (p11 >> 32), n11 = x11 + (m11 & M), h11 = (q >> 32) * (q >> 32) + (m11 >> 32) + (n11 >> 32); const w11 = q * q; let t11 = w11 - (h11 >> 32); if (w11 < (h11 >> 32)) { t11 -= EPS; store<u32>(8, 0); }
      const u11 = ((h11 & M) << 32) - (h11 & M), v11 = t11 + u11, d = select<u64>(v11 + EPS, v11, v11 < u11);
      const p8 = (d & M) * (c & M), m8 = (d >> 32) * (c & M) + (p8 >> 32), n8 = (d & M) * (c >> 32) + (m8 & M), h8 = (d >> 32) * (c >> 32) + (m8 >> 32) + (n8 >> 32); L1 = <i64>((p8 & M) - (h8 & M) - (h8 >> 32)); H1 = <i64>((n8 & M) + (h8 & M)); }
    { const p13 = (s2 & M) * (s2 & M), x13 = (s2 & M) * (s2 >> 32), m13 = x13 + (p13 >> 32), n13 = x13 + (m13 & M), h13 = (s2 >> 32) * (s2 >> 32) + (m13 >> 32) + (n13 >> 32); const w13 = s2 * s2; let t13 = w13 - (h13 >> 32); if (w13 < (h13 >> 32)) { t13 -= EPS; store<u32>(8, 0); }
      const u13 = ((h13 & M) << 32) - (h13 & M), v13 = t13 + u13, q = select<u64>(v13 + EPS, v13, v13 < u13);
      const p14 = (q & M) * (s2 & M), m14 = (q >> 32) * (s2 & M) + (p14 >> 32), n14 = (q & M) * (s2 >> 32) + (m14 & M), h14 = (q >> 32) * (s2 >> 32) + (m14 >> 32) + (n14 >> 32); const w14 = q * s2; let t14 = w14 - (h14 >> 32); if (w14 < (h14 >> 32)) { t14 -= EPS; store<u32>(8, 0); }
      const u14 = ((h14 & M) << 32) - (h14 & M), v14 = t14 + u14, c = select<u64>(v14 + EPS, v14, v14 < u14);
      const p15 = (q & M) * (q & M), x15 = (q & M) * (q >> 32), m15 = x15 + (p15 >> 32), n15 = x15 + (m15 & M), h15 = (q >> 32) * (q >> 32) + (m15 >> 32) + (n15 >> 32); const w15 = q * q; let t15 = w15 - (h15 >> 32); if (w15 < (h15 >> 32)) { t15 -= EPS; store<u32>(8, 0); }
      const u15 = ((h15 & M) << 32) - (h15 & M), v15 = t15 + u15, d = select<u64>(v15 + EPS, v15, v15 < u15);
      const p12 = (d & M) * (c & M), m12 = (d >> 32) * (c & M) + (p12 >> 32), n12 = (d & M) * (c >> 32) + (m12 & M), h12 = (d >> 32) * (c >> 32) + (m12 >> 32) + (n12 >> 32); L2 = <i64>((p12 & M) - (h12 & M) - (h12 >> 32)); H2 = <i64>((n12 & M) + (h12 & M)); }
    { const p17 = (s3 & M) * (s3 & M), x17 = (s3 & M) * (s3 >> 32), m17 = x17 + (p17 >> 32), n17 = x17 + (m17 & M), h17 = (s3 >> 32) * (s3 >> 32) + (m17 >> 32) + (n17 >> 32); const w17 = s3 * s3; let t17 = w17 - (h17 >> 32); if (w17 < (h17 >> 32)) { t17 -= EPS; store<u32>(8, 0); }
      const u17 = ((h17 & M) << 32) - (h17 & M), v17 = t17 + u17, q = select<u64>(v17 + EPS, v17, v17 < u17);
      const p18 = (q & M) * (s3 & M), m18 = (q >> 32) * (s3 & M) + (p18 >> 32), n18 = (q & M) * (s3 >> 32) + (m18 & M), h18 = (q >> 32) * (s3 >> 32) + (m18 >> 32) + (n18 >> 32); const w18 = q * s3; let t18 = w18 - (h18 >> 32); if (w18 < (h18 >> 32)) { t18 -= EPS; store<u32>(8, 0); }
      const u18 = ((h18 & M) << 32) - (h18 & M), v18 = t18 + u18, c = select<u64>(v18 + EPS, v18, v18 < u18);
      const p19 = (q & M) * (q & M), x19 = (q & M) * (q >> 32), m19 = x19 + (p19 >> 32), n19 = x19 + (m19 & M), h19 = (q >> 32) * (q >> 32) + (m19 >> 32) + (n19 >> 32); const w19 = q * q; let t19 = w19 - (h19 >> 32); if (w19 < (h19 >> 32)) { t19 -= EPS; store<u32>(8, 0); }
      const u19 = ((h19 & M) << 32) - (h19 & M), v19 = t19 + u19, d = select<u64>(v19 + EPS, v19, v19 < u19);
      const p16 = (d & M) * (c & M), m16 = (d >> 32) * (c & M) + (p16 >> 32), n16 = (d & M) * (c >> 32) + (m16 & M), h16 = (d >> 32) * (c >> 32) + (m16 >> 32) + (n16 >> 32); L3 = <i64>((p16 & M) - (h16 & M) - (h16 >> 32)); H3 = <i64>((n16 & M) + (h16 & M)); }
    { const p21 = (s4 & M) * (s4 & M), x21 = (s4 & M) * (s4 >> 32), m21 = x21 + (p21 >> 32), n21 = x21 + (m21 & M), h21 = (s4 >> 32) * (s4 >> 32) + (m21 >> 32) + (n21 >> 32); const w21 = s4 * s4; let t21 = w21 - (h21 >> 32); if (w21 < (h21 >> 32)) { t21 -= EPS; store<u32>(8, 0); }
      const u21 = ((h21 & M) << 32) - (h21 & M), v21 = t21 + u21, q = select<u64>(v21 + EPS, v21, v21 < u21);
      const p22 = (q & M) * (s4 & M), m22 = (q >> 32) * (s4 & M) + (p22 >> 32), n22 = (q & M) * (s4 >> 32) + (m22 & M), h22 = (q >> 32) * (s4 >> 32) + (m22 >> 32) + (n22 >> 32); const w22 = q * s4; let t22 = w22 - (h22 >> 32); if (w22 < (h22 >> 32)) { t22 -= EPS; store<u32>(8, 0); }
      const u22 = ((h22 & M) << 32) - (h22 & M), v22 = t22 + u22, c = select<u64>(v22 + EPS, v22, v22 < u22);
      const p23 = (q & M) * (q & M), x23 = (q & M) * (q >> 32), m23 = x23 + (p23 >> 32), n23 = x23 + (m23 & M), h23 = (q >> 32) * (q >> 32) + (m23 >> 32) + (n23 >> 32); const w23 = q * q; let t23 = w23 - (h23 >> 32); if (w23 < (h23 >> 32)) { t23 -= EPS; store<u32>(8, 0); }
      const u23 = ((h23 & M) << 32) - (h23 & M), v23 = t23 + u23, d = select<u64>(v23 + EPS, v23, v23 < u23);
      const p20 = (d & M) * (c & M), m20 = (d >> 32) * (c & M) + (p20 >> 32), n20 = (d & M) * (c >> 32) + (m20 & M), h20 = (d >> 32) * (c >> 32) + (m20 >> 32) + (n20 >> 32); L4 = <i64>((p20 & M) - (h20 & M) - (h20 >> 32)); H4 = <i64>((n20 & M) + (h20 & M)); }
    { const p25 = (s5 & M) * (s5 & M), x25 = (s5 & M) * (s5 >> 32), m25 = x25 + (p25 >> 32), n25 = x25 + (m25 & M), h25 = (s5 >> 32) * (s5 >> 32) + (m25 >> 32) + (n25 >> 32); const w25 = s5 * s5; let t25 = w25 - (h25 >> 32); if (w25 < (h25 >> 32)) { t25 -= EPS; store<u32>(8, 0); }
      const u25 = ((h25 & M) << 32) - (h25 & M), v25 = t25 + u25, q = select<u64>(v25 + EPS, v25, v25 < u25);
      const p26 = (q & M) * (s5 & M), m26 = (q >> 32) * (s5 & M) + (p26 >> 32), n26 = (q & M) * (s5 >> 32) + (m26 & M), h26 = (q >> 32) * (s5 >> 32) + (m26 >> 32) + (n26 >> 32); const w26 = q * s5; let t26 = w26 - (h26 >> 32); if (w26 < (h26 >> 32)) { t26 -= EPS; store<u32>(8, 0); }
      const u26 = ((h26 & M) << 32) - (h26 & M), v26 = t26 + u26, c = select<u64>(v26 + EPS, v26, v26 < u26);
      const p27 = (q & M) * (q & M), x27 = (q & M) * (q >> 32), m27 = x27 + (p27 >> 32), n27 = x27 + (m27 & M), h27 = (q >> 32) * (q >> 32) + (m27 >> 32) + (n27 >> 32); const w27 = q * q; let t27 = w27 - (h27 >> 32); if (w27 < (h27 >> 32)) { t27 -= EPS; store<u32>(8, 0); }
      const u27 = ((h27 & M) << 32) - (h27 & M), v27 = t27 + u27, d = select<u64>(v27 + EPS, v27, v27 < u27);
      const p24 = (d & M) * (c & M), m24 = (d >> 32) * (c & M) + (p24 >> 32), n24 = (d & M) * (c >> 32) + (m24 & M), h24 = (d >> 32) * (c >> 32) + (m24 >> 32) + (n24 >> 32); L5 = <i64>((p24 & M) - (h24 & M) - (h24 >> 32)); H5 = <i64>((n24 & M) + (h24 & M)); }
    { const p29 = (s6 & M) * (s6 & M), x29 = (s6 & M) * (s6 >> 32), m29 = x29 + (p29 >> 32), n29 = x29 + (m29 & M), h29 = (s6 >> 32) * (s6 >> 32) + (m29 >> 32) + (n29 >> 32); const w29 = s6 * s6; let t29 = w29 - (h29 >> 32); if (w29 < (h29 >> 32)) { t29 -= EPS; store<u32>(8, 0); }
      const u29 = ((h29 & M) << 32) - (h29 & M), v29 = t29 + u29, q = select<u64>(v29 + EPS, v29, v29 < u29);
      const p30 = (q & M) * (s6 & M), m30 = (q >> 32) * (s6 & M) + (p30 >> 32), n30 = (q & M) * (s6 >> 32) + (m30 & M), h30 = (q >> 32) * (s6 >> 32) + (m30 >> 32) + (n30 >> 32); const w30 = q * s6; let t30 = w30 - (h30 >> 32); if (w30 < (h30 >> 32)) { t30 -= EPS; store<u32>(8, 0); }
      const u30 = ((h30 & M) << 32) - (h30 & M), v30 = t30 + u30, c = select<u64>(v30 + EPS, v30, v30 < u30);
      const p31 = (q & M) * (q & M), x31 = (q & M) * (q >> 32), m31 = x31 + (p31 >> 32), n31 = x31 + (m31 & M), h31 = (q >> 32) * (q >> 32) + (m31 >> 32) + (n31 >> 32); const w31 = q * q; let t31 = w31 - (h31 >> 32); if (w31 < (h31 >> 32)) { t31 -= EPS; store<u32>(8, 0); }
      const u31 = ((h31 & M) << 32) - (h31 & M), v31 = t31 + u31, d = select<u64>(v31 + EPS, v31, v31 < u31);
      const p28 = (d & M) * (c & M), m28 = (d >> 32) * (c & M) + (p28 >> 32), n28 = (d & M) * (c >> 32) + (m28 & M), h28 = (d >> 32) * (c >> 32) + (m28 >> 32) + (n28 >> 32); L6 = <i64>((p28 & M) - (h28 & M) - (h28 >> 32)); H6 = <i64>((n28 & M) + (h28 & M)); }
    { const p33 = (s7 & M) * (s7 & M), x33 = (s7 & M) * (s7 >> 32), m33 = x33 + (p33 >> 32), n33 = x33 + (m33 & M), h33 = (s7 >> 32) * (s7 >> 32) + (m33 >> 32) + (n33 >> 32); const w33 = s7 * s7; let t33 = w33 - (h33 >> 32); if (w33 < (h33 >> 32)) { t33 -= EPS; store<u32>(8, 0); }
      const u33 = ((h33 & M) << 32) - (h33 & M), v33 = t33 + u33, q = select<u64>(v33 + EPS, v33, v33 < u33);
      const p34 = (q & M) * (s7 & M), m34 = (q >> 32) * (s7 & M) + (p34 >> 32), n34 = (q & M) * (s7 >> 32) + (m34 & M), h34 = (q >> 32) * (s7 >> 32) + (m34 >> 32) + (n34 >> 32); const w34 = q * s7; let t34 = w34 - (h34 >> 32); if (w34 < (h34 >> 32)) { t34 -= EPS; store<u32>(8, 0); }
      const u34 = ((h34 & M) << 32) - (h34 & M), v34 = t34 + u34, c = select<u64>(v34 + EPS, v34, v34 < u34);
      const p35 = (q & M) * (q & M), x35 = (q & M) * (q >> 32), m35 = x35 + (p35 >> 32), n35 = x35 + (m35 & M), h35 = (q >> 32) * (q >> 32) + (m35 >> 32) + (n35 >> 32); const w35 = q * q; let t35 = w35 - (h35 >> 32); if (w35 < (h35 >> 32)) { t35 -= EPS; store<u32>(8, 0); }
      const u35 = ((h35 & M) << 32) - (h35 & M), v35 = t35 + u35, d = select<u64>(v35 + EPS, v35, v35 < u35);
      const p32 = (d & M) * (c & M), m32 = (d >> 32) * (c & M) + (p32 >> 32), n32 = (d & M) * (c >> 32) + (m32 & M), h32 = (d >> 32) * (c >> 32) + (m32 >> 32) + (n32 >> 32); L7 = <i64>((p32 & M) - (h32 & M) - (h32 >> 32)); H7 = <i64>((n32 & M) + (h32 & M)); }
    { const p37 = (s8 & M) * (s8 & M), x37 = (s8 & M) * (s8 >> 32), m37 = x37 + (p37 >> 32), n37 = x37 + (m37 & M), h37 = (s8 >> 32) * (s8 >> 32) + (m37 >> 32) + (n37 >> 32); const w37 = s8 * s8; let t37 = w37 - (h37 >> 32); if (w37 < (h37 >> 32)) { t37 -= EPS; store<u32>(8, 0); }
      const u37 = ((h37 & M) << 32) - (h37 & M), v37 = t37 + u37, q = select<u64>(v37 + EPS, v37, v37 < u37);
      const p38 = (q & M) * (s8 & M), m38 = (q >> 32) * (s8 & M) + (p38 >> 32), n38 = (q & M) * (s8 >> 32) + (m38 & M), h38 = (q >> 32) * (s8 >> 32) + (m38 >> 32) + (n38 >> 32); const w38 = q * s8; let t38 = w38 - (h38 >> 32); if (w38 < (h38 >> 32)) { t38 -= EPS; store<u32>(8, 0); }
      const u38 = ((h38 & M) << 32) - (h38 & M), v38 = t38 + u38, c = select<u64>(v38 + EPS, v38, v38 < u38);
      const p39 = (q & M) * (q & M), x39 = (q & M) * (q >> 32), m39 = x39 + (p39 >> 32), n39 = x39 + (m39 & M), h39 = (q >> 32) * (q >> 32) + (m39 >> 32) + (n39 >> 32); const w39 = q * q; let t39 = w39 - (h39 >> 32); if (w39 < (h39 >> 32)) { t39 -= EPS; store<u32>(8, 0); }
      const u39 = ((h39 & M) << 32) - (h39 & M), v39 = t39 + u39, d = select<u64>(v39 + EPS, v39, v39 < u39);
      const p36 = (d & M) * (c & M), m36 = (d >> 32) * (c & M) + (p36 >> 32), n36 = (d & M) * (c >> 32) + (m36 & M), h36 = (d >> 32) * (c >> 32) + (m36 >> 32) + (n36 >> 32); L8 = <i64>((p36 & M) - (h36 & M) - (h36 >> 32)); H8 = <i64>((n36 & M) + (h36 & M)); }
    { const p41 = (s9 & M) * (s9 & M), x41 = (s9 & M) * (s9 >> 32), m41 = x41 + (p41 >> 32), n41 = x41 + (m41 & M), h41 = (s9 >> 32) * (s9 >> 32) + (m41 >> 32) + (n41 >> 32); const w41 = s9 * s9; let t41 = w41 - (h41 >> 32); if (w41 < (h41 >> 32)) { t41 -= EPS; store<u32>(8, 0); }
      const u41 = ((h41 & M) << 32) - (h41 & M), v41 = t41 + u41, q = select<u64>(v41 + EPS, v41, v41 < u41);
      const p42 = (q & M) * (s9 & M), m42 = (q >> 32) * (s9 & M) + (p42 >> 32), n42 = (q & M) * (s9 >> 32) + (m42 & M), h42 = (q >> 32) * (s9 >> 32) + (m42 >> 32) + (n42 >> 32); const w42 = q * s9; let t42 = w42 - (h42 >> 32); if (w42 < (h42 >> 32)) { t42 -= EPS; store<u32>(8, 0); }
      const u42 = ((h42 & M) << 32) - (h42 & M), v42 = t42 + u42, c = select<u64>(v42 + EPS, v42, v42 < u42);
      const p43 = (q & M) * (q & M), x43 = (q & M) * (q >> 32), m43 = x43 + (p43 >> 32), n43 = x43 + (m43 & M), h43 = (q >> 32) * (q >> 32) + (m43 >> 32) + (n43 >> 32); const w43 = q * q; let t43 = w43 - (h43 >> 32); if (w43 < (h43 >> 32)) { t43 -= EPS; store<u32>(8, 0); }
      const u43 = ((h43 & M) << 32) - (h43 & M), v43 = t43 + u43, d = select<u64>(v43 + EPS, v43, v43 < u43);
      const p40 = (d & M) * (c & M), m40 = (d >> 32) * (c & M) + (p40 >> 32), n40 = (d & M) * (c >> 32) + (m40 & M), h40 = (d >> 32) * (c >> 32) + (m40 >> 32) + (n40 >> 32); L9 = <i64>((p40 & M) - (h40 & M) - (h40 >> 32)); H9 = <i64>((n40 & M) + (h40 & M)); }
    { const p45 = (s10 & M) * (s10 & M), x45 = (s10 & M) * (s10 >> 32), m45 = x45 + (p45 >> 32), n45 = x45 + (m45 & M), h45 = (s10 >> 32) * (s10 >> 32) + (m45 >> 32) + (n45 >> 32); const w45 = s10 * s10; let t45 = w45 - (h45 >> 32); if (w45 < (h45 >> 32)) { t45 -= EPS; store<u32>(8, 0); }
      const u45 = ((h45 & M) << 32) - (h45 & M), v45 = t45 + u45, q = select<u64>(v45 + EPS, v45, v45 < u45);
      const p46 = (q & M) * (s10 & M), m46 = (q >> 32) * (s10 & M) + (p46 >> 32), n46 = (q & M) * (s10 >> 32) + (m46 & M), h46 = (q >> 32) * (s10 >> 32) + (m46 >> 32) + (n46 >> 32); const w46 = q * s10; let t46 = w46 - (h46 >> 32); if (w46 < (h46 >> 32)) { t46 -= EPS; store<u32>(8, 0); }
      const u46 = ((h46 & M) << 32) - (h46 & M), v46 = t46 + u46, c = select<u64>(v46 + EPS, v46, v46 < u46);
      const p47 = (q & M) * (q & M), x47 = (q & M) * (q >> 32), m47 = x47 + (p47 >> 32), n47 = x47 + (m47 & M), h47 = (q >> 32) * (q >> 32) + (m47 >> 32) + (n47 >> 32); const w47 = q * q; let t47 = w47 - (h47 >> 32); if (w47 < (h47 >> 32)) { t47 -= EPS; store<u32>(8, 0); }
      const u47 = ((h47 & M) << 32) - (h47 & M), v47 = t47 + u47, d = select<u64>(v47 + EPS, v47, v47 < u47);
      const p44 = (d & M) * (c & M), m44 = (d >> 32) * (c & M) + (p44 >> 32), n44 = (d & M) * (c >> 32) + (m44 & M), h44 = (d >> 32) * (c >> 32) + (m44 >> 32) + (n44 >> 32); L10 = <i64>((p44 & M) - (h44 & M) - (h44 >> 32)); H10 = <i64>((n44 & M) + (h44 & M)); }
    { const p49 = (s11 & M) * (s11 & M), x49 = (s11 & M) * (s11 >> 32), m49 = x49 + (p49 >> 32), n49 = x49 + (m49 & M), h49 = (s11 >> 32) * (s11 >> 32) + (m49 >> 32) + (n49 >> 32); const w49 = s11 * s11; let t49 = w49 - (h49 >> 32); if (w49 < (h49 >> 32)) { t49 -= EPS; store<u32>(8, 0); }
      const u49 = ((h49 & M) << 32) - (h49 & M), v49 = t49 + u49, q = select<u64>(v49 + EPS, v49, v49 < u49);
      const p50 = (q & M) * (s11 & M), m50 = (q >> 32) * (s11 & M) + (p50 >> 32), n50 = (q & M) * (s11 >> 32) + (m50 & M), h50 = (q >> 32) * (s11 >> 32) + (m50 >> 32) + (n50 >> 32); const w50 = q * s11; let t50 = w50 - (h50 >> 32); if (w50 < (h50 >> 32)) { t50 -= EPS; store<u32>(8, 0); }
      const u50 = ((h50 & M) << 32) - (h50 & M), v50 = t50 + u50, c = select<u64>(v50 + EPS, v50, v50 < u50);
      const p51 = (q & M) * (q & M), x51 = (q & M) * (q >> 32), m51 = x51 + (p51 >> 32), n51 = x51 + (m51 & M), h51 = (q >> 32) * (q >> 32) + (m51 >> 32) + (n51 >> 32); const w51 = q * q; let t51 = w51 - (h51 >> 32); if (w51 < (h51 >> 32)) { t51 -= EPS; store<u32>(8, 0); }
      const u51 = ((h51 & M) << 32) - (h51 & M), v51 = t51 + u51, d = select<u64>(v51 + EPS, v51, v51 < u51);
      const p48 = (d & M) * (c & M), m48 = (d >> 32) * (c & M) + (p48 >> 32), n48 = (d & M) * (c >> 32) + (m48 & M), h48 = (d >> 32) * (c >> 32) + (m48 >> 32) + (n48 >> 32); L11 = <i64>((p48 & M) - (h48 & M) - (h48 >> 32)); H11 = <i64>((n48 & M) + (h48 & M)); }
  }
  store<u64>(p, fcanon(s0), 0); store<u64>(p, fcanon(s1), 8); store<u64>(p, fcanon(s2), 16); store<u64>(p, fcanon(s3), 24); store<u64>(p, fcanon(s4), 32); store<u64>(p, fcanon(s5), 40); store<u64>(p, fcanon(s6), 48); store<u64>(p, fcanon(s7), 56); store<u64>(p, fcanon(s8), 64); store<u64>(p, fcanon(s9), 72); store<u64>(p, fcanon(s10), 80); store<u64>(p, fcanon(s11), 88);
}
