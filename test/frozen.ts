import * as E from '../src/field/ext3.js';
import type { Kernels } from '../src/kernels/index.js';
import type { Plan } from '../src/tensor/plan.js';
import type { Statement } from '../src/tensor/statement.js';
import { verifyProgram } from '../src/tensor/verify.js';
import { type Channel, type Elem, type Ext, NativeChannel, type Schedule, messageWords } from '../src/transcript/index.js';

/*
 * Replay with frozen challenges. A verifier that takes its challenges from a recorded proof, whatever it absorbs,
 * stands for a transcript that does not bind a message: the prover knows what comes after it. If a false proof passes
 * there and is refused with challenges drawn live, the binding of that message carries weight, and no equation stands
 * in for it.
 */

/** The challenges of a proof, in order: elements, and the bits of queries. */
export interface Challenges {
  readonly elements: readonly Ext[];
  readonly bits: readonly (readonly bigint[])[];
}
/** A proof and what verifies it. */
export interface Presented {
  readonly proof: BigUint64Array;
  readonly verify: (ch: Channel) => void;
}
/** A proof of a program for a statement. */
export const ofProgram = (p: { readonly plan: Plan; readonly statement: Statement; readonly proof: BigUint64Array }): Presented => ({
  proof: p.proof,
  verify: (ch) => void verifyProgram(ch, p.plan, p.statement),
});

/** The verifier's channel with some of its methods in other hands. */
function channel(inner: NativeChannel, own: Record<string, (...a: never[]) => unknown>): Channel {
  return new Proxy(inner as unknown as Channel, {
    get(_t, key) {
      const f = own[String(key)] ?? (inner as unknown as Record<string | symbol, unknown>)[key];
      return typeof f === 'function' ? (own[String(key)] ? f : f.bind(inner)) : f;
    },
  });
}

/** The challenges that a proof draws. */
export function record(vk: Kernels, p: Presented): Challenges {
  const inner = new NativeChannel(vk, p.proof),
    elements: Ext[] = [],
    bits: bigint[][] = [];
  try {
    const ch = channel(inner, {
      sample: (label: string) => {
        const e = inner.sample(label);
        elements.push(inner.value(e));
        return e;
      },
      sampleBits: (label: string, n: number) => {
        const e = inner.sampleBits(label, n);
        bits.push(e.map((b) => inner.value(b)[0]));
        return e;
      },
    });
    p.verify(ch);
    inner.finish();
  } finally {
    inner.close();
  }
  return { elements, bits };
}

/**
 * Differences of the two sides of every equation under frozen challenges, by check and in order. Other checks throw;
 * work is not asked for.
 */
export function residuals(vk: Kernels, p: Presented, c: Challenges): { check: string; value: Ext }[] {
  const inner = new NativeChannel(vk, p.proof),
    out: { check: string; value: Ext }[] = [];
  let element = 0,
    query = 0;
  try {
    const ch = channel(inner, {
      sample: () => inner.constant(c.elements[element++]),
      sampleBits: () => c.bits[query++].map((b) => inner.constant(b)),
      grind: (label: string) => inner.readBase(label, 1),
      assertEqual: (a: Elem, b: Elem, check: string) => out.push({ check, value: E.sub(inner.value(a), inner.value(b)) }),
    });
    p.verify(ch);
    inner.finish();
  } finally {
    inner.close();
  }
  return out;
}

/** Place of element `i` of the n-th message of a label in the words of a proof. */
export function place(schedule: Schedule, label: string, i = 0, n = 0): number {
  let at = 0,
    seen = 0;
  for (const m of schedule) {
    if (m.label === label && seen++ === n) return at + 3 * i;
    at += messageWords(m);
  }
  throw new Error(`no message ${label}`);
}

/** The proof with something added to the elements at some places. */
export function added(proof: BigUint64Array, at: readonly number[], by: readonly Ext[]): BigUint64Array {
  const out = proof.slice();
  at.forEach((w, j) => {
    const e = E.add([out[w], out[w + 1], out[w + 2]], by[j]);
    for (let k = 0; k < 3; k++) out[w + k] = e[k];
  });
  return out;
}

/** x with M x = v over E, by elimination; unknowns that nothing fixes are zero. Undefined where there is none. */
export function solve(columns: readonly (readonly Ext[])[], v: readonly Ext[]): Ext[] | undefined {
  const rows = v.map((b, r) => [...columns.map((c) => c[r]), b]),
    pivots: number[] = [];
  let at = 0;
  for (let c = 0; c < columns.length; c++) {
    const r = rows.findIndex((row, k) => k >= at && !E.eq(row[c], E.ZERO));
    if (r < 0) continue;
    [rows[at], rows[r]] = [rows[r], rows[at]];
    const inverse = E.inv(rows[at][c]);
    rows[at] = rows[at].map((x) => E.mul(x, inverse));
    const pivot = rows[at];
    rows.forEach((row, k) => {
      if (k !== at && !E.eq(row[c], E.ZERO)) rows[k] = row.map((x, j) => E.sub(x, E.mul(row[c], pivot[j])));
    });
    pivots[at++] = c;
  }
  if (rows.slice(at).some((row) => !E.eq(row[columns.length], E.ZERO))) return undefined;
  const x = columns.map((): Ext => E.ZERO);
  pivots.forEach((c, r) => {
    x[c] = rows[r][columns.length];
  });
  return x;
}

/**
 * What to add to the elements at `unknowns` so that all equations of a lie hold under frozen challenges, in which they
 * are linear.
 */
export function compensate(vk: Kernels, lie: Presented, c: Challenges, unknowns: readonly number[]): Ext[] | undefined {
  const of = (proof: BigUint64Array): Ext[] => residuals(vk, { ...lie, proof }, c).map((r) => r.value),
    wrong = of(lie.proof),
    columns = unknowns.map((u) => of(added(lie.proof, [u], [E.ONE])).map((x, r) => E.sub(x, wrong[r])));
  return solve(
    columns,
    wrong.map((x) => E.sub(E.ZERO, x)),
  );
}
