import { describe, expect, it } from 'vitest';
import { singleKernels } from '../kernels/single.js';
import { P } from '../field/goldilocks.js';
import { NativeChannel, VerificationError } from '../transcript/index.js';
import { ProgramBuilder, expr, term } from './builder.js';
import { type DetachedClaim, settleFrozen } from './deferred.js';
import { IntegerReading } from './integer.js';
import { makePlan } from './plan.js';
import { proveProgram } from './prove.js';
import { frozenStack } from './state-commit.js';
import { scheduleOf } from './schedule.js';
import { frozenDigest, packPublic, packing } from './statement.js';
import { StateTrees } from './state-trees.js';
import { verifyProgram } from './verify.js';

const options = { bits: 30, grinding: 3, rate: 2, stateRate: 3 };
const k = singleKernels(),
  vk = singleKernels();

/** A layered program with every relation kind, odd sizes, affine accesses, one-hot, causal and state. */
function program(seed: number) {
  const b = new ProgramBuilder('test', 8);
  for (const [a, n] of Object.entries({ l: 3, s: 7, d: 5, o: 3, v: 6, b: 2, i: 3, j: 3, P: 9 })) b.axis(a, n);
  b.tensor('E', ['v', 'd'], 'frozen', { lo: -128n, hi: 127n, frac: 0 });
  b.tensor('W', ['l', 'o', 'd'], 'frozen', { lo: -128n, hi: 127n, frac: 0 });
  b.tensor('ids', ['v', 'b', 'i'], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'onehot' });
  b.tensor('causal', ['i', 'j'], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'causal' });
  b.tensor('mask', ['b', 'i'], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'dense' });
  b.tensor('rate', [], 'public', { lo: 0n, hi: 100n, frac: 0 }, { publicKind: 'dense' });
  b.tensor('out', [], 'public', { lo: -100000n, hi: 100000n, frac: 0 }, { publicKind: 'dense' });
  b.tensor('A', ['l', 'o'], 'cIn', { lo: -50n, hi: 50n, frac: 0 }, { group: 'C' });
  b.tensor('C', ['P'], 'cIn', { lo: -50n, hi: 50n, frac: 0 }, { aliasOf: 'C' });
  b.table({ name: 'exp:2:4', axis: 'exp', lo: 0n, size: 32, columns: ['e1', 'e2'] }, [
    { lo: 0n, hi: 16n, frac: 4 },
    { lo: 0n, hi: 40n, frac: 4 },
  ]);
  b.witness('X', ['s', 'd', 'b', 'i'], { bits: 12, frac: 0 });
  b.round('X0', ['d', 'b', 'i'], expr([term(1, 'E[v,d]', 'ids[v,b,i]')]), 1, { out: 'X[0,d,b,i]' });
  b.phase = 'fwd';
  b.rounded('Y', ['l', 'o', 'b', 'i'], { bits: 12, frac: 0 }, expr([term(1, 'W[l,o,d]', 'X[2*l,d,b,i]'), term(8, 'A[l,o]')]), 4);
  b.round('Xa', ['l', 'd', 'b', 'i'], expr([term(1, 'W[l,o,d]', 'Y[l,o,b,i]')]), 9, { out: 'X[2*l+1,d,b,i]', base: 'X[2*l,d,b,i]' });
  b.round('Xb', ['l', 'd', 'b', 'i'], expr([term(1, 'X[2*l+1,d,b,i]', 'X[2*l+1,d,b,i]', 'mask[b,i]')]), 10, {
    out: 'X[2*l+2,d,b,i]',
    base: 'X[2*l+1,d,b,i]',
  });
  b.phase = 'mid';
  b.inFormat('X', { bits: 12, frac: 0 });
  b.rounded('Z', ['b', 'i', 'j'], { bits: 10, frac: 0 }, expr([term(1, 'causal[i,j]', 'X[6,d,b,i]', 'X[4,d,b,j]')]), 12);
  b.tensor('p1', ['b', 'i'], 'witness', { lo: 0n, hi: 16n, frac: 4 });
  b.tensor('p2', ['b', 'i'], 'witness', { lo: 0n, hi: 40n, frac: 4 });
  b.lookup('soft', ['b', 'i'], 'exp:2:4', expr([term(3, 'mask[b,i]')], 2n), ['p1[b,i]', 'p2[b,i]']);
  b.sqrt('norm', [], { bits: 12, frac: 0, signed: false }, expr([term(1, 'X[6,d,b,i]', 'X[6,d,b,i]')]));
  b.div('quot', ['l', 'o'], { bits: 14, frac: 0 }, expr([term(7, 'A[l,o]'), term(1, 'rate')], 1000n), expr([term(1, 'norm')], 1n), 14, {
    frac: 0,
  });
  b.round('out', [], expr([term(1, 'X[6,d,b,i]', 'mask[b,i]'), term(-1, 'E[v,d]', 'ids[v,b,i]', 'X[5,d,b,i]')]), 0);
  b.phase = 'post';
  b.tensor('A2', ['l', 'o'], 'cOut', { lo: -2048n, hi: 2047n, frac: 0 }, { group: 'C2' });
  b.tensor('C2', ['P'], 'cOut', { lo: -2048n, hi: 2047n, frac: 0 }, { aliasOf: 'C2' });
  b.round('C2', ['P'], expr([term(3, 'C[P]'), term(1, 'rate', 'C[P]')]), 2);
  b.inFormat('C2', { bits: 12, frac: 0 });
  b.step('members', [], { op: 'unflatten', group: 'C2' });
  const p = b.build();
  let x = seed;
  const r = (n: number): bigint => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return BigInt((x >>> 8) % (2 * n + 1)) - BigInt(n);
  };
  const fill = (n: number, m: number): BigInt64Array => BigInt64Array.from({ length: n }, () => r(m));
  const C = fill(9, 40),
    A = new BigInt64Array(9);
  const inputs = new Map<string, BigInt64Array | Int32Array>([
    ['E', fill(30, 60)],
    ['W', fill(45, 60)],
    ['ids', Int32Array.of(1, 5, 0, 2, -1, 3)],
    ['mask', BigInt64Array.of(1n, 1n, 0n, 1n, 0n, 1n)],
    ['rate', BigInt64Array.of(7n)],
    ['C', C],
    ['A', A],
  ]);
  return { p, inputs };
}

function prove(
  seed: number,
  o: { tamper?: (r: IntegerReading) => void; hook?: (l: string, w: readonly bigint[]) => readonly bigint[]; trees?: StateTrees } = {},
) {
  const m = k.mark(),
    { p, inputs } = program(seed),
    plan = makePlan(p, options);
  // Members of C follow from the alias by the layout.
  const pre = new IntegerReading(k, { ...p, steps: [{ op: 'unflatten', group: 'C', name: 'x', axes: [], phase: 'pre' }] }, inputs);
  pre.run();
  inputs.set('A', pre.read('A'));
  const reading = new IntegerReading(k, p, inputs);
  reading.run();
  if (o.tamper) {
    // The prover keeps the honest keys, so that it is the verifier who must notice.
    const honest = new Map(p.constraints.flatMap((c) => (c.kind === 'zero' ? [] : [[c.name, reading.keys(c)] as const])));
    reading.keys = (c) => honest.get(c.name)!;
    o.tamper(reading);
  }
  const fz = frozenStack(k, plan, (n) => reading.ptr.get(n)!),
    frozen = k.i64.slice(fz.ptr / 8, fz.ptr / 8 + fz.cells);
  const digest = frozenDigest(frozen);
  const { proof, statement } = proveProgram(k, plan, reading, {
    frozenDigest: digest,
    ...(o.hook ? { hook: o.hook } : {}),
    ...(o.trees ? { trees: o.trees } : {}),
  });
  k.release(m);
  const verify = (pr = proof, st = statement, pl = plan, fr = frozen): void => {
    const ch = new NativeChannel(vk, pr);
    let claim: DetachedClaim;
    try {
      const d = verifyProgram(ch, pl, st);
      ch.finish();
      claim = d.detach(ch);
    } finally {
      ch.close();
    }
    const mm = vk.mark(),
      ptr = vk.alloc(8 * fr.length);
    vk.i64.set(fr, ptr / 8);
    try {
      settleFrozen(vk, ptr, fr.length, [claim]);
    } finally {
      vk.release(mm);
    }
  };
  return { proof, statement, plan, frozen, verify, reading };
}

describe('program proofs', () => {
  it('an honest proof verifies', () => {
    const s = prove(1);
    s.verify();
  });
  it('is the same with trees that earlier proofs have made, which are found by the words committed', () => {
    const trees = new StateTrees(),
      kept: string[] = [],
      used: string[] = [],
      [keep, get] = [trees.keep.bind(trees), trees.get.bind(trees)];
    trees.keep = (key, o) => {
      kept.push(key);
      keep(key, o);
    };
    trees.get = (key) => {
      const t = get(key);
      if (t) used.push(key);
      return t;
    };
    const plain = prove(1);
    for (let i = 0; i < 2; i++) {
      const s = prove(1, { trees });
      expect(s.proof).toEqual(plain.proof);
      expect(s.statement.roots).toEqual(plain.statement.roots);
    }
    expect(used).toEqual(kept.slice(0, 2));
    // Another state has another tree, whatever is kept.
    prove(2, { trees }).verify();
    expect(used).toHaveLength(2);
    // The oldest go.
    for (const seed of [3, 4]) prove(seed, { trees });
    expect(trees.get(kept[0])).toBeUndefined();
  });
  it('rejects other public inputs, roots, frozen data', () => {
    const s = prove(2);
    const publics = new Map(s.statement.publics);
    publics.set('rate', BigInt64Array.of(8n));
    expect(() => s.verify(s.proof, { ...s.statement, publics })).toThrow(VerificationError);
    expect(() => s.verify(s.proof, { ...s.statement, roots: { ...s.statement.roots, sOut: s.statement.roots['sIn'] } })).toThrow(
      VerificationError,
    );
    const other = s.frozen.slice();
    other[4] += 1n;
    expect(() => s.verify(s.proof, s.statement, s.plan, other)).toThrow(VerificationError);
  });
  it('rejects public inputs that are missing, of another type or length, or outside their format', () => {
    const s = prove(2);
    const cases: [string, BigInt64Array | Int32Array | undefined][] = [
      ['rate', undefined],
      ['rate', Int32Array.of(7)],
      ['rate', BigInt64Array.of(101n)],
      ['rate', BigInt64Array.of(7n, 7n)],
      ['mask', BigInt64Array.of(1n, 1n, 0n, 2n, 0n, 1n)],
      ['mask', BigInt64Array.of(1n, 1n, 0n, 0n, 0n, 1n)],
      ['ids', Int32Array.of(1, 5, 0, 2, -2, 3)],
      ['ids', Int32Array.of(1, 6, 0, 2, -1, 3)],
      ['ids', Int32Array.of(1, 5, 0, 2, 0, 3)],
      ['ids', Int32Array.of(1, 5, 0, 2, -1)],
    ];
    for (const [name, v] of cases) {
      const publics = new Map(s.statement.publics);
      if (v) publics.set(name, v);
      else publics.delete(name);
      expect(() => s.verify(s.proof, { ...s.statement, publics }), `${name} ${v}`).toThrow(VerificationError);
    }
  });
  it('packs public inputs injectively: every word splits back into the codes', () => {
    const { p, inputs } = program(1),
      ids = p.tensors.find((t) => t.name === 'ids')!,
      mask = p.tensors.find((t) => t.name === 'mask')!;
    expect(packing(p, ids)).toEqual({ cells: 6, width: 3, bits: 4, perWord: 15, rowWords: 1, words: 2 });
    expect(packPublic(p, ids, inputs.get('ids'))).toEqual([0x051n, 0x382n]);
    expect(packPublic(p, mask, inputs.get('mask'))).toEqual([0b011n, 0b101n]);
  });
  it('rejects one changed cell of any witness or state-out tensor, the prover keeping its honest keys', () => {
    const { p } = program(3),
      accepted: string[] = [];
    for (const t of p.tensors) {
      if (t.cls !== 'witness' && t.cls !== 'cOut') continue;
      if (t.aliasOf !== undefined) continue;
      const cells = t.axes.reduce((n, a) => n * p.axes[a], 1);
      for (const cell of new Set([0, cells >> 1, cells - 1])) {
        const s = prove(3, {
          tamper: (r) => {
            k.i64[r.ptr.get(t.name)! / 8 + cell] += 1n;
          },
        });
        try {
          s.verify();
          accepted.push(`${t.name}[${cell}]`);
        } catch (e) {
          expect(e, t.name).toBeInstanceOf(VerificationError);
        }
      }
    }
    expect(accepted).toEqual([]);
  });
  it('rejects a proof that is cut, grown or not canonical', () => {
    const s = prove(4);
    expect(() => s.verify(s.proof.slice(0, -1))).toThrow(VerificationError);
    expect(() => s.verify(BigUint64Array.from([...s.proof, 0n]))).toThrow(VerificationError);
    const wild = s.proof.slice();
    wild[3] = (1n << 64n) - 1n;
    expect(() => s.verify(wild)).toThrow(VerificationError);
  });
  it('rejects an adaptive prover at every message that carries a value', () => {
    const s0 = prove(5),
      labels = [
        ...new Set(
          scheduleOf(s0.plan, s0.statement)
            .filter((m) => ['ext', 'base', 'digest', 'opening'].includes(m.kind))
            .map((m) => m.label),
        ),
      ];
    for (const label of labels) {
      let done = false;
      const s = prove(5, {
        hook: (l, w) => {
          if (l !== label || done) return w;
          done = true;
          return w.map((v, i) => (i === 0 ? (v + 1n) % P : v));
        },
      });
      expect(done, label).toBe(true);
      expect(() => s.verify(), label).toThrow(VerificationError);
    }
  });
});
