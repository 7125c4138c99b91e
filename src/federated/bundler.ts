import { type NodeFile, decodeNode } from '../artifact/folded.js';
import { InputError, UnsupportedError } from '../errors.js';
import type { Kernels } from '../kernels/runtime.js';
import { proveEnd } from '../prove/end.js';
import { proveBundle } from '../prove/fold.js';
import { baseStack } from '../prove/recursion.js';
import { bundleEndCircuit, bundleOf } from '../recursion/bundle.js';
import type { BundledCircuits } from '../recursion/circuits.js';
import { type NodeProof, nodeOf } from '../recursion/node-words.js';
import { encode, endLayout } from '../recursion/statement.js';
import type { Run } from '../run/facts.js';
import type { Base } from '../run/inputs.js';
import { hiddenEndPlan } from '../verify/certificate.js';
import { settleNative, settleNode } from '../verify/nodes.js';
import { type RoundCertificate, encodeCertificate } from './certificate.js';
import { type RoundContext, drawOf, openRound } from './checks.js';
import { readBlob, readFederation, roundDir, writeCertificate } from './folder.js';
import { readHead } from './head.js';
import { MOST_UNIT, type UnitChecks } from './units.js';
import { updateLimit, valuesOf } from './update.js';

/** A unit to bundle: whose run in the round, and the proof that its answer names. */
export interface BundledUnit {
  readonly client: string;
  readonly unit: number;
  readonly run: Run;
  readonly circuits: BundledCircuits;
  readonly proof: Uint8Array;
}

/**
 * Certificates of a round: one for all units whose runs have the same circuits. Every proof is settled before it is
 * bundled, so that a false one is found where it is and not at the end. Throws VerificationError, UnsupportedError, and
 * Error naming the first check that fails.
 */
export function makeCertificates(
  k: Kernels,
  c: RoundContext,
  base: Base,
  units: readonly BundledUnit[],
  said: (text: string) => void = () => {},
): Uint8Array[] {
  const groups = new Map<string, BundledUnit[]>();
  for (const u of units) groups.set(u.circuits.digest, [...(groups.get(u.circuits.digest) ?? []), u]);
  return [...groups.values()].map((list) => encodeCertificate(certificateOf(k, c, base, list, { hides: false, said })));
}

/**
 * What a client answers a draw with where the plan asks for certificates: one of all its drawn units, in their order,
 * that hides its witness. No two are alike. Throws as makeCertificates.
 */
export const makeAnswer = (
  k: Kernels,
  c: RoundContext,
  base: Base,
  units: readonly BundledUnit[],
  said: (text: string) => void = () => {},
): Uint8Array => encodeCertificate(certificateOf(k, c, base, units, { hides: true, said }));

function certificateOf(
  k: Kernels,
  c: RoundContext,
  base: Base,
  list: readonly BundledUnit[],
  { hides, said }: { readonly hides: boolean; readonly said: (text: string) => void },
): RoundCertificate {
  const [{ circuits, run }] = list,
    { cls, keys, bundle } = circuits;
  if (!bundle) throw new UnsupportedError([circuits.problem ?? 'nodes of this run cannot be bundled']);
  const stack = baseStack(run.programs, base),
    nodes = list.map((u): NodeProof => {
      const file: NodeFile = decodeNode(`unit ${u.unit} of ${u.client}`, u.proof),
        node = nodeOf(cls, file);
      k.scope(() =>
        settleNative(k, stack.words, [settleNode(k, cls, keys, node)], 'base', `unit ${u.unit} of ${u.client}: its claim on the base`),
      );
      return node;
    });
  let done = 0;
  const all = bundleOf(nodes, (left, right) => {
    const node = k.scope(() => proveBundle(k, bundle, keys, stack, [left, right]));
    said(`${++done} of ${nodes.length - 1} bundles proved`);
    return node;
  });
  const { statement, proof } = k.scope(() =>
    proveEnd(k, bundle, keys, stack, all, { circuit: bundleEndCircuit, ...(hides ? { plan: hiddenEndPlan(keys.published) } : {}) }),
  );
  return {
    federation: c.charter.digest,
    round: c.plan.body.round,
    plan: c.plan.digest,
    units: list.map(({ client, unit }) => ({ client, unit })),
    hides,
    statement: encode(statement, endLayout(bundle.child.baseVars)),
    proof,
  };
}

/**
 * Makes the certificates of a round in a federation's folder, of all units that a verdict says are proved, in the order
 * of the draw; their files. Throws InputError, FederationError where a proof does not hold, UnsupportedError.
 */
export function bundleRound(
  dir: string,
  round: number,
  s: { readonly kernels: Kernels; readonly base: Base; readonly units: UnitChecks },
  said: (text: string) => void = () => {},
): { readonly file: string; readonly bytes: number; readonly units: number }[] {
  const f = readFederation(dir),
    placed = readHead(dir, f).rounds.find((r) => r.round === round),
    bad = (why: string): never => {
      throw new InputError(roundDir(dir, round), [why]);
    };
  if (!placed) return bad('is no round of this federation');
  const { files, before } = placed,
    { seal, beacon } = files;
  if (!seal || !beacon) return bad('has no draw yet');
  if (files.plan.body.audit.show === 'certificates') return bad('was answered with certificates, whose nodes nobody else has');
  const most = updateLimit(valuesOf(f.charter.body.tensors)),
    global = readBlob(dir, files.plan.body.global.adapter, most) ?? bad('has no global adapter'),
    c = openRound(f, files.plan, before, global),
    proved = new Set(
      files.verdicts.filter(({ body }) => body.how === 'proved' && body.holds).map(({ body }) => `${body.client}-${body.unit}`),
    );
  const list = drawOf(c, seal, beacon).units.flatMap((u): BundledUnit[] => {
    const name = `${u.client}-${u.index}`,
      r = files.responses.get(name);
    if (!proved.has(name) || !r || r.body.proof === null) return [];
    const proof = readBlob(dir, r.body.proof, MOST_UNIT);
    s.units.unit(c, r, proof);
    return proof ? [{ client: u.client, unit: u.index, proof, ...s.units.runFor(c, u.client) }] : [];
  });
  if (!list.length) return bad('has no unit that was proved');
  return makeCertificates(s.kernels, c, s.base, list, said).map((bytes) => {
    // Read back as anybody reads it, before it lies there.
    const units = s.units.certificate(c, files.responses, bytes);
    return { file: writeCertificate(dir, round, bytes), bytes: bytes.length, units: units.length };
  });
}
