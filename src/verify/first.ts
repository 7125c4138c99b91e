import type { FoldedRun, NodeFile } from '../artifact/folded.js';
import { circuitProgram } from '../circuit/program.js';
import { InputError } from '../errors.js';
import type { Kernels } from '../kernels/runtime.js';
import { KIND_BITS } from '../recursion/fold.js';
import type { VerificationKey } from '../recursion/key.js';
import { type NodeStatement, decode, layout } from '../recursion/statement.js';
import { endProofOf } from '../recursion/node-words.js';
import { showsSteps } from '../policy/vector.js';
import { manifestWords } from '../run/manifest.js';
import { type Plan, makePlan } from '../tensor/plan.js';
import { VerificationError } from '../transcript/arith.js';
import { same } from './compare.js';
import { parsePublished } from './key.js';
import { type Held, verifyEndOf } from './certificate.js';
import { verifyNode } from './nodes.js';

/*
 * What a verifier does first with a file of a stranger. Programs, schedule, initial state and lists follow from the
 * manifest, and it may be made so that they take hours: nothing is computed from it before there is a proof that names
 * its digest. That proof is verified under the key beside it, which takes milliseconds whatever it says. It shows that
 * somebody has proved something under some key; whose word that key is, and whether the statement is that of this run,
 * is checked afterwards (src/verify/trust.ts, src/verify/compare.ts).
 */

/** Parameters from a key of nobody's. Throws InputError where they are none. */
function under<T>(file: string, make: () => T): T {
  try {
    return make();
  } catch (e) {
    if (e instanceof VerificationError || e instanceof InputError) throw e;
    throw new InputError(file, [`its key describes no circuits: ${(e as Error).message}`], 'not a Certune proof, or a damaged one');
  }
}

/** Plan and numbers of variables of the nodes that a key describes. */
function nodesOf(key: VerificationKey): { plan: Plan; circuits: { length: number }; child: { baseVars: number; keyVars: number } } {
  const { bits, rate, grinding } = key.proof,
    plan = makePlan(circuitProgram(key.heights), { bits, grinding, rate, stateRate: rate });
  return { plan, circuits: { length: key.leaves.length + 1 }, child: { baseVars: key.baseVars, keyVars: plan.frozenVars + KIND_BITS } };
}

/** Checks that a statement names the manifest, and covers the steps of which the file lists losses, if it shows any. */
function namesManifest(
  x: FoldedRun | NodeFile,
  st: Pick<NodeStatement, 'context' | 'dataset' | 'posIn' | 'posOut'>,
  from: { step: number; part: number },
  to: { step: number; part: number },
): void {
  same('manifest', st.context, manifestWords(x.manifest));
  same('dataset root', st.dataset, x.manifest.dataset.root.map(BigInt));
  same('first step', st.posIn.slice(0, 1), [BigInt(from.step)]);
  same('last step', st.posOut.slice(0, 1), [BigInt(to.step)]);
  const steps = showsSteps(x.manifest.config.show) ? to.step + (to.part ? 1 : 0) - from.step : 0;
  if (x.losses.length !== steps || x.losses.some((l, i) => l.step !== from.step + i))
    throw new VerificationError('losses', `are not those of the steps ${from.step} to ${from.step + steps - 1}`);
}

/**
 * Verifies the proof of a folded run or a node under the key that lies beside it, and that its statement names the
 * manifest beside it, its data set and the steps of the list of losses. Milliseconds, whatever the manifest says.
 * Returns what was found of a run's end, so that it is not verified again where the key turns out to be one to trust.
 * Throws InputError, VersionError, VerificationError.
 */
export function checkFirst(k: Kernels, file: string, x: FoldedRun | NodeFile): Held | undefined {
  const key = parsePublished(file, x.key);
  if (!('from' in x)) {
    namesManifest(x, endProofOf(key, x).statement, { step: 0, part: 0 }, { step: x.manifest.config.train.steps, part: 0 });
    return under(file, () => verifyEndOf(k, key, x));
  }
  const nodes = under(file, () => nodesOf(key)),
    statement = decode(x.statement, layout(nodes.child.baseVars, nodes.child.keyVars));
  namesManifest(x, statement, x.from, x.to);
  under(file, () => verifyNode(k, nodes, { statement, proof: x.proof }));
  return undefined;
}
