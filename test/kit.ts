import type { Kernels } from '../src/kernels/index.js';
import { type DetachedClaim, settleFrozen } from '../src/tensor/deferred.js';
import { type Inputs, IntegerReading } from '../src/tensor/integer.js';
import { type Plan, type ProofOptions, hashOf, makePlan } from '../src/tensor/plan.js';
import { proveProgram } from '../src/tensor/prove.js';
import { frozenStack } from '../src/tensor/state-commit.js';
import { type Statement, frozenDigest } from '../src/tensor/statement.js';
import type { Program } from '../src/tensor/types.js';
import { verifyProgram } from '../src/tensor/verify.js';
import { NativeChannel } from '../src/transcript/index.js';
import type { MessageHook } from '../src/transcript/prover.js';

/** Parameters that are quick to prove and strong enough that no forgery of a test passes by luck. */
export const QUICK: ProofOptions = { bits: 30, grinding: 3, rate: 2, stateRate: 3 };

/** A program with inputs, and how to change its trace before proving. */
export interface Case {
  readonly program: Program;
  readonly inputs: Inputs;
  readonly options?: ProofOptions;
}
export interface Attack {
  /** Changes the trace; the prover keeps the lookups' honest keys, so that it is the verifier who must notice. */
  readonly tamper?: (r: IntegerReading) => void;
  readonly hook?: MessageHook;
  /** The reading runs where the proof is made: on a device, if that is. */
  readonly train?: true;
}

export interface Proved {
  readonly plan: Plan;
  readonly proof: BigUint64Array;
  readonly statement: Statement;
  readonly frozen: BigInt64Array;
}

/** Proves a case, honestly or not. */
export function proveCase(k: Kernels, c: Case, attack: Attack = {}): Proved {
  const m = k.mark(),
    reading = new IntegerReading(k, c.program, c.inputs);
  if (!attack.train) reading.run();
  if (attack.tamper) {
    const honest = new Map(c.program.constraints.flatMap((x) => (x.kind === 'zero' ? [] : [[x.name, reading.keys(x)] as const])));
    reading.keys = (x) => honest.get(x.name)!;
    attack.tamper(reading);
  } else if (!attack.train && reading.violated()) throw new Error(`honest trace violates ${JSON.stringify(reading.violated())}`);
  const plan = makePlan(c.program, c.options ?? QUICK),
    fz = frozenStack(k, plan, (n) => reading.ptr.get(n)!),
    frozen = k.i64.slice(fz.ptr / 8, fz.ptr / 8 + fz.cells);
  const { proof, statement } = proveProgram(k, plan, reading, {
    frozenDigest: frozenDigest(frozen),
    ...(attack.hook ? { hook: attack.hook } : {}),
    ...(attack.train ? { train: true } : {}),
  });
  k.release(m);
  return { plan, proof, statement, frozen };
}

/** Verifies a proof, whose claim on the frozen tensors it returns; throws as the verifier does. */
export function verifyProof(vk: Kernels, { plan, proof, statement }: Omit<Proved, 'frozen'>): DetachedClaim {
  const ch = new NativeChannel(vk, proof, hashOf(plan));
  try {
    const d = verifyProgram(ch, plan, statement);
    ch.finish();
    return d.detach(ch);
  } finally {
    ch.close();
  }
}

/** Verifies and settles; throws as the verifier does. */
export function verifyCase(vk: Kernels, p: Proved, change: Partial<Proved> = {}): void {
  const { frozen, ...made } = { ...p, ...change },
    claim = verifyProof(vk, made);
  const m = vk.mark(),
    at = vk.alloc(8 * Math.max(1, frozen.length));
  vk.i64.set(frozen, at / 8);
  try {
    settleFrozen(vk, at, frozen.length, [claim]);
  } finally {
    vk.release(m);
  }
}

/** Deterministic numbers in [0, n). */
export function lcg(seed: number): (n: number) => number {
  let x = seed >>> 0;
  return (n) => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return Math.floor((x / 2 ** 32) * n);
  };
}

/** Adds one to a cell of a tensor of the trace. */
export const bump =
  (tensor: string, cell: number, by = 1n): ((r: IntegerReading) => void) =>
  (r) => {
    r.k.i64[r.ptr.get(tensor)! / 8 + cell] += by;
  };
