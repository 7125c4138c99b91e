/** Transcripts of tests of proofs that hide: one that notes its challenges, and one whose challenges are given. */
import type { Kernels } from 'certune/kernels';
import type { Sponge } from 'certune/transcript';

/** A transcript that notes what is squeezed. */
export class NotingSponge implements Sponge {
  readonly squeezed: bigint[] = [];
  constructor(
    readonly k: Kernels,
    readonly of: Sponge,
  ) {}
  absorb(src: number, n: number): void {
    this.of.absorb(src, n);
  }
  squeeze(dst: number, n: number): void {
    this.of.squeeze(dst, n);
    this.squeezed.push(...this.k.u64.subarray(dst / 8, dst / 8 + n));
  }
  work(nonce: number): bigint {
    return this.of.work(nonce);
  }
  search(g: Kernels, bits: number): bigint {
    return this.of.search(g, bits);
  }
}

/** A transcript whose challenges are given: what is absorbed does not matter, and no work is asked for. */
export class GivenSponge implements Sponge {
  constructor(
    readonly k: Kernels,
    readonly challenges: { word(): bigint },
  ) {}
  absorb(): void {}
  squeeze(dst: number, n: number): void {
    for (let i = 0; i < n; i++) this.k.u64[dst / 8 + i] = this.challenges.word();
  }
  work(): bigint {
    return 0n;
  }
  search(): bigint {
    return 0n;
  }
}
