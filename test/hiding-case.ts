/** A small circuit whose proofs hide its witness, and a transcript with chosen challenges. */
import { circuitCells, compileCircuit } from '../src/circuit/columns.js';
import { CircuitChannel } from '../src/circuit/channel.js';
import { circuitKey } from '../src/circuit/key.js';
import { expose } from '../src/circuit/verifier.js';
import { P } from '../src/field/goldilocks.js';
import type { MaskStream } from '../src/hash/mask-stream.js';
import { type Kernels, singleKernels } from '../src/kernels/index.js';
import { settleFrozen } from '../src/tensor/deferred.js';
import { IntegerReading } from '../src/tensor/integer.js';
import { type Plan, type ProofOptions, hashOf } from '../src/tensor/plan.js';
import { type HidingOptions, proveHiding } from '../src/tensor/prove-hiding.js';
import type { Statement } from '../src/tensor/statement.js';
import { hidingPlan, verifyHiding } from '../src/tensor/verify-hiding.js';
import { NativeChannel } from '../src/transcript/native.js';
import type { SpongeOf } from '../src/transcript/sponge.js';
import { GivenSponge } from '../tools/leakage/sponges.js';

/** Quick, and strong enough that no forgery of a test passes by luck. */
export const QUICK_HIDING: ProofOptions = { bits: 30, grinding: 3, rate: 2, stateRate: 2, hash: 'blake3' };

/** Two factors of 35, and two other words: of a statement that is the square of one of these. */
type Secret = readonly [bigint, bigint, bigint, bigint];

function factors(ch: CircuitChannel, secret: Secret | undefined): void {
  ch.open(secret && BigUint64Array.from(secret));
  const [a, b, word, other] = ch.readBase('secret', 4);
  ch.assertEqual(ch.mul(a, b), ch.constant(35n), 'factors');
  ch.split(word, 32);
  ch.mul(ch.inverse(word), other);
  expose(ch, ch.mul(word, word));
}

const k = singleKernels();
export const toy = compileCircuit((ch) => factors(ch, undefined));

/** A plan with one of many witnesses of its statement. */
export interface ToyCase {
  readonly plan: Plan;
  readonly cells: ReadonlyMap<string, BigInt64Array>;
  readonly key: { readonly stack: BigInt64Array; readonly digest: readonly bigint[] };
}

export function toyCase(options: ProofOptions = QUICK_HIDING, secret: Secret = [7n, 5n, 9n, 2n]): ToyCase {
  const plan = hidingPlan(toy.program, options),
    ch = new CircuitChannel(new BigUint64Array(0));
  factors(ch, secret);
  if (ch.failed.length) throw new Error(ch.failed[0]);
  return { plan, cells: circuitCells(ch, toy), key: circuitKey(k, plan, toy.fixed) };
}

/** A proof of a toy case. */
export const proveToy = (c: ToyCase, o: Partial<HidingOptions> = {}): { proof: BigUint64Array; statement: Statement } =>
  k.scope(() => proveHiding(k, c.plan, new IntegerReading(k, c.plan.program, c.cells), { frozenDigest: c.key.digest, ...o }));

/** Verifies a proof of a toy case and settles its claim on the fixed columns; throws as the verifier does. */
export function verifyToy(
  c: Pick<ToyCase, 'plan' | 'key'>,
  { proof, statement }: { proof: BigUint64Array; statement: Statement },
  sponge?: SpongeOf,
): void {
  const ch = new NativeChannel(k, proof, hashOf(c.plan), sponge);
  try {
    const claim = verifyHiding(ch, c.plan, statement);
    ch.finish();
    const detached = claim.detach(ch);
    k.scope(() => {
      const at = k.alloc(8 * c.key.stack.length);
      k.i64.set(c.key.stack, at / 8);
      settleFrozen(k, at, c.key.stack.length, [detached]);
    });
  } finally {
    ch.close();
  }
}

/** Deterministic words below p. */
export class Words implements Pick<MaskStream, 'word' | 'ext'> {
  #x: bigint;
  constructor(seed: number) {
    this.#x = BigInt(seed) * 0x9e3779b97f4a7c15n + 1n;
  }
  word(): bigint {
    for (;;) {
      this.#x = (this.#x * 6364136223846793005n + 1442695040888963407n) & ((1n << 64n) - 1n);
      let y = this.#x;
      y ^= y >> 29n;
      y = (y * 0xbf58476d1ce4e5b9n) & ((1n << 64n) - 1n);
      y ^= y >> 32n;
      if (y < P) return y;
    }
  }
  ext(): readonly [bigint, bigint, bigint] {
    return [this.word(), this.word(), this.word()];
  }
}

/** A transcript whose challenges are chosen beforehand, by a seed or a source of words. */
export class FixedSponge extends GivenSponge {
  constructor(k: Kernels, seed: number | { word(): bigint }) {
    super(k, typeof seed === 'number' ? new Words(seed) : seed);
  }
}
