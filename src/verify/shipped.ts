/**
 * Verification keys that this release vouches for: computed by the maintainers with `certune vk`, and compared by the
 * tests where their base is at hand. A key is that of one shape of base and one run configuration (programs, bits,
 * lengths of epochs).
 */
export const SHIPPED: readonly { readonly name: string; readonly digest: string }[] = [
  { name: 'demo', digest: 'sha256:059e3ec8438cdc223c8df275a7911f6dd2dc55ec640d1a970f0a7f23faddad14' },
  { name: 'stories260k', digest: 'sha256:276d00ddeff291db568ec9880827aca9b6f4c639c576d91058099d33981df5af' },
];
