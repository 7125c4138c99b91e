/**
 * Verification keys that this release vouches for: computed by the maintainers with `certune vk`, and compared by the tests where their base is at hand. A key is that of one shape of base and
 * one run configuration (programs, bits, lengths of epochs).
 */
export const SHIPPED: readonly { readonly name: string; readonly digest: string }[] = [
  { name: 'demo', digest: 'sha256:96bf9f0c37cefb4c292365f6d9cb869ab804c79acc417f5670f6abdaaf8ac718' },
  { name: 'stories260k', digest: 'sha256:8e6ddb0399b8890205736357c558a304589094587ec9e758cb393b5366555802' },
];
