/**
 * Verification keys that this release vouches for: computed by the maintainers with `certune vk`, and compared by the tests where their base is at hand. A key is that of one shape of base and
 * one run configuration (programs, bits, lengths of epochs).
 */
export const SHIPPED: readonly { readonly name: string; readonly digest: string }[] = [
  { name: 'demo', digest: 'sha256:b9ebb2e6900ce05bf1d0b92fad86f1498e413cae8f2836a47c196ab9ed24a8f6' },
  { name: 'stories260k', digest: 'sha256:15613c3e80f48797fefcb242a7ee98dd93a9b8c12a9990018630a550bb9b19a0' },
];
