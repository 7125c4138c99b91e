import { DOMAIN } from '../../hash/poseidon2.js';
import { InputError } from '../../errors.js';
import { tableDepth, tableLevels } from '../table.js';
import { admitted, allowList } from './expression.js';
import { type ClassFacts, type Predicate, satisfied } from './predicate.js';

/** Most bins of a run: their bits share one word that a circuit splits. */
export const MOST_BINS = 62;

/** Depths of the class table's tree. */
export const CLASS_DEPTHS = [4, 8, 12] as const;

/** A set of classes that quotas are about. */
export interface Bin {
  readonly name: string;
  readonly where: Predicate;
}

/** Licences under which data may be trained on: expressions are admitted where the list admits them. */
export interface Eligibility {
  readonly licenses: readonly string[];
}

/** Numbers of classes in order of first appearance: every row names its class by this number. */
export class ClassList {
  readonly list: ClassFacts[] = [];
  readonly #numbers = new Map<string, number>();

  /** Number of a class, new where no row had it before. Throws InputError where the table would be full. */
  number(c: ClassFacts): number {
    const facts: ClassFacts = { source: c.source, license: c.license, language: c.language, tags: [...new Set(c.tags)].sort() },
      key = JSON.stringify([facts.source, facts.license, facts.language, facts.tags]),
      known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const n = this.list.push(facts) - 1,
      most = 2 ** CLASS_DEPTHS[CLASS_DEPTHS.length - 1];
    if (n >= most) throw new InputError('dataset', [`more than ${most} combinations of source, licence, language and tags`]);
    this.#numbers.set(key, n);
    return n;
  }
}

/** A class as the circuit opens it. */
export interface ClassRow {
  /** Bit j: the class belongs to bin j. */ readonly bins: bigint;
  readonly eligible: boolean;
}

/**
 * Rows of the class table. An empty allow-list admits nothing: whoever wants no list gives none (null), and every class
 * is eligible.
 */
export function classRows(classes: readonly ClassFacts[], bins: readonly Bin[], eligibility: Eligibility | null): ClassRow[] {
  if (bins.length > MOST_BINS) throw new InputError('run.yaml', [`policy.bins: ${bins.length} bins, at most ${MOST_BINS} are supported`]);
  const allowed = eligibility && allowList(eligibility.licenses);
  return classes.map((c) => ({
    bins: bins.reduce((m, b, j) => (satisfied(b.where, c) ? m | (1n << BigInt(j)) : m), 0n),
    eligible: allowed === null || admitted(c.license, allowed),
  }));
}

/** Sources that may not be trained on. Throws InputError that names each with its licence. */
export function checkEligible(classes: readonly ClassFacts[], rows: readonly ClassRow[]): void {
  const bad = [
    ...new Set(classes.flatMap((c, k) => (rows[k].eligible ? [] : [`source ${c.source}: licence ${c.license} is not eligible`]))),
  ];
  if (bad.length) throw new InputError('data', bad, 'leave the source out, or name its licence in policy.licenses of run.yaml');
}

/** Least depth of the class table. */
export const classDepth = (classes: number): number => tableDepth(CLASS_DEPTHS, classes)!;

/** Words of the class table's rows: bins, eligible. */
export const classWords = (rows: readonly ClassRow[]): bigint[][] => rows.map((r) => [r.bins, r.eligible ? 1n : 0n]);

/** Levels of the class table's tree: hash in the domain `class` of number, bins, eligible. */
export const classLevels = (rows: readonly ClassRow[], depth: number): BigUint64Array[] =>
  tableLevels({ domain: DOMAIN.class, rows: classWords(rows), depth });
