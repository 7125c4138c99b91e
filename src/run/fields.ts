import type { Manifest } from './manifest.js';

/*
 * What becomes of every field of a manifest. All of a manifest is bound: its digest is in every proof. A status says
 * what is known of the field's meaning.
 */

/**
 * 'proved': a proof holds only for this value, which the circuits read, or the verifier computes programs and policy
 * from. 'checkable': who has the files
 * compares. 'declared': somebody's word.
 */
export type FieldStatus = 'proved' | 'checkable' | 'declared';

export interface FieldRule {
  /** Path, `[]` for any place of a list; what lies under it has the same status, but for longer paths. */
  readonly path: string;
  readonly status: FieldStatus;
  /** Options with which it is compared. */ readonly option?: string;
}

const proved = (...paths: string[]): FieldRule[] => paths.map((path) => ({ path, status: 'proved' }));
const declared = (...paths: string[]): FieldRule[] => paths.map((path) => ({ path, status: 'declared' }));
const checkable = (option: string, ...paths: string[]): FieldRule[] => paths.map((path) => ({ path, status: 'checkable', option }));

export const FIELD_RULES: readonly FieldRule[] = [
  ...declared('config.version', 'config.base', 'config.data', 'config.sampler.beacon', 'type', 'version', 'budgets'),
  ...proved('config.lora', 'config.train', 'config.sampler', 'config.policy', 'config.show', 'config.proof', 'config.numbers'),
  ...checkable('--from DIR', 'config.lora.from'),
  ...checkable(
    '--base DIR and --data FILE',
    'config.train.template',
    'config.train.truncation',
    'config.train.eos',
    'config.data[].format',
    // A proof draws from the intervals of the strata; that a stratum holds the rows of its bin takes the rows.
    'config.sampler.strata[].bin',
    'dataset.strata',
  ),
  ...checkable('--base DIR', 'base.digest'),
  ...proved('base.shape', 'base.weightBits', 'program', 'scaling', 'sampler'),
  ...proved('dataset.key', 'dataset.root', 'dataset.leaf', 'dataset.examples', 'dataset.classes'),
  // That rows have these classes is proved; that the words are true of them is not.
  ...declared('dataset.classes[].source', 'dataset.classes[].license', 'dataset.classes[].language', 'dataset.classes[].tags'),
  ...declared('dataset.sources', 'dataset.licenses', 'dataset.languages'),
  ...checkable('--base DIR and --data FILE', 'dataset.salt', 'dataset.dropped', 'dataset.files', 'preprocessing'),
  ...declared('dataset.files[].source', 'dataset.files[].license', 'dataset.files[].language'),
];

/** The rule of a path as `fieldsOf` writes it: the longest that it lies under. Throws Error for a path without one. */
export function ruleOf(path: string): FieldRule {
  const general = path.replace(/\[\d+\]/g, '[]');
  let best: FieldRule | undefined;
  for (const r of FIELD_RULES)
    if (general === r.path || general.startsWith(`${r.path}.`) || general.startsWith(`${r.path}[`))
      if (!best || r.path.length > best.path.length) best = r;
  if (!best) throw new Error(`${path} has no status`);
  return best;
}

export interface Field {
  readonly path: string;
  /** The same, key by key: keys hold dots too. */ readonly keys: readonly (string | number)[];
  readonly value: unknown;
}

/** Every value of a manifest that is no object and no list of objects: its path, and the value. */
export function fieldsOf(m: Manifest): Field[] {
  const out: Field[] = [];
  const walk = (x: unknown, path: string, keys: readonly (string | number)[]): void => {
    const list = Array.isArray(x) && x.some((y) => y !== null && typeof y === 'object');
    if (list) (x as unknown[]).forEach((y, i) => walk(y, `${path}[${i}]`, [...keys, i]));
    else if (x !== null && typeof x === 'object' && !Array.isArray(x))
      for (const [k, y] of Object.entries(x)) walk(y, path ? `${path}.${k}` : k, [...keys, k]);
    else out.push({ path, keys, value: x });
  };
  walk(m, '', []);
  return out;
}
