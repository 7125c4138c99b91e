/*
 * Artifacts that hide. `circuit`: the smallest program whose proofs have pads, products, a tail and a mask column; its
 * key chooses one of two witnesses of one statement. `certificate`: certificates of two runs in the private mode.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { CircuitChannel, circuitCells, compileCircuit } from 'certune/circuit';
import { type Kernels, singleKernels } from 'certune/kernels';
import { layOutEnd, proveLaidOutEnd, proveStep, recursionOf } from 'certune/prove';
import { endOptions, nodeOf } from 'certune/recursion';
import { frozenOf } from 'certune/run';
import { IntegerReading, type ProofOptions, frozenDigest, hidingPlan, proveHiding } from 'certune/tensor';
import { viewOf } from 'certune/verify';
import type { Artifact, Key } from './artifact.js';
import { type Hider, hidingArtifacts } from './hiding.js';
import { ROWS, Runs, WEAK, firstLeaf } from './proofs.js';
import { Random } from './random.js';

/** Weak parameters: how many queries a proof has does not matter to what a query shows. */
const TOY: ProofOptions = { bits: 30, grinding: 3, rate: 2, stateRate: 2, hash: 'blake3' };
/** Weaker still, for many proofs: fewer queries of a leaf are fewer rows of its end. */
const FEW = { ...WEAK, bits: 10, grinding: 0 };
/** log2 of the inverse rate of the witness: it too decides the number of queries. */
const RATE = 2;

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
  const toy = (): Hider => {
    const k: Kernels = singleKernels(),
      circuit = compileCircuit((ch) => factors(ch, undefined)),
      plan = hidingPlan(circuit.program, TOY),
      // No column is checked here: what is proved does not matter to what is shown.
      digest = frozenDigest(new BigInt64Array(1));
    return {
      plan,
      prove: ({ seed, key, second }, o) =>
        k.scope(() => {
          const r = new Random(seed + (second ? 50_017 : 17)),
            word = BigInt(r.below(2 ** 31) + 1),
            ch = new CircuitChannel(new BigUint64Array(0));
          factors(ch, [key ? 5n : 7n, key ? 7n : 5n, word, r.element()]);
          return proveHiding(k, plan, new IntegerReading(k, plan.program, circuitCells(ch, circuit)), { frozenDigest: digest, ...o }).proof;
        }),
    };
  };
  return hidingArtifacts(toy, 'circuit', 'proof of a toy circuit that hides which of two witnesses it has', samples, faulty);
}

type LaidOut = ReturnType<typeof layOutEnd>;

/**
 * Certificates of two runs of one step, under the two keys of the sampler and else equal: rows, losses, targets, states
 * and the adapter are the same, the order within the batch is not. Each run is proved and folded once and certified
 * again and again, so that the distinguisher may know both witnesses, salts and blinds with them: all but the masks.
 * What the statement says it is not shown: the manifests name two commitments to keys, which tell the runs apart by
 * themselves. `folder` keeps the two ends as they are laid out. Nothing is made before it is asked for.
 */
export function certificates(folder: string, samples: number, faulty: number): Artifact[] {
  const runs = new Runs(folder, ROWS, 1, ROWS, FEW),
    { k } = runs,
    ends = new Map<Key, LaidOut>();
  const layOut = (key: Key): LaidOut => {
    const s = runs.setup(0, key),
      inputs = runs.inputs(s),
      { digest } = k.scope(() => frozenOf(k, s.run.programs, s.inputs.base)),
      { proof } = k.scope(() => proveStep(k, s.run, s.inputs, 0, s.inputs.initial, digest)),
      node = firstLeaf(s, inputs, recursionOf(k, inputs), k, proof),
      { cls, keys } = runs.circuits(s);
    return k.scope(() =>
      layOutEnd(k, cls, keys, inputs.base, nodeOf(cls, node), { shows: viewOf({ manifest: s.run.manifest, hides: true }) }),
    );
  };
  const endOf = (key: Key): LaidOut => {
    let end = ends.get(key);
    if (!end) {
      const file = join(folder, `end-${key}.bin`);
      if (existsSync(file)) end = deserialize(readFileSync(file)) as LaidOut;
      else {
        end = layOut(key);
        mkdirSync(folder, { recursive: true });
        writeFileSync(`${file}.tmp`, serialize(end));
        renameSync(`${file}.tmp`, file);
      }
      ends.set(key, end);
    }
    return end;
  };
  const hider = (): Hider => {
    const { cls, keys } = runs.circuits(runs.setup(0, 0)),
      plan = hidingPlan(cls.end.circuit.program, endOptions(FEW, RATE));
    return {
      plan,
      // What has another statement is the other run.
      prove: ({ key, second }, chosen) =>
        k.scope(() => proveLaidOutEnd(k, cls, keys, endOf(second ? (key ? 0 : 1) : key), { plan, chosen })).proof,
    };
  };
  return hidingArtifacts(hider, 'certificate', 'proof of a certificate that hides which of two runs it is of', samples, faulty);
}
