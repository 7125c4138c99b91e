/**
 * Verification keys that this release vouches for: computed by the maintainers with `certune vk`, and compared by the
 * tests where their base is at hand. A key is that of one shape of base and one run configuration (programs, bits,
 * lengths of epochs).
 */
export const SHIPPED: readonly { readonly name: string; readonly digest: string }[] = [
  { name: 'demo', digest: 'sha256:96243473a34664b556984b57dae90df26816697cb573a98245e42dc9ed0b43c6' },
  { name: 'stories260k', digest: 'sha256:2bc7591d05d994103ebef359dac510b78f58e1fa3b293848775b48569151a8c4' },
];
