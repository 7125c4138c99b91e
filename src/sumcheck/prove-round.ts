import { EXT } from '../field/ring.js';
import type { Ext } from '../transcript/arith.js';
import type { ProverChannel } from '../transcript/prover.js';
import type { RoundForm, RoundLabels } from './round.js';

/** The prover's side of a round: sends the message; the next claim and the challenge. */
export function proveRound(
  ch: ProverChannel,
  labels: RoundLabels,
  form: RoundForm<Ext>,
  claim: Ext,
  message: readonly Ext[],
): { claim: Ext; r: Ext } {
  ch.sendExt(labels.message, message);
  const r = ch.sample(labels.challenge);
  return { claim: form.next(EXT, claim, message, r), r };
}
