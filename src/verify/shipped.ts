/**
 * Verification keys that this release vouches for: computed by the maintainers with `certune vk`, and compared by the tests where their base is at hand. A key is that of one shape of base and
 * one run configuration (programs, bits, lengths of epochs).
 */
export const SHIPPED: readonly { readonly name: string; readonly digest: string }[] = [
  { name: 'demo', digest: 'sha256:1ff51f6e8e12e52cb36ce615a337ae14aa0d0875253256e97459e6d76880fdf7' },
  { name: 'stories260k', digest: 'sha256:91ef1cff9dfc6e2d88c5e1efb71e2400cdbb52f62909b8d51f6f7251dae51088' },
];
