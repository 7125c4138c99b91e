/**
 * Verification keys that this release vouches for: computed by the maintainers with `certune vk`, and compared by the
 * tests where their base is at hand. A key is that of one shape of base and one run configuration (programs, bits,
 * lengths of epochs).
 */
export const SHIPPED: readonly { readonly name: string; readonly digest: string }[] = [
  { name: 'demo', digest: 'sha256:bf4d19a92697f546a9de3c6363301801c84d93913c86c5602d177c0c26762ff9' },
  { name: 'stories260k', digest: 'sha256:10e30f20b2c36c9321e6c5247de59f1e33a33cfc843b45e867791600b2a90588' },
];
