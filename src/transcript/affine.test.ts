import { describe, expect, it } from 'vitest';
import * as E from '../field/ext3.js';
import { singleKernels } from '../kernels/single.js';
import { AffineChannel, HIDDEN_INVERSE, HiddenValueError, PRODUCTS } from './affine.js';
import type { Channel, Elem, Ext } from './arith.js';
import { NativeChannel } from './native.js';
import { slotOf } from './pad-cells.js';
import { Pads, drawPads } from './pads.js';
import { ProverChannel } from './prover.js';
import { RecordingChannel } from './schedule.js';

const k = singleKernels(),
  hidden = (label: string): boolean => label === 'secret';
let seed = 1n;
const word = (): bigint => {
    seed = (seed * 6364136223846793005n + 1442695040888963407n) & ((1n << 64n) - 1n);
    return (seed >> 1n) % 0xffffffff00000001n;
  },
  ext = (): Ext => [word(), word(), word()];

/**
 * A verifier of secrets a .. d: a b + c = 7, d a b + c r = 7 r + a public word, an inverse, and a form in a, c and d.
 */
function verifier(ch: Channel): Elem {
  const [a, b, c, d] = ch.read('secret', 4),
    [open] = ch.read('open', 1),
    r = ch.sample('r');
  const ab = ch.mul(a, b),
    seven = ch.constant(7n);
  ch.assertEqual(ch.add(ab, c), seven, 'sum');
  ch.assertEqual(ch.mulAdd(ch.mul(d, a), b, ch.mul(c, r)), ch.mulAdd(seven, r, open), 'cubic');
  ch.inverse(ch.sub(a, seven));
  return ch.mulAdd(r, ch.sub(a, ch.mul(r, c)), d);
}

const A = ext(),
  B = ext(),
  C = E.sub(E.embed(7n), E.mul(A, B)),
  D = ext();

/** What the verifier makes of a prover that sends these secrets: weights and value of the claim, and the pads. */
function run(
  values: readonly Ext[],
  change: (cells: Ext[]) => void = () => {},
  hook?: (l: string, w: readonly bigint[]) => readonly bigint[],
) {
  const rec = new RecordingChannel(),
    shape = new AffineChannel(rec, hidden);
  shape.join(verifier(shape));
  const { counts } = shape,
    all = drawPads(counts, { ext });
  change(all);
  const pads = new Pads(counts, all, hidden),
    ch = new ProverChannel(rec.schedule, { pads, ...(hook ? { hook } : {}) });
  ch.sendExt('secret', values);
  const [a, b, c, d] = values,
    ab = E.mul(a, b);
  ch.sendExt('open', [E.mul(d, ab)]);
  const r = ch.sample('r');
  ch.sendInverse(E.sub(a, E.embed(7n)));
  ch.sendExt(PRODUCTS.values, pads.productsAt(ch.sample(PRODUCTS.point))!);
  ch.sample(PRODUCTS.join);
  const native = new NativeChannel(k, ch.words());
  try {
    const affine = new AffineChannel(native, hidden),
      form = affine.join(verifier(affine));
    native.finish();
    const sum = form.weights.reduce<Ext>((s, w, n) => E.add(s, E.mul(native.value(w), all[n])), native.value(form.known));
    return { counts, sum, value: E.add(E.mul(r, E.sub(a, E.mul(r, c))), d), names: affine.assertions, schedule: rec.schedule };
  } finally {
    native.close();
  }
}

describe('a verifier over affine forms', () => {
  const honest = (): ReturnType<typeof run> => run([A, B, C, D]);

  it('counts pads and products from the shape, each product once', () => {
    const { counts, names, schedule } = honest();
    expect(counts.pads).toBe(5);
    // a b; d a, and with b also d b and d a b; a and its inverse.
    expect(counts.products).toHaveLength(5);
    expect(names.slice(0, 3)).toEqual(['sum', 'cubic', 'inverse']);
    expect(schedule.map((m) => m.label)).toEqual(['secret', 'open', 'r', HIDDEN_INVERSE, PRODUCTS.point, PRODUCTS.values, PRODUCTS.join]);
  });
  it('leaves one linear claim on the pads, which holds where all assertions do and the value is that of the messages', () => {
    for (let n = 0; n < 3; n++) {
      // The cubic equation is d a b + c r = 7 r + open only where a b = 0: take a = 0.
      const x: readonly Ext[] = [E.ZERO, B, E.embed(7n), D],
        { sum, value } = run(x);
      expect(E.neg(sum)).toEqual(value);
    }
  });
  it('leaves a claim that the true pads do not meet where one word of a message is changed, or a cell', () => {
    const x: readonly Ext[] = [E.ZERO, B, E.embed(7n), D];
    const off = (r: ReturnType<typeof run>): boolean => !E.eq(E.neg(r.sum), r.value);
    for (const i of [0, 2]) expect(off(run(x.map((e, j) => (i === j ? E.add(e, E.ONE) : e)))), `secret ${i}`).toBe(true);
    for (const label of ['secret', 'open', HIDDEN_INVERSE, PRODUCTS.values]) {
      const bad = run(x, undefined, (l, w) => (l === label ? w.map((v, i) => (i === 0 ? (v + 1n) % 0xffffffff00000001n : v)) : w));
      expect(off(bad), label).toBe(true);
    }
    const { counts } = honest();
    for (const cell of [{ kind: 'x' }, { kind: 'y' }, ...Array.from({ length: 11 }, (_, index) => ({ kind: 'product', index }))] as const) {
      const bad = run(x, (cells) => {
        const slot = slotOf(counts, cell as Parameters<typeof slotOf>[1]);
        cells[slot] = E.add(cells[slot], E.ONE);
      });
      // What is sent at tau follows from the changed cell; q does not fit it.
      expect(off(bad), JSON.stringify(cell)).toBe(true);
    }
  });
  it('asks nothing of a hidden value that an affine form has no answer to', () => {
    const ch = new AffineChannel(new RecordingChannel(), hidden),
      [a] = ch.read('secret', 1),
      one = ch.constant(1n);
    let seventh = a;
    for (let n = 1; n < 7; n++) seventh = ch.mul(seventh, a);
    for (const f of [
      () => ch.split(a, 3),
      () => ch.select(a, one, one),
      () => ch.select(one, a, one),
      () => ch.coordinates(a),
      () => ch.compose(a, one, one),
      () => ch.hash(1n, [a]),
      () => ch.publicElems('x', [a]),
      () => ch.merkleCap('x', [a, one, one, one], 0),
      () => ch.mul(seventh, a),
    ])
      expect(f).toThrow(HiddenValueError);
  });
  it('is the channel below where nothing is hidden', () => {
    const rec = new RecordingChannel(),
      plain = new RecordingChannel(),
      ch = new AffineChannel(rec, () => false);
    verifier(ch);
    verifier(plain);
    expect([rec.schedule, rec.muls, rec.permutations]).toEqual([plain.schedule, plain.muls, plain.permutations]);
    expect(ch.counts).toEqual({ pads: 0, products: [] });
  });
});
