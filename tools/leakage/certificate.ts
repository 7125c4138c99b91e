/*
 * Artifacts that hide. `circuit`: the smallest program whose proofs have pads, products, a tail and a mask column; its
 * key chooses one of two witnesses of one statement. `certificate`: certificates of two runs in the private mode.
 * `bundle`: what a client of a private federated round answers with.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { CircuitChannel, circuitCells, compileCircuit } from 'certune/circuit';
import { proveCircuit } from 'certune/circuit/prove';
import { type Kernels, singleKernels } from 'certune/kernels';
import { layOutEnd, proveStep, recursionOf } from 'certune/prove';
import { type RecursionClass, bundleClass, bundleEndCircuit, nodeOf } from 'certune/recursion';
import { frozenOf } from 'certune/run';
import {
  IntegerReading,
  type Plan,
  type ProofOptions,
  type Statement,
  frozenDigest,
  hidingPlan,
  makePlan,
  proveHiding,
  verifyHiding,
} from 'certune/tensor';
import { NativeChannel } from 'certune/transcript';
import { viewOf } from 'certune/verify';
import type { Artifact, Key } from './artifact.js';
import { type Hider, hidingArtifacts } from './hiding.js';
import { ROWS, Runs, WEAK, firstLeaf } from './proofs.js';
import { Random } from './random.js';

/** Weak parameters: how many queries a proof has does not matter to what a query shows. */
const TOY: ProofOptions = { bits: 30, grinding: 3, rate: 2, stateRate: 2, hash: 'blake3' };
/** Nodes of a run, weaker still: a query of a leaf that is left out is rows of its end that are not proved. */
const NODES: ProofOptions = { ...WEAK, bits: 2, grinding: 0 };
/**
 * Of the ends of these nodes. Rates are low, also of the columns of the key, and later oracles small: what is in them
 * is in the blended vector, or public.
 */
const END: ProofOptions = { bits: 10, grinding: 0, rate: 2, stateRate: 2, keyRate: 2, hash: 'blake3' };

/** A class whose end is proved with these parameters. */
const weakEnd = (c: RecursionClass): RecursionClass => ({ ...c, end: { ...c.end, plan: makePlan(c.end.circuit.program, END) } });

/** Refuses a proof that does not hold: what is tested is what a verifier accepts. */
function holds(k: Kernels, plan: Plan, { statement, proof }: { readonly statement: Statement; readonly proof: BigUint64Array }): void {
  const ch = new NativeChannel(k, proof, 'blake3');
  try {
    verifyHiding(ch, plan, statement);
    ch.finish();
  } finally {
    ch.close();
  }
}

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
      verify: (x) => k.scope(() => holds(k, plan, x)),
      prove: ({ seed, key, second }, o) =>
        k.scope(() => {
          const r = new Random(seed + (second ? 50_017 : 17)),
            word = BigInt(r.below(2 ** 31) + 1),
            ch = new CircuitChannel(new BigUint64Array(0));
          factors(ch, [key ? 5n : 7n, key ? 7n : 5n, word, r.element()]);
          return proveHiding(k, plan, new IntegerReading(k, plan.program, circuitCells(ch, circuit)), { frozenDigest: digest, ...o });
        }),
    };
  };
  return hidingArtifacts(toy, 'circuit', 'proof of a toy circuit that hides which of two witnesses it has', samples, faulty);
}

type LaidOut = ReturnType<typeof layOutEnd>;

/** An end of nodes: of a run, or of units of a federated round. */
interface EndOf {
  readonly name: string;
  readonly what: string;
  /** The class whose end it is, from that of its nodes. */ readonly last: (c: RecursionClass) => RecursionClass;
  readonly options: (manifest: Parameters<typeof viewOf>[0]['manifest']) => Parameters<typeof layOutEnd>[5];
}
const CERTIFICATE: EndOf = {
    name: 'certificate',
    what: 'proof of a certificate that hides which of two runs it is of',
    last: weakEnd,
    options: (manifest) => ({ shows: viewOf({ manifest, hides: true }) }),
  },
  BUNDLE: EndOf = {
    name: 'bundle',
    what: 'proof of a certificate of drawn units that hides which of two runs they are of',
    last: (c) => weakEnd(bundleClass(c)),
    options: () => ({ circuit: bundleEndCircuit }),
  };

/**
 * Certificates of two runs of one step, under the two keys of the sampler and else equal: rows, losses, targets, states
 * and the adapter are the same, the order within the batch is not. Each run is proved and folded once and certified
 * again and again, so that the distinguisher may know both witnesses, salts and blinds with them: all but the masks.
 * What the statement says is not shown: the manifests name two commitments to keys, which tell the runs apart by
 * themselves. `folder` keeps the two ends as they are laid out. Nothing is made before it is asked for.
 */
function ends(folder: string, of: EndOf, samples: number, faulty: number): Artifact[] {
  const runs = new Runs(folder, ROWS, 1, ROWS, NODES, of.last),
    { k } = runs,
    made = new Map<Key, LaidOut>();
  const layOut = (key: Key): LaidOut => {
    const s = runs.setup(0, key),
      inputs = runs.inputs(s),
      { digest } = k.scope(() => frozenOf(k, s.run.programs, s.inputs.base)),
      { proof } = k.scope(() => proveStep(k, s.run, s.inputs, 0, s.inputs.initial, digest)),
      node = firstLeaf(s, inputs, recursionOf(k, inputs), k, proof),
      { cls, last, keys } = runs.circuits(s);
    return k.scope(() => layOutEnd(k, last, keys, inputs.base, nodeOf(cls, node), of.options(s.run.manifest)));
  };
  const endOf = (key: Key): LaidOut => {
    let end = made.get(key);
    if (!end) {
      const file = join(folder, `${of.name}-end-${key}.bin`);
      if (existsSync(file)) end = deserialize(readFileSync(file)) as LaidOut;
      else {
        end = layOut(key);
        mkdirSync(folder, { recursive: true });
        writeFileSync(`${file}.tmp`, serialize(end));
        renameSync(`${file}.tmp`, file);
      }
      made.set(key, end);
    }
    return end;
  };
  const hider = (): Hider => {
    const { last, keys } = runs.circuits(runs.setup(0, 0)),
      plan = hidingPlan(last.end.circuit.program, END),
      fixed = { frozenDigest: [...keys.end.root, 0n, 0n, 0n, 0n], keyTree: keys.end.tree };
    return {
      plan,
      verify: (x) => k.scope(() => holds(k, plan, x)),
      // What has another statement is the other run.
      prove: ({ key, second }, chosen) => proveCircuit(k, plan, endOf(second ? (key ? 0 : 1) : key).cells, { ...fixed, ...chosen }),
    };
  };
  return hidingArtifacts(hider, of.name, of.what, samples, faulty);
}

/** Certificates of runs, and of units that are drawn of them. */
export const certificates = (folder: string, samples: number, faulty: number): Artifact[] => ends(folder, CERTIFICATE, samples, faulty);
export const bundles = (folder: string, samples: number, faulty: number): Artifact[] => ends(folder, BUNDLE, samples, faulty);
