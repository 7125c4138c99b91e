import { describe, expect, it } from 'vitest';
import { circuitCells, compileCircuit, heightsOf, verifyInCircuit } from '../src/circuit/index.js';
import { CircuitChannel } from '../src/circuit/channel.js';
import { violations } from '../src/circuit/check.js';
import { fixedColumns } from '../src/circuit/columns.js';
import { circuitKey } from '../src/circuit/key.js';
import { CIRCUIT_VERSION } from '../src/circuit/program.js';
import { proveCircuit } from '../src/circuit/prove.js';
import type { RowHook } from '../src/circuit/rows.js';
import { expose } from '../src/circuit/verifier.js';
import * as E from '../src/field/ext3.js';
import { P } from '../src/field/goldilocks.js';
import { singleKernels } from '../src/kernels/index.js';
import { ProgramError, checkProgram } from '../src/tensor/bounds.js';
import { ProgramBuilder, expr, operand, term } from '../src/tensor/builder.js';
import { makePlan } from '../src/tensor/plan.js';
import { scheduleOf } from '../src/tensor/schedule.js';
import { PROOF_VERSION, frozenDigest } from '../src/tensor/statement.js';
import { verifyProgram } from '../src/tensor/verify.js';
import { NativeChannel, VerificationError, scheduleWords } from '../src/transcript/index.js';
import { type Case, QUICK, lcg, proveCase, verifyCase } from './kit.js';

const k = singleKernels(),
  vk = singleKernels();

/** A small program with state, ids, a mask, a table-free range and a frozen matrix. */
function tiny(): Case {
  const b = new ProgramBuilder('tiny', 6);
  for (const [a, n] of Object.entries({ l: 1, i: 5, d: 3, v: 6, P: 4 })) b.axis(a, n);
  b.tensor('W', ['v', 'd'], 'frozen', { lo: -20n, hi: 20n, frac: 0 });
  b.tensor('ids', ['v', 'i'], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'onehot' });
  b.tensor('mask', ['i'], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'dense' });
  b.tensor('rate', [], 'public', { lo: 0n, hi: 9n, frac: 0 }, { publicKind: 'dense' });
  b.tensor('C', ['P'], 'cIn', { lo: -50n, hi: 50n, frac: 0 });
  b.tensor('C2', ['P'], 'cOut', { lo: -512n, hi: 511n, frac: 0 });
  b.rounded('X', ['i', 'd'], { bits: 8, frac: 0 }, expr([term(4, 'W[v,d]', 'ids[v,i]', 'mask[i]')]), 1);
  b.round('C2', ['P'], expr([term(1, 'rate', 'C[P]')]), 1);
  b.inFormat('C2', { bits: 10, frac: 0 });
  return {
    program: b.build(),
    inputs: new Map<string, BigInt64Array | Int32Array>([
      ['W', BigInt64Array.from({ length: 18 }, (_, x) => BigInt(((x * 7) % 31) - 15))],
      ['ids', Int32Array.of(3, -1, 0, 5, 2)],
      ['mask', BigInt64Array.of(1n, 0n, 1n, 1n, 0n)],
      ['rate', BigInt64Array.of(7n)],
      ['C', BigInt64Array.of(3n, -4n, 50n, 0n)],
    ]),
  };
}

const child = proveCase(k, tiny());
const circuit = compileCircuit((ch) => void verifyInCircuit(ch, child.plan));
const run = (c: Pick<typeof child, 'proof' | 'statement'> = child): CircuitChannel => {
  const ch = new CircuitChannel(new BigUint64Array(0));
  verifyInCircuit(ch, child.plan, c);
  return ch;
};

describe('circuit of the verifier', () => {
  it('accepts a valid proof', () => {
    verifyCase(vk, child);
    const ch = run();
    expect(ch.failed).toEqual([]);
    expect(violations(circuit.program, circuitCells(ch, circuit))).toEqual([]);
  });
  it('built from the shape equals built from a proof, row by row', () => {
    const ch = run();
    expect(heightsOf(ch)).toEqual(circuit.heights);
    for (const [name, v] of fixedColumns(ch, circuit.heights)) expect(v, name).toEqual(circuit.fixed.get(name));
  });
  it('has the golden key of its version: a change of rows, constants or protocol needs another version', () => {
    const golden: Record<string, string> = {
      '4.1': '957ed6ff759874972648a6fa21a159b0b29f716c4da2a94ec3dce8e53a4d19fd',
      '5.1': '65fb56d5eb129e07de8acd1ce57ab2372594a419b175661d2477dfeeb3041968',
      '6.1': 'c0d26b8b9430dbb67f21df347c4142f0a5e9394c399edb81a6fb8b7e665ed8da',
      '7.1': '3ac2c8cafd3d2c6048f6a2b579d55c3fd8900fe5f669606d55b5c3f2f3dc5844',
      '8.1': '311de02c3e7a54f262eceb960f8c421bf1741139336cfe79f0d381006b4e505d',
      '9.1': '92ac5f12825e0c8112ffa103670a3673d2281ee567f2c238eff72f55cef60d2d',
      '9.2': 'ea17985b1d80f322d2b98871ff3028d8f93115e3aa7843f0f6cf1f8b3a55185a',
      '9.3': '22d5bed5eb89f2b224d856952cf0d63b5785ea461230875a43d37dedd63ec6f0',
    };
    const { digest } = circuitKey(k, makePlan(circuit.program, QUICK), circuit.fixed);
    expect(digest.map((w) => w.toString(16).padStart(8, '0')).join('')).toBe(golden[`${PROOF_VERSION}.${CIRCUIT_VERSION}`]);
  });
  it('agrees with the native verifier on valid and mutated proofs and statements', () => {
    const { proof, statement, plan } = child,
      rnd = lcg(5),
      schedule = scheduleOf(plan, statement);
    const native = (c: Pick<typeof child, 'proof' | 'statement'>): boolean => {
      const ch = new NativeChannel(vk, c.proof);
      try {
        verifyProgram(ch, plan, c.statement);
        ch.finish();
        return true;
      } catch (e) {
        expect(e).toBeInstanceOf(VerificationError);
        return false;
      } finally {
        ch.close();
      }
    };
    // One word of every kind of message, then any words.
    const places = new Map<string, number>();
    let at = 0;
    for (const m of schedule) {
      const n = scheduleWords([m]);
      if (n) places.set(m.label, at + rnd(n));
      at += n;
    }
    const corpus: { name: string; proof: BigUint64Array; statement: typeof statement }[] = [{ name: 'honest', proof, statement }];
    const words = [...places, ...Array.from({ length: 100 }, () => ['any', rnd(proof.length)] as const)];
    for (const [name, k] of words) {
      const bad = proof.slice();
      bad[k] = (bad[k] + 1n + BigInt(rnd(1000))) % P;
      corpus.push({ name: `${name} ${k}`, proof: bad, statement });
    }
    const publics = (n: string, v: BigInt64Array | Int32Array): typeof statement => ({
      ...statement,
      publics: new Map([...statement.publics, [n, v]]),
    });
    const roots = (c: string, k: number): typeof statement => ({
      ...statement,
      roots: { ...statement.roots, [c]: statement.roots[c].map((x, i) => (i === k ? (x + 1n) % P : x)) },
    });
    for (const [name, st] of Object.entries({
      rate: publics('rate', BigInt64Array.of(6n)),
      mask: publics('mask', BigInt64Array.of(1n, 1n, 1n, 1n, 0n)),
      id: publics('ids', Int32Array.of(3, -1, 1, 5, 2)),
      'no id': publics('ids', Int32Array.of(3, -1, -1, 5, 2)),
      frozen: { ...statement, frozen: statement.frozen.map((x, i) => (i === 3 ? x + 1n : x)) },
      root: roots('sIn', 0),
      digest: roots('sIn', 6),
      point: roots('sIn', 9),
      value: roots('sIn', 12),
      'root out': roots('sOut', 3),
      'digest out': roots('sOut', 4),
      'point out': roots('sOut', 8),
      'value out': roots('sOut', 13),
    }))
      corpus.push({ name, proof, statement: st });
    const accepted: string[] = [],
      seen = new Set<string>();
    for (const c of corpus) {
      const ch = run(c),
        ok = native(c);
      expect(ch.failed.length === 0, `${c.name}: ${ch.failed[0]}`).toBe(ok);
      if (ok) accepted.push(c.name);
      // The circuit itself, once for every set of checks that fail.
      const kind = [...new Set(ch.failed)].join();
      if (seen.has(kind)) continue;
      seen.add(kind);
      expect(violations(circuit.program, circuitCells(ch, circuit)).length === 0, c.name).toBe(ok);
    }
    expect(accepted).toEqual(['honest']);
    expect(seen.size).toBeGreaterThan(8);
  });
  it('rejects the proof of a circuit whose cells do not satisfy it', () => {
    const plan = makePlan(circuit.program, QUICK),
      key = circuitKey(k, plan, circuit.fixed),
      bad = child.proof.slice();
    bad[9] = (bad[9] + 1n) % P;
    const cells = circuitCells(run({ ...child, proof: bad }), circuit);
    const p = proveCircuit(k, plan, cells, { frozenDigest: key.digest });
    expect(() => verifyCase(vk, { plan, ...p, frozen: key.stack })).toThrow(VerificationError);
  });
  it('proves rows that look up ids, and no proof holds of other entries, digits or marks', () => {
    // Ids below 5: the second id is 5 where it is one too high.
    const ids = (ch: CircuitChannel, word = 0n): void => {
        const e = [3n, 5n, 7n, 11n, 13n].map((x) => ch.compose(ch.publicWord(x), ch.publicWord(x + 1n), ch.constant(0n))),
          w = ch.publicWord(word);
        for (const got of ch.selectIds(w, 2, 3, ch.idTables(5, e.slice(0, 3), e.slice(3)))) expose(ch, ch.dot(e, e, got));
      },
      own = compileCircuit((ch) => ids(ch)),
      plan = makePlan(own.program, QUICK),
      key = circuitKey(k, plan, own.fixed);
    const check = (word: bigint, forge?: RowHook): void => {
      const ch = new CircuitChannel(new BigUint64Array(0), forge);
      ids(ch, word);
      const p = proveCircuit(k, plan, circuitCells(ch, own), { frozenDigest: key.digest });
      verifyCase(vk, { plan, ...p, frozen: key.stack });
    };
    const digit: RowHook = (kind, row, rows) => {
      if (kind !== 'I' || row !== 0) return;
      rows.I.digit[0] = [1n, 1n];
      rows.I.value[0] = E.mul(rows.T.value[1], rows.T.value[4]);
    };
    check(3n + 8n * 4n);
    check(0n);
    for (const lie of [
      () => check(3n + 8n * 5n),
      () => check(3n + 8n * 7n),
      () => check(1n, digit),
      () => check(1n, (kind, row, rows) => void (kind === 'T' && row === 0 && (rows.T.value[0] = E.ONE))),
      () => check(1n, (kind, row, rows) => void (kind === 'D' && row === 0 && (rows.D.value[0] = E.ONE))),
    ])
      expect(lie).toThrow(VerificationError);
  });
  it('rejects a foreign key and another statement', () => {
    const plan = makePlan(circuit.program, QUICK),
      key = circuitKey(k, plan, circuit.fixed),
      p = proveCircuit(k, plan, circuitCells(run(), circuit), { frozenDigest: key.digest });
    const other = key.stack.slice();
    other[7] += 1n;
    expect(() => verifyCase(vk, { plan, ...p, frozen: other })).toThrow(/frozen weights/);
    expect(() => verifyCase(vk, { plan, ...p, statement: { ...p.statement, frozen: frozenDigest(other) }, frozen: key.stack })).toThrow(
      VerificationError,
    );
    const words = BigInt64Array.from(p.statement.publics.get('public') as BigInt64Array);
    words[0] += 1n;
    expect(() =>
      verifyCase(vk, { plan, ...p, statement: { ...p.statement, publics: new Map([['public', words]]) }, frozen: key.stack }),
    ).toThrow(VerificationError);
  });
  it('refuses programs over the field that are not closed', () => {
    const p = circuit.program,
      wires = p.memories![0];
    const field =
      (change: object): (() => void) =>
      () =>
        checkProgram({ ...p, ...change });
    expect(field({})).not.toThrow();
    expect(field({ field: undefined })).toThrow(ProgramError);
    expect(field({ constraints: [...p.constraints, { kind: 'range', name: 'r', axes: [], expr: expr([]), bits: 1 }] })).toThrow(
      /no ranges/,
    );
    expect(field({ memories: [wires, wires] })).toThrow(/one name/);
    expect(field({ memories: [{ ...wires, columns: 2 }] })).toThrow(ProgramError);
    const column = (o: string): object => ({
      memories: [{ ...wires, segments: [{ ...wires.segments[1], columns: [operand(o)] }, ...wires.segments.slice(2)] }],
    });
    expect(field(column('public[rowU]'))).toThrow(/must be/);
    expect(field(column('H[j,rowH]'))).toThrow(/must run over/);
    expect(field(column('W[rowW]'))).not.toThrow();
  });
  it('is proven and verified like any program', () => {
    const plan = makePlan(circuit.program, QUICK),
      key = circuitKey(k, plan, circuit.fixed);
    const p = proveCircuit(k, plan, circuitCells(run(), circuit), { frozenDigest: key.digest });
    verifyCase(vk, { plan, ...p, frozen: key.stack });
  });
});
