/**
 * Verification keys that this release vouches for: computed by the maintainers with `certune vk`, and compared by the
 * tests where their base is at hand. A key is that of one shape of base and one run configuration (programs, bits,
 * lengths of epochs).
 */
export const SHIPPED: readonly { readonly name: string; readonly digest: string }[] = [
  { name: 'demo', digest: 'sha256:0de90f55ab1cd77078ff4c59a3b2d3519f4c819d1031a59a957dfa91f24f2a20' },
  { name: 'stories260k', digest: 'sha256:b79da5827981165ac3d16dedd0776db72295079f4b2998e77a97662bfcc48c64' },
];
