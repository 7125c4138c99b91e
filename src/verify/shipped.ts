/**
 * Verification keys that this release vouches for: computed by the maintainers with `certune vk`, and compared by the
 * tests where their base is at hand. A key is that of one shape of base and one run configuration (programs, bits,
 * lengths of epochs).
 */
export const SHIPPED: readonly { readonly name: string; readonly digest: string }[] = [
  { name: 'demo', digest: 'sha256:2b0f762fdc01f29b4e90a6d319311184135c4d2e8b9ccdb04cd8f597789c6d51' },
  { name: 'stories260k', digest: 'sha256:8a616bd4af5db5b9df13cdfd61a73b9164b7893097b20765eb3d680e32feeb59' },
];
