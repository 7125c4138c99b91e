import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Keeper, type LeafWork, type Maker, grow } from './tree.js';
import { type TreeNode, depthOf, treeOf } from './tree-shape.js';

/** A proof that says what it is over: "3" a step, "[3]" its leaf, "([3][4])" a fold. */
type Text = string;
class Crash extends Error {}

/** A disk of two kinds of files, on which every operation may be the last one. */
class Disk implements Keeper<Text, Text> {
  readonly steps = new Map<number, Text>();
  readonly nodes = new Map<string, Text>();
  readonly epochs = new Map<number, Text>();
  readonly made: string[] = [];
  /** Most nodes at any time, epochs apart, and most step proofs. */
  mostNodes = 0;
  mostSteps = 0;
  #left = Number.POSITIVE_INFINITY;
  ops = 0;
  crashAfter(ops: number): void {
    this.#left = ops;
  }
  #op(): void {
    this.ops++;
    if (this.#left-- <= 0) throw new Crash();
  }
  loadStep(s: number): Text | undefined {
    return this.steps.get(s);
  }
  saveStep(s: number, p: Text): void {
    this.#op();
    this.steps.set(s, p);
    this.mostSteps = Math.max(this.mostSteps, this.steps.size);
  }
  dropSteps(before: number): void {
    for (const s of [...this.steps.keys()])
      if (s < before) {
        this.#op();
        this.steps.delete(s);
      }
  }
  loadNode(t: TreeNode): Text | undefined {
    return t.epoch === undefined ? this.nodes.get(`${t.from}-${t.to}`) : this.epochs.get(t.epoch);
  }
  saveNode(t: TreeNode, n: Text): void {
    this.#op();
    if (t.epoch === undefined) this.nodes.set(`${t.from}-${t.to}`, n);
    else this.epochs.set(t.epoch, n);
    this.mostNodes = Math.max(this.mostNodes, this.nodes.size);
  }
  dropInside(t: TreeNode): void {
    for (const f of [...this.nodes.keys()]) {
      const [from, to] = f.split('-').map(Number);
      if (from >= t.from && to <= t.to && to - from < t.to - t.from) {
        this.#op();
        this.nodes.delete(f);
      }
    }
  }
  /** Making anything may be cut short too. */
  make(): Maker<Text, Text> {
    const made = (what: string): string => {
      this.#op();
      this.made.push(what);
      return what;
    };
    return {
      step: (s) => made(String(s)),
      leaf: (i, p) => made(`[${i}:${p.join(' ')}]`),
      fold: (_t, a, b) => made(`(${a}${b})`),
    };
  }
}

/**
 * Leaves of a run of `steps` steps, `each` in an epoch, `share` steps a leaf (or that many leaves a step where `parts`
 * says so).
 */
function leavesOf(steps: number, each: number, share = 1, parts = 1, from = 0): LeafWork[] {
  const out: LeafWork[] = [];
  for (let s = from; s < from + steps; ) {
    const epoch = Math.floor(s / each),
      end = Math.min(from + steps, (epoch + 1) * each),
      n = end - s >= share ? share : 1,
      list = Array.from({ length: n }, (_, k) => s + k);
    for (let p = 0; p < parts; p++)
      out.push({ steps: list, epoch, first: s % each === 0 && p === 0, last: (s + n) % each === 0 && p === parts - 1 });
    s += n;
  }
  return out;
}
const walk = (t: TreeNode): TreeNode[] => [t, ...(t.children ?? []).flatMap(walk)];

describe('shape of the tree', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8, 13, 40])(
    '1 to 40 steps in epochs of %i: every leaf once, in order, every whole epoch a node',
    (each) => {
      for (let steps = 1; steps <= 40; steps++) {
        const leaves = leavesOf(steps, each),
          t = treeOf(leaves),
          all = walk(t);
        expect(all.filter((x) => !x.children).map((x) => x.from)).toEqual(leaves.map((_, i) => i));
        expect(all).toHaveLength(2 * steps - 1);
        for (const x of all) if (x.children) expect([x.from, x.to]).toEqual([x.children[0].from, x.children[1].to]);
        expect(all.flatMap((x) => (x.epoch === undefined ? [] : [[x.epoch, x.from, x.to]]))).toHaveLength(Math.floor(steps / each));
        for (const x of all) if (x.epoch !== undefined) expect([x.from, x.to]).toEqual([x.epoch * each, (x.epoch + 1) * each]);
        const log = (n: number): number => Math.ceil(Math.log2(n));
        expect(depthOf(t)).toBeLessThanOrEqual(log(Math.min(each, steps)) + log(Math.ceil(steps / each)));
      }
    },
  );
  it('an epoch that a range cuts is no epoch node; wrong marks are refused', () => {
    const t = treeOf(leavesOf(6, 4, 1, 1, 2));
    expect(walk(t).flatMap((x) => (x.epoch === undefined ? [] : [[x.epoch, x.from, x.to]]))).toEqual([[1, 2, 6]]);
    expect(() => treeOf([])).toThrow(RangeError);
    const l = leavesOf(4, 2);
    expect(() => treeOf([{ ...l[0], last: true }, ...l.slice(1)])).toThrow(RangeError);
    expect(() => treeOf([l[0], { ...l[1], last: false }, ...l.slice(2)])).toThrow(RangeError);
    expect(() => treeOf(l.map((x) => ({ ...x, epoch: 2 * x.epoch })))).toThrow(RangeError);
  });
});

/** Runs to the end through these crashes; what was made, whole. */
function throughCrashes(leaves: LeafWork[], crashes: readonly number[]): { disk: Disk; result: Text } {
  const disk = new Disk();
  for (const c of crashes) {
    disk.crashAfter(c);
    try {
      grow(leaves, disk.make(), disk);
    } catch (e) {
      if (!(e instanceof Crash)) throw e;
    }
  }
  disk.crashAfter(Number.POSITIVE_INFINITY);
  return { disk, result: grow(leaves, disk.make(), disk) };
}

describe('growing it', () => {
  const shapes: [string, LeafWork[]][] = [
    ['11 steps, epochs of 4', leavesOf(11, 4)],
    ['three steps a leaf', leavesOf(13, 5, 3)],
    ['three leaves a step', leavesOf(5, 2, 1, 3)],
    ['a range', leavesOf(6, 4, 1, 1, 2)],
    ['one step', leavesOf(1, 1)],
  ];
  it.each(shapes)('in one go: nothing twice, disk as deep as the tree; %s', (_n, leaves) => {
    const { disk } = throughCrashes(leaves, []),
      steps = new Set(leaves.flatMap((l) => l.steps)).size;
    expect(new Set(disk.made).size).toBe(disk.made.length);
    expect(disk.made).toHaveLength(steps + 2 * leaves.length - 1);
    expect(disk.mostNodes).toBeLessThanOrEqual(depthOf(treeOf(leaves)) + 2);
    expect(disk.mostSteps).toBeLessThanOrEqual(Math.max(...leaves.map((l) => l.steps.length)));
    expect(disk.steps.size).toBe(0);
    expect(disk.nodes.size).toBeLessThanOrEqual(1);
    // A neighbour is folded before the next step is begun.
    if (_n.startsWith('11')) expect(disk.made.slice(0, 7)).toEqual(['0', '[0:0]', '1', '[1:1]', '([0:0][1:1])', '2', '[2:2]']);
  });
  it.each(shapes)('killed at every single moment: the same result, one thing at most made again; %s', (_n, leaves) => {
    const whole = throughCrashes(leaves, []),
      kept = (d: Disk): unknown => [[...d.epochs].sort(), [...d.nodes], [...d.steps]];
    for (let at = 0; at <= whole.disk.ops; at++) {
      const { disk, result } = throughCrashes(leaves, [at]);
      expect(result).toBe(whole.result);
      expect(disk.made.length).toBeLessThanOrEqual(whole.disk.made.length + 1);
      expect(kept(disk)).toEqual(kept(whole.disk));
    }
  });
  it('killed any number of times', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 3 }),
        fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 20 }),
        (steps, each, share, parts, crashes) => {
          const leaves = leavesOf(steps, each, parts > 1 ? 1 : share, parts),
            a = throughCrashes(leaves, []),
            b = throughCrashes(leaves, crashes);
          expect(b.result).toBe(a.result);
          expect(b.disk.made.length).toBeLessThanOrEqual(a.disk.made.length + crashes.length);
          expect([...b.disk.epochs].sort()).toEqual([...a.disk.epochs].sort());
          expect(b.disk.nodes.size + b.disk.steps.size).toBeLessThanOrEqual(1);
        },
      ),
      { numRuns: 300 },
    );
  });
  it('a stored node that is no longer whole is made again from what is left', () => {
    const leaves = leavesOf(8, 8),
      disk = new Disk();
    disk.crashAfter(30);
    expect(() => grow(leaves, disk.make(), disk)).toThrow(Crash);
    const [torn] = disk.nodes.keys();
    disk.nodes.delete(torn);
    disk.crashAfter(Number.POSITIVE_INFINITY);
    expect(grow(leaves, disk.make(), disk)).toBe(throughCrashes(leaves, []).result);
  });
});
