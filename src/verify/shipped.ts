/**
 * Verification keys that this release vouches for: computed by the maintainers with `certune vk`, and compared by the tests where their base is at hand. A key is that of one shape of base and
 * one run configuration (programs, bits, lengths of epochs).
 */
export const SHIPPED: readonly { readonly name: string; readonly digest: string }[] = [
  { name: 'demo', digest: 'sha256:a87170a464a2005d027df1721c0f884e47acd0e7faf5098450b909ac35c5d710' },
  { name: 'stories260k', digest: 'sha256:1d10b5b3b6058754847c35c7985bf5266d081325da650f9cf7bfc7bd15c385cd' },
];
