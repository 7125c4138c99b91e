/**
 * Verification keys that this release vouches for: computed by the maintainers with `certune vk`, and compared by the
 * tests where their base is at hand. A key is that of one shape of base and one run configuration (programs, bits,
 * lengths of epochs).
 */
export const SHIPPED: readonly { readonly name: string; readonly digest: string }[] = [
  { name: 'demo', digest: 'sha256:93f32d2db90e6504e8af676426700dc2ea8b61422fd6d23921f1682e6fcf4462' },
  { name: 'stories260k', digest: 'sha256:03d651223bdc45acea64fdd952c8716d5210307a74bc3474ab1f1fe07d9244e5' },
];
