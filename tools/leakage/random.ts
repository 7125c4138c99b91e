/** Numbers that a seed fixes (splitmix64): tests of leakage give equal results on every machine. */
export class Random {
  #x: bigint;
  constructor(seed: number) {
    this.#x = BigInt(seed) * 0x9e37_79b9_7f4a_7c15n + 1n;
  }
  /** 64 bits. */
  word(): bigint {
    this.#x = BigInt.asUintN(64, this.#x + 0x9e37_79b9_7f4a_7c15n);
    let z = this.#x;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58_476d_1ce4_e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d0_49bb_1331_11ebn);
    return z ^ (z >> 31n);
  }
  /** A word below the field's prime. */
  element(): bigint {
    for (;;) {
      const w = this.word();
      if (w < 0xffff_ffff_0000_0001n) return w;
    }
  }
  elements(n: number): bigint[] {
    return Array.from({ length: n }, () => this.element());
  }
  /** In [0, n). */
  below(n: number): number {
    return Number(this.word() % BigInt(n));
  }
  shuffled<T>(list: readonly T[]): T[] {
    const out = [...list];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [out[i], out[j]] = [out[j], out[i]];
    }
    return out;
  }
}
