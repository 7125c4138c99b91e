import { describe, expect, it } from 'vitest';
import { SBOXES } from '../circuit/poseidon2.js';
import { circuitProgram } from '../circuit/program.js';
import { byKind } from '../circuit/rows.js';
import { endOptions } from '../recursion/end.js';
import { keyGroup, makePlan } from '../tensor/plan.js';
import { hidingPlan, hidingWords } from '../tensor/verify-hiding.js';
import { countPlan, groupWork, openingWork, treeWork } from './counts.js';

/** A circuit of few rows: its shape alone is counted. */
const HEIGHTS = byKind((k) => (k === 'P' ? 96 : k === 'M' ? 80 : 256)),
  OPTIONS = { bits: 100, grinding: 16 };

describe('work of a proof, counted from its plan', () => {
  const program = circuitProgram(HEIGHTS),
    node = makePlan(program, { ...OPTIONS, rate: 2, stateRate: 2 }),
    end = makePlan(program, endOptions(OPTIONS));

  it('has hashes for rows and for the levels above them, and words to encode', () => {
    expect(treeWork(17, 10, 12)).toEqual({ hashes: 4096 * 4, encoded: 4096 * 17 * 10 });
    // A codeword that is opened and was not kept is encoded twice and hashed once.
    const [g] = node.whir.groups,
      once = groupWork(g, { hashed: 1, encoded: 1 });
    expect(groupWork(g, { hashed: 1, encoded: 2 })).toEqual({ hashes: once.hashes, encoded: 2 * once.encoded });
    expect(countPlan(node).trees).toEqual(once);
    expect(countPlan(node).openingTrees).toEqual(openingWork(node.whir));
  });

  it('counts the seventh powers of a permutation once for its rounds and its outputs, and nowhere else', () => {
    const counts = countPlan(node),
      sevenths = node.terms.filter((t) => t.factors.some((f) => t.factors.filter((x) => x === f).length === 7));
    expect(counts.seventhCells).toBe(SBOXES * (HEIGHTS.P + HEIGHTS.M));
    expect(sevenths).toHaveLength(4);
    const without = countPlan({ ...node, terms: node.terms.filter((t) => !sevenths.includes(t)) });
    expect([without.seventhCells, without.termCells]).toEqual([0, counts.termCells]);
  });

  it('takes the tree of a key as made before: its columns are encoded where they are opened, and not hashed', () => {
    const counts = countPlan(end),
      key = keyGroup(end)!,
      [witness] = end.whir.groups;
    expect(counts.trees).toEqual(groupWork(witness, { hashed: 1, encoded: 1 }));
    const opened = openingWork(end.whir);
    expect(counts.openingTrees).toEqual({
      hashes: opened.hashes,
      encoded: opened.encoded + groupWork(key, { hashed: 0, encoded: 1 }).encoded,
    });
  });

  it('counts a proof that hides its witness from its own plan: its words, its tails, what it digests', () => {
    const hidden = hidingPlan(program, endOptions(OPTIONS)),
      counts = countPlan(hidden);
    expect(counts.words).toBe(hidingWords(hidden));
    expect(counts.words).toBeGreaterThan(countPlan(end).words);
    const cells = program.tensors.filter((t) => t.cls === 'witness').map((t) => t.axes.reduce((n, a) => n * program.axes[a], 1));
    expect(counts.digested).toBe(8 * cells.reduce((a, b) => a + b, 0));
    expect(countPlan(end).digested).toBe(0);
  });
});
