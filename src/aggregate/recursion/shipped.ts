/**
 * Verification keys that this release vouches for: computed by the maintainers with `certune vk`, and compared by the tests where their base is at hand. A key is that of one shape of base and
 * one run configuration (programs, bits, lengths of epochs).
 */
export const SHIPPED: readonly { readonly name: string; readonly digest: string }[] = [
  { name: 'demo', digest: 'sha256:96bf9f0c37cefb4c292365f6d9cb869ab804c79acc417f5670f6abdaaf8ac718' },
  { name: 'stories260k', digest: 'sha256:d80a4a6ecf009b711c518b8fa24522bc84f9bd05d91408bd1c9d27a6e80415c1' },
];
