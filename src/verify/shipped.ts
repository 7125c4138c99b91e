/**
 * Verification keys that this release vouches for: computed by the maintainers with `certune vk`, and compared by the
 * tests where their base is at hand. A key is that of one shape of base and one run configuration (programs, bits,
 * lengths of epochs).
 */
export const SHIPPED: readonly { readonly name: string; readonly digest: string }[] = [
  { name: 'demo', digest: 'sha256:bf4d19a92697f546a9de3c6363301801c84d93913c86c5602d177c0c26762ff9' },
  { name: 'stories260k', digest: 'sha256:9c2af2c18e1aeb28e83cebecee6fe6cccfce804c96dc0d694f7639e0caa0ea3a' },
];
