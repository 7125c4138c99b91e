/**
 * Verification keys that this release vouches for: computed by the maintainers with `certune vk`, and compared by the tests where their base is at hand. A key is that of one shape of base and
 * one run configuration (programs, bits, lengths of epochs).
 */
export const SHIPPED: readonly { readonly name: string; readonly digest: string }[] = [
  { name: 'demo', digest: 'sha256:dacc59773f681239059c9f757ff5303ada09ec4a61b34d3745b9873ee7ed75f1' },
  { name: 'stories260k', digest: 'sha256:303fad6bf27729b556603506f47cd339c56741d4bc896399d1f6bf661e87ce03' },
];
