/** Checks of the verifier for which test/circuit-checks.test.ts has an attack that each of them alone stops, numbers left out. */
export const ATTACKED: readonly string[] = [
  'LogUp layer',
  'LogUp numerators',
  'Merkle cap',
  'Merkle path',
  'WHIR final sum',
  'WHIR final vector',
  'base element',
  'batched sumcheck',
  'bits',
  'coordinates',
  'exposed value',
  'frozen reduction',
  'grinding',
  'inverse',
  'merge of frozen claims',
  'split',
  'state point aOut',
  'state point sOut',
];

/** Names of the checks that a circuit makes, without the number of a layer. */
export const family = (check: string): string => check.replace(/ \d+$/, '');
