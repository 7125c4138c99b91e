/**
 * Verification keys that this release vouches for: computed by the maintainers with `certune vk`, and compared by the
 * tests where their base is at hand. A key is that of one shape of base and one run configuration (programs, bits,
 * lengths of epochs).
 */
export const SHIPPED: readonly { readonly name: string; readonly digest: string }[] = [
  { name: 'demo', digest: 'sha256:c54e6311a2ab136e4c415344aee95ceb09bf1dae5b1a3e7e1cef89bb92605b60' },
  { name: 'stories260k', digest: 'sha256:9099d95f29eb91c313d048c83c301007883320f60ad2f37e343a20dde3a634b9' },
];
