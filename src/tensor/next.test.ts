import { describe, expect, it } from 'vitest';
import { CircuitChannel } from '../circuit/channel.js';
import { singleKernels } from '../kernels/single.js';
import { NativeChannel, VerificationError } from '../transcript/index.js';
import { ProgramError } from './bounds.js';
import { ProgramBuilder, expr, term } from './builder.js';
import { IntegerReading } from './integer.js';
import { makePlan } from './plan.js';
import { proveProgram } from './prove.js';
import { scheduleOf } from './schedule.js';
import { frozenDigest, packPublic, packing, publicTensors, statementElems, wordOf } from './statement.js';
import type { TensorSpec } from './types.js';
import { verifyProgram, verifyStatement } from './verify.js';

// Tensors of next ids: what the verifier computes from tokens and mask, in no list of the statement.
const k = singleKernels(),
  vk = singleKernels(),
  options = { bits: 30, grinding: 3, rate: 2, stateRate: 3 },
  bit = { lo: 0n, hi: 1n, frac: 0 };

function builder(next: TensorSpec['next'] = { ids: 'ids', mask: 'mask' }): ProgramBuilder {
  const b = new ProgramBuilder('next', 8);
  for (const [a, n] of Object.entries({ l: 1, v: 6, b: 2, i: 17 })) b.axis(a, n);
  b.tensor('w', ['v'], 'witness', { lo: -128n, hi: 127n, frac: 0 });
  b.tensor('ids', ['v', 'b', 'i'], 'public', bit, { publicKind: 'onehot' });
  b.tensor('mask', ['b', 'i'], 'public', bit, { publicKind: 'dense' });
  b.tensor('targets', ['v', 'b', 'i'], 'public', bit, { publicKind: 'onehot', ...(next ? { next } : {}) });
  b.tensor('out', ['b'], 'public', { lo: -100000n, hi: 100000n, frac: 0 }, { publicKind: 'dense' });
  b.range('w', ['v'], expr([term(1, 'w[v]')], 128n), 8);
  b.round('out', ['b'], expr([term(1, 'w[v]', 'targets[v,b,i]'), term(1, 'w[v]', 'ids[v,b,i]')]), 0);
  return b;
}
const IDS = Int32Array.from({ length: 34 }, (_, i) => (i * i + 1) % 6),
  MASK = BigInt64Array.from({ length: 34 }, (_, i) => (i % 17 < 16 && i % 3 ? 1n : 0n)),
  TARGETS = IDS.map((_, i) => (MASK[i] ? IDS[i + 1] : -1));
const program = builder().build(),
  plan = makePlan(program, options);

function prove(o: { ids?: Int32Array; mask?: BigInt64Array; targets?: Int32Array } = {}) {
  const m = k.mark(),
    reading = new IntegerReading(
      k,
      program,
      new Map<string, BigInt64Array | Int32Array>([
        ['w', BigInt64Array.of(3n, -5n, 7n, 11n, -13n, 17n)],
        ['ids', o.ids ?? IDS],
        ['mask', o.mask ?? MASK],
        ['targets', o.targets ?? TARGETS],
      ]),
    );
  reading.run();
  const out = proveProgram(k, plan, reading, { frozenDigest: frozenDigest(new BigInt64Array(0)) });
  k.release(m);
  return out;
}
const refusal = (f: () => void): string => {
  try {
    f();
  } catch (e) {
    expect(e).toBeInstanceOf(VerificationError);
    return (e as VerificationError).check;
  }
  return 'accepted';
};
function verify(p: ReturnType<typeof prove>, change: (words: Map<string, bigint[]>) => void = () => {}): string {
  const ch = new NativeChannel(vk, p.proof),
    st = statementElems(ch, program, plan.states, p.statement),
    words = new Map(publicTensors(program).map((t) => [t.name, packPublic(program, t, p.statement.publics.get(t.name))]));
  change(words);
  const publics = new Map([...words].map(([n, w]) => [n, w.map((x) => ch.constant(x))]));
  try {
    return refusal(() => {
      verifyStatement(ch, plan, { ...st, publics }).detach(ch);
      ch.finish();
    });
  } finally {
    ch.close();
  }
}

describe('next ids', () => {
  it('are no public input, and hold of tokens and mask', () => {
    expect(publicTensors(program).map((t) => t.name)).toEqual(['ids', 'mask', 'out']);
    const p = prove();
    expect([...p.statement.publics.keys()]).toEqual(['ids', 'mask', 'out']);
    expect(verify(p)).toBe('accepted');
    const ch = new NativeChannel(vk, p.proof);
    verifyProgram(ch, plan, p.statement);
    ch.finish();
    ch.close();
  });
  it('that are not those of the row are refused, whoever proves with them', () => {
    for (const at of [1, 14, 19])
      for (const id of [-1, (TARGETS[at] + 1) % 6]) {
        const targets = TARGETS.map((x, i) => (i === at ? id : x));
        expect(verify(prove({ targets })), `${at} ${id}`).toBe('batched sumcheck');
      }
    // A target where the mask has none; one at the end of a row, from the next row.
    expect(verify(prove({ targets: TARGETS.map((x, i) => (i === 3 ? IDS[4] : x)) }))).toBe('batched sumcheck');
    expect(verify(prove({ targets: TARGETS.map((x, i) => (i === 16 ? IDS[17] : x)) }))).toBe('batched sumcheck');
    expect(verify(prove({ mask: MASK.map((x, i) => (i === 16 ? 1n : x)) }))).toBe('mask behind the last target');
    expect(verify(prove({ mask: MASK.map((x, i) => (i === 33 ? 1n : x)) }))).toBe('mask behind the last target');
  });
  it('come from tokens of the vocabulary, all there', () => {
    const p = prove(),
      ids = program.tensors.find((t) => t.name === 'ids')!,
      x = packing(program, ids);
    expect(x).toEqual({ cells: 34, width: 17, bits: 4, perWord: 15, rowWords: 2, words: 4 });
    expect([0, 14, 15, 16, 17, 33].map((i) => wordOf(x, i))).toEqual([0, 0, 1, 1, 2, 3]);
    const set = (position: number, code: bigint): string =>
      verify(p, (w) => {
        const shift = BigInt(4 * ((position % 17) % 15)),
          at = wordOf(x, position),
          words = w.get('ids')!;
        words[at] = (words[at] & ~(15n << shift)) | (code << shift);
      });
    for (const position of [0, 16, 17, 33]) {
      for (const code of [6n, 7n, 8n, 14n]) expect(set(position, code), `${position} ${code}`).not.toBe('accepted');
      expect(set(position, BigInt(IDS[position]))).toBe('accepted');
    }
    // The refusal comes before the transcript's: in a circuit every check is evaluated.
    for (const [code, check] of [
      [6n, true],
      [7n, true],
      [8n, true],
      [5n, false],
    ] as const) {
      const ch = new CircuitChannel(p.proof),
        st = statementElems(ch, program, plan.states, p.statement),
        words = packPublic(program, ids, IDS);
      words[0] = (words[0] & ~15n) | code;
      const publics = new Map(st.publics).set(
        'ids',
        words.map((w) => ch.word(w)),
      );
      verifyStatement(ch, plan, { ...st, publics });
      expect(ch.failed.includes('id outside the vocabulary'), `${code}`).toBe(check);
    }
    expect(
      refusal(() =>
        packPublic(
          program,
          ids,
          IDS.map((t, i) => (i ? t : -1)),
        ),
      ),
    ).toBe('public input');
    expect(
      refusal(() =>
        packPublic(
          program,
          ids,
          IDS.map((t, i) => (i ? t : 6)),
        ),
      ),
    ).toBe('public input');
  });
  it('pack every row in words of its own', () => {
    const mask = program.tensors.find((t) => t.name === 'mask')!;
    expect(packing(program, mask)).toMatchObject({ rowWords: 1, words: 2 });
    const row = (r: number): bigint => MASK.slice(17 * r, 17 * r + 17).reduce((s, x, i) => s + (x << BigInt(i)), 0n);
    expect(packPublic(program, mask, MASK)).toEqual([row(0), row(1)]);
    expect(scheduleOf(plan, prove().statement)).toBeDefined();
  });
  it('need tokens and a mask that fit', () => {
    for (const next of [
      { ids: 'mask', mask: 'mask' },
      { ids: 'ids', mask: 'ids' },
      { ids: 'none', mask: 'mask' },
      { ids: 'targets', mask: 'mask' },
    ])
      expect(() => builder(next).build(), JSON.stringify(next)).toThrow(ProgramError);
  });
});
