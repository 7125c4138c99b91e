/**
 * Verification keys that this release vouches for: computed by the maintainers with `certune vk`, and compared by the
 * tests where their base is at hand. A key is that of one shape of base and one run configuration (programs, bits,
 * lengths of epochs).
 */
export const SHIPPED: readonly { readonly name: string; readonly digest: string }[] = [
  { name: 'demo', digest: 'sha256:9a623253bfd9b578bad7432a8100ee974e014aed571e3b819da715c88d29a8fc' },
  { name: 'stories260k', digest: 'sha256:870d797e42ea0acaa89290651de4eae5730897ffe12b276294677302b2c7444f' },
];
