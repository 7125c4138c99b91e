import type { DeferredClaim } from '../tensor/deferred.js';
import { type Plan, hashOf } from '../tensor/plan.js';
import { type Statement, type StatementElems, contextWords, packPublic, packing, publicTensors } from '../tensor/statement.js';
import { commitmentLayout } from '../tensor/state-layout.js';
import { verifyStatement } from '../tensor/verify.js';
import type { Elem } from '../transcript/arith.js';
import type { CircuitChannel } from './channel.js';

/**
 * A program's statement as public words of the circuit, in a fixed order: context, public inputs, frozen digest, the
 * words of every state commitment.
 */
export function statementWires(ch: CircuitChannel, plan: Plan, st?: Statement): StatementElems {
  const p = plan.program;
  const words = (n: number, v?: readonly bigint[]): Elem[] => Array.from({ length: n }, (_, k) => ch.publicWord(v?.[k] ?? 0n));
  const context = words(8, st && contextWords(st)),
    publics = new Map(
      publicTensors(p).map((t) => [t.name, words(packing(p, t).words, st && packPublic(p, t, st.publics.get(t.name)))] as const),
    );
  return {
    context,
    publics,
    frozen: words(8, st?.frozen),
    roots: Object.fromEntries(plan.states.map((t) => [t.name, words(commitmentLayout(t).words, st?.roots[t.name])])),
  };
}

/** Makes an element of E part of the circuit's statement: three public words. */
export function expose(ch: CircuitChannel, e: Elem): void {
  const [a, b, c] = ch.value(e).map((w) => ch.publicWord(w));
  ch.assertEqual(ch.compose(a, b, c), e, 'exposed value');
}

/**
 * Runs the verifier of program proofs over wires: the statement becomes public words, then the point and the value of
 * the deferred claim on frozen tensors. `given` is absent when the circuit is built from the shape.
 */
export function verifyInCircuit(ch: CircuitChannel, plan: Plan, given?: { proof: BigUint64Array; statement: Statement }): DeferredClaim {
  if (hashOf(plan) !== 'poseidon2')
    throw new Error(`a circuit verifies Poseidon2 proofs, not ${hashOf(plan)}: set proof.hash to poseidon2`);
  const st = statementWires(ch, plan, given?.statement);
  ch.open(given?.proof);
  const claim = verifyStatement(ch, plan, st);
  ch.finish();
  for (const e of [...claim.take().point, claim.take().value]) expose(ch, e);
  return claim;
}
