import { circuitKey } from '../circuit/key.js';
import type { Kernels } from '../kernels/runtime.js';
import { PROOF_VERSION, programDigest } from '../tensor/statement.js';
import { type StackTree, stackTree } from './commit.js';
import type { RecursionClass } from './class.js';
import { hashOf, keyGroup } from '../tensor/plan.js';
import { RECURSION_VERSION, type VerificationKey, digestText, slotsOf } from './key.js';

/** Verification keys of a class: stacks of fixed columns and their roots. */
export interface RecursionKeys {
  /** All slots by kind, each padded to 2^frozenVars: see slotsOf. */ readonly stack: BigInt64Array;
  readonly root: readonly bigint[];
  /** Tree over the stack, which an end opens. */ readonly tree: Uint8Array;
  /** Tree over the end's own columns. */ readonly end: StackTree;
  /** SHA-256 of every circuit's columns, by kind, the end last: to find what differs. */
  readonly digests: readonly string[];
  readonly published: VerificationKey;
}

/** Columns and keys of a class: a few seconds. */
export function recursionKeys(k: Kernels, c: RecursionClass): RecursionKeys {
  const parts = c.circuits.map((x) => circuitKey(k, c.plan, x.fixed)),
    own = circuitKey(k, c.end.plan, c.end.circuit.fixed),
    slot = 2 ** c.plan.frozenVars,
    slots = slotsOf(parts.length),
    stack = new BigInt64Array((slots - 1) * slot + parts[0].stack.length);
  for (let i = 0; i < slots; i++) stack.set((parts[i] ?? parts[0]).stack, i * slot);
  const { root, tree } = stackTree(k, c.end.shape.keyShape.groups[0], stack),
    columns = keyGroup(c.end.plan)!,
    end = stackTree(k, columns, own.stack, hashOf(c.end.plan)),
    { bits, grinding, rate } = c.plan.options;
  const programs = [...new Set(c.leaves.map((l) => l.plan.program))];
  return {
    stack,
    root,
    tree,
    end,
    digests: [...parts, own].map((p) => digestText(p.digest)),
    published: {
      type: 'certune-key',
      version: RECURSION_VERSION,
      proofVersion: PROOF_VERSION,
      programs: programs.map((p) => digestText(programDigest(p))),
      leaves: c.leaves.map(({ kind, count }) => ({ kind, count })),
      proof: {
        bits,
        programRate: c.leaves[0].plan.options.rate,
        rate,
        endRate: c.end.plan.options.rate,
        settleRates: [c.end.shape.keyShape.groups[0], c.end.shape.baseShape.groups[0], columns].map((g) => g.logInvRate),
        grinding,
      },
      heights: c.circuits[0].heights,
      endHeights: c.end.circuit.heights,
      baseVars: c.run.baseVars,
      root: root.map(String),
      endRoot: end.root.map(String),
    },
  };
}
