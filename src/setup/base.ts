import type { Inputs } from '../run/inputs.js';
import { join } from 'node:path';
import { TextCodec } from '../io/codec.js';
import { loadBase, openBase, sha256File } from '../io/hf.js';
import { frozenIntegers, quantizeBase } from '../model/base.js';
import { type AdapterState, initialState } from '../model/step.js';
import { VerificationError } from '../transcript/arith.js';
import { difference } from '../run/manifest.js';
import { type Run, initialOf } from '../run/facts.js';
import { preprocessingOf } from './preprocessing.js';
import { startFrom } from './run.js';

/**
 * Base and initial state of a run, as far as they are at hand. `base` is a Hugging Face folder, `from` the adapter that
 * the run began from. Throws InputError for what cannot be read, VerificationError naming all keys of the manifest that
 * the base or the adapter contradicts.
 */
export function inputsOf(run: Run, given: { readonly base?: string | undefined; readonly from?: string | undefined } = {}): Inputs {
  const { manifest: m, programs } = run,
    { config } = m,
    differs: string[] = [];
  let frozen: Map<string, BigInt64Array> | undefined;
  if (given.base !== undefined) {
    const folder = openBase(given.base),
      base = loadBase(given.base, folder),
      { ints, bits } = quantizeBase(base.weights),
      preprocessing = preprocessingOf(given.base, new TextCodec(given.base, config.train.template ?? undefined));
    differs.push(
      ...difference(
        { base: m.base, preprocessing: m.preprocessing },
        { base: { digest: base.digest, shape: base.shape, weightBits: bits }, preprocessing },
      ),
    );
    if (!differs.length) frozen = frozenIntegers(base.shape, ints, base.rope, config.train.sequence);
  }
  let initial: AdapterState | undefined;
  if (config.lora.from === null) initial = initialOf(run);
  else if (given.from !== undefined) {
    if (`sha256:${sha256File(join(given.from, 'adapter_model.safetensors'), 'weights')}` !== config.lora.from)
      differs.push('config.lora.from');
    else initial = initialState(programs.program, startFrom(given.from, config.lora, m.base.shape).master);
  }
  if (differs.length) throw new VerificationError('manifest', `differs from what base and adapter give: ${differs.join(', ')}`);
  return { ...(frozen ? { base: { frozen } } : {}), ...(initial ? { initial } : {}) };
}
