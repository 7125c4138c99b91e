// Written by scripts/gen-blake3.mjs. Keyed BLAKE3 of four rows at a time; definitions in src/hash/spec.md.
import { P } from './field';
const START: u32 = 1, END: u32 = 2, PARENT: u32 = 4, ROOT: u32 = 8, KEYED: u32 = 16;

// @ts-ignore: decorator
@inline function add(a: v128, b: v128): v128 { return i32x4.add(a, b); }
// @ts-ignore: decorator
@inline function rot16(a: v128): v128 { return v128.shuffle<u8>(a, a, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13); }
// @ts-ignore: decorator
@inline function rot8(a: v128): v128 { return v128.shuffle<u8>(a, a, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12); }
// @ts-ignore: decorator
@inline function rot12(a: v128): v128 { return v128.or(i32x4.shr_u(a, 12), i32x4.shl(a, 20)); }
// @ts-ignore: decorator
@inline function rot7(a: v128): v128 { return v128.or(i32x4.shr_u(a, 7), i32x4.shl(a, 25)); }

// out = compress(cv, m): eight and sixteen vectors; counter below 2^32.
function compress4(out: usize, cv: usize, m: usize, counter: u32, bytes: u32, flags: u32): void {
  let v0 = v128.load(cv, 0); let v1 = v128.load(cv, 16); let v2 = v128.load(cv, 32); let v3 = v128.load(cv, 48); let v4 = v128.load(cv, 64); let v5 = v128.load(cv, 80); let v6 = v128.load(cv, 96); let v7 = v128.load(cv, 112);
  let v8 = i32x4.splat(0x6a09e667); let v9 = i32x4.splat(0xbb67ae85); let v10 = i32x4.splat(0x3c6ef372); let v11 = i32x4.splat(0xa54ff53a);
  let v12 = i32x4.splat(counter), v13 = i32x4.splat(0), v14 = i32x4.splat(bytes), v15 = i32x4.splat(flags);
  let a: v128, b: v128, c: v128, d: v128;
  a = add(add(v0, v4), v128.load(m, 0)); d = rot16(v128.xor(v12, a)); c = add(v8, d); b = rot12(v128.xor(v4, c));
  v0 = add(add(a, b), v128.load(m, 16)); v12 = rot8(v128.xor(d, v0)); v8 = add(c, v12); v4 = rot7(v128.xor(b, v8));
  a = add(add(v1, v5), v128.load(m, 32)); d = rot16(v128.xor(v13, a)); c = add(v9, d); b = rot12(v128.xor(v5, c));
  v1 = add(add(a, b), v128.load(m, 48)); v13 = rot8(v128.xor(d, v1)); v9 = add(c, v13); v5 = rot7(v128.xor(b, v9));
  a = add(add(v2, v6), v128.load(m, 64)); d = rot16(v128.xor(v14, a)); c = add(v10, d); b = rot12(v128.xor(v6, c));
  v2 = add(add(a, b), v128.load(m, 80)); v14 = rot8(v128.xor(d, v2)); v10 = add(c, v14); v6 = rot7(v128.xor(b, v10));
  a = add(add(v3, v7), v128.load(m, 96)); d = rot16(v128.xor(v15, a)); c = add(v11, d); b = rot12(v128.xor(v7, c));
  v3 = add(add(a, b), v128.load(m, 112)); v15 = rot8(v128.xor(d, v3)); v11 = add(c, v15); v7 = rot7(v128.xor(b, v11));
  a = add(add(v0, v5), v128.load(m, 128)); d = rot16(v128.xor(v15, a)); c = add(v10, d); b = rot12(v128.xor(v5, c));
  v0 = add(add(a, b), v128.load(m, 144)); v15 = rot8(v128.xor(d, v0)); v10 = add(c, v15); v5 = rot7(v128.xor(b, v10));
  a = add(add(v1, v6), v128.load(m, 160)); d = rot16(v128.xor(v12, a)); c = add(v11, d); b = rot12(v128.xor(v6, c));
  v1 = add(add(a, b), v128.load(m, 176)); v12 = rot8(v128.xor(d, v1)); v11 = add(c, v12); v6 = rot7(v128.xor(b, v11));
  a = add(add(v2, v7), v128.load(m, 192)); d = rot16(v128.xor(v13, a)); c = add(v8, d); b = rot12(v128.xor(v7, c));
  v2 = add(add(a, b), v128.load(m, 208)); v13 = rot8(v128.xor(d, v2)); v8 = add(c, v13); v7 = rot7(v128.xor(b, v8));
  a = add(add(v3, v4), v128.load(m, 224)); d = rot16(v128.xor(v14, a)); c = add(v9, d); b = rot12(v128.xor(v4, c));
  v3 = add(add(a, b), v128.load(m, 240)); v14 = rot8(v128.xor(d, v3)); v9 = add(c, v14); v4 = rot7(v128.xor(b, v9));
  a = add(add(v0, v4), v128.load(m, 32)); d = rot16(v128.xor(v12, a)); c = add(v8, d); b = rot12(v128.xor(v4, c));
  v0 = add(add(a, b), v128.load(m, 96)); v12 = rot8(v128.xor(d, v0)); v8 = add(c, v12); v4 = rot7(v128.xor(b, v8));
  a = add(add(v1, v5), v128.load(m, 48)); d = rot16(v128.xor(v13, a)); c = add(v9, d); b = rot12(v128.xor(v5, c));
  v1 = add(add(a, b), v128.load(m, 160)); v13 = rot8(v128.xor(d, v1)); v9 = add(c, v13); v5 = rot7(v128.xor(b, v9));
  a = add(add(v2, v6), v128.load(m, 112)); d = rot16(v128.xor(v14, a)); c = add(v10, d); b = rot12(v128.xor(v6, c));
  v2 = add(add(a, b), v128.load(m, 0)); v14 = rot8(v128.xor(d, v2)); v10 = add(c, v14); v6 = rot7(v128.xor(b, v10));
  a = add(add(v3, v7), v128.load(m, 64)); d = rot16(v128.xor(v15, a)); c = add(v11, d); b = rot12(v128.xor(v7, c));
  v3 = add(add(a, b), v128.load(m, 208)); v15 = rot8(v128.xor(d, v3)); v11 = add(c, v15); v7 = rot7(v128.xor(b, v11));
  a = add(add(v0, v5), v128.load(m, 16)); d = rot16(v128.xor(v15, a)); c = add(v10, d); b = rot12(v128.xor(v5, c));
  v0 = add(add(a, b), v128.load(m, 176)); v15 = rot8(v128.xor(d, v0)); v10 = add(c, v15); v5 = rot7(v128.xor(b, v10));
  a = add(add(v1, v6), v128.load(m, 192)); d = rot16(v128.xor(v12, a)); c = add(v11, d); b = rot12(v128.xor(v6, c));
  v1 = add(add(a, b), v128.load(m, 80)); v12 = rot8(v128.xor(d, v1)); v11 = add(c, v12); v6 = rot7(v128.xor(b, v11));
  a = add(add(v2, v7), v128.load(m, 144)); d = rot16(v128.xor(v13, a)); c = add(v8, d); b = rot12(v128.xor(v7, c));
  v2 = add(add(a, b), v128.load(m, 224)); v13 = rot8(v128.xor(d, v2)); v8 = add(c, v13); v7 = rot7(v128.xor(b, v8));
  a = add(add(v3, v4), v128.load(m, 240)); d = rot16(v128.xor(v14, a)); c = add(v9, d); b = rot12(v128.xor(v4, c));
  v3 = add(add(a, b), v128.load(m, 128)); v14 = rot8(v128.xor(d, v3)); v9 = add(c, v14); v4 = rot7(v128.xor(b, v9));
  a = add(add(v0, v4), v128.load(m, 48)); d = rot16(v128.xor(v12, a)); c = add(v8, d); b = rot12(v128.xor(v4, c));
  v0 = add(add(a, b), v128.load(m, 64)); v12 = rot8(v128.xor(d, v0)); v8 = add(c, v12); v4 = rot7(v128.xor(b, v8));
  a = add(add(v1, v5), v128.load(m, 160)); d = rot16(v128.xor(v13, a)); c = add(v9, d); b = rot12(v128.xor(v5, c));
  v1 = add(add(a, b), v128.load(m, 192)); v13 = rot8(v128.xor(d, v1)); v9 = add(c, v13); v5 = rot7(v128.xor(b, v9));
  a = add(add(v2, v6), v128.load(m, 208)); d = rot16(v128.xor(v14, a)); c = add(v10, d); b = rot12(v128.xor(v6, c));
  v2 = add(add(a, b), v128.load(m, 32)); v14 = rot8(v128.xor(d, v2)); v10 = add(c, v14); v6 = rot7(v128.xor(b, v10));
  a = add(add(v3, v7), v128.load(m, 112)); d = rot16(v128.xor(v15, a)); c = add(v11, d); b = rot12(v128.xor(v7, c));
  v3 = add(add(a, b), v128.load(m, 224)); v15 = rot8(v128.xor(d, v3)); v11 = add(c, v15); v7 = rot7(v128.xor(b, v11));
  a = add(add(v0, v5), v128.load(m, 96)); d = rot16(v128.xor(v15, a)); c = add(v10, d); b = rot12(v128.xor(v5, c));
  v0 = add(add(a, b), v128.load(m, 80)); v15 = rot8(v128.xor(d, v0)); v10 = add(c, v15); v5 = rot7(v128.xor(b, v10));
  a = add(add(v1, v6), v128.load(m, 144)); d = rot16(v128.xor(v12, a)); c = add(v11, d); b = rot12(v128.xor(v6, c));
  v1 = add(add(a, b), v128.load(m, 0)); v12 = rot8(v128.xor(d, v1)); v11 = add(c, v12); v6 = rot7(v128.xor(b, v11));
  a = add(add(v2, v7), v128.load(m, 176)); d = rot16(v128.xor(v13, a)); c = add(v8, d); b = rot12(v128.xor(v7, c));
  v2 = add(add(a, b), v128.load(m, 240)); v13 = rot8(v128.xor(d, v2)); v8 = add(c, v13); v7 = rot7(v128.xor(b, v8));
  a = add(add(v3, v4), v128.load(m, 128)); d = rot16(v128.xor(v14, a)); c = add(v9, d); b = rot12(v128.xor(v4, c));
  v3 = add(add(a, b), v128.load(m, 16)); v14 = rot8(v128.xor(d, v3)); v9 = add(c, v14); v4 = rot7(v128.xor(b, v9));
  a = add(add(v0, v4), v128.load(m, 160)); d = rot16(v128.xor(v12, a)); c = add(v8, d); b = rot12(v128.xor(v4, c));
  v0 = add(add(a, b), v128.load(m, 112)); v12 = rot8(v128.xor(d, v0)); v8 = add(c, v12); v4 = rot7(v128.xor(b, v8));
  a = add(add(v1, v5), v128.load(m, 192)); d = rot16(v128.xor(v13, a)); c = add(v9, d); b = rot12(v128.xor(v5, c));
  v1 = add(add(a, b), v128.load(m, 144)); v13 = rot8(v128.xor(d, v1)); v9 = add(c, v13); v5 = rot7(v128.xor(b, v9));
  a = add(add(v2, v6), v128.load(m, 224)); d = rot16(v128.xor(v14, a)); c = add(v10, d); b = rot12(v128.xor(v6, c));
  v2 = add(add(a, b), v128.load(m, 48)); v14 = rot8(v128.xor(d, v2)); v10 = add(c, v14); v6 = rot7(v128.xor(b, v10));
  a = add(add(v3, v7), v128.load(m, 208)); d = rot16(v128.xor(v15, a)); c = add(v11, d); b = rot12(v128.xor(v7, c));
  v3 = add(add(a, b), v128.load(m, 240)); v15 = rot8(v128.xor(d, v3)); v11 = add(c, v15); v7 = rot7(v128.xor(b, v11));
  a = add(add(v0, v5), v128.load(m, 64)); d = rot16(v128.xor(v15, a)); c = add(v10, d); b = rot12(v128.xor(v5, c));
  v0 = add(add(a, b), v128.load(m, 0)); v15 = rot8(v128.xor(d, v0)); v10 = add(c, v15); v5 = rot7(v128.xor(b, v10));
  a = add(add(v1, v6), v128.load(m, 176)); d = rot16(v128.xor(v12, a)); c = add(v11, d); b = rot12(v128.xor(v6, c));
  v1 = add(add(a, b), v128.load(m, 32)); v12 = rot8(v128.xor(d, v1)); v11 = add(c, v12); v6 = rot7(v128.xor(b, v11));
  a = add(add(v2, v7), v128.load(m, 80)); d = rot16(v128.xor(v13, a)); c = add(v8, d); b = rot12(v128.xor(v7, c));
  v2 = add(add(a, b), v128.load(m, 128)); v13 = rot8(v128.xor(d, v2)); v8 = add(c, v13); v7 = rot7(v128.xor(b, v8));
  a = add(add(v3, v4), v128.load(m, 16)); d = rot16(v128.xor(v14, a)); c = add(v9, d); b = rot12(v128.xor(v4, c));
  v3 = add(add(a, b), v128.load(m, 96)); v14 = rot8(v128.xor(d, v3)); v9 = add(c, v14); v4 = rot7(v128.xor(b, v9));
  a = add(add(v0, v4), v128.load(m, 192)); d = rot16(v128.xor(v12, a)); c = add(v8, d); b = rot12(v128.xor(v4, c));
  v0 = add(add(a, b), v128.load(m, 208)); v12 = rot8(v128.xor(d, v0)); v8 = add(c, v12); v4 = rot7(v128.xor(b, v8));
  a = add(add(v1, v5), v128.load(m, 144)); d = rot16(v128.xor(v13, a)); c = add(v9, d); b = rot12(v128.xor(v5, c));
  v1 = add(add(a, b), v128.load(m, 176)); v13 = rot8(v128.xor(d, v1)); v9 = add(c, v13); v5 = rot7(v128.xor(b, v9));
  a = add(add(v2, v6), v128.load(m, 240)); d = rot16(v128.xor(v14, a)); c = add(v10, d); b = rot12(v128.xor(v6, c));
  v2 = add(add(a, b), v128.load(m, 160)); v14 = rot8(v128.xor(d, v2)); v10 = add(c, v14); v6 = rot7(v128.xor(b, v10));
  a = add(add(v3, v7), v128.load(m, 224)); d = rot16(v128.xor(v15, a)); c = add(v11, d); b = rot12(v128.xor(v7, c));
  v3 = add(add(a, b), v128.load(m, 128)); v15 = rot8(v128.xor(d, v3)); v11 = add(c, v15); v7 = rot7(v128.xor(b, v11));
  a = add(add(v0, v5), v128.load(m, 112)); d = rot16(v128.xor(v15, a)); c = add(v10, d); b = rot12(v128.xor(v5, c));
  v0 = add(add(a, b), v128.load(m, 32)); v15 = rot8(v128.xor(d, v0)); v10 = add(c, v15); v5 = rot7(v128.xor(b, v10));
  a = add(add(v1, v6), v128.load(m, 80)); d = rot16(v128.xor(v12, a)); c = add(v11, d); b = rot12(v128.xor(v6, c));
  v1 = add(add(a, b), v128.load(m, 48)); v12 = rot8(v128.xor(d, v1)); v11 = add(c, v12); v6 = rot7(v128.xor(b, v11));
  a = add(add(v2, v7), v128.load(m, 0)); d = rot16(v128.xor(v13, a)); c = add(v8, d); b = rot12(v128.xor(v7, c));
  v2 = add(add(a, b), v128.load(m, 16)); v13 = rot8(v128.xor(d, v2)); v8 = add(c, v13); v7 = rot7(v128.xor(b, v8));
  a = add(add(v3, v4), v128.load(m, 96)); d = rot16(v128.xor(v14, a)); c = add(v9, d); b = rot12(v128.xor(v4, c));
  v3 = add(add(a, b), v128.load(m, 64)); v14 = rot8(v128.xor(d, v3)); v9 = add(c, v14); v4 = rot7(v128.xor(b, v9));
  a = add(add(v0, v4), v128.load(m, 144)); d = rot16(v128.xor(v12, a)); c = add(v8, d); b = rot12(v128.xor(v4, c));
  v0 = add(add(a, b), v128.load(m, 224)); v12 = rot8(v128.xor(d, v0)); v8 = add(c, v12); v4 = rot7(v128.xor(b, v8));
  a = add(add(v1, v5), v128.load(m, 176)); d = rot16(v128.xor(v13, a)); c = add(v9, d); b = rot12(v128.xor(v5, c));
  v1 = add(add(a, b), v128.load(m, 80)); v13 = rot8(v128.xor(d, v1)); v9 = add(c, v13); v5 = rot7(v128.xor(b, v9));
  a = add(add(v2, v6), v128.load(m, 128)); d = rot16(v128.xor(v14, a)); c = add(v10, d); b = rot12(v128.xor(v6, c));
  v2 = add(add(a, b), v128.load(m, 192)); v14 = rot8(v128.xor(d, v2)); v10 = add(c, v14); v6 = rot7(v128.xor(b, v10));
  a = add(add(v3, v7), v128.load(m, 240)); d = rot16(v128.xor(v15, a)); c = add(v11, d); b = rot12(v128.xor(v7, c));
  v3 = add(add(a, b), v128.load(m, 16)); v15 = rot8(v128.xor(d, v3)); v11 = add(c, v15); v7 = rot7(v128.xor(b, v11));
  a = add(add(v0, v5), v128.load(m, 208)); d = rot16(v128.xor(v15, a)); c = add(v10, d); b = rot12(v128.xor(v5, c));
  v0 = add(add(a, b), v128.load(m, 48)); v15 = rot8(v128.xor(d, v0)); v10 = add(c, v15); v5 = rot7(v128.xor(b, v10));
  a = add(add(v1, v6), v128.load(m, 0)); d = rot16(v128.xor(v12, a)); c = add(v11, d); b = rot12(v128.xor(v6, c));
  v1 = add(add(a, b), v128.load(m, 160)); v12 = rot8(v128.xor(d, v1)); v11 = add(c, v12); v6 = rot7(v128.xor(b, v11));
  a = add(add(v2, v7), v128.load(m, 32)); d = rot16(v128.xor(v13, a)); c = add(v8, d); b = rot12(v128.xor(v7, c));
  v2 = add(add(a, b), v128.load(m, 96)); v13 = rot8(v128.xor(d, v2)); v8 = add(c, v13); v7 = rot7(v128.xor(b, v8));
  a = add(add(v3, v4), v128.load(m, 64)); d = rot16(v128.xor(v14, a)); c = add(v9, d); b = rot12(v128.xor(v4, c));
  v3 = add(add(a, b), v128.load(m, 112)); v14 = rot8(v128.xor(d, v3)); v9 = add(c, v14); v4 = rot7(v128.xor(b, v9));
  a = add(add(v0, v4), v128.load(m, 176)); d = rot16(v128.xor(v12, a)); c = add(v8, d); b = rot12(v128.xor(v4, c));
  v0 = add(add(a, b), v128.load(m, 240)); v12 = rot8(v128.xor(d, v0)); v8 = add(c, v12); v4 = rot7(v128.xor(b, v8));
  a = add(add(v1, v5), v128.load(m, 80)); d = rot16(v128.xor(v13, a)); c = add(v9, d); b = rot12(v128.xor(v5, c));
  v1 = add(add(a, b), v128.load(m, 0)); v13 = rot8(v128.xor(d, v1)); v9 = add(c, v13); v5 = rot7(v128.xor(b, v9));
  a = add(add(v2, v6), v128.load(m, 16)); d = rot16(v128.xor(v14, a)); c = add(v10, d); b = rot12(v128.xor(v6, c));
  v2 = add(add(a, b), v128.load(m, 144)); v14 = rot8(v128.xor(d, v2)); v10 = add(c, v14); v6 = rot7(v128.xor(b, v10));
  a = add(add(v3, v7), v128.load(m, 128)); d = rot16(v128.xor(v15, a)); c = add(v11, d); b = rot12(v128.xor(v7, c));
  v3 = add(add(a, b), v128.load(m, 96)); v15 = rot8(v128.xor(d, v3)); v11 = add(c, v15); v7 = rot7(v128.xor(b, v11));
  a = add(add(v0, v5), v128.load(m, 224)); d = rot16(v128.xor(v15, a)); c = add(v10, d); b = rot12(v128.xor(v5, c));
  v0 = add(add(a, b), v128.load(m, 160)); v15 = rot8(v128.xor(d, v0)); v10 = add(c, v15); v5 = rot7(v128.xor(b, v10));
  a = add(add(v1, v6), v128.load(m, 32)); d = rot16(v128.xor(v12, a)); c = add(v11, d); b = rot12(v128.xor(v6, c));
  v1 = add(add(a, b), v128.load(m, 192)); v12 = rot8(v128.xor(d, v1)); v11 = add(c, v12); v6 = rot7(v128.xor(b, v11));
  a = add(add(v2, v7), v128.load(m, 48)); d = rot16(v128.xor(v13, a)); c = add(v8, d); b = rot12(v128.xor(v7, c));
  v2 = add(add(a, b), v128.load(m, 64)); v13 = rot8(v128.xor(d, v2)); v8 = add(c, v13); v7 = rot7(v128.xor(b, v8));
  a = add(add(v3, v4), v128.load(m, 112)); d = rot16(v128.xor(v14, a)); c = add(v9, d); b = rot12(v128.xor(v4, c));
  v3 = add(add(a, b), v128.load(m, 208)); v14 = rot8(v128.xor(d, v3)); v9 = add(c, v14); v4 = rot7(v128.xor(b, v9));
  v128.store(out, v128.xor(v0, v8), 0); v128.store(out, v128.xor(v1, v9), 16); v128.store(out, v128.xor(v2, v10), 32); v128.store(out, v128.xor(v3, v11), 48); v128.store(out, v128.xor(v4, v12), 64); v128.store(out, v128.xor(v5, v13), 80); v128.store(out, v128.xor(v6, v14), 96); v128.store(out, v128.xor(v7, v15), 112);
}

// The key (domain, words, 0, 0) as eight little-endian 32-bit words, in all lanes.
function key4(p: usize, domain: u64, words: u64): void {
  memory.fill(p, 0, 128);
  v128.store(p, i32x4.splat(<u32>domain)); v128.store(p, i32x4.splat(<u32>(domain >> 32)), 16);
  v128.store(p, i32x4.splat(<u32>words), 32); v128.store(p, i32x4.splat(<u32>(words >> 32)), 48);
}

/** Bytes of state for four rows of so many words: chaining value and a stack of finished subtrees. */
export function b3GroupBytes(words: u32): u32 {
  const chunks = max<u32>(1, (words + 127) / 128);
  return 128 * (2 + (32 - clz<u32>(chunks)));
}

// Words w of rows j .. j + 3 (rows from hi on repeat the last one) as message vectors 2 k, 2 k + 1.
// @ts-ignore: decorator
@inline function gather(m: usize, k: usize, p: usize, step: usize, left: u32): void {
  let x: v128, y: v128;
  if (step == 8 && left >= 4) { x = v128.load(p); y = v128.load(p, 16); }
  else {
    const p1 = left > 1 ? p + step : p, p2 = left > 2 ? p1 + step : p1, p3 = left > 3 ? p2 + step : p2;
    x = i64x2.replace_lane(i64x2.splat(load<i64>(p)), 1, load<i64>(p1));
    y = i64x2.replace_lane(i64x2.splat(load<i64>(p2)), 1, load<i64>(p3));
  }
  v128.store(m + 32 * k, v128.shuffle<u32>(x, y, 0, 2, 4, 6));
  v128.store(m + 32 * k, v128.shuffle<u32>(x, y, 1, 3, 5, 7), 16);
}

/**
 * Absorbs count words per row, which are words [from, from + count) of `words`: count = 8 (one block) but for the last block. Word k of
 * row j at cols + k * stride + j * step. Group j / 4 of states holds rows j .. j + 3; lo a multiple of 4; scratch of 384 bytes per thread.
 */
export function b3RowsAbsorb(states: usize, cols: usize, count: u32, stride: usize, step: usize, domain: u64, words: u32, from: u32, scratch: usize, lo: u32, hi: u32): void {
  const size = <usize>b3GroupBytes(words), block = from / 8, chunk = block / 16, inChunk = block & 15;
  const last = from + count == words, ends = last || inChunk == 15, single = words <= 128;
  let flags = KEYED;
  if (inChunk == 0) flags |= START;
  if (ends) flags |= END;
  if (last && single) flags |= ROOT;
  const key = scratch + 256;
  key4(key, domain, words);
  for (let j = lo; j < hi; j += 4) {
    const s = states + <usize>(j / 4) * size;
    for (let k: u32 = 0; k < count; k++) gather(scratch, k, cols + <usize>k * stride + <usize>j * step, step, hi - j);
    if (count < 8) memory.fill(scratch + <usize>count * 32, 0, <usize>(8 - count) * 32);
    compress4(s, inChunk == 0 ? key : s, scratch, chunk, count * 8, flags);
    if (ends && !single) {
      // Stack of complete subtrees from s + 128 on: one for every bit of the number of chunks finished before this one.
      let depth = <usize>popcnt<u32>(chunk), n = last ? 0 : chunk + 1;
      while (depth > 0 && (last || (n & 1) == 0)) {
        memory.copy(scratch, s + 128 * depth, 128);
        memory.copy(scratch + 128, s, 128);
        depth--;
        compress4(s, key, scratch, 0, 64, KEYED | PARENT | (last && depth == 0 ? ROOT : 0));
        n >>= 1;
      }
      if (!last) memory.copy(s + 128 * (depth + 1), s, 128);
    }
  }
}

// Four digests from eight vectors: 64-bit words reduced mod p; only lanes below count are written.
// @ts-ignore: decorator
@inline function digests(dst: usize, s: usize, count: u32): void {
  for (let i: u32 = 0; i < min<u32>(4, count); i++) {
    for (let w: usize = 0; w < 4; w++) {
      const p = s + 32 * w + 4 * <usize>i, x = <u64>load<u32>(p) | (<u64>load<u32>(p, 16) << 32);
      store<u64>(dst + <usize>i * 32 + w * 8, x >= P ? x - P : x);
    }
  }
}

/** Digest of row j at dst + 32 j. */
export function b3RowsFinish(dst: usize, states: usize, words: u32, lo: u32, hi: u32): void {
  const size = <usize>b3GroupBytes(words);
  for (let j = lo; j < hi; j += 4) digests(dst + <usize>j * 32, states + <usize>(j / 4) * size, hi - j);
}

/** dst[j] = compress(src[2j], src[2j + 1]); scratch of 512 bytes. */
export function b3Level(dst: usize, src: usize, domain: u64, scratch: usize, lo: u32, hi: u32): void {
  const key = scratch + 256, out = scratch + 384;
  key4(key, domain, 0);
  for (let j = lo; j < hi; j += 4) {
    for (let k: usize = 0; k < 8; k++) gather(scratch, k, src + <usize>j * 64 + k * 8, 64, hi - j);
    compress4(out, key, scratch, 0, 64, KEYED | START | END | ROOT);
    digests(dst + <usize>j * 32, out, hi - j);
  }
}
