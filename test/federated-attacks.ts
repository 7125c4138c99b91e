import type { Attack } from './attacks.js';

/*
 * The register of attacks on federated rounds: a record for every name that src/federated refuses or judges by, with
 * the lie and the test that shows it refused. test/federated-attacks.test.ts reads the names from the code. The twelve
 * groups of docs/federated.md are those of `group`; what needs the proof of a unit is not here, and is said there.
 */
export interface FederatedAttack extends Attack {
  readonly group: number;
}
const attack = (group: number, lie: string, file: string, text: string): FederatedAttack => ({
  group,
  lie,
  test: [`src/federated/${file}`, text],
});

const UPDATE = 'update.test.ts',
  DRAW = 'draw.test.ts',
  TREE = 'tree.test.ts';

export const FEDERATED: Readonly<Record<string, FederatedAttack>> = {
  aggregate: attack(7, 'a rule that leaves nothing', 'aggregate.test.ts', 'refuses rules that leave nothing'),
  'aggregate format': attack(7, 'a sum that leaves the format', 'aggregate.test.ts', 'names the tensor that leaves its format'),
  'beacon chain': attack(6, 'a beacon of another chain', DRAW, 'of another chain or round, or with another signature, are refused'),
  'beacon round': attack(6, 'a beacon of another round', DRAW, 'toThrow(/^beacon round/)'),
  'beacon signature': attack(
    6,
    'a beacon that nobody signed, or another spelling of one',
    DRAW,
    'A true signature under another number, and other bytes for it.',
  ),
  'boundary record': attack(5, 'a record with words that are none', TREE, 'refuse words that are not canonical, more or fewer'),
  'movement bound': attack(2, 'an update boosted by one unit beyond what AdamW can move', 'bound.test.ts', 'refuses a value one beyond it'),
  'record path': attack(5, 'an inner node as a leaf', TREE, 'an inner node as a leaf'),
  'record place': attack(5, 'a record at a place that is not there', TREE, 'refuse places outside'),
  'update code': attack(2, 'an update encoded another way, or of hostile size', UPDATE, 'have one encoding'),
  'update format': attack(2, 'a value beyond 25 bits', UPDATE, 'or name the tensor that leaves it'),
};
