/**
 * Verification keys that this release vouches for: computed by the maintainers with `certune vk`, and compared by the tests where their base is at hand. A key is that of one shape of base and
 * one run configuration (programs, bits, lengths of epochs).
 */
export const SHIPPED: readonly { readonly name: string; readonly digest: string }[] = [
  { name: 'demo', digest: 'sha256:c89cec28765063bd939ad1187b04270550c728286e43f92660c8b1ebfd092946' },
  { name: 'stories260k', digest: 'sha256:65927b12688b826beaafa33de05dc5b630bec939d72e5395ab9a7ce4fe51a531' },
];
