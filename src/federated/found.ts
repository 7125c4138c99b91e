import type { Kernels } from '../kernels/runtime.js';
import { type AdapterState, scalarFormats } from '../model/step.js';
import { adamConstants } from '../optim/constants.js';
import type { PublicKey } from '../provenance/ecdsa.js';
import type { Run } from '../run/facts.js';
import type { Chain } from './beacon.js';
import { adapterBlob } from './checks.js';
import { CHARTER_VERSION, type Message, digestOf, keyText } from './messages.js';
import { statesOf, tensorsOf } from './states.js';
import { settingsDigest } from './units.js';

/** What a federation is founded on, beside a run that has its settings. */
export interface Foundation {
  readonly name: string;
  readonly server: PublicKey;
  readonly chain: Chain;
  /** Round of the chain whose value draws the participants of the first round, and the order of their rows. */
  readonly seedRound: number;
  /** Digests of the keys that may enrol. */ readonly allow: readonly string[];
}

/**
 * Body of the charter of a federation that begins with a run's adapter, and that adapter as a blob. Everything but the
 * foundation follows from the run: its base, settings, programs, tensors and constants.
 */
export function charterOf(
  k: Kernels,
  run: Run,
  initial: Pick<AdapterState, 'C'>,
  f: Foundation,
): { readonly body: Message<'charter'>; readonly blob: Uint8Array } {
  const { train } = run.manifest.config,
    start = Int32Array.from(initial.C, Number),
    tensors = tensorsOf(run.programs.program),
    blob = adapterBlob(start, { tensors }),
    a = adamConstants(train.betas as [number, number], train.clip),
    { momentFrac } = scalarFormats((run.programs.update ?? run.programs).program);
  return {
    blob,
    body: {
      type: 'certune-fed-charter',
      version: CHARTER_VERSION,
      name: f.name,
      server: keyText(f.server),
      chain: f.chain,
      seedRound: f.seedRound,
      base: run.manifest.base.digest,
      program: settingsDigest(run.manifest),
      allow: [...new Set(f.allow)],
      tensors,
      optimizer: { beta1: Number(a.beta1), kappa: Number(a.kappa), sigma: Number(a.sigma), momentFrac },
      sequence: train.sequence,
      start: { adapter: digestOf(blob), state: statesOf(k, run.programs).first(start).map(String) },
    },
  };
}
