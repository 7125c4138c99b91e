/** What both sides absorb before the first message: the program and its parameters, then the statement. */
import type { Tail } from '../pcs/params.js';
import type { PadCounts } from '../transcript/pad-cells.js';
import { type Plan, hashOf } from './plan.js';
import { PROOF_VERSION, type Statement, contextWords, packPublic, programDigest, publicTensors } from './statement.js';

/** Version of proofs that hide their witness. */
export const HIDING_VERSION = 1;

/** What is absorbed first and follows from the program and the parameters: versions, program digest, shapes. */
export function header(plan: Plan): { label: string; words: bigint[] }[] {
  const { params, groups, rounds, final } = plan.whir;
  const shape = [
    params.bits,
    params.grinding,
    groups.length,
    ...groups.flatMap((g) => [
      g.logInvRate,
      g.logColumns,
      g.logHeight,
      g.trees.length,
      ...g.trees.flatMap((t) => [t.parts.length, ...t.parts.flatMap((x) => [x.used, x.offset]), ...(t.salted ? [1] : [])]),
      ...(g.trusted ? [1] : []),
    ]),
    rounds.length,
    ...rounds.flatMap((r) => [r.columns, r.logInvRate]),
    final,
  ];
  return [
    // The hash by name, but for Poseidon2, whose transcripts circuits reproduce.
    { label: 'protocol', words: [BigInt(PROOF_VERSION), ...programDigest(plan.program), ...(hashOf(plan) === 'blake3' ? [2n] : [])] },
    {
      label: 'shape',
      words: [plan.logup.vars, plan.logup.boxes.length, plan.factors.length, plan.terms.length, plan.frozenVars, ...shape].map(BigInt),
    },
    ...(plan.pads ? [{ label: 'hiding', words: hidingWords(plan.pads, groups[0].tail!).map(BigInt) }] : []),
  ];
}

/** What a proof that hides its witness absorbs besides: every count of its masks. */
const hidingWords = ({ pads, products }: PadCounts, { cells, masked, log, at }: Tail & { readonly at: number }): number[] => [
  HIDING_VERSION,
  pads,
  products.length,
  cells,
  masked,
  log,
  at,
];

/** What is absorbed next: context, public inputs, frozen digest, state commitments. */
export function statementParts<T>(
  plan: Plan,
  context: readonly T[],
  publics: (name: string) => readonly T[],
  frozen: readonly T[],
  roots: Readonly<Record<string, readonly T[]>>,
): { label: string; words: readonly T[] }[] {
  return [
    { label: 'context', words: context },
    { label: 'public inputs', words: publicTensors(plan.program).flatMap((t) => [...publics(t.name)]) },
    { label: 'frozen digest', words: frozen },
    ...plan.states.map(({ name }) => ({ label: `state ${name}`, words: roots[name] })),
  ];
}

/** All words absorbed before the first message, for the prover. */
export function preamble(plan: Plan, st: Statement): { label: string; words: readonly bigint[] }[] {
  const p = plan.program,
    packed = new Map(publicTensors(p).map((t) => [t.name, packPublic(p, t, st.publics.get(t.name))]));
  return [...header(plan), ...statementParts(plan, contextWords(st), (n) => packed.get(n)!, st.frozen, st.roots)];
}
