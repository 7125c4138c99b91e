/**
 * Verification keys that this release vouches for: computed by the maintainers with `certune vk`, and compared by the tests where their base is at hand. A key is that of one shape of base and
 * one run configuration (programs, bits, lengths of epochs).
 */
export const SHIPPED: readonly { readonly name: string; readonly digest: string }[] = [
  { name: 'demo', digest: 'sha256:a364c7525157be058bbb6e5176ad1bc22ce9e440d7f354680c9717912b75343a' },
  { name: 'stories260k', digest: 'sha256:2054bdb33cb76f8b8f727bfbd332f216eab127273f3c26b609bcad8593542a7f' },
];
