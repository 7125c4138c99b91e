/** Proofs of a program that hide its witness, prover's side: verify-hiding.ts. */
import * as E from '../field/ext3.js';
import type { Device } from '../device/device.js';
import { blake3Stream } from '../hash/blake3.js';
import { MaskStream, freshSeed } from '../hash/mask-stream.js';
import type { Kernels } from '../kernels/runtime.js';
import { type GroupMasks, commitHiding, drawMasks } from '../pcs/commit-hiding.js';
import { MaskError } from '../pcs/prove-hiding.js';
import { openingDevice } from '../pcs/vectors.js';
import type { GroupOpening } from '../pcs/prove.js';
import type { Tiled } from '../sumcheck/product.js';
import { PRODUCTS } from '../transcript/affine.js';
import type { Ext } from '../transcript/arith.js';
import { NativeChannel } from '../transcript/native.js';
import { Pads, drawPads, padWords } from '../transcript/pads.js';
import type { ProverChannel } from '../transcript/prover.js';
import type { IntegerReading } from './integer.js';
import { COORDINATES, PADS, type Plan, hashOf, padSlots } from './plan.js';
import { type Hiding, type ProveOptions, proveWith } from './prove.js';
import { columnsOf } from './state-commit.js';
import { type Statement, statementElems } from './statement.js';
import { hiddenMessages } from './hiding-counts.js';
import { coordinateWeight, recordHiding, reduceHiding } from './verify-hiding.js';

/** How often masks are drawn again; that once is not enough happens with probability below 2^-50. */
const ATTEMPTS = 4;

/** Of a proof that hides its witness. */
export interface HidingOptions extends ProveOptions {
  /**
   * Another source of masks, of a test that chooses them; by default a fresh seed of the system's generator each time.
   */
  readonly random?: () => Pick<MaskStream, 'word' | 'ext'>;
}

/**
 * Proves that the reading satisfies its program, and shows nothing else of its witness. Masks are drawn for this proof
 * and kept nowhere: two proofs of one reading have nothing in common. Throws as proveProgram.
 */
export function proveHiding(
  k: Kernels,
  plan: Plan,
  reading: IntegerReading,
  o: HidingOptions,
): { proof: BigUint64Array; statement: Statement } {
  const { pads } = plan;
  if (!pads) throw new Error('the plan of a proof in clear');
  const { schedule } = recordHiding(plan),
    context = o.random ? undefined : witnessDigest(k, plan, reading);
  for (let attempt = 1; ; attempt++) {
    const random = o.random?.() ?? new MaskStream(freshSeed(), context!);
    try {
      return k.scope(() => {
        const cells = drawPads(pads, random),
          words = padWords(cells, padSlots(pads), COORDINATES),
          ptr = k.alloc(8 * words.length);
        k.i64.set(words, ptr / 8);
        return proveWith(k, plan, reading, o, new Hidden(k, plan, new Pads(pads, cells, hiddenMessages(plan)), ptr, schedule, random, o));
      });
    } catch (e) {
      if (!(e instanceof MaskError) || attempt === ATTEMPTS) throw e;
    }
  }
}

/** Digest of the cells of the program's own witness: with it the masks of two witnesses differ under any generator. */
function witnessDigest(k: Kernels, plan: Plan, reading: IntegerReading): Uint8Array {
  const h = blake3Stream();
  for (const t of plan.program.tensors) {
    const p = reading.ptr.get(t.name);
    if (t.cls !== 'witness' || p === undefined) continue;
    const bytes = 8 * t.axes.reduce((n, a) => n * plan.program.axes[a], 1);
    h.update(k.u8.slice(p, p + bytes));
  }
  return h.digest();
}

class Hidden implements Hiding {
  #masks: GroupMasks | undefined;
  constructor(
    readonly k: Kernels,
    readonly plan: Plan,
    readonly pads: Pads,
    readonly cells: number,
    readonly schedule: Hiding['schedule'],
    readonly random: Pick<MaskStream, 'word' | 'ext'>,
    readonly options: HidingOptions,
  ) {}

  commit(...[stack, g, keep]: Parameters<Hiding['commit']>): ReturnType<Hiding['commit']> {
    const { k } = this;
    this.#masks = drawMasks(k, g, this.random);
    return commitHiding(k, columnsOf(k, stack, g.logHeight, g.trees[0].parts), g, this.#masks, hashOf(this.plan), keep);
  }

  /** The claims of the statement, and those that its hidden messages leave on their pads. */
  open(ch: ProverChannel, statement: Statement, claims: GroupOpening): GroupOpening {
    const { plan, pads } = this;
    if (plan.pads!.products.length) {
      const values = pads.productsAt(ch.sample(PRODUCTS.point));
      if (!values) throw new MaskError('a product of pads would be shown');
      ch.sendExt(PRODUCTS.values, values);
    }
    ch.sample(PRODUCTS.join);
    const { known, weights } = this.#replay(ch, statement);
    return { ...claims, value: E.neg(known), w: this.#withPads(openingDevice(this.k, ch), claims.w, weights), masks: this.#masks! };
  }

  /** What the verifier makes of the messages so far. */
  #replay(ch: ProverChannel, statement: Statement): { known: Ext; weights: Ext[] } {
    const { k, plan } = this,
      native = new NativeChannel(k, ch.sent(), hashOf(plan), this.options.sponge);
    try {
      const { form } = reduceHiding(native, plan, statementElems(native, plan.program, plan.states, statement));
      return { known: native.value(form.known), weights: form.weights.map((w) => native.value(w)) };
    } finally {
      native.close();
    }
  }

  /** Weights of the stack with those of its pads, which have no others. */
  #withPads(d: Device, w: Tiled, weights: readonly Ext[]): Tiled {
    const { k, plan } = this,
      [{ position, log }] = plan.layouts.get('witness')!.tensors.get(PADS)!.blocks,
      slots = padSlots(plan.pads!),
      own = k.zeroed(24 * 2 ** log);
    for (let j = 0; j < 3; j++) weights.forEach((a, n) => k.writeExt(own + 24 * (j * slots + n), E.mul(a, coordinateWeight(j))));
    const pads = d.bring(own, 3 * 2 ** log);
    return {
      ...w,
      make: (dst, from, tile) => {
        w.make!(dst, from, tile);
        const lo = Math.max(from, position),
          words = 3 * (Math.min(from + 2 ** tile, position + 2 ** log) - lo);
        if (words > 0) d.run('copy', words, { to: d.slice(dst, 3 * (lo - from), words), from: d.slice(pads, 3 * (lo - position), words) });
      },
    };
  }
}
