import { createHmac, timingSafeEqual } from 'node:crypto';
import canonicalize from 'canonicalize';
import { NODE_VERSION, type Place } from '../artifact/folded.js';
import { sha256Hex } from '../hash/sha256.js';
import type { LeafWork } from '../prove/tree.js';
import { type TreeNode, treeOf } from '../prove/tree-shape.js';
import { RECURSION_VERSION } from '../recursion/key.js';

/*
 * The jobs of a run. They are a function of its plan: the leaves with their epochs give the tree, and the tree is cut
 * where a node covers few enough steps. A job's key names what its result depends on, so that whoever has the plan can
 * tell every key, and a result is found by it whoever made it.
 */

/** Version of the rule by which the tree is cut into segments. */
export const SHAPE_RULE = 1;
/** What wrote the results: versions of the file and of the circuits. */
export const PROVER = `certune/${NODE_VERSION}/${RECURSION_VERSION}`;

export const JOB_KINDS = ['end', 'certify', 'fold', 'segment'] as const;
/**
 * `segment`: steps, leaves and folds of a node of the tree, from the state before its first step; `fold`: two
 * neighbouring nodes; `end`: the end of the run; `certify`: its certificate, whose masks are drawn.
 */
export type JobKind = (typeof JOB_KINDS)[number];

/** Whether two results of a job that both hold may differ. */
export const draws = (kind: JobKind): boolean => kind === 'certify';

/** A job of a run. */
export interface Job {
  readonly key: string;
  readonly kind: JobKind;
  /** Leaves from .. to - 1. */ readonly from: number;
  readonly to: number;
  /** Node of the tree that it makes, or ends. */ readonly node: TreeNode;
  /** Keys of the jobs whose results it reads. */ readonly children: readonly string[];
}

/** What the jobs of a run follow from. */
export interface Plan {
  /** Digests of manifest and published key. */ readonly manifest: string;
  readonly key: string;
  readonly leaves: readonly LeafWork[];
  /** Where each leaf begins, and where the last one ends. */ readonly places: readonly Place[];
  /** Steps of a segment, at most; a leaf is never cut. */ readonly perSegment: number;
  /** Whether a certificate is made too. */ readonly certify?: boolean;
}

/** Key of a job: SHA-256 of what its result depends on. */
export const jobKey = ({ manifest, key }: Pick<Plan, 'manifest' | 'key'>, kind: JobKind, from: number, to: number): string =>
  sha256Hex(canonicalize({ manifest, key, kind, range: [from, to], rule: SHAPE_RULE, prover: PROVER })!);

/** Least power of two with which a run of so many steps has at most 5,000 segments, at most 8. */
export function defaultSegment(steps: number): number {
  let r = 1;
  while (r < 8 && steps / r > 5000) r *= 2;
  return r;
}

/**
 * Steps of a segment on one machine, whose coordinator takes its processor time from the same cores: a boundary between
 * segments takes some hundredth of a step's proof to judge, so that long runs have fewer of them.
 */
export const embeddedSegment = (steps: number): number =>
  Math.max(defaultSegment(steps), steps >= 256 ? 8 : steps >= 64 ? 4 : steps >= 4 ? 2 : 1);

/** Jobs of a run: children before parents, segments from the left; the last one is the end, or the certificate. */
export function jobsOf(plan: Plan): readonly Job[] {
  const { places, perSegment } = plan,
    out: Job[] = [],
    keyOf = (kind: JobKind, t: TreeNode): string => jobKey(plan, kind, t.from, t.to);
  const visit = (t: TreeNode): string => {
    const [from, to] = [places[t.from], places[t.to]],
      steps = to.step - from.step + (to.part > from.part ? 1 : 0),
      [a, b] = t.children ?? [],
      kind = !a || !b || steps <= perSegment ? 'segment' : 'fold',
      children = kind === 'fold' ? [visit(a!), visit(b!)] : [],
      key = keyOf(kind, t);
    out.push({ key, kind, from: t.from, to: t.to, node: t, children });
    return key;
  };
  const root = treeOf(plan.leaves),
    node = visit(root);
  const last = (kind: JobKind, children: readonly string[]): string => {
      const key = keyOf(kind, root);
      out.push({ key, kind, from: root.from, to: root.to, node: root, children });
      return key;
    },
    end = last('end', [node]);
  // After the end, which nobody should have to wait for longer than without a certificate.
  if (plan.certify) last('certify', [end, node]);
  return out;
}

/** Classes of memory, smallest first: a worker takes jobs of its class and of those before it. */
export const MEMORY_CLASSES = ['s', 'm', 'l'] as const;
export type MemoryClass = (typeof MEMORY_CLASSES)[number];
/** Most bytes of a job of each class; the last one has no limit. */
const CLASS_BYTES = [4 * 2 ** 30, 12 * 2 ** 30, Number.POSITIVE_INFINITY];

/** Class of a job that takes so many bytes. */
export const classOf = (bytes: number): MemoryClass => MEMORY_CLASSES[CLASS_BYTES.findIndex((most) => bytes <= most)];
/** Classes of the jobs that so many bytes are enough for, largest first. */
export const classesWithin = (bytes: number): MemoryClass[] =>
  MEMORY_CLASSES.filter((_, i) => i === 0 || bytes > CLASS_BYTES[i - 1]).reverse();
export const nextClass = (c: MemoryClass): MemoryClass | undefined => MEMORY_CLASSES[MEMORY_CLASSES.indexOf(c) + 1];

/** A job on its way to a worker: keys and ranges, never code, paths or bytes of proofs. */
export interface JobRecord {
  readonly key: string;
  readonly kind: JobKind;
  readonly from: number;
  readonly to: number;
  /** Counts how often it was put: a queue may refuse to run one name twice. */ readonly generation: number;
  readonly memory: MemoryClass;
  /** First step, by which jobs are ordered. */ readonly step: number;
  /** HMAC-SHA-256 of the rest under the farm's key. */ readonly mac: string;
}

const macOf = (farmKey: Uint8Array, x: Omit<JobRecord, 'mac'>): string =>
  createHmac('sha256', farmKey)
    .update(canonicalize([x.key, x.kind, x.from, x.to, x.generation, x.memory, x.step])!)
    .digest('hex');

/** A record under the farm's key. */
export const signJob = (farmKey: Uint8Array, x: Omit<JobRecord, 'mac'>): JobRecord => ({ ...x, mac: macOf(farmKey, x) });

const HEX = /^[0-9a-f]{64}$/,
  whole = (x: unknown): x is number => typeof x === 'number' && Number.isSafeInteger(x) && x >= 0;

/** A record as it came from a queue; undefined where it is none, or not one of whoever holds the farm's key. */
export function readJob(farmKey: Uint8Array, x: unknown): JobRecord | undefined {
  if (!x || typeof x !== 'object') return undefined;
  const { key, kind, from, to, generation, memory, step, mac } = x as Record<string, unknown>,
    k = JOB_KINDS.find((y) => y === kind),
    m = MEMORY_CLASSES.find((y) => y === memory);
  if (typeof key !== 'string' || !HEX.test(key) || typeof mac !== 'string' || !HEX.test(mac)) return undefined;
  if (!k || !m || !whole(from) || !whole(to) || !whole(generation) || !whole(step)) return undefined;
  const r = { key, kind: k, from, to, generation, memory: m, step };
  return timingSafeEqual(Buffer.from(macOf(farmKey, r), 'hex'), Buffer.from(mac, 'hex')) ? { ...r, mac } : undefined;
}

/** Rank by which jobs are taken, least first: the end, folds, segments; each by its first step. */
export const rankOf = ({ kind, step }: Pick<JobRecord, 'kind' | 'step'>): number => JOB_KINDS.indexOf(kind) * 2 ** 24 + step;
