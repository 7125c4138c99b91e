/*
 * Artifacts that hide. `circuit`: the smallest program whose proofs have pads, products, a tail and a mask column; its
 * key chooses one of two witnesses of one statement. `certificate`: the end of a run in the private mode.
 */
import { CircuitChannel, circuitCells, compileCircuit } from 'certune/circuit';
import { type Kernels, singleKernels } from 'certune/kernels';
import { IntegerReading, type ProofOptions, frozenDigest, hidingPlan, proveHiding } from 'certune/tensor';
import type { Artifact, Key } from './artifact.js';
import { hidingArtifacts } from './hiding.js';
import { Random } from './random.js';

/** Weak parameters: how many queries a proof has does not matter to what a query shows. */
const WEAK: ProofOptions = { bits: 30, grinding: 3, rate: 2, stateRate: 2, hash: 'blake3' };

/** Factors of 35 in the key's order, a word that is published squared, another that nobody sees. */
function factors(ch: CircuitChannel, secret: readonly bigint[] | undefined): void {
  ch.open(secret && BigUint64Array.from(secret));
  const [a, b, word, other] = ch.readBase('secret', 4);
  ch.assertEqual(ch.mul(a, b), ch.constant(35n), 'factors');
  ch.split(word, 32);
  ch.mul(ch.inverse(word), other);
}

/** The toy circuit as it is and with every fault. */
export function toyArtifacts(samples: number, faulty: number): Artifact[] {
  const k: Kernels = singleKernels(),
    circuit = compileCircuit((ch) => factors(ch, undefined)),
    plan = hidingPlan(circuit.program, WEAK),
    // No column is checked here: what is proved does not matter to what is shown.
    digest = frozenDigest(new BigInt64Array(1));
  return hidingArtifacts(
    {
      plan,
      prove: (seed, key: Key, o) =>
        k.scope(() => {
          const r = new Random(seed + 17),
            word = BigInt(r.below(2 ** 31) + 1),
            ch = new CircuitChannel(new BigUint64Array(0));
          factors(ch, [key ? 5n : 7n, key ? 7n : 5n, word, r.element()]);
          return proveHiding(k, plan, new IntegerReading(k, plan.program, circuitCells(ch, circuit)), { frozenDigest: digest, ...o }).proof;
        }),
    },
    'circuit',
    'proof of a toy circuit that hides which of two witnesses it has',
    samples,
    faulty,
  );
}
