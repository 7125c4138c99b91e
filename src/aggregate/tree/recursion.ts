import { UnsupportedError } from '../setup.js';
import type { Kernels } from '../../kernels/runtime.js';
import type { ProofOptions } from '../../tensor/plan.js';
import type { Statement } from '../../tensor/statement.js';
import type { Known } from '../known.js';
import { type Manifest, manifestWords } from '../manifest.js';
import { GRINDING } from '../programs.js';
import { type RecursionClass, type RecursionKeys, recursionClass, recursionKeys } from '../recursion/keys.js';
import { type Stack, proveFold, proveLeaf } from '../recursion/prove.js';
import { runChains, stepPublics } from '../recursion/run.js';
import { decode, layout } from '../recursion/statement.js';
import { type NodeProof, verifyNode } from '../recursion/verify.js';
import type { Setup } from '../setup.js';
import { type StepProof, frozenOf, noFrozen, stateRoot } from '../state.js';
import type { LeafRange, Proven, Recursion } from './prove.js';

/** Circuits and keys of a run: they follow from its programs. */
export interface Circuits {
  readonly cls: RecursionClass;
  readonly keys: RecursionKeys;
  readonly key: Readonly<Record<string, unknown>>;
  readonly seconds: number;
}

const optionsOf = (m: Manifest): ProofOptions => {
  const level = { bits: m.config.proof.bits, logInvRate: 2, grinding: GRINDING };
  return { main: level, state: level };
};

/** Circuits of a run and their keys. Throws UnsupportedError where it cannot be folded. */
export function circuitsOf(k: Kernels, s: Known): Circuits {
  const { train, proof } = s.config,
    t0 = performance.now();
  if (proof.hash !== 'poseidon2') throw new UnsupportedError(['proof.hash blake3: no circuit verifies it (prove --no-fold)']);
  const micros = Math.ceil(train.batch / Math.min(train.batch, train.microBatch)),
    plans = s.update ? [...Array.from({ length: micros }, () => s.plan), s.update.plan] : [s.plan];
  const cls = recursionClass(
      {
        plans,
        steps: 1,
        baseVars: s.plan.frozenVars,
        ...(s.update ? { zeroAcc: stateRoot(k, s, 'aIn', { ...zero, C: new BigInt64Array(s.program.axes['P']) }) } : {}),
      },
      optionsOf(s.manifest),
    ),
    keys = recursionKeys(k, cls);
  const words = (x: readonly bigint[]): string[] => x.map(String);
  return { cls, keys, key: { leaf: words(keys.leaf), fold: words(keys.fold) }, seconds: (performance.now() - t0) / 1000 };
}
const zero = { master: new BigInt64Array(0), mm: new BigInt64Array(0), vv: new BigInt64Array(0) };

const flat = (c: Circuits, n: NodeProof): Proven => ({
  statement: [...layout(c.cls.foldShape.baseVars, c.cls.foldShape.keyVars).keys()].flatMap((f) => [...n.statement[f]]),
  proof: n.proof,
});
export const unflat = (c: Circuits, n: Proven): NodeProof => ({
  statement: decode(n.statement, c.cls.foldShape.baseVars, c.cls.foldShape.keyVars),
  proof: n.proof,
});

/** What folding takes: programs, circuits and the base. */
export function folding(
  k: Kernels,
  s: Known,
  c: Circuits,
  onPhase?: (name: string) => void,
): Pick<Recursion, 'manifest' | 'key' | 'keyDigest' | 'digestOf' | 'fold' | 'end' | 'check'> & { readonly base: Stack } {
  if (!s.frozen) throw new Error('folding takes the base');
  const m = k.mark(),
    fz = frozenOf(k, { ...s, frozen: s.frozen }),
    base: Stack = { words: k.i64.slice(fz.ptr / 8, fz.ptr / 8 + fz.cells), digest: fz.digest };
  k.release(m);
  return {
    base,
    manifest: s.manifest,
    key: c.key,
    keyDigest: keyDigest(c.key),
    digestOf: keyDigest,
    fold: (a, b) => flat(c, proveFold(k, c.cls, c.keys, base, [unflat(c, a), unflat(c, b)], onPhase ? { onPhase } : {})),
    end: (n) => n,
    check: (n) => {
      verifyNode(k, c.cls, unflat(c, n));
    },
  };
}
export const keyDigest = (key: Readonly<Record<string, unknown>>): string => JSON.stringify(key);

/** The recursion of a run whose data are at hand. `losses` are those of all micro-batches, step by step; `states` gives the state before a step. */
export function recursionOf(
  k: Kernels,
  s: Setup & Known,
  c: Circuits,
  losses: readonly (readonly bigint[])[],
  states: (step: number) => Setup['initial'],
  onPhase?: (name: string) => void,
): Recursion {
  const f = folding(k, s, c, onPhase),
    options = onPhase ? { onPhase } : {},
    chains = runChains(s, losses),
    context = manifestWords(s.manifest),
    frozen = f.base.digest,
    left = new Map<number, Readonly<Record<string, readonly bigint[]>>>();
  const enters = (step: number): { cIn: readonly bigint[]; oIn: readonly bigint[] } => {
    const roots = left.get(step);
    if (roots) return { cIn: roots['cOut'], oIn: roots['oOut'] };
    const state = states(step);
    return { cIn: stateRoot(k, s, 'cIn', state), oIn: stateRoot(k, s, 'oIn', state) };
  };
  return {
    ...f,
    leaves: (from, to) =>
      Array.from({ length: to - from }, (_, i): LeafRange => {
        const step = from + i;
        return {
          parts: Array.from({ length: s.batches[step].micro.length + (s.update ? 1 : 0) }, (_, part) => ({ step, part })),
          from: { step, part: 0 },
          to: { step: step + 1, part: 0 },
        };
      }),
    leaf: (r, proofs: readonly StepProof[]) => {
      const { step } = r.from,
        { cIn, oIn } = enters(step),
        publics = stepPublics(s, step, losses[step]);
      let aIn: readonly bigint[] = s.update ? stateRoot(k, s, 'aIn', s.initial) : [];
      const parts = proofs[0].parts.map((p, i) => {
        const statement: Statement = {
          context,
          frozen: p.kind === 'update' ? noFrozen() : frozen,
          roots: { ...(p.kind === 'update' ? { aIn, oIn } : p.kind === 'micro' ? { cIn, aIn } : { cIn, oIn }), ...p.roots },
          publics: publics[i].publics,
        };
        if (p.kind === 'micro') aIn = p.roots['aOut'];
        return { proof: p.proof, statement };
      });
      left.clear();
      left.set(step + 1, proofs[0].parts[proofs[0].parts.length - 1].roots);
      return flat(
        c,
        proveLeaf(k, c.cls, c.keys, f.base, { parts, from: step, dataIn: chains[step].data, scalarsIn: chains[step].scalars }, options),
      );
    },
  };
}
