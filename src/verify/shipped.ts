/**
 * Verification keys that this release vouches for: computed by the maintainers with `certune vk`, and compared by the
 * tests where their base is at hand. A key is that of one shape of base and one run configuration (programs, bits,
 * lengths of epochs).
 */
export const SHIPPED: readonly { readonly name: string; readonly digest: string }[] = [
  { name: 'demo', digest: 'sha256:f35c3efbe52d2f9d9f8ab230a00e961615399da4175470bd7afcbba9217a4daf' },
  { name: 'stories260k', digest: 'sha256:ddc29499ecb9c95c0a3de3d64e9f1fd8aee194b3dd13f84a79239d9275c570c3' },
];
